"""Source partitions that are silent, slow, stuck or new hold up what they must, and no more."""

from __future__ import annotations

import asyncio
import itertools
import time
import zlib
from typing import TYPE_CHECKING, Any

import orjson
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions

from streams.codec import encode_tick, epoch_ms, rfc3339
from streams.kafka import topics as topics_module
from streams.kafka.connect import client_options, connected
from streams.kafka.reading import Recorder
from streams.kafka.store import Place, bounds, newest_place
from tests.harness import confirmed, post, replay, violations
from tests.kafka.lone import Lone, changed
from tests.kafka.pipeline import Pipeline
from tests.kafka.reader import send
from tests.property.small_worlds import HOUR_MS, sparse

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WORLD = sparse(0)
LAST_MS = WORLD.items[-1].at_ms
END = encode_tick(LAST_MS, end=True)
SLOW = 30
"""Posts that the slow partition has at first."""

WAIT_S = 60.0
PATIENT = '\nidle_after = "1d"\n'
"""In the section of Kafka: no marker comes to the aid of a partition."""


def put(pipeline: Pipeline, partition: int, *values: bytes | None) -> None:
    """Write to a partition of posts."""
    asyncio.run(send(pipeline.settings, pipeline.topics.posts, *values, partition=partition))


def until(found: Callable[[], Any], worker: Lone) -> Any:
    """Wait for something, while a worker runs, and give it."""
    deadline = time.monotonic() + WAIT_S
    while not (one := found()):
        assert worker.alive, worker.said()
        assert time.monotonic() < deadline, worker.said()
        time.sleep(0.1)
    return one


def place(pipeline: Pipeline, name: str) -> Place:
    """Where a unit stands."""
    options = client_options(pipeline.settings)
    partition = pipeline.units[name].state_partition
    found = asyncio.run(newest_place(options, pipeline.topics.state, partition))
    assert found is not None
    return found


def of_type(pipeline: Pipeline, kind: str) -> list[dict[str, Any]]:
    """Alerts of a type that were sent so far."""
    alerts = map(orjson.loads, pipeline.alerts())
    return [alert for alert in alerts if alert["type"] == f"surgewatch.{kind}.v1"]


def test_idle(tmp_path: Path, bootstrap: str, prefix: str) -> None:
    """A silent partition is given the others' event time where a replay finds it, too."""
    quick = '\nidle_after = "1s"\n'
    pipeline = Pipeline(tmp_path, bootstrap, prefix, 3, quick + WORLD.tables)
    pipeline.create()
    lines = [item.line for item in WORLD.items]

    def busy() -> bool:
        """Where all are silent, event time stands still: one goes on, with a post that is late."""
        put(pipeline, 0, lines[0])
        return True

    with Lone(pipeline) as worker:
        worker.until_loaded("ingest-0", "ingest-1", "detect", "correlate")
        # Of the three partitions one is busy, one falls silent and one has never had a post.
        put(pipeline, 0, *lines[:100:2])
        put(pipeline, 1, *lines[1:100:2])
        for number, first in ((100, 80), (150, 130), (200, 180)):
            put(pipeline, 0, *lines[number : number + 50])
            reached = WORLD.items[first].at_ms
            for partition in (1, 2):
                until(lambda p=partition, ms=reached: busy() and _marked(pipeline, p) > ms, worker)
        until(lambda: busy() and of_type(pipeline, "incident.opened"), worker)
        put(pipeline, 0, *lines[250:], END)
        for partition in (1, 2):
            put(pipeline, partition, END)
        worker.catch_up()
        assert worker.stop() == 0
    alerts = confirmed(pipeline.alerts())
    assert len(alerts) > 5
    recorder = Recorder(pipeline.settings, tmp_path / "recorded")
    asyncio.run(recorder.run(follow=False))
    parts = {path.name: path.read_bytes() for path in sorted((tmp_path / "recorded").iterdir())}
    assert len(parts) == 3
    assert confirmed(replay(parts, pipeline.settings).lines) == alerts


def test_silent_after_a_backlog(tmp_path: Path, bootstrap: str, prefix: str) -> None:
    """A partition that falls silent after much was left to read is silent like any other."""
    quick = '\nidle_after = "1s"\n'
    pipeline = Pipeline(tmp_path, bootstrap, prefix, 2, quick + WORLD.tables)
    pipeline.create()
    lines, start = [item.line for item in WORLD.items], WORLD.items[0].at_ms
    backlog = [post(n, start, f"home{n}", "CN") for n in range(3_000)]
    put(pipeline, 1, encode_tick(start), *backlog)
    put(pipeline, 0, *lines[:100])

    def moved() -> bool:
        put(pipeline, 0, lines[0])
        return _marked(pipeline, 1) > start

    with Lone(pipeline) as worker:
        worker.until_loaded("ingest-0", "ingest-1", "detect", "correlate")
        until(moved, worker)
        assert worker.stop() == 0


def _marked(pipeline: Pipeline, partition: int) -> int:
    """The event time of the last marker in a partition."""
    markers = [value for value in pipeline.posts(partition) if b"surgewatch_tick" in value]
    if not markers:
        return 0
    return epoch_ms(orjson.loads(markers[-1])["surgewatch_tick"]["event_time"])


def test_slow(tmp_path: Path, bootstrap: str, prefix: str) -> None:
    """A slow partition holds buckets open; a faster one waits for it, unread beyond a limit."""
    pipeline = Pipeline(tmp_path, bootstrap, prefix, 2, PATIENT + WORLD.tables)
    pipeline.create()
    halves: list[list[bytes]] = [[], []]
    for item in WORLD.items:
        halves[zlib.crc32(item.user.encode()) % 2].append(item.line)
    few = "import streams.kafka.machines as machines\nmachines.AHEAD_MAX = 20"
    with Lone(pipeline, program=changed(few)) as worker:
        worker.until_loaded("ingest-0", "ingest-1", "detect", "correlate")
        put(pipeline, 1, *halves[1][:SLOW])
        for start in range(0, len(halves[0]), 20):
            put(pipeline, 0, *halves[0][start : start + 20])
            sent = min(start + 20, len(halves[0]))
            until(lambda end=sent: place(pipeline, "ingest-0").positions[0] == end, worker)
        assert _behind(pipeline) > 0
        alerts = confirmed(pipeline.alerts())
        put(pipeline, 1, *halves[1][SLOW:], END)
        put(pipeline, 0, END)
        worker.catch_up()
        assert _behind(pipeline) == 0
        assert worker.stop() == 0
    golden = confirmed(replay(WORLD.log, pipeline.settings).lines)
    assert alerts == golden[: len(alerts)]
    slow = rfc3339(orjson.loads(halves[1][SLOW])["created_at"])
    assert (
        0 < len(alerts) <= sum(orjson.loads(line)["time"] <= slow for line in golden) < len(golden)
    )
    assert confirmed(pipeline.alerts()) == golden


def _behind(pipeline: Pipeline) -> int:
    """How many tallies of the faster partition detect has not read."""
    options, topic = client_options(pipeline.settings), pipeline.topics.tallies
    _, end = asyncio.run(bounds(options, topic, 0))
    return end - place(pipeline, "detect").positions[0]


def test_stuck(tmp_path: Path, bootstrap: str, prefix: str) -> None:
    """Posts that keep coming while event time stands still are told, and that it moves again."""
    pipeline = Pipeline(tmp_path, bootstrap, prefix, 1, '\nstalled_after = "2s"\n')
    pipeline.create()
    start_ms, numbers = WORLD.items[0].at_ms, itertools.count()

    def posts(at_ms: int) -> list[bytes]:
        return [post(next(numbers), at_ms, f"u{user}", "US") for user in range(9)]

    def told(status: str) -> list[dict[str, Any]]:
        put(pipeline, 0, *posts(start_ms))
        found = of_type(pipeline, "pipeline.stalled")
        return [one for one in found if one["data"]["status"] == status]

    with Lone(pipeline) as worker:
        worker.until_loaded("ingest-0", "detect", "correlate")
        put(pipeline, 0, *posts(start_ms - HOUR_MS), *posts(start_ms))
        (opened,) = until(lambda: told("open"), worker)
        assert opened["data"]["details"]["partition"] == 0
        assert opened["data"]["details"]["minutes"] >= 2 / 60
        time.sleep(1.2)
        start_ms += HOUR_MS
        (closed,) = until(lambda: told("closed"), worker)
        assert worker.stop() == 0
    alerts = of_type(pipeline, "pipeline.stalled")
    assert alerts == [opened, closed]
    assert violations("alert", alerts) == []
    assert closed["data"]["from"] == opened["data"]["from"]


def test_added(tmp_path: Path, bootstrap: str, prefix: str) -> None:
    """A partition that is added ends the worker; when all topics have it, it counts like others."""
    pipeline = Pipeline(tmp_path, bootstrap, prefix, 2, WORLD.tables)
    pipeline.create()
    lines = [item.line for item in WORLD.items]
    often = "import streams.kafka.idle as idle\nidle.PARTITIONS_SECONDS = 1.0"
    with Lone(pipeline, program=changed(often)) as worker:
        worker.until_loaded("ingest-0", "ingest-1", "detect", "correlate")
        for partition in (0, 1):
            put(pipeline, partition, *lines[partition:150:2])
        worker.catch_up()
        asyncio.run(_grow(pipeline, 3))
        assert worker.code() == 1
        said = worker.said().splitlines()[-1]
    posts = pipeline.topics.posts
    assert f"{posts} has 3 partitions now, and the pipeline counts 2: run" in said
    assert '"surgewatch topics create --partitions 3", then start the workers again' in said
    problems = asyncio.run(topics_module.examine(pipeline.settings)).problems
    assert f"{pipeline.topics.tallies}: partitions: 2; 3 are needed" in problems
    asyncio.run(topics_module.create(pipeline.settings, 3))
    grown = Pipeline(tmp_path, bootstrap, prefix, 3, WORLD.tables)
    with Lone(grown) as worker:
        worker.until_loaded("ingest-0", "ingest-1", "ingest-2", "detect", "correlate")
        assert "3 source partitions from here on, not 2" in worker.said()
        for partition in range(3):
            put(grown, partition, *lines[150 + partition :: 3], END)
        worker.catch_up()
        assert worker.stop() == 0
    alerts = confirmed(grown.alerts())
    assert alerts == confirmed(replay(WORLD.log, grown.settings).lines)
    intake = grown.left().intake
    assert (intake.posts, intake.late, intake.duplicate) == (len(lines), 0, 0)


async def _grow(pipeline: Pipeline, count: int) -> None:
    """Give the posts topic more partitions, and no other topic."""
    settings = pipeline.settings
    async with connected(AIOKafkaAdminClient(**client_options(settings)), settings) as admin:
        await admin.create_partitions({pipeline.topics.posts: NewPartitions(count)})
