"""What values of options mean: each function reads one, for ``argparse``."""

from __future__ import annotations

import argparse
import re
import time
from typing import TYPE_CHECKING

from streams.errors import RecordError

if TYPE_CHECKING:
    from collections.abc import Callable

STAGES = ("ingest", "detect", "correlate")

COUNT_MAX = 1_000
"""Partitions of a topic: each costs every worker some memory."""

_DURATION = re.compile(r"([0-9]{1,6})([smhd])")
_UNITS_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def speed(text: str) -> float | None:
    """``60x``, or ``max``, which is None."""
    if text == "max":
        return None
    if re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?x", text) and float(text[:-1]) > 0:
        return float(text[:-1])
    raise argparse.ArgumentTypeError(f"{text!r} is neither max nor a factor, as in 1x or 60x")


def stages(text: str) -> tuple[str, ...]:
    """Names of stages with commas between."""
    named = tuple(part.strip() for part in text.split(","))
    for stage in named:
        if stage not in STAGES:
            raise argparse.ArgumentTypeError(
                f"{stage!r} is no stage; they are {', '.join(STAGES)}, with commas between"
            )
    return tuple(stage for stage in STAGES if stage in named)


def count(text: str) -> int:
    """How many, up to ``COUNT_MAX``."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= COUNT_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to {COUNT_MAX:,}")
    return int(text)


def words(most: int) -> Callable[[str], str]:
    """What a record can hold: UTF-8, and not too long, or its readers would refuse it."""

    def read(text: str) -> str:
        if len(text) > most:
            raise argparse.ArgumentTypeError(f"{len(text):,} characters; at most {most:,}")
        try:
            text.encode()
        except UnicodeEncodeError:
            raise argparse.ArgumentTypeError("not UTF-8") from None
        return text

    return read


def duration(text: str) -> int:
    """How long, in ms."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration, as in 30m, 2h or 7d")
    return int(match[1]) * _UNITS_MS[match[2]]


def moment(text: str) -> int:
    """``now``, how long ago (``2h``), or a time with its offset: ms since 1970 UTC."""
    # Imported here because the codec takes a while: see ``streams.cli``.
    from streams.codec.timestamps import epoch_ms  # noqa: PLC0415

    if text == "now":
        return round(time.time() * 1000)
    if _DURATION.fullmatch(text):
        return round(time.time() * 1000) - duration(text)
    try:
        if "T" in text or " " in text:
            return epoch_ms(text)
    except RecordError:
        pass
    raise argparse.ArgumentTypeError(
        f"{text!r} is neither a time with its offset, as in 2025-01-13T02:00:00Z, nor now, nor "
        "how long ago, as in 30m or 2h"
    )
