"""Labels in Kafka: looked up among the alerts, kept by incident, read back by backtests."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from streams.backtest import read_labels
from streams.kafka.topics import Topics, create
from tests.harness import SCHEMAS, violations
from tests.kafka.reader import records, send

if TYPE_CHECKING:
    from pathlib import Path

    from streams.settings import Settings
    from tests.harness import Command

ALERTS: list[dict[str, Any]] = json.loads((SCHEMAS / "alert.schema.json").read_text("utf-8"))[
    "examples"
]
INCIDENT: str = ALERTS[0]["correlationid"]
OTHER = "in-00000000000000ff"


def encoded(alert: dict[str, Any], incident: str = INCIDENT) -> bytes:
    """An alert, as of an incident."""
    return json.dumps(alert).replace(INCIDENT, incident).encode()


@pytest.fixture
def topics(settings: Settings) -> Topics:
    """The topics, made, with alerts of two incidents and some of every other type."""
    asyncio.run(create(settings, 1))
    topics = Topics.of(settings)
    told = [encoded(alert) for alert in ALERTS]
    asyncio.run(send(settings, topics.alerts, *told, None, encoded(ALERTS[0], OTHER)))
    return topics


def test_labels_round_trip(
    surgewatch: Command, topics: Topics, settings: Settings, config: Path
) -> None:
    """Each label is one record under its incident's key; the newest of each is what is printed."""
    where = ("--config", config, "--by", "ann")
    for incident, verdict in ((INCIDENT, "true"), (OTHER, "false"), (INCIDENT, "expected")):
        ran = surgewatch("label", incident, verdict, "--note", "why\n", *where)
        assert (ran.code, ran.err) == (0, "")
        assert ran.text == f"{incident}: {verdict}, by ann, in {topics.ops}"
    ((first, second, third),) = asyncio.run(records(settings, topics.ops))
    assert first.key == third.key == f"label/{INCIDENT}".encode()
    assert second.key == f"label/{OTHER}".encode()
    said = [json.loads(record.value) for record in (first, second, third)]
    assert violations("label", said) == []
    closed = next(alert for alert in ALERTS if alert["type"] == "surgewatch.incident.closed.v1")
    assert said[0]["data"]["series"][0] == closed["subject"]
    assert said[0]["data"]["until"] == closed["time"]
    printed = surgewatch("labels", "--config", config)
    assert (printed.code, printed.err) == (0, "")
    assert printed.out == second.value + b"\n" + third.value + b"\n"
    read = read_labels(printed.out.splitlines(), "labels")
    assert [(known.id, known.verdict) for known in read] == [
        (OTHER, "false"),
        (INCIDENT, "expected"),
    ]


def test_what_else_is_in_the_ops_topic(
    surgewatch: Command, topics: Topics, settings: Settings, config: Path
) -> None:
    """Other records of operators are passed over; what is none is counted; tombstones forget."""
    label = (SCHEMAS / "label.schema.json").read_text("utf-8")
    one = json.dumps(json.loads(label)["examples"][0]).encode()
    ack = one.replace(b"ops.label.v1", b"ops.ack.v1")
    asyncio.run(send(settings, topics.ops, one, None))
    forgotten = surgewatch("labels", "--config", config)
    assert (forgotten.code, forgotten.out, forgotten.err) == (0, b"", "")
    asyncio.run(send(settings, topics.ops, b"junk", ack, one))
    ran = surgewatch("labels", "--config", config)
    assert (ran.code, ran.out) == (0, one + b"\n")
    assert ran.message == "1 records were no labels, and are left out"


def test_an_unknown_incident(
    surgewatch: Command, topics: Topics, settings: Settings, config: Path
) -> None:
    """An incident that no alert tells of is refused with what is near, and nothing is written."""
    ran = surgewatch("label", OTHER[:-1] + "e", "false", "--config", config)
    assert (ran.code, ran.out) == (2, b"")
    assert f"no incident of {topics.alerts} has this id; did you mean {OTHER}?" in ran.message
    assert asyncio.run(records(settings, topics.ops)) == [[]]


@pytest.mark.parametrize("command", [("label", INCIDENT, "true"), ("labels",)])
def test_no_topics(surgewatch: Command, config: Path, command: tuple[str, ...]) -> None:
    """Without the topics it says what makes them, with exit code 1."""
    ran = surgewatch(*command, "--config", config)
    assert (ran.code, ran.out) == (1, b"")
    assert "does not exist; surgewatch topics create makes it" in ran.message
