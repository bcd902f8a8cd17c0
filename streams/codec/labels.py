"""What is known of a log, as JSON: the labels of operators, and truth files.

A label is a CloudEvent, as alerts are; so will be whatever else operators say of incidents. Its
``subject`` is the key under which the newest such record stays on a compacted topic.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import Meta

from detectors.crowd import OTHER
from detectors.series import Series, parse_key
from streams.codec import envelope
from streams.codec.envelope import OPS, UNREADABLE, refusal, type_of
from streams.codec.timestamps import epoch_ms
from streams.errors import RecordError
from streams.events import Label, Truth

LABEL = "surgewatch.ops.label.v1"
CONFIRMED = frozenset(
    f"surgewatch.incident.{kind}.v1" for kind in ("opened", "updated", "peaked", "closed")
)
"""Types of alerts that tell of an incident there is."""

VERDICTS = ("true", "false", "expected")
NOTE_CHARS = 2_000
BY_CHARS = 200
SERIES_MAX = 100
_SHOWN_CHARS = 60

INCIDENT_ID = r"in-[0-9a-f]{16}"
"""The id of an incident, as a regular expression."""
IncidentId = Annotated[str, Meta(pattern=rf"^{INCIDENT_ID}\Z")]
_Region = Annotated[str, Meta(pattern=r"^[A-Z]{2}\Z")]
_Series = Annotated[
    str, Meta(pattern=r"^(all|region/[A-Z]{2}|hashtag/[\s\S]+|pair/[A-Z]{2}/[\s\S]+)\Z")
]


class _Said(msgspec.Struct):
    """The ``data`` of a label."""

    incident_id: IncidentId
    verdict: Literal["true", "false", "expected"]
    series: Annotated[list[_Series], Meta(min_length=1, max_length=SERIES_MAX)]
    since: str = msgspec.field(name="from")
    until: str
    by: Annotated[str, Meta(min_length=1, max_length=BY_CHARS)]
    note: Annotated[str, Meta(max_length=NOTE_CHARS)] = ""


class _LabelEvent(msgspec.Struct):
    time: str
    data: _Said


class _Member(msgspec.Struct):
    series: str


class _Incident(msgspec.Struct):
    incident_id: IncidentId
    onset_at: str
    series: list[_Member]
    status: str = ""
    users: float = 0.0


class _AlertEvent(msgspec.Struct):
    subject: _Series
    time: str
    data: _Incident


class Told(NamedTuple):
    """What a label needs of an incident, as an alert tells it.

    Attributes:
        incident_id: its id.
        series: its series, that of the cause first.
        since: its onset, RFC 3339.
        until: when the alert was decided, RFC 3339; of a closed incident, when it closed.
        status: ``open``, ``peaked`` or ``closed``.
        users: distinct users so far.
    """

    incident_id: str
    series: list[str]
    since: str
    until: str
    status: str
    users: int


class _TruthLine(msgspec.Struct):
    """What is needed of a line of a truth file."""

    id: Annotated[str, Meta(min_length=1, max_length=200)]
    kind: Literal["wave", "non_wave"]
    start: str
    end: str
    level: Literal["all", "region", "hashtag", "pair"]
    region: _Region | None = None
    hashtag: Annotated[str, Meta(min_length=1, max_length=1_000)] | None = None
    regions: Annotated[list[_Region], Meta(max_length=1_000)] = []


_decode_label = msgspec.json.Decoder(_LabelEvent).decode
_decode_alert = msgspec.json.Decoder(_AlertEvent).decode
_decode_truth = msgspec.json.Decoder(_TruthLine).decode


def label_key(incident_id: str) -> str:
    """Under which name the newest label of an incident is kept.

    >>> label_key("in-b9858baff9193f2b")
    'label/in-b9858baff9193f2b'
    """
    return f"label/{incident_id}"


def encode_label(label: Label, source: str) -> bytes:
    """Write a label as a CloudEvents 1.0 JSON object, without a newline.

    Args:
        label: what was said.
        source: the CloudEvents source.
    """
    key = label_key(label.incident_id)
    said: dict[str, Any] = {
        "incident_id": label.incident_id,
        "verdict": label.verdict,
        "series": label.series,
        "from": label.since,
        "until": label.until,
        "by": label.by,
        "note": label.note,
    }
    return envelope.said(LABEL, key, label.at, said, source)


def decode_label(line: bytes) -> Label | None:
    """Read a label; None if the record is something else that operators say.

    Raises:
        RecordError: it is neither.
    """
    try:
        if (kind := type_of(line)) != LABEL:
            if kind.startswith(OPS):
                return None
            raise RecordError("bad_value", f"type is {kind[:_SHOWN_CHARS]!a}, not {LABEL}")
        event = _decode_label(line)
    except UNREADABLE as error:
        raise refusal(error) from None
    said = event.data
    _check_span("data.from", said.since, "data.until", said.until)
    _check_time("time", event.time)
    return Label(
        incident_id=said.incident_id,
        verdict=said.verdict,
        series=said.series,
        since=said.since,
        until=said.until,
        at=event.time,
        by=said.by,
        note=said.note,
    )


def decode_told(line: bytes) -> Told | None:
    """Read what a label needs of an alert; None if that tells of no confirmed incident.

    Raises:
        RecordError: it is no alert.
    """
    try:
        if type_of(line) not in CONFIRMED:
            return None
        event = _decode_alert(line)
    except UNREADABLE as error:
        raise refusal(error) from None
    members = [item.series for item in event.data.series]
    members = [key for key in members if key not in {event.subject, OTHER}]
    data = event.data
    series = [event.subject, *members]
    return Told(data.incident_id, series, data.onset_at, event.time, data.status, round(data.users))


def decode_truth(line: bytes) -> Truth:
    """Read a line of a truth file; what more it says than is needed is left out.

    Raises:
        RecordError: it is none.
    """
    try:
        read = _decode_truth(line)
    except UNREADABLE as error:
        raise refusal(error) from None
    key = Series(read.level, read.region, read.hashtag).key
    try:
        named = parse_key(key)
    except ValueError:
        named = None
    if named is None or (named.region, named.hashtag) != (read.region, read.hashtag):
        raise RecordError(
            "bad_value", f"region and hashtag are not those of the level {read.level}"
        )
    _check_span("start", read.start, "end", read.end)
    return Truth(
        id=read.id,
        kind=read.kind,
        start=read.start,
        end=read.end,
        level=read.level,
        region=read.region,
        hashtag=read.hashtag,
        regions=read.regions,
    )


def _check_time(name: str, text: str) -> int:
    try:
        return epoch_ms(text)
    except RecordError as error:
        raise RecordError(error.reason, f"{name}: {error.detail}") from None


def _check_span(first: str, start: str, last: str, end: str) -> None:
    if _check_time(first, start) > _check_time(last, end):
        raise RecordError("bad_value", f"{first} is after {last}")
