"""Numbers, times and incidents in words, the same on the terminal and in the report.

Everything returned is safe for a terminal; HTML callers still escape it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from streams.console.text import visible

Data = Mapping[str, Any]
"""The ``data`` of an alert."""

STATUS_WORDS = {"open": "still open", "peaked": "past its peak", "closed": "over"}

_SMALL = 10
_CONCENTRATED = 0.3
_TOP_USERS = 5
_HOUR = 60
_DAY = 24 * _HOUR


def count(value: float) -> str:
    """Return a number of things; one decimal below ten when it is an estimate.

    >>> count(12345), count(3.44), count(3), count(0.04)
    ('12,345', '3.4', '3', '0.04')
    """
    if value == int(value) or abs(value) >= _SMALL:
        return f"{round(value):,}"
    return f"{value:.1f}" if abs(value) >= 0.1 else f"{value:.1g}"  # noqa: PLR2004


def percent(share: float) -> str:
    """Return a share of one as a percentage.

    >>> percent(0.714), percent(0.003), percent(0.0), percent(0.998)
    ('71%', '<1%', '0%', '>99%')
    """
    if 0 < share < 0.01:  # noqa: PLR2004
        return "<1%"
    if 0.99 < share < 1:  # noqa: PLR2004
        return ">99%"
    return f"{round(share * 100)}%"


def duration(minutes: float) -> str:
    """Return a length of time in its two leading units.

    >>> duration(0.5), duration(7), duration(125), duration(4000)
    ('30 s', '7 min', '2 h 5 min', '2 d 18 h')
    """
    if minutes < 1:
        return f"{round(minutes * 60)} s"
    whole = round(minutes)
    if whole < _HOUR:
        return f"{whole} min"
    if whole < _DAY:
        hours, rest = divmod(whole, _HOUR)
        return f"{hours} h {rest} min" if rest else f"{hours} h"
    days, rest = divmod(whole, _DAY)
    return f"{days} d {rest // _HOUR} h" if rest >= _HOUR else f"{days} d"


def epoch_ms(time: str) -> int:
    """Return an RFC 3339 time as milliseconds since 1970 UTC.

    Raises:
        ValueError: the text is not RFC 3339.
    """
    return round(datetime.fromisoformat(time).timestamp() * 1000)


def moment(time: str | None) -> str:
    """Return an RFC 3339 time as date and minute in UTC, or a dash.

    >>> moment("2025-01-13T02:21:00Z"), moment(None)
    ('2025-01-13 02:21', '–')
    """
    if time is None:
        return "–"
    return datetime.fromisoformat(time).astimezone(UTC).strftime("%Y-%m-%d %H:%M")


def minutes_between(start: str, end: str) -> float:
    """Return the minutes from one RFC 3339 time to another."""
    return (epoch_ms(end) - epoch_ms(start)) / 60_000


def detection_delay(data: Data) -> str:
    """Return how long after its estimated onset an incident was detected."""
    return duration(minutes_between(data["onset_at"], data["detected_at"]))


def cause(data: Data) -> str:
    """Return what an incident is about, in words.

    >>> cause({"level": "pair", "region": "US", "hashtag": "tiktokrefugee"})
    '#tiktokrefugee from US'
    """
    level = data["level"]
    if level == "pair":
        return f"#{visible(data['hashtag'])} from {visible(data['region'])}"
    if level == "hashtag":
        return f"#{visible(data['hashtag'])}"
    if level == "region":
        return f"users from {visible(data['region'])}"
    return "all foreign users"


def series_name(key: str) -> str:
    """Return a series key in words.

    >>> series_name("pair/US/tiktokrefugee"), series_name("region/US"), series_name("other")
    ('#tiktokrefugee from US', 'users from US', 'other')
    """
    level, _, rest = key.partition("/")
    if level == "pair" and "/" in rest:
        region, _, hashtag = rest.partition("/")
        return cause({"level": level, "region": region, "hashtag": hashtag})
    if level in {"region", "hashtag"} and rest:
        return cause({"level": level, "region": rest, "hashtag": rest})
    return "all foreign users" if key == "all" else visible(key)


def ranking(items: Sequence[Data], name: str, prefix: str = "", most: int = 4) -> str:
    """Return the head of one of an alert's lists, largest first.

    >>> ranking([{"region": "US", "share": 0.7}, {"region": "GB", "share": 0.3}], "region", most=1)
    'US 70%, 1 more'
    """
    named = [item for item in items if item[name] != "other"]
    head = [f"{prefix}{visible(item[name], 30) or '?'} {percent(item['share'])}" for item in named]
    more = len(named) - most
    tail = [f"{more} more"] if more > 0 else []
    others = ["others"] if len(named) < len(items) else []
    return ", ".join(head[:most] + tail + others) or "–"


def peak(data: Data) -> str:
    """Return the highest step of an incident's history against what was expected there."""
    steps = data["history"]
    if not steps:
        return window(data)
    top = max(steps, key=lambda step: step["observed"] / step["minutes"])
    return (
        f"{count(top['observed'])} fresh users in {duration(top['minutes'])} at "
        f"{moment(top['at'])}, where {count(top['expected'])} were expected"
    )


def window(data: Data) -> str:
    """Return what decided: the winning window's observed and expected fresh users."""
    return (
        f"{count(data['observed'])} fresh users in {duration(data['window_minutes'])}, "
        f"where {count(data['expected'])} were expected"
    )


def growth(data: Data) -> str:
    """Return how fast an incident grows."""
    if data["status"] == "closed":
        return "over"
    if data["doubling_minutes"] is None:
        return "not growing"
    return f"doubles every {duration(data['doubling_minutes'])}"


def newcomers(data: Data) -> str:
    """Return how many of an incident's users have new accounts."""
    share = data["newcomer_share"]
    if share is None:
        return "unknown: the posts do not say when accounts were made"
    return f"{percent(share)} of its users have a new account"


def reservations(data: Data) -> list[str]:
    """Return what speaks against taking an incident's figures at face value; often nothing."""
    quality = data["data_quality"]
    found = []
    share = data["top_users_share"]
    # Five of twelve users write nearly half of the posts by mere arithmetic: that is no hint.
    if share >= _CONCENTRATED and share * data["users"] >= 2 * _TOP_USERS:
        found.append(
            f"the five most active users wrote {percent(share)} of the posts: check for bots"
        )
    if data["mixed_script"]:
        found.append("the hashtag mixes scripts: it may be a look-alike")
    if quality["missing_minutes"] > 0:
        found.append(f"{duration(quality['missing_minutes'])} of data are missing")
    if quality["sampled"]:
        found.append("users are estimated from a sample")
    if quality["series_dropped"] > 0:
        found.append(
            f"{count(quality['series_dropped'])} series were beyond the limit, not watched"
        )
    return found


def kind(alert: Data) -> str:
    """Return the verb of an alert's type, such as ``opened`` or ``gap``.

    >>> kind({"type": "surgewatch.incident.opened.v1"})
    'opened'
    """
    parts = str(alert["type"]).split(".")
    return visible(parts[2] if len(parts) > 2 else parts[-1], 12)  # noqa: PLR2004
