"""What every series of a simulated world brings usually, as the simulator knows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmarks.detection.counts import UNKNOWN
from benchmarks.detection.worlds import region_posts
from detectors.series import parse_key
from streams.simulate.background import STEP_MS
from streams.simulate.regions import INDEX, NO_REGION

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.detection.counts import Counts, Floats, Ints
    from streams.simulate.world import World

FLOOR_PER_HOUR = 0.1
"""Least fresh users an hour that a series is taken to bring, since nothing is known of most
hashtags. Of 0.003, 0.01, 0.03, 0.1, 0.3 and 1 it gives the lowest bound on worlds of 0.4 and 2
posts/s: with less, five friends and their new hashtag set a threshold that delays all waves."""

SETTLED_HOURS = 24
"""Before that every regular user looks fresh."""
SHRUNK_POSTS = 200.0
"""Posts that an hour of the day must have in quiet worlds for its own share of fresh users to weigh
as much as that of the whole day."""
STEP_HOURS = STEP_MS / 3_600_000.0


class Baseline:
    """Fresh users that every series brings usually, as known to the simulator.

    Posts of a region in each half hour are the simulator's own law; how many of them are by fresh
    users is counted in quiet worlds, by region and hour of day. A pair has its mean over all quiet
    worlds, with its region's rhythm; since a user has one region, a hashtag is the sum of its
    pairs, and ``all`` the sum of the regions.

    Args:
        world: any world of this size and length.
        quiet: fresh users of quiet worlds.
    """

    def __init__(self, world: World, quiet: Iterable[Counts]) -> None:
        posts = region_posts(world)
        regions, steps = posts.shape
        settled = np.arange(steps) * STEP_HOURS >= SETTLED_HOURS
        hour = (np.arange(steps) * STEP_HOURS).astype(np.int64) % 24
        fresh = np.zeros((regions, 24))
        pairs: dict[str, float] = {}
        hours = 0.0
        for counts in quiet:
            hours += counts.buckets / counts.per_hour - SETTLED_HOURS
            _add(counts, fresh, pairs)
        written = np.stack(
            [posts[:, settled & (hour == h)].mean(axis=1) * hours / 24.0 for h in range(24)], axis=1
        )
        share = fresh.sum(axis=1) / np.maximum(written.sum(axis=1), 1e-9)
        of_hour = (fresh + SHRUNK_POSTS * share[:, None]) / (written + SHRUNK_POSTS)
        self._region = posts * of_hour[:, hour]
        mean = self._region[:, settled].mean(axis=1, keepdims=True)
        self._profile = self._region / np.maximum(mean, 1e-12)
        self._pairs = {key: total / hours for key, total in pairs.items()}
        self._hashtags: dict[str, Floats] = {}
        for key, rate in self._pairs.items():
            _, region, tag = parse_key(key)
            weights = self._hashtags.setdefault(tag or "", np.zeros(regions))
            weights[_number(region or UNKNOWN)] += rate

    def hourly(self, key: str) -> Floats:
        """Expected fresh users an hour in each half hour of the world, without the floor."""
        level, region, tag = parse_key(key)
        if level == "all":
            return np.asarray(self._region.sum(axis=0))
        if level == "region":
            return np.asarray(self._region[_number(region or UNKNOWN)])
        if level == "pair":
            profile = self._profile[_number(region or UNKNOWN)]
            return np.asarray(profile * self._pairs.get(key, 0.0))
        weights = self._hashtags.get(tag or "")
        return np.zeros(self._profile.shape[1]) if weights is None else weights @ self._profile

    def expected(self, key: str, counts: Counts) -> Floats:
        """Expected fresh users of a series in each bucket of a world, shape (buckets,)."""
        hourly = np.maximum(self.hourly(key), FLOOR_PER_HOUR)
        return np.asarray(hourly[_steps(counts, np.arange(counts.buckets))] / counts.per_hour)

    def of_events(self, counts: Counts, at: Ints) -> Floats:
        """Expected fresh users of the series and bucket of some events, shape (n,)."""
        step, row = _steps(counts, counts.bucket[at] - counts.first), counts.row[at]
        result = np.empty(len(at))
        used, place = np.unique(row, return_inverse=True)
        order = np.argsort(place, kind="stable")
        ends = np.cumsum(np.bincount(place))
        for i, key in enumerate(counts.keys[r] for r in used.tolist()):
            mine = order[ends[i - 1] if i else 0 : ends[i]]
            result[mine] = self.hourly(key)[step[mine]]
        return np.maximum(result, FLOOR_PER_HOUR) / counts.per_hour


def _add(counts: Counts, fresh: Floats, pairs: dict[str, float]) -> None:
    """Add the fresh users of a quiet world to those by region and hour, and by pair."""
    since = counts.first + SETTLED_HOURS * counts.per_hour
    late = counts.bucket >= since
    totals = np.bincount(counts.row[late], counts.fresh[late], len(counts.keys))
    place = np.full(len(counts.keys), -1)
    for row, key in enumerate(counts.keys):
        if key.startswith("region/"):
            place[row] = _number(key.removeprefix("region/"))
        elif key.startswith("pair/") and totals[row]:
            pairs[key] = pairs.get(key, 0.0) + float(totals[row])
    at = place[counts.row]
    mine = late & (at >= 0)
    when = (counts.bucket[mine] - counts.first) // counts.per_hour % 24
    np.add.at(fresh, (at[mine], when), counts.fresh[mine])


def _steps(counts: Counts, since_first: Ints) -> Ints:
    """The half hour of each bucket's middle."""
    return np.asarray((since_first + 0.5) / counts.per_hour / STEP_HOURS).astype(np.int64)


def _number(region: str) -> int:
    return INDEX[NO_REGION if region == UNKNOWN else region]
