"""Which series have a row in the arrays of the detect stage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from detectors.series import ALL, region_key, stable_hash
from detectors.users import WHOLE

if TYPE_CHECKING:
    from detectors.bank import FloatArray, IntArray


class Rows:
    """Series keys and their row numbers; row 0 is always ``all``.

    Attributes:
        keys: key of each row.
        parents: row of each row's parent, -1 for ``all``, shape (capacity,).
        hashes: stable hash of each key, shape (capacity,).
        theta: share of its users that a series follows, shape (capacity,).
    """

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.of: dict[str, int] = {}
        self.parents = np.full(256, -1, dtype=np.int64)
        self.hashes = np.zeros(256, dtype=np.int64)
        self.theta = np.full(256, WHOLE, dtype=np.int64)
        self._add(ALL, -1)

    def __len__(self) -> int:
        return len(self.keys)

    def _add(self, key: str, parent: int) -> int:
        row = len(self.keys)
        if row == len(self.parents):
            self.parents = np.concatenate([self.parents, np.full(row, -1, dtype=np.int64)])
            self.hashes = np.concatenate([self.hashes, np.zeros(row, dtype=np.int64)])
            self.theta = np.concatenate([self.theta, np.full(row, WHOLE, dtype=np.int64)])
        self.keys.append(key)
        self.of[key] = row
        self.parents[row] = parent
        self.hashes[row] = stable_hash(key)
        self.theta[row] = WHOLE
        return row

    def take(self, keys: list[str]) -> IntArray:
        """Rows of series, new ones added; a pair's region gets its row before the pair."""
        of = self.of
        return np.fromiter(
            (of[key] if key in of else self._new(key) for key in keys), np.int64, len(keys)
        )

    def _new(self, key: str) -> int:
        if not key.startswith("pair/"):
            return self._add(key, 0)
        parent = region_key(key.split("/", 2)[1])
        row = self.of.get(parent)
        return self._add(key, self._add(parent, 0) if row is None else row)

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
        for array in (self.hashes, self.theta):
            array[:kept] = array[rows]
        self.parents[:kept] = parents
        self.theta[kept:] = WHOLE
