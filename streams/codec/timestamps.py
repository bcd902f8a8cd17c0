"""Times in records: RFC 3339 text or epoch numbers, to milliseconds since 1970 UTC, and back."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache

from detectors.series import DAY_MS
from streams.errors import RecordError

EARLIEST_MS = 1_104_537_600_000
"""2005-01-01T00:00:00Z, the default start of the event times that are taken."""

LATEST_MS = 4_102_444_799_999
"""The last millisecond of the year 2099, the end of the event times that are taken."""

_SECOND_CHARS = 19  # of 2025-01-13T00:00:00
_SECONDS_BELOW = 1e11  # as seconds the year 5138, as milliseconds March 1973
_CACHED = 8192
_CACHED_CHARS = 40  # longer text is not worth remembering, and would let input fill memory

_NUMBER = re.compile(r"-?[0-9]{1,19}(?:\.[0-9]+)?")
_DAY = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_MINUTE = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9]):")
_SECOND = re.compile(r"[0-5][0-9]|60")
_TAIL = re.compile(r"(?:\.([0-9]+))?(?:[Zz]|([+-])([0-9]{2})(?::?([0-9]{2}))?)")


def epoch_ms(value: str | float) -> int:
    """Read a time: RFC 3339, or epoch seconds or milliseconds as a number or as its digits.

    More is read than RFC 3339 allows where the meaning is plain: a space for ``T``, lower case,
    offsets ``+08`` and ``+0800``. Below 1e11 a number is seconds. Fractions are cut to
    milliseconds (floats are rounded); a leap second counts as the second before it.

    >>> epoch_ms("2025-01-13T00:00:00.25Z") == epoch_ms(1736726400.25) == 1736726400250
    True

    Raises:
        RecordError: ``bad_timestamp``: it is neither, or it names no offset; ``out_of_range``:
            not a finite number.
    """
    if not isinstance(value, str):
        return _number_ms(value)
    tail = _tail_ms if len(value) <= _CACHED_CHARS else _tail_ms.__wrapped__
    try:
        if value[10] in "Tt ":
            return (
                _day_ms(value[:10])
                + _minute_ms(value[11:17])
                + _second_ms(value[17:_SECOND_CHARS])
                + tail(value[_SECOND_CHARS:])
            )
    except (IndexError, ValueError):
        pass
    if _NUMBER.fullmatch(value):
        return _number_ms(float(value) if "." in value else int(value))
    raise RecordError("bad_timestamp", f"{value[:40]!a} is no time with an offset")


class EventTimes(dict[str | int | float, int]):
    """Event times by what the record says: ``times[value]`` reads, checks and remembers.

    A hit stays in C. Looking up raises what ``epoch_ms`` raises, and ``out_of_range``.

    Args:
        earliest_ms: first event time that is taken, ms since 1970 UTC.
        latest_ms: last event time that is taken.
    """

    __slots__ = ("_earliest_ms", "_latest_ms", "_rests", "_seconds")

    def __init__(self, earliest_ms: int, latest_ms: int) -> None:
        super().__init__()
        self._earliest_ms = earliest_ms
        self._latest_ms = latest_ms
        # Whole times with fractions hardly repeat, but their parts do: the first 19 characters,
        # and what the rest (``.250Z``) adds to them.
        self._seconds: dict[str, int] = {}
        self._rests: dict[str, int] = {}

    def read(self, values: list[str | int | float]) -> list[int]:
        """Look up many; several times as fast as one by one where times have fractions."""
        known = list(map(self.get, values))
        if None not in known:
            return known  # type: ignore[return-value]
        seconds, rests = self._seconds, self._rests
        times = []
        for value in values:
            try:
                times.append(seconds[value[:_SECOND_CHARS]] + rests[value[_SECOND_CHARS:]])  # type: ignore[index]
            except (KeyError, TypeError):  # not yet known; a number
                times.append(self[value])
        return times

    def __missing__(self, value: str | float) -> int:
        ms = epoch_ms(value)
        if not self._earliest_ms <= ms <= self._latest_ms:
            raise RecordError(
                "out_of_range", f"the event time {ascii(value)[:40]} is not believable"
            )
        if isinstance(value, str) and len(value) <= _CACHED_CHARS:
            self._learn(value, ms)
        return ms

    def _learn(self, value: str, ms: int) -> None:
        for memory in (self, self._seconds, self._rests):
            if len(memory) >= _CACHED:
                memory.clear()
        second, rest = value[:_SECOND_CHARS], value[_SECOND_CHARS:]
        if _TAIL.fullmatch(rest) is None:  # the digits of an epoch number
            return
        if "." not in rest:
            self[value] = ms
        at = ms - _tail_ms(rest)
        # No offset may lead out of what is taken: the sum of two known parts is not checked.
        if self._earliest_ms + DAY_MS <= at <= self._latest_ms - DAY_MS:
            self._seconds[second] = at
            self._rests[rest] = ms - at


def rfc3339(ms: int) -> str:
    """Write a time as RFC 3339 in UTC: whole seconds, or three digits when ``ms`` has a fraction.

    >>> rfc3339(1736726400000), rfc3339(1736726400250)
    ('2025-01-13T00:00:00Z', '2025-01-13T00:00:00.250Z')
    """
    seconds, fraction = divmod(ms, 1000)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{fraction:03d}Z" if fraction else f"{text}Z"


def _number_ms(value: float) -> int:
    try:
        return round(value * 1000) if value < _SECONDS_BELOW else int(value)
    except (OverflowError, ValueError):
        raise RecordError("out_of_range", "the time is not a finite number") from None


# A log repeats its days, its clock times and its offsets; the three are remembered apart, since
# whole times with fractions hardly ever repeat.


@lru_cache(maxsize=4096)
def _day_ms(text: str) -> int:
    match = _DAY.fullmatch(text)
    if match is None:
        raise ValueError(text)
    year, month, day = map(int, match.groups())
    return int(datetime(year, month, day, tzinfo=UTC).timestamp()) * 1000


@lru_cache(maxsize=1440)
def _minute_ms(text: str) -> int:
    match = _MINUTE.fullmatch(text)
    if match is None:
        raise ValueError(text)
    return (int(match[1]) * 60 + int(match[2])) * 60_000


@lru_cache(maxsize=61)
def _second_ms(text: str) -> int:
    if _SECOND.fullmatch(text) is None:
        raise ValueError(text)
    return min(int(text), 59) * 1000


@lru_cache(maxsize=4096)
def _tail_ms(text: str) -> int:
    match = _TAIL.fullmatch(text)
    if match is None:
        raise ValueError(text)
    fraction, sign, hours, minutes = match.groups()
    ms = int(fraction[:3].ljust(3, "0")) if fraction else 0
    if sign is None:
        return ms
    if hours > "23" or (minutes or "00") > "59":
        raise ValueError(text)
    offset = (int(hours) * 60 + int(minutes or "0")) * 60_000
    return ms - offset if sign == "+" else ms + offset
