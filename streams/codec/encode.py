"""Records to bytes: one JSON object each, without a newline, the same bytes for the same record."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import orjson

from streams.codec.diagnose import RAW_BYTES, TICK
from streams.codec.timestamps import rfc3339

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streams.events import Alert, Reject

_UTF8_CHAR_BYTES = 4


def encode_post(post: Mapping[str, Any]) -> bytes:
    """Write a post from its fields by the source's names, in the order given."""
    return orjson.dumps(dict(post))


def encode_tick(event_time_ms: int, *, end: bool = False) -> bytes:
    """Write the marker that event time has reached ``event_time_ms`` (ms since 1970 UTC).

    With ``end`` it says that the log has ended there.
    """
    body: dict[str, Any] = {"event_time": rfc3339(event_time_ms)}
    return orjson.dumps({TICK.decode(): body | {"end": True} if end else body})


def encode_reject(reject: Reject) -> bytes:
    """Write a reject; what is not UTF-8 goes into ``raw_base64`` instead of ``raw``."""
    record: dict[str, Any] = {
        "reason": reject.reason,
        "detail": reject.detail,
        "source": reject.source,
        "position": reject.position,
    }
    try:
        record["raw"] = reject.raw.decode()
    except UnicodeDecodeError as error:
        if len(reject.raw) >= RAW_BYTES and error.start > len(reject.raw) - _UTF8_CHAR_BYTES:
            # only the cut to RAW_BYTES split a character
            record["raw"] = reject.raw[: error.start].decode()
        else:
            record["raw_base64"] = base64.b64encode(reject.raw).decode()
    return orjson.dumps(record)


def encode_alert(alert: Alert) -> bytes:
    """Write an alert as a CloudEvents 1.0 JSON object; ``data`` keeps its order."""
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": alert.id,
        "type": alert.type,
        "source": alert.source,
        "subject": alert.subject,
        "time": alert.time,
        "datacontenttype": "application/json",
    }
    if alert.sequence is not None:
        event["sequence"] = alert.sequence
    if alert.correlationid is not None:
        event["correlationid"] = alert.correlationid
    event["data"] = alert.data
    return orjson.dumps(event, option=orjson.OPT_SERIALIZE_NUMPY)
