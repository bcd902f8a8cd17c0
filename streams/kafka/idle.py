"""What the detect unit sees of source partitions by the machine's clock.

Event time is never moved by that clock. A partition in which nothing is left to read is given the
event time of the others by a marker in the posts topic, where a replay finds it too; one that
stands still although posts arrive is told as stalled.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from streams.codec import encode_tick

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streams.kafka.ground import Ground
    from streams.kafka.machines import DetectMachine, Message


PARTITIONS_SECONDS = 30.0
"""How often it is looked whether the posts topic has got more partitions."""


LAG_RECORDS = 10_000
"""Less is worked on within seconds."""
LAG_AFTER_S = 600.0


@dataclass
class Lag:
    """Is there ever more left to read? Told when it has not got less for ``LAG_AFTER_S``."""

    least: int = 0
    since: float | None = None

    def grows(self, left: int, now: float) -> bool:
        """Take in how much is left now."""
        if left < LAG_RECORDS or self.since is None or left < self.least:
            self.least, self.since = left, now
        return now - self.since >= LAG_AFTER_S


class IdleWatch:
    """Looks at the source partitions once a second, while detect is this worker's."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._topic = ground.topics.posts
        self._idle_since: dict[int, tuple[int, float]] = {}
        self._stands: dict[int, _Stand] = {}
        self._lags = {partition: Lag() for partition in range(ground.partitions)}
        self._marked: dict[int, int] = {}
        self._after_marker: dict[int, int] = {}

    async def start(self) -> None:
        """Connect."""
        self._consumer = AIOKafkaConsumer(
            **self._ground.options,
            enable_auto_commit=False,
            metadata_max_age_ms=int(PARTITIONS_SECONDS * 1000),
        )
        self._producer = AIOKafkaProducer(**self._ground.options, acks="all")
        await self._consumer.start()
        await self._producer.start()

    async def stop(self) -> None:
        """Disconnect."""
        await self._consumer.stop()
        await self._producer.stop()

    async def look(self, machine: DetectMachine) -> list[Message]:
        """Mark what is idle, and give what is to be told of what stands still.

        Raises:
            StateError: the posts topic has another number of partitions than the pipeline.
        """
        partitions = range(self._ground.partitions)
        tps = [TopicPartition(self._topic, partition) for partition in partitions]
        found = self._consumer.partitions_for_topic(self._topic)
        self._ground.require_partitions(len(found or tps))
        ends = {tp.partition: end for tp, end in (await self._consumer.end_offsets(tps)).items()}
        await self._mark_idle(machine, ends)
        return self._stalled(machine, ends) + self._lagging(machine, ends)

    def _lagging(self, machine: DetectMachine, ends: Mapping[int, int]) -> list[Message]:
        """What is left to work on, where that does not get less."""
        now, out = time.monotonic(), []
        for partition, end in ends.items():
            left = max(end - machine.seen.get(partition, 0), 0)
            grows = self._lags[partition].grows(left, now)
            if grows:
                out += machine.tell_lagging(partition, left)
            elif left < LAG_RECORDS:
                out += machine.tell_caught_up(partition)
        return out

    async def _mark_idle(self, machine: DetectMachine, ends: Mapping[int, int]) -> None:
        """Give partitions in which nothing is left to read the event time of the others."""
        now, through = time.monotonic(), machine.stage.sources.through
        idle_after = self._ground.settings.kafka.idle_after_ms / 1000
        idle = set()
        for partition, end in ends.items():
            is_read = machine.seen.get(partition, 0) >= end
            known, since = self._idle_since.get(partition, (end, now))
            # Our own marker neither ends a silence nor begins it anew.
            if (is_read and known == end) or end == self._after_marker.get(partition):
                self._idle_since[partition] = (end, since)
                if now - since >= idle_after:
                    idle.add(partition)
            elif is_read:
                self._idle_since[partition] = (end, now)
            else:
                self._idle_since.pop(partition, None)
        active = [through[partition] for partition in through.keys() - idle]
        others = [bucket for bucket in active if bucket is not None]
        if not others or len(others) < len(active):
            return
        reached = min(others) + 1
        for partition in idle:
            mine = through[partition]
            behind = mine is None or mine < min(others)
            is_read = machine.seen.get(partition, 0) >= ends[partition]
            if behind and is_read and self._marked.get(partition, -1) < reached:
                self._marked[partition] = reached
                marker = encode_tick(reached * self._ground.settings.time.bucket_ms)
                sent = await self._producer.send_and_wait(self._topic, marker, partition=partition)
                self._after_marker[partition] = sent.offset + 1

    def _stalled(self, machine: DetectMachine, ends: Mapping[int, int]) -> list[Message]:
        """What stands still although posts keep arriving, or are left to read."""
        now, out = time.monotonic(), []
        after = self._ground.settings.kafka.stalled_after_ms / 1000
        for partition, through in machine.stage.sources.through.items():
            end = ends[partition]
            stand = self._stands.get(partition)
            if stand is None or stand.through != through:
                self._stands[partition] = _Stand(through, end)
                if stand is not None:
                    out += machine.tell_moving(partition)
                continue
            if end > stand.end:
                stand.end, stand.last = end, now
                stand.first = stand.first or now
            if stand.first is None or now - stand.first < after:
                continue
            # One post after which nothing comes does not move event time, and need not.
            left = machine.seen.get(partition, 0) < end
            if left or stand.last - stand.first >= after / 2:
                out += machine.tell_stalled(partition, (now - stand.first) / 60)
        return out


@dataclass
class _Stand:
    """Event time that has not moved, and what has arrived since: the first, and the last."""

    through: int | None
    end: int
    first: float | None = None
    last: float = 0.0
