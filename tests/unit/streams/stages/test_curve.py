"""A bounded curve of observed against expected."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.events import Point
from streams.stages.curve import STEPS_MAX, Curve


def point(bucket: int, observed: float = 1.0, expected: float = 0.5, upper: float = 3.5) -> Point:
    return Point("all", bucket, observed, expected, upper, 0.0, 0.0, open=True)


def test_short_curves_are_exact() -> None:
    """Up to 120 buckets every bucket is a step of its own."""
    curve = Curve()
    for bucket in range(1_000, 1_000 + STEPS_MAX):
        curve.add(point(bucket, observed=bucket))
    assert [(s.first, s.buckets, s.observed) for s in curve.steps] == [
        (b, 1, b) for b in range(1_000, 1_000 + STEPS_MAX)
    ]
    assert curve.upper(curve.steps[0]) == pytest.approx(3.5)


@given(
    st.integers(0, 10_000),
    st.lists(st.tuples(st.integers(1, 30), st.integers(0, 99)), min_size=1, max_size=600),
)
def test_long_curves_keep_their_sums(first: int, buckets: list[tuple[int, int]]) -> None:
    """However long, a curve has at most 120 steps in order, which add up to what was added."""
    curve, bucket = Curve(), first
    for distance, observed in buckets:
        bucket += distance
        curve.add(point(bucket, observed))
    assert 1 <= len(curve.steps) <= STEPS_MAX
    assert sum(s.observed for s in curve.steps) == sum(observed for _, observed in buckets)
    assert sum(s.expected for s in curve.steps) == pytest.approx(0.5 * len(buckets))
    for one, two in zip(curve.steps, curve.steps[1:], strict=False):
        assert one.first + one.buckets <= two.first
    last = curve.steps[-1]
    assert last.first + last.buckets - 1 == bucket
    assert all(s.buckets <= curve.width for s in curve.steps)


def test_margins_add_in_quadrature() -> None:
    """The band of a joined step is narrower than the sum of its bands, as chance evens out."""
    curve = Curve()
    for bucket in range(2 * STEPS_MAX):
        curve.add(point(bucket))
    step = curve.steps[0]
    assert step.buckets == 2
    assert curve.upper(step) == pytest.approx(2 * 0.5 + 3.0 * 2**0.5)


def test_holes_stay() -> None:
    """Missing buckets are between steps, not in them."""
    curve = Curve()
    for bucket in (10, 11, 50, 51):
        curve.add(point(bucket))
    assert [(s.first, s.buckets) for s in curve.steps] == [(10, 1), (11, 1), (50, 1), (51, 1)]
