"""Times of a record moved by one offset, and nothing else of it touched.

The bytes of each time are found in the line and replaced, in the form that they had: what a line
holds besides, in whatever order and spacing, stays as it is.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import orjson

from streams.codec.diagnose import TICK
from streams.codec.timestamps import epoch_ms
from streams.errors import RecordError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.codec.fields import FieldMap

MINUTE_MS = 60_000

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+', re.DOTALL)
_CALENDAR = "%Y-%m-%dT%H:%M"
_CALENDAR_CHARS = 16  # of 2025-01-13T00:00: seconds and offset are not changed by whole minutes
_SECONDS_BELOW = 100_000_000_000  # as ``epoch_ms`` has it
_NUMBER_MAX = 10**17

_Path = tuple[str | None, ...]


class TimeShift:
    """Moves the times of posts and markers.

    Args:
        fields: where the source keeps each field.
        offset_ms: how far, a whole number of minutes; negative for into the past.
    """

    def __init__(self, fields: FieldMap, offset_ms: int) -> None:
        assert offset_ms % MINUTE_MS == 0
        self._minutes = offset_ms // MINUTE_MS
        self._paths: frozenset[_Path] = frozenset(
            {
                fields.path("created_at"),
                fields.path("account_created_at"),
                (TICK.decode(), "event_time"),
            }
        )

    def line(self, line: bytes) -> bytes:
        """Move the times of one record; a time that cannot be read stays.

        Args:
            line: a JSON object, of which the codec could read a post or a marker.
        """
        pieces: list[bytes] = []
        done = 0
        for start, end in sorted(_spans(line, self._paths).values()):
            pieces += (line[done:start], self._value(line[start:end]))
            done = end
        return b"".join((*pieces, line[done:]))

    def _value(self, raw: bytes) -> bytes:
        try:
            value = orjson.loads(raw)
            before_ms = epoch_ms(value)
            if isinstance(value, str):
                moved = f'"{self._text(value)}"'
            else:
                moved = self._number(raw.decode())
            after_ms = epoch_ms(orjson.loads(moved))
        except (RecordError, TypeError, ValueError, ArithmeticError):
            return raw
        # What was seconds could be taken for milliseconds, or the other way round.
        return moved.encode() if after_ms - before_ms == self._minutes * MINUTE_MS else raw

    def _text(self, text: str) -> str:
        if "-" not in text[1:]:
            return self._number(text)
        day, clock = text[:10], text[11:_CALENDAR_CHARS]
        at = datetime.strptime(f"{day}T{clock}", _CALENDAR) + timedelta(minutes=self._minutes)  # noqa: DTZ007 - its offset stays in the text
        moved = at.isoformat(timespec="minutes")
        return f"{moved[:10]}{text[10]}{moved[11:]}{text[_CALENDAR_CHARS:]}"

    def _number(self, text: str) -> str:
        value = Decimal(text)
        if not abs(value) < _NUMBER_MAX:
            raise ValueError(text)
        offset = self._minutes * (60 if value < _SECONDS_BELOW else MINUTE_MS)
        return format(value + offset, "f")


def _spans(line: bytes, wanted: frozenset[_Path]) -> dict[_Path, tuple[int, int]]:
    """Where the values at some paths stand; of one that is there twice the last, as readers do."""
    found: dict[_Path, tuple[int, int]] = {}
    for path, start, end in _values(line):
        if path in wanted:
            found[path] = start, end
    return found


def _values(line: bytes) -> Iterator[tuple[_Path, int, int]]:
    """Every text, number or name of a JSON value, with the keys that lead to it."""
    path: list[str | None] = []
    is_object: list[bool] = []
    key_next = False
    for token in _TOKEN.finditer(line):
        first = line[token.start()]
        if first in b"{[":
            path.append(None)
            is_object.append(first == ord("{"))
            key_next = is_object[-1]
        elif first in b"}]":
            path.pop()
            is_object.pop()
            key_next = False
        elif first == ord(","):
            key_next = is_object[-1]
        elif first == ord(":"):
            key_next = False
        elif key_next:
            path[-1] = orjson.loads(token[0])
        else:
            yield tuple(path), token.start(), token.end()
