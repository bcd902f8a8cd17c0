"""Alerts read back from bytes, by those who are no stage."""

from __future__ import annotations

import msgspec

from streams.errors import RecordError
from streams.events import Alert

_decode = msgspec.json.Decoder(Alert).decode


def decode_alert(line: bytes) -> Alert:
    """Read an alert; what it has besides is left out.

    Raises:
        RecordError: it is none.
    """
    try:
        return _decode(line)
    except msgspec.ValidationError as error:
        raise RecordError("wrong_type", str(error)) from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise RecordError("not_json", str(error)) from None
