"""A recorded log onto the posts topic, each user's posts in one partition, markers in all of them.

What is sent, and where, is decided by ``streams.stages.spread``; this sends it.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaTimeoutError

from streams.kafka.connect import client_options, connected
from streams.kafka.source import Source
from streams.kafka.topics import MESSAGE_BYTES, Topics, partitions_of
from streams.stages.spread import EVERY, Spread

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streams.logs import Log
    from streams.settings import Settings

BATCH_BYTES = 256 << 10
"""Sent at a time to one partition; brokers take a megabyte by default."""

BATCHES_BYTES_MAX = 64 << 20
"""Of all partitions: one batch is filled while two others are on their way."""

PATIENCE_MS = 300_000
"""So long an outage is waited out: who begins anew would publish everything twice."""

LINGER_S = 0.005
"""A pause that is shorter is not made: batches would be tiny."""

FLUSH_S = 10.0
"""After Ctrl-C, it is tried for so long to send what was taken."""

PROGRESS_S = 0.2


class Publisher:
    """Publishes logs once.

    Args:
        settings: all of them.
        logs: open logs; several are published as one, by event time.
        speed: event time over time, or None for as fast as it goes.
        on_progress: called now and then with bytes read, posts, event time reached (ms or None).
        offset_ms: how far all times are moved, whole minutes.

    Attributes:
        topic: where to.
        partitions: of the topic, 0 before that is known.
        posts: lines published so far, whatever they hold.
        markers: published so far, each to every partition.
        has_lost: whether some of them may not have arrived when it was interrupted.
    """

    def __init__(
        self,
        settings: Settings,
        logs: Sequence[Log],
        speed: float | None,
        on_progress: Callable[[int, int, int | None], None],
        offset_ms: int = 0,
    ) -> None:
        self.topic = Topics.of(settings).posts
        self.partitions = 0
        self.posts = 0
        self.markers = 0
        self.has_lost = False
        self._settings = settings
        self._speed = speed
        self._on_progress = on_progress
        self._told = 0.0
        self._began: tuple[float, int] | None = None
        self._spread: Spread | None = None
        self._source = Source(settings, logs, offset_ms, self._report)

    @property
    def unreadable(self) -> int:
        """Records that could not be had of the logs, and are not published."""
        return self._source.unreadable

    async def run(self) -> None:
        """Read the logs to their ends, and return when Kafka has all of it.

        It waits for a broker that has gone. When cancelled, it ends without the last marker, but
        with what was taken sent.

        Raises:
            BrokerError: Kafka cannot be reached or refuses, or the topic does not exist.
            LogError: a log cannot be read on.
        """
        time_, limits = self._settings.time, self._settings.limits
        self.partitions = await partitions_of(self._settings, self.topic)
        spread = Spread(self.partitions, time_.max_jump_ms, limits.held_posts)
        self._spread = spread
        producer = AIOKafkaProducer(
            **client_options(self._settings),
            enable_idempotence=True,
            max_batch_size=min(BATCH_BYTES, BATCHES_BYTES_MAX // self.partitions // 3),
            max_request_size=2 * MESSAGE_BYTES,
            request_timeout_ms=PATIENCE_MS,
        )
        async with connected(producer, self._settings):
            outbox = _Outbox(producer, self.topic, self.partitions)
            try:
                for place, line in itertools.chain(
                    spread.take(self._source.records()), spread.end()
                ):
                    if self._speed is not None:
                        await self._pace(spread.clock_ms, outbox)
                    if place == EVERY:
                        self.markers += 1
                        for partition in range(self.partitions):
                            await outbox.put(partition, line)
                    else:
                        self.posts += 1
                        if not outbox.add(place, line):
                            await outbox.put(place, line)
            except asyncio.CancelledError:
                self.has_lost = True
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(FLUSH_S):
                        await outbox.drain()
                        self.has_lost = False
                raise
            await outbox.drain()

    async def _pace(self, clock_ms: int | None, outbox: _Outbox) -> None:
        """Wait until event time is due; what is due is sent before."""
        if clock_ms is None or self._speed is None:
            return
        now = time.monotonic()
        if self._began is None:
            self._began = now, clock_ms
        started, first_ms = self._began
        pause = started + (clock_ms - first_ms) / 1000 / self._speed - now
        if pause > LINGER_S:
            await outbox.flush()
            self._report()
            await asyncio.sleep(pause)

    def _report(self) -> None:
        now = time.monotonic()
        if now - self._told >= PROGRESS_S:
            self._told = now
            clock_ms = self._spread.clock_ms if self._spread else None
            self._on_progress(sum(self._source.consumed), self.posts, clock_ms)


class _Outbox:
    """Batches of records on their way, in order within each partition.

    The producer takes a second batch of a partition only when the first has left, which is what
    holds the reader back.
    """

    def __init__(self, producer: Any, topic: str, partitions: int) -> None:
        self._producer = producer
        self._topic = topic
        self._batches = [producer.create_batch() for _ in range(partitions)]
        self._sent: set[asyncio.Future[Any]] = set()
        self._failed: asyncio.Future[Any] | None = None

    def add(self, partition: int, value: bytes) -> bool:
        """Put a record into the batch of a partition; False if it is full."""
        added = self._batches[partition].append(key=None, value=value, timestamp=None)
        return added is not None

    async def put(self, partition: int, value: bytes) -> None:
        """Put a record into the batch of a partition, or into the next when it is full.

        Raises:
            KafkaError: see ``send``.
        """
        if not self.add(partition, value):
            await self.send(partition)
            self.add(partition, value)

    async def send(self, partition: int) -> None:
        """Send the batch of a partition, and begin another.

        Raises:
            KafkaError: Kafka has refused an earlier batch.
        """
        batch = self._batches[partition]
        if not batch.record_count():
            return
        future = None
        while future is None:
            if self._failed is not None:
                self._failed.result()
            # For what was sent before the producer tries for ever, so this can wait as well.
            with contextlib.suppress(KafkaTimeoutError):
                future = await self._producer.send_batch(batch, self._topic, partition=partition)
        self._batches[partition] = self._producer.create_batch()
        self._sent.add(future)
        future.add_done_callback(self._done)

    def _done(self, future: asyncio.Future[Any]) -> None:
        self._sent.discard(future)
        if self._failed is None and not future.cancelled() and future.exception() is not None:
            self._failed = future

    async def flush(self) -> None:
        """Send every batch that has records."""
        for partition in range(len(self._batches)):
            await self.send(partition)

    async def drain(self) -> None:
        """Send every batch, and wait until Kafka has all of them.

        Raises:
            KafkaError: it does not take one.
        """
        await self.flush()
        await asyncio.gather(*self._sent)
        if self._failed is not None:
            self._failed.result()
