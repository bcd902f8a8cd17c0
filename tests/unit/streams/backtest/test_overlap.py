"""What speaks of the same thing: series and time in common."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.backtest.overlap import Extent, common_share, extent, overlaps, shares_series

SERIES = ["all", "region/US", "region/GB", "hashtag/cats", "pair/US/cats", "pair/GB/cats"]
extents = st.builds(
    lambda series, start, length: extent(series, start, start + length),
    st.sets(st.sampled_from(SERIES), min_size=1),
    st.integers(0, 50),
    st.integers(0, 20),
)


def of(*series: str) -> Extent:
    """Series at one moment."""
    return extent(series, 0, 0)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["region/US"], ["region/US"]),
        (["pair/US/cats"], ["region/US"]),
        (["pair/US/cats"], ["hashtag/cats"]),
        (["pair/US/a/b"], ["hashtag/a/b"]),
        (["hashtag/dogs", "pair/US/cats"], ["all", "region/GB", "hashtag/cats"]),
        (["all"], ["all"]),
        (["all"], ["region/US", "all"]),
    ],
)
def test_series_in_common(one: list[str], other: list[str]) -> None:
    """The same series, a part of a series, and all where one side is nothing else."""
    assert shares_series(of(*one), of(*other))
    assert shares_series(of(*other), of(*one))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["region/US"], ["region/GB"]),
        (["region/US"], ["hashtag/cats"]),
        (["pair/US/cats"], ["pair/US/dogs"]),
        (["pair/US/cats"], ["pair/GB/cats"]),
        (["all", "region/US"], ["all", "region/GB"]),
        (["all"], ["region/US"]),
    ],
)
def test_series_apart(one: list[str], other: list[str]) -> None:
    """Two regions, two pairs of one region, and all beside others have nothing in common."""
    assert not shares_series(of(*one), of(*other))
    assert not shares_series(of(*other), of(*one))


@given(st.lists(extents, max_size=12), st.lists(extents, max_size=12))
def test_the_sweep_misses_nothing(first: list[Extent], second: list[Extent]) -> None:
    """The sweep over time gives the pairs that a look at every pair gives."""
    every = [
        (i, j)
        for (i, one), (j, other) in product(enumerate(first), enumerate(second))
        if one.start_ms <= other.end_ms
        and other.start_ms <= one.end_ms
        and shares_series(one, other)
    ]
    assert overlaps(first, second) == every


def test_common_share() -> None:
    """Of two stretches of time it is what both take, as a share of what either takes."""
    assert common_share(extent(["all"], 0, 10), extent(["all"], 5, 15)) == pytest.approx(1 / 3)
    assert common_share(extent(["all"], 0, 10), extent(["all"], 11, 15)) == 0.0
    assert common_share(of("all"), of("all")) == 1.0
