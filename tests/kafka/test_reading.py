"""Alerts are read as they are, and what was in the posts topic can be replayed."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions

from streams.codec import PostDecoder
from streams.errors import BrokerError
from streams.events import Reject
from streams.kafka import reading
from streams.kafka.connect import client_options, connected
from streams.kafka.reading import Recorder, alerts
from streams.kafka.topics import Topics, create
from streams.logs import open_log
from tests.harness import SCHEMAS, post
from tests.kafka.reader import WAIT_S, running, send, values

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from streams.settings import Settings
    from tests.broker import Broker
    from tests.harness import Command

NOW = 1_736_726_400_000
GOOD = post(1, NOW, "u1", "US")
ODD: list[bytes | None] = [
    GOOD.replace(b",", b",\n"),
    None,
    b"",
    b'{"post_id": "a\nb"}',
    b"\r\n",
    b"\xff\n\xfe",
    b"\n",
    GOOD + b"\r",
]


@pytest.fixture
async def topics(settings: Settings) -> Topics:
    """The topics, made, with two partitions of posts."""
    await create(settings, 2)
    return Topics.of(settings)


@pytest.fixture
def made(settings: Settings) -> Topics:
    """The same for a test that is no coroutine."""
    asyncio.run(create(settings, 2))
    return Topics.of(settings)


async def until(true: Callable[[], bool]) -> None:
    """Wait for something."""
    async with asyncio.timeout(WAIT_S):
        while not true():  # noqa: ASYNC110 - what is waited for is in other processes
            await asyncio.sleep(0.05)


def reasons(items: Any) -> list[str]:
    """What came of records: why they were refused, or that they were not."""
    return [item.reason if isinstance(item, Reject) else "post" for item in items]


@pytest.mark.parametrize(
    "first",
    [GOOD, None, b"\xef\xbb\xbf" + GOOD, b"PAR1", b"\x1f\x8b\x08\x00", b"\x28\xb5\x2f\xfd", b"\n"],
)
async def test_recorded_records_are_what_they_were(
    settings: Settings, topics: Topics, tmp_path: Path, first: bytes | None
) -> None:
    """Each record is one line, which is a post, or no post for the same reason."""
    odd = [first, *ODD]
    await send(settings, topics.posts, *odd, partition=1)
    recorder = Recorder(settings, tmp_path / "rec")
    await recorder.run(follow=False)
    assert recorder.records == len(odd)
    empty, log = sorted((tmp_path / "rec").iterdir())
    assert empty.read_bytes() == b""
    decoder = PostDecoder()
    batch = decoder.decode_records(
        [value or b"" for value in odd], source="t", positions=range(len(odd))
    )
    direct = reasons(batch)
    chunks = [one for one in open_log(str(log)).chunks() if not isinstance(one, Reject)]
    read = [item for chunk in chunks for item in PostDecoder().decode_chunk(chunk.data)]
    assert reasons(read) == direct
    assert direct[1:] == [
        "post",
        "empty",
        "empty",
        "not_json",
        "empty",
        "bad_encoding",
        "empty",
        "post",
    ]


async def test_only_what_is_committed(settings: Settings, topics: Topics) -> None:
    """Alerts of aborted transactions are not printed; the end is found behind their marks."""
    producer = AIOKafkaProducer(**client_options(settings), transactional_id=topics.alerts)
    async with connected(producer, settings):
        async with producer.transaction():
            await producer.send_and_wait(topics.alerts, b'{"a":1}')
        await producer.begin_transaction()
        await producer.send_and_wait(topics.alerts, b'{"a":2}')
        await producer.abort_transaction()
        async with producer.transaction():
            await producer.send_and_wait(topics.alerts, b'{"a":3}')
        found: list[bytes] = []
        async with asyncio.timeout(WAIT_S):
            await alerts(settings, found.extend, follow=False)
    assert found == [b'{"a":1}', b'{"a":3}']


async def test_alerts_over_a_restart(broker: Broker, settings: Settings, topics: Topics) -> None:
    """Who follows the alerts gets them all once, though the broker was restarted meanwhile."""
    found: list[bytes] = []
    await send(settings, topics.alerts, b"1")
    task = asyncio.create_task(alerts(settings, found.extend, follow=True))
    await until(lambda: found == [b"1"])
    await asyncio.to_thread(broker.restart)
    await send(settings, topics.alerts, b"2", b"3")
    await until(lambda: found == [b"1", b"2", b"3"])
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_more_partitions(
    settings: Settings, topics: Topics, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A recording that would lack new partitions ends instead of going on without them."""
    monkeypatch.setattr(reading, "LOOK_S", 0.2)
    task = asyncio.create_task(Recorder(settings, tmp_path).run(follow=True))
    await until(lambda: len(list(tmp_path.glob("posts-*"))) == 2)
    async with connected(AIOKafkaAdminClient(**client_options(settings)), settings) as admin:
        await admin.create_partitions({topics.posts: NewPartitions(3)})
    with pytest.raises(BrokerError, match=r"posts\.v1: has got more partitions; start anew"):
        async with asyncio.timeout(WAIT_S):
            await task


def test_commands(surgewatch: Command, made: Topics, settings: Settings, config: Path) -> None:
    """The commands say what they did; a second recording does not overwrite the first."""
    asyncio.run(send(settings, made.alerts, b'{"a":1}', None, b'{"a":2}'))
    asyncio.run(send(settings, made.posts, GOOD))
    printed = surgewatch("alerts", "--json", "--config", config)
    assert (printed.code, printed.out, printed.err) == (0, b'{"a":1}\n{"a":2}\n', "")
    shown = surgewatch("alerts", "--config", config)
    assert (shown.code, shown.out) == (0, b"")
    assert shown.message == "2 records were no alerts, and are left out"
    directory = config.parent / "a" / "b"
    for _ in range(2):  # the second time over empty files
        recorded = surgewatch("record", "--out", directory, "--config", config)
        assert recorded.code == 0
        assert recorded.text == f"recorded 1 records of {made.posts}, files in {directory}: 2"
        (directory / "posts-000.jsonl").write_bytes(b"")
    (directory / "posts-007.jsonl").write_bytes(GOOD)
    again = surgewatch("record", "--out", directory, "--config", config)
    assert (again.code, again.out) == (2, b"")
    assert "posts-007.jsonl: is there already; name another directory" in again.message


def test_alerts_are_a_table(
    surgewatch: Command, made: Topics, settings: Settings, config: Path
) -> None:
    """One line an incident for people; a time to begin with; the alerts themselves on request."""
    examples = json.loads((SCHEMAS / "alert.schema.json").read_text("utf-8"))["examples"]
    opened, updated, peaked = (orjson.dumps(alert) for alert in examples[:3])
    asyncio.run(send(settings, made.alerts, opened, updated, peaked))
    shown = surgewatch("alerts", "--config", config).out.decode().splitlines()
    assert [line.split()[0] for line in shown] == ["time", "2025-01-13"]
    assert shown[1].split()[2:5] == ["critical", "peaked", "48,210"]
    since = surgewatch("alerts", "--since", "2025-01-13T02:55:00Z", "--json", "--config", config)
    assert since.out.splitlines() == [updated, peaked]
    still = surgewatch("alerts", "--since", "1h", "--config", config).out.decode().splitlines()
    assert still[1:] == shown[1:], "what goes on is never too old"
    over = next(one for one in examples if one["type"].endswith("closed.v1"))
    asyncio.run(send(settings, made.alerts, orjson.dumps(over)))
    for more in ([], ["--json"]):
        none = surgewatch("alerts", "--since", "1h", *more, "--config", config)
        assert (none.code, none.out) == (0, b"")
        assert "no alerts since then" in none.message
        assert "the newest is of 2025-01-15" in none.message


def test_no_alerts_yet(surgewatch: Command, made: Topics, config: Path) -> None:
    """That nothing was told is not to be taken for a command that did nothing."""
    assert made
    none = surgewatch("alerts", "--config", config)
    assert (none.code, none.out, none.message) == (0, b"", "no alerts yet")


@pytest.mark.parametrize("command", [["alerts"], ["record", "--out", "rec"]])
def test_no_topic(surgewatch: Command, config: Path, command: list[str]) -> None:
    """Without the topic it says which is missing and how to make it."""
    result = surgewatch(*command, "--config", config)
    assert result.code == 1
    assert "does not exist; surgewatch topics create makes it" in result.message


@pytest.mark.parametrize("sent", [signal.SIGINT, None])
def test_followed_until_interrupted(
    made: Topics, settings: Settings, config: Path, sent: signal.Signals | None
) -> None:
    """Alerts come as they are written, until Ctrl-C, or until nobody reads them any more."""
    asyncio.run(send(settings, made.alerts, b"1"))
    with running("alerts", "--follow", "--json", "--config", config) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"1\n"
        asyncio.run(send(settings, made.alerts, b"2"))
        assert process.stdout.readline() == b"2\n"
        if sent is None:
            process.stdout.close()
            asyncio.run(send(settings, made.alerts, b"3"))
        else:
            process.send_signal(sent)
        assert process.wait(WAIT_S) == 1
        err = process.stderr.read()
    assert err == (b"surgewatch: interrupted\n" if sent else b"")


def test_recording_is_followed(made: Topics, settings: Settings, config: Path) -> None:
    """A recording goes on until Ctrl-C, whole lines in its files all the time."""
    directory = config.parent / "rec"
    asyncio.run(send(settings, made.posts, GOOD))
    with running("record", "--follow", "--out", directory, "--config", config) as process:
        file = directory / "posts-000.jsonl"
        for count in (1, 2):
            deadline = time.monotonic() + WAIT_S
            while not file.exists() or file.read_bytes() != (GOOD + b"\n") * count:
                assert time.monotonic() < deadline
                time.sleep(0.05)
            asyncio.run(send(settings, made.posts, GOOD))
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=WAIT_S)
    assert (process.returncode, err) == (1, b"surgewatch: interrupted\n")
    assert out.startswith(b"recorded ")
    assert asyncio.run(values(settings, made.posts)) == [[GOOD] * 3, []]
