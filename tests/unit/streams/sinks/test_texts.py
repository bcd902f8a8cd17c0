"""What people read."""

from __future__ import annotations

import msgspec
import pytest

from streams.codec import decode_alert
from streams.notify import Event, Notification, Reason
from streams.sinks import texts
from tests.unit.streams.notify.made import trouble
from tests.unit.streams.sinks.told import HOSTILE, hostile, reminder, strange


def test_a_wave_is_told_as_an_operator_needs_it(wave: list[Notification]) -> None:
    first, last = wave[0], wave[-1]
    assert texts.title(first).startswith(("WARNING: #tiktokrefugee", "INFO: #tiktokrefugee"))
    said = texts.body(first)
    for word in ("From: US", "#tiktokrefugee", "Languages:", "Forecast:", f"ack {first.key}"):
        assert word in said
    assert texts.title(last).startswith("OVER: ")
    assert "foreign users from 2025-01-" in texts.body(last)
    assert "As of 2025-01-" in said
    assert "As of" not in texts.body(last)
    assert "surgewatch ack" not in texts.body(last)
    assert texts.links(first) == [("Console", f"https://console.example/incidents/{first.key}")]


def test_a_replay_says_so_first(wave: list[Notification]) -> None:
    replayed = msgspec.structs.replace(wave[0], replay=True)
    assert texts.title(replayed).startswith("[REPLAY] ")
    assert texts.body(replayed).startswith("REPLAY of a recorded log")
    assert "surgewatch ack" not in texts.body(replayed), "it might be the id of a real one"


@pytest.mark.parametrize("reason", [Reason.REPEATED, Reason.GREW, Reason.RELEASED])
def test_why_it_is_told_again(wave: list[Notification], reason: Reason) -> None:
    again = msgspec.structs.replace(wave[0], reason=reason)
    assert texts.body(again).startswith("It ") or "kept it back" in texts.body(again)


def test_a_reminder_says_whose_silence_it_is() -> None:
    assert "s-00000001 still holds" in texts.title(reminder())
    assert "By ben, because: a known campaign" in texts.body(reminder())
    assert "surgewatch unsilence s-00000001" in texts.body(reminder())


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_texts_stay_short_and_on_their_line(wave: list[Notification], name: str) -> None:
    told = hostile(wave[0], HOSTILE[name])
    title, body = texts.title(told), texts.body(told)
    assert len(title) <= texts.TITLE_CHARS
    assert len(body) <= texts.BODY_CHARS
    assert not set("\x00\x07\x1b\r\u202e\u2066") & set(title + body)
    assert "Injected" not in {line[:8] for line in body.splitlines()}


@pytest.mark.parametrize("data", [{}, {"incident_id": "in-0123456789abcdef"}, {"severity": 7}])
def test_an_alert_of_another_version_is_still_told(
    wave: list[Notification], data: dict[str, object]
) -> None:
    told = strange(wave[0], data)
    assert texts.title(told)
    assert wave[0].key in texts.body(told)


def test_harmless_leaves_words_as_they_are() -> None:
    assert (
        texts.harmless("#小红书 doubles (twice), 5% & more") == "#小红书 doubles (twice), 5% & more"
    )


def test_a_trouble_of_the_pipeline_says_what_to_do() -> None:
    """In the words of a person: numbers are rounded, and it is said once."""
    raw = trouble("rejects", "open", 1_736_726_400_000, 1_736_730_000_000)
    event = Event(decode_alert(raw), raw, 0)
    told = Notification("r", "pipeline/rejects/x", True, Reason.PIPELINE, (event,), event)
    assert texts.title(told).startswith("PIPELINE REJECTS: ")
    assert "To do: The rejects topic has them" in texts.body(told)
    assert "To do" not in texts.body(msgspec.structs.replace(told, firing=False))
    assert texts.commands(told) == []
