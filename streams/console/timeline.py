"""Series rows, folded as they stream past into few enough steps to draw.

A replay of a year writes millions of rows; the report needs some hundred points of a few series.
Every track starts at the bucket's own length and widens its steps whenever it would span too
many of them, so memory is bounded by the number of tracks, never by the length of the log.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from streams.console.phrases import epoch_ms

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

STEPS_ALL = 600
STEPS_REGION = 120
STEPS_WINDOW = 240
REGIONS_TRACKED = 700
"""All two-letter codes; what lies beyond is counted in ``regions_untracked``."""

_MINUTE_MS = 60_000
_WIDTHS_MS = tuple(_MINUTE_MS * minutes for minutes in (1, 5, 10, 30, 60, 120, 360, 720, 1440))
_WIDEN_MAX = 6


@dataclass(frozen=True, slots=True)
class Step:
    """One point of a time line.

    Attributes:
        at_ms: start, milliseconds since 1970 UTC.
        minutes: length.
        observed: fresh users in the step.
        expected: fresh users expected in the step.
        upper: upper edge of what would be usual in the step.
    """

    at_ms: int
    minutes: float
    observed: float
    expected: float
    upper: float

    @property
    def end_ms(self) -> int:
        """End of the step, exclusive."""
        return self.at_ms + round(self.minutes * _MINUTE_MS)

    def scaled(self, minutes: float) -> Step:
        """The same rate over another length, from the same start.

        The band's width grows with the square root of time, as noise of independent buckets does.
        """
        factor = minutes / self.minutes
        expected = self.expected * factor
        margin = (self.upper - self.expected) * math.sqrt(factor)
        return Step(self.at_ms, minutes, self.observed * factor, expected, expected + margin)

    def split(self, minutes: float) -> list[Step]:
        """The step as steps of ``minutes`` one after another, the last of which may overhang.

        A longer step stands for a slope: neither for a jump of its size nor for a hole.
        """
        piece = self.scaled(minutes)
        width_ms = max(1, round(minutes * _MINUTE_MS))
        starts = range(self.at_ms, max(self.end_ms, self.at_ms + 1), width_ms)
        return [replace(piece, at_ms=at_ms) for at_ms in starts]


@dataclass(frozen=True, slots=True)
class Window:
    """The part of one series that is kept in detail, from ``start_ms`` until before ``end_ms``."""

    series: str
    start_ms: int
    end_ms: int


@dataclass(slots=True)
class _Bin:
    observed: float = 0.0
    expected: float = 0.0
    variance: float = 0.0
    minutes: float = 0.0

    def add(self, observed: float, expected: float, variance: float, minutes: float) -> None:
        self.observed += observed
        self.expected += expected
        self.variance += variance
        self.minutes += minutes


def _wider(width_ms: int) -> int:
    """The next length of a step: one that people name, where it is a small multiple.

    Depends on ``width_ms`` alone, so that tracks of one bucket length stay multiples of another.
    """
    named = (width for width in _WIDTHS_MS if width > width_ms and width % width_ms == 0)
    width = next(named, 2 * width_ms)
    return width if width <= _WIDEN_MAX * width_ms else 2 * width_ms


class _Track:
    """Bins of one series; each of their widths is a multiple of the one before."""

    def __init__(self, steps_max: int) -> None:
        self.steps_max = steps_max
        self.width_ms = 0
        self.bins: dict[int, _Bin] = {}
        self._first = 0
        self._last = 0

    def add(self, at_ms: int, minutes: float, row: Mapping[str, Any]) -> None:
        if not self.bins:
            self.width_ms = max(1, round(minutes * _MINUTE_MS))
            self._first = self._last = at_ms // self.width_ms
        index = at_ms // self.width_ms
        self._first = min(self._first, index)
        self._last = max(self._last, index)
        while self._last - self._first >= self.steps_max:
            index //= self._widen()
        held = self.bins.get(index)
        if held is None:
            held = self.bins[index] = _Bin()
        margin = row["upper"] - row["expected"]
        held.add(row["observed"], row["expected"], margin * margin, minutes)

    def _widen(self) -> int:
        """Fold neighbouring bins; return how many make one now."""
        factor = _wider(self.width_ms) // self.width_ms
        self.width_ms *= factor
        self._first //= factor
        self._last //= factor
        wide: dict[int, _Bin] = {}
        for index, old in self.bins.items():
            target = wide.setdefault(index // factor, _Bin())
            target.add(old.observed, old.expected, old.variance, old.minutes)
        self.bins = wide
        return factor

    def _minutes(self, index: int) -> float:
        """Minutes of a bin for which there were data.

        A bucket in which nobody came has no row: it is a zero, unless there is no row in all of
        the bin. Before the first row and after the last one there is nothing.
        """
        held = self.bins.get(index)
        if held is None:
            return 0.0
        return self.width_ms / _MINUTE_MS if self._first < index < self._last else held.minutes

    def covered_minutes(self, start_ms: int, width_ms: int) -> float:
        """Minutes between ``start_ms`` and ``width_ms`` later for which there were data."""
        if not self.bins:
            return 0.0
        first = start_ms // self.width_ms
        if width_ms < self.width_ms:
            return self._minutes(first) * width_ms / self.width_ms
        return sum(map(self._minutes, range(first, first + width_ms // self.width_ms)))

    def steps(self, coverage: _Track | None) -> list[Step]:
        """The bins in order; with ``coverage``, where it has data and this has none is zero."""
        found = []
        expected = variance = 0.0
        width = self.width_ms / _MINUTE_MS
        for index in range(self._first, self._last + 1) if self.bins else ():
            start_ms = index * self.width_ms
            held = self.bins.get(index)
            covered = self._minutes(index)
            if coverage is not None:
                covered = max(covered, coverage.covered_minutes(start_ms, self.width_ms))
            if covered <= 0:
                continue
            if held is not None:
                expected = held.expected / held.minutes
                variance = held.variance / held.minutes
            usual = expected * width
            observed = held.observed * width / covered if held else 0.0
            upper = usual + math.sqrt(variance * width)
            found.append(Step(start_ms, width, observed, usual, upper))
        return found


@dataclass(frozen=True, slots=True)
class RegionTotal:
    """Fresh users of one region over the whole log, and how they spread over time."""

    region: str
    fresh_users: float
    steps: list[Step]


class SeriesAccumulator:
    """Takes series rows one by one and keeps what the report draws, in bounded memory.

    Kept are ``all`` in at most ``STEPS_ALL`` steps, every region in ``STEPS_REGION``, and each
    of ``windows`` in ``STEPS_WINDOW``. Rows may come in any order.

    Attributes:
        rows: rows seen.
        regions_untracked: rows of regions beyond ``REGIONS_TRACKED``.
    """

    def __init__(self, windows: Iterable[Window] = ()) -> None:
        self.rows = 0
        self.regions_untracked = 0
        self._all = _Track(STEPS_ALL)
        self._regions: dict[str, _Track] = {}
        self._windows: dict[str, list[tuple[Window, _Track]]] = {}
        for window in windows:
            self._windows.setdefault(window.series, []).append((window, _Track(STEPS_WINDOW)))
        self._at = ""
        self._at_ms = 0

    def add(self, row: Mapping[str, Any]) -> None:
        """Take one row of a series file (see the series schema)."""
        self.rows += 1
        series: str = row["series"]
        windows = self._windows.get(series, ())
        in_region = series.startswith("region/")
        if not (windows or in_region or series == "all"):
            return
        if row["at"] != self._at:  # rows of one bucket follow each other, so parse its time once
            self._at = row["at"]
            self._at_ms = epoch_ms(self._at)
        if series == "all":
            self._all.add(self._at_ms, row["minutes"], row)
        elif in_region:
            self._add_region(series, row)
        for window, track in windows:
            if window.start_ms <= self._at_ms < window.end_ms:
                track.add(self._at_ms, row["minutes"], row)

    def _add_region(self, series: str, row: Mapping[str, Any]) -> None:
        track = self._regions.get(series)
        if track is None:
            if len(self._regions) >= REGIONS_TRACKED:
                self.regions_untracked += 1
                return
            track = self._regions[series] = _Track(STEPS_REGION)
        track.add(self._at_ms, row["minutes"], row)

    def all_steps(self) -> list[Step]:
        """The time line of ``all``; steps without data are absent."""
        return self._all.steps(None)

    def window_steps(self, window: Window) -> list[Step]:
        """The time line of one of the windows given at the start; empty when no row fell in it."""
        for known, track in self._windows.get(window.series, ()):
            if known == window:
                fill = self._all if window.series.startswith("region/") else None
                return track.steps(fill)
        return []

    def top_regions(self, most: int) -> list[RegionTotal]:
        """The regions with the most fresh users, largest first."""
        totals = {
            series: sum(held.observed for held in track.bins.values())
            for series, track in self._regions.items()
        }
        ranked = sorted(totals, key=lambda series: (-totals[series], series))
        return [
            RegionTotal(
                region=series.removeprefix("region/"),
                fresh_users=totals[series],
                steps=self._regions[series].steps(self._all),
            )
            for series in ranked[:most]
        ]

    @property
    def regions(self) -> int:
        """How many regions had rows, up to the limit."""
        return len(self._regions)
