"""Why a record is of no use: the slow and exact look at what the fast path refused."""

from __future__ import annotations

import json
import re
import sys
from typing import Any, NoReturn

import numpy as np

from streams.codec.fields import HASHTAGS_MAX, ID_CHARS, REQUIRED, FieldMap
from streams.errors import RecordError

RAW_BYTES = 4096
"""How much of a rejected record is kept."""

DEPTH_MAX = 100

TICK = b"surgewatch_tick"

# An unclosed string runs to the end of the line, and the repeats give nothing back: the time is
# linear in the line's length, whatever it holds.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_FLOAT_MAX = sys.float_info.max
_ABSENT = object()


def is_harmless(chunk: bytes) -> bool:
    """Tell whether lines are surely valid UTF-8 and nowhere deeper than 100.

    May be False for harmless lines, such as one with over 100 brackets in a text.
    """
    if not chunk.isascii():
        try:
            chunk.decode()
        except UnicodeDecodeError:
            return False
    octets = np.frombuffer(chunk, np.uint8)
    openers = np.flatnonzero((octets | 0x20) == ord("{"))  # "[" and "{" differ in that one bit
    if len(openers) <= DEPTH_MAX:
        return True
    line_of = np.searchsorted(np.flatnonzero(octets == ord("\n")), openers)
    return not bool((line_of[DEPTH_MAX:] == line_of[:-DEPTH_MAX]).any())


def require_text(line: bytes) -> None:
    """Check what must hold before a line is parsed by anything that recurses.

    Raises:
        RecordError: ``empty``, ``bad_encoding`` or ``too_deep``.
    """
    if not line.strip():
        raise RecordError("empty", "the line holds nothing")
    try:
        line.decode()
    except UnicodeDecodeError as error:
        raise RecordError("bad_encoding", f"invalid UTF-8 at byte {error.start}") from None
    if line.count(b"[") + line.count(b"{") > DEPTH_MAX and _depth(line) > DEPTH_MAX:
        raise RecordError("too_deep", f"nested more than {DEPTH_MAX} deep")


def _depth(line: bytes) -> int:
    brackets = _STRING.sub(b"", line).translate(None, _NOT_BRACKETS)
    octets = np.frombuffer(brackets, np.uint8)
    steps = np.where((octets | 0x20) == ord("{"), 1, -1)
    return int(np.cumsum(steps).max(initial=0))


def explain(line: bytes, fields: FieldMap, error: Exception) -> RecordError:
    """Return why a line that ``require_text`` let pass could not be decoded.

    Args:
        line: the record.
        fields: where its fields should be.
        error: what the decoder said; used where nothing else is found.
    """
    try:
        record = json.loads(line.decode(), parse_constant=_refuse_constant)
    except ValueError as parse_error:
        detail = parse_error.msg if isinstance(parse_error, json.JSONDecodeError) else "a number"
        return RecordError("not_json", f"the line is not JSON: {detail}")
    if _has_lone_surrogate(line, record):
        return RecordError("bad_encoding", "an escaped lone surrogate")
    if not isinstance(record, dict):
        return RecordError("not_object", f"the line is {_kind(record)}, not an object")
    if set(record) == {TICK.decode()}:
        return _explain_tick(record[TICK.decode()])
    for name, path in fields.paths():
        found = _explain_field(name, path, record)
        if found is not None:
            return found
    # Left are the few cases in which the two parsers differ, such as a field that is given twice,
    # first with a wrong type.
    return RecordError("wrong_type", ascii(str(error))[1:-1][:200])


def _explain_tick(body: Any) -> RecordError:
    if isinstance(body, dict) and body.get("event_time") is None:
        return RecordError("missing_field", "surgewatch_tick.event_time is missing")
    if isinstance(body, dict) and not isinstance(body.get("end", False), bool):
        return RecordError("wrong_type", "surgewatch_tick.end is neither true nor false")
    return RecordError("wrong_type", "surgewatch_tick must be an object with an event_time")


def _explain_field(name: str, path: tuple[str, ...], record: Any) -> RecordError | None:
    value, where = record, ".".join(path)
    for depth, step in enumerate(path):
        if value is None or value is _ABSENT:
            break
        if not isinstance(value, dict):
            outer = ".".join(path[:depth])
            return RecordError("wrong_type", f"{outer} is {_kind(value)}, not an object")
        value = value.get(step, _ABSENT)
    if value is None or value is _ABSENT:
        if name not in REQUIRED:
            return None
        return RecordError("missing_field", f"{where} is missing or null")
    return _explain_value(name, where, value)


def _explain_value(name: str, where: str, value: Any) -> RecordError | None:
    if name == "hashtags":
        return _explain_hashtags(where, value)
    if name.endswith("created_at"):
        return _explain_time(where, value)
    if not isinstance(value, str):
        return RecordError("wrong_type", f"{where} is {_kind(value)}, not text")
    if name.endswith("_id") and not 1 <= len(value) <= ID_CHARS:
        return RecordError("bad_value", f"{where} has {len(value)} characters, not 1 to {ID_CHARS}")
    return None


def _explain_hashtags(where: str, value: Any) -> RecordError | None:
    if not isinstance(value, list):
        return RecordError("wrong_type", f"{where} is {_kind(value)}, not a list")
    if len(value) > HASHTAGS_MAX:
        return RecordError("too_many_hashtags", f"{where} has {len(value)} elements")
    for index, element in enumerate(value):
        if not isinstance(element, str):
            return RecordError("wrong_type", f"{where}[{index}] is {_kind(element)}, not text")
    return None


def _explain_time(where: str, value: Any) -> RecordError | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return RecordError("wrong_type", f"{where} is {_kind(value)}, not text or a number")
    if not isinstance(value, str) and not -_FLOAT_MAX <= value <= _FLOAT_MAX:
        return RecordError("out_of_range", f"{where} is a number too large to be read")
    return None


def _has_lone_surrogate(line: bytes, record: Any) -> bool:
    if b"\\u" not in line:
        return False
    try:
        json.dumps(record, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    for types, words in (
        (bool, "a boolean"),
        (str, "text"),
        ((int, float), "a number"),
        (list, "a list"),
    ):
        if isinstance(value, types):
            return words
    return "an object"
