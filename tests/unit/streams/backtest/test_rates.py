"""The exact Poisson interval."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.backtest import poisson_interval

# Garwood's table as printed in textbooks (two-sided 95 %).
TABLE = {0: (0.0, 3.69), 1: (0.0253, 5.57), 2: (0.242, 7.22), 5: (1.62, 11.67), 30: (20.24, 42.83)}


@pytest.mark.parametrize("count", TABLE)
def test_known_intervals(count: int) -> None:
    """The ends are those of the published table."""
    assert poisson_interval(count) == pytest.approx(TABLE[count], rel=3e-3, abs=1e-9)


def at_most(count: int, mean: float) -> float:
    """The chance of a Poisson count of at most this."""
    return sum(math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(count + 1))


@given(st.integers(1, 3_000), st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_the_tails_are_as_said(count: int, level: float) -> None:
    """At each end the count, or a stranger one, comes up with half of what is left."""
    low, high = poisson_interval(count, level)
    tail = (1 - level) / 2
    assert low < count < high
    assert at_most(count, high) == pytest.approx(tail, rel=1e-6)
    assert 1 - at_most(count - 1, low) == pytest.approx(tail, rel=1e-6)
