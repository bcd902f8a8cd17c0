"""The lower bound: what a test needs that knows the baseline, the start and the shape of a wave.

The cumulative Poisson log-likelihood ratio of a series, of "the wave began at t0" against "nothing
began": the sum over buckets since t0 of ``n ln(1 + s/b) - s``, with n fresh users, b expected
usually and s expected on top. No test that keeps to the same false-alarm rate is faster on average
(Lorden, Annals of Mathematical Statistics 42, 1971; Moustakides, Annals of Statistics 14, 1986).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.detection.plan import HALF_LIFE_HOURS, RISE_HOURS_MAX, TAG_SHARE, start_ms
from detectors.series import hashtag_key, pair_key, region_key

if TYPE_CHECKING:
    from benchmarks.detection.counts import Counts, Floats, Ints
    from benchmarks.detection.usual import Baseline
    from streams.simulate import Wave
    from streams.simulate.world import World

HORIZON_HOURS = 6.0
"""How far back the starts of the test on quiet series lie, at most."""
START_MINUTES = 5.0
"""How far apart they lie, if buckets are shorter."""
GRID_PEAKS = (3.0, 24.0, 190.0, 1_500.0)
GRID_DOUBLINGS = (15.0, 60.0, 240.0)


@dataclass(frozen=True)
class Shape:
    """Growth, peak and fall of a wave, all origins together.

    Attributes:
        peak: new users an hour at the peak.
        doubling_minutes: before it.
        doublings: from the start to the peak.
        half_life_hours: after it.
    """

    peak: float
    doubling_minutes: float
    doublings: float
    half_life_hours: float

    def users(self, hours: Floats) -> Floats:
        """New users expected from the start until so many hours later, as the simulator draws."""
        minute = np.arange(int(np.ceil(max(float(hours.max(initial=0.0)), 0.0) * 60)) + 1)
        rise = self.doubling_minutes * self.doublings
        rate = np.where(
            minute < rise,
            2.0 ** ((minute - rise) / self.doubling_minutes),
            2.0 ** ((rise - minute) / (self.half_life_hours * 60.0)),
        )
        total = np.concatenate([[0.0], np.cumsum(rate)]) * self.peak / 60.0
        return np.asarray(np.interp(hours * 60.0, np.arange(len(total)), total))


# -- a wave -----------------------------------------------------------------------------------


def series_of(wave: Wave) -> dict[str, list[tuple[float, float]]]:
    """The series a wave shows in; of each the parts of the wave: share and lag in minutes."""
    total = sum(origin.weight for origin in wave.origins)
    parts: dict[str, list[tuple[float, float]]] = {}
    for origin in wave.origins:
        share = origin.weight / total
        parts.setdefault("all", []).append((share, origin.lag_minutes))
        parts.setdefault(region_key(origin.region), []).append((share, origin.lag_minutes))
        for tag in wave.tags:
            tagged = (share * tag.share, origin.lag_minutes)
            parts.setdefault(hashtag_key(tag.name), []).append(tagged)
            parts.setdefault(pair_key(origin.region, tag.name), []).append(tagged)
    return parts


def shape_of(wave: Wave, peak: float) -> Shape:
    """The shape of a wave of ``peak`` new users an hour."""
    return Shape(peak, wave.doubling_minutes, wave.doublings, wave.half_life_hours)


def evidence(
    wave: Wave, peak: float, world: World, counts: Counts, baseline: Baseline
) -> tuple[int, Floats, list[str]]:
    """The log-likelihood ratio of the wave's series, from its start on.

    Returns:
        The bucket it starts in, the ratios, shape (series, buckets from there), and the series.
    """
    shape = shape_of(wave, peak)
    begin = start_ms(wave, world) / 60_000.0 / counts.minutes
    first = int(begin)
    length = counts.last - first + 1
    edges = (np.arange(length + 1) + first - begin) / counts.per_hour
    keys, ratios = [], []
    for key, parts in series_of(wave).items():
        extra = sum(
            share * np.diff(shape.users(np.maximum(edges - lag / 60.0, 0.0)))
            for share, lag in parts
        )
        seen = np.zeros(length)
        row = counts.rows_of.get(key)
        if row is not None:
            low = np.searchsorted(counts.bucket, first)
            mine = low + np.flatnonzero(counts.row[low:] == row)
            seen[counts.bucket[mine] - first] = counts.fresh[mine]
        usual = baseline.expected(key, counts)[first - counts.first :]
        keys.append(key)
        ratios.append(np.cumsum(seen * np.log1p(extra / usual) - extra))
    return first, np.array(ratios), keys


# -- the same test on quiet series -------------------------------------------------------------


def grid() -> list[Shape]:
    """Shapes for which the threshold is found; between them it is interpolated."""
    return [
        Shape(
            peak * TAG_SHARE,
            doubling,
            min(6.0, RISE_HOURS_MAX * 60.0 / doubling),
            HALF_LIFE_HOURS,
        )
        for peak in GRID_PEAKS
        for doubling in GRID_DOUBLINGS
    ]


def between(table: Floats, peak: float, doubling: float) -> float:
    """A value for a wave, from those of ``grid()`` in their order: linear in the logarithms."""
    values = table.reshape(len(GRID_PEAKS), len(GRID_DOUBLINGS))
    column = [np.interp(np.log(doubling), np.log(GRID_DOUBLINGS), row) for row in values]
    return float(np.interp(np.log(peak), np.log(GRID_PEAKS), column))


@dataclass(frozen=True)
class QuietEvents:
    """Events of quiet series that may matter, sorted by series and bucket.

    Attributes:
        bucket: since the world's first, shape (n,).
        row: shape (n,).
        fresh: shape (n,).
        usual: expected fresh users, shape (n,).
    """

    bucket: Ints
    row: Ints
    fresh: Floats
    usual: Floats


def quiet_events(counts: Counts, baseline: Baseline) -> QuietEvents:
    """Leave out single users who are alone in their series for hours: they prove no wave."""
    horizon = round(HORIZON_HOURS * counts.per_hour)
    order = np.lexsort((counts.bucket, counts.row))
    row, bucket, fresh = counts.row[order], counts.bucket[order], counts.fresh[order]
    near = (row[1:] == row[:-1]) & (bucket[1:] - bucket[:-1] <= horizon)
    kept = (fresh > 1) | np.r_[False, near] | np.r_[near, False]
    at = order[kept]
    return QuietEvents(
        bucket[kept] - counts.first, row[kept], fresh[kept], baseline.of_events(counts, at)
    )


def quiet_peaks(counts: Counts, events: QuietEvents, shape: Shape) -> Floats:
    """The largest ratio over all series and starts, at each bucket, shape (buckets,)."""
    stride = max(1, round(START_MINUTES / counts.minutes))
    lags = round(HORIZON_HOURS * counts.per_hour) // stride
    edges = np.arange((lags + 1) * stride + 1) / counts.per_hour
    users = shape.users(edges)
    extra, total = np.diff(users).astype(np.float32), users[1:].astype(np.float32)
    peaks = np.full(counts.buckets, -np.inf)
    new = np.r_[True, events.row[1:] != events.row[:-1]]
    begin = np.flatnonzero(new)
    size = np.diff(np.r_[begin, len(events.row)])
    by_size = np.argsort(-size, kind="stable")
    begin, size = begin[by_size], size[by_size]
    state = np.zeros((len(begin), lags), dtype=np.float32)
    before = np.zeros(len(begin), dtype=np.int64)
    lag = np.arange(lags)
    for rank in range(int(size[0]) if len(size) else 0):
        live = int(np.searchsorted(-size, -rank))
        at = begin[:live] + rank
        start, within = np.divmod(events.bucket[at], stride)
        elapsed = lag * stride + within[:, None]
        gain = events.fresh[at, None].astype(np.float32) * np.log1p(
            extra[elapsed] / events.usual[at, None].astype(np.float32)
        )
        if rank:
            moved = lag - (start - before[:live])[:, None]
            kept = np.take_along_axis(state[:live], np.maximum(moved, 0), axis=1)
            gain += np.where(moved >= 0, kept, np.float32(0.0))
        state[:live], before[:live] = gain, start
        np.maximum.at(peaks, events.bucket[at], (gain - total[elapsed]).max(axis=1))
    return peaks
