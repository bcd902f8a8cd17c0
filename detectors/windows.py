"""Sums of counts over several windows that end together, for many rows, updated by what changes.

A count of a busy bucket is added to all windows at once, by array, and taken out of each when it
leaves it. So much for each of a few counts would be most of the work that a quiet bucket makes, and
most of these sums nobody would ever ask for: of buckets with few counts each row keeps a history
instead, which is summed up when the row is looked at.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from detectors.bank import FloatArray, IntArray

_ROWS_MIN = 256
_FEW = 32
"""Counts of a bucket that go into histories, so these hold at most so many times the longest
window."""
_BEFORE_ALL = -(1 << 62)


class _Busy(NamedTuple):
    """Counts of a bucket that are in the sums."""

    bucket: int
    rows: IntArray
    counts: FloatArray


class _Quiet(NamedTuple):
    """A bucket whose counts are in the histories of these rows."""

    bucket: int
    rows: list[int]


class _History(NamedTuple):
    """Counts of one row: their buckets, and running totals, each after what has left."""

    buckets: list[int]
    totals: list[float]


class WindowSums:
    """For each row the sums over windows that end with the bucket to come, without that bucket.

    Args:
        spans: lengths of the windows in buckets, ascending.
    """

    def __init__(self, spans: list[int]) -> None:
        self._spans = spans
        # Of the busy buckets, shape (capacity, windows).
        self._sums = np.zeros((_ROWS_MIN, len(spans)))
        self._busy: deque[_Busy] = deque()
        # For each window, how many of the busy buckets have left it.
        self._left = [0] * len(spans)
        self._quiet: deque[_Quiet] = deque()
        self._histories: dict[int, _History] = {}
        self._swept = -1

    def resize(self, rows: int) -> None:
        """Make room for ``rows`` rows."""
        if rows > len(self._sums):
            more = max(len(self._sums), rows - len(self._sums))
            self._sums = np.concatenate([self._sums, np.zeros((more, len(self._spans)))])

    def keep(self, rows: IntArray, count: int) -> None:
        """Forget all of ``count`` rows but these; ``rows[i]`` becomes row ``i``."""
        new = np.full(count, -1, dtype=np.int64)
        new[rows] = np.arange(len(rows))
        self._sums[: len(rows)] = self._sums[rows]
        self._sums[len(rows) : count] = 0.0
        for number, busy in enumerate(self._busy):
            moved = new[busy.rows]
            live = moved >= 0
            self._busy[number] = _Busy(busy.bucket, moved[live], busy.counts[live])
        place = new.tolist()
        for number, quiet in enumerate(self._quiet):
            left = [place[row] for row in quiet.rows if place[row] >= 0]
            self._quiet[number] = _Quiet(quiet.bucket, left)
        kept = ((place[row], history) for row, history in self._histories.items())
        self._histories = {row: history for row, history in kept if row >= 0}

    # -- what changes ----------------------------------------------------------------------------

    def add(self, bucket: int, rows: IntArray, counts: FloatArray) -> None:
        """Add the counts of a bucket, newer than all before, to distinct rows."""
        self.catch_up(bucket)
        if len(rows) > _FEW:
            self._busy.append(_Busy(bucket, rows, counts))
            self._sums[rows] += counts[:, None]
        elif len(rows):
            quiet, histories = _Quiet(bucket, rows.tolist()), self._histories
            self._quiet.append(quiet)
            for row, count in zip(quiet.rows, counts.tolist(), strict=True):
                if row not in histories:
                    histories[row] = _History([_BEFORE_ALL], [0.0])
                buckets, totals = histories[row]
                buckets.append(bucket)
                totals.append(totals[-1] + count)

    def catch_up(self, bucket: int) -> None:
        """Take out of each window what has left it when ``bucket`` comes; time only goes on."""
        if bucket <= self._swept:
            return
        self._swept = bucket
        if self._busy:
            self._take_out_busy(bucket)
        dead, quiet, histories = bucket - self._spans[-1], self._quiet, self._histories
        while quiet and quiet[0].bucket <= dead:
            for row in quiet.popleft().rows:
                buckets, totals = histories[row]
                del buckets[0], totals[0]
                if len(buckets) == 1:
                    del histories[row]

    def _take_out_busy(self, bucket: int) -> None:
        busy, left = self._busy, self._left
        for k, span in enumerate(self._spans):
            dead = bucket - span
            while left[k] < len(busy) and busy[left[k]].bucket <= dead:
                _, rows, counts = busy[left[k]]
                self._sums[rows, k] -= counts
                left[k] += 1
        gone = left[-1]
        for _ in range(gone):
            busy.popleft()
        self._left = [n - gone for n in left]

    # -- what is asked ---------------------------------------------------------------------------

    def many(self, rows: IntArray) -> FloatArray:
        """Sums over all windows, shape (rows, windows)."""
        sums: FloatArray = self._sums[rows]
        for i, row in self._with_history(rows):
            sums[i] += self._of_history(row)
        return sums

    def longest_of_many(self, rows: IntArray) -> FloatArray:
        """Sums over the longest window, shape (rows,)."""
        sums: FloatArray = self._sums[rows, -1]
        for i, row in self._with_history(rows):
            totals = self._histories[row].totals
            sums[i] += totals[-1] - totals[0]
        return sums

    def _with_history(self, rows: IntArray) -> list[tuple[int, int]]:
        """Places and numbers of those of the rows that have a history."""
        histories = self._histories
        if not histories:
            return []
        return [(i, row) for i, row in enumerate(rows.tolist()) if row in histories]

    def one(self, row: int) -> list[float]:
        """Sums over all windows of one row: many times as fast."""
        if not self._busy:
            return self._of_history(row)
        return [a + b for a, b in zip(self._sums[row].tolist(), self._of_history(row), strict=True)]

    def longest_of_one(self, row: int) -> float:
        """Sum over the longest window of one row."""
        busy = self._sums.item(row, -1) if self._busy else 0.0
        history = self._histories.get(row)
        if history is None:
            return busy
        totals = history[1]
        return busy + totals[-1] - totals[0]

    def _of_history(self, row: int) -> list[float]:
        spans, history = self._spans, self._histories.get(row)
        if history is None:
            return [0.0] * len(spans)
        buckets, totals = history
        now, total = self._swept, totals[-1]
        # The shortest windows begin after all of them.
        empty = bisect_right(spans, now - buckets[-1])
        sums = [total - totals[bisect_right(buckets, now - span) - 1] for span in spans[empty:]]
        return [0.0] * empty + sums
