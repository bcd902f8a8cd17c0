"""How often the truth falls inside the forecasts' intervals: the table in ``docs/detection.md``.

Simulated waves of many strengths and speeds, that fall, stay on a plateau or rise again, go through
the real stages; every alert's forecast is held against what came. The intervals are fitted on some
seeds and judged on others.

    python -m benchmarks.detection.forecast          judge, and write the table
    python -m benchmarks.detection.forecast --fit    print what detectors/forecast.py is to hold
"""

from __future__ import annotations

import argparse
import math
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.detection.counts import entries, partials
from benchmarks.detection.pipeline import settings_of
from benchmarks.detection.worlds import draw, foreign_per_hour
from detectors.forecast import CONFIDENCE, HOURS, QUANTILES, error, features
from streams.events import Closed, Intake
from streams.pipeline import make_correlate, make_detect
from streams.simulate import Origin, Tag, Wave
from streams.simulate.regions import REGIONS
from streams.simulate.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from detectors.bank import Bank, FloatArray, IntArray
    from streams.events import Alert
    from streams.simulate import Part
    from streams.stages.detect import Detect
    from streams.stages.rows import Rows

FIT_SEEDS = range(2_000, 2_040)
TEST_SEEDS = range(2_040, 2_060)
DAYS = 9.0
WAVES_FROM_DAYS = 3.0
WAVES = 9
CASES = ((0.4, 1.0), (0.4, 5.0), (2.0, 5.0), (2.0, 15.0))
"""Posts a second, and the bucket in minutes; taken in turn."""
PEAKS = (6.0, 600.0)
"""New users an hour at the peak; this and the following are drawn evenly on a logarithmic scale."""
DOUBLING_MINUTES = (5.0, 180.0)
RISE_HOURS_MAX = 16.0
HALF_LIFE_HOURS = (0.5, 12.0)
PLATEAU_HOURS = 48.0
PLATEAUS, SECOND_RISES, REGIONAL = 0.2, 0.15, 0.25
"""Shares of the waves."""
DOCUMENT = Path(__file__).parents[2] / "docs" / "detection.md"
BEGIN, END = "<!-- forecast -->", "<!-- forecast: end -->"


@dataclass(frozen=True)
class Told:
    """One horizon of one alert's forecast, and what came.

    Attributes:
        incident: its id, with the seed.
        series: whose new users are forecast.
        bucket: that the forecast follows.
        kind: of the alert.
        users: of the wave so far.
        hours: the horizon.
        lower: of the forecast, like ``middle``, ``upper`` and ``expected``.
        observed: new users that came.
        late: what the forecast was made from, like ``x``.
    """

    incident: str
    series: str
    bucket: int
    kind: str
    users: float
    hours: int
    lower: float
    middle: float
    upper: float
    expected: float
    observed: float
    late: float
    x: tuple[float, ...]


class Counting:
    """A bank that writes down the fresh users that the bank inside is given."""

    def __init__(self, bank: Bank, rows: Rows) -> None:
        self._bank = bank
        self._rows = rows
        self.fresh: dict[str, dict[int, float]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bank, name)

    def learn_many(self, bucket: int, rows: IntArray, fresh: FloatArray) -> None:
        """See ``Bank.learn_many``."""
        for row, users in zip(rows.tolist(), fresh.tolist(), strict=True):
            if users:
                self.fresh.setdefault(self._rows.keys[row], {})[bucket] = users
        self._bank.learn_many(bucket, rows, fresh)

    def came(self, series: str, first: int, last: int) -> float:
        """Fresh users of a series in some buckets."""
        counts = self.fresh.get(series, {})
        return math.fsum(counts.get(bucket, 0.0) for bucket in range(first, last + 1))


def waves(seed: int, rate: float) -> list[Part]:
    """The waves of one world."""
    rng = np.random.default_rng([seed, 7])
    hourly = foreign_per_hour(World(DAYS, rate, seed))
    names = [region.code for region in REGIONS if region.code not in {"CN", "TW", "HK", ""}]
    regions = rng.permutation(names).tolist()

    def even(bounds: tuple[float, float]) -> float:
        return math.exp(rng.uniform(*map(math.log, bounds)))

    made: list[Part] = []
    for number in range(WAVES):
        day = WAVES_FROM_DAYS + (number + rng.random()) * (DAYS - WAVES_FROM_DAYS - 0.5) / WAVES
        regional = rng.random() < REGIONAL
        origins = [Origin(regions.pop()) for _ in range(1 if regional else rng.integers(1, 5))]
        doubling = even(DOUBLING_MINUTES)
        falls = PLATEAU_HOURS if rng.random() < PLATEAUS else even(HALF_LIFE_HOURS)
        tags = () if regional else (Tag(f"wave{number}", 0.95), Tag(f"side{number}", 0.4))
        strength = even(PEAKS) / hourly

        def wave(name: str, day: float, doubling: float, strength: float) -> Wave:
            return Wave(
                name=name,
                at=day / DAYS,
                origins=tuple(origins),  # noqa: B023 - used within the turn
                tags=tags,  # noqa: B023
                strength=strength,
                doubling_minutes=doubling,
                doublings=min(rng.uniform(3.0, 8.0), RISE_HOURS_MAX * 60.0 / doubling),
                half_life_hours=falls,  # noqa: B023
            )

        made.append(wave(f"wave-{number}", day, doubling, strength))
        if rng.random() < SECOND_RISES:
            later = min(day + rng.uniform(3.0, 9.0) / 24.0, DAYS - 0.1)
            again = even((5.0, 60.0)), strength * rng.uniform(0.5, 2.0)
            made.append(wave(f"again-{number}", later, *again))
    return made


def told(seed: int) -> list[Told]:
    """Every forecast of one world, and what came."""
    rate, minutes = CASES[seed % len(CASES)]
    drawn = draw(waves(seed, rate), days=DAYS, rate=rate, seed=seed)
    settings = settings_of(minutes)
    detect, correlate = make_detect(settings, [0], points=False), make_correlate(settings)
    detect.bank = counting = Counting(detect.bank, detect._rows)  # noqa: SLF001 - names of rows
    found: list[Told] = []
    size = settings.time.bucket_ms
    there = {one.bucket: one for one in partials(drawn, entries(drawn), minutes, settings)}
    first, last = drawn.world.start_ms // size, (drawn.world.end_ms - 1) // size
    for bucket in range(first, last + 1):
        if bucket in there:
            detect.partials(there.pop(bucket))
        for outcome in detect.closed(Closed(0, bucket, Intake())):
            for alert in correlate.outcome(outcome):
                found += _forecasts(alert, detect, seed)
    per_hour = round(60 / minutes)
    return [
        replace(one, observed=counting.came(one.series, one.bucket + 1, end))
        for one in found
        if (end := one.bucket + one.hours * per_hour) <= last
    ]


def _forecasts(alert: Alert, detect: Detect, seed: int) -> list[Told]:
    """The horizons of an alert's forecast, with what they were made from."""
    forecast = alert.data.get("forecast")
    if not forecast:
        return []
    running = detect._episodes.running[forecast["series"]]  # noqa: SLF001 - as it is now
    episode = running.episode
    age = (detect.last + 1 - episode.onset) / episode.hour
    x = features(age, running.crowd.users, peaked=episode.state.value == "peaked")
    return [
        Told(
            incident=f"{seed} {alert.correlationid}",
            series=forecast["series"],
            bucket=detect.last,
            kind=alert.type.split(".")[2],
            users=running.crowd.users,
            hours=one["hours"],
            lower=one["lower"],
            middle=one["users"],
            upper=one["upper"],
            expected=one["expected"],
            observed=math.nan,
            late=episode.late_rate(),
            x=x,
        )
        for one in forecast["horizons"]
    ]


def fit(rows: Sequence[Told]) -> dict[int, list[list[float]]]:
    """Regression quantiles of the errors, by horizon: Koenker and Bassett's linear programme."""
    from scipy import sparse  # noqa: PLC0415 - comes with River
    from scipy.optimize import linprog  # noqa: PLC0415

    found: dict[int, list[list[float]]] = {}
    for hours in HOURS:
        mine = [row for row in rows if row.hours == hours]
        x = np.array([row.x for row in mine])
        z = np.array([error(row.observed, row.expected, row.late, row.hours) for row in mine])
        n, k = x.shape
        found[hours] = []
        for quantile in QUANTILES:
            costs = np.r_[np.zeros(k), np.full(n, quantile), np.full(n, 1.0 - quantile)]
            equal = sparse.hstack([x, sparse.eye(n), -sparse.eye(n)])
            bounds = [(None, None)] * k + [(0, None)] * (2 * n)
            solved = linprog(costs, A_eq=equal, b_eq=z, bounds=bounds, method="highs")
            found[hours].append([round(float(w), 2) for w in solved.x[:k]])
    return found


def table(rows: Sequence[Told]) -> str:
    """How often the truth fell inside, by horizon and by kind of alert, in Markdown."""
    groups: list[tuple[str, Callable[[Told], bool]]] = [
        ("all", lambda _: True),
        ("opened", lambda row: row.kind == "opened"),
        ("updated", lambda row: row.kind == "updated"),
        ("peaked", lambda row: row.kind == "peaked"),
        ("of up to 30 users so far", lambda row: row.users <= 30),
        ("of 31 to 300", lambda row: 30 < row.users <= 300),
        ("of more", lambda row: row.users > 300),
    ]
    heads = ("horizon", "alerts", "forecasts", "inside", "below", "above", "median width")
    heads += ("median upper/lower",)
    lines = [f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}"]
    for hours in HOURS:
        for name, of in groups:
            mine = [row for row in rows if row.hours == hours and of(row)]
            below = np.mean([row.observed < row.lower for row in mine])
            above = np.mean([row.observed > row.upper for row in mine])
            width = np.median([row.upper - row.lower for row in mine])
            ratio = np.median([row.upper / max(row.lower, 1.0) for row in mine])
            lines.append(
                f"| {hours} h | {name} | {len(mine):,} | {1 - below - above:.0%} | {below:.0%} | "
                f"{above:.0%} | {width:,.0f} users | {ratio:.1f} |"
            )
    return "\n".join(lines)


def section(rows: Sequence[Told]) -> str:
    """What is written into the document."""
    incidents = len({row.incident for row in rows})
    seeds = f"{TEST_SEEDS.start} to {TEST_SEEDS.stop - 1}"
    fitted = f"{FIT_SEEDS.start} to {FIT_SEEDS.stop - 1}"
    return (
        f"{BEGIN}\nMeant: {CONFIDENCE:.0%} inside. {len(rows) // len(HOURS):,} alerts of "
        f"{incidents:,} incidents, false ones among them, in worlds of seeds {seeds}; the "
        f"intervals were fitted on seeds {fitted}.\n\n{table(rows)}\n{END}"
    )


def main() -> None:
    """Judge, or fit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--fit", action="store_true", help="print the coefficients instead")
    parser.add_argument("--worlds", type=int, help="so many of the seeds only, and write nothing")
    parser.add_argument("--processes", type=int, default=2)
    args = parser.parse_args()
    seeds = (FIT_SEEDS if args.fit else TEST_SEEDS)[: args.worlds]
    print(f"worlds of seeds {seeds.start} to {seeds.stop - 1}")
    with ProcessPoolExecutor(args.processes) as pool:
        rows = [row for world in pool.map(told, seeds) for row in world]
    if args.fit:
        for hours, quantiles in fit(rows).items():
            print(f"{hours}: {tuple(tuple(w) for w in quantiles)},")
        return
    written = section(rows)
    print(written)
    if args.worlds is None:
        text = DOCUMENT.read_text("utf-8")
        before, rest = text.split(BEGIN)
        DOCUMENT.write_text(f"{before}{written}{rest.split(END)[1]}", "utf-8")


if __name__ == "__main__":
    main()
