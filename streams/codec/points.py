"""Points of the series file."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from streams.codec.timestamps import rfc3339

if TYPE_CHECKING:
    from streams.events import Point


def point_record(point: Point, bucket_ms: int) -> dict[str, Any]:
    """A point under its field names; floats have five significant digits.

    JSON has no infinity: no evidence at all is a score of 0, no threshold yet is None.
    """
    return {
        "series": point.series,
        "at": rfc3339(point.bucket * bucket_ms),
        "minutes": bucket_ms / 60_000,
        "observed": _short(point.observed),
        "expected": _short(point.expected),
        "upper": _short(point.upper),
        "score": _short(max(point.score, 0.0)),
        "threshold": _short(point.threshold),
        "open": point.open,
    }


def _short(value: float) -> float | None:
    return float(f"{value:.5g}") if math.isfinite(value) else None
