"""Does the budget hold? Counts of quiet series, drawn directly, and the false incidents they give.

Pairs of regions and hashtags are drawn; regions, hashtags and ``all`` are their sums, as in real
life, where one burst lifts several series at once. The bank is driven as the detect stage drives
it: score, episodes that end after an hour of calm, learn. Episodes that share a region or a hashtag
are one incident.

    python -m benchmarks.detection.quiet [--kind daily] [--regions 8] [--tags 100] [--weeks 25] …
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from detectors.catalog import BankContext, make_bank
from detectors.episode import CALM_SHARE

if TYPE_CHECKING:
    from detectors.bank import Bank

KINDS = ("flat", "daily", "weekly", "bursty")
HOURS_A_WEEK = 168
FIRST_HOUR = 482_496
"""A Thursday's midnight."""


@dataclass(frozen=True, slots=True)
class World:
    """A quiet world.

    Attributes:
        kind: rhythm: ``flat``; ``daily``, each region in its own time zone; ``weekly``, with
            weekends besides; ``bursty``, weekly and each pair's hour times a gamma factor of
            variance 0.1.
        regions: number of regions.
        tags: number of hashtags.
        users_an_hour: mean fresh users an hour of ``all``.
        bucket_minutes: length of a bucket.
        weeks: length without the week before, in which nothing is counted.
        budget: false incidents a week.
        seed: of all draws.
    """

    kind: str
    regions: int
    tags: int
    users_an_hour: float
    bucket_minutes: int
    weeks: int
    budget: float
    seed: int


@dataclass
class Outcome:
    """What a world gave.

    Attributes:
        opened: bucket and rows of each incident, from the first counted week on.
        weeks: number of weeks counted.
    """

    weeks: int
    opened: list[tuple[int, set[int]]] = field(default_factory=list)
    levels: dict[str, int] = field(default_factory=dict)


class Series:
    """Rows of ``all``, regions, hashtags and pairs, and how they are related."""

    def __init__(self, regions: int, tags: int) -> None:
        self.regions, self.tags = regions, tags
        first_pair = 1 + regions + tags
        pair_region = np.repeat(np.arange(regions), tags)
        self.parents = np.concatenate([[-1], np.zeros(regions + tags), 1 + pair_region]).astype(
            np.int64
        )
        self.rows = first_pair + regions * tags

    def links(self, row: int) -> frozenset[int]:
        """The region and hashtag of a row, as rows; empty for ``all``."""
        if row == 0:
            return frozenset()
        if row < 1 + self.regions + self.tags:
            return frozenset({row})
        region, tag = divmod(row - 1 - self.regions - self.tags, self.tags)
        return frozenset({1 + region, 1 + self.regions + tag})

    def level(self, row: int) -> str:
        """Name of the row's level."""
        if row == 0:
            return "all"
        if row <= self.regions:
            return "region"
        return "hashtag" if row <= self.regions + self.tags else "pair"

    def counts(self, pairs: np.ndarray) -> np.ndarray:
        """Counts of all rows from those of the pairs, shape (regions, tags)."""
        by_region, by_tag = pairs.sum(axis=1), pairs.sum(axis=0)
        return np.concatenate([[by_region.sum()], by_region, by_tag, pairs.reshape(-1)])


def rhythm(world: World, rng: np.random.Generator) -> np.ndarray:
    """Factors of each region's rate by hour of the week, mean 1, shape (regions, 168)."""
    hour = np.arange(HOURS_A_WEEK)
    if world.kind == "flat":
        return np.ones((world.regions, HOURS_A_WEEK))
    zone = rng.integers(0, 24, size=(world.regions, 1))
    local = (hour[None, :] + zone) % HOURS_A_WEEK
    depth = rng.uniform(0.5, 0.9, size=(world.regions, 1))
    angle = 2.0 * math.pi * (local % 24) / 24.0
    factors = 1.0 + depth * (0.8 * np.sin(angle) + 0.2 * np.sin(2.0 * angle + 1.0))
    if world.kind != "daily":
        weekend = rng.uniform(0.6, 1.6, size=(world.regions, 1))
        factors = np.where((local // 24 == 2) | (local // 24 == 3), factors * weekend, factors)
    return factors / factors.mean(axis=1, keepdims=True)


def zipf(n: int) -> np.ndarray:
    """Shares that fall with the rank, summing to 1."""
    shares = 1.0 / np.arange(1, n + 1)
    return np.asarray(shares / shares.sum())


def run(world: World, factor: float = 1.0) -> Outcome:
    """Drive the default bank through a world; ``factor`` scales thresholds, for studies."""
    rng = np.random.default_rng(world.seed)
    series = Series(world.regions, world.tags)
    mix = zipf(world.regions)[:, None] * zipf(world.tags)[None, :]
    mean = world.users_an_hour * mix * (world.bucket_minutes / 60.0)
    factors = rhythm(world, rng)
    per_hour = round(60 / world.bucket_minutes)
    bank = make_bank(
        "scan",
        {},
        context=BankContext(
            bucket_minutes=world.bucket_minutes,
            false_incidents_per_week=world.budget,
            min_users=5,
            fresh_for_buckets=6 * per_hour,
        ),
    )
    bank.resize(series.parents)
    first, tests = FIRST_HOUR * per_hour, 0
    outcome = Outcome(world.weeks)
    watch = Watch(series, per_hour, outcome)
    burst = np.ones_like(mean)
    for step in range((world.weeks + 1) * HOURS_A_WEEK * per_hour):
        hour = step // per_hour
        if world.kind == "bursty" and step % per_hour == 0:
            burst = rng.gamma(10.0, 0.1, size=mean.shape)
        rates = mean * factors[:, hour % HOURS_A_WEEK, None] * burst
        counts = series.counts(rng.poisson(rates).astype(np.float64))
        rows = np.flatnonzero(counts)
        tests += len(rows)
        bank.expose(tests / (step + 1) * HOURS_A_WEEK * per_hour)
        bucket = first + step
        watch.look(bank, bucket, rows, counts, counted=hour >= HOURS_A_WEEK, factor=factor)
        bank.learn_many(bucket, rows, counts[rows])
    return outcome


class Watch:
    """Episodes and incidents, as the detect and correlate stages keep them."""

    def __init__(self, series: Series, per_hour: int, outcome: Outcome) -> None:
        self.series, self.per_hour, self.outcome = series, per_hour, outcome
        self.open: dict[int, list[int]] = {}
        self.incidents: list[set[int]] = []

    def look(
        self,
        bank: Bank,
        bucket: int,
        rows: np.ndarray,
        counts: np.ndarray,
        *,
        counted: bool,
        factor: float,
    ) -> None:
        """Score a bucket, open and close episodes."""
        scores = bank.score_many(bucket, rows, counts[rows], np.ones(len(rows)))
        over = rows[scores.score >= factor * scores.threshold]
        if self.open:
            mine = np.array(sorted(self.open))
            longest = np.array([max(self.open[r][0], self.per_hour) for r in mine.tolist()])
            now = bank.score_many(bucket, mine, counts[mine], np.ones(len(mine)), longest)
            for row, score, limit in zip(
                mine.tolist(), now.score.tolist(), now.threshold.tolist(), strict=True
            ):
                calm = score < CALM_SHARE * factor * limit
                self.open[row][1] = self.open[row][1] + 1 if calm else 0
                if self.open[row][1] >= self.per_hour:
                    del self.open[row]
                    bank.mute(bucket + 1, np.array([row]))
            self.incidents = [i for i in self.incidents if any(row in self.open for row in i)]
        windows = dict(zip(rows.tolist(), scores.window.tolist(), strict=True))
        for row in sorted(over.tolist(), key=lambda row: (row == 0, row)):
            if row in self.open:
                continue
            self.open[row] = [windows[row], 0]
            links = self.series.links(row)
            for incident in self.incidents:
                if row == 0 or any(links & self.series.links(m) or m == 0 for m in incident):
                    incident.add(row)
                    break
            else:
                self.incidents.append({row})
                if counted:
                    self.outcome.opened.append((bucket, self.incidents[-1]))
                    level = self.series.level(row)
                    self.outcome.levels[level] = self.outcome.levels.get(level, 0) + 1


def upper_end(count: int) -> float:
    """Upper end of the 95 % interval of a Poisson mean, by Garwood's exact limits."""
    from scipy.stats import chi2  # noqa: PLC0415

    return float(chi2.ppf(0.975, 2 * count + 2) / 2)


def main() -> None:
    """Run one world and print what came of it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kind", choices=KINDS, default="weekly")
    parser.add_argument("--regions", type=int, default=8)
    parser.add_argument("--tags", type=int, default=100)
    parser.add_argument("--users", type=float, default=400.0)
    parser.add_argument("--bucket", type=int, default=15)
    parser.add_argument("--weeks", type=int, default=10)
    parser.add_argument("--budget", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--factor", type=float, default=1.0)
    args = parser.parse_args()
    world = World(
        args.kind,
        args.regions,
        args.tags,
        args.users,
        args.bucket,
        args.weeks,
        args.budget,
        args.seed,
    )
    started = time.perf_counter()
    outcome = run(world, args.factor)
    count = len(outcome.opened)
    print(
        world,
        f"{count} incidents, {count / world.weeks:.2f} a week, at most"
        f" {upper_end(count) / world.weeks:.2f} (95 %) {outcome.levels}"
        f" {time.perf_counter() - started:.0f} s",
    )


if __name__ == "__main__":
    main()
