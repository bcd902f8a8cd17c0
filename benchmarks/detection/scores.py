"""From a method's scores to alarms, incidents, and waves found."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.detection.judge import Tally, judged_from, runs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.detection.counts import Counts, Floats, Ints
    from benchmarks.detection.judge import Key, Mark, WaveRow


@dataclass(frozen=True)
class Peaks:
    """The largest score of each bucket, apart for each wave.

    Attributes:
        other: over the series that no wave of that time touches, from the judged bucket on.
        waves: for each wave over the series of its regions and hashtags, from its first to its
            last bucket.
    """

    other: Floats
    waves: list[Floats]


def peaks(counts: Counts, bucket: Ints, row: Ints, score: Floats, waves: Sequence[Mark]) -> Peaks:
    """Sort scores by what they are about.

    Args:
        counts: the world.
        bucket: of each score, ascending, shape (n,).
        row: its series, shape (n,).
        score: shape (n,).
        waves: where the waves are.
    """
    own = np.zeros(len(bucket), dtype=np.bool_)
    found = []
    for mark in waves:
        low, high = np.searchsorted(bucket, [mark.first, mark.last + 1])
        rows = row[low:high]
        best = np.full(mark.last - mark.first + 1, -np.inf)
        named = mark.named[rows]
        np.maximum.at(best, bucket[low:high][named] - mark.first, score[low:high][named])
        own[low:high] |= mark.touched[rows]
        found.append(best.astype(np.float32))
    since = judged_from(counts)
    rest = ~own & (bucket >= since)
    other = np.full(counts.last + 1 - since, -np.inf)
    np.maximum.at(other, bucket[rest] - since, score[rest])
    return Peaks(other.astype(np.float32), found)


def judge_scores(
    found: Peaks,
    threshold: float,
    counts_per_hour: int,
    waves: Sequence[Mark],
    rows: Sequence[WaveRow],
    method: Key,
) -> Tally:
    """Say which waves a threshold finds, and how many incidents it makes."""
    tally = Tally(hours=len(found.other) / counts_per_hour)
    tally.false = runs(np.flatnonzero(found.other >= threshold), counts_per_hour)
    for mark, row, scores in zip(waves, rows, found.waves, strict=True):
        over = np.flatnonzero(scores >= threshold)
        row.found[method] = (
            mark.hours(mark.first + int(over[0]), counts_per_hour) if len(over) else math.inf
        )
        row.incidents[method] = runs(over, counts_per_hour)
        tally.true += row.incidents[method]
    return tally
