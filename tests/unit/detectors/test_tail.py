"""The threshold that spends a budget of false alarms."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.tail import RUN_BLOCKS, WARMUP_BLOCKS, Tail, fit_pareto

ROWS = 50
WEEK = 168
WEEKS = 14
Draw = Callable[[np.random.Generator, int], np.ndarray]


def exponential(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.exponential(size=n)


def bounded(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.beta(8, 4, size=n)


def heavy(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.pareto(3, size=n)


def sparse(rng: np.random.Generator, n: int) -> np.ndarray:
    return np.where(rng.random(n) < 0.002, rng.exponential(size=n), -np.inf)


def runs(tail: Tail, hours: list[np.ndarray]) -> int:
    """Runs of hours in alarm, each judged by the threshold before it was learned."""
    count, alarm = 0, False
    for scores in hours:
        over = bool(scores.max() >= tail.threshold)
        count += over and not alarm
        alarm = over
        tail.add(scores)
    return count


@pytest.mark.parametrize(
    ("draw", "budget"),
    [(exponential, 1.0), (exponential, 5.0), (bounded, 1.0), (heavy, 1.0), (sparse, 1.0)],
)
def test_budget_is_spent(draw: Draw, budget: float) -> None:
    """Whatever the shape of the tail, alarms a week come within a factor of two of the budget."""
    found = 0
    for seed in (11, 12):
        rng = np.random.default_rng(seed)
        hours = [draw(rng, ROWS) for _ in range(WEEKS * WEEK)]
        found += runs(Tail(60, budget), hours)
    assert 0.5 * budget < found / (2 * WEEKS) < 2.0 * budget


def test_infinite_until_warm() -> None:
    """Nothing alarms in the first two days, and silence before the first score is not counted."""
    rng = np.random.default_rng(1)
    tail = Tail(60, 1)
    tail.add_empty(1_000)
    tail.add(np.full(3, -np.inf))
    for _ in range(WARMUP_BLOCKS - 1):
        tail.add(rng.exponential(size=ROWS))
        assert tail.threshold == math.inf
    tail.add(rng.exponential(size=ROWS))
    assert math.isfinite(tail.threshold)


def test_no_look_ahead() -> None:
    """A bucket does not move the threshold it is judged by: that moves when its hour is over."""
    rng = np.random.default_rng(2)
    tail = Tail(15, 1)
    for _ in range(4 * WEEK):
        tail.add(rng.exponential(size=ROWS))
    before = tail.threshold
    for _ in range(3):
        tail.add(np.array([0.99 * before]))
        assert tail.threshold == before
    tail.add(rng.exponential(size=ROWS))
    assert tail.threshold > before


def test_wave_keeps_threshold() -> None:
    """A wave of ten hours, however high, raises its own threshold by less than a mean excess."""
    rng = np.random.default_rng(3)
    tail = Tail(60, 1)
    for _ in range(4 * WEEK):
        tail.add(rng.exponential(size=ROWS))
    before = tail.threshold
    for _ in range(10):
        tail.add(np.array([1e9]))
    assert before <= tail.threshold < before + 1.0


def test_wave_before_the_first_threshold_is_cut() -> None:
    """A wave while no tail is known yet is cut at the threshold in force: it hides no later one."""
    rng = np.random.default_rng(6)
    tail = Tail(60, 1)
    for hour in range(3 * 24):
        wave = 30 <= hour < 50
        tail.add_peak(1_000.0 if wave else float(rng.exponential(size=ROWS).max()), 15.0)
    assert 5.0 < tail.threshold < 25.0


def test_new_level_is_learned() -> None:
    """Scores that stay higher for weeks end their alarm: a run counts again every day."""
    rng = np.random.default_rng(4)
    tail = Tail(60, 1)
    for _ in range(4 * WEEK):
        tail.add(rng.exponential(size=ROWS))
    days = 0
    while tail.threshold < 30.0 and days < 60:
        for _ in range(RUN_BLOCKS):
            tail.add(np.array([30.0]))
        days += 1
    assert 3 < days < 60


def test_saturating_scores_never_alarm() -> None:
    """A scorer that says 1.0 too often for the budget gets a threshold above 1.0."""
    rng = np.random.default_rng(5)
    hours = [np.where(rng.random(ROWS) < 0.001, 1.0, 0.5 * rng.random(ROWS)) for _ in range(1_000)]
    tail = Tail(60, 1)
    runs(tail, hours)
    assert tail.threshold > 1.0


@given(
    st.lists(st.floats(0.0, 50.0), min_size=0, max_size=80),
    st.integers(1, 900),
    st.integers(0, 5),
)
def test_empty_run_is_empty_buckets(peaks: list[float], empty: int, cut: int) -> None:
    """A run of empty buckets, however it is cut, is as many buckets without a score."""
    single, whole, parts = Tail(20, 1), Tail(20, 1), Tail(20, 1)
    for peak in peaks:
        for tail in (single, whole, parts):
            tail.add(np.array([peak]))
    for _ in range(empty):
        single.add(np.zeros(0))
    whole.add_empty(empty)
    parts.add_empty(min(cut, empty))
    parts.add_empty(empty - min(cut, empty))
    assert single.threshold == whole.threshold == parts.threshold
    for tail in (single, whole, parts):
        tail.add(np.array([7.0, 1.0]))
    assert pickle.dumps(single) == pickle.dumps(whole) == pickle.dumps(parts)


def test_memory_is_bounded() -> None:
    """A year of buckets leaves a tail no larger than a few kilobytes."""
    tail = Tail(60, 1)
    for _ in range(52):
        tail.add(np.arange(5.0))
        tail.add_empty(WEEK - 1)
    assert len(pickle.dumps(tail)) < 10_000


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan])
def test_wrong_budget_is_refused(value: float) -> None:
    """A budget that is no positive number has no threshold."""
    with pytest.raises(ValueError, match="over zero"):
        Tail(5, value)


@pytest.mark.parametrize(
    ("shape", "low", "high"), [(-0.3, -0.4, -0.2), (0.0, -0.1, 0.1), (0.3, 0.2, 0.4)]
)
def test_fit_finds_the_shape(shape: float, low: float, high: float) -> None:
    """The fit finds the shape and scale of samples drawn by the inverse of the distribution."""
    u = (np.arange(1, 5_001) - 0.5) / 5_000
    x = -np.log(1 - u) if shape == 0 else ((1 - u) ** -shape - 1) / shape
    scale, found = fit_pareto(2.0 * x)
    assert low < found < high
    assert scale == pytest.approx(2.0, rel=0.1)
