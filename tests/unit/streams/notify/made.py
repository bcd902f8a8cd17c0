"""Alerts and words of operators as they stand on their topics, made up."""

from __future__ import annotations

from typing import Any

from streams.codec import encode_ack, encode_alert, encode_silence, rfc3339
from streams.events import Alert
from streams.notify import Book
from streams.said import Ack, Matcher, Silence
from streams.settings import Notify, Route

T0 = 1_736_728_800_000
"""2025-01-13T00:40:00Z."""
MINUTE = 60_000
HOUR = 60 * MINUTE
INCIDENT = "in-0123456789abcdef"
STATUSES = {"opened": "open", "updated": "open", "peaked": "peaked", "closed": "closed"}


def incident(kind: str, at_ms: int, users: int = 10, **data: Any) -> bytes:
    """An alert of an incident."""
    name = data.pop("incident_id", INCIDENT)
    told = {
        "incident_id": name,
        "status": STATUSES.get(kind, "open"),
        "severity": "warning",
        "level": "pair",
        "region": "US",
        "hashtag": "tiktokrefugee",
        "users": users,
        "regions": [{"region": "US", "users": users, "share": 1.0}],
        "hashtags": [{"hashtag": "tiktokrefugee", "users": users, "share": 1.0}],
    }
    return encode_alert(
        Alert(
            id=f"{name}-{kind}-{at_ms}",
            type=f"surgewatch.incident.{kind}.v1",
            source="surgewatch",
            subject="pair/US/tiktokrefugee",
            time=rfc3339(at_ms),
            data=told | data,
            sequence=1,
            correlationid=name,
        )
    )


def trouble(kind: str, status: str, at_ms: int, since_ms: int = T0, **details: float) -> bytes:
    """An alert of the pipeline."""
    return encode_alert(
        Alert(
            id=f"pipeline-{kind}-{since_ms}-{status}",
            type=f"surgewatch.pipeline.{kind}.v1",
            source="surgewatch",
            subject=f"pipeline/{kind}",
            time=rfc3339(at_ms),
            data={
                "status": status,
                "summary": "what it is",
                "from": rfc3339(since_ms),
                "until": rfc3339(at_ms) if status == "closed" else None,
                "details": details,
            },
        )
    )


def ack(at_ms: int, users: int = 10, *, withdrawn: bool = False, name: str = INCIDENT) -> bytes:
    """Somebody has it in hand."""
    return encode_ack(Ack(name, "anna", "on it", rfc3339(at_ms), users, withdrawn), "surgewatch")


def silence(
    since_ms: int,
    until_ms: int,
    *matchers: tuple[str, str],
    ended_ms: int | None = None,
    number: int = 1,
) -> bytes:
    """Somebody wants quiet, or no longer."""
    fitting = tuple(Matcher(*matcher) for matcher in matchers)
    said = Silence(
        f"s-{number:08x}",
        fitting,
        rfc3339(since_ms),
        rfc3339(until_ms),
        "ben",
        "a known campaign",
        rfc3339(since_ms if ended_ms is None else ended_ms),
        ended=ended_ms is not None,
    )
    return encode_silence(said, "surgewatch")


def route(name: str = "oncall", **changes: Any) -> Route:
    """A route without waiting."""
    usual: dict[str, Any] = {"group_window_ms": 0, "repeat_ms": 0}
    return Route(name, "pagerduty", **(usual | changes))


def book(*routes: Route, **changes: Any) -> Book:
    """A book with these routes, or one of one route."""
    return Book(Notify(routes=routes or (route(),), **changes), "surgewatch")
