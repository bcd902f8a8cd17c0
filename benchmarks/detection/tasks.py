"""What one process does of the benchmark: a world at a time."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.detection.bound import grid, quiet_events, quiet_peaks
from benchmarks.detection.classical import Method, classical
from benchmarks.detection.counts import Counts, count, entries
from benchmarks.detection.judge import (
    Key,
    Mark,
    Tally,
    WaveRow,
    judge_incidents,
    judged_from,
    marks,
    wave_rows,
)
from benchmarks.detection.pipeline import Ran, run, settings_of
from benchmarks.detection.plan import (
    BUDGET,
    CURVE,
    DEFAULT_BUDGETS,
    HEAVY_WORLDS,
    RIVER,
    TEST_SEED,
    Case,
    quiet_world,
    wave_world,
)
from benchmarks.detection.river_peers import river
from benchmarks.detection.scores import Peaks, judge_scores, peaks

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.detection.counts import Floats
    from benchmarks.detection.usual import Baseline

DEFAULT = "surgewatch's default"
ALONE = "its scores alone"


@dataclass(frozen=True)
class Wanted:
    """What is to be run besides the bound and the default.

    Attributes:
        peers: the methods of the literature and River's, and the default with other budgets?
        heavy: those of River's that take minutes for a world, too?
    """

    peers: bool = True
    heavy: bool = True

    def budgets(self, case: Case, minutes: float) -> tuple[float, ...]:
        """With which budgets the default runs on a cut."""
        return DEFAULT_BUDGETS if self.peers and (case.rate, minutes) == CURVE else (BUDGET,)

    def methods(self, case: Case, minutes: float, number: int) -> list[Method]:
        """Which peers score a cut of world ``number``."""
        if not self.peers:
            return []
        theirs = river() if (case.rate, minutes) == RIVER else []
        most = HEAVY_WORLDS if self.heavy else 0
        return [*classical(), *(one for one in theirs if not one.heavy or number < most)]


@dataclass
class Quiet:
    """What one cut of a quiet world has shown.

    Attributes:
        path: where its counts are.
        tallies: false incidents of the default.
        false: what they were about, at the usual budget.
        peaks: for each method that scores the largest score of each bucket that is judged.
    """

    path: Path
    tallies: dict[Key, Tally] = field(default_factory=dict)
    false: list[str] = field(default_factory=list)
    peaks: dict[str, Floats] = field(default_factory=dict)

    def counts(self) -> Counts:
        """Its fresh users."""
        loaded: Counts = pickle.loads(self.path.read_bytes())  # noqa: S301 - our own
        return loaded


@dataclass
class Thresholds:
    """What was found on quiet worlds of one cut.

    Attributes:
        baseline: what every series brings usually.
        bound: for each budget the bound's, by shape (``bound.grid()``).
        methods: of each method, for each budget.
    """

    baseline: Baseline
    bound: dict[float, Floats]
    methods: dict[str, dict[float, float]]


@dataclass
class Tested:
    """What came of one cut of a world with waves.

    Attributes:
        rows: its waves.
        tallies: of each method and budget.
        false: what the default's false incidents were about.
    """

    rows: list[WaveRow]
    tallies: dict[Key, Tally] = field(default_factory=dict)
    false: list[str] = field(default_factory=list)


def fresh_for(minutes: float) -> int:
    """Buckets for which a counted user is not counted again."""
    return round(settings_of(minutes).detection.fresh_for_ms / 60_000 / minutes)


def quiet_task(case: Case, number: int, folder: Path, wanted: Wanted) -> list[Quiet]:
    """Draw quiet world ``number``, keep its counts, and let everybody see it; a result a cut."""
    drawn = quiet_world(case, number)
    sorted_in = entries(drawn)
    results = []
    for minutes in case.minutes:
        counts = count(drawn, sorted_in, minutes, fresh_for(minutes))
        result = Quiet(folder / f"quiet-{case.rate:g}-{minutes:g}-{number}")
        result.path.write_bytes(pickle.dumps(counts))
        for budget in wanted.budgets(case, minutes):
            ran = run(drawn, sorted_in, minutes, settings_of(minutes, budget))
            tally, false = judge_incidents(ran.told, counts, [], [], (DEFAULT, budget))
            result.tallies[DEFAULT, budget] = tally
            if budget == BUDGET:
                result.false = [told.cause for told in false]
                result.peaks[ALONE] = _alone(ran, counts, []).other
        for method in wanted.methods(case, minutes, number):
            score = method.score(counts)
            result.peaks[method.name] = peaks(counts, counts.bucket, counts.row, score, []).other
        results.append(result)
    return results


def _alone(ran: Ran, counts: Counts, waves: list[Mark]) -> Peaks:
    """The default's scores over their thresholds, without episodes and incidents."""
    row = np.array([counts.rows_of[key] for key in ran.series], dtype=np.int64)
    return peaks(counts, ran.bucket, row, ran.ratio, waves)


def bound_task(quiet: Quiet, baseline: Baseline) -> list[Floats]:
    """The bound's test on a quiet world: for each shape its peaks, from the judged bucket on."""
    counts = quiet.counts()
    events = quiet_events(counts, baseline)
    late = judged_from(counts) - counts.first
    return [quiet_peaks(counts, events, shape)[late:] for shape in grid()]


def wave_task(
    case: Case, number: int, thresholds: dict[float, Thresholds], wanted: Wanted
) -> list[Tested]:
    """Draw world ``number`` with waves, and let everybody see it; a result a cut."""
    drawn = wave_world(case, number)
    sorted_in = entries(drawn)
    results = []
    for minutes in case.minutes:
        known = thresholds[minutes]
        counts = count(drawn, sorted_in, minutes, fresh_for(minutes))
        rows = wave_rows(drawn, TEST_SEED + number, counts, known.baseline, known.bound)
        where = marks(drawn, sorted_in, counts)
        result = Tested(rows)
        scored = {}
        for budget in wanted.budgets(case, minutes):
            ran = run(drawn, sorted_in, minutes, settings_of(minutes, budget))
            key = DEFAULT, budget
            result.tallies[key], false = judge_incidents(ran.told, counts, where, rows, key)
            if budget == BUDGET:
                result.false = [told.cause for told in false]
                scored[ALONE] = _alone(ran, counts, where)
        for method in wanted.methods(case, minutes, number):
            score = method.score(counts)
            scored[method.name] = peaks(counts, counts.bucket, counts.row, score, where)
        for name, found in scored.items():
            for budget, level in known.methods[name].items():
                result.tallies[name, budget] = judge_scores(
                    found, level, counts.per_hour, where, rows, (name, budget)
                )
        results.append(result)
    return results
