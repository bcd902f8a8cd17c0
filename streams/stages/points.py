"""A bucket as points of some series, for plots and for what is recorded of episodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from streams.events import Point

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from detectors.bank import Bank, FloatArray, IntArray, Scores


def points_of(
    bucket: int,
    rows: Mapping[str, int],
    scored: IntArray,
    counts: FloatArray,
    scores: Scores,
    bank: Bank,
    running: Container[str],
) -> dict[str, Point]:
    """The points of some series in one bucket, by key.

    Args:
        bucket: which has just been scored.
        rows: row of each series that is wanted.
        scored: all rows that were scored, ascending, shape (n,).
        counts: their fresh users, shape (n,).
        scores: their scores.
        bank: asked for the bands.
        running: keys of the series in an episode.
    """
    of = np.fromiter(rows.values(), dtype=np.int64, count=len(rows))
    at = np.searchsorted(scored, of)
    expected, upper = bank.band(np.full(len(of), bucket, dtype=np.int64), of)
    return {
        key: Point(
            series=key,
            bucket=bucket,
            observed=float(counts[i]),
            expected=float(expected[n]),
            upper=float(upper[n]),
            score=float(scores.score[i]),
            threshold=float(scores.threshold[i]),
            open=key in running,
        )
        for n, (key, i) in enumerate(zip(rows, at.tolist(), strict=True))
    }
