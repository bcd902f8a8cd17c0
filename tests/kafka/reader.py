"""What the tests of the Kafka shell read and write of topics, by aiokafka itself."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaProducer

from streams.kafka.connect import client_options, connected
from streams.kafka.reading import read
from streams.kafka.topics import partitions_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from streams.settings import Settings

WAIT_S = 60

SURGEWATCH = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
    "from streams.cli import main; sys.exit(main())"
)
"""The program, which hears Ctrl-C even where a shell has started the tests in the background."""


@contextlib.contextmanager
def running(*args: str | Path) -> Iterator[subprocess.Popen[bytes]]:
    """A command in a process of its own, which does not outlive the test."""
    with subprocess.Popen(
        [sys.executable, "-c", SURGEWATCH, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            yield process
        finally:
            process.kill()


async def values(settings: Settings, topic: str) -> list[list[bytes | None]]:
    """The committed values of a topic, by partition."""
    return [[one.value for one in part] for part in await records(settings, topic)]


async def records(settings: Settings, topic: str) -> list[list[Any]]:
    """The committed records of a topic, by partition."""
    found: list[list[Any]] = [[] for _ in range(await partitions_of(settings, topic))]

    def take(partition: int, taken: Sequence[Any]) -> None:
        found[partition] += taken

    async with asyncio.timeout(WAIT_S):
        await read(settings, topic, take, partitions=len(found), follow=False)
    return found


async def send(settings: Settings, topic: str, *sent: bytes | None, partition: int = 0) -> None:
    """Write values to a partition; None is a tombstone."""
    options = client_options(settings) | {"max_request_size": 8 << 20}
    async with connected(AIOKafkaProducer(**options), settings) as producer:
        for value in sent:
            await producer.send_and_wait(topic, value, key=b"k", partition=partition)
