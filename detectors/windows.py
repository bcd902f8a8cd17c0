"""Sums of counts over several windows that end together, for many rows, updated by what changes."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from detectors.bank import FloatArray, IntArray

_ROWS_MIN = 256
_FEW = 16
"""Up to so many rows are taken out one by one: an array operation costs as much as ten of them."""


class _Event(NamedTuple):
    """Counts of one bucket, and where they are among the flat sums if they are few."""

    bucket: int
    rows: IntArray
    counts: FloatArray
    few: list[tuple[int, Any]] | None


class WindowSums:
    """For each row the sums over windows that end with the bucket to come, without that bucket.

    A count is added to all windows at once and taken out of each when it leaves it, so a bucket
    costs what happened in it and not what is remembered.

    Args:
        spans: lengths of the windows in buckets, ascending.

    Attributes:
        sums: shape (capacity, windows).
        flat: the same as a flat view, for single rows.
    """

    def __init__(self, spans: list[int]) -> None:
        self.spans = spans
        self.sums = np.zeros((_ROWS_MIN, len(spans)))
        self.flat = self.sums.reshape(-1).data
        self._events: deque[_Event] = deque()
        self._left = [0] * len(spans)
        self._swept = -1

    def __getstate__(self) -> dict[str, Any]:
        """Without the view, which cannot be copied."""
        return {name: value for name, value in self.__dict__.items() if name != "flat"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take a copied state, and look at its sums anew."""
        self.__dict__.update(state)
        self.flat = self.sums.reshape(-1).data

    def resize(self, rows: int) -> None:
        """Make room for ``rows`` rows."""
        if rows > len(self.sums):
            more = max(len(self.sums), rows - len(self.sums))
            self.sums = np.concatenate([self.sums, np.zeros((more, len(self.spans)))])
            self.flat = self.sums.reshape(-1).data

    def keep(self, rows: IntArray, count: int) -> None:
        """Forget all of ``count`` rows but these; ``rows[i]`` becomes row ``i``."""
        new = np.full(count, -1, dtype=np.int64)
        new[rows] = np.arange(len(rows))
        self.sums[: len(rows)] = self.sums[rows]
        self.sums[len(rows) : count] = 0.0
        kept: deque[_Event] = deque()
        for event in self._events:
            moved = new[event.rows]
            live = moved >= 0
            kept.append(self._event(event.bucket, moved[live], event.counts[live]))
        self._events = kept

    def _event(self, bucket: int, rows: IntArray, counts: FloatArray) -> _Event:
        few = None
        if len(rows) <= _FEW:
            places = (rows * len(self.spans)).tolist()
            few = list(zip(places, counts.tolist(), strict=True))
        return _Event(bucket, rows, counts, few)

    def add(self, bucket: int, rows: IntArray, counts: FloatArray) -> None:
        """Add the counts of a bucket, newer than all before, to distinct rows."""
        self.catch_up(bucket)
        if len(rows):
            self._events.append(self._event(bucket, rows, counts))
            self.sums[rows] += counts[:, None]

    def catch_up(self, bucket: int) -> None:
        """Take out of each window what has left it when ``bucket`` comes; time only goes on."""
        if bucket <= self._swept:
            return
        self._swept = bucket
        events, left, flat = self._events, self._left, self.flat
        count_of_events = len(events)
        for k, window in enumerate(self.spans):
            dead = bucket - window
            i = left[k]
            while i < count_of_events and events[i].bucket <= dead:
                event = events[i]
                if event.few is None:
                    self.sums[event.rows, k] -= event.counts
                else:
                    for place, count in event.few:
                        flat[place + k] -= count
                i += 1
            left[k] = i
        gone = left[-1]
        if gone:
            for _ in range(gone):
                events.popleft()
            self._left = [i - gone for i in left]
