"""How early waves are found, and how often nothing is one: ``make bench-detection``.

Every figure stands beside a lower bound and beside other methods on the very same counts.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.detection import plots, report
from benchmarks.detection.bound import grid
from benchmarks.detection.judge import HOURS_A_WEEK, threshold
from benchmarks.detection.plan import BUDGET, BUDGETS, CASES, DAYS, Case
from benchmarks.detection.results import Cut, figures, rows_of, tally_of, weekly
from benchmarks.detection.tasks import (
    DEFAULT,
    Quiet,
    Thresholds,
    Wanted,
    bound_task,
    quiet_task,
    wave_task,
)
from benchmarks.detection.usual import Baseline
from streams.simulate.world import World

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.detection.judge import WaveRow

SHORT = (Case(0.4, (15.0,), worlds=2, quiet=3),)
PROCESSES = 2


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="two worlds: does it work?")
    parser.add_argument("--only", choices=["default"], help="nothing but the default detector")
    parser.add_argument("--worlds", type=int, help="worlds with waves of each size, at most")
    parser.add_argument("--rates", type=float, nargs="+", help="sizes, posts a second")
    parser.add_argument("--write", action="store_true", help="renew docs/detection.md")
    options = parser.parse_args()
    cases = [case for case in CASES if not options.rates or case.rate in options.rates]
    if options.worlds:
        cases = [_smaller(case, options.worlds) for case in cases]
    wanted = Wanted(peers=not options.only, heavy=not options.short)
    cuts = measure(SHORT if options.short else cases, wanted, rows=bool(options.only))
    command = " ".join(["python -m benchmarks.bench_detection", *sys.argv[1:]])
    text = report.markdown(cuts, command)
    print(text)
    if options.write:
        report.write(text)
        plots.write(cuts)
    spent = sum(resource.getrusage(who).ru_utime for who in (0, resource.RUSAGE_CHILDREN))
    print(f"# {spent / 60:.0f} minutes of processor time")


def _smaller(case: Case, worlds: int) -> Case:
    return replace(case, worlds=min(case.worlds, worlds), quiet=min(case.quiet, max(3, worlds)))


def measure(cases: Sequence[Case], wanted: Wanted, *, rows: bool) -> list[Cut]:
    """Calibrate on quiet worlds, then look at others; prints what comes."""
    cuts = []
    with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(PROCESSES) as pool:
        for case in cases:
            found = _case(case, wanted, pool, Path(folder))
            for cut in found:
                _say(cut, rows=rows)
            cuts += found
    return cuts


def _case(case: Case, wanted: Wanted, pool: Executor, folder: Path) -> list[Cut]:
    """All cuts of one size of world."""
    quiet = [pool.submit(quiet_task, case, number, folder, wanted) for number in range(case.quiet)]
    seen = list(zip(*(one.result() for one in quiet), strict=True))
    known = {
        minutes: thresholds(case.rate, minutes, list(of), pool)
        for minutes, of in zip(case.minutes, seen, strict=True)
    }
    tests = [pool.submit(wave_task, case, number, known, wanted) for number in range(case.worlds)]
    tested = list(zip(*(one.result() for one in tests), strict=True))
    return [
        Cut(case.rate, minutes, list(of), list(theirs), known[minutes].bound[BUDGET].tolist())
        for minutes, of, theirs in zip(case.minutes, seen, tested, strict=True)
    ]


def _say(cut: Cut, *, rows: bool) -> None:
    """Print what was seen of a cut, while the next one is worked on."""
    key = DEFAULT, BUDGET
    mean, low, high = weekly(tally_of([cut], key, quiet=True))
    where = f"{cut.rate:g} posts/s, {cut.minutes:g} min"
    false = [cause for one in cut.quiet for cause in one.false]
    print(f"# {where}: seeds of {cut.seeds}")
    print(f"#   quiet: {mean:.2f} false a week ({low:.2f} to {high:.2f}): {false}")
    print(f"#   beside waves: {[cause for one in cut.tested for cause in one.false]}")
    print(f"#   thresholds of the bound: {[round(level, 1) for level in cut.levels]}")
    told = figures([cut], key)
    print(
        f"#   bound finds {told.bound} of {told.waves}, {told.due} within 3 h; of these "
        f"{told.found} and {told.found_due} are found; delay over bound: median "
        f"{told.median:.2f}, 90 % {told.most:.2f}; of those due {told.median_due:.2f}, "
        f"{told.most_due:.2f}; incidents a wave {told.incidents:.2f}",
        flush=True,
    )
    if rows:
        for row in sorted(rows_of([cut], key), key=lambda r: (r.kind, r.signal, r.doubling)):
            print(_line(row))


def _line(row: WaveRow) -> str:
    bound, found = row.bound[BUDGET], row.found[DEFAULT, BUDGET]
    return (
        f"{row.seed} {row.rate:5g}/s {row.minutes:3g}m {row.kind:9s} peak {row.peak:6.1f}/h "
        f"(signal {row.signal:5.1f}) doubling {row.doubling:3.0f}m users {row.users:5d} bound "
        f"{bound:6.2f}h found {found:6.2f}h ratio {found / bound:5.2f} incidents "
        f"{row.incidents[DEFAULT, BUDGET]}"
    )


def thresholds(rate: float, minutes: float, quiet: list[Quiet], pool: Executor) -> Thresholds:
    """Calibrate the bound and every method on quiet worlds of one cut, for each budget."""
    per_hour = round(60 / minutes)
    baseline = Baseline(World(DAYS, rate, 0), (one.counts() for one in quiet))
    peaks = list(pool.map(bound_task, quiet, [baseline] * len(quiet)))
    weeks = sum(len(one[0]) for one in peaks) / per_hour / HOURS_A_WEEK
    bound = {
        # Never under 0, where both hypotheses are as likely.
        budget: np.array(
            [
                max(threshold([one[i] for one in peaks], budget * weeks, per_hour), 0.0)
                for i in range(len(grid()))
            ]
        )
        for budget in BUDGETS
    }
    methods: dict[str, dict[float, float]] = {}
    for name in sorted({name for one in quiet for name in one.peaks}):
        theirs = [one.peaks[name] for one in quiet if name in one.peaks]
        weeks = sum(map(len, theirs)) / per_hour / HOURS_A_WEEK
        methods[name] = {b: threshold(theirs, b * weeks, per_hour) for b in BUDGETS}
    return Thresholds(baseline, bound, methods)


if __name__ == "__main__":
    sys.exit(main())
