"""What workers have learned is gone on with, or refused in words; it is never begun anew unsaid."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import tomllib
from typing import TYPE_CHECKING, Any

import msgspec
import orjson
import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from streams.codec import encode_tick
from streams.errors import StateError
from streams.kafka import snapshot as snapshots
from streams.kafka import unit as unit_module
from streams.kafka.connect import client_options, connected
from streams.kafka.frames import FRAME_BYTES, frames
from streams.kafka.ground import Ground
from streams.kafka.layout import units
from streams.kafka.rebuild import kept_state
from streams.kafka.store import PLACE, SNAPSHOT, Kept, read_kept
from streams.kafka.unit import Unit
from streams.settings import load
from tests.harness import confirmed, replay
from tests.kafka.digest import flat
from tests.kafka.live import KEY_VARIABLE, USERS_KEY
from tests.kafka.lone import Lone
from tests.kafka.pipeline import Pipeline
from tests.kafka.reader import records, send
from tests.property.small_worlds import sparse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping
    from pathlib import Path

WORLD = sparse(0)
FIRST, SECOND = 100, 200
"""Where the log is cut: an incident is open at each of them, and one opens later."""

LINES = [item.line for item in WORLD.items]
END = encode_tick(WORLD.items[-1].at_ms, end=True)
FROM_SETTINGS = {"min_users", "_share", "_chance", "_look_from"}
"""What of a state is no more than what follows from settings that may change."""

UNITS = ("ingest-0", "detect", "correlate")
START_ANEW = (
    "start anew beside the old state, under new names for kafka.app and kafka.prefix "
    '(docs/operations.md, "Starting anew")'
)


def work(pipeline: Pipeline, lines: list[bytes], environ: dict[str, str] | None = None) -> str:
    """Have a worker read more lines, and stop it; what it said."""
    asyncio.run(send(pipeline.settings, pipeline.topics.posts, *lines))
    with Lone(pipeline, environ=environ) as worker:
        worker.until_loaded(*UNITS)
        worker.catch_up()
        assert worker.stop() == 0
        return worker.said()


@pytest.fixture(scope="module")
def kept(
    tmp_path_factory: pytest.TempPathFactory, bootstrap: str, prefix_of_module: str
) -> Pipeline:
    """A pipeline whose worker has read the beginning of a log, and has been stopped."""
    folder = tmp_path_factory.mktemp("kept")
    pipeline = Pipeline(folder, bootstrap, prefix_of_module, 1, WORLD.tables)
    pipeline.create()
    said = work(pipeline, LINES[:FIRST])
    assert said.count(": starts anew") == len(UNITS)
    return pipeline


@contextlib.asynccontextmanager
async def loaded(
    pipeline: Pipeline, name: str, environ: Mapping[str, str] | None = None, **changes: Any
) -> AsyncIterator[Unit]:
    """A unit as a worker loads it that has other settings, from the environment."""
    settings = load(pipeline.config, {KEY_VARIABLE: USERS_KEY} | dict(environ or {}))
    ground = Ground(settings, pipeline.topics, client_options(settings), pipeline.partitions)
    (spec,) = [spec for spec in units(ground) if spec.name == name]
    for attribute, value in changes.items():
        setattr(spec, attribute, value)
    unit = Unit(ground, spec, pytest.fail)
    try:
        await unit.load()
        yield unit
    finally:
        await unit._producer.stop()


async def refused(pipeline: Pipeline, name: str, environ: Mapping[str, str] | None = None) -> str:
    """Why a unit cannot be loaded."""
    with pytest.raises(StateError) as raised:
        async with loaded(pipeline, name, environ):
            pass
    return str(raised.value)


async def kept_of(pipeline: Pipeline, name: str) -> Kept:
    """What a unit has kept."""
    options = client_options(pipeline.settings)
    found = await read_kept(options, pipeline.topics.state, pipeline.units[name].state_partition)
    assert found is not None
    return found


async def keep(pipeline: Pipeline, name: str, kept: Kept, **changes: Any) -> None:
    """Write a snapshot, and a place that says it is the newest."""
    partition = pipeline.units[name].state_partition
    producer = AIOKafkaProducer(**client_options(pipeline.settings), max_request_size=2 << 20)
    async with connected(producer, pipeline.settings):
        topic, key = pipeline.topics.state, SNAPSHOT + b" 1"
        sent = await producer.send_and_wait(topic, kept.snapshot, key, partition)
        changes = {"snapshot_at": sent.offset, "frames": 1} | changes
        place = msgspec.json.encode(msgspec.structs.replace(kept.place, **changes))
        await producer.send_and_wait(topic, place, PLACE, partition)


# -- the same settings, or others ----------------------------------------------------------------


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("time.bucket", "10m"),
        ("origin.home_regions", "CN,TW"),
        ("origin.home_languages", ""),
        ("detection.fresh_for", "12h"),
        ("detection.detector", "river.anomaly.GaussianScorer"),
        ("users.key", "another-key-of-the-users"),
    ],
)
async def test_what_shapes_the_state(kept: Pipeline, unit: str, setting: str, value: str) -> None:
    """What was learned with another of them is refused; it is said which, and the two ways out."""
    variable = f"SURGEWATCH_{setting.replace('.', '_').upper()}"
    assert await refused(kept, unit, {variable: value}) == (
        f"{unit}: what was learned so far was learned with another {setting}; give it its old "
        f"value again, or {START_ANEW}"
    )


def test_worker_of_other_settings(kept: Pipeline) -> None:
    """A worker ends with exit code 1, says so, and changes nothing."""
    before = asyncio.run(records(kept.settings, kept.topics.state))
    with Lone(kept, name="other", environ={"SURGEWATCH_TIME_BUCKET": "10m"}) as worker:
        assert worker.code() == 1
        last = worker.said().splitlines()[-1]
    assert "surgewatch worker stops: " in last
    assert "was learned with another time.bucket; give it its old value again, or" in last
    after = asyncio.run(records(kept.settings, kept.topics.state))
    assert [len(part) for part in after] == [len(part) for part in before]


@pytest.mark.parametrize("unit", UNITS)
async def test_all_is_kept(kept: Pipeline, unit: str) -> None:
    """Settings that do not shape the state leave it as it is, and hold from there on."""
    environ = {
        "SURGEWATCH_ALERTS_MIN_USERS": "77",
        "SURGEWATCH_ALERTS_FALSE_INCIDENTS_PER_WEEK": "3",
        "SURGEWATCH_ALERTS_SOURCE": "elsewhere",
    }
    state = kept_state((await kept_of(kept, unit)).snapshot, kept.settings).machine
    async with loaded(kept, unit) as one:
        assert flat(one.machine.state()) == flat(state)
        assert not one._snapshot_wanted
    async with loaded(kept, unit, environ) as one:
        after, before = flat(one.machine.state()), flat(state)
        assert one._snapshot_wanted
    assert after.keys() == before.keys()
    changed = {path for path in after if after[path] != before[path]}
    assert {path.rpartition("/")[2] for path in changed} <= FROM_SETTINGS


@pytest.fixture(scope="module")
def gone_on(kept: Pipeline) -> Pipeline:
    """The same pipeline, more of the log read by another worker."""
    said = work(kept, LINES[FIRST:SECOND])
    assert said.count(": goes on after") == len(UNITS)
    assert "new settings" not in said
    return kept


def test_restart(gone_on: Pipeline) -> None:
    """Whoever goes on goes on from the place: nothing is missing, nothing comes twice."""
    golden = replay(b"\n".join(LINES[:SECOND]) + b"\n", gone_on.settings).lines
    alerts = confirmed(gone_on.alerts())
    assert len(alerts) > 5
    # The end of a log that is replayed closes its last buckets, too.
    assert alerts == confirmed(golden)[: len(alerts)]
    intake = gone_on.left().intake
    assert (intake.posts, intake.late, intake.duplicate) == (SECOND, 0, 0)


def test_new_settings(gone_on: Pipeline) -> None:
    """Settings that may change take effect with a restart, and what was open goes on."""
    before = len(confirmed(gone_on.alerts()))
    environ = {"SURGEWATCH_ALERTS_SOURCE": "elsewhere", "SURGEWATCH_ALERTS_MIN_USERS": "1000000"}
    said = work(gone_on, [*LINES[SECOND:], END], environ)
    settings = load(gone_on.config, {KEY_VARIABLE: USERS_KEY} | environ)
    for unit in UNITS:
        assert f"{unit}: new settings hold from here on: {settings.fingerprint}" in said
        found = kept_state(asyncio.run(kept_of(gone_on, unit)).snapshot, gone_on.settings)
        assert tomllib.loads(found.settings)["alerts"]["min_users"] == 1_000_000
        assert tomllib.loads(found.settings)["alerts"]["source"] == "elsewhere"
    alerts = [orjson.loads(line) for line in confirmed(gone_on.alerts())]
    golden = [orjson.loads(line) for line in confirmed(replay(WORLD.log, gone_on.settings).lines)]
    assert alerts[:before] == golden[:before]
    ended = {a["correlationid"] for a in alerts[:before] if a["data"]["status"] == "closed"}
    open_then = {a["correlationid"] for a in alerts[:before]} - ended
    after = alerts[before:]
    assert {alert["correlationid"] for alert in after} == open_then, "those go on, none opens"
    # Without a score, for want of a million users, they end sooner; until then nothing differs.
    expected = [_told(a) for a in golden[before:] if a["correlationid"] in open_then]
    assert [_told(alert) for alert in after][:2] == expected[:2]
    for incident in open_then:
        numbers = [a["sequence"] for a in alerts if a["correlationid"] == incident]
        assert numbers == list(range(1, len(numbers) + 1))
        assert alerts[-1]["data"]["status"] == "closed"
    for alert in alerts[before:]:
        assert alert["source"] == "elsewhere"
        assert alert["data"]["config_fingerprint"] == settings.fingerprint


def _told(alert: dict[str, Any]) -> dict[str, Any]:
    """What of an alert does not follow from the settings that were changed."""
    names = ("id", "type", "subject", "time", "sequence", "correlationid")
    counts = ("onset_at", "closed_at", "users", "posts", "regions", "hashtags")
    return {name: alert[name] for name in names} | {name: alert["data"][name] for name in counts}


# -- what is damaged -----------------------------------------------------------------------------


@pytest.fixture
def damaged(kept: Pipeline) -> Iterator[Pipeline]:
    """The pipeline, to be damaged; what detect had kept is there again afterwards."""
    found = asyncio.run(kept_of(kept, "detect"))
    yield kept
    asyncio.run(keep(kept, "detect", found))


async def test_version_of_the_state(kept: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that keeps state in another form does not guess."""
    monkeypatch.setattr(snapshots, "STATE_VERSION", snapshots.STATE_VERSION + 1)
    assert await refused(kept, "detect") == (
        "detect: the snapshot was written by another version of surgewatch (state version "
        f"{snapshots.STATE_VERSION - 1}, this one reads {snapshots.STATE_VERSION}); {START_ANEW}"
    )


@pytest.mark.parametrize("place", [0, 30, 60, -1])
async def test_flipped_byte(damaged: Pipeline, place: int) -> None:
    """A snapshot of which one bit is wrong is not read, wherever the bit is."""
    found = await kept_of(damaged, "detect")
    octets = bytearray(found.snapshot)
    octets[place] ^= 1
    await keep(damaged, "detect", Kept(found.place, bytes(octets)))
    said = await refused(damaged, "detect")
    assert said.startswith("detect: the snapshot is damaged")
    assert said.endswith(START_ANEW)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"version": 2},
            "{state} partition 1: the newest record is of version 2, this program reads 1",
        ),
        ({"unit": "ingest-7"}, "{state} holds ingest-7 where detect belongs"),
        (
            {"frames": 2, "snapshot_at": "last"},
            "{state} partition 1: the newest snapshot is not complete",
        ),
        ({"partitions": 5}, "the pipeline was set up for 5 source partitions, and {posts} has 1"),
    ],
)
async def test_odd_places(damaged: Pipeline, changes: dict[str, Any], message: str) -> None:
    """A place that cannot be this unit's, or leads nowhere, is refused in words."""
    found = await kept_of(damaged, "detect")
    if changes.get("snapshot_at") == "last":
        changes = changes | {"snapshot_at": (await _end(damaged)) + 1}
    await keep(damaged, "detect", found, **changes)
    said = await refused(damaged, "detect")
    names = {"state": damaged.topics.state, "posts": damaged.topics.posts}
    assert message.format(**names) in said
    assert "detect" in said
    assert said.endswith(START_ANEW)


async def _end(pipeline: Pipeline) -> int:
    """Offset of what comes next in the partition of detect's state."""
    tp = TopicPartition(pipeline.topics.state, 1)
    async with pipeline._consumer() as consumer:
        end: int = (await consumer.end_offsets([tp]))[tp]
        return end


# -- what is long, and what has gone -------------------------------------------------------------


class Keeper:
    """A machine that only keeps some bytes."""

    slice = 1

    def __init__(self, data: bytes = b"") -> None:
        self.data = data

    def take(self, *_: Any) -> list[Any]:
        """Take nothing."""
        return []

    def early(self, _: Any) -> list[Any]:
        """Say nothing."""
        return []

    def has_early(self) -> bool:
        """Nothing to say."""
        return False

    def state(self) -> bytes:
        """What is kept."""
        return self.data

    def restore(self, state: bytes) -> None:
        """Keep that."""
        self.data = state


async def test_long_state(pipeline: Pipeline) -> None:
    """A state of many megabytes comes back whole, and a shorter one after it."""
    for size in (FRAME_BYTES * 5, FRAME_BYTES * 2 + 1, 10):
        data = os.urandom(size)
        async with loaded(pipeline, "correlate", make=lambda *_: Keeper()) as unit:
            unit.machine.data = data  # type: ignore[attr-defined]
            await unit.close()
        async with loaded(pipeline, "correlate", make=lambda *_: Keeper()) as unit:
            assert unit.machine.state() == data
    newest = {
        one.key: one.value for one in (await records(pipeline.settings, pipeline.topics.state))[0]
    }
    assert {key for key, value in newest.items() if value is not None} == {PLACE, SNAPSHOT + b" 1"}


async def test_state_in_many_frames(kept: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a stage has learned goes through frames unchanged."""
    small = functools.partial(frames, frame_bytes=1_000)
    monkeypatch.setattr(unit_module, "frames", small)
    async with loaded(kept, "detect") as unit:
        state = flat(unit.machine.state())
        await unit.close()
    assert (await kept_of(kept, "detect")).place.frames > 5
    monkeypatch.undo()
    async with loaded(kept, "detect") as unit:
        assert flat(unit.machine.state()) == state
        await unit.close()
    assert (await kept_of(kept, "detect")).place.frames == 1


@pytest.fixture
def pipeline(tmp_path: Path, bootstrap: str, prefix: str) -> Pipeline:
    """A pipeline of the test's own, its topics made."""
    made = Pipeline(tmp_path, bootstrap, prefix, 1)
    made.create()
    return made


async def test_posts_that_have_gone(pipeline: Pipeline) -> None:
    """Posts that were deleted before they were read are missed, not passed over."""
    await send(pipeline.settings, pipeline.topics.posts, *LINES[:10])
    async with loaded(pipeline, "ingest-0") as unit:
        await unit.close()
    settings = pipeline.settings
    tp = TopicPartition(pipeline.topics.posts, 0)
    async with connected(AIOKafkaAdminClient(**client_options(settings)), settings) as admin:
        await admin.delete_records({tp: RecordsToDelete(before_offset=4)})
    assert await refused(pipeline, "ingest-0") == (
        f"ingest-0: {pipeline.topics.posts} partition 0 begins at offset 4, but 0 is needed: the "
        f"topic's retention has deleted what was not worked on yet; {START_ANEW}"
    )
