"""Which series have a row in the arrays of the detect stage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from detectors.holiday import NO_COUNTRY, country_number
from detectors.series import ALL, region_key, stable_hash
from detectors.users import WHOLE, precision

if TYPE_CHECKING:
    from collections.abc import Callable

    from detectors.bank import FloatArray, IntArray

ROOM_KEPT = 0.75
"""Share of the live series that stays when the limit is reached, so that it is not reached anew
with every bucket."""
USED_MIN = 0.5
"""Idle series are forgotten when they are the larger half: moving all others takes time."""


class Rows:
    """Series keys and their row numbers; row 0 is always ``all``.

    Attributes:
        keys: key of each row.
        parents: row of each row's parent, -1 for ``all``, shape (capacity,).
        countries: number of each row's country, 0 for none, shape (capacity,).
        hashes: stable hash of each key, shape (capacity,).
        theta: share of its users that a series follows, shape (capacity,).
        sampled: may any theta be less than ``WHOLE``?
    """

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.of: dict[str, int] = {}
        self.parents = np.full(256, -1, dtype=np.int64)
        self.countries = np.zeros(256, dtype=np.int64)
        self.hashes = np.zeros(256, dtype=np.int64)
        self.theta = np.full(256, WHOLE, dtype=np.int64)
        self.sampled = False
        self._add([ALL])

    def __len__(self) -> int:
        return len(self.keys)

    def take(self, keys: list[str]) -> IntArray:
        """Rows of series, new ones added; a pair's region gets its row before the pair."""
        rows = list(map(self.of.get, keys))
        if None in rows:
            self._add([key for key, row in zip(keys, rows, strict=True) if row is None])
            rows = list(map(self.of.get, keys))
        return np.array(rows, dtype=np.int64)

    def _add(self, keys: list[str]) -> None:
        """Give rows to series that have none."""
        of, first = self.of, len(self.keys)
        parents: list[int] = []
        for key in keys:
            parent = -1 if key == ALL else 0
            if key.startswith("pair/"):
                region = region_key(key.split("/", 2)[1])
                if region not in of:
                    of[region] = first + len(parents)
                    self.keys.append(region)
                    parents.append(0)
                parent = of[region]
            if key not in of:
                of[key] = first + len(parents)
                self.keys.append(key)
                parents.append(parent)
        more = max(len(self.keys) - len(self.parents), 0)
        if more:
            more = max(more, len(self.parents))
            self.parents = np.concatenate([self.parents, np.full(more, -1, dtype=np.int64)])
            self.countries = np.concatenate([self.countries, np.zeros(more, dtype=np.int64)])
            self.hashes = np.concatenate([self.hashes, np.zeros(more, dtype=np.int64)])
            self.theta = np.concatenate([self.theta, np.full(more, WHOLE, dtype=np.int64)])
        new = slice(first, len(self.keys))
        self.parents[new] = parents
        self.countries[new] = list(map(_country, self.keys[new]))
        self.hashes[new] = list(map(stable_hash, self.keys[new]))

    def precision(self, rows: IntArray) -> FloatArray:
        """Share of its users that each of these rows follows, shape (n,)."""
        if self.sampled:
            return precision(self.theta[rows])
        whole = np.empty(len(rows))
        whole.fill(1.0)
        return whole

    def missing(self, keys: list[str]) -> int:
        """How many of these series have no row."""
        return len(keys) - sum(map(self.of.__contains__, keys))

    def room(
        self,
        series: list[str],
        limit: int,
        weigh: Callable[[], FloatArray],
        always: set[int],
        *,
        tidy: bool,
    ) -> tuple[IntArray, int]:
        """Rows to keep so that there is room for these series, and how many are dropped.

        At the limit the lightest go, and those that were not idle are counted; below it the idle
        ones, if they are many.

        Args:
            series: of a bucket.
            limit: of rows in all.
            weigh: gives the weight of each row, see ``heaviest``; asked only if it matters.
            always: rows that must stay.
            tidy: are idle rows to be forgotten below the limit?
        """
        count = len(self)
        new = self.missing(series) if count + len(series) > limit else 0
        full = count + new > limit
        if not tidy and not full:
            return np.arange(count), 0
        weight = weigh()
        if not full and np.count_nonzero(weight) > USED_MIN * count:
            return np.arange(count), 0
        rows_max = max(min(limit - new, round(ROOM_KEPT * limit)), 0) if full else count
        kept = self.heaviest(weight, rows_max, always)
        return kept, int(np.count_nonzero(weight)) - int(np.count_nonzero(weight[kept]))

    def heaviest(self, weight: FloatArray, rows_max: int, always: set[int]) -> IntArray:
        """Rows to keep, ascending: all with a weight, or the heaviest, ties by key.

        ``all``, the regions (there are few, and pairs borrow from them) and ``always`` stay.

        Args:
            weight: of each row, shape (rows,); 0 is idle.
            rows_max: how many to keep in all.
            always: rows that must stay.
        """
        pinned = {r for r, key in enumerate(self.keys) if r == 0 or key.startswith("region/")}
        pinned |= always
        others = [r for r in np.flatnonzero(weight > 0.0).tolist() if r not in pinned]
        room = max(rows_max - len(pinned), 0)
        if len(others) > room:
            others.sort(key=lambda r: (-weight[r], self.keys[r]))
        return np.array(sorted(pinned | set(others[:room])), dtype=np.int64)

    def keep(self, rows: IntArray) -> None:
        """Forget all rows but these; ``rows[i]`` becomes row ``i``."""
        new = np.full(len(self.keys) + 1, -1, dtype=np.int64)
        new[rows] = np.arange(len(rows))
        self.keys = [self.keys[r] for r in rows.tolist()]
        self.of = {key: row for row, key in enumerate(self.keys)}
        kept = len(rows)
        parents = new[self.parents[rows]]
        # A new array: the detector still looks at the old one until it is told.
        self.parents = self.parents.copy()
        self.countries = self.countries.copy()
        for array in (self.countries, self.hashes, self.theta):
            array[:kept] = array[rows]
        self.parents[:kept] = parents
        self.theta[kept:] = WHOLE


def _country(key: str) -> int:
    """Number of the country of a region or a pair, 0 for other series."""
    level, _, name = key.partition("/")
    return country_number(name[:2]) if level in {"region", "pair"} else NO_COUNTRY
