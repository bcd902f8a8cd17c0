"""What is expected: a rate a series, by hour of day, that a wave does not teach itself.

The unit of learning is an hour. An hour is learned two hours after it ended, against the forecast
made for it, and clipped (winsorised), so that a surge hardly raises its own expectation; a clipped
hour says nothing of the dispersion, so that a surge does not widen its own band. The rate is an
exponentially forgetting mean, led on by its trend where it grows; the hour-of-day profile of a
sparse series is shrunk towards its parent's (the region of a pair, ``all`` of a region or hashtag),
and the dispersion towards a prior. Both are conjugate-style shrinkages: a prior worth a few counts,
beside the counts. What the hours of a week and holidays change stands in ``detectors.week``.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from detectors.week import HOURS, LEARNS_AFTER_HOURS, Week, has_own_week

if TYPE_CHECKING:
    from detectors.bank import FloatArray, IntArray

LAG_HOURS = 2

RATE_HALF_LIFE_HOURS = 48.0
PROFILE_HALF_LIFE_DAYS = 10.0
DISPERSION_HALF_LIFE_HOURS = 168.0

PRIOR_USERS = 0.5
"""Users that a series never seen is taken to have brought, before it was looked at."""
PRIOR_HOURS = 1.0
PROFILE_PRIOR = 8.0
"""Users an hour of the day must have brought for its own count to weigh as much as the parent's."""
SLOW_HALF_LIFE_HOURS = 168.0
TREND_EXPONENT = 0.41
"""Of steady growth the rate's mean is 71 h old (its half-life over ln 2, and the lag) and the slow
mean 173 h older: the ratio of the two, to the power of 71/173, leads from the rate to now."""
TREND_MAX = 1.6
TREND_PRIOR = 200.0
"""Users in memory from which half of the trend that they show is believed."""
DISPERSION_PRIOR = 0.05
DISPERSION_PRIOR_WEIGHT = 30.0
DISPERSION_MIN = 0.004
DISPERSION_MAX = 4.0
CLIP_SIGMAS = 3.0
CLIPPED_HALF_LIFE_HOURS = 48.0
BELIEVED_SHARE = 0.65
"""What is too much in so many of the hours, for three days, is no wave: it is the new usual."""
CLIP_AFTER_HOURS = 24.0
"""A younger log has no forecast that could say what is too much."""
COVERED_MIN = 0.9
"""An hour seen in part only is too noisy to say anything of the dispersion."""

_RATE_DECAY = 0.5 ** (1.0 / RATE_HALF_LIFE_HOURS)
_PROFILE_DECAY = 0.5 ** (1.0 / PROFILE_HALF_LIFE_DAYS)
_SLOW_DECAY = 0.5 ** (1.0 / SLOW_HALF_LIFE_HOURS)
_CLIPPED_DECAY = 0.5 ** (1.0 / CLIPPED_HALF_LIFE_HOURS)
_DISPERSION_DECAY = 0.5 ** (1.0 / DISPERSION_HALF_LIFE_HOURS)

# Array attributes that have one value (or one column of 24) a series.
_FIELDS = (
    "mass",
    "exposure",
    "slow_mass",
    "slow_exposure",
    "square",
    "excess",
    "profile_mass",
    "profile",
    "rate",
    "dispersion",
    "clipped",
)
_ROWS_MIN = 256
_FEW_ROWS = 16
_SPARE_ROWS = 64


class Baseline:
    """Expected fresh users an hour, of many series.

    The rows after the last one taken, some dozens of them, learn zeros like any other: a new series
    starts as one that has been absent for as long as the log is old.

    Attributes:
        age_hours: hours that have been learned.
        rate: expected fresh users an hour at a profile of 1, shape (capacity,).
        profile: hour-of-day factors, about 1 on average, shape (24, capacity): an hour of all rows
            is learned at once, and lies together.
        clipped: share of the recent hours that were clipped, shape (capacity,).
        busiest: expected fresh users of row 0 in its busiest hour of the day.
        week: the shapes of the week, of some rows.
        dispersion: relative variance beyond Poisson's, ``Var = m + dispersion * m**2``.
    """

    def __init__(self) -> None:
        self.mass = np.zeros(_ROWS_MIN)
        self.exposure = np.zeros(_ROWS_MIN)
        self.slow_mass = np.zeros(_ROWS_MIN)
        self.slow_exposure = np.zeros(_ROWS_MIN)
        self.square = np.zeros(_ROWS_MIN)
        self.excess = np.zeros(_ROWS_MIN)
        self.profile_mass = np.zeros((HOURS, _ROWS_MIN), dtype=np.float32)
        self.profile = np.ones((HOURS, _ROWS_MIN), dtype=np.float32)
        self.clipped = np.zeros(_ROWS_MIN)
        self.rate = np.zeros(_ROWS_MIN)
        self.dispersion = np.zeros(_ROWS_MIN)
        self.rows = 0
        self._last = 0
        self._parents = np.full(_ROWS_MIN, -1, dtype=np.int64)
        self.week = Week()
        self._group = np.zeros(_ROWS_MIN, dtype=np.int64)
        self._owners: IntArray = np.zeros(1, dtype=np.int64)
        self._profile_days = np.zeros(HOURS)
        self._hour: int | None = None
        self._counts = [np.zeros(_ROWS_MIN) for _ in range(LAG_HOURS + 1)]
        self._covered = [0.0] * (LAG_HOURS + 1)
        self.age_hours = 0.0
        self._refresh()

    def resize(self, parents: IntArray, countries: IntArray) -> None:
        """Take rows; see ``Bank.resize``."""
        old, new = self.rows, len(parents)
        if new == old:
            return
        if new > self._last:
            self._add_spare(new)
        self._parents[old:new] = parents[old:]
        self._begin(old, parents, countries)
        self.rows = new

    def _add_spare(self, rows: int) -> None:
        """Have spare rows, of which the first is number ``rows``."""
        capacity, last = len(self.mass), rows + _SPARE_ROWS
        if last >= capacity:
            more = max(2 * capacity, last + 1) - capacity
            for name in _FIELDS:
                array = getattr(self, name)
                room = np.repeat(array[..., :1], more, axis=-1)
                setattr(self, name, np.concatenate([array, room], axis=-1))
            self._counts = [np.concatenate([c, np.zeros(more)]) for c in self._counts]
            self._parents = np.concatenate([self._parents, np.full(more, -1, dtype=np.int64)])
            self._group = np.concatenate([self._group, np.zeros(more, dtype=np.int64)])
        for name in _FIELDS:
            array = getattr(self, name)
            array[..., self._last + 1 : last + 1] = array[..., self._last : self._last + 1]
        self._last = last

    def _begin(self, old: int, parents: IntArray, countries: IntArray) -> None:
        """Give the rows from ``old`` on their parents' shapes, or a week of their own."""
        few, group = len(parents) - old <= _FEW_ROWS, self._group
        new = zip(parents[old:].tolist(), countries[old:].tolist(), strict=True)
        for row, (parent, country) in enumerate(new, old):
            if parent >= 0:
                group[row] = group[parent]
                if few:
                    self.profile[:, row] = self.profile[:, parent]
            if row > 0 and has_own_week(parent, country):
                group[row] = self.week.add(country)
                self._owners = np.append(self._owners, row)
        if not few:
            added = np.arange(old, len(parents))[parents[old:] >= 0]
            # Twice, for a pair whose region is as new as itself.
            for _ in range(2):
                self.profile[:, added] = self.profile[:, parents[added]]

    def keep(self, rows: IntArray, parents: IntArray) -> None:
        """Keep only ``rows``, whose parents in the new numbering are ``parents``."""
        kept = len(rows)
        for name in _FIELDS:
            array = getattr(self, name)
            array[..., :kept] = array[..., rows]
            array[..., kept] = array[..., self._last]
        for counts in self._counts:
            counts[:kept] = counts[rows]
            counts[kept : self.rows] = 0.0
        self._parents[:kept] = parents
        self._parents[kept : self.rows] = -1
        self._keep_groups(rows)
        self.rows = self._last = kept

    def _keep_groups(self, rows: IntArray) -> None:
        """Keep the groups whose owners are among these rows; rows without one join ``all``."""
        place = np.full(self.rows, -1, dtype=np.int64)
        place[rows] = np.arange(len(rows))
        kept = np.flatnonzero(place[self._owners] >= 0)
        group = np.zeros(len(self._owners), dtype=np.int64)
        group[kept] = np.arange(len(kept))
        self.week.keep(kept)
        self._owners = place[self._owners[kept]]
        self._group[: len(rows)] = group[self._group[rows]]
        self._group[len(rows) : self.rows] = 0

    def _refresh(self) -> None:
        used = slice(self._last + 1)
        users = PRIOR_USERS + self.mass[used]
        rate = users / (PRIOR_HOURS + self.exposure[used])
        slow = (PRIOR_USERS + self.slow_mass[used]) / (PRIOR_HOURS + self.slow_exposure[used])
        believed = TREND_EXPONENT * users / (users + TREND_PRIOR)
        self.rate[used] = rate * np.clip(rate / slow, 1.0, TREND_MAX) ** believed
        self.busiest = float(self.rate[0] * self.profile[:, 0].max() * self.week.factor[0].max())
        raw = (self.excess[used] + DISPERSION_PRIOR * DISPERSION_PRIOR_WEIGHT) / (
            self.square[used] + DISPERSION_PRIOR_WEIGHT
        )
        # A rate that rests on few users is itself uncertain: the predictive distribution of a
        # Poisson count with a gamma-distributed rate adds 1/shape to the dispersion.
        self.dispersion[used] = np.clip(raw, DISPERSION_MIN, DISPERSION_MAX) + 1.0 / users

    def expected(self, rows: IntArray, overlap: FloatArray, last_hour: int) -> FloatArray:
        """Expected fresh users of windows.

        Args:
            rows: shape (n,).
            overlap: hours that each window spends in each hour of the day, shape (24, k).
            last_hour: the hour they all end in, since 1970.

        Returns:
            Shape (n, k).
        """
        week = self.week.day(last_hour).take(self._group.take(rows), axis=0)
        shape = np.multiply(self.profile.take(rows, axis=1).T, week, order="C")
        return np.asarray(self.rate.take(rows)[:, None] * (shape @ overlap))

    def expected_at(self, rows: IntArray, hours: IntArray) -> FloatArray:
        """Expected fresh users an hour, of each row in one hour of its own, shape (n,)."""
        usual = self.rate[rows] * self.profile[hours % HOURS, rows]
        for hour in np.unique(hours).tolist():
            within = hours == hour
            usual[within] *= self.week.at(hour)[self._group[rows[within]]]
        return np.asarray(usual)

    def observe(self, hour: int, rows: IntArray, fresh: FloatArray, covered: float) -> None:
        """Add a bucket's counts to its hour, which is ``covered`` hours longer for it.

        Args:
            hour: index of the hour since 1970; must not fall from call to call.
            rows: distinct rows, shape (n,).
            fresh: their counts, shape (n,).
            covered: hours of good data that the bucket stands for; 0 where data are missing.
        """
        if self._hour is None:
            self._hour = hour
        while self._hour < hour:
            self._close_hour()
        if len(rows):
            self._counts[0][rows] += fresh
        self._covered[0] += covered

    def uncover(self, hour: int, covered: float) -> None:
        """Take back ``covered`` hours of zeros of an hour that has not been learned yet."""
        if self._hour is not None and 0 <= self._hour - hour <= LAG_HOURS:
            ago = self._hour - hour
            self._covered[ago] = max(self._covered[ago] - covered, 0.0)

    def _close_hour(self) -> None:
        assert self._hour is not None
        hour = self._hour - LAG_HOURS
        # Rounded: a sum's last bit depends on how a run of empty buckets was cut into calls.
        counts, covered = self._counts.pop(), round(self._covered.pop(), 9)
        if covered > 0.0:
            self._learn(hour, counts[: self._last + 1] / covered, covered)
        counts[:] = 0.0
        self._counts.insert(0, counts)
        self._covered.insert(0, 0.0)
        self._hour += 1

    def _learn(self, hour: int, count: FloatArray, covered: float) -> None:
        """Learn an hour's counts (scaled to a full hour), of which ``covered`` were seen."""
        used = slice(self._last + 1)
        week = self.week.at(hour).take(self._group[used])
        profile = self.profile[hour % HOURS, used].astype(np.float64)
        flat = self.rate[used] * profile
        forecast = flat * week
        usual_count = count
        if self.age_hours >= CLIP_AFTER_HOURS:
            spread = np.sqrt(forecast * (1.0 + self.dispersion[used] * forecast))
            ceiling = forecast + CLIP_SIGMAS * spread + 1.0
            clipped = count > ceiling
            share = self.clipped[used]
            share += (1.0 - _CLIPPED_DECAY) * (clipped - share)
            usual = ~clipped | (share > BELIEVED_SHARE)
            # An hour that is clipped says nothing of its place in the week.
            usual_count = np.where(usual, count, forecast)
            count = np.where(usual, count, ceiling)
            if covered > COVERED_MIN:
                error = count - forecast
                square, excess = self.square[used], self.excess[used]
                square *= _DISPERSION_DECAY
                square += usual * forecast * forecast
                excess *= _DISPERSION_DECAY
                excess += usual * (error * error - forecast)
        self.age_hours += covered
        users, hours = covered * count, covered * (profile * week)
        _forget_and_add(self.mass[used], self.exposure[used], users, hours, _RATE_DECAY**covered)
        slow = self.slow_mass[used], self.slow_exposure[used]
        _forget_and_add(*slow, users, hours, _SLOW_DECAY**covered)
        ripe = self.age_hours >= LEARNS_AFTER_HOURS
        owners = self._owners
        self.week.learn(hour, usual_count[owners], flat[owners], covered, ripe=ripe)
        self._learn_profile(hour % HOURS, count / week, covered)
        self._refresh()

    def _learn_profile(self, hour_of_day: int, count: FloatArray, covered: float) -> None:
        days = self._profile_days
        days[hour_of_day] = days[hour_of_day] * _PROFILE_DECAY + covered
        used = slice(self._last + 1)
        column = self.profile_mass[hour_of_day, used]
        column *= np.float32(_PROFILE_DECAY)
        column += (covered * count).astype(np.float32)
        # What this hour of the day would have brought at a flat profile.
        flat = self.mass[used] / np.maximum(self.exposure[used], 1e-9) * days[hour_of_day]
        # ``all`` first, so that its children borrow what it has just learned; a pair borrows what
        # its region had the day before.
        parents, mine = self._parents[used], self.profile[hour_of_day, used]
        mine[0] = (column[0] + PROFILE_PRIOR) / (flat[0] + PROFILE_PRIOR)
        borrowed = np.where(parents >= 0, mine[parents], np.float32(1.0))
        borrowed[0] = 1.0
        mine[:] = (column + PROFILE_PRIOR * borrowed) / (flat + PROFILE_PRIOR)
        if hour_of_day == HOURS - 1:
            # About 1 on average, also after a change of level, which the rate learns faster.
            self.profile[:, used] /= self.profile[:, used].T.copy().mean(axis=1)


def _forget_and_add(
    mass: FloatArray, exposure: FloatArray, users: FloatArray, hours: FloatArray, decay: float
) -> None:
    """Learn users and hours into an exponentially forgetting mean, in place."""
    mass *= decay
    mass += users
    exposure *= decay
    exposure += hours


def overlap(hour_from: FloatArray, hour_to: float) -> FloatArray:
    """Hours that windows ending together spend in each hour of the day.

    Args:
        hour_from: starts of the windows in hours since 1970, shape (k,), at most 24 h back.
        hour_to: their common end.

    Returns:
        Shape (24, k); a column sums to the window's length.

    >>> overlap(np.array([22.5]), 25.0)[[22, 23, 0, 1], 0].tolist()
    [0.5, 1.0, 1.0, 0.0]
    """
    first = math.floor(float(np.min(hour_from)))
    last = math.ceil(hour_to)
    starts = np.arange(first, max(last, first + 1), dtype=np.float64)
    within = np.minimum(starts[:, None] + 1.0, hour_to) - np.maximum(starts[:, None], hour_from)
    hours = np.zeros((HOURS, len(hour_from)))
    np.add.at(hours, starts.astype(np.int64) % HOURS, np.maximum(within, 0.0))
    return hours
