"""Acknowledgements and silences as JSON: CloudEvents in the envelope of labels."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from streams.codec import envelope
from streams.codec.envelope import OPS, UNREADABLE, refusal, type_of
from streams.codec.labels import BY_CHARS, NOTE_CHARS, IncidentId
from streams.codec.timestamps import epoch_ms
from streams.errors import RecordError
from streams.said import Ack, Matcher, Silence

ACK = "surgewatch.ops.ack.v1"
SILENCE = "surgewatch.ops.silence.v1"
MATCHERS_MAX = 20
PATTERN_CHARS = 500
FIELDS = ("region", "hashtag", "level", "severity", "incident", "type")
SILENCE_MS_MAX = 30 * 24 * 3_600_000
"""No silence lasts longer: what is to be quiet for ever belongs into a route."""

_By = Annotated[str, Meta(min_length=1, max_length=BY_CHARS)]
_Note = Annotated[str, Meta(max_length=NOTE_CHARS)]


class _AckData(msgspec.Struct):
    incident_id: IncidentId
    by: _By
    users: Annotated[int, Meta(ge=0)]
    note: _Note = ""
    withdrawn: bool = False


class _MatcherData(msgspec.Struct):
    field: Literal["region", "hashtag", "level", "severity", "incident", "type"]
    pattern: Annotated[str, Meta(min_length=1, max_length=PATTERN_CHARS)]


class _SilenceData(msgspec.Struct):
    silence_id: Annotated[str, Meta(pattern=r"^s-[0-9a-f]{8}\Z")]
    matchers: Annotated[list[_MatcherData], Meta(min_length=1, max_length=MATCHERS_MAX)]
    since: str = msgspec.field(name="from")
    until: str
    by: _By
    note: Annotated[str, Meta(min_length=1, max_length=NOTE_CHARS)]
    ended: bool = False


class _AckEvent(msgspec.Struct):
    time: str
    data: _AckData


class _SilenceEvent(msgspec.Struct):
    time: str
    data: _SilenceData


_decode_ack = msgspec.json.Decoder(_AckEvent).decode
_decode_silence = msgspec.json.Decoder(_SilenceEvent).decode


def ack_key(incident_id: str) -> str:
    """Under which name the newest acknowledgement of an incident is kept."""
    return f"ack/{incident_id}"


def silence_key(silence_id: str) -> str:
    """Under which name the newest word on a silence is kept."""
    return f"silence/{silence_id}"


def encode_ack(ack: Ack, source: str) -> bytes:
    """Write an acknowledgement as a CloudEvents 1.0 JSON object, without a newline."""
    data = {
        "incident_id": ack.incident_id,
        "by": ack.by,
        "note": ack.note,
        "users": ack.users,
        "withdrawn": ack.withdrawn,
    }
    return envelope.said(ACK, ack_key(ack.incident_id), ack.at, data, source)


def encode_silence(silence: Silence, source: str) -> bytes:
    """Write a silence as a CloudEvents 1.0 JSON object, without a newline."""
    data = {
        "silence_id": silence.silence_id,
        "matchers": [{"field": m.field, "pattern": m.pattern} for m in silence.matchers],
        "from": silence.since,
        "until": silence.until,
        "by": silence.by,
        "note": silence.note,
        "ended": silence.ended,
    }
    return envelope.said(SILENCE, silence_key(silence.silence_id), silence.at, data, source)


def decode_said(line: bytes) -> Ack | Silence | None:
    """Read what an operator said; None if it is something else of theirs, such as a label.

    Raises:
        RecordError: it is nothing that operators say.
    """
    try:
        kind = type_of(line)
        if kind == ACK:
            return _ack(_decode_ack(line))
        if kind == SILENCE:
            return _silence(_decode_silence(line))
    except UNREADABLE as error:
        raise refusal(error) from None
    if kind.startswith(OPS):
        return None
    raise RecordError("bad_value", "type is none of what operators say")


def _ack(event: _AckEvent) -> Ack:
    epoch_ms(event.time)
    data = event.data
    return Ack(data.incident_id, data.by, data.note, event.time, data.users, data.withdrawn)


def _silence(event: _SilenceEvent) -> Silence:
    epoch_ms(event.time)
    data = event.data
    since_ms, until_ms = epoch_ms(data.since), epoch_ms(data.until)
    if not since_ms < until_ms <= since_ms + SILENCE_MS_MAX:
        raise RecordError("bad_value", "until is not within thirty days after from")
    return Silence(
        data.silence_id,
        tuple(Matcher(m.field, m.pattern) for m in data.matchers),
        data.since,
        data.until,
        data.by,
        data.note,
        event.time,
        data.ended,
    )
