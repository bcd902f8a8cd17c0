"""Numbers, times and incidents in words, the same on the terminal and in the report.

Everything returned is safe for a terminal; HTML callers still escape it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from detectors.crowd import OTHER
from detectors.incident import CRITICAL_SHARE, WARNING_SHARE
from streams.console.text import visible

Data = Mapping[str, Any]
"""The ``data`` of an alert."""

STRANGE = (AttributeError, KeyError, TypeError, ValueError)
"""What the words here raise of an alert of another version, whose fields are not as they expect."""

STATUS_WORDS = {
    "open": "still open",
    "peaked": "past its peak",
    "closed": "over",
    "provisional": "not confirmed yet",
}

SEVERITIES = {
    "critical": f"in an hour it brought, on top of the usual, at least {CRITICAL_SHARE:.0%} of "
    "what all foreign traffic usually brings in an hour",
    "warning": f"at least {WARNING_SHARE:.0%} of that",
    "info": "less: worth knowing, not worth waking anybody",
}
"""What each severity means, the most severe first (``detectors.incident.judge``)."""

TAGS_LISTED = 5
TAG_SHARE_MIN = 0.05
"""Smaller hashtags say nothing of a wave: they are everybody's own."""

_COMMON = 0.2
_SENTENCE = 300
_SMALL = 10
_NONE = 0.05
_CONCENTRATED = 0.3
POSTS_TELL = 50
"""Fewer posts say nothing of who writes them."""
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


def ranking(
    items: Sequence[Data], name: str, prefix: str = "", most: int = 4, least: float = 0.0
) -> str:
    """Return the head of one of an alert's lists, largest first, without shares below ``least``.

    >>> ranking([{"region": "US", "share": 0.7}, {"region": "GB", "share": 0.3}], "region", most=1)
    'US 70%, 1 more'
    """
    named = [item for item in items if item[name] != OTHER and item["share"] >= least]
    head = [f"{prefix}{visible(item[name], 30) or '?'} {percent(item['share'])}" for item in named]
    more = len(named) - most
    tail = [f"{more} more"] if more > 0 else []
    others = ["others"] if len(named) < len(items) else []
    return ", ".join(head[:most] + tail + others) or "–"


def has_common_hashtag(data: Data) -> bool:
    """Return whether any hashtag is shared by enough of an incident's users to speak of it.

    An incident that is named after a hashtag has one; a region's users may have none.
    """
    if data["hashtag"] is not None:
        return True
    shares = [item["share"] for item in data["hashtags"] if item["hashtag"] != OTHER]
    return max(shares, default=0.0) >= _COMMON


def hashtags(data: Data) -> str:
    """Return an incident's larger hashtags, or that its users have none in common."""
    if not has_common_hashtag(data):
        return "no common hashtag"
    return ranking(data["hashtags"], "hashtag", "#", TAGS_LISTED, TAG_SHARE_MIN)


def people(value: float) -> str:
    """Return a number of people: a whole one, also where it was estimated.

    >>> people(8.6), people(12345.2)
    ('9', '12,345')
    """
    return f"{round(value):,}"


def usual(expected: float) -> str:
    """Return how many people were expected, as the end of a sentence about how many came.

    >>> usual(0.0005), usual(0.4), usual(37.9)
    ('where none is usual', 'where less than one is usual', 'where 38 are usual')
    """
    if expected < _NONE:
        return "where none is usual"
    if round(expected) < 1:
        return "where less than one is usual"
    return f"where {people(expected)} {'is' if round(expected) == 1 else 'are'} usual"


def peak(data: Data) -> str:
    """Return the one peak that is told of an incident: its busiest hour, and when that ended.

    >>> peak({"peak_per_hour": 386.0, "peak_at": "2025-01-13T08:53:00Z", "status": "peaked"})
    '386 new users in the busiest hour, to 2025-01-13 08:53'
    """
    words = f"{people(data['peak_per_hour'])} new users in the busiest hour"
    if data["peak_at"] is not None:
        return f"{words}, to {moment(data['peak_at'])}"
    return words if data["status"] == "closed" else f"{words} so far"


def window(data: Data) -> str:
    """Return what decided: the winning window's observed and expected new users."""
    observed = round(data["observed"])
    users = f"{observed:,} new user{'' if observed == 1 else 's'}"
    return f"{users} in {duration(data['window_minutes'])}, {usual(data['expected'])}"


def growth(data: Data) -> str | None:
    """Return how fast an incident grows, or None where that can't be told (yet)."""
    if data["status"] == "closed":
        return "over"
    if data["status"] == "peaked":
        return "past its peak"
    if data["doubling_minutes"] is None:
        return None
    return f"doubles every {duration(data['doubling_minutes'])}"


def urgency(data: Data) -> tuple[bool, int, int, str]:
    """Return a sort key: what goes on comes first, then the more severe, then the larger."""
    order = list(SEVERITIES)
    severity = data["severity"]
    place = order.index(severity) if severity in order else len(order)
    return data["closed_at"] is not None, place, -data["users"], data["incident_id"]


def newcomers(data: Data) -> str:
    """Return how many of an incident's users have new accounts."""
    share = data["newcomer_share"]
    if share is None:
        return "unknown: the posts do not say when accounts were made"
    return f"{percent(share)} of its users have a new account"


def follow_up(data: Data) -> str:
    """Return how many newcomers still posted so long after a wave, as its follow-up tells it."""
    after = f"{data['day']} {'day' if data['day'] == 1 else 'days'} after it was over"
    if data["share"] is None:
        return f"of its newcomers none could be followed to the day {after}"
    said = (
        f"of {data['newcomers']:,} newcomers {percent(data['share'])} "
        f"({data['still_posting']:,}) still posted {after}"
    )
    quality = data["data_quality"]
    if quality["sampled"]:
        said += f", estimated from {data['followed']:,} of them"
    if quality["missing_minutes"] > 0:
        said += f"; at least so many: {duration(quality['missing_minutes'])} of data are missing"
    return said


def stayed(follow_ups: Sequence[Data]) -> str | None:
    """Return how many newcomers stayed in short, None where that is not known (yet).

    >>> stayed([{"day": 1, "share": 0.124}, {"day": 3, "share": 0.08}])
    '12% after 1 day, 8% after 3 days'
    """
    known = [one for one in follow_ups if one["share"] is not None]
    return (
        ", ".join(
            f"{percent(one['share'])} after {one['day']} day{'' if one['day'] == 1 else 's'}"
            for one in known
        )
        or None
    )


def is_concentrated(data: Data) -> bool:
    """Return whether a few accounts write so much of it that it may be a bot flood.

    Five of twelve users write nearly half of the posts by mere arithmetic, and a few dozen posts
    are soon the work of five: neither is a hint.
    """
    share: float = data["top_users_share"]
    large: bool = share * data["users"] >= 2 * _TOP_USERS
    return large and share >= _CONCENTRATED and data["posts"] >= POSTS_TELL


def reservations(data: Data) -> list[str]:
    """Return what speaks against taking an incident's figures at face value; often nothing."""
    quality = data["data_quality"]
    found = []
    if is_concentrated(data):
        share = percent(data["top_users_share"])
        found.append(f"the five most active users wrote {share} of the posts: check for bots")
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


def disturbance(data: Data) -> str:
    """Return what an alert about the pipeline tells: how long a gap was, else its summary."""
    details = data["details"]
    of_time = "minutes" in details or "missing_minutes" in details
    if not of_time or "partition" in details:
        words = str(data["summary"])
        if "share" in details and data["until"] is None:
            words += f"; {percent(details['share'])} of {count(details['posts'])} posts in an hour"
        if "message" in details:
            words += f"; the first said: {details['message']}"
        return visible(words, _SENTENCE)
    if data["until"] is None:
        return f"no foreign posts since {moment(data['from'])}; until they come, nothing is judged"
    length = duration(minutes_between(data["from"], data["until"]))
    return f"no foreign posts for {length}; nothing was judged"


def kind(alert: Data) -> str:
    """Return the verb of an alert's type, such as ``opened`` or ``gap``.

    >>> kind({"type": "surgewatch.incident.opened.v1"})
    'opened'
    """
    parts = str(alert["type"]).split(".")
    return visible(parts[2] if len(parts) > 2 else parts[-1], 12)  # noqa: PLR2004
