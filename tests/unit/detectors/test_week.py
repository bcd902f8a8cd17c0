"""The hours of a week, and days off."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from detectors.baseline import Baseline, overlap
from detectors.holiday import country_number, free
from detectors.week import FACTOR_RANGE, WEEK_HOURS, Week

MONDAY = 20_094 * 24
"""Midnight of Monday 2025-01-06, hours since 1970."""
WEEKEND = (5, 6)
FRANCE, EGYPT = country_number("FR"), country_number("EG")


def rate(hour: int, shift: int, factor: float) -> float:
    """Forty users an hour, ``factor`` times as many on weekends that begin ``shift`` hours late."""
    return 40.0 * (factor if (hour - shift - MONDAY) // 24 % 7 in WEEKEND else 1.0)


def taught(weeks: int) -> Baseline:
    """``all``, France with busy weekends in UTC, Egypt with quiet ones five hours later."""
    made = Baseline()
    made.resize(np.array([-1, 0, 0]), np.array([0, FRANCE, EGYPT]))
    for hour in range(MONDAY, MONDAY + weeks * WEEK_HOURS):
        france, egypt = rate(hour, 0, 1.6), rate(hour, 5, 0.5)
        made.observe(hour, np.arange(3), np.array([france + egypt, france, egypt]), 1.0)
    return made


def hourly(made: Baseline, row: int, hour: int) -> float:
    window = overlap(np.array([float(hour)]), hour + 1.0)
    return float(made.expected(np.array([row]), window, hour)[0, 0])


def test_weekends_are_expected() -> None:
    """After six weeks each region expects its own weekend, but for the hours around its ends."""
    made = taught(6)
    now = MONDAY + 6 * WEEK_HOURS
    for day in range(7):
        for of_day in (4, 11, 19):
            hour = now + 24 * day + of_day
            if (hour - 5 - MONDAY) // 24 % 7 == (hour - MONDAY) // 24 % 7:
                assert hourly(made, 1, hour) == pytest.approx(rate(hour, 0, 1.6), rel=0.2), hour
                assert hourly(made, 2, hour) == pytest.approx(rate(hour, 5, 0.5), rel=0.2), hour


def test_single_hours_are_those_of_windows() -> None:
    """``expected_at`` is ``expected`` of windows of one hour, whatever the hours."""
    made = taught(3)
    hours = np.arange(MONDAY + 3 * WEEK_HOURS, MONDAY + 4 * WEEK_HOURS, 7)
    rows = np.arange(len(hours)) % 3
    windows = [hourly(made, row, hour) for row, hour in zip(rows, hours, strict=True)]
    assert made.expected_at(rows, hours) == pytest.approx(windows)


def test_a_window_over_midnight_is_the_sum_of_its_hours() -> None:
    made = taught(5)
    saturday = MONDAY + 5 * WEEK_HOURS + 5 * 24
    window = overlap(np.array([saturday - 6.0]), saturday + 6.0)
    whole = float(made.expected(np.array([1]), window, saturday + 5)[0, 0])
    parts = sum(hourly(made, 1, saturday + h) for h in range(-6, 6))
    assert whole == pytest.approx(parts)
    assert hourly(made, 1, saturday + 5) > 1.3 * hourly(made, 1, saturday - 6)


def test_a_pair_keeps_its_regions_week_and_a_hashtag_that_of_all() -> None:
    made = taught(5)
    made.resize(np.array([-1, 0, 0, 1, 0]), np.array([0, FRANCE, EGYPT, FRANCE, 0]))
    saturday = MONDAY + 5 * WEEK_HOURS + 5 * 24 + 12
    monday = MONDAY + 5 * WEEK_HOURS + 12
    for row, like in ((3, 1), (4, 0)):
        ratio = hourly(made, row, saturday) / hourly(made, row, monday)
        assert ratio == pytest.approx(hourly(made, like, saturday) / hourly(made, like, monday))


def test_rows_that_stay_keep_their_week() -> None:
    made = taught(4)
    made.resize(np.array([-1, 0, 0, 2]), np.array([0, FRANCE, EGYPT, EGYPT]))
    hours = range(MONDAY + 4 * WEEK_HOURS, MONDAY + 5 * WEEK_HOURS, 13)
    before = [(hourly(made, 2, h), hourly(made, 3, h)) for h in hours]
    made.keep(np.array([0, 2, 3]), np.array([-1, 0, 1]))
    assert [(hourly(made, 1, h), hourly(made, 2, h)) for h in hours] == before
    copied = pickle.loads(pickle.dumps(made))  # noqa: S301
    assert [(hourly(copied, 1, h), hourly(copied, 2, h)) for h in hours] == before


def test_on_a_holiday_as_much_as_on_a_sunday_is_usual() -> None:
    """The first of May 2025, a Thursday, is off in France; Egypt's own holiday is that day, too."""
    made = taught(17)
    hour = (20_209) * 24 + 12
    assert hourly(made, 1, hour) == pytest.approx(rate(MONDAY + 6 * 24 + 12, 0, 1.6), rel=0.2)
    assert hourly(made, 2, hour) == pytest.approx(40.0, rel=0.2), "a quiet Sunday lowers nothing"
    week_before = hour - WEEK_HOURS
    assert hourly(made, 1, week_before) == pytest.approx(40.0, rel=0.2)


def test_a_holiday_teaches_nothing() -> None:
    """A New Year's Day ten times as busy leaves the Wednesdays of France as they were."""
    busy, usual = Week(), Week()
    day = 20_089  # 2025-01-01
    assert free((FRANCE,), day) == (FRANCE,)
    for week, factor in ((busy, 10.0), (usual, 1.0)):
        week.add(FRANCE)
        for hour in range(day * 24 - 48, day * 24 + 24):
            count = np.full(2, 50.0 * (factor if hour // 24 == day else 1.0))
            week.learn(hour, count, np.full(2, 50.0), 1.0, ripe=True)
    noon = (day + 7) * 24 + 12
    assert busy.at(noon)[1] == usual.at(noon)[1]
    assert busy.at(noon)[0] > 1.5, "all has no holidays"


def test_factors_stay_within_their_range() -> None:
    week = Week()
    for hour in range(MONDAY, MONDAY + 6 * WEEK_HOURS):
        count = 1e6 if hour % 2 else 0.0
        week.learn(hour, np.array([count]), np.array([1.0]), 1.0, ripe=True)
    assert week.factor.min() >= FACTOR_RANGE[0]
    assert week.factor.max() <= FACTOR_RANGE[1]


def test_a_hole_in_the_data_teaches_nothing_of_the_hours_around_it() -> None:
    week = Week()
    for hour in range(MONDAY, MONDAY + 20):
        if hour - MONDAY != 10:
            week.learn(hour, np.array([90.0]), np.array([30.0]), 1.0, ripe=True)
    learned = np.flatnonzero(week.factor[0] != 1.0)
    assert set(learned - MONDAY % WEEK_HOURS) == {3, 4, 5, 6, 14, 15, 16}


def test_countries_without_a_calendar_have_no_holidays() -> None:
    assert free((country_number("ZZ"), 0, country_number("\u4e2d")), 20_089) == ()
