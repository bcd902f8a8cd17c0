"""How the hours of a week differ from the same hours of other days, and holidays from both.

``all`` and every region have a shape of their own; a hashtag has that of ``all``, a pair that of
its region. A shape is a factor for each of the 168 hours of the week, UTC, by which the hour-of-day
profile is multiplied. Factors of an hour are learned from the seven hours around it: a region's own
Saturday begins at some hour of UTC, and a sparse region has few users in one hour.

On a public holiday a region is expected to be as busy as on that weekday or on a Sunday, whichever
is more (the detector looks for too many only), and nothing is learned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from detectors.holiday import NO_COUNTRY, free

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from detectors.bank import FloatArray, IntArray

HOURS = 24
WEEK_HOURS = 168
SUNDAY_MIDNIGHT = 72
"""Hour of the week, from Thursday midnight on as 1970 began, at which Sundays begin."""
SPAN_HOURS = 7
PRIOR_USERS = 20.0
"""Users that seven hours must have brought for their count to weigh as much as the shape of
``all``."""
WEIGHT_MIN = 0.2
"""A factor is the mean of 1 and those seen, and later forgets a fifth of its past each week."""
FACTOR_RANGE = (0.3, 3.0)
LEARNS_AFTER_HOURS = 48.0
_DAYS_MAX = 8


class Week:
    """The shapes of some groups; group 0 is that of ``all``.

    Attributes:
        factor: shape (groups, 168).
        countries: number of each group's country (``detectors.holiday``), shape (groups,).
    """

    def __init__(self) -> None:
        self.factor = np.ones((1, WEEK_HOURS))
        self.countries: IntArray = np.zeros(1, dtype=np.int64)
        self._seen = np.zeros(WEEK_HOURS)
        self._counts = np.zeros((1, SPAN_HOURS))
        self._flat = np.zeros((1, SPAN_HOURS))
        self._covered = np.zeros(SPAN_HOURS)
        self._hour = 0
        self._shape: tuple[int, FloatArray] | None = None
        self._days_off: dict[int, NDArray[np.bool_]] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Without what is only remembered."""
        return self.__dict__ | {"_shape": None, "_days_off": {}}

    def add(self, country: int) -> int:
        """Make a group, as it would be expected from ``all``; returns its number."""
        self.factor = np.concatenate([self.factor, self.factor[:1]])
        self.countries = np.append(self.countries, country)
        self._counts = np.concatenate([self._counts, np.zeros((1, SPAN_HOURS))])
        self._flat = np.concatenate([self._flat, np.zeros((1, SPAN_HOURS))])
        self._forget()
        return len(self.factor) - 1

    def keep(self, groups: IntArray) -> None:
        """Forget all groups but these, the first of them 0; ``groups[i]`` becomes group ``i``."""
        self.factor, self.countries = self.factor[groups], self.countries[groups]
        self._counts, self._flat = self._counts[groups], self._flat[groups]
        self._forget()

    def _forget(self) -> None:
        self._shape = None
        self._days_off = {}

    def at(self, hour: int) -> FloatArray:
        """Factors of one hour (since 1970), shape (groups,)."""
        return self._of(np.array([hour]))[:, 0]

    def day(self, last_hour: int) -> FloatArray:
        """Factors of the 24 hours that end with ``last_hour``, by hour of the day.

        Returns:
            Shape (groups, 24).
        """
        if self._shape is None or self._shape[0] != last_hour:
            hours = np.arange(last_hour + 1 - HOURS, last_hour + 1)
            shape = np.empty((len(self.factor), HOURS))
            shape[:, hours % HOURS] = self._of(hours)
            self._shape = (last_hour, shape)
        return self._shape[1]

    def _of(self, hours: IntArray) -> FloatArray:
        """Factors of hours of at most two days, shape (groups, hours)."""
        factor = self.factor[:, hours % WEEK_HOURS]
        days = hours // HOURS
        first, last = self._free(int(days[0])), self._free(int(days[-1]))
        off = np.where(days == days[-1], last[:, None], first[:, None])
        sunday = self.factor[:, SUNDAY_MIDNIGHT + hours % HOURS]
        return np.where(off, np.maximum(factor, sunday), factor)

    def _free(self, day: int) -> NDArray[np.bool_]:
        """Which groups have a holiday on a day, counted from 1970, shape (groups,)."""
        off = self._days_off.get(day)
        if off is None:
            if len(self._days_off) >= _DAYS_MAX:
                self._days_off.clear()
            off = np.isin(self.countries, free(tuple(self.countries.tolist()), day))
            self._days_off[day] = off
        return off

    def learn(
        self, hour: int, count: FloatArray, flat: FloatArray, covered: float, *, ripe: bool
    ) -> None:
        """Learn an hour, which comes after all before.

        Args:
            hour: since 1970.
            count: each group's users, shape (groups,).
            flat: what was expected of them but for the week, shape (groups,).
            covered: share of the hour that was seen.
            ripe: is the log old enough for ``flat`` to mean much?
        """
        for _ in range(min(hour - self._hour, SPAN_HOURS)):
            for past in (self._counts, self._flat, self._covered[None]):
                past[:, 1:] = past[:, :-1]
                past[:, 0] = 0.0
        self._hour = hour
        self._counts[:, 0], self._flat[:, 0], self._covered[0] = count, flat, covered
        self._shape = None
        if not ripe or self._covered.min() <= 0.0:
            return
        centre = hour - SPAN_HOURS // 2
        place = centre % WEEK_HOURS
        self._seen[place] += 1.0
        weight = max(1.0 / (1.0 + self._seen[place]), WEIGHT_MIN)
        counts, expected = self._counts.sum(axis=1), self._flat.sum(axis=1)
        ratio = (counts + PRIOR_USERS) / (expected + PRIOR_USERS)
        factor = self.factor[:, place]
        factor[0] += weight * (ratio[0] - factor[0])
        ratio = (counts + PRIOR_USERS * factor[0]) / (expected + PRIOR_USERS)
        learns = ~self._free(centre // HOURS)
        learns[0] = False
        factor += learns * weight * (ratio - factor)
        np.clip(factor, *FACTOR_RANGE, out=factor)


def has_own_week(parent: int, country: int) -> bool:
    """Whether a row has a shape of its own: ``all`` does, and the regions below it."""
    return parent < 0 or (parent == 0 and country != NO_COUNTRY)
