"""What all worlds together say of each method."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.detection.judge import HOURS_A_WEEK, Tally, poisson_interval
from benchmarks.detection.plan import BUDGET, QUIET_SEED, TEST_SEED
from benchmarks.detection.tasks import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.detection.judge import Key, WaveRow
    from benchmarks.detection.tasks import Quiet, Tested

DUE_HOURS = 3.0
"""What the bound finds within so long is to be found."""


@dataclass
class Cut:
    """One size of world at one length of bucket.

    Attributes:
        rate: posts a second.
        minutes: length of a bucket.
        quiet: what was seen of quiet worlds.
        tested: what was seen of worlds with waves.
        levels: thresholds of the bound at the budget, by shape.
    """

    rate: float
    minutes: float
    quiet: list[Quiet] = field(default_factory=list)
    tested: list[Tested] = field(default_factory=list)
    levels: list[float] = field(default_factory=list)

    @property
    def name(self) -> str:
        """For tables."""
        return f"{self.rate:g} | {self.minutes:g} min"

    @property
    def seeds(self) -> str:
        """Of its quiet worlds and of those with waves."""
        return (
            f"quiet worlds {QUIET_SEED}–{QUIET_SEED + len(self.quiet) - 1}, "
            f"waves {TEST_SEED}–{TEST_SEED + len(self.tested) - 1}"
        )


def rows_of(cuts: Sequence[Cut], key: Key) -> list[WaveRow]:
    """The waves that a method was shown."""
    return [row for cut in cuts for one in cut.tested for row in one.rows if key in row.found]


def tally_of(cuts: Sequence[Cut], key: Key, *, quiet: bool = False) -> Tally:
    """What a method did in all worlds with waves, or in all quiet ones."""
    total = Tally()
    for cut in cuts:
        for one in cut.quiet if quiet else cut.tested:
            tally = one.tallies.get(key)
            if tally is not None:
                total.hours += tally.hours
                total.false += tally.false
                total.true += tally.true
    return total


@dataclass(frozen=True)
class Figures:
    """A method in figures; delays are multiples of the bound's.

    Attributes:
        waves: that it was shown.
        bound: of these the bound finds.
        found: of those it finds.
        due: of these the bound finds within three hours.
        found_due: of those it finds.
        median: delay of the waves that both find.
        most: nine in ten of them are no later.
        median_due: delay of the waves that are due; one that is missed is infinitely late.
        most_due: nine in ten of them are no later.
        incidents: a wave that is found.
        precision: share of incidents that are about a wave.
        beside: false incidents a week in worlds with waves and non-waves.
    """

    waves: int
    bound: int
    found: int
    due: int
    found_due: int
    median: float
    most: float
    median_due: float
    most_due: float
    incidents: float
    precision: float
    beside: float


def figures(cuts: Sequence[Cut], key: Key) -> Figures:
    """What is to be said of a method at a budget."""
    rows = rows_of(cuts, key)
    bound = np.array([row.bound[key[1]] for row in rows])
    found = np.array([row.found[key] for row in rows])
    seen = np.isfinite(bound)
    due = bound <= DUE_HOURS
    both = seen & np.isfinite(found)
    ratio = np.full(len(rows), math.inf)
    ratio[both] = found[both] / bound[both]
    incidents = [row.incidents[key] for row in rows if math.isfinite(row.found[key])]
    tally = tally_of(cuts, key)
    return Figures(
        waves=len(rows),
        bound=int(seen.sum()),
        found=int(both.sum()),
        due=int(due.sum()),
        found_due=int((due & both).sum()),
        median=quantile(ratio[both], 0.5),
        most=quantile(ratio[both], 0.9),
        median_due=quantile(ratio[due], 0.5),
        most_due=quantile(ratio[due], 0.9),
        incidents=float(np.mean(incidents)) if incidents else math.nan,
        precision=tally.true / max(tally.true + tally.false, 1),
        beside=tally.false / max(tally.hours, 1e-9) * HOURS_A_WEEK,
    )


def quantile(values: np.ndarray, share: float) -> float:
    """The least value that so many are no greater than; NaN of none."""
    if not len(values):
        return math.nan
    return float(np.quantile(values, share, method="inverted_cdf"))


def methods_of(cuts: Sequence[Cut]) -> list[str]:
    """All methods but the default itself, the fastest first."""
    keys = {key for cut in cuts for one in cut.tested for key in one.tallies}
    names = sorted({name for name, _ in keys} - {DEFAULT})
    told = {name: figures(cuts, (name, BUDGET)) for name in names}
    return sorted(names, key=lambda name: (told[name].median_due, -told[name].found_due, name))


def weekly(tally: Tally) -> tuple[float, float, float]:
    """False incidents a week, and the ends of the 95 % interval."""
    weeks = max(tally.hours / HOURS_A_WEEK, 1e-9)
    low, high = poisson_interval(tally.false)
    return tally.false / weeks, low / weeks, high / weeks
