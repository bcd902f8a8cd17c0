"""One pipeline on a broker: its topics, what is published to them, what has come of it."""

from __future__ import annotations

import asyncio
import contextlib
import io
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.kafka import topics as topics_module
from streams.kafka.connect import client_options
from streams.kafka.publish import Publisher
from streams.kafka.rebuild import kept_state
from streams.kafka.store import PLACE, Place, read_kept
from streams.kafka.topics import Topics
from streams.logs import LineLog
from streams.settings import load
from tests.kafka.digest import flat
from tests.kafka.live import KEY_VARIABLE, USERS_KEY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path

    from streams.events import Intake
    from streams.settings import Settings

MAGIC_BYTES = 4
ALL = "read_uncommitted"
"""Whose ends are those of all messages: a commit is acknowledged before it can be seen."""
CATCH_UP_S = 180.0
HEADER = """\
[metrics]
listen = "{listen}"
[kafka]
bootstrap = "{bootstrap}"
prefix = "{prefix}"
app = "{prefix}"
"""


class Input(NamedTuple):
    """What a unit reads, and where it keeps what it knows."""

    topic: str
    partitions: list[int]
    state_partition: int


class Saying(Protocol):
    """One worker or more."""

    def said(self) -> str:
        """What they have said."""


class Left(NamedTuple):
    """What a pipeline leaves behind when its workers have stopped.

    Attributes:
        states: of each unit, flat, without what depends on the clock of the machine.
        intake: of all source partitions together.
    """

    states: dict[str, dict[str, str]]
    intake: Intake


class Pipeline:
    """The topics of one pipeline and all that a test asks of them.

    Args:
        folder: for its configuration.
        bootstrap: where the broker is.
        prefix: of its names.
        partitions: of posts.
        more: rest of the configuration, as TOML; begins in the section ``kafka``.
        listen: where workers tell their metrics; nowhere, since several share a machine.
    """

    def __init__(
        self,
        folder: Path,
        bootstrap: str,
        prefix: str,
        partitions: int,
        more: str = "",
        listen: str = "",
    ) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.config = folder / "surgewatch.toml"
        self.config.write_text(
            HEADER.format(listen=listen, bootstrap=bootstrap, prefix=prefix) + more
        )
        self.settings: Settings = load(self.config, {KEY_VARIABLE: USERS_KEY})
        self.partitions = partitions
        self.topics = Topics.of(self.settings)
        self.units = {
            f"ingest-{n}": Input(self.topics.posts, [n], n + 2) for n in range(partitions)
        } | {
            "detect": Input(self.topics.tallies, list(range(partitions)), 1),
            "correlate": Input(self.topics.episodes, [0], 0),
        }

    def create(self) -> None:
        """Make the topics."""
        asyncio.run(topics_module.create(self.settings, self.partitions))

    @contextlib.asynccontextmanager
    async def _consumer(self, isolation_level: str = "read_committed") -> AsyncIterator[Any]:
        consumer = AIOKafkaConsumer(
            **client_options(self.settings),
            isolation_level=isolation_level,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        await consumer.start()
        try:
            yield consumer
        finally:
            await consumer.stop()

    # -- what comes out --------------------------------------------------------------------------

    def alerts(self) -> list[bytes]:
        """All alerts, as a reader of committed messages gets them."""
        return asyncio.run(self._values(self.topics.alerts, 0))

    def posts(self, partition: int) -> list[bytes]:
        """What the posts topic holds, markers too."""
        return asyncio.run(self._values(self.topics.posts, partition))

    async def _values(self, topic: str, partition: int) -> list[bytes]:
        tp, values = TopicPartition(topic, partition), []
        async with self._consumer(ALL) as everything:
            end = (await everything.end_offsets([tp]))[tp]
        async with self._consumer() as consumer:
            consumer.assign([tp])
            while await consumer.position(tp) < end:
                fetched = await consumer.getmany(timeout_ms=200)
                values += [message.value for message in fetched.get(tp, [])]
        return values

    # -- where the units stand -------------------------------------------------------------------

    def wait(
        self,
        workers: Saying,
        timeout_s: float = CATCH_UP_S,
        worth_it: Callable[[], bool] = lambda: True,
    ) -> None:
        """Wait until every unit has answered all there is, as long as that is ``worth_it``."""
        lags = asyncio.run(self._wait(time.monotonic() + timeout_s, worth_it))
        assert not lags, f"not caught up after {timeout_s} s: {lags}\n{workers.said()}"

    async def _wait(self, deadline: float, worth_it: Callable[[], bool]) -> list[str]:
        places: dict[int, Place] = {}
        states = [TopicPartition(self.topics.state, u.state_partition) for u in self.units.values()]
        inputs = [TopicPartition(u.topic, p) for u in self.units.values() for p in u.partitions]
        async with self._consumer() as consumer, self._consumer(ALL) as everything:
            consumer.assign(states)
            while True:
                fetched = await consumer.getmany(timeout_ms=100)
                for tp, messages in fetched.items():
                    for message in messages:
                        if message.key == PLACE:
                            place = msgspec.json.decode(message.value, type=Place)
                            places[tp.partition] = place
                if fetched:
                    continue
                # The ends are asked for after the places were read: whoever has moved since is
                # found to be behind, never the other way round.
                ends = await everything.end_offsets(inputs)
                lags = [lag for name in self.units if (lag := self._lag(name, places, ends))]
                if not lags or time.monotonic() > deadline or not worth_it():
                    return lags
                await asyncio.sleep(0.2)

    def _lag(self, name: str, places: Mapping[int, Place], ends: Mapping[Any, int]) -> str:
        unit = self.units[name]
        place = places.get(unit.state_partition)
        if place is None:
            return f"{name} has not begun"
        for partition in unit.partitions:
            at, end = place.positions[partition], ends[TopicPartition(unit.topic, partition)]
            if at < end:
                return f"{name} is at {at} of {end} in partition {partition}"
        return ""

    def left(self) -> Left:
        """What was left by workers that have stopped; each unit has kept a snapshot then."""
        return asyncio.run(self._left())

    async def _left(self) -> Left:
        options = client_options(self.settings)
        states: dict[str, dict[str, str]] = {}
        intakes: list[Intake] = []
        for name, unit in self.units.items():
            kept = await read_kept(options, self.topics.state, unit.state_partition)
            assert kept is not None
            assert kept.place.snapshot_positions == kept.place.positions, f"{name}: no snapshot"
            state = kept_state(kept.snapshot, self.settings).machine
            if name == "detect":
                del state["seen"]  # what was seen of posts came with rounds
            elif name == "correlate":
                del state[0]["_promised"]  # provisional alerts come by the clock
            else:
                intakes.append(state["intake"])
            states[name] = flat(state)
        total = intakes[0].snapshot()
        for intake in intakes[1:]:
            total.add(intake)
        return Left(states, total)

    def publish(self, log: bytes, speed: float | None = None) -> Publication:
        """Begin to publish a log."""
        return Publication(self.settings, log, speed)


class Publication(threading.Thread):
    """A log on its way to the posts topic, from a thread of its own."""

    def __init__(self, settings: Settings, log: bytes, speed: float | None) -> None:
        super().__init__(daemon=True)
        lines = LineLog(
            "log.jsonl",
            len(log),
            io.BytesIO(log[MAGIC_BYTES:]),
            log[:MAGIC_BYTES],
            settings.limits.record_bytes,
        )
        self._lines = log.count(b"\n")
        self._publisher = Publisher(settings, [lines], speed, lambda *_: None)
        self._failed: BaseException | None = None
        self.start()

    def run(self) -> None:
        """Publish it all."""
        try:
            asyncio.run(self._publisher.run())
        except BaseException as error:  # noqa: BLE001 - the test is told
            self._failed = error

    def last(self, until_ms: int, seconds: float) -> None:
        """Go on at such a speed that event time takes so long until it is there."""
        if self._failed is not None:
            raise self._failed
        publisher = self._publisher
        clock_ms = publisher._spread.clock_ms if publisher._spread else None
        if clock_ms is not None and publisher._speed is not None:
            publisher._began = time.monotonic(), clock_ms
            publisher._speed = max(until_ms - clock_ms, 1) / 1000 / seconds

    def rush(self) -> None:
        """Go on as fast as it goes."""
        self._publisher._speed = None

    def done(self, timeout_s: float = CATCH_UP_S) -> int:
        """Wait until all is published; how many records, of lines that can be had."""
        self.join(timeout_s)
        if self._failed is not None:
            raise self._failed
        assert not self.is_alive(), f"not published after {timeout_s} s"
        # Lines that are longer than a record may be do not get as far as Kafka.
        assert self._publisher.posts + self._publisher.unreadable == self._lines
        return self._publisher.posts
