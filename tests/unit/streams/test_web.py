"""What the page of operations shows of alerts and operators' words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from streams.codec import rfc3339
from streams.web import ALERTS_MAX, INCIDENTS_MAX, TROUBLES_MAX, Shown
from tests.harness import SCHEMAS
from tests.unit.streams.notify.made import HOUR, T0, ack, incident, silence, trouble
from tests.unit.streams.sinks.told import HOSTILE

ALERTS: list[dict[str, Any]] = json.loads((SCHEMAS / "alert.schema.json").read_text("utf-8"))[
    "examples"
]
OPENED, CLOSED = ALERTS[0], ALERTS[3]
NAME = OPENED["correlationid"]


def shown(*alerts: dict[str, Any]) -> Shown:
    """What is known after these alerts."""
    of = Shown()
    for alert in alerts:
        of.alert(json.dumps(alert).encode())
    return of


def test_what_goes_on_comes_before_what_is_over() -> None:
    page = shown(OPENED).page(T0)
    assert "One incident goes on." in page
    assert f'href="incidents/{NAME}"' in page
    assert "<h2>Over</h2>" not in page
    page = shown(*ALERTS[:4]).page(T0)
    assert "No incident goes on." in page
    assert "<h2>Over</h2>" in page


def test_every_kind_of_alert_is_taken() -> None:
    of = shown(*ALERTS)
    assert of.unreadable == 0
    assert of.page(T0)


def test_troubles_show_until_they_end() -> None:
    of = Shown()
    of.alert(trouble("stalled", "open", T0, partition=2.0))
    of.alert(trouble("capped", "open", T0))
    assert "STALLED" in of.page(T0)
    assert "CAPPED" in of.page(T0)
    assert "CAPPED" not in of.page(T0 + HOUR), "what has no end is told for an hour"
    of.alert(trouble("stalled", "closed", T0 + HOUR, partition=2.0))
    assert "STALLED" not in of.page(T0 + HOUR)


def test_operators_words_show() -> None:
    of = shown(OPENED)
    of.said(ack(T0, name=NAME), T0)
    of.said(silence(T0, T0 + HOUR, ("region", "US")), T0)
    of.said(b"nonsense", T0)
    page = of.page(T0 + 1)
    assert "anna" in page
    assert "region=US" in page
    assert "a known campaign" in page
    assert of.unreadable == 1
    assert "region=US</bdi>" not in of.page(T0 + HOUR)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_texts_are_text(name: str) -> None:
    alert = json.loads(json.dumps(OPENED))
    alert["data"] |= {"hashtag": HOSTILE[name], "level": "hashtag"}
    of = shown(alert)
    of.said(ack(T0, name=NAME).replace(b"anna", b"<script>x</script>"), T0)
    page = of.page(T0)
    assert "<script" not in page
    assert "<img" not in page
    assert not set("\x00\x07\x1b\u202e\u2066") & set(page)
    assert len(page) < 50_000


def test_memory_is_bounded() -> None:
    of = Shown()
    for n in range(INCIDENTS_MAX + 10):
        of.alert(incident("opened", T0, incident_id=f"in-{n:016x}"))
    for n in range(TROUBLES_MAX + 10):
        of.alert(trouble("gap", "open", T0, T0 + n * 1000))
    for n in range(ALERTS_MAX + 10):
        of.alert(incident("updated", T0 + n * 1000, incident_id=f"in-{INCIDENTS_MAX:016x}"))
    assert len(of.incidents) == INCIDENTS_MAX
    assert len(of.troubles) == TROUBLES_MAX
    assert max(map(len, of.incidents.values())) == ALERTS_MAX


@pytest.mark.parametrize("raw", [b"", b"\xff", b"[]", b'{"type":"surgewatch.pipeline.gap.v1"}'])
def test_what_cannot_be_read_is_counted(raw: bytes) -> None:
    of = Shown()
    of.alert(raw)
    assert of.unreadable == 1
    assert rfc3339(T0)[:16].replace("T", " ") in of.page(T0)


@pytest.mark.parametrize(
    "changes", [{"users": "many"}, {"regions": None}, {"onset_at": 7}, {"incident_id": []}]
)
def test_an_incident_of_another_version_hides_no_other(changes: dict[str, Any]) -> None:
    """It is counted instead: the page is what people look at when something is wrong."""
    odd = json.loads(json.dumps(OPENED))
    odd["data"] |= {"incident_id": "in-00000000000000ff"} | changes
    page = shown(OPENED, odd).page(T0)
    assert "One incident goes on." in page
    assert "Not shown: 1 records or incidents" in page
    assert "Not shown" not in shown(OPENED).page(T0)


def test_a_trouble_without_a_time_is_counted() -> None:
    of = Shown()
    of.alert(trouble("capped", "open", T0).replace(b'"time":"2025', b'"time":"x'))
    assert of.unreadable == 1
    assert of.page(T0)
