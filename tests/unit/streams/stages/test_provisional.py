"""Promises of incidents: given early, kept or withdrawn, and nothing confirmed depends on them."""

from __future__ import annotations

import orjson

from detectors.incident import incident_id
from streams.codec import encode_alert
from streams.codec.confirmed import confirmed
from streams.events import Alert, CrowdRecord, EarlyOutcome, EpisodeRecord, Notice, Outcome
from tests.harness import violations
from tests.unit.streams.stages.test_correlate import MINUTE, START, correlate, outcome, record

TAG, PAIR = "hashtag/x", "pair/US/x"
NOBODY = CrowdRecord(None, 0.0, [], [], [])


def early(*records: EpisodeRecord) -> EarlyOutcome:
    """What would be said of an open bucket."""
    return EarlyOutcome(records[0].bucket, list(records), 10_000.0)


def kinds(alerts: list[Alert]) -> list[str]:
    """Types of alerts, in short."""
    return [alert.type.split(".")[2] for alert in alerts]


def test_a_promise_carries_the_id_to_come() -> None:
    """Provisional, without a number, under the id with which the incident then opens."""
    stage = correlate()
    (promise,) = stage.early(early(record(TAG), record(PAIR, excess=50.0)))
    assert kinds([promise]) == ["provisional"]
    assert promise.sequence is None
    assert promise.data["status"] == "provisional"
    assert promise.correlationid == incident_id((START + 1) * MINUTE, TAG)
    opened = stage.outcome(outcome(record(TAG), record(PAIR, excess=50.0)))
    assert kinds(opened) == ["opened"]
    assert opened[0].correlationid == promise.correlationid
    assert (opened[0].sequence, opened[0].id) == (1, f"{promise.correlationid}-1")


def test_a_wave_is_promised_once() -> None:
    """Looks that follow, under whatever series leads by then, add nothing."""
    stage = correlate()
    assert len(stage.early(early(record(TAG)))) == 1
    assert stage.early(early(record(TAG, users=200.0))) == []
    assert stage.early(early(record(PAIR, excess=95.0), record(TAG))) == []


def test_what_does_not_open_is_withdrawn() -> None:
    """Its bucket closes without an incident of that id: taken back once."""
    stage = correlate()
    (promise,) = stage.early(early(record(TAG)))
    (taken_back,) = stage.outcome(outcome())
    assert kinds([taken_back]) == ["withdrawn"]
    assert taken_back.correlationid == promise.correlationid
    assert taken_back.data["incident_id"] == promise.correlationid
    assert stage.outcome(outcome()) == []


def test_confirmed_under_another_id() -> None:
    """Another series leads when the bucket closes: opened under its id, the promise withdrawn."""
    stage = correlate()
    (promise,) = stage.early(early(record(TAG)))
    alerts = stage.outcome(outcome(record(PAIR, excess=500.0), record(TAG)))
    assert kinds(alerts) == ["opened", "withdrawn"]
    assert alerts[0].correlationid != promise.correlationid
    assert alerts[1].correlationid == promise.correlationid


def test_a_bucket_to_come_keeps_its_promise() -> None:
    """An earlier bucket closes: the promise of a later one stands."""
    stage = correlate()
    stage.early(early(record(TAG, 2, opened=2)))
    assert stage.outcome(outcome()) == []
    assert kinds(stage.outcome(outcome(record(TAG, 2, opened=2)))) == ["opened"]


def test_part_of_an_open_incident_is_no_news() -> None:
    """What belongs to an incident that is open is not promised as one of its own."""
    stage = correlate()
    stage.outcome(outcome(record(TAG)))
    assert stage.early(early(record(PAIR, 1, opened=1))) == []
    assert len(stage.early(early(record("pair/BR/y", 1, opened=1, crowd=NOBODY)))) == 1


def test_confirmed_alerts_do_not_depend_on_promises() -> None:
    """The same outcomes with promises in between: the same confirmed bytes."""
    plain, promising = correlate(), correlate()
    buckets = [record(TAG, n, users=100.0 + 90 * n, excess=90.0 + 90 * n) for n in range(4)]
    lines: list[list[bytes]] = [[], []]
    for one in buckets:
        lines[1] += map(
            encode_alert,
            promising.early(early(one, record("pair/BR/y", 3, opened=3, crowd=NOBODY))),
        )
        lines[0] += map(encode_alert, plain.outcome(outcome(one)))
        lines[1] += map(encode_alert, promising.outcome(outcome(one)))
    assert len(lines[1]) > len(lines[0])
    told = [[line for alert in each if (line := confirmed(alert))] for each in lines]
    assert told[0] == told[1]


def test_they_obey_the_schema() -> None:
    """Provisional and withdrawn alerts are as published."""
    stage = correlate()
    alerts = stage.early(early(record(TAG), record(PAIR)))
    alerts += stage.outcome(outcome())
    assert kinds(alerts) == ["provisional", "withdrawn"]
    assert violations("alert", [orjson.loads(encode_alert(alert)) for alert in alerts]) == []


def test_notice_of_a_partition_knows_no_counts() -> None:
    """A stalled partition was told meanwhile: the promise still says how good the data are."""
    stage = correlate()
    stage.outcome(outcome(late=3))
    notice = Notice("stalled", "open", START, START, {"partition": 1.0})
    stage.outcome(Outcome(START, [], 0.0, [], [notice], {}))
    (promise,) = stage.early(early(record(TAG)))
    assert violations("alert", [orjson.loads(encode_alert(promise))]) == []


def test_all_links_no_promises() -> None:
    """Once ``all`` is over its limit too, waves that have nothing else in common are promised."""
    stage = correlate()
    everything = record("all", excess=500.0, users=500.0)
    first = stage.early(early(record("pair/BR/y", crowd=NOBODY), everything))
    second = stage.early(early(record("pair/FR/z", crowd=NOBODY), everything))
    assert kinds(first + second) == ["provisional", "provisional"]
    assert first[0].correlationid != second[0].correlationid
    assert stage.early(early(everything)) == []
