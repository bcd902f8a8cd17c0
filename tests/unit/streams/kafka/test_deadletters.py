"""Dead letters read back: what each was, and what has become of it since."""

from __future__ import annotations

from types import SimpleNamespace

import orjson

from streams.kafka.deadletters import as_it_is_now, letters, notifications, subject_in
from streams.notify import Event, Notification, Reason
from streams.sinks.alertmanager import alerts_of
from tests.unit.streams.notify.made import MINUTE, T0, book, incident, route, trouble
from tests.unit.streams.sinks.told import reminder


def read_back(*notified: Notification) -> list[Notification]:
    """Given up, and read from the topic."""
    buried = [letter for one in notified for letter in letters(one, "no", "surge.alerts.v1")]
    records = [
        SimpleNamespace(value=letter.value, headers=letter.headers, offset=100 + number)
        for number, letter in enumerate(buried)
    ]
    found, unusable = notifications(records, route())
    assert unusable == 0
    return found


def due(*raw: bytes) -> list[Notification]:
    """What one route is told of alerts."""
    one = book()
    for offset, alert in enumerate(raw):
        one.alert(alert, offset, T0)
    return one.due(T0)["oncall"]


def test_what_it_was_is_known_again() -> None:
    """A reminder pages nobody, not even when it comes late."""
    opened, gap = incident("opened", T0), trouble("gap", "open", T0)
    found = read_back(*due(opened, gap), reminder())
    assert [one.reason for one in found] == [Reason.OPENED, Reason.PIPELINE, Reason.REMINDER]
    assert all(one.firing for one in found)


def test_what_has_changed_since_is_told_as_it_is_now() -> None:
    """Else Alertmanager would be told that the old severity fires again, beside the new one."""
    (one,) = read_back(*due(incident("opened", T0)))
    raw = incident("updated", T0 + MINUTE, 99, severity="critical")
    newest = subject_in(raw, 7)
    assert newest is not None
    now = as_it_is_now(one, newest.newest)
    assert [event.raw for event in now.events] == [one.newest.raw, raw]
    assert (now.firing, now.reason) == (True, Reason.OPENED)
    fires = {
        alert["labels"]["severity"]: alert["endsAt"] > alert["startsAt"]
        for alert in orjson.loads(orjson.dumps(alerts_of(now, T0 / 1000)))
    }
    assert fires == {"critical": True, "warning": False}


def test_what_is_the_same_is_told_once() -> None:
    (one,) = read_back(*due(incident("opened", T0)))
    assert as_it_is_now(one, Event(one.newest.alert, one.newest.raw, 7)) == one
    assert as_it_is_now(one, None) == one
