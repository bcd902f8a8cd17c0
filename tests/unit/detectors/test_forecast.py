"""What a wave brings next."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.episode import Episode, State
from detectors.forecast import (
    COEFFICIENTS,
    HOURS,
    LATE_HOURS,
    QUANTILES,
    error,
    features,
    forecast,
    late_rate,
)


def episode(minutes: float, counts: list[float], expected: float = 0.0) -> Episode:
    """An episode that began with the first of these buckets."""
    hour = max(1, round(60 / minutes))
    one = Episode(opened=0, onset=0, window=3, hour=hour, close_after=hour)
    for bucket, fresh in enumerate(counts):
        one.observe(bucket, fresh, expected)
    return one


def test_coefficients_are_complete() -> None:
    """Each horizon has a row for each quantile, each row a number for each feature."""
    wide = len(features(1.0, 1.0, peaked=False))
    shape = {hours: [len(row) for row in rows] for hours, rows in COEFFICIENTS.items()}
    assert shape == {hours: [wide] * len(QUANTILES) for hours in HOURS}


@pytest.mark.parametrize("minutes", [1, 5, 15, 30, 60])
def test_a_steady_rate_is_found(minutes: int) -> None:
    """Buckets of any length that bring 30 users an hour beyond the usual give that rate."""
    counts = [(30 + 6) * minutes / 60] * (4 * 60 // minutes)
    one = episode(minutes, counts, expected=6 * minutes / 60)
    assert one.late_rate() == pytest.approx(30.0)


def test_late_counts_more() -> None:
    """A rate that has just doubled counts for more than half; an old one has nearly no say."""
    doubled = episode(5, [5.0] * 12 + [10.0] * 3)
    assert 90.0 < doubled.late_rate() < 120.0
    over = episode(5, [100.0] * 12 + [0.0] * 24)
    assert over.late_rate() < 0.01 * 1_200.0
    assert LATE_HOURS < 0.5


def test_fewer_than_usual_is_no_rate() -> None:
    """Nothing below zero, and nothing without data."""
    assert episode(5, [1.0] * 6, expected=3.0).late_rate() == 0.0
    assert late_rate([]) == 0.0
    one = episode(5, [])
    assert one.late_rate() == 0.0


def test_missing_data_are_taken_back() -> None:
    """Zeros that were a hole in the data do not lower the rate."""
    one = episode(5, [10.0] * 12)
    before = one.late_rate()
    for bucket in range(12, 15):
        one.observe(bucket, 0.0, 0.0)
    assert one.late_rate() < before
    one.take_back(3)
    assert one.late_rate() == before


@given(
    late=st.floats(0, 1e6),
    age=st.floats(0, 500),
    users=st.floats(0, 1e7),
    peaked=st.booleans(),
    expected=st.floats(0, 1e5),
)
def test_intervals_are_in_order(
    late: float, age: float, users: float, peaked: bool, expected: float
) -> None:
    """Whatever an episode is like: numbers, none below zero, lower, middle and upper in order."""
    told = forecast(late, features(age, users, peaked=peaked), [expected] * 6)
    assert [one.hours for one in told] == list(HOURS)
    for one in told:
        assert 0.0 <= one.lower <= one.users <= one.upper < math.inf
        assert one.expected == pytest.approx(one.hours * expected)


@given(late=st.floats(1, 1e4), users=st.floats(5, 1e5), expected=st.floats(0, 100))
def test_the_interval_holds_the_fitted_errors(late: float, users: float, expected: float) -> None:
    """An observation at an end of the interval has that quantile's error."""
    x = features(3.0, users, peaked=False)
    for one in forecast(late, x, [expected] * 6):
        fitted = sorted(
            sum(b * v for b, v in zip(row, x, strict=True)) for row in COEFFICIENTS[one.hours]
        )
        for value, z in zip((one.lower, one.users, one.upper), fitted, strict=True):
            if value > 0.0:
                assert error(value, one.expected, late, one.hours) == pytest.approx(z, abs=1e-6)


def test_more_of_late_is_more_to_come() -> None:
    """Twice the rate gives more users, and what is usual comes on top."""
    x = features(2.0, 200.0, peaked=False)
    once, twice = forecast(50.0, x, [0.0] * 6), forecast(100.0, x, [0.0] * 6)
    usual = forecast(50.0, x, [10.0] * 6)
    for a, b, c in zip(once, twice, usual, strict=True):
        assert a.lower < b.lower
        assert a.users < b.users < 2.1 * a.users
        assert a.users < c.users < a.users + 10.0 * a.hours + 20.0


def test_an_episode_knows_its_own() -> None:
    """Age, users and state of an episode enter; one past its peak is more surely near its end."""
    one = episode(5, [10.0] * 24)
    going = one.forecast(23, 240.0, [0.0] * 6)
    assert going == forecast(one.late_rate(), features(2.0, 240.0, peaked=False), [0.0] * 6)
    one.state = State.PEAKED
    assert one.forecast(23, 240.0, [0.0] * 6) != going
    assert going[0].lower < 120.0 < going[0].upper
