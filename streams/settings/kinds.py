"""The kinds of value a setting can have: what is allowed, how it is read, checked and written.

A value arrives as TOML gave it, or as the text of an environment variable, which ``from_text``
turns into what TOML would have given. ``check`` returns the value the program uses, in its own
unit, and ``render`` writes that back as TOML: ``check`` of the rendered value gives it again.
"""

from __future__ import annotations

import json
import math
import re
import tomllib
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS

_UNITS_MS = {"d": DAY_MS, "h": HOUR_MS, "m": MINUTE_MS, "s": SECOND_MS, "ms": 1}
_DURATION = re.compile(r"([0-9]{1,15})(ms|s|m|h|d)")
_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,3})?(Z|[+-][0-9]{2}:[0-9]{2})"
)
HOST_AND_PORT = re.compile(
    r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?):([0-9]+)"
)
PORT_MAX = 65_535
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INT64 = 1 << 63
_TABLE_DEPTH_MAX = 8
_TABLE_LENGTH_MAX = 8_192


class Refusal(ValueError):  # noqa: N818 - it is the answer of a check, turned into an error by load
    """A value is not allowed; the text says why, in words that follow the value."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of value.

    Attributes:
        unit: type and unit, for the table of settings.
        allowed: what is allowed, for messages and the table of settings.
        from_text: turns the text of an environment variable into what TOML would have given.
        check: returns the value the program uses, or raises ``Refusal``.
        render: writes a checked value as TOML.
        hidden: whether it is a secret, which is shown nowhere.
        private: whether what is refused might hold a secret, and is not repeated.
        says_all: whether its refusals say by themselves what was given, and what is allowed.
        is_path: whether it is a path, relative to the folder of the file that gives it.
    """

    unit: str
    allowed: str
    from_text: Callable[[str], object]
    check: Callable[[object], Any]
    render: Callable[[Any], str]
    hidden: bool = False
    private: bool = False
    says_all: bool = False
    is_path: bool = False


def integer(low: int, high: int, unit: str) -> Kind:
    """A whole number from ``low`` to ``high``, in ``unit``."""

    def check(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise Refusal("not a whole number")
        if not low <= value <= high:
            raise Refusal("out of range")
        return value

    return Kind(unit, f"{low:,} to {high:,}", toml_value, check, str)


def positive(high: float, unit: str) -> Kind:
    """A number above zero and up to ``high``, in ``unit``."""

    def check(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Refusal("not a number")
        if not 0 < value <= high:
            raise Refusal("out of range")
        return float(value)

    return Kind(unit, f"more than 0, at most {high:,.0f}", toml_value, check, repr)


def boolean() -> Kind:
    """True or false."""

    def check(value: object) -> bool:
        if not isinstance(value, bool):
            raise Refusal("neither true nor false")
        return value

    return Kind("boolean", "true or false", toml_value, check, lambda value: str(value).lower())


def duration(low_ms: int, high_ms: int, note: str = "", divides_ms: int | None = None) -> Kind:
    """A length of time with its unit, as in ``"1m"``; checked into integer milliseconds.

    ``note`` says what else must hold; with ``divides_ms`` the duration must divide that one.

    >>> duration(SECOND_MS, HOUR_MS).check("90s")
    90000
    """

    def check(value: object) -> int:
        if isinstance(value, int | float) and not isinstance(value, bool):
            raise Refusal('a number without a unit; say the unit, as in "30s" or "1m"')
        match = _DURATION.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            raise Refusal('not a duration: a whole number and one of ms, s, m, h, d, as in "90s"')
        duration_ms = int(match[1]) * _UNITS_MS[match[2]]
        if not low_ms <= duration_ms <= high_ms:
            raise Refusal("out of range")
        if divides_ms is not None and divides_ms % duration_ms:
            raise Refusal(f"does not divide {format_duration(divides_ms)}")
        return duration_ms

    allowed = f"{format_duration(low_ms)} to {format_duration(high_ms)}"
    return Kind(
        "duration",
        f"{allowed}, {note}" if note else allowed,
        str.strip,
        check,
        lambda value: f'"{format_duration(value)}"',
    )


def instant(low_ms: int, high_ms: int) -> Kind:
    """A point in time, RFC 3339 with its offset; checked into milliseconds since 1970 UTC."""

    def check(value: object) -> int:
        if isinstance(value, str) and _INSTANT.fullmatch(value):
            try:
                value = datetime.fromisoformat(value)
            except ValueError as error:
                raise Refusal(f"no such time: {error}") from None
        if not isinstance(value, datetime) or value.tzinfo is None:
            raise Refusal('not a time with an offset, as in "2005-01-01T00:00:00Z"')
        instant_ms = (value - _EPOCH) // timedelta(milliseconds=1)
        if not low_ms <= instant_ms <= high_ms:
            raise Refusal("out of range")
        return instant_ms

    return Kind(
        "time (RFC 3339)",
        f"{format_instant(low_ms)} to {format_instant(high_ms)}",
        str.strip,
        check,
        lambda value: f'"{format_instant(value)}"',
    )


def text(pattern: str, allowed: str, unit: str = "text", length_max: int = 200) -> Kind:
    """Printable text that matches ``pattern`` in full, at most ``length_max`` characters."""

    def check(value: object) -> str:
        if not isinstance(value, str):
            raise Refusal("not text")
        if len(value) > length_max:
            raise Refusal(f"longer than {length_max:,} characters")
        if not value.isprintable() or not re.fullmatch(pattern, value):
            raise Refusal("not of the allowed form")
        return value

    return Kind(unit, allowed, str, check, toml_text)


def path(allowed: str) -> Kind:
    """A path; loading makes it absolute."""
    return replace(text(".*", allowed, "path", 4_096), is_path=True)


def codes(pattern: str, allowed: str, mend: Callable[[str], str], count_max: int = 300) -> Kind:
    """A set of short codes, each matching ``pattern``; checked into a sorted tuple.

    ``mend`` turns a common slip into what was probably meant; the result is only suggested.
    """

    def check(value: object) -> tuple[str, ...]:
        if not isinstance(value, list):
            raise Refusal("not a list")
        if len(value) > count_max:
            raise Refusal(f"more than {count_max} codes")
        for code in value:
            if isinstance(code, str) and re.fullmatch(pattern, code):
                continue
            meant = mend(code) if isinstance(code, str) else ""
            hint = f" (did you mean {meant}?)" if re.fullmatch(pattern, meant) else ""
            raise Refusal(f"{show(code)} is not such a code{hint}")
        return tuple(sorted(set(value)))

    def render(value: tuple[str, ...]) -> str:
        return "[" + ", ".join(map(toml_text, value)) + "]"

    return Kind("list of codes", allowed, _comma_separated, check, render)


def free_table(allowed: str) -> Kind:
    """A table whose keys somebody else knows; checked into canonical JSON, which can't change."""

    def check(value: object) -> str:
        if not isinstance(value, dict):
            raise Refusal("not a table")
        _check_free(value, 0)
        canonical = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        if len(canonical) > _TABLE_LENGTH_MAX:
            raise Refusal(f"longer than {_TABLE_LENGTH_MAX:,} characters")
        return canonical

    return Kind("table", allowed, _json_or_toml, check, lambda value: _toml_free(json.loads(value)))


def format_duration(duration_ms: int) -> str:
    """Write a duration in the largest unit that divides it.

    >>> format_duration(5_400_000), format_duration(0)
    ('90m', '0s')
    """
    if duration_ms == 0:
        return "0s"
    unit = next(unit for unit, unit_ms in _UNITS_MS.items() if duration_ms % unit_ms == 0)
    return f"{duration_ms // _UNITS_MS[unit]}{unit}"


def format_instant(instant_ms: int) -> str:
    """Write a time as RFC 3339 in UTC, with milliseconds only where it has some."""
    instant = _EPOCH + timedelta(milliseconds=instant_ms)
    precision = "milliseconds" if instant_ms % SECOND_MS else "seconds"
    return instant.isoformat(timespec=precision).replace("+00:00", "Z")


def show(value: object) -> str:
    """Write any value for a message: short, and harmless to a terminal."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except (ValueError, RecursionError):  # an integer of thousands of digits, or deep nesting
        text = f"({type(value).__name__})"
    text = "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )
    return text if len(text) <= 80 else f"{text[:80]}…"  # noqa: PLR2004 - a line of a terminal


def toml_text(text: str) -> str:
    """Write text as a basic TOML string: JSON's, whose one difference is that DEL is escaped."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def toml_value(text: str) -> object:
    """Read ``text`` as one TOML value; text that is none is returned as it is."""
    try:
        table = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return table["value"] if len(table) == 1 else text


def _comma_separated(text: str) -> object:
    text = text.strip()
    if text.startswith("["):
        return toml_value(text)
    return [part.strip() for part in text.split(",")] if text else []


def _json_or_toml(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return toml_value(text)


def _check_free(value: object, depth: int) -> None:
    if depth > _TABLE_DEPTH_MAX:
        raise Refusal(f"nested more than {_TABLE_DEPTH_MAX} deep")
    if isinstance(value, dict):
        for key, item in value.items():
            _check_free(key, depth + 1)
            _check_free(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _check_free(item, depth + 1)
    elif not _is_free_scalar(value):
        raise Refusal(f"holds {show(value)}")


def _is_free_scalar(value: object) -> bool:
    if isinstance(value, str):
        return not any("\ud800" <= char <= "\udfff" for char in value)
    if isinstance(value, int):
        return -_INT64 <= value < _INT64
    return isinstance(value, float) and math.isfinite(value)


def _toml_free(value: object) -> str:
    if isinstance(value, dict):
        pairs = (f"{toml_text(key)} = {_toml_free(item)}" for key, item in value.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml_free, value)) + "]"
    return toml_text(value) if isinstance(value, str) else json.dumps(value)
