"""The life cycle of one series."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.episode import TRANSITIONS, Episode, Sign, State, next_state

if TYPE_CHECKING:
    from collections.abc import Iterable

HOUR = 12
CLOSE_AFTER = 6
THRESHOLD = 12.0
HIGH = 10.0
LOW = 3.9


def episode(close_after: int = CLOSE_AFTER) -> Episode:
    """Opened at bucket 0 of five minutes."""
    return Episode(opened=0, onset=0, window=3, hour=HOUR, close_after=close_after)


def run(
    one: Episode, counts: Iterable[float], score: float = HIGH, first: int = 0
) -> list[tuple[State, Sign]]:
    """Feed buckets; returns the changes of state and their signs."""
    changes = []
    for bucket, count in enumerate(counts, first):
        one.observe(bucket, count, 1.0)
        sign = one.sign(score, THRESHOLD, silent=False)
        if one.move(sign):
            changes.append((one.state, sign))
    return changes


def test_every_transition_is_reached() -> None:
    """Real counts walk an episode through every line of the table."""
    reached = {(State.QUIET, Sign.ALARM)}  # the detect stage opens an episode on an alarm
    one = episode()
    before = one.state
    rise = [50.0] * HOUR + [5.0] * (HOUR + 6) + [90.0] * HOUR + [5.0] * (HOUR + 6)
    calm = 0
    for bucket in range(200):
        one.observe(bucket, rise[bucket] if bucket < len(rise) else 1.0, 1.0)
        score = HIGH if bucket < len(rise) else LOW
        sign = one.sign(score, THRESHOLD, silent=False)
        if one.move(sign):
            reached.add((before, sign))
            before = one.state
            calm = bucket
    assert calm == len(rise) + CLOSE_AFTER - 1
    short = episode()
    assert run(short, [9.0] * CLOSE_AFTER, LOW) == [(State.QUIET, Sign.CALM)]
    reached.add((State.OPEN, Sign.CALM))
    assert reached == set(TRANSITIONS)


@pytest.mark.parametrize(
    ("state", "sign"),
    [pair for pair in itertools.product(State, Sign) if pair not in TRANSITIONS],
)
def test_other_signs_change_nothing(state: State, sign: Sign) -> None:
    """A sign that the table does not name leaves the state, and is no change."""
    assert next_state(state, sign) is state
    one = episode()
    one.state = state
    assert not one.move(sign)
    assert one.state is state


def test_quiet_is_the_end() -> None:
    """An episode that has closed does not open again of itself, whatever comes."""
    one = episode()
    run(one, [9.0] * CLOSE_AFTER, LOW)
    assert one.state is State.QUIET
    assert run(one, [500.0] * 40, HIGH, first=CLOSE_AFTER) == []


def test_calm_needs_its_time() -> None:
    """Calm closes after ``close_after`` buckets in a row; one loud bucket starts the wait anew."""
    one = episode()
    assert run(one, [9.0] * (CLOSE_AFTER - 1), LOW) == []
    assert run(one, [9.0], HIGH, first=CLOSE_AFTER - 1) == []
    assert run(one, [9.0] * (CLOSE_AFTER - 1), LOW, first=CLOSE_AFTER) == []
    assert run(one, [9.0], LOW, first=2 * CLOSE_AFTER - 1) == [(State.QUIET, Sign.CALM)]


def test_a_score_at_a_third_of_the_threshold_is_not_calm() -> None:
    """Calm is a score under a third of the threshold; exactly a third keeps an episode open."""
    assert run(episode(), [9.0] * 50, THRESHOLD / 3) == []
    assert run(episode(), [9.0] * 50, THRESHOLD / 3 - 1e-9) != []


def test_missing_data_give_no_sign() -> None:
    """Buckets that are not there are not counted: only those observed bring calm nearer."""
    one = episode()
    buckets = [0, 1, 2, 3, 500, 501]
    for bucket in buckets:
        one.observe(bucket, 9.0, 1.0)
        sign = one.sign(LOW, THRESHOLD, silent=False)
        assert sign is (Sign.CALM if bucket == buckets[-1] else Sign.NONE)


def test_peak_is_left_an_hour_later() -> None:
    """A fall is told an hour after the best hour, and names the bucket in which that ended."""
    one = episode()
    assert run(one, [60.0] * HOUR + [10.0] * (HOUR - 1)) == []
    assert one.peak_bucket == HOUR - 1
    assert run(one, [10.0], first=2 * HOUR - 1) == [(State.PEAKED, Sign.FALLING)]
    assert (one.peak, one.peak_bucket) == (60.0 * HOUR, HOUR - 1)


def test_small_falls_are_noise() -> None:
    """An hour at 70 % of the best, or one that chance explains, is no fall."""
    assert run(episode(), [60.0] * HOUR + [42.0] * 40) == []
    assert run(episode(), [1.0] * HOUR + [0.3] * 40) == [], "12 and 4 users are 3 sigmas apart"


def test_new_rise_needs_more_than_the_old_peak() -> None:
    """After a peak, a rise to a little over it is none; over 1.2 times it the episode is open."""
    fall = [60.0] * HOUR + [10.0] * HOUR
    for level, risen in ((70.0, False), (75.0, True)):
        one = episode()
        run(one, fall)
        assert one.state is State.PEAKED
        changes = run(one, [level] * HOUR, first=2 * HOUR)
        assert changes == ([(State.OPEN, Sign.RISING)] if risen else [])


def test_slow_rise_over_the_old_peak_is_a_rise() -> None:
    """A rise in small steps counts against the peak that was left, not against its own progress."""
    one = episode()
    run(one, [60.0] * HOUR + [10.0] * HOUR)
    steps = [10.0 + i for i in range(90)]
    assert run(one, steps, first=2 * HOUR) == [(State.OPEN, Sign.RISING)]
    run(one, [110.0] * HOUR + [10.0] * HOUR, first=2 * HOUR + 90)
    assert one.state is State.PEAKED, "and it peaks again"


@pytest.mark.parametrize("doubling", [20.0, 45.0, 90.0])
@pytest.mark.parametrize("expected", [0.0, 30.0])
def test_doubling_of_an_exponential(doubling: float, expected: float) -> None:
    """The doubling time of an exactly exponential excess is found, over any expectation."""
    one = episode()
    for bucket in range(60):
        fresh = expected + 20.0 * 2.0 ** (5.0 * bucket / doubling)
        one.observe(bucket, fresh, expected)
    assert one.doubling_minutes(5.0) == pytest.approx(doubling, rel=1e-6)


def test_no_doubling_without_growth() -> None:
    """Flat, falling and tiny excesses have no doubling time, and neither has noise."""
    for counts in ([80.0] * 40, [200.0 * 0.97**i for i in range(40)], [0.1 * i for i in range(20)]):
        one = episode()
        for bucket, count in enumerate(counts):
            one.observe(bucket, count, 1.0)
        assert one.doubling_minutes(5.0) is None


def test_doubling_of_the_first_minutes() -> None:
    """Half an hour after a steep onset shorter spans say what the hour cannot say yet."""
    one = episode()
    for bucket in range(6):
        one.observe(bucket, 30.0 * 2.0**bucket, 0.0)
    assert one.doubling_minutes(5.0) == pytest.approx(5.0, rel=1e-6)


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 50)), min_size=1, max_size=60))
def test_sums_are_those_of_the_buckets(buckets: list[tuple[int, int]]) -> None:
    """Excess, the last hour and the best hour are plain sums over the buckets observed."""
    one = episode()
    hours = []
    for bucket, (fresh, expected) in enumerate(buckets):
        one.observe(bucket, float(fresh), float(expected))
        hours.append(math.fsum(f for f, _ in buckets[max(bucket + 1 - HOUR, 0) : bucket + 1]))
        assert one.last_hour == pytest.approx(hours[-1])
    assert one.excess == pytest.approx(sum(f - e for f, e in buckets))
    assert one.peak == pytest.approx(max(hours))
    if max(hours) > 0:
        assert hours[one.peak_bucket] == pytest.approx(max(hours))
