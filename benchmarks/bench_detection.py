"""How early waves are found, and how often nothing is one: ``make bench-detection``.

Every figure stands beside a lower bound and beside other methods on the very same counts.
"""

from __future__ import annotations

import argparse
import pickle
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.detection.bound import grid, quiet_events, quiet_peaks
from benchmarks.detection.counts import Counts, count, entries
from benchmarks.detection.judge import (
    HOURS_A_WEEK,
    Tally,
    WaveRow,
    judge_incidents,
    judged_from,
    marks,
    poisson_interval,
    threshold,
    wave_rows,
)
from benchmarks.detection.pipeline import run, settings_of
from benchmarks.detection.plan import DAYS, QUIET_SEED, TEST_SEED, Case, quiet_world, test_world
from benchmarks.detection.usual import Baseline
from streams.simulate.world import World

BUDGETS = (0.25, 0.5, 1.0, 2.0, 4.0)
BUDGET = 1.0
CASES = (
    Case(0.4, (5.0, 15.0), worlds=10, quiet=10),
    Case(2.0, (1.0, 5.0), worlds=10, quiet=10),
    Case(10.0, (1.0, 15.0), worlds=10, quiet=6),
    Case(50.0, (5.0,), worlds=10, quiet=4),
)


@dataclass
class Quiet:
    """What one cut of one quiet world has shown."""

    path: Path
    told: int = 0
    hours: float = 0.0
    series: list[str] = field(default_factory=list)


def fresh_for(minutes: float) -> int:
    """Buckets for which a counted user is not counted again."""
    return round(settings_of(minutes).detection.fresh_for_ms / 60_000 / minutes)


def quiet_task(case: Case, number: int, folder: Path, budget: float) -> list[Quiet]:
    """Draw a quiet world, keep its counts, and see what the default makes of it."""
    drawn = quiet_world(case, number)
    sorted_in = entries(drawn)
    found = []
    for minutes in case.minutes:
        counts = count(drawn, sorted_in, minutes, fresh_for(minutes))
        ran = run(drawn, sorted_in, minutes, settings_of(minutes, budget))
        path = folder / f"quiet-{case.rate:g}-{minutes:g}-{number}"
        path.write_bytes(pickle.dumps(counts))
        tally, false = judge_incidents(ran.told, counts, [], [], "default")
        found.append(Quiet(path, tally.false, tally.hours, [told.cause for told in false]))
    return found


def counts_of(quiet: Quiet) -> Counts:
    """The counts that a quiet task kept."""
    loaded: Counts = pickle.loads(quiet.path.read_bytes())  # noqa: S301 - our own
    return loaded


def bound_task(quiet: Quiet, baseline: Baseline) -> list[np.ndarray]:
    """The bound's test on one quiet world: for each shape its peaks, from the judged bucket on."""
    counts = counts_of(quiet)
    events = quiet_events(counts, baseline)
    late = judged_from(counts) - counts.first
    return [quiet_peaks(counts, events, shape)[late:] for shape in grid()]


def test_task(
    case: Case,
    number: int,
    baselines: dict[float, Baseline],
    bounds: dict[float, dict[float, np.ndarray]],
    budget: float,
) -> list[tuple[list[WaveRow], Tally, list[str]]]:
    """Draw a world with waves, and see what the default makes of it."""
    drawn = test_world(case, number)
    sorted_in = entries(drawn)
    results = []
    for minutes in case.minutes:
        counts = count(drawn, sorted_in, minutes, fresh_for(minutes))
        rows = wave_rows(drawn, TEST_SEED + number, counts, baselines[minutes], bounds[minutes])
        ran = run(drawn, sorted_in, minutes, settings_of(minutes, budget))
        where = marks(drawn, sorted_in, counts)
        tally, false = judge_incidents(ran.told, counts, where, rows, "default")
        results.append((rows, tally, [told.cause for told in false]))
    return results


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=["default"], help="nothing but the default detector")
    parser.add_argument("--worlds", type=int, help="worlds with waves of each size, at most")
    parser.add_argument("--rates", type=float, nargs="+", help="sizes, posts a second")
    parser.add_argument("--budget", type=float, default=BUDGET, help="false incidents a week")
    options = parser.parse_args()
    cases = [case for case in CASES if not options.rates or case.rate in options.rates]
    rows: list[WaveRow] = []
    with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(2) as pool:
        for case in cases:
            begun = time.monotonic()
            worlds = min(case.worlds, options.worlds or case.worlds)
            quiet_worlds = min(case.quiet, max(3, options.worlds or case.quiet))
            quiet = [
                pool.submit(quiet_task, case, n, Path(folder), options.budget)
                for n in range(quiet_worlds)
            ]
            by_minutes = list(zip(*(one.result() for one in quiet), strict=True))
            baselines, bounds = {}, {}
            world = World(DAYS, case.rate, 0)
            for minutes, cut in zip(case.minutes, by_minutes, strict=True):
                baseline = Baseline(world, (counts_of(one) for one in cut))
                peaks = list(pool.map(bound_task, cut, [baseline] * len(cut)))
                weeks = sum(one.hours for one in cut) / HOURS_A_WEEK
                per_hour = round(60 / minutes)
                bounds[minutes] = {
                    budget: np.array(
                        [
                            # Never under 0, where both hypotheses are as likely.
                            max(threshold([p[i] for p in peaks], budget * weeks, per_hour), 0.0)
                            for i in range(len(grid()))
                        ]
                    )
                    for budget in BUDGETS
                }
                baselines[minutes] = baseline
                false = sum(one.told for one in cut)
                low, high = poisson_interval(false)
                print(
                    f"# quiet, {case.rate:g} posts/s, {minutes:g} min, seeds {QUIET_SEED}–"
                    f"{QUIET_SEED + quiet_worlds - 1}: {false} false in {weeks:.1f} weeks, "
                    f"{false / weeks:.2f} a week ({low / weeks:.2f}–{high / weeks:.2f}); "
                    f"{[s for one in cut for s in one.series]}"
                )
                print(f"# thresholds of the bound {bounds[minutes][BUDGET].round(1).tolist()}")
            tests = [
                pool.submit(test_task, case, n, baselines, bounds, options.budget)
                for n in range(worlds)
            ]
            for i, minutes in enumerate(case.minutes):
                tally, false_causes = Tally(), []
                for one in tests:
                    its_rows, its_tally, causes = one.result()[i]
                    rows += its_rows
                    tally.hours += its_tally.hours
                    tally.false += its_tally.false
                    tally.true += its_tally.true
                    false_causes += causes
                weeks = tally.hours / HOURS_A_WEEK
                print(
                    f"# waves, {case.rate:g} posts/s, {minutes:g} min, seeds {TEST_SEED}–"
                    f"{TEST_SEED + worlds - 1}: {tally.false} false in {weeks:.1f} weeks "
                    f"({tally.false / weeks:.2f} a week): {false_causes}"
                )
                show([r for r in rows if (r.rate, r.minutes) == (case.rate, minutes)])
            print(f"# {time.monotonic() - begun:.0f} s", flush=True)
    print("# all")
    summary(rows)


def show(rows: list[WaveRow]) -> None:
    """Print a line a wave, and a summary."""
    for r in sorted(rows, key=lambda r: (r.kind, r.signal, r.doubling)):
        bound, found = r.bound[BUDGET], r.found["default"]
        print(
            f"{r.seed} {r.rate:5g}/s {r.minutes:3g}m {r.kind:9s} peak {r.peak:6.1f}/h "
            f"(signal {r.signal:5.1f}) doubling {r.doubling:3.0f}m users {r.users:5d} "
            f"bound {bound:6.2f}h found {found:6.2f}h ratio {found / bound:5.2f} "
            f"incidents {r.incidents['default']}"
        )
    summary(rows)


def summary(rows: list[WaveRow], method: str = "default") -> None:
    """Print what a method made of these waves, in a few lines."""
    bound = np.array([r.bound[BUDGET] for r in rows])
    found = np.array([r.found[method] for r in rows])
    both = np.isfinite(bound) & np.isfinite(found)
    ratio = np.divide(found, bound, where=both, out=np.full(len(rows), np.inf))
    due = bound <= 3.0
    incidents = [r.incidents[method] for r in rows if np.isfinite(r.found[method])]
    print(
        f"# {len(rows)} waves; bound finds {np.isfinite(bound).sum()}, {due.sum()} within 3 h; "
        f"of these {method} finds {np.isfinite(found[due]).sum()}; of all "
        f"{np.isfinite(found).sum()}"
    )
    for name, some in (("all found", both), ("due within 3 h and found", both & due)):
        if some.any():
            print(
                f"# delay over bound, {name}: median {np.median(ratio[some]):.2f}, p90 "
                f"{np.quantile(ratio[some], 0.9):.2f}, max {ratio[some].max():.2f}"
            )
    if incidents:
        print(f"# incidents a wave {np.mean(incidents):.2f}, most {max(incidents)}")
    for low, high in ((0, 4), (4, 10), (10, 20), (20, 40), (40, 80), (80, 999)):
        mine = [i for i, r in enumerate(rows) if low <= r.signal < high]
        if mine:
            b, f = bound[mine], found[mine]
            print(
                f"#   signal {low}–{high}: {len(mine)} waves, bound {np.isfinite(b).sum()}, "
                f"{method} {np.isfinite(f).sum()}"
            )


if __name__ == "__main__":
    sys.exit(main())
