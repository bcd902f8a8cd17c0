"""The benchmark of detection: its worlds are the simulator's, its bound and its judgement right."""

from __future__ import annotations

import math
from concurrent.futures import Executor, Future
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from xml.dom.minidom import parseString

import numpy as np
import pytest

from benchmarks.bench_detection import thresholds
from benchmarks.detection import plots, quiet, quiet_table, report
from benchmarks.detection.bound import QuietEvents, Shape, quiet_peaks
from benchmarks.detection.classical import Averages, classical
from benchmarks.detection.counts import Counts, count, entries
from benchmarks.detection.judge import (
    Mark,
    WaveRow,
    judge_incidents,
    poisson_interval,
    runs,
    threshold,
)
from benchmarks.detection.pipeline import Told, run, settings_of
from benchmarks.detection.plan import BUDGET, Case
from benchmarks.detection.quiet import Series
from benchmarks.detection.results import Cut, figures
from benchmarks.detection.tasks import DEFAULT, Wanted, quiet_task, wave_task
from benchmarks.detection.usual import Baseline
from benchmarks.detection.worlds import draw
from streams.codec import encode_alert
from streams.simulate import Bots, Gap, Origin, SlowGrowth, Tag, Wave, compose
from streams.simulate.world import World
from tests.harness import confirmed, replay

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEY = DEFAULT, BUDGET
WAVE = Wave(
    name="flood",
    at=0.65,
    origins=(Origin("US", 3.0), Origin("BR", lag_minutes=30)),
    tags=(Tag("NewHere", 0.9, ("newhere", "NEWHERE")), Tag("hello", 0.3)),
    strength=2.0,
    doubling_minutes=20.0,
)


@pytest.mark.parametrize(("minutes", "rate"), [(2.0, 0.3), (15.0, 0.6)])
def test_a_drawn_world_is_the_simulated_one(minutes: float, rate: float) -> None:
    """Without JSON the same posts become the same alerts, and the same counts are scored."""
    parts = [Bots(), SlowGrowth(), Gap(at=0.5), WAVE]
    settings = settings_of(minutes)
    drawn = draw(parts, days=2.0, rate=rate, seed=3, home=True)
    sorted_in = entries(drawn)
    ran = run(drawn, sorted_in, minutes, settings)
    log = b"".join(compose(parts, days=2.0, rate=rate, seed=3).blocks())
    expected = confirmed(replay(log, settings).lines)
    assert confirmed([encode_alert(alert) for alert in ran.alerts]) == expected
    assert any(b"newhere" in line for line in expected)
    counts = count(drawn, sorted_in, minutes, round(360 / minutes))
    told = {b: (s.stop - s.start, counts.fresh[s].sum()) for b, s in counts.each()}
    assert len(ran.users) > 1_000 / minutes
    assert {bucket: told[bucket] for bucket in ran.users} == ran.users


def test_a_world_without_home_is_of_the_same_law() -> None:
    """Posts from the home region are never foreign: without them as many fresh users come."""
    totals = []
    for home in (True, False):
        drawn = draw([], days=3.0, rate=1.0, seed=5, home=home)
        totals.append(count(drawn, entries(drawn), 5.0, 72).fresh.sum())
    assert totals[0] != totals[1]
    assert totals[0] == pytest.approx(totals[1], rel=0.05)


def test_the_shape_of_a_wave_is_what_the_simulator_draws() -> None:
    """Users expected from the start on, against the mean of many draws."""
    wave = replace(WAVE, origins=(Origin("US"),))
    world = World(2.0, 0.3, 1)
    peak = wave.strength * world.background.foreign_rate * 3_600
    shape = Shape(peak, wave.doubling_minutes, wave.doublings, wave.half_life_hours)
    hours = np.array([1.0, 1.5, 2.0, 3.0, 6.0])
    drawn = np.zeros(len(hours))
    begin = world.wave_at(wave.at)
    for seed in range(200):
        posts = wave.plan(world, np.random.default_rng(seed)).posts
        _, first = np.unique(posts["user"], return_index=True)
        since = (posts["time"][first] - begin) / 3_600_000
        drawn += (since[:, None] <= hours).sum(axis=0) / 200
    assert shape.users(hours) == pytest.approx(drawn, rel=0.1)


def test_the_baseline_is_what_quiet_worlds_bring() -> None:
    """Another world's totals are as expected: of all, of a region, of an existing hashtag."""
    made = []
    for seed in (1, 2, 3):
        drawn = draw([], days=6.0, rate=1.0, seed=seed)
        made.append(count(drawn, entries(drawn), 15.0, 24))
    baseline = Baseline(World(6.0, 1.0, 0), made[:2])
    for key, rel in (("all", 0.04), ("region/US", 0.06), ("hashtag/fooddaily", 0.4)):
        row = made[2].rows_of[key]
        late = (made[2].row == row) & (made[2].bucket >= made[2].first + 96)
        expected = baseline.expected(key, made[2])[96:]
        assert made[2].fresh[late].sum() == pytest.approx(expected.sum(), rel=rel)
    at = np.flatnonzero(made[2].row == made[2].rows_of["region/US"])
    same = baseline.expected("region/US", made[2])[made[2].bucket[at] - made[2].first]
    assert baseline.of_events(made[2], at) == pytest.approx(same)


def test_the_bound_starts_at_every_bucket_of_every_series() -> None:
    """The fast test on quiet series gives what the plain sum over all starts gives."""
    rng = np.random.default_rng(2)
    length, shape = 60, Shape(30.0, 20.0, 4.0, 1.0)
    dense = rng.poisson(np.array([[0.2], [1.0], [0.05]]) * np.ones(length))
    dense[1, 30:36] += 4
    usual = np.array([0.1, 1.0, 0.02])
    row, bucket = np.nonzero(dense)
    counts = Counts(15.0, 0, length - 1, ["a", "b", "c"], bucket, row, dense[row, bucket] * 1.0)
    events = QuietEvents(bucket, row, dense[row, bucket] * 1.0, usual[row])
    found = quiet_peaks(counts, events, shape)
    extra = np.diff(shape.users(np.arange(26) / 4.0))
    for t in range(length):
        best = -math.inf
        for r in np.flatnonzero(dense[:, t]):
            for start in range(max(0, t - 23), t + 1):
                s = extra[: t - start + 1]
                ratio = dense[r, start : t + 1] @ np.log1p(s / usual[r]) - s.sum()
                best = max(best, float(ratio))
        assert found[t] == pytest.approx(best, abs=1e-3)


def test_a_threshold_spends_its_budget() -> None:
    """Runs of alarms within an hour are one incident, and so many as allowed are left."""
    assert runs(np.array([3, 4, 9, 14]), per_hour=4) == 3
    assert runs(np.array([3, 4, 8, 12]), per_hour=4) == 1
    scores = [np.random.default_rng(seed).exponential(size=5_000) for seed in range(4)]
    level = threshold(scores, 12, per_hour=4)
    found = sum(runs(np.flatnonzero(one >= level), 4) for one in scores)
    lower = sum(runs(np.flatnonzero(one >= level - 0.2), 4) for one in scores)
    assert found == 12 < lower
    assert poisson_interval(0) == pytest.approx((0.0, 3.689), abs=1e-3)


def counted(fresh: np.ndarray, minutes: float = 15.0) -> Counts:
    """Counts of a table, shape (series, buckets)."""
    bucket, row = np.nonzero(fresh.T)
    keys = [f"series/{number}" for number in range(len(fresh))]
    users = fresh.T[bucket, row] * 1.0
    return Counts(minutes, 1_000, 999 + fresh.shape[1], keys, 1_000 + bucket, row, users)


@pytest.mark.parametrize("method", classical(), ids=lambda method: method.name)
def test_a_method_sees_a_surge_and_not_the_future(method: Any) -> None:
    """What comes later changes no score, and a surge has the largest."""
    rng = np.random.default_rng(4)
    fresh = rng.poisson(np.array([[6.0], [0.3], [0.01]]) * np.ones(96 * 9))
    before = method.score(counted(fresh))
    fresh[0, 800:] = 0
    fresh[1, 800:808] += 25
    counts = counted(fresh)
    after = method.score(counts)
    early = counts.bucket < 1_800
    assert early.sum() > 500
    np.testing.assert_array_equal(after[early], before[: early.sum()])
    warm = counts.bucket >= 1_000 + 96 * 4
    best = np.flatnonzero(warm)[np.argmax(after[warm])]
    assert counts.row[best] == 1
    assert 1_800 <= counts.bucket[best] < 1_808


def test_averages_of_zeros_in_one_go() -> None:
    """A run of zeros learned when it is asked for is the same as zero after zero."""
    row = np.zeros(1, dtype=np.int64)
    slow, quick = Averages(1, 5.0), Averages(1, 5.0)
    for unit, x in enumerate([3.0, 0.0, 0.0, 7.0, 0.0, 0.0, 0.0]):
        slow.learn(unit, row, np.array([x]))
        if x:
            quick.learn(unit, row, np.array([x]))
    assert np.array(quick.at(7, row)) == pytest.approx(np.array(slow.at(7, row)))


def test_incidents_are_put_down_to_waves() -> None:
    """A wave's own series find it; what its users touch is its too; anything else is false."""
    keys = ["all", "hashtag/new", "hashtag/old", "region/US"]
    counts = Counts(15.0, 0, 1_343, keys, *([np.zeros(0, dtype=np.int64)] * 2), np.zeros(0))
    named, touched = np.array([0, 1, 0, 1], dtype=bool), np.array([1, 1, 0, 1], dtype=bool)
    mark = Mark(800, 850, 800.25, named, touched)
    row = WaveRow(1, 1.0, 15.0, "pair", 10.0, 10.0, 60.0, 40)
    told = [
        Told("before the first judged day", "hashtag/old", 100, {"hashtag/old": 100}),
        Told("before the wave", "hashtag/new", 799, {"hashtag/new": 799}),
        Told("found late", "all", 805, {"all": 805, "region/US": 811}),
        Told("again", "hashtag/new", 840, {"hashtag/new": 840}),
        Told("touched", "all", 820, {"all": 820}),
        Told("something else", "hashtag/old", 830, {"hashtag/old": 830}),
    ]
    tally, false = judge_incidents(told, counts, [mark], [row], KEY)
    assert [one.incident for one in false] == ["before the wave", "something else"]
    assert (tally.true, tally.false, tally.hours) == (3, 2, 240.0)
    assert row.found[KEY] == pytest.approx((812 - 800.25) / 4)
    assert row.incidents[KEY] == 3


class AtOnce(Executor):
    """Runs everything in this process."""

    def submit(self, work: Callable[..., Any], /, *args: Any, **named: Any) -> Future[Any]:
        """Do it now."""
        done: Future[Any] = Future()
        done.set_result(work(*args, **named))
        return done


@pytest.mark.slow
def test_from_worlds_to_tables(tmp_path: Path) -> None:
    """A small benchmark: the strong waves are found, and tables and plots hold every method."""
    case = Case(0.2, (15.0,), worlds=1, quiet=2)
    calm = [quiet_task(case, number, tmp_path, Wanted())[0] for number in range(case.quiet)]
    known = thresholds(case.rate, 15.0, calm, AtOnce())
    tested = wave_task(case, 1, {15.0: known}, Wanted())
    cut = Cut(case.rate, 15.0, calm, tested, known.bound[BUDGET].tolist())
    told = figures([cut], KEY)
    assert told.waves == 10
    assert 6 <= told.found <= told.bound
    assert 0.5 < told.median < 2.5
    strong = [row for row in tested[0].rows if row.signal >= 50]
    assert strong
    assert all(math.isfinite(row.found[KEY]) for row in strong)
    text = report.markdown([cut], "made")
    for method in classical():
        assert f"| {method.name} | 10 |" in text
    for drawing in plots.drawn([cut]).values():
        assert parseString(drawing).documentElement.tagName == "svg"  # noqa: S318 - ours


@pytest.mark.parametrize("name", [report.MARKER, quiet_table.MARKER])
def test_the_document_has_its_markers(name: str) -> None:
    """What the benchmark writes has a place in docs/detection.md."""
    text = report.DOCUMENT.read_text("utf-8")
    assert [text.count(marker) for marker in report.markers(name)] == [1, 1]


def test_drawn_counts_add_up() -> None:
    """Counts of regions, hashtags and all are sums of pairs, and each pair has its parents."""
    series = Series(2, 3)
    pairs = np.array([[1.0, 2.0, 3.0], [10.0, 20.0, 30.0]])
    counts = series.counts(pairs)
    assert counts.tolist() == [66, 6, 60, 11, 22, 33, 1, 2, 3, 10, 20, 30]
    assert series.parents[series.rows - 1] == 2
    assert series.links(series.rows - 1) == {2, 5}
    assert [series.level(row) for row in (0, 2, 5, 6)] == ["all", "region", "hashtag", "pair"]


def test_the_quiet_table_counts() -> None:
    """Four incidents in ten weeks against half of one a week: Garwood's limits, by the week."""
    world = quiet.World("daily", 8, 100, 1_000.0, 15, 10, 0.5, 7)
    outcome = quiet.Outcome(10, [(i, {i}) for i in range(4)], {"pair": 3, "all": 1})
    assert quiet_table.table([(world, outcome)]).splitlines()[2] == (
        "| daily | 909 | 1,000 | 15 min | 10 | 7 | 0.5 | 0.40 (0.11–1.02) | 2.05 | 1 all, 3 pair |"
    )
