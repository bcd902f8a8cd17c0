"""Whose turn it is to deliver: one notifier at a time, and whoever has it keeps it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import IllegalOperation, KafkaError, ProducerFenced

from streams.errors import BrokerError
from streams.kafka.connect import client_options, start, stop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator

    from aiokafka import TopicPartition

    from streams.settings import Settings

GENERATIONS = 1 << 31
"""A generation has 32 bits, one of them for the sign."""


class Member(ConsumerRebalanceListener):  # type: ignore[misc]
    """Is it this notifier's turn? The group gives the one partition of alerts to one of them.

    Whoever has it keeps it: one that is started for a trial must not take deliveries away. That it
    is asked for back whenever somebody joins or leaves is no reason to stop.

    Attributes:
        elected: set while it has the turn.
        lost: set once it has lost it.
    """

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer
        self.elected = asyncio.Event()
        self.lost = asyncio.Event()

    async def on_partitions_revoked(self, _: Iterable[TopicPartition]) -> None:
        """It may be given back at once, which ``on_partitions_assigned`` will say."""

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """It reads nothing by itself."""
        self._consumer.pause(*assigned)
        if assigned:
            self.lost.clear()
            self.elected.set()
        else:
            self.elected.clear()
            self.lost.set()


def keeper(clock: Callable[[], float]) -> type[StickyPartitionAssignor]:
    """How a member of the group says what it holds, and since when.

    Of two that say so of the same, the later one has it: the other was silent for so long that it
    was taken for dead, and does not know what has been told since. The library has a place for the
    group's generation, by which it decides that, and never fills it.

    Args:
        clock: seconds since 1970.
    """

    class Keeper(StickyPartitionAssignor):  # type: ignore[misc]
        """One of its own for each member: what is held is kept in the class."""

        @classmethod
        def on_assignment(cls, assignment: Any) -> None:
            """It holds this from now on."""
            held = cls.member_assignment
            super().on_assignment(assignment)
            if cls.member_assignment and not held:
                cls.on_generation_assignment(int(clock()) % GENERATIONS)

    return Keeper


@contextlib.asynccontextmanager
async def member_of(
    settings: Settings, topic: str, clock: Callable[[], float]
) -> AsyncIterator[Member]:
    """A member of the notifiers' group, as long as the block lasts.

    Args:
        settings: all of them.
        topic: that of alerts; whoever has its one partition has the turn.
        clock: seconds since 1970.
    """
    kafka = settings.kafka
    consumer = AIOKafkaConsumer(
        **client_options(settings),
        group_id=f"{kafka.app}-notifier",
        enable_auto_commit=False,
        auto_offset_reset="latest",
        partition_assignment_strategy=(keeper(clock),),
        session_timeout_ms=kafka.session_timeout_ms,
        heartbeat_interval_ms=kafka.session_timeout_ms // 3,
    )
    member = Member(consumer)
    consumer.subscribe([topic], listener=member)

    async def stay() -> None:
        while True:
            await consumer.getmany(timeout_ms=1_000)

    try:
        await start(consumer, settings)
        async with _beside(stay()):
            yield member
    finally:
        await stop(consumer)


@contextlib.asynccontextmanager
async def _beside(work: Any) -> AsyncIterator[None]:
    """Run work that never ends by itself; what goes wrong in it ends the block."""
    with taken_over():
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(work)
            try:
                yield
            finally:
                task.cancel()


@contextlib.contextmanager
def taken_over() -> Iterator[None]:
    """Say what went wrong, also in a group of tasks, as an error that its user can read."""
    try:
        yield
    except (BaseExceptionGroup, ProducerFenced, IllegalOperation) as error:
        raise _readable(error) from None


def _readable(error: BaseException) -> BaseException:
    """The first error of a group, or of one; as an error of ours where it is Kafka's."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, ProducerFenced | IllegalOperation):
        return BrokerError("another notifier has taken over what this one was doing")
    if isinstance(error, KafkaError):
        return BrokerError(f"Kafka: {error!r}")
    return error
