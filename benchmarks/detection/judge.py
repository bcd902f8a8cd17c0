"""Alarms, runs and incidents: what is a wave found, what is false, and how late is late."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.detection.bound import between, evidence
from benchmarks.detection.plan import JUDGED_FROM_DAYS, peak_per_hour, start_ms
from benchmarks.detection.worlds import region_posts
from detectors.series import parse_key
from streams.simulate.regions import INDEX

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.detection.counts import Counts, Entries, Floats, Ints
    from benchmarks.detection.pipeline import Told
    from benchmarks.detection.usual import Baseline
    from benchmarks.detection.worlds import Drawn

Key = tuple[str, float]
"""A method, and its false incidents a week."""

TOGETHER_HOURS = 1.0
"""Alarms that are no further apart are one incident."""
HOURS_A_WEEK = 168.0


def runs(buckets: Ints, per_hour: int) -> int:
    """How many incidents the alarms of these buckets (ascending) are."""
    if not len(buckets):
        return 0
    return 1 + int(np.count_nonzero(np.diff(buckets) > TOGETHER_HOURS * per_hour))


def threshold(peaks: Sequence[Floats], allowed: float, per_hour: int) -> float:
    """The least threshold at and above which quiet worlds have at most so many incidents.

    Args:
        peaks: for each quiet world the largest score at each bucket.
        allowed: incidents in all.
        per_hour: buckets an hour has.
    """
    values = np.unique(np.concatenate(peaks))[::-1]
    values = values[np.isfinite(values)]

    def found(place: int) -> int:
        return sum(runs(np.flatnonzero(p >= values[place]), per_hour) for p in peaks)

    # From the top down in small steps: far below, alarms run together and seem to be few again.
    good, place = -1, 0
    while place < len(values) and found(place) <= allowed:
        good, place = place, place + 1 + place // 20
    bad = min(place, len(values))
    while bad - good > 1:
        middle = (good + bad) // 2
        if found(middle) <= allowed:
            good = middle
        else:
            bad = middle
    if good < 0:
        return math.nextafter(float(values[0]), math.inf) if len(values) else math.inf
    return float(values[good])


def poisson_interval(count: int) -> tuple[float, float]:
    """Exact 95 % interval of a Poisson mean (Garwood, 1936), found by bisection.

    >>> [round(x, 2) for x in poisson_interval(4)]
    [1.09, 10.24]
    """

    def below(mean: float, most: int) -> float:
        term = total = math.exp(-mean)
        for k in range(1, most + 1):
            term *= mean / k
            total += term
        return total

    def solve(chance: float, most: int) -> float:
        low, high = 0.0, count + 10.0 * math.sqrt(count + 1.0) + 10.0
        for _ in range(80):
            middle = (low + high) / 2
            if below(middle, most) > chance:
                low = middle
            else:
                high = middle
        return (low + high) / 2

    return (solve(0.975, count - 1) if count else 0.0), solve(0.025, count)


@dataclass
class WaveRow:
    """One wave in one cut of a world, and how late it was found.

    Attributes:
        kind: see ``plan.KINDS``.
        peak: new users an hour at its peak.
        signal: its peak over the root of what its region brings, for regional waves; else ``peak``.
        bound: hours from the start to the end of the bucket in which the bound finds it, by
            weekly budget; infinite when it never does.
        found: the same for each method and budget.
        incidents: how many incidents each made of it.
    """

    seed: int
    rate: float
    minutes: float
    kind: str
    peak: float
    signal: float
    doubling: float
    users: int
    bound: dict[float, float] = field(default_factory=dict)
    found: dict[Key, float] = field(default_factory=dict)
    incidents: dict[Key, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Mark:
    """Where and when one wave is in one cut of a world.

    Attributes:
        first: bucket in which it starts.
        last: last bucket that is put down to it: an hour after its last post.
        begin: its start in buckets, as a fraction.
        named: series of its regions and hashtags, by row.
        touched: series that its users posted in, by row.
    """

    first: int
    last: int
    begin: float
    named: np.ndarray
    touched: np.ndarray

    def hours(self, bucket: float, per_hour: int) -> float:
        """From the wave's start to the end of a bucket."""
        return (bucket + 1 - self.begin) / per_hour


def marks(drawn: Drawn, sorted_in: Entries, counts: Counts) -> list[Mark]:
    """The waves of a world."""
    parsed = [parse_key(key) for key in counts.keys]
    region = np.array([INDEX.get(p.region or "-", -1) for p in parsed])
    user = drawn.posts["user"][sorted_in.post]
    result = []
    for wave, (low, high) in zip(drawn.waves, drawn.users, strict=True):
        origins = [INDEX[origin.region] for origin in wave.origins]
        named = np.isin(region, origins)
        tags = {tag.name for tag in wave.tags}
        if tags:
            named |= np.array([p.hashtag in tags for p in parsed])
        touched = named.copy()
        mine = (user >= low) & (user < high)
        touched[np.unique(sorted_in.row[mine])] = True
        begin = start_ms(wave, drawn.world) / 60_000.0 / counts.minutes
        posted = drawn.posts["time"][sorted_in.post[mine]]
        end = int(posted.max(initial=0)) // round(60_000 * counts.minutes) + counts.per_hour
        result.append(
            Mark(int(begin), min(max(end, int(begin)), counts.last), begin, named, touched)
        )
    return result


def wave_rows(
    drawn: Drawn,
    seed: int,
    counts: Counts,
    baseline: Baseline,
    thresholds: dict[float, Floats],
) -> list[WaveRow]:
    """The waves of a world with the bound of each.

    Args:
        drawn: the world.
        seed: its seed, for the table.
        counts: its fresh users.
        baseline: what is usual.
        thresholds: for each weekly budget, those of ``bound.grid()``.
    """
    rows = []
    usual = region_posts(drawn.world).mean(axis=1)
    for wave, (low, high) in zip(drawn.waves, drawn.users, strict=True):
        peak = peak_per_hour(wave, drawn.world)
        noise = 1.0
        if not wave.tags:
            noise = max(1.0, 0.5 * float(usual[INDEX[wave.origins[0].region]]) ** 0.5)
        row = WaveRow(
            seed=seed,
            rate=drawn.world.rate,
            minutes=counts.minutes,
            kind=wave.name.partition("-")[0],
            peak=peak,
            signal=peak / noise,
            doubling=wave.doubling_minutes,
            users=high - low,
        )
        first, ratios, _ = evidence(wave, peak, drawn.world, counts, baseline)
        begin = start_ms(wave, drawn.world) / 60_000.0 / counts.minutes
        best = ratios.max(axis=0)
        for budget, table in thresholds.items():
            over = np.flatnonzero(best >= between(table, peak, wave.doubling_minutes))
            row.bound[budget] = (
                (first + int(over[0]) + 1 - begin) / counts.per_hour if len(over) else math.inf
            )
        rows.append(row)
    return rows


@dataclass
class Tally:
    """What one method did in worlds of one kind.

    Attributes:
        hours: judged hours.
        false: incidents that are no wave's.
        true: incidents that are.
    """

    hours: float = 0.0
    false: int = 0
    true: int = 0


def judged_from(counts: Counts) -> int:
    """First bucket in which a false incident counts."""
    return counts.first + round(JUDGED_FROM_DAYS * 24 * counts.per_hour)


def judge_incidents(
    told: Sequence[Told],
    counts: Counts,
    waves: Sequence[Mark],
    rows: Sequence[WaveRow],
    method: Key,
) -> tuple[Tally, list[Told]]:
    """Put the pipeline's incidents down to waves; the rest is false.

    Returns:
        The tally, and the false ones.
    """
    since = judged_from(counts)
    tally = Tally(hours=(counts.last + 1 - since) / counts.per_hour)
    false = []
    for row in rows:
        row.found.setdefault(method, math.inf)
        row.incidents.setdefault(method, 0)
    for incident in told:
        mine = _wave_of(incident, counts, waves, rows, method)
        if mine is not None:
            tally.true += 1
            rows[mine].incidents[method] += 1
        elif incident.bucket >= since:
            tally.false += 1
            false.append(incident)
    return tally, false


def _wave_of(
    incident: Told,
    counts: Counts,
    waves: Sequence[Mark],
    rows: Sequence[WaveRow],
    method: Key,
) -> int | None:
    """The wave an incident is about: the first that a member names, else that users took part in.

    What the members of an incident find of other waves counts as found, too.
    """
    named: list[tuple[int, int]] = []
    touched: list[tuple[int, int]] = []
    for key, bucket in incident.opened.items():
        at = counts.rows_of.get(key)
        if at is None:
            continue
        for number, mark in enumerate(waves):
            if not mark.first <= bucket <= mark.last:
                continue
            if mark.named[at]:
                named.append((bucket, number))
                hours = mark.hours(bucket, counts.per_hour)
                rows[number].found[method] = min(rows[number].found[method], hours)
            elif mark.touched[at]:
                touched.append((bucket, number))
    best = min(named, default=None) or min(touched, default=None)
    return None if best is None else best[1]
