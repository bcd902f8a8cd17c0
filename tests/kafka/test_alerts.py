"""What is told, early and late, as anybody who knows Kafka gets to read it."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import confluent_kafka
import orjson
import pytest

from streams.codec import encode_tick
from tests.harness import confirmed, joined, post, replay, violations
from tests.kafka.lone import Lone
from tests.kafka.pipeline import Pipeline
from tests.kafka.reader import records, send

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

START_MS = 1_736_294_400_000
MINUTE_MS = 60_000
WAIT_S = 60.0
TABLES = """
[time]
bucket = "1m"
allowed_lateness = "1m"
max_jump = "1m"
[detection]
warmup = "1h"
[alerts]
false_incidents_per_week = 100
close_after = "10m"
"""
REGULARS = ("US", "GB", "MY")


class World:
    """A log that grows: what was written so far, and how far its time has come."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.minute = 0

    def passes(self, minutes: int) -> list[bytes]:
        """Some minutes in which the usual thirty users write, six a minute."""
        self.minute += minutes
        return [
            self._post(minute, second, f"u{number}", REGULARS[number % len(REGULARS)])
            for minute in range(self.minute - minutes, self.minute)
            for second, number in enumerate(range(minute % 5, 30, 5))
        ]

    def arrives(self, region: str, hashtag: str, users: int) -> list[bytes]:
        """Users whom nobody has seen yet, in the minute that is open."""
        return [
            self._post(self.minute, 20 + number, f"{hashtag}-{number}", region, hashtag)
            for number in range(users)
        ]

    def _post(self, minute: int, second: int, user: str, region: str, *hashtags: str) -> bytes:
        at_ms = START_MS + minute * MINUTE_MS + second * 1_000
        line = post(len(self.lines), at_ms, user, region, hashtags=list(hashtags))
        self.lines.append(line)
        return line


class Ran(NamedTuple):
    """A pipeline, the log that it was given, and the alerts in the order in which they came."""

    pipeline: Pipeline
    log: list[bytes]
    alerts: list[bytes]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory, bootstrap: str, prefix_of_module: str) -> Ran:
    """Two waves; time stands still when each has begun, until it was told early."""
    pipeline = Pipeline(tmp_path_factory.mktemp("alerts"), bootstrap, prefix_of_module, 1, TABLES)
    pipeline.create()
    world = World()

    def put(lines: list[bytes]) -> None:
        asyncio.run(send(pipeline.settings, pipeline.topics.posts, *lines))

    def provisional() -> list[dict[str, Any]]:
        alerts = map(orjson.loads, pipeline.alerts())
        return [one for one in alerts if one["type"] == "surgewatch.incident.provisional.v1"]

    with Lone(pipeline) as worker:
        worker.until_loaded("ingest-0", "detect", "correlate")
        put(world.passes(180))
        worker.catch_up()
        put(world.arrives("FR", "fiesta", 30))
        _until(lambda: len(provisional()) == 1, worker)
        put(world.passes(120))
        put(world.arrives("BR", "carnaval", 15))
        _until(lambda: len(provisional()) == 2, worker)
        # Another series leads by the time that the bucket closes.
        put(world.arrives("BR", "samba", 35))
        put(world.passes(30))
        put([encode_tick(START_MS + world.minute * MINUTE_MS - 1, end=True)])
        worker.catch_up()
        assert worker.stop() == 0
    _abort(pipeline)
    return Ran(pipeline, world.lines, pipeline.alerts())


def _until(true: Callable[[], bool], worker: Lone) -> None:
    deadline = time.monotonic() + WAIT_S
    while not true():
        assert worker.alive, worker.said()
        assert time.monotonic() < deadline, worker.said()
        time.sleep(0.1)


def _abort(pipeline: Pipeline) -> None:
    """Write an alert that is not committed."""
    producer = confluent_kafka.Producer(
        {"bootstrap.servers": pipeline.settings.kafka.bootstrap, "transactional.id": "aborts"}
    )
    producer.init_transactions(WAIT_S)
    producer.begin_transaction()
    producer.produce(pipeline.topics.alerts, b'{"never": "happened"}')
    producer.flush(WAIT_S)
    producer.abort_transaction(WAIT_S)


def of_type(ran: Ran, kind: str) -> list[dict[str, Any]]:
    """The alerts of one type."""
    alerts = map(orjson.loads, ran.alerts)
    return [alert for alert in alerts if alert["type"] == f"surgewatch.incident.{kind}.v1"]


# -- early and confirmed -------------------------------------------------------------------------


def test_confirmed(ran: Ran) -> None:
    """What was told early changes nothing of what is told in the end."""
    golden = confirmed(replay(joined(ran.log), ran.pipeline.settings).lines)
    assert golden
    assert confirmed(ran.alerts) == golden


def test_provisional(ran: Ran) -> None:
    """The first wave is told while its bucket is open, under the id that it is opened with."""
    early = of_type(ran, "provisional")[0]
    assert "sequence" not in early
    assert early["data"]["status"] == "provisional"
    opened = of_type(ran, "opened")[0]
    assert opened["correlationid"] == early["correlationid"]
    assert opened["sequence"] == 1
    assert opened["time"] == early["time"]
    order = [(a["type"].split(".")[2], a["correlationid"]) for a in map(orjson.loads, ran.alerts)]
    name = early["correlationid"]
    assert order.index(("provisional", name)) < order.index(("opened", name))
    assert ("withdrawn", name) not in order


def test_withdrawn(ran: Ran) -> None:
    """What is confirmed under another id is opened under that, and the promise taken back."""
    first, second = of_type(ran, "provisional")
    assert second["correlationid"] != first["correlationid"]
    (withdrawn,) = of_type(ran, "withdrawn")
    assert withdrawn["correlationid"] == second["correlationid"]
    opened = {alert["correlationid"] for alert in of_type(ran, "opened")}
    assert second["correlationid"] not in opened
    assert len(opened) == 2


def test_schemas(ran: Ran) -> None:
    """All that was sent is as published: alerts of every kind, and rows for plots."""
    alerts = [orjson.loads(line) for line in ran.alerts]
    kinds = {alert["type"].split(".")[2] for alert in alerts}
    assert kinds >= {"provisional", "withdrawn", "opened", "closed"}
    assert violations("alert", alerts) == []
    (rows,) = asyncio.run(records(ran.pipeline.settings, ran.pipeline.topics.series))
    points = [orjson.loads(row.value) for row in rows]
    assert violations("series", points) == []
    assert [row.key.decode() for row in rows] == [point["series"] for point in points]
    golden = replay(joined(ran.log), ran.pipeline.settings, points=True).points
    assert golden
    assert points == golden


# -- read by others ------------------------------------------------------------------------------


def test_confluent(ran: Ran) -> None:
    """A consumer of another library reads the same bytes, and each alert's id as its key."""
    read = list(_read(ran.pipeline, "read_committed"))
    assert [message.value() for message in read] == ran.alerts
    assert [message.key().decode() for message in read] == [
        orjson.loads(line)["id"] for line in ran.alerts
    ]
    everything = [message.value() for message in _read(ran.pipeline, "read_uncommitted")]
    assert everything == [*ran.alerts, b'{"never": "happened"}']


def _read(pipeline: Pipeline, isolation_level: str) -> Iterator[confluent_kafka.Message]:
    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": pipeline.settings.kafka.bootstrap,
            "group.id": f"{pipeline.topics.alerts}-{isolation_level}",
            "isolation.level": isolation_level,
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,
        }
    )
    try:
        consumer.subscribe([pipeline.topics.alerts])
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            message = consumer.poll(1.0)
            if message is None:
                continue
            error = message.error()
            if error is None:
                yield message
            elif error.code() == confluent_kafka.KafkaError._PARTITION_EOF:
                return
            else:
                raise confluent_kafka.KafkaException(error)
        pytest.fail("no end of the partition")
    finally:
        consumer.close()


def test_kcat(ran: Ran) -> None:
    """A tool of the command line prints them, one alert a line."""
    if shutil.which("kcat") is None:
        pytest.skip("kcat is not installed: run tests/install-packages.sh")
    bootstrap, topic = ran.pipeline.settings.kafka.bootstrap, ran.pipeline.topics.alerts
    command = ["kcat", "-b", bootstrap, "-C", "-t", topic, "-o", "beginning", "-e", "-q"]
    command += ["-X", "isolation.level=read_committed", "-f", "%s\\n"]
    printed = subprocess.run(command, capture_output=True, check=True, timeout=WAIT_S).stdout
    assert printed == joined(ran.alerts)
