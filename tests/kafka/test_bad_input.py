"""What is no post goes to the rejects topic, and nothing else comes of it."""

from __future__ import annotations

import asyncio
import re
import zlib
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from streams.codec import encode_tick
from streams.codec.diagnose import RAW_BYTES
from streams.kafka.connect import client_options, connected
from streams.kafka.topics import MESSAGE_BYTES
from tests.harness import confirmed, post, replay
from tests.kafka.lone import Lone
from tests.kafka.pipeline import Pipeline
from tests.kafka.reader import records, send
from tests.property.small_worlds import sparse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.events import Intake

WORLD = sparse(0)
PARTITION = 1
"""Which the bad records are sent to."""

Y2099 = 4_102_444_799_000
LONG = post(1, WORLD.items[0].at_ms, "long", "US", text="x" * (1 << 20))
AS_LONG_AS_OURS = LONG + b" " * (MESSAGE_BYTES - 200 - len(LONG))
LONGER = LONG * 5
FUTURE = post(2, Y2099, "future", "US", hashtags=["cats"])
LONG_FUTURE = post(3, Y2099, "future", "US", text="x" * RAW_BYTES)

BAD: dict[str, tuple[bytes | None, str, bytes]] = {
    "not JSON": (b"not JSON", "not_json", b"not JSON"),
    "tombstone": (None, "empty", b""),
    "empty value": (b"", "empty", b""),
    "1 MB message": (LONG, "too_large", LONG),
    "5 MB message": (LONGER, "too_large", LONGER[:RAW_BYTES]),
    "2 MB message": (AS_LONG_AS_OURS, "too_large", LONG[:RAW_BYTES]),
    "invalid UTF-8": (b'{"post_id": "\xff"}', "bad_encoding", b'{"post_id": "\xff"}'),
    "lone line break": (b'{"post_id": "a\nb"}', "not_json", b'{"post_id": "a\nb"}'),
    "nested": (b'{"a":' * 5_000, "too_deep", b'{"a":' * 5_000),
    "no object": (b"[1]", "not_object", b"[1]"),
    "wrong type": (b'{"post_id": 7}', "wrong_type", b'{"post_id": 7}'),
    "half a marker": (b'{"surgewatch_tick": {}}', "missing_field", b'{"surgewatch_tick": {}}'),
    "from 2099": (FUTURE, "future", FUTURE),
    "long, from 2099": (LONG_FUTURE, "future", LONG_FUTURE[:RAW_BYTES]),
}
"""By name: the record, why it is refused, and what of it is kept."""


class Reject(NamedTuple):
    """A record of the rejects topic."""

    value: bytes | None
    headers: dict[str, str]


class Ran(NamedTuple):
    """What came of posts with bad records among them."""

    pipeline: Pipeline
    offsets: dict[str, int]
    rejects: list[Reject]
    alerts: list[bytes]
    said: str
    ended: bool
    intake: Intake


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory, bootstrap: str, prefix_of_module: str) -> Ran:
    """A worker that reads a world with bad records in it, and is then told that it has ended."""
    own = f'\nposts_topic = "own.{prefix_of_module}"\n'
    folder = tmp_path_factory.mktemp("bad")
    pipeline = Pipeline(folder, bootstrap, prefix_of_module, 2, own + WORLD.tables)
    asyncio.run(_make(pipeline))
    pipeline.create()
    sent, places = _mixed()
    with Lone(pipeline) as worker:
        for values in (sent, [[encode_tick(WORLD.items[-1].at_ms, end=True)]] * 2):
            asyncio.run(_send(pipeline, values))
            worker.catch_up()
        said, ended = worker.said(), not worker.alive
        assert worker.stop() == 0
    found = asyncio.run(records(pipeline.settings, pipeline.topics.rejects))
    rejects = [
        Reject(one.value, {name: value.decode() for name, value in one.headers}) for one in found[0]
    ]
    return Ran(pipeline, places, rejects, pipeline.alerts(), said, ended, pipeline.left().intake)


def _mixed() -> tuple[list[list[bytes | None]], dict[str, int]]:
    """The records of two partitions, and where in theirs the bad ones are."""
    parts: list[list[bytes | None]] = [[], []]
    left, places = list(BAD), {}
    for number, item in enumerate(WORLD.items):
        # JSON may be written over several lines.
        line = item.line.replace(b",", b",\n\t") if number % 3 == 0 else item.line
        partition = zlib.crc32(item.user.encode()) % 2
        parts[partition].append(line)
        if partition == PARTITION and left:
            places[left[0]] = len(parts[PARTITION])
            parts[PARTITION].append(BAD[left.pop(0)][0])
    assert not left
    return parts, places


async def _make(pipeline: Pipeline) -> None:
    """Make a posts topic of an operator's own, in which records may be longer than in ours."""
    settings, limit = pipeline.settings, {"max.message.bytes": str(4 * MESSAGE_BYTES)}
    async with connected(AIOKafkaAdminClient(**client_options(settings)), settings) as admin:
        topic = NewTopic(pipeline.topics.posts, 2, 1, topic_configs=limit)
        await admin.create_topics([topic])


async def _send(pipeline: Pipeline, parts: Sequence[Sequence[bytes | None]]) -> None:
    for partition, values in enumerate(parts):
        await send(pipeline.settings, pipeline.topics.posts, *values, partition=partition)


@pytest.mark.parametrize("name", BAD)
def test_where_it_goes(ran: Ran, name: str) -> None:
    """It is in the rejects topic, once, with its bytes, and six headers say where from and why."""
    _, reason, kept = BAD[name]
    offset = ran.offsets[name]
    (found,) = [r for r in ran.rejects if r.headers["__connect.errors.offset"] == str(offset)]
    assert found.value == kept
    message = found.headers.pop("__connect.errors.exception.message")
    assert message
    assert message.isprintable()
    assert found.headers == {
        "__connect.errors.topic": ran.pipeline.topics.posts,
        "__connect.errors.partition": str(PARTITION),
        "__connect.errors.offset": str(offset),
        "__connect.errors.stage": "ingest",
        "__connect.errors.class.name": reason,
    }


def test_nothing_else_comes_of_it(ran: Ran) -> None:
    """All posts are counted, the alerts are as without it, and the worker never noticed."""
    assert len(ran.rejects) == len(BAD)
    intake = ran.intake
    assert intake.rejected == Counter(reason for _, reason, _ in BAD.values())
    assert (intake.posts, intake.late, intake.duplicate) == (len(WORLD.items) + len(BAD), 0, 0)
    assert intake.home + intake.foreign == len(WORLD.items)
    alerts = confirmed(replay(WORLD.log, ran.pipeline.settings).lines)
    assert alerts
    assert confirmed(ran.alerts) == alerts
    assert not ran.ended
    assert "given up" not in ran.said
    assert ran.said.count(": starts anew") == 4
    # Before that, a broker that is new may not have been ready for groups yet.
    rest = ran.said.rpartition(": starts anew")[2].strip().splitlines()
    assert rest
    assert [line for line in rest if not re.search(r" INFO (incident|pipeline)\.", line)] == []
