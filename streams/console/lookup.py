"""One incident looked for among alerts, one a line, and checked so that it can be shown."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import orjson

from streams.backtest import fits_id
from streams.errors import UsageError
from streams.settings.kinds import show

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

IDS_LISTED = 20
_ID_CHARS = 60
_YEARS = range(1970, 2101)

Time = Annotated[datetime, msgspec.Meta(tz=True)]
_Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
_Count = Annotated[int, msgspec.Meta(ge=0)]
_Amount = Annotated[float, msgspec.Meta(ge=0)]
_Length = Annotated[float, msgspec.Meta(gt=0, le=1e6)]


class _Part(msgspec.Struct):
    users: _Count
    share: _Share


class _Region(_Part):
    region: str


class _Hashtag(_Part):
    hashtag: str


class _Language(_Part):
    language: str


class _Series(msgspec.Struct):
    series: str
    excess: float
    share: _Share
    opened_at: Time | None = None


class _Step(msgspec.Struct):
    at: Time
    minutes: _Length
    observed: _Amount
    expected: _Amount
    upper: _Amount


class _Horizon(msgspec.Struct):
    hours: _Length
    users: _Amount
    lower: _Amount
    upper: _Amount
    expected: _Amount


class _Forecast(msgspec.Struct):
    series: str
    confidence: _Share
    horizons: list[_Horizon]


class _Quality(msgspec.Struct):
    late: _Count
    duplicates: _Count
    rejected: _Count
    series_dropped: _Count
    sampled: bool
    missing_minutes: _Amount


class _Incident(msgspec.Struct):
    """What of an incident's ``data`` is shown; see the alert schema."""

    incident_id: str
    status: str
    severity: str
    level: Literal["region", "hashtag", "pair", "all"]
    region: str | None
    hashtag: str | None
    mixed_script: bool
    onset_at: Time
    detected_at: Time
    peak_at: Time | None
    closed_at: Time | None
    observed: _Amount
    expected: _Amount
    upper: _Amount
    window_minutes: _Length
    score: float
    threshold: float
    margin: float
    peak_per_hour: _Amount
    doubling_minutes: _Length | None
    users: _Count
    posts: _Count
    posts_per_user: _Amount
    top_users_share: _Share
    newcomer_share: _Share | None
    regions: list[_Region]
    hashtags: list[_Hashtag]
    languages: list[_Language]
    series: list[_Series]
    history: list[_Step]
    data_quality: _Quality
    config_fingerprint: str
    forecast: _Forecast | None = None


class _WindowQuality(msgspec.Struct):
    sampled: bool
    missing_minutes: _Amount


class _FollowUp(msgspec.Struct):
    incident_id: str
    status: str
    day: int
    newcomers: _Count
    followed: _Count
    returned: _Count
    share: _Share | None
    still_posting: _Count | None
    data_quality: _WindowQuality
    config_fingerprint: str


class _Envelope(msgspec.Struct):
    id: str
    type: str
    subject: str
    time: Time
    data: dict[str, Any]
    correlationid: str | None = None


_SHOWN: Mapping[str, type[msgspec.Struct] | None] = {
    "opened": _Incident,
    "updated": _Incident,
    "peaked": _Incident,
    "closed": _Incident,
    "provisional": _Incident,
    "followup": _FollowUp,
    "withdrawn": None,
}


@dataclass
class Found:
    """The alerts of one incident, in the order of the file, repeats left out."""

    incident_id: str
    alerts: list[dict[str, Any]] = field(default_factory=list)


def find_incident(lines: Iterable[bytes], source: str, wanted: str) -> Found:
    """Look for an incident by its id, its beginning, or the id of one of its alerts.

    Args:
        lines: alerts, as they are written.
        source: where they come from, for messages.
        wanted: with or without ``in-``; enough of it to fit one incident only.

    Raises:
        UsageError: no incident fits, or several do, or a line is no alert.
    """
    name = wanted if wanted.startswith("in-") else f"in-{wanted}"
    subjects: dict[str, str] = {}
    found: dict[str, Found] = {}
    seen: set[str] = set()
    for where, alert in _alerts(lines, source):
        incident = alert.get("correlationid")
        if incident is None:
            continue
        subjects.setdefault(incident, alert["subject"])
        if not fits_id(incident, wanted) or alert["id"] in seen:
            continue
        seen.add(alert["id"])
        _check(where, alert)
        found.setdefault(incident, Found(incident)).alerts.append(alert)
    if name in found:
        return found[name]
    if len(found) != 1:
        raise UsageError(_unclear(source, wanted, {i: subjects[i] for i in found}, subjects))
    return next(iter(found.values()))


def _alerts(lines: Iterable[bytes], source: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The alerts, each with where it stands."""
    for number, line in enumerate(lines, 1):
        if line.strip():
            where = f"{source}, line {number}"
            yield where, _read(where, line)


def _read(where: str, line: bytes) -> dict[str, Any]:
    try:
        alert = orjson.loads(line)
        msgspec.convert(alert, _Envelope)
    except (orjson.JSONDecodeError, msgspec.ValidationError) as error:
        raise UsageError(f"{where}: no alert: {error}") from None
    result: dict[str, Any] = alert
    return result


def _check(where: str, alert: dict[str, Any]) -> None:
    """Refuse an alert of which something that is shown is missing or wrong."""
    parts = alert["type"].split(".")
    kind = parts[2] if len(parts) == 4 else ""  # noqa: PLR2004 - surgewatch.incident.KIND.v1
    if kind not in _SHOWN:
        raise UsageError(f"{where}: an alert of an unknown type: it was written by another version")
    shown = _SHOWN[kind]
    if shown is None:
        return
    wrong: object = None
    try:
        data = msgspec.convert(alert["data"], shown)
        wrong = _contradiction(data) if isinstance(data, _Incident) else None
    except msgspec.ValidationError as error:
        wrong = error
    if wrong is not None:
        raise UsageError(f"{where}: the data of an incident are not as needed: {wrong}")


def _contradiction(data: _Incident) -> str | None:
    """What is wrong with data of the right types."""
    named = {"pair": (True, True), "region": (True, False), "hashtag": (False, True)}
    if named.get(data.level, (False, False)) != (data.region is not None, data.hashtag is not None):
        return f"level {data.level}, but region and hashtag are another's"
    moments = [data.onset_at, data.detected_at, data.peak_at, data.closed_at]
    moments += [step.at for step in data.history]
    if not all(at is None or at.year in _YEARS for at in moments):
        return f"a time is before {_YEARS.start} or after {_YEARS.stop - 1}"
    return None


def _unclear(source: str, wanted: str, fitting: Mapping[str, str], known: Mapping[str, str]) -> str:
    """Say that an id fits no incident, or several, and which there are."""
    shown = show(wanted[:_ID_CHARS])
    if fitting:
        return f"{shown} fits {len(fitting)} incidents of {source}:{_listed(fitting)}"
    if not known:
        return f"{shown}: {source} holds no incident"
    near = difflib.get_close_matches(wanted[:_ID_CHARS], known, n=3)
    hint = f"; did you mean {' or '.join(_plain(name) for name in near)}?" if near else ""
    return f"{shown}: no incident of {source}{hint}\nThese are in it:{_listed(known)}"


def _listed(incidents: Mapping[str, str]) -> str:
    listed = [f"\n  {_plain(name)}  {_plain(subject)}" for name, subject in incidents.items()]
    more = len(listed) - IDS_LISTED
    return "".join(listed[:IDS_LISTED]) + (f"\n  and {more} more" if more > 0 else "")


def _plain(text: str) -> str:
    """Text of a file, harmless on a terminal."""
    return show(text)[1:-1]
