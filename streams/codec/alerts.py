"""Alerts read back from bytes, by those who are no stage."""

from __future__ import annotations

import msgspec

from streams.codec.envelope import UNREADABLE, refusal
from streams.events import Alert

_decode = msgspec.json.Decoder(Alert).decode


def decode_alert(line: bytes) -> Alert:
    """Read an alert; what it has besides is left out.

    Raises:
        RecordError: it is none.
    """
    try:
        return _decode(line)
    except UNREADABLE as error:
        raise refusal(error) from None
