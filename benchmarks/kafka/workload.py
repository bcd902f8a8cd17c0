"""The log that every contestant reads, the same bytes at each run, and how it gets into topics."""

from __future__ import annotations

import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from streams.codec import encode_post, rfc3339
from streams.codec.regions import REGIONS as REGION_CODES

if TYPE_CHECKING:
    import asyncio

START_MS = 1_736_726_400_000
POSTS_A_SECOND = 2_000
FOREIGN = 0.12
MINUTE_MS = 60_000
REGIONS = sorted(REGION_CODES - {"CN"})[:40]
BATCH_BYTES = 512 << 10
TRANSACTION_MS = 600_000
SENT_MAX = 20
"""Batches on their way: each holds its bytes until it is there."""


def time_text(ms: int) -> str:
    """An event time, always with milliseconds: some peers read one format only."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def marker(ms: int) -> bytes:
    """A record that says that event time has got so far."""
    return encode_post({"surgewatch_tick": {"event_time": rfc3339(ms)}})


Log = list[tuple[int, bytes, bytes]]
Gate = Callable[[], Awaitable[None]]


def posts(count: int) -> Log:
    """Event time, region and bytes of each post, of which FOREIGN are not from home."""
    rng = random.Random(1)  # noqa: S311 - not for secrets
    tags = [f"tag{number}" for number in range(5_000)]
    weights = [1.0 / (number + 10) for number in range(len(tags))]
    chosen = rng.choices(tags, weights, k=1 << 16)
    log: Log = []
    for number in range(count):
        abroad = rng.random() < FOREIGN
        region = rng.choice(REGIONS) if abroad else "CN"
        ms = START_MS + number * 1000 // POSTS_A_SECOND
        first = rng.randrange(len(chosen) - 3)
        post = {
            "post_id": f"{number:020x}",
            "created_at": time_text(ms),
            "user_id": f"u{int(rng.paretovariate(0.7)) % 400_000:06d}",
            "region": region,
            "hashtags": chosen[first : first + rng.choice((0, 0, 1, 1, 2, 3))],
            "lang": "en" if abroad else "zh",
            "account_created_at": "2024-11-03T10:00:00Z",
        }
        log.append((ms, region.encode(), encode_post(post)))
    return log


def last_bucket(count: int) -> int:
    """The bucket of a minute in which the last of so many posts lies."""
    return (START_MS + (count - 1) * 1000 // POSTS_A_SECOND) // MINUTE_MS


class Feeder:
    """Puts records into the partitions of one topic, in large batches; flush it at the end."""

    def __init__(self, producer: AIOKafkaProducer, topic: str) -> None:
        self._producer = producer
        self._topic = topic
        self._open: dict[int, Any] = {}
        self._sent: list[asyncio.Future[Any]] = []

    async def put(self, partition: int, value: bytes, key: bytes | None = None) -> None:
        """Add a record; sends what is full."""
        while True:
            batch = self._open.get(partition)
            if batch is None:
                batch = self._open[partition] = self._producer.create_batch()
            if batch.append(key=key, value=value, timestamp=None) is not None:
                return
            await self._send(partition)

    async def _send(self, partition: int) -> None:
        batch = self._open.pop(partition)
        sent = await self._producer.send_batch(batch, self._topic, partition=partition)
        self._sent.append(sent)
        if len(self._sent) > SENT_MAX:
            await self._wait()

    async def push(self) -> None:
        """Send what is left."""
        for partition in list(self._open):
            await self._send(partition)

    async def flush(self) -> None:
        """Send what is left, and wait until all of it is there."""
        await self.push()
        await self._wait()

    async def _wait(self) -> None:
        for sent in self._sent:
            await sent
        self._sent.clear()


def producer(bootstrap: str, transactional_id: str | None = None) -> AIOKafkaProducer:
    """A producer for large batches."""
    return AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        max_batch_size=BATCH_BYTES,
        max_request_size=2 * BATCH_BYTES,
        transactional_id=transactional_id,
        transaction_timeout_ms=TRANSACTION_MS,
    )


async def create_topic(bootstrap: str, name: str) -> None:
    """Make a topic of one partition for the peers."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    # By their own stamps, records of January 2025 would be deleted within minutes.
    configs = {"message.timestamp.type": "LogAppendTime"}
    await admin.create_topics([NewTopic(name, 1, 1, topic_configs=configs)])
    await admin.close()


async def fill(sender: AIOKafkaProducer, log: Log, topic: str, partitions: int) -> None:
    """Put a log into a topic, with the markers that ``surgewatch publish`` would write."""
    feeder = Feeder(sender, topic)
    bucket = START_MS // MINUTE_MS
    for number, (ms, region, value) in enumerate(log):
        if ms // MINUTE_MS > bucket:
            bucket = ms // MINUTE_MS
            await _mark(feeder, partitions, bucket * MINUTE_MS)
        await feeder.put(number % partitions, value, region)
    # Late enough to close the last bucket.
    await _mark(feeder, partitions, (bucket + 4) * MINUTE_MS)
    await feeder.flush()


async def _mark(feeder: Feeder, partitions: int, ms: int) -> None:
    for partition in range(partitions):
        await feeder.put(partition, marker(ms))


@contextlib.asynccontextmanager
async def gate(bootstrap: str, log: Log, topic: str, partitions: int) -> AsyncIterator[Gate]:
    """A log that is all in its topic, but that readers of committed messages see once it opens.

    So what is measured begins with everybody ready, and with a log of which every post is there.
    """
    async with producer(bootstrap, f"{topic}.gate") as sender:
        await sender.begin_transaction()
        await fill(sender, log, topic, partitions)
        yield sender.commit_transaction
