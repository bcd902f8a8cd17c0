"""One stage, or one partition of it, as this worker owns it.

Everything a unit says goes out in rounds: one transaction writes its messages and the place from
which it would go on. Either all of it is there or nothing, and who takes the unit over fences
the one who had it, so a reader of committed messages sees each result once.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from streams.errors import BrokerError, StateError
from streams.kafka.frames import frames
from streams.kafka.log import log
from streams.kafka.rebuild import check, kept_bytes, rebuild, way_out
from streams.kafka.store import (
    PLACE,
    PLACE_VERSION,
    SNAPSHOT,
    Place,
    ranges,
    read_kept,
    require,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Sequence

    from streams.kafka.ground import Ground, Spec, Watch
    from streams.kafka.machines import Machine, Message, Taken

ROUND_SECONDS = 0.2
"""Least time between rounds that have something to say: a transaction takes some 10 ms, and the
time is a part of what an early alert waits."""
LOOK_SECONDS = 0.05
"""How often a quiet unit looks whether there is anything to say by now."""
QUIET_ROUND_SECONDS = 2.0
"""The same for rounds that only move the place: so much is read again after a crash."""
OUTBOX_BYTES_MAX = 32 << 20
"""What waits for its transaction; beyond it the unit takes nothing more."""
SNAPSHOT_WORK = 1.0
SNAPSHOT_SHARE = 10.0
"""A snapshot is due after a second of work, or ten times as much as the last one took: what is done
again after a crash is of that size."""
SNAPSHOT_SECONDS = 300.0
BEHIND_MESSAGES = 2_000
WATCH_SECONDS = 1.0
MAX_REQUEST = 2 << 20
BATCH_BYTES = 900_000
"""Brokers refuse batches of over a megabyte, unless a topic says otherwise."""
TRANSACTION_TIMEOUT_MS = 60_000
ROUND_SECONDS_MAX = 75.0
"""Who has not ended a round by then has had its transaction ended by the brokers; a worker that
waits for whatever it may be helps nobody."""


@dataclass
class _Round:
    """A round, all of it bytes."""

    messages: list[Message]
    positions: dict[int, int]
    snapshot: bytes | None


@dataclass
class Unit:
    """See the module; ``load`` and ``start`` it, let it ``take``, ``close`` it.

    Attributes:
        ground: what it shares with others.
        spec: what it is.
        fatal: called with what goes wrong where nobody waits for it.
        machine: its stage.
        positions: by input partition, the first message that was not taken yet.
        beat: called whenever loading gets on, which may take its time.
        state_bytes: length of its latest snapshot.
        snapshot_seconds: how long that took.
    """

    ground: Ground
    spec: Spec
    fatal: Callable[[BaseException], None]
    beat: Callable[[], None] = lambda: None
    machine: Machine = field(init=False)
    positions: dict[int, int] = field(default_factory=dict)
    state_bytes: int = 0
    snapshot_seconds: float = 0.0
    _outbox: list[Message] = field(default_factory=list)
    _outbox_bytes: int = 0
    _is_behind: bool = False
    _place: Place | None = None
    _worked: float = 0.0
    _snapshot_time: float = 0.0
    _snapshot_wanted: bool = False

    def __post_init__(self) -> None:
        """Make what waits."""
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._one_round = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []
        kafka = self.ground.settings.kafka
        self._producer = AIOKafkaProducer(
            **self.ground.options,
            transactional_id=f"{kafka.app}-{self.spec.name}",
            transaction_timeout_ms=TRANSACTION_TIMEOUT_MS,
            max_request_size=MAX_REQUEST,
            max_batch_size=BATCH_BYTES,
        )

    async def load(self) -> None:
        """Fence who had the unit before, and go on where the last committed round ended.

        Raises:
            StateError: what was kept cannot be used.
        """
        began = time.monotonic()
        spec, ground = self.spec, self.ground
        # With the first round it says where it stands, though nothing may be left to read.
        self._news.set()
        await self._producer.start()
        with way_out(spec.name):
            kept = await read_kept(ground.options, ground.topics.state, spec.state_partition)
        if kept is None:
            self.machine = spec.make(ground.settings, ground.partitions)
            await self._begin_at_first()
            log.info("%s: starts anew", spec.name, extra={"unit": spec.name})
            self._snapshot_wanted = True
            await self._round()
            return
        check(kept, spec.name, spec.topic, ground)
        self._place = kept.place
        self.positions = dict(kept.place.positions)
        await self._begin_at_first()
        self.machine, is_new = await rebuild(kept, spec, ground, self.beat)
        self._snapshot_wanted = is_new
        self._snapshot_time = time.monotonic()
        seconds = time.monotonic() - began
        log.info("%s: goes on after %.1f s", spec.name, seconds, extra={"unit": spec.name})

    async def _begin_at_first(self) -> None:
        """Begin with the first message of each partition that was not read before.

        Raises:
            StateError: the first message is no longer there of one that was.
        """
        spec = self.spec
        held = await ranges(self.ground.options, spec.topic, spec.inputs)
        for partition, (first, end) in held.items():
            with way_out(spec.name):
                position = self.positions.setdefault(partition, first)
                require(spec.topic, partition, position, first)
                if position > end:
                    raise StateError(
                        f"{spec.topic} partition {partition} ends at offset {end}, and all before "
                        f"{position} was worked on: it is not the topic that it was"
                    )

    async def take(
        self, partition: int, messages: Sequence[Taken], until: int, still: Callable[[], bool]
    ) -> None:
        """Work on messages of an input partition, the last before offset ``until``.

        In slices, so that heartbeats and rounds get their turn; no further than ``still`` is true.
        """
        size = self.machine.slice
        for start in range(0, len(messages), size):
            await self._room.wait()
            if not still():
                return
            part = messages[start : start + size]
            last = start + size >= len(messages)
            self._take(partition, part, until if last else part[-1].offset + 1)
            # Who is still catching up has nothing early to say.
            self._is_behind = len(messages) >= BEHIND_MESSAGES
            await asyncio.sleep(0)

    def _take(self, partition: int, messages: Sequence[Taken], until: int) -> None:
        began, closed = time.perf_counter(), getattr(self.machine, "buckets", 0)
        said = self.machine.take(partition, messages)
        spent = time.perf_counter() - began
        self._worked += spent
        if closed := getattr(self.machine, "buckets", 0) - closed:
            self.ground.closed(spent / closed, closed)
        self._outbox += said
        self._outbox_bytes += sum(len(message.value or b"") for message in said)
        self.positions[partition] = until
        if self._outbox_bytes > OUTBOX_BYTES_MAX:
            self._room.clear()
        self._news.set()

    def reach(self, partition: int, position: int) -> None:
        """All before a position was taken: what lies between are no messages."""
        if position > self.positions[partition] or self._is_behind:
            # Whoever has read all there is has caught up, however much the last fetch held.
            self._is_behind = False
            self.positions[partition] = max(self.positions[partition], position)
            self._news.set()

    def say(self, messages: list[Message]) -> None:
        """Say something with the next round that no input has led to, and none could rebuild."""
        self._outbox += messages
        self._snapshot_wanted = True
        self._news.set()

    def start(self) -> None:
        """Make rounds from now on."""
        self._tasks = [asyncio.create_task(_run(self._make_rounds(), self.fatal))]
        if self.spec.watch is not None:
            watch = self.spec.watch(self.ground)
            self._tasks.append(asyncio.create_task(_run(self._keep_watch(watch), self.fatal)))

    async def _keep_watch(self, watch: Watch) -> None:
        try:
            await watch.start()
            while True:
                await asyncio.sleep(WATCH_SECONDS)
                try:
                    said = await watch.look(self.machine)
                except KafkaError as error:
                    log.warning("%s: cannot look around: %r", self.spec.name, error)
                else:
                    if said:
                        self.say(said)
        finally:
            await watch.stop()

    async def _make_rounds(self) -> None:
        last = 0.0
        while True:
            try:
                await asyncio.wait_for(self._news.wait(), SNAPSHOT_SECONDS)
            except TimeoutError:
                # What came before a silence must not be needed again when its topic has dropped it.
                if self._place is None or self._place.snapshot_positions == self.positions:
                    continue
                self._snapshot_wanted = True
            wait = last + self._least_seconds() - time.monotonic()
            while wait > 0:
                await asyncio.sleep(min(wait, LOOK_SECONDS))
                wait = last + self._least_seconds() - time.monotonic()
            last = time.monotonic()
            await self._round()

    def _least_seconds(self) -> float:
        """Least time between this round and the one before."""
        is_early = not self._is_behind and self.machine.has_early()
        return ROUND_SECONDS if self._outbox or is_early else QUIET_ROUND_SECONDS

    async def close(self) -> None:
        """Say what is left to say, keep a snapshot, and let the unit go."""
        async with self._one_round:
            # Only between rounds: what a round has taken out to say must be said.
            for task in self._tasks:
                task.cancel()
        self._snapshot_wanted = True
        await self._round()
        with contextlib.suppress(KafkaError):
            await self._producer.stop()

    # -- rounds ----------------------------------------------------------------------------------

    def _seal(self) -> _Round:
        """Take what is to be said and kept, as bytes: whatever awaits sees it change no more."""
        self._news.clear()
        if not self._is_behind:
            self._outbox += self.machine.early(self.positions)
            if self.machine.has_early():
                self._news.set()
        snapshot = None
        if self._snapshot_is_due():
            began = time.perf_counter()
            snapshot = kept_bytes(self.machine, self.ground.settings)
            self.state_bytes = len(snapshot)
            self.snapshot_seconds = time.perf_counter() - began
            self._snapshot_time = time.monotonic()
            self._worked, self._snapshot_wanted = 0.0, False
        messages, self._outbox, self._outbox_bytes = self._outbox, [], 0
        self._room.set()
        return _Round(messages, dict(self.positions), snapshot)

    def _snapshot_is_due(self) -> bool:
        if self._snapshot_wanted or self._place is None:
            return True
        if self._worked > max(SNAPSHOT_WORK, SNAPSHOT_SHARE * self.snapshot_seconds):
            return True
        return time.monotonic() - self._snapshot_time > SNAPSHOT_SECONDS

    async def _round(self) -> None:
        async with self._one_round, self._watched():
            sealed = self._seal()
            step = functools.partial(self.ground.step, self.spec.name)
            step("round begins")
            async with self._producer.transaction():
                waiting = []
                for message in sealed.messages:
                    sent = await self._producer.send(
                        message.topic,
                        message.value,
                        message.key,
                        message.partition,
                        headers=list(message.headers),
                    )
                    waiting.append(sent)
                step("messages are sent")
                place = await self._keep(sealed)
                waiting.append(
                    await self._producer.send(
                        self.ground.topics.state,
                        msgspec.json.encode(place),
                        PLACE,
                        self.spec.state_partition,
                    )
                )
                for sent in waiting:
                    await sent
                step("place is sent")
            self._place = place
            for message in sealed.messages:
                if message.said:
                    log.info("%s", message.said, extra={"unit": self.spec.name})
            step("round has ended")

    @contextlib.asynccontextmanager
    async def _watched(self) -> AsyncIterator[None]:
        """A round that does not end is the worker's end: a worker that waits helps nobody."""
        late = BrokerError(
            f"{self.spec.name}: Kafka has not taken its results within {ROUND_SECONDS_MAX:.0f} s"
        )
        # No timeout, which would only cancel: the transaction's end would be waited for then.
        timer = asyncio.get_running_loop().call_later(ROUND_SECONDS_MAX, self.fatal, late)
        try:
            yield
        finally:
            timer.cancel()

    async def _keep(self, sealed: _Round) -> Place:
        """Send the snapshot, if there is one; the place of the round."""
        ground, spec = self.ground, self.spec
        if sealed.snapshot is None:
            assert self._place is not None
            return msgspec.structs.replace(self._place, positions=sealed.positions)
        first = None
        count = 0
        for count, (value, headers) in enumerate(frames(sealed.snapshot), 1):
            key = b"%s %d" % (SNAPSHOT, count)
            sent = await self._producer.send_and_wait(
                ground.topics.state, value, key, spec.state_partition, headers=list(headers)
            )
            first = sent.offset if first is None else first
        ground.step(spec.name, "snapshot is sent")
        assert first is not None
        before = 0 if self._place is None else self._place.frames
        for number in range(count + 1, before + 1):
            key = b"%s %d" % (SNAPSHOT, number)
            await self._producer.send(ground.topics.state, None, key, spec.state_partition)
        return Place(
            version=PLACE_VERSION,
            unit=spec.name,
            topic=spec.topic,
            positions=sealed.positions,
            snapshot_at=first,
            frames=count,
            snapshot_positions=sealed.positions,
            shape=ground.settings.shape,
            partitions=ground.partitions,
        )


async def _run(work: Coroutine[Any, Any, None], fatal: Callable[[BaseException], None]) -> None:
    """Work that never ends by itself: what goes wrong in it ends the worker."""
    try:
        await work
    except asyncio.CancelledError:
        raise
    except BaseException as error:  # noqa: BLE001 - crash only
        fatal(error)
