"""Methods of the literature on the same counts, all series at once.

Each gives every event (a series and bucket with fresh users) a score from what came before it and
from its own count; larger is stranger. None knows a threshold: that is found on quiet worlds.

All of them compare an hour with hours. The newest is the one that ends with the bucket, so that
alarms need not wait for the clock to strike. By single buckets, as textbooks have them, most find
half as many waves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from detectors.windows import WindowSums

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.detection.counts import Counts, Floats, Ints

DAY_HOURS = 24
_CHANCE_Z = 3.09
"""The standard normal quantile of 0.999."""


class Method(Protocol):
    """Something that scores events."""

    @property
    def name(self) -> str:
        """How the table names it."""

    def score(self, counts: Counts) -> Floats:
        """A score for each event, ``-inf`` for none, shape (events,)."""


class Averages:
    """Exponentially forgetting mean and variance of every series; zeros are learned when needed.

    The recursions are Finch's (Incremental calculation of weighted mean and variance, 2009):
    ``d = x - m; m += a d; v = (1 - a)(v + a d**2)``. After k zeros they have the closed forms
    ``m q**k`` and ``q**k (v + m**2 (1 - q**k))`` with ``q = 1 - a``.
    """

    def __init__(self, series: int, half_life_hours: float) -> None:
        self._q = 0.5 ** (1.0 / half_life_hours)
        self._mean = np.zeros(series)
        self._variance = np.zeros(series)
        self._next = np.zeros(series, dtype=np.int64)

    def at(self, hour: int, rows: Ints) -> tuple[Floats, Floats]:
        """Mean and variance of series before an hour."""
        left = self._q ** np.maximum(hour - self._next[rows], 0)
        mean, variance = self._mean[rows], self._variance[rows]
        return mean * left, left * (variance + mean * mean * (1.0 - left))

    def learn(self, hour: int, rows: Ints, x: Floats) -> None:
        """Learn the counts of an hour."""
        mean, variance = self.at(hour, rows)
        gap, rate = x - mean, 1.0 - self._q
        self._mean[rows] = mean + rate * gap
        self._variance[rows] = self._q * (variance + rate * gap * gap)
        self._next[rows] = hour + 1


@dataclass(frozen=True)
class _Step:
    """A bucket with events.

    Attributes:
        mine: its events.
        rows: their series, shape (n,).
        newest: their counts in the newest hour, shape (n,).
        hour: number of the first hour that is not learned: the one before the bucket's, some of
            which is part of the newest.
    """

    mine: slice
    rows: Ints
    newest: Floats
    hour: int


def _steps(counts: Counts, averages: Averages) -> Iterator[_Step]:
    """Go through the buckets, and let the averages learn what lies wholly in the past."""
    sums = WindowSums([counts.per_hour])
    sums.resize(len(counts.keys))
    users = np.zeros(len(counts.keys))
    waiting: list[tuple[int, Ints, Floats]] = []
    for bucket, mine in counts.each():
        hour, place = divmod(bucket - counts.first, counts.per_hour)
        rows, fresh = counts.row[mine], counts.fresh[mine]
        sums.catch_up(bucket)
        if len(rows):
            yield _Step(mine, rows, sums.many(rows)[:, 0] + fresh, hour - 1)
        sums.add(bucket, rows, fresh)
        users[rows] += fresh
        if place == counts.per_hour - 1:
            some = np.flatnonzero(users)
            waiting.append((hour, some, users[some]))
            users[some] = 0.0
            # The last hour is part of the sliding one until the next has ended.
            if len(waiting) > 1:
                averages.learn(*waiting.pop(0))


@dataclass(frozen=True)
class Ewma:
    """``(x - mean) / sqrt(variance + 1)``; the 1 keeps a series never seen from infinity."""

    half_life_hours: float = 24.0
    name: str = "EWMA z-score"

    def score(self, counts: Counts) -> Floats:
        """See ``Method``."""
        averages = Averages(len(counts.keys), self.half_life_hours)
        result = np.full(len(counts.row), -np.inf)
        for step in _steps(counts, averages):
            mean, variance = averages.at(step.hour, step.rows)
            result[step.mine] = (step.newest - mean) / np.sqrt(variance + 1.0)
        return result


@dataclass(frozen=True)
class SigniTrend:
    """``(x - max(mean, bias)) / (sqrt(variance) + bias)`` (Schubert, Weiler, Kriegel, KDD 2014)."""

    half_life_hours: float = 12.0
    bias: float = 1.0
    name: str = "SigniTrend-style significance"

    def score(self, counts: Counts) -> Floats:
        """See ``Method``."""
        averages = Averages(len(counts.keys), self.half_life_hours)
        result = np.full(len(counts.row), -np.inf)
        for step in _steps(counts, averages):
            mean, variance = averages.at(step.hour, step.rows)
            usual = np.maximum(mean, self.bias)
            result[step.mine] = (step.newest - usual) / (np.sqrt(variance) + self.bias)
        return result


def _blocks(counts: Counts, wanted: int) -> Iterator[tuple[slice, Floats]]:
    """For each bucket with events the last ``wanted`` hours of its series, the newest first.

    Yields:
        The events, and their counts, shape (n, wanted).
    """
    sums = WindowSums([counts.per_hour * k for k in range(1, wanted + 1)])
    sums.resize(len(counts.keys))
    for bucket, mine in counts.each():
        rows, fresh = counts.row[mine], counts.fresh[mine]
        if len(rows):
            sums.catch_up(bucket)
            yield mine, np.diff(sums.many(rows) + fresh[:, None], axis=1, prepend=0.0)
            sums.add(bucket, rows, fresh)


@dataclass(frozen=True)
class Ears:
    """The United States' early aberration reporting (Hutwagner et al., J. Urban Health 80, 2003).

    C1 compares an hour with the mean of the seven before; C2 leaves out the newest two of these;
    C3 adds up what the last three hours' C2 have over 1.
    """

    kind: int

    @property
    def name(self) -> str:
        """How the table names it."""
        return f"EARS C{self.kind}"

    def score(self, counts: Counts) -> Floats:
        """See ``Method``."""
        result = np.full(len(counts.row), -np.inf)
        for mine, blocks in _blocks(counts, 12):
            if self.kind == 3:
                each = [np.maximum(self._over(blocks, n, n + 3) - 1.0, 0.0) for n in range(3)]
                result[mine] = np.sum(each, axis=0)
            else:
                result[mine] = self._over(blocks, 0, 1 if self.kind == 1 else 3)
        return result

    @staticmethod
    def _over(blocks: Floats, newest: int, since: int) -> Floats:
        before = blocks[:, since : since + 7]
        # The usual remedy for a week without a case: a deviation of no less than one.
        deviation = np.maximum(before.std(axis=1, ddof=1), 1.0)
        return np.asarray((blocks[:, newest] - before.mean(axis=1)) / deviation)


@dataclass(frozen=True)
class Gnip:
    """Excess over the mean of six earlier hours, in widths of its Poisson confidence interval.

    After Hendrickson, Kolb, Lehman, Montague, Trend Detection in Social Data (Gnip, 2015).
    """

    name: str = "Gnip-style Poisson"

    def score(self, counts: Counts) -> Floats:
        """See ``Method``."""
        result = np.full(len(counts.row), -np.inf)
        z = _CHANCE_Z
        for mine, blocks in _blocks(counts, 7):
            usual = blocks[:, 1:].mean(axis=1)
            width = z * z / 2.0 + z * np.sqrt(usual + z * z / 4.0)
            result[mine] = (blocks[:, 0] - usual) / width
        return result


@dataclass(frozen=True)
class Farrington:
    """The last hour against the same hours of the last seven days, an hour to either side.

    Quasi-Poisson with a power of two thirds against skewness (Farrington et al., Journal of the
    Royal Statistical Society A 159, 1996), without the trend, and re-weighting of past outbreaks.
    """

    days: int = 7
    least: float = 0.05
    name: str = "Farrington-like quasi-Poisson"

    def score(self, counts: Counts) -> Floats:
        """See ``Method``."""
        hours = self.days * DAY_HOURS + 2
        ring = np.zeros((len(counts.keys), hours), dtype=np.float32)
        sums = WindowSums([counts.per_hour])
        sums.resize(len(counts.keys))
        result = np.full(len(counts.row), -np.inf)
        now = -1
        for bucket, mine in counts.each():
            hour = (bucket - counts.first) // counts.per_hour
            if hour != now:
                now = hour
                ring[:, now % hours] = 0.0
                back = self._places(now, hours)
            rows, fresh = counts.row[mine], counts.fresh[mine]
            if not len(rows):
                continue
            sums.catch_up(bucket)
            if len(back):
                newest = sums.many(rows)[:, 0] + fresh
                result[mine] = self._over(newest, ring[rows[:, None], back])
            sums.add(bucket, rows, fresh)
            ring[rows, now % hours] += fresh
        return result

    def _places(self, hour: int, hours: int) -> Ints:
        """Where in the ring the hours are that an hour is compared with."""
        ago = np.array([d * DAY_HOURS + k for d in range(1, self.days + 1) for k in (-1, 0, 1)])
        return np.asarray((hour - ago[ago <= hour]) % hours)

    def _over(self, newest: Floats, before: Floats) -> Floats:
        n = before.shape[1]
        usual = np.maximum(before.mean(axis=1), self.least)
        dispersion = np.maximum(before.var(axis=1, ddof=1) / usual if n > 1 else 1.0, 1.0)
        spread = np.sqrt(4.0 / 9.0 * np.cbrt(usual) * dispersion * (1.0 + 1.0 / n))
        return np.asarray((np.cbrt(newest**2) - np.cbrt(usual**2)) / spread)


def classical() -> list[Method]:
    """All of them."""
    return [Ewma(), SigniTrend(), Gnip(), Farrington(), *(Ears(kind) for kind in (1, 2, 3))]
