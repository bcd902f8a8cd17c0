"""What all our CloudEvents in JSON share: how they are written, and how one is refused."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson

from streams.errors import RecordError

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What decoding raises of bytes that are not what they should be."""

OPS = "surgewatch.ops."
"""How the types begin of all that operators say."""


class _Event(msgspec.Struct):
    type: str


_decode_event = msgspec.json.Decoder(_Event).decode


def type_of(line: bytes) -> str:
    """The type of an event; raises what is ``UNREADABLE``."""
    return _decode_event(line).type


def refusal(error: Exception) -> RecordError:
    """What is said of bytes that were ``UNREADABLE``."""
    if isinstance(error, msgspec.ValidationError):
        return RecordError("wrong_type", str(error))
    return RecordError("not_json", str(error))


def said(kind: str, key: str, at: str, data: dict[str, Any], source: str) -> bytes:
    """What an operator says, as a CloudEvents 1.0 JSON object, without a newline.

    Args:
        kind: the event's type.
        key: under which the newest such record stays.
        at: when it was said, RFC 3339.
        data: what was said.
        source: the CloudEvents source.
    """
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": f"{key}/{at}",
            "type": kind,
            "source": source,
            "subject": key,
            "time": at,
            "datacontenttype": "application/json",
            "data": data,
        }
    )
