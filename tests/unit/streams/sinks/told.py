"""Notifications: of a simulated wave as a replay finds it, and hostile ones."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec

from benchmarks.detection.counts import entries, partials
from benchmarks.detection.worlds import draw
from streams.codec import decode_alert, encode_alert, epoch_ms
from streams.events import Closed, Intake
from streams.notify import Book, Event, Notification, Outcome, Reason
from streams.pipeline import make_correlate, make_detect
from streams.settings import Notify, Route, Settings
from streams.simulate import Origin, Tag, Wave

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.events import Alert

HOSTILE = {
    "slack": "<!channel> <!here> <@U012AB3CD> <https://evil.example|click>",
    "mentions": '@channel @here @everyone @all <at user_id="all"></at>',
    "markdown": "**bold** [click](https://evil.example) `code` ~~gone~~ __x__ # head",
    "html": "<script>alert(1)</script><img src=x onerror=alert(1)>&amp;",
    "ansi": "\x1b[31mred\x1b[0m\x07",
    "formula": '=HYPERLINK("https://evil.example")',
    "bidi": "\u202egnp.exe\u2066x",
    "nul": "a\x00b",
    "lines": "a\r\nInjected: yes\nb",
    "long": "x" * 1_000_000,
    "emoji": "👩‍👩‍👧‍👦" * 100,
}


def alerts_of_a_wave() -> Iterator[Alert]:
    """The alerts of one simulated day with one wave."""
    wave = Wave(
        name="wave",
        at=0.55,
        origins=(Origin("US"),),
        tags=(Tag("tiktokrefugee", 0.95),),
        strength=1.0,
        doubling_minutes=20.0,
        doublings=5.0,
        half_life_hours=1.0,
    )
    settings = Settings()
    drawn = draw([wave], days=1.5, rate=0.4, seed=3)
    detect, correlate = make_detect(settings, [0], points=False), make_correlate(settings)
    buckets = [*partials(drawn, entries(drawn), 1.0, settings)]
    last = (drawn.world.end_ms - 1) // settings.time.bucket_ms
    for one in buckets:
        detect.partials(one)
        for outcome in detect.closed(Closed(0, one.bucket, Intake())):
            yield from correlate.outcome(outcome)
    for outcome in detect.closed(Closed(0, last, Intake())):
        yield from correlate.outcome(outcome)


@cache
def told_of_a_wave() -> list[Notification]:
    """What a route is told, each as soon as it is known."""
    route = Route("oncall", "webhook", severity_min="info", group_window_ms=0, repeat_ms=0)
    notify = Notify(routes=(route,), console_url="https://console.example")
    book = Book(notify, "surgewatch")
    told = []
    for offset, alert in enumerate(alerts_of_a_wave()):
        now = epoch_ms(alert.time)
        book.alert(encode_alert(alert), offset, now)
        for one in book.due(now).get(route.name, []):
            told.append(one)
            book.record(one, Outcome.DELIVERED, now)
    return told


def hostile(notification: Notification, text: str) -> Notification:
    """The same incident, under a hashtag that somebody has chosen with care."""
    data = msgspec.json.decode(notification.newest.raw)["data"]
    data |= {
        "hashtag": text,
        "hashtags": [{"hashtag": text, "users": 5, "share": 0.9}],
        "languages": [{"language": text[:50], "users": 5, "share": 0.9}],
        "regions": [{"region": text[:50], "users": 5, "share": 0.9}],
    }
    return _with(notification, data, f"pair/US/{text}")


def strange(notification: Notification, data: dict[str, Any]) -> Notification:
    """The same incident with other data, as of another version."""
    return _with(notification, data, notification.newest.alert.subject)


def _with(notification: Notification, data: dict[str, Any], subject: str) -> Notification:
    alert = msgspec.structs.replace(notification.newest.alert, data=data, subject=subject)
    event = Event(alert, encode_alert(alert), notification.newest.offset)
    assert decode_alert(event.raw) == alert
    return msgspec.structs.replace(notification, events=(event,), opened=event)


def reminder() -> Notification:
    """A silence that holds for long."""
    raw = (
        b'{"id":"silence/s-00000001/x","type":"surgewatch.ops.reminder.v1","source":"surgewatch",'
        b'"subject":"silence/s-00000001","time":"2025-01-14T00:00:00Z","data":{"status":"open",'
        b'"summary":"A silence still holds","matchers":["region=US"],"from":"2025-01-13T00:00:00Z",'
        b'"until":"2025-01-20T00:00:00Z","by":"ben","note":"a known campaign"}}'
    )
    event = Event(decode_alert(raw), raw, -1)
    return Notification(
        route="oncall",
        key="silence/s-00000001",
        firing=True,
        reason=Reason.REMINDER,
        events=(event,),
        opened=event,
    )
