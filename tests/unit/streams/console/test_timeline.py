"""Folding series rows into few steps."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.console.digest import incident_steps
from streams.console.timeline import (
    REGIONS_TRACKED,
    STEPS_ALL,
    STEPS_REGION,
    STEPS_WINDOW,
    SeriesAccumulator,
    Step,
    Window,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MINUTE = 60_000
START = datetime(2025, 1, 12, tzinfo=UTC)
START_MS = round(START.timestamp() * 1000)


def row(minute: int, observed: float = 1.0, series: str = "all", expected: float = 1.0) -> Any:
    """One series row."""
    at = (START + timedelta(minutes=minute)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "series": series,
        "at": at,
        "minutes": 1,
        "observed": observed,
        "expected": expected,
        "upper": expected + 3,
        "score": 0,
        "threshold": 1,
        "open": False,
    }


def filled(rows: Any, windows: tuple[Window, ...] = ()) -> SeriesAccumulator:
    """An accumulator that has seen these rows."""
    accumulator = SeriesAccumulator(windows)
    for one in rows:
        accumulator.add(one)
    return accumulator


@pytest.mark.parametrize("minutes", [1, 599, 600, 601, 10_080])
def test_all_is_bounded_and_complete(minutes: int) -> None:
    """However long the log, few steps come out, and every fresh user is in one of them."""
    steps = filled(row(minute, 2.0) for minute in range(minutes)).all_steps()
    assert len(steps) <= STEPS_ALL
    last = steps[-1]
    # The last step may reach beyond the log; its rate is shown as if it were full.
    seen = minutes - (last.at_ms - START_MS) / MINUTE
    total = sum(step.observed for step in steps[:-1]) + last.observed * seen / last.minutes
    assert total == pytest.approx(2.0 * minutes)
    assert sum(step.expected for step in steps) == pytest.approx(len(steps) * last.minutes)


def test_band_grows_with_the_square_root() -> None:
    """Five buckets of band 3 above expected make one step of band 3·√5, not 15."""
    steps = filled(row(minute) for minute in range(700)).all_steps()
    assert steps[0].minutes == 5
    assert steps[0].upper - steps[0].expected == pytest.approx(3 * math.sqrt(5))


@given(st.lists(st.integers(0, 100_000), min_size=1, max_size=60), st.randoms())
def test_order_of_rows_does_not_matter(minutes: list[int], random: Any) -> None:
    """The same rows in any order give the same steps."""
    shuffled = list(minutes)
    random.shuffle(shuffled)
    first = filled(row(minute) for minute in sorted(minutes)).all_steps()
    again = filled(row(minute) for minute in shuffled).all_steps()
    assert [step.at_ms for step in again] == [step.at_ms for step in first]
    assert [step.observed for step in again] == pytest.approx([s.observed for s in first])


def test_a_gap_has_no_steps() -> None:
    """Buckets that are missing are not drawn as zeros."""
    steps = filled(row(minute) for minute in [*range(10), *range(50, 60)]).all_steps()
    assert len(steps) == 20


def test_a_region_without_a_row_is_zero_where_there_are_data() -> None:
    """A region that was silent while others posted had no fresh users; a gap stays a gap."""
    rows = [row(minute) for minute in [*range(30), *range(60, 90)]]
    rows += [row(minute, 4.0, "region/DZ", 0.5) for minute in (0, 10, 89)]
    (total,) = filled(rows).top_regions(5)
    assert total.region == "DZ"
    assert total.fresh_users == 12
    assert len(total.steps) == 60
    assert sum(step.observed for step in total.steps) == 12
    assert {step.expected for step in total.steps} == {0.5}


def test_regions_are_ranked_and_bounded() -> None:
    """The regions with most fresh users are kept, each in few steps; junk codes are counted."""
    rows = [row(minute, 1.0, "region/US") for minute in range(5000)]
    rows += [row(0, number + 2.0, f"region/{number}") for number in range(REGIONS_TRACKED + 50)]
    accumulator = filled(rows)
    top = accumulator.top_regions(3)
    assert [total.region for total in top] == ["US", "698", "697"]
    assert len(top[0].steps) <= STEPS_REGION
    assert accumulator.regions_untracked == 51


def test_a_window_keeps_detail_of_its_series_only() -> None:
    """Inside a window single minutes survive though the whole log is folded coarsely."""
    window = Window("pair/US/x", START_MS + 5000 * MINUTE, START_MS + 5100 * MINUTE)
    rows = [row(minute, series="pair/US/x") for minute in range(10_000)]
    rows += [row(minute, series="pair/US/y") for minute in range(10_000)]
    accumulator = filled(rows, (window,))
    steps = accumulator.window_steps(window)
    assert (len(steps), steps[0].minutes, steps[0].at_ms) == (100, 1, window.start_ms)
    assert accumulator.rows == 20_000
    assert accumulator.all_steps() == []


def test_a_long_window_is_bounded(
    rows: Callable[[int], Iterator[dict[str, Any]]],
) -> None:
    """A day-long incident is drawn in at most the stated number of steps."""
    window = Window("pair/US/tiktokrefugee", START_MS, START_MS + 4000 * MINUTE)
    steps = filled(rows(4000), (window,)).window_steps(window)
    assert 0 < len(steps) <= STEPS_WINDOW
    assert {step.observed / step.minutes for step in steps} == {30}


def test_history_fills_in_around_rows() -> None:
    """Before its episode a pair has no rows: the alert's history shows how quiet it was."""
    history = [Step(START_MS + n * 10 * MINUTE, 10, 20.0, 10.0, 19.0) for n in range(5)]
    rows = [Step(START_MS + (20 + n) * MINUTE, 1, 7.0, 1.0, 4.0) for n in range(10)]
    joined = incident_steps(history, rows)
    assert [step.at_ms for step in joined] == [START_MS + n * MINUTE for n in range(50)]
    assert {step.observed for step in joined[:20] + joined[30:]} == {2.0}
    assert joined[20:30] == rows
    assert incident_steps(history, []) == history


def test_a_long_history_is_not_cut_into_minutes() -> None:
    """A month of history around ten rows is drawn as it came, so the page stays small."""
    history = [Step(START_MS + n * 360 * MINUTE, 360, 20.0, 10.0, 19.0) for n in range(120)]
    rows = [Step(START_MS + n * MINUTE, 1, 7.0, 1.0, 4.0) for n in range(10)]
    assert incident_steps(history, rows) == history


def test_regions_without_all() -> None:
    """A series file that holds no row of all still gives the regions, without made-up zeros."""
    (total,) = filled(row(minute, 2.0, "region/US") for minute in (0, 5)).top_regions(5)
    assert [step.observed for step in total.steps] == [2.0, 2.0]
