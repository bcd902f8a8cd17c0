"""What is expected, and that a wave does not teach itself."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.baseline import DISPERSION_MAX, LAG_HOURS, Baseline, overlap

if TYPE_CHECKING:
    from collections.abc import Callable

    from detectors.bank import IntArray

ONE = np.zeros(1, dtype=np.int64)
HOUR = 482_000 * 24 // 24 * 24
"""An hour index at midnight: time does not begin at 0."""


def baseline(rows: int = 1) -> Baseline:
    made = Baseline()
    resize(made, np.array([-1] + [0] * (rows - 1), dtype=np.int64))
    return made


def resize(made: Baseline, parents: IntArray) -> None:
    made.resize(parents, np.zeros_like(parents))


def teach(made: Baseline, first: int, hours: int, rate: Callable[[int], float]) -> int:
    """Feed row 0 with ``rate(hour)`` users every hour, in four buckets; returns the next hour."""
    for hour in range(first, first + hours):
        quarter = np.array([rate(hour) / 4.0])
        for _ in range(4):
            made.observe(hour, ONE, quarter, 0.25)
    return first + hours


def expected(made: Baseline, hour: int, row: int = 0) -> float:
    """Expected users of one whole hour."""
    window = overlap(np.array([float(hour)]), hour + 1.0)
    return float(made.expected(np.array([row]), window, hour)[0, 0])


def test_learns_a_constant_rate() -> None:
    """After a week of 20 users an hour, 20 are expected in every hour of the day."""
    made = baseline()
    now = teach(made, HOUR, 7 * 24, lambda _: 20.0)
    assert [expected(made, now + h) for h in range(24)] == pytest.approx([20.0] * 24, rel=0.03)


def test_learns_the_hours_of_a_day() -> None:
    """After three weeks of 40 users an hour by day and 4 by night, each hour expects its own."""
    made = baseline()

    def rate(hour: int) -> float:
        return 40.0 if 8 <= hour % 24 < 20 else 4.0

    now = teach(made, HOUR, 21 * 24, rate)
    for hour in range(now, now + 24):
        assert expected(made, hour) == pytest.approx(rate(hour), rel=0.15)


def test_wave_does_not_teach_itself() -> None:
    """Two hours into a tenfold wave nothing of it is learned; after twelve, little; later, more."""
    made = baseline()
    start = teach(made, HOUR, 7 * 24, lambda _: 20.0)
    before = expected(made, start)
    now = teach(made, start, LAG_HOURS, lambda _: 200.0)
    assert expected(made, now) == pytest.approx(before, rel=0.01)
    now = teach(made, now, 10, lambda _: 200.0)
    assert expected(made, now + 12) < 2.0 * before
    now = teach(made, now, 14 * 24, lambda _: 200.0)
    assert expected(made, now) > 0.8 * 200.0, "what stays for weeks is the new usual"


def test_wave_does_not_widen_its_band() -> None:
    """The dispersion after a wave of a day stays far from what the wave unclipped would make it."""
    made = baseline()
    now = teach(made, HOUR, 7 * 24, lambda _: 20.0)
    before = float(made.dispersion[0])
    teach(made, now, 24, lambda _: 2_000.0)
    assert made.dispersion[0] < before + 1.0 < DISPERSION_MAX


def test_two_days_of_a_wave_leave_the_band_of_a_sparse_series() -> None:
    """One user in five hours, then 80 an hour for two days: the band is as narrow as before."""
    made = baseline()
    now = teach(made, HOUR, 7 * 24, lambda hour: float(hour % 5 == 0))
    before = float(made.dispersion[0])
    now = teach(made, now, 46, lambda _: 80.0)
    assert made.dispersion[0] <= before
    assert expected(made, now) < 8.0


def test_bursty_series_has_a_wider_band() -> None:
    """The dispersion of counts with ten times the variance of Poisson is learned."""
    rng = np.random.default_rng(1)
    steady, bursty = baseline(), baseline()
    teach(steady, HOUR, 14 * 24, lambda _: float(rng.poisson(50.0)))
    teach(bursty, HOUR, 14 * 24, lambda _: float(10.0 * rng.poisson(5.0)))
    assert steady.dispersion[0] < 0.03
    assert 0.1 < bursty.dispersion[0] < 0.4, "variance m + d m² = 500 at m = 50 asks for 0.18"


def test_missing_hours_are_not_learned() -> None:
    """Hours that are covered by no data change nothing; the same hours as zeros do."""
    hole, zeros = baseline(), baseline()
    for made, covered in ((hole, 0.0), (zeros, 1.0)):
        now = teach(made, HOUR, 7 * 24, lambda _: 20.0)
        for hour in range(now, now + 36):
            made.observe(hour, ONE[:0], np.zeros(0), covered)
        teach(made, now + 36, LAG_HOURS, lambda _: 20.0)
    assert expected(hole, HOUR + 12) == pytest.approx(20.0, rel=0.03)
    assert expected(zeros, HOUR + 12) < 15.0


def test_zeros_are_taken_back() -> None:
    """Zeros that turn out to be a hole within the lag are unlearned: as if never observed."""
    made, hole = baseline(), baseline()
    for one in (made, hole):
        teach(one, HOUR, 3 * 24, lambda _: 20.0)
    now = HOUR + 3 * 24
    made.observe(now, ONE[:0], np.zeros(0), 0.5)
    made.uncover(now, 0.5)
    hole.observe(now, ONE[:0], np.zeros(0), 0.0)
    for one in (made, hole):
        teach(one, now + 1, 5, lambda _: 20.0)
    assert expected(made, now + 6) == expected(hole, now + 6)
    assert made.age_hours == hole.age_hours


def test_partly_seen_hour_counts_in_full() -> None:
    """Half an hour with ten users is a rate of twenty an hour."""
    made = baseline()
    for hour in range(HOUR, HOUR + 7 * 24):
        made.observe(hour, ONE, np.array([10.0]), 0.5)
    assert expected(made, HOUR) == pytest.approx(20.0, rel=0.05)


def test_new_row_was_absent_all_the_time() -> None:
    """A series first seen after a week expects next to nothing, one of a new log the prior."""
    made = baseline()
    now = teach(made, HOUR, 7 * 24, lambda _: 20.0)
    resize(made, np.array([-1, 0]))
    assert expected(made, now, row=1) < 0.02
    assert expected(baseline(2), HOUR, row=1) == pytest.approx(0.5, rel=0.05)


def test_new_row_borrows_its_parents_day() -> None:
    """The hour-of-day profile of a new series is its parent's until it has its own."""
    made = baseline()
    now = teach(made, HOUR, 14 * 24, lambda hour: 40.0 if hour % 24 < 12 else 4.0)
    resize(made, np.array([-1, 0]))
    by_day, by_night = expected(made, now + 6, row=1), expected(made, now + 18, row=1)
    assert by_day > 4.0 * by_night


def test_keep_keeps() -> None:
    """Kept rows expect what they did under their new numbers, and taken-up rows are new."""
    made = baseline(4)
    rows = np.arange(4)
    for hour in range(HOUR, HOUR + 72):
        made.observe(hour, rows, np.array([60.0, 10.0, 20.0, 30.0]), 1.0)
    fourth, new = expected(made, HOUR, row=3), expected(baseline(2), HOUR, row=1)
    made.keep(np.array([0, 3]), np.array([-1, 0]))
    assert expected(made, HOUR, row=1) == fourth
    resize(made, np.array([-1, 0, 0, 0]))
    assert expected(made, HOUR, row=2) == expected(made, HOUR, row=3) < 0.1 * new
    made.observe(HOUR + 72, np.array([1]), np.array([30.0]), 1.0)
    made.observe(HOUR + 80, ONE[:0], np.zeros(0), 1.0)
    assert expected(made, HOUR + 72, row=1) == pytest.approx(fourth, rel=0.1)


def test_many_rows_grow() -> None:
    """Rows beyond the first capacity hold their own rates, and old rows keep theirs."""
    made = baseline(10)
    made.observe(HOUR, np.array([5]), np.array([100.0]), 1.0)
    resize(made, np.array([-1] + [0] * 999))
    made.observe(HOUR, np.array([900]), np.array([100.0]), 0.0)
    made.observe(HOUR + 3, ONE[:0], np.zeros(0), 1.0)
    rates = made.rate[:1_000]
    assert rates[5] == rates[900] > 10 * rates[6]
    assert np.ptp(np.delete(rates, [5, 900])) == 0.0


@settings(max_examples=60)
@given(
    st.integers(0, 3_000),
    st.lists(st.sampled_from([1, 2, 5, 10, 60, 240, 719, 720, 1_440]), min_size=1, max_size=6),
    st.lists(st.floats(0.1, 3.0), min_size=24, max_size=24),
)
def test_expected_is_the_sum_of_minutes(end: int, spans: list[int], profile: list[float]) -> None:
    """What a window expects is the sum over its minutes of the rate at their hour of the day."""
    made = baseline()
    teach(made, HOUR, 30, lambda _: 12.0)
    made.profile[:, 0] = profile
    end_hour = (end + 1) / 60.0
    starts = np.array([end_hour - span / 60.0 for span in spans])
    found = made.expected(ONE, overlap(starts, end_hour), math.ceil(end_hour) - 1)[0]
    for span, total in zip(spans, found.tolist(), strict=True):
        minutes = range(end + 1 - span, end + 1)
        brute = sum(float(np.float32(profile[math.floor(m / 60) % 24])) for m in minutes)
        assert total == pytest.approx(float(made.rate[0]) * brute / 60.0, rel=1e-6)
