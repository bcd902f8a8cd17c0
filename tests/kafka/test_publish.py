"""Recorded logs come into the posts topic whole, in order, with the markers that belong to them."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from typing import TYPE_CHECKING

import orjson
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from streams.codec import encode_tick
from streams.errors import BrokerError
from streams.kafka.connect import client_options, connected
from streams.kafka.publish import Publisher
from streams.kafka.topics import Topics, TopicSpec, _Cluster, create
from streams.logs import open_log
from streams.settings import load
from tests.harness import confirmed, joined, post
from tests.kafka.reader import WAIT_S, running, values
from tests.property.small_worlds import generator, sparse
from tests.property.test_spread import records, spread

if TYPE_CHECKING:
    from pathlib import Path

    from streams.settings import Settings
    from tests.broker import Broker
    from tests.harness import Command

NOW = 1_736_726_400_000
PARTITIONS = 3


@pytest.fixture
async def topics(settings: Settings) -> Topics:
    """The topics, made."""
    await create(settings, PARTITIONS)
    return Topics.of(settings)


@pytest.fixture
def made(settings: Settings) -> Topics:
    """The same for a test that is no coroutine."""
    asyncio.run(create(settings, PARTITIONS))
    return Topics.of(settings)


def posts(count: int, step_ms: int = 1_000) -> list[bytes]:
    """Lines of a log with nine users."""
    return [post(i, NOW + i * step_ms, f"u{i % 9}", "US") for i in range(count)]


def write(path: Path, lines: list[bytes]) -> Path:
    """A log."""
    path.write_bytes(joined(lines))
    return path


async def publish(settings: Settings, *paths: Path, speed: float | None = None) -> Publisher:
    """Publish logs."""
    with contextlib.ExitStack() as stack:
        logs = [stack.enter_context(contextlib.closing(open_log(str(path)))) for path in paths]
        publisher = Publisher(settings, logs, speed, lambda *_: None)
        async with asyncio.timeout(WAIT_S):
            await publisher.run()
    return publisher


async def test_what_is_published(settings: Settings, topics: Topics, tmp_path: Path) -> None:
    """Every partition holds its lines unchanged and in order, and every marker at its place."""
    lines = [*posts(3_000), b"", b"{", b"\xff\xfe", b'{"a": "\t"} ', posts(1)[0]]
    publisher = await publish(settings, write(tmp_path / "log.jsonl", lines))
    expected = spread(records(lines), PARTITIONS, settings)
    assert await values(settings, topics.posts) == expected
    assert publisher.posts == len(lines)
    assert publisher.markers == sum(b"surgewatch_tick" in line for line in expected[0])
    assert expected[0][-1] == encode_tick(NOW + 2_999_000, end=True)


async def test_several_logs(settings: Settings, topics: Topics, tmp_path: Path) -> None:
    """Several logs come as one, by event time; their order does not matter."""
    lines = posts(600)
    logs = [write(tmp_path / f"{n}.jsonl", lines[n::2]) for n in (1, 0)]
    await publish(settings, *logs)
    assert await values(settings, topics.posts) == spread(records(lines), PARTITIONS, settings)


async def test_large_and_unreadable_lines(
    settings: Settings, topics: Topics, tmp_path: Path
) -> None:
    """A megabyte passes; a line that is too long to be read is left out and counted."""
    large = post(1, NOW, "u1", "US", text="x" * ((1 << 20) - 200))
    log = write(tmp_path / "log.jsonl", [*posts(9), large, b"y" * (4 << 20), *posts(9)])
    publisher = await publish(settings, log)
    assert publisher.unreadable == 1
    found = [value for part in await values(settings, topics.posts) for value in part]
    assert large in found
    assert len([value for value in found if value and b"post_id" in value]) == 19


async def test_speed(settings: Settings, topics: Topics, tmp_path: Path) -> None:
    """At ten times the speed, twenty seconds of event time take two; what is due is there."""
    log = write(tmp_path / "log.jsonl", posts(200, step_ms=100))
    started = time.monotonic()
    task = asyncio.create_task(publish(settings, log, speed=10))
    await asyncio.sleep(1.0)
    half = sum(map(len, await values(settings, topics.posts)))
    await task
    assert 1.9 < time.monotonic() - started < 10
    assert 20 < half < 200


async def test_broker_restarts(
    broker: Broker, settings: Settings, topics: Topics, tmp_path: Path
) -> None:
    """A broker that is restarted meanwhile loses and repeats nothing."""
    lines = posts(4_000, step_ms=100)
    task = asyncio.create_task(publish(settings, write(tmp_path / "log", lines), speed=100))
    await asyncio.sleep(1)
    await asyncio.to_thread(broker.restart)
    await task
    assert await values(settings, topics.posts) == spread(records(lines), PARTITIONS, settings)


async def test_message_that_is_refused(config: Path, prefix: str, tmp_path: Path) -> None:
    """What the topic does not take ends it with Kafka's own words."""
    settings = load(config, {"SURGEWATCH_KAFKA_POSTS_TOPIC": f"{prefix}-own"})
    log = write(tmp_path / "log", posts(99))
    with pytest.raises(BrokerError, match=r"-own: does not exist; it is kafka.posts_topic$"):
        await publish(settings, log)
    limit = {"max.message.bytes": "1000"}
    async with connected(AIOKafkaAdminClient(**client_options(settings)), settings) as admin:
        await admin.create_topics([NewTopic(f"{prefix}-own", 1, 1, topic_configs=limit)])
        await _Cluster(admin).wait_for([TopicSpec(f"{prefix}-own", 1, {})])
    with pytest.raises(BrokerError, match=r"^Kafka at .*message"):
        await publish(settings, log)


def test_published_recorded_and_replayed(
    surgewatch: Command, made: Topics, config: Path, tmp_path: Path
) -> None:
    """What was published and recorded again gives, in a replay, the alerts of the log."""
    world = sparse(1).shuffled(generator(1))
    config.write_text(f"{config.read_text()}\n{world.tables}")
    log = write(tmp_path / "log.jsonl", [item.line for item in world.items])
    sent = surgewatch("publish", log, "--config", config)
    assert sent.code == 0
    assert f"published {len(world.items):,} posts and " in sent.text
    assert f"to {made.posts}, partitions: 3" in sent.text
    assert surgewatch("record", "--out", tmp_path / "rec", "--config", config).code == 0
    logs = sorted((tmp_path / "rec").iterdir())
    assert [path.name for path in logs] == [f"posts-00{n}.jsonl" for n in range(PARTITIONS)]
    found = {}
    for name, paths in (("log", [log]), ("rec", logs)):
        out = tmp_path / f"{name}.alerts"
        assert surgewatch("replay", *paths, "--out", out, "--config", config).code == 0
        found[name] = confirmed(out.read_bytes().splitlines())
    assert found["log"]
    assert found["rec"] == found["log"]


def test_interrupted(made: Topics, config: Path, settings: Settings, tmp_path: Path) -> None:
    """Ctrl-C ends it in a moment, with all that was due sent, no last marker, and exit code 1."""
    lines = posts(100_000)
    log = write(tmp_path / "log.jsonl", lines)
    with running("publish", log, "--config", config, "--speed", "100x") as process:
        deadline = time.monotonic() + WAIT_S
        while not sum(map(len, asyncio.run(values(settings, made.posts)))):
            assert time.monotonic() < deadline
        process.send_signal(signal.SIGINT)
        out, said = process.communicate(timeout=WAIT_S)
    err = said.decode()
    assert (process.returncode, out) == (1, b"")
    count = int(err.split()[1].replace(",", ""))
    assert ", not all\n" in err
    assert err.endswith("surgewatch: interrupted\n")
    found = asyncio.run(values(settings, made.posts))
    whole = spread(records(lines), PARTITIONS, settings)
    assert all(part == whole[n][: len(part)] for n, part in enumerate(found))
    ids = {orjson.loads(value).get("post_id") for part in found for value in part if value}
    assert len(ids - {None}) == count


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["log", "--speed", "fast"], 2, "'fast' is neither max nor a factor, as in 1x or 60x"),
        (["log", "--speed", "0x"], 2, "'0x' is neither max nor a factor"),
        (["-", "-"], 2, "standard input can be read once"),
        (["none.jsonl"], 1, "none.jsonl: no such file"),
    ],
)
def test_wrong_use(
    surgewatch: Command, config: Path, args: list[str], code: int, message: str
) -> None:
    """What cannot work is refused in words."""
    result = surgewatch("publish", *args, "--config", config)
    assert result.code == code
    assert message in result.message


def test_no_topic(surgewatch: Command, config: Path, prefix: str, tmp_path: Path) -> None:
    """Without the topic it says which is missing and how to make it."""
    result = surgewatch("publish", write(tmp_path / "log", posts(1)), "--config", config)
    assert result.code == 1
    expected = f"{prefix}.posts.v1: does not exist; surgewatch topics create makes it"
    assert expected in result.message


def test_a_log_is_moved_to_the_present(
    surgewatch: Command, made: Topics, settings: Settings, config: Path
) -> None:
    """Every time is moved by as much, up to now; what would be late after that is refused."""
    lines = posts(600)
    log = write(config.parent / "log.jsonl", lines)
    began = time.time() * 1000
    ran = surgewatch("publish", log, "--shift-to", "now", "--config", config)
    ended = time.time() * 1000
    assert ran.code == 0, ran.err
    assert "2025-01-13T00:00:04Z to 2025-01-13T00:09:59Z become " in ran.message
    (offset,) = {
        orjson.loads(line)["created_at"] - NOW - int(orjson.loads(line)["post_id"][1:]) * 1_000
        for part in asyncio.run(values(settings, made.posts))
        for line in part
        if line is not None and b"surgewatch_tick" not in line
    }
    assert offset % 60_000 == 0
    assert began - 60_000 <= NOW + 599_000 + offset <= ended
    ends = [part[-1] for part in asyncio.run(values(settings, made.posts))]
    assert ends == [encode_tick(NOW + 599_000 + offset, end=True)] * PARTITIONS
    again = surgewatch("publish", log, "--shift-to", "now", "--config", config)
    assert again.code == 2
    assert f"{made.posts} has reached 20" in again.message
    assert "Publish onto fresh topics" in again.message
    later = surgewatch("publish", log, "--shift-to", "2090-01-01T00:00:00Z", "--config", config)
    assert later.code == 2
    assert "in the future; event time would run ahead" in later.message


def test_what_cannot_be_moved(surgewatch: Command, made: Topics, config: Path) -> None:
    """Standard input can be read once only, and a log without posts has no time."""
    given = surgewatch("publish", "-", "--shift-to", "now", "--config", config)
    assert (given.code, given.out) == (2, b"")
    assert "a log is read twice; give a file" in given.message
    empty = write(config.parent / "log.jsonl", [b"{"])
    none = surgewatch("publish", empty, "--shift-to", "now", "--config", config)
    assert none.code == 2
    assert "holds no post whose time could be moved" in none.message
    assert made
