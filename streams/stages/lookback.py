"""The last hours of merged buckets, from which an episode learns what came before its alarm."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from detectors.bank import FloatArray
    from streams.stages.merge import Table


SERIES_ROWS = 8
CHARS_A_ROW = 3
"""A series costs its key: some hundred bytes, as much as eight rows, and up to four a letter."""


class Past(NamedTuple):
    """One closed bucket: its table, the fresh users of each of its series, its size in rows."""

    bucket: int
    table: Table
    fresh: FloatArray
    size: int


class Lookback:
    """A bounded queue of past buckets.

    Args:
        buckets_max: how far back it reaches.
        rows_max: rows of all tables together, a series counting as ``SERIES_ROWS``; the oldest
            buckets go first.
    """

    def __init__(self, buckets_max: int, rows_max: int) -> None:
        self.buckets_max = buckets_max
        self.rows_max = rows_max
        self._past: deque[Past] = deque()
        self._rows = 0

    def add(self, bucket: int, table: Table, fresh: FloatArray) -> None:
        """Append a bucket, newer than all before, and drop what is too old or too much."""
        past = self._past
        past.append(Past(bucket, table, fresh, _size(table)))
        self._rows += past[-1].size
        while past[0].bucket <= bucket - self.buckets_max or (
            self._rows > self.rows_max and len(past) > 1
        ):
            self._rows -= past.popleft().size

    def restore(self, other: Lookback) -> None:
        """Take over another's buckets; what is beyond this one's limits goes with the next."""
        self._past, self._rows = other._past, other._rows

    def since(self, bucket: int) -> Iterator[Past]:
        """The buckets from ``bucket`` on, oldest first; empty ones are absent."""
        return (past for past in self._past if past.bucket >= bucket)

    def counts(self, series: str, first: int, last: int) -> FloatArray:
        """Fresh users of a series in buckets ``first`` to ``last``, shape (last - first + 1,)."""
        counts = np.zeros(last - first + 1)
        for past in self.since(first):
            if past.bucket > last:
                break
            i = past.table.find(series)
            if i is not None:
                counts[past.bucket - first] = past.fresh[i]
        return counts


def _size(table: Table) -> int:
    chars = sum(map(len, table.series))
    return len(table.user) + SERIES_ROWS * len(table.series) + chars // CHARS_A_ROW
