"""The broker that the tests run against does what they rely on."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tests.broker import Broker, BrokerError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ROOT = Path(__file__).parents[2]
WAIT_S = 30


@pytest.fixture
async def topic(bootstrap: str, prefix: str) -> str:
    """A topic of one partition."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(prefix, 1, 1)])
    finally:
        await admin.close()
    return prefix


@contextlib.asynccontextmanager
async def transactions(bootstrap: str, topic: str) -> AsyncIterator[AIOKafkaProducer]:
    """A transactional producer, whose id is the topic's name."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id=topic)
    async with asyncio.timeout(WAIT_S), producer:
        yield producer


async def committed(bootstrap: str, topic: str) -> list[bytes | None]:
    """The values in a topic's partition 0, without those of aborted transactions.

    Waits for transactions that have not ended: a commit is acknowledged before the markers that
    end it are written. Hence the end of all data is asked for, and not of the committed ones.
    """
    partition = TopicPartition(topic, 0)
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap) as consumer:
        end = (await consumer.end_offsets([partition]))[partition]
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
    )
    values = []
    async with asyncio.timeout(WAIT_S), consumer:
        consumer.assign([partition])
        # Positions are compared, and values not counted: aborted ones and markers have offsets too.
        while await consumer.position(partition) < end:
            batches = await consumer.getmany(partition, timeout_ms=200)
            values += [record.value for batch in batches.values() for record in batch]
    return values


async def test_transactions(bootstrap: str, topic: str) -> None:
    """What is committed is read back in order; what is aborted is never seen."""
    async with transactions(bootstrap, topic) as producer:
        async with producer.transaction():
            await producer.send_and_wait(topic, b"one", partition=0)
            await producer.send_and_wait(topic, b"two", partition=0)
        await producer.begin_transaction()
        await producer.send_and_wait(topic, b"aborted", partition=0)
        await producer.abort_transaction()
        async with producer.transaction():
            await producer.send_and_wait(topic, b"three", partition=0)
    assert await committed(bootstrap, topic) == [b"one", b"two", b"three"]


async def test_group_offsets(bootstrap: str, topic: str) -> None:
    """A group goes on where it has committed; sessions may be as short as tests want them."""
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        for number in range(3):
            await producer.send_and_wait(topic, b"%d" % number)
    seen = []
    for _ in range(3):
        consumer = AIOKafkaConsumer(
            topic,
            bootstrap_servers=bootstrap,
            group_id=topic,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            session_timeout_ms=1000,
            heartbeat_interval_ms=300,
        )
        async with asyncio.timeout(WAIT_S), consumer:
            record = await consumer.getone()
            seen.append(record.value)
            await consumer.commit({TopicPartition(topic, 0): record.offset + 1})
    assert seen == [b"0", b"1", b"2"]


@pytest.mark.parametrize("down", ["kill", "stop"])
async def test_committed_data_survive(broker: Broker, topic: str, down: str) -> None:
    """After a crash or a shutdown the same address serves the same data, to the same clients."""
    async with transactions(broker.bootstrap, topic) as producer:
        async with producer.transaction():
            await producer.send_and_wait(topic, b"before", partition=0)
        await asyncio.to_thread(getattr(broker, down))
        assert not broker.alive
        await asyncio.to_thread(broker.start)
        async with producer.transaction():
            await producer.send_and_wait(topic, b"after", partition=0)
    assert await committed(broker.bootstrap, topic) == [b"before", b"after"]


async def test_pause(broker: Broker, topic: str) -> None:
    """A paused broker answers nothing; what was sent meanwhile arrives when it goes on."""
    async with AIOKafkaProducer(bootstrap_servers=broker.bootstrap) as producer:
        await producer.send_and_wait(topic, b"before")
        broker.pause()
        sent = await producer.send(topic, b"meanwhile")
        done, _ = await asyncio.wait([sent], timeout=1)
        assert not done
        broker.resume()
        await asyncio.wait_for(sent, WAIT_S)
    assert await committed(broker.bootstrap, topic) == [b"before", b"meanwhile"]


async def test_kcat(bootstrap: str, topic: str) -> None:
    """A client that is not ours, on another library, reads what we write, and the reverse."""
    if shutil.which("kcat") is None:
        pytest.skip("kcat is not installed: run tests/install-packages.sh")
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=0) as producer:
        await producer.send_and_wait(topic, "#猫".encode(), key=b"key")
    kcat(bootstrap, "-P", "-t", topic, text="from kcat\n")
    read = kcat(bootstrap, "-C", "-t", topic, "-o", "beginning", "-e", "-f", "%k %s\n")
    assert read.splitlines() == ["key #猫", " from kcat"]
    assert await committed(bootstrap, topic) == ["#猫".encode(), b"from kcat"]


def kcat(bootstrap: str, *args: str, text: str = "") -> str:
    """Run kcat to its end; returns its output."""
    result = subprocess.run(
        ["kcat", "-b", bootstrap, "-q", *args],
        input=text,
        capture_output=True,
        text=True,
        check=False,
        timeout=WAIT_S,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.usefixtures("java")
def test_failure_is_explained(tmp_path: Path) -> None:
    """A broker that cannot start says why, in its own words."""
    broker = Broker(tmp_path)
    with (
        socket.create_server(("127.0.0.1", broker.port)),
        pytest.raises(BrokerError, match="Address already in use"),
    ):
        broker.start()
    assert not broker.alive


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    """A child is gone soon after the process that started it was killed."""
    code = (
        "import pathlib, sys, time; from tests.broker import Child;"
        "child = Child(['sleep', '60'], pathlib.Path(sys.argv[1]));"
        "print(child.pid, flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert command_line(child).startswith(b"sleep")
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + WAIT_S
    while command_line(child):
        assert time.monotonic() < deadline, "it outlived the tests"
        time.sleep(0.05)


def command_line(pid: int) -> bytes:
    """What a process runs; nothing when it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""
