"""Reading a topic as somebody who is no worker would: alerts, and recordings of the posts."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.errors import BrokerError, UsageError
from streams.kafka import answers
from streams.kafka.connect import client_options, connected
from streams.kafka.topics import Topics, partitions_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from streams.settings import Settings

WAIT_MS = 500
LOOK_S = 30.0
"""How often it is looked whether a topic has got more partitions."""

FILE = "posts-{:03}.jsonl"

_OBJECT = b"{"


async def read(
    settings: Settings,
    topic: str,
    take: Callable[[int, Sequence[Any]], None],
    *,
    partitions: int,
    follow: bool,
    heard: Callable[[], None] | None = None,
) -> None:
    """Read what is committed of a topic from its beginning, each partition in its order.

    Args:
        settings: all of them.
        topic: its name.
        take: called with a partition and some of its records.
        partitions: how many it has.
        follow: read on at the end; otherwise return where the end was at first.
        heard: called whenever Kafka answers.

    Raises:
        BrokerError: Kafka cannot be reached, or the topic has got more partitions.
    """
    places = [TopicPartition(topic, number) for number in range(partitions)]
    options = client_options(settings) | {"metadata_max_age_ms": int(LOOK_S * 1000)}
    # The end of all data, committed or not: the marks of a commit come after its confirmation.
    async with connected(AIOKafkaConsumer(**options), settings) as plain:
        ends = await plain.end_offsets(places)
    consumer = AIOKafkaConsumer(
        **options,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    async with connected(consumer, settings), _asking(consumer, places, heard):
        consumer.assign(places)
        left = set(places)
        looked = time.monotonic()
        while left:
            for place, records in (await consumer.getmany(timeout_ms=WAIT_MS)).items():
                if not follow:
                    records = [one for one in records if one.offset < ends[place]]  # noqa: PLW2901
                if records:
                    take(place.partition, records)
            if not follow:
                for place in list(left):
                    if await consumer.position(place) >= ends[place]:
                        left.discard(place)
                        consumer.pause(place)
            elif time.monotonic() - looked > LOOK_S:
                looked = time.monotonic()
                if len(consumer.partitions_for_topic(topic) or places) != partitions:
                    raise BrokerError(f"{topic}: has got more partitions; start anew")


@contextlib.asynccontextmanager
async def _asking(
    consumer: AIOKafkaConsumer, places: list[TopicPartition], heard: Callable[[], None] | None
) -> AsyncIterator[None]:
    """Ask meanwhile whether Kafka answers, if anybody wants to know."""
    task = None if heard is None else asyncio.create_task(answers.ask(consumer, places, heard))
    try:
        yield
    finally:
        if task is not None:
            task.cancel()


async def alerts(settings: Settings, take: Callable[[list[bytes]], None], *, follow: bool) -> None:
    """Read the alerts.

    Args:
        settings: all of them.
        take: called with some of them as they are, each on one line and without its end.
        follow: go on at the end.

    Raises:
        BrokerError: Kafka cannot be reached, or there is no such topic.
    """
    topic = Topics.of(settings).alerts

    def taken(_: int, records: Sequence[Any]) -> None:
        take([_line(one.value).removesuffix(b"\n") for one in records if one.value is not None])

    count = await partitions_of(settings, topic)
    await read(settings, topic, taken, partitions=count, follow=follow)


class Recorder:
    """Writes the posts topic, its markers included, into one file a partition.

    A replay of the files then sees what the workers saw.

    Args:
        settings: all of them.
        directory: where the files go; made if need be.

    Attributes:
        topic: what is recorded.
        records: how many were written so far.
        files: how many there are.
    """

    def __init__(self, settings: Settings, directory: Path) -> None:
        self.topic = Topics.of(settings).posts
        self.records = 0
        self.files = 0
        self._settings = settings
        self._directory = directory
        self._open: list[BinaryIO] = []

    async def run(self, *, follow: bool) -> None:
        """Record up to the end that the topic has now, or for ever.

        Raises:
            UsageError: there are such files already, and they are not empty.
            BrokerError: Kafka cannot be reached, or there is no such topic.
        """
        self._refuse_recordings()
        count = await partitions_of(self._settings, self.topic)
        self._directory.mkdir(parents=True, exist_ok=True)
        self.files = count
        try:
            for number in range(count):
                self._open.append((self._directory / FILE.format(number)).open("wb"))
            await read(self._settings, self.topic, self._take, partitions=count, follow=follow)
        finally:
            for file in self._open:
                file.close()

    def _refuse_recordings(self) -> None:
        for path in sorted(self._directory.glob(FILE.replace("{:03}", "*"))):
            if path.stat().st_size:
                raise UsageError(f"{path}: is there already; name another directory")

    def _take(self, partition: int, records: Sequence[Any]) -> None:
        file = self._open[partition]
        if file.tell() == 0:
            file.write(_start(records[0].value))
        file.writelines(_line(record.value) for record in records)
        file.flush()
        self.records += len(records)


def _line(value: bytes | None) -> bytes:
    """A record as a line: JSON, or not, as the record is.

    A line break is allowed between JSON's tokens and nowhere else, and so is a tab.
    """
    return (value or b"").replace(b"\n", b"\t") + b"\n"


def _start(value: bytes | None) -> bytes:
    """What keeps a record that begins like a packed file from being taken for the head of one."""
    return b" " if value and not value.startswith(_OBJECT) else b""
