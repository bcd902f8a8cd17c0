"""One stage of a worker: which units it owns, what it reads for them, when it gives them up."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import KafkaError
from mode import Service

from streams.kafka.counted import Counted
from streams.kafka.log import log
from streams.kafka.unit import Unit
from streams.observe import Health
from streams.observe.names import Figure

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator

    from streams.kafka.ground import Ground, Spec
    from streams.kafka.machines import Taken

FETCH_RECORDS = 4_000
"""Some 20 ms of work, so that other tasks get their turn."""
FETCH_MS = 100
STOP_SECONDS = 5.0
LOOK_SECONDS = 5.0
"""How often Kafka is asked where the inputs end. A consumer knows only what it has fetched, and
fetches nothing of a partition that is held back, or while there is work left: then lag matters."""
FETCH_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Fetch:
    """Messages of one input partition of a unit, on their way to the stage's agent.

    Attributes:
        epoch: of the service when they were read; what is older is of no use any more.
        number: of the fetch in its epoch, from 0.
        unit: number of the unit.
        partition: input partition.
        end: position after them.
        messages: they.
    """

    epoch: int
    number: int
    unit: int
    partition: int
    end: int
    messages: list[Taken]


class StageService(Service):
    """Feeds the agent of one stage with whole fetches, and owns the stage's units.

    Membership and reading are apart. A group consumer, which reads nothing, only says which
    partitions of ``group_topic`` are this worker's; a consumer of its own, without a group, reads
    from where each unit stands. So no committed group offset can ever contradict a unit's place.

    Args:
        ground: what all units share.
        stage: its name, of which the group's name is made.
        group_topic: the topic whose partitions stand for units.
        spec: what the unit of such a partition is.
        feed: hands a fetch to the agent; waits while the agent is behind.
        fatal: called with whatever goes wrong; does not return to normal work.
    """

    def __init__(
        self,
        ground: Ground,
        stage: str,
        group_topic: str,
        spec: Callable[[int], Spec],
        feed: Callable[[Fetch], Awaitable[Any]],
        fatal: Callable[[BaseException], None],
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.ground = ground
        self.stage = stage
        self._group_topic = group_topic
        self._spec = spec
        self._feed = feed
        self._fatal = fatal
        self.health = Health()
        self._joined = False
        self._counted: dict[int, Counted] = {}
        self._ends: dict[TopicPartition, int] = {}
        self._epoch = self._fed = self._worked = 0
        self._wanted: set[int] = set()
        self._units: dict[int, Unit] = {}
        self._owners: dict[TopicPartition, int] = {}
        self._settling = asyncio.Lock()
        self._changed = asyncio.Event()
        self._consumers: list[AIOKafkaConsumer] = []

    # -- life cycle ------------------------------------------------------------------------------

    async def on_start(self) -> None:
        """Join the group."""
        kafka = self.ground.settings.kafka
        self._reader = AIOKafkaConsumer(
            **self.ground.options,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="none",
            max_partition_fetch_bytes=FETCH_BYTES,
        )
        self._consumers.append(self._reader)
        await self._reader.start()
        self._member = AIOKafkaConsumer(
            **self.ground.options,
            group_id=f"{kafka.app}-{self.stage}",
            enable_auto_commit=False,
            auto_offset_reset="latest",
            session_timeout_ms=kafka.session_timeout_ms,
            heartbeat_interval_ms=max(kafka.session_timeout_ms // 3, 500),
            rebalance_timeout_ms=max(kafka.session_timeout_ms, 30_000),
            partition_assignment_strategy=(StickyPartitionAssignor,),
        )
        self._consumers.append(self._member)
        self._member.subscribe([self._group_topic], listener=_Listener(self))
        await self._member.start()

    async def on_stop(self) -> None:
        """Give up all units, and leave the group."""
        try:
            await self.revoked()
        except BaseException as error:  # noqa: BLE001 - crash only
            self._fatal(error)
        # Of one that could not be started, too; the member first.
        for consumer in reversed(self._consumers):
            # In the midst of a rebalance a member waits for the slowest of the others.
            with contextlib.suppress(KafkaError, TimeoutError):
                await asyncio.wait_for(consumer.stop(), STOP_SECONDS)

    def assigned(self, partitions: Iterable[int]) -> None:
        """The group says which units are this worker's now."""
        self._joined = True
        self._wanted = set(partitions)
        self._changed.set()

    async def revoked(self) -> None:
        """Nothing is this worker's any more: say what is left to say, and let go."""
        self._wanted = set()
        async with self._settling:
            self._epoch += 1
            units, self._units, self._owners, self._counted = self._units, {}, {}, {}
            for unit in units.values():
                await unit.close()
                log.info("%s: given up", unit.spec.name, extra={"unit": unit.spec.name})

    # -- what it tells of itself -----------------------------------------------------------------

    def waits_for(self) -> str:
        """Why it is not at its work, "" if it is; who has nothing to do is ready to take over."""
        if not self._joined:
            return f"{self.stage}: it has not joined its group"
        if loading := self._wanted - self._units.keys():
            return f"{self.stage}: it loads {len(loading)} units"
        silent = self.health.why_not_heard()
        return f"{self.stage}: {silent}" if silent else ""

    def figures(self) -> Iterator[Figure]:
        """What its units count, how much is left to read for them, how large their state is."""
        for number, unit in self._units.items():
            yield from self._counted[number].figures()
            if unit.state_bytes:
                labels = {"unit": unit.spec.name}
                yield Figure("surgewatch_state_bytes", unit.state_bytes, labels)
                yield Figure("surgewatch_snapshot_seconds", unit.snapshot_seconds, labels)
            for partition, position in unit.positions.items():
                end = self._ends.get(TopicPartition(unit.spec.topic, partition))
                if end is not None:
                    labels = {"stage": self.stage, "partition": str(partition)}
                    yield Figure("surgewatch_lag_records", max(end - position, 0), labels)

    # -- work ------------------------------------------------------------------------------------

    @Service.task
    async def _stay_member(self) -> None:
        """Ask the group consumer, whose partitions are all paused, for nothing, again and again.

        It leaves the group when nobody asks for long, and says what went wrong only when asked.
        """
        try:
            while not self.should_stop:
                await self._member.getmany(timeout_ms=1_000)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - crash only
            if not self.should_stop:
                self._fatal(error)

    @Service.task
    async def _read(self) -> None:
        try:
            while not self.should_stop:
                self.health.beat()
                if self._changed.is_set():
                    await self._settle()
                if not self._units:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._changed.wait(), 1.0)
                    continue
                await self._fetch()
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - crash only
            self._fatal(error)

    @Service.task
    async def _look(self) -> None:
        """Ask where the inputs end, and so whether Kafka answers."""
        while not self.should_stop:
            try:
                self._ends = await self._reader.end_offsets(list(self._owners))
            except KafkaError as error:
                log.debug("%s: Kafka does not answer: %r", self.stage, error)
            else:
                self.health.heard()
            await self.sleep(LOOK_SECONDS)

    async def _settle(self) -> None:
        """Load the units that are newly this worker's."""
        async with self._settling:
            self._changed.clear()
            self._epoch, self._fed, self._worked = self._epoch + 1, 0, 0
            for number in sorted(self._wanted - self._units.keys()):
                unit = Unit(self.ground, self._spec(number), self._fatal, self.health.beat)
                await unit.load()
                self._units[number], self._counted[number] = unit, Counted(unit.machine)
                unit.start()
            self._owners = {
                TopicPartition(unit.spec.topic, partition): number
                for number, unit in self._units.items()
                for partition in unit.spec.inputs
            }
            self._reader.assign(list(self._owners))
            for tp, number in self._owners.items():
                self._reader.seek(tp, self._units[number].positions[tp.partition])

    async def _fetch(self) -> None:
        epoch = self._epoch
        fetched = await self._reader.getmany(timeout_ms=FETCH_MS, max_records=FETCH_RECORDS)
        for tp, records in fetched.items():
            if epoch != self._epoch:
                return
            number, self._fed = self._fed, self._fed + 1
            end = await self._reader.position(tp)
            await self._feed(Fetch(epoch, number, self._owners[tp], tp.partition, end, records))
        if self._fed == self._worked:
            for tp, owner in self._owners.items():
                self._units[owner].reach(tp.partition, await self._reader.position(tp))
        self._hold_back()

    def _hold_back(self) -> None:
        """Read no more of partitions that are far ahead of those that they wait for."""
        for tp, owner in self._owners.items():
            ahead = self._units[owner].machine.ahead(tp.partition)
            if ahead and tp not in self._reader.paused():
                self._reader.pause(tp)
            elif not ahead and tp in self._reader.paused():
                self._reader.resume(tp)

    async def work(self, fetch: Fetch) -> None:
        """What the stage's agent does with a fetch."""
        if fetch.epoch != self._epoch:
            return
        if fetch.number != self._worked:
            # The agent's channel has lost some: read them again.
            log.warning(
                "%s: fetches were lost on the way to the agent",
                self.stage,
                extra={"stage": self.stage, "partition": fetch.partition},
            )
            self._changed.set()
            return
        unit = self._units[fetch.unit]
        await unit.take(
            fetch.partition, fetch.messages, fetch.end, lambda: fetch.epoch == self._epoch
        )
        if fetch.epoch == self._epoch:
            # Not in an epoch that began meanwhile: what it has fed would pass for worked on.
            self._worked += 1


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    """Tells the service what the group decides."""

    def __init__(self, service: StageService) -> None:
        self._service = service

    async def on_partitions_revoked(self, _: Iterable[TopicPartition]) -> None:
        """See ``StageService.revoked``."""
        try:
            await self._service.revoked()
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - crash only
            self._service._fatal(error)  # noqa: SLF001 - one unit

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """See ``StageService.assigned``."""
        self._service._member.pause(*assigned)  # noqa: SLF001 - it reads nothing
        self._service.assigned(tp.partition for tp in assigned)
