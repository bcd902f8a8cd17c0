"""Fresh users of each series in a bucket: distinct, foreign, and not counted there of late."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from detectors.users import WHOLE, FreshMemory, precision

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from detectors.bank import FloatArray, IntArray
    from streams.stages.merge import Table
    from streams.stages.rows import Rows

FEW_ROWS = 64


class Counting:
    """Counts fresh users, within a limit of memory beyond which large series are sampled.

    Args:
        rows: the series' rows; their theta is kept there.
        fresh_for: buckets for which a counted user is not counted again.
        entries_max: entries of the memory.
    """

    def __init__(self, rows: Rows, fresh_for: int, entries_max: int) -> None:
        self._rows = rows
        self._memory = FreshMemory(fresh_for, entries_max)

    def restore(self, other: Counting, rows: Rows) -> None:
        """Take over another's memory, which is about ``rows``, within this one's own limit."""
        entries_max = self._memory.entries_max
        self._rows, self._memory = rows, other._memory
        self._memory.entries_max = entries_max

    def keep(self, rows: IntArray, count: int) -> None:
        """Forget all of ``count`` rows but these; ``rows[i]`` becomes row ``i``."""
        self._memory.keep(rows, count)

    def known(self, keys: IntArray, bucket: int) -> NDArray[np.bool_]:
        """Which (series, user) keys have been counted of late; see ``FreshMemory.known``."""
        return self._memory.known(keys, bucket)

    def count(self, bucket: int, table: Table, rows: IntArray) -> FloatArray:
        """Count the fresh users of a bucket, and remember them.

        Args:
            bucket: its index; must not fall from call to call.
            table: its merged partials.
            rows: row of each of the table's series, shape (series,).

        Returns:
            Fresh users of each series, scaled up where it is sampled, shape (series,).
        """
        known = self._rows
        theta = table.theta
        if known.sampled or (theta < WHOLE).nonzero()[0].size:
            known.sampled = True
            theta = np.minimum(known.theta[rows], theta)
            known.theta[rows] = theta
        if self._memory.over_limit(bucket):
            n, known.sampled = len(known), True
            known.theta[:n] = self._memory.shrink(known.theta[:n], known.hashes[:n])
            theta = known.theta[rows]
        if len(table.user) == len(rows) and not known.sampled:
            # One post, as most buckets of a sparse log have it: each series has its user.
            keys = table.user ^ known.hashes[rows]
            fresh = self._memory.admit(rows.tolist(), keys.tolist(), bucket)
            return np.frombuffer(fresh, dtype=np.uint8).astype(np.float64)
        if len(table.user) <= FEW_ROWS:
            return self._count_few(bucket, table, rows, theta)
        index, user = table.index, table.user
        followed = user < theta[index]
        followed[1:] &= (index[1:] != index[:-1]) | (user[1:] != user[:-1])
        index, user = index[followed], user[followed]
        row = rows[index]
        fresh = self._memory.admit(row.tolist(), (user ^ known.hashes[row]).tolist(), bucket)
        counts = np.bincount(index[np.frombuffer(fresh, dtype=np.bool_)], minlength=len(rows))
        return counts / precision(theta)

    def _count_few(self, bucket: int, table: Table, rows: IntArray, theta: IntArray) -> FloatArray:
        """The same one by one, for the few posts a bucket of a sparse log has."""
        series: list[int] = []
        of_row: list[int] = []
        keys: list[int] = []
        users, limits = table.user.tolist(), theta.tolist()
        hashes = self._rows.hashes[rows].tolist()
        start = 0
        for i, (row, end) in enumerate(zip(rows.tolist(), table.ends.tolist(), strict=True)):
            last, limit, series_hash = -1, limits[i], hashes[i]
            for user in users[start:end]:
                if user != last and user < limit:
                    series.append(i)
                    of_row.append(row)
                    keys.append(user ^ series_hash)
                last = user
            start = end
        fresh = self._memory.admit(of_row, keys, bucket)
        counts = [0.0] * len(limits)
        for i, is_fresh in zip(series, fresh, strict=True):
            if is_fresh:
                counts[i] += WHOLE / limits[i]
        return np.array(counts)
