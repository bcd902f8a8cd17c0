"""Acknowledgements and silences: what is read, what is refused, and that it stays what it was."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from streams.codec import (
    FIELDS,
    ack_key,
    decode_said,
    encode_ack,
    encode_silence,
    silence_key,
)
from streams.codec.labels import BY_CHARS, NOTE_CHARS
from streams.codec.ops import PATTERN_CHARS
from streams.errors import RecordError
from streams.said import Ack, Matcher, Silence
from tests.harness import violations

Json = dict[str, Any]
ACK = Ack("in-0123456789abcdef", "ann", "", "2025-01-13T02:00:00Z", 12)
SILENCE = Silence(
    "s-0a1b2c3d",
    (Matcher("region", "US"), Matcher("hashtag", "tiktok*")),
    "2025-01-13T02:00:00Z",
    "2025-01-13T04:00:00Z",
    "ben",
    "announced\n\x1b[31m小红书",
    "2025-01-13T01:00:00Z",
)
SAID: dict[str, Json] = {
    "ack": json.loads(encode_ack(ACK, "surgewatch")),
    "silence": json.loads(encode_silence(SILENCE, "surgewatch")),
}


def changed(name: str, **changes: Any) -> bytes:
    """What was said, with some of its data changed; of None nothing is left."""
    data = SAID[name]["data"] | changes
    kept = {key: value for key, value in data.items() if value is not None}
    return json.dumps(SAID[name] | {"data": kept}).encode()


@pytest.mark.parametrize(
    "said",
    [
        ACK,
        Ack(ACK.incident_id, "x" * BY_CHARS, "y" * NOTE_CHARS, "2025-01-13T02:00:00.5Z", 0),
        replace(ACK, withdrawn=True),
        SILENCE,
        replace(SILENCE, ended=True, until="2025-02-12T02:00:00Z"),
        replace(SILENCE, matchers=tuple(Matcher(f, "p" * PATTERN_CHARS) for f in FIELDS)),
    ],
)
def test_it_reads_back_and_keeps_to_its_schema(said: Ack | Silence) -> None:
    """What is written is what was said."""
    if isinstance(said, Ack):
        name, raw = "ack", encode_ack(said, "surgewatch")
    else:
        name, raw = "silence", encode_silence(said, "surgewatch")
    assert decode_said(raw) == said
    assert violations(name, [json.loads(raw)]) == []
    assert b"\n" not in raw


def test_a_later_version_may_say_more() -> None:
    """Fields that are not known are passed over, and so is what else operators may say."""
    assert decode_said(changed("ack", later={"a": 1})) == ACK
    assert decode_said(changed("silence", later=[1])) == SILENCE
    assert decode_said(b'{"type": "surgewatch.ops.later.v1", "data": 7}') is None
    assert decode_said(b'{"type": "surgewatch.ops.ack.v2", "data": 7}') is None


def test_what_may_be_left_out() -> None:
    """A reader does without what has a meaning when it is absent."""
    assert decode_said(changed("ack", note=None, withdrawn=None)) == ACK
    assert decode_said(changed("silence", ended=None)) == SILENCE


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "not_json"),
        (b"\xff", "not_json"),
        (b'{"type": "\xff"}', "not_json"),
        (b'{"data": ' + b"[" * 100_000, "not_json"),
        (b"[]", "wrong_type"),
        (b"{}", "wrong_type"),
        (b'{"type": 7}', "wrong_type"),
        (b'{"type": "surgewatch.incident.opened.v1"}', "bad_value"),
        (b'{"type": "surgewatch.ops.ack.v1"}', "wrong_type"),
        (changed("ack", incident_id="in-0123456789abcdef\n"), "wrong_type"),
        (changed("ack", incident_id="in-0123456789ABCDEF"), "wrong_type"),
        (changed("ack", users=-1), "wrong_type"),
        (changed("ack", users=1.5), "wrong_type"),
        (changed("ack", users=None), "wrong_type"),
        (changed("ack", by=""), "wrong_type"),
        (changed("ack", by="x" * (BY_CHARS + 1)), "wrong_type"),
        (changed("ack", note="x" * (NOTE_CHARS + 1)), "wrong_type"),
        (changed("ack", withdrawn=1), "wrong_type"),
        (changed("silence", silence_id="s-1"), "wrong_type"),
        (changed("silence", matchers=[]), "wrong_type"),
        (changed("silence", matchers=[{"field": "region"}]), "wrong_type"),
        (changed("silence", matchers=[{"field": "country", "pattern": "US"}]), "wrong_type"),
        (changed("silence", matchers=[{"field": "region", "pattern": ""}]), "wrong_type"),
        (changed("silence", matchers=[{"field": "region", "pattern": "*"}] * 21), "wrong_type"),
        (changed("silence", note=""), "wrong_type"),
        (changed("silence", until=None), "wrong_type"),
        (changed("silence", until="soon"), "bad_timestamp"),
        (changed("silence", until=SILENCE.since), "bad_value"),
        (changed("silence", until="2025-01-12T00:00:00Z"), "bad_value"),
        (changed("silence", until="2025-02-12T02:00:01Z"), "bad_value"),
        (json.dumps(SAID["ack"] | {"time": "yesterday"}).encode(), "bad_timestamp"),
        (json.dumps(SAID["silence"] | {"time": 7}).encode(), "wrong_type"),
    ],
)
def test_what_nobody_can_have_said(raw: bytes, reason: str) -> None:
    """It is refused with a reason that can be counted."""
    with pytest.raises(RecordError) as caught:
        decode_said(raw)
    assert caught.value.reason == reason


def test_keys_are_the_subjects() -> None:
    """The newest record of a key stays: one of an incident, one of a silence."""
    assert SAID["ack"]["subject"] == ack_key(ACK.incident_id) == "ack/in-0123456789abcdef"
    assert SAID["silence"]["subject"] == silence_key(SILENCE.silence_id) == "silence/s-0a1b2c3d"
