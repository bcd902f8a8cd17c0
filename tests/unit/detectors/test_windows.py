"""Sums over windows are those of the counts, however many rows a bucket has."""

from __future__ import annotations

import pickle

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.windows import WindowSums

SPANS = [1, 2, 5, 30, 90]
ROWS = 60
FIRST = 1_000_000

STEPS = st.lists(
    st.tuples(
        st.integers(1, 40),
        # Few rows go into histories, more than half of these into sums by array.
        st.sampled_from([1, 2, 5, ROWS - 5]),
        st.integers(0, 1_000),
    ),
    max_size=30,
)


def brute(counts: dict[int, np.ndarray], bucket: int) -> np.ndarray:
    """Sums over the windows that end with ``bucket``, without it, shape (ROWS, windows)."""
    sums = np.zeros((ROWS, len(SPANS)))
    for at, users in counts.items():
        for k, span in enumerate(SPANS):
            sums[:, k] += users * (bucket - span < at < bucket)
    return sums


def look(made: WindowSums) -> np.ndarray:
    """All sums, which every way of asking for them gives."""
    rows = np.arange(ROWS)
    sums = made.many(rows)
    assert np.array([made.one(row) for row in range(ROWS)]).tolist() == sums.tolist()
    assert [made.longest_of_one(row) for row in range(ROWS)] == sums[:, -1].tolist()
    assert made.longest_of_many(rows).tolist() == sums[:, -1].tolist()
    return sums


def run(steps: list[tuple[int, int, int]]) -> tuple[WindowSums, dict[int, np.ndarray], int]:
    made, counts, bucket = WindowSums(SPANS), {}, FIRST
    made.resize(ROWS)
    for distance, size, seed in steps:
        bucket += distance
        made.catch_up(bucket)
        assert look(made).tolist() == brute(counts, bucket).tolist()
        rng = np.random.default_rng(seed)
        rows = rng.choice(ROWS, size, replace=False)
        users = rng.integers(1, 9, size).astype(np.float64)
        made.add(bucket, rows, users)
        counts[bucket] = np.bincount(rows, users, ROWS)
    return made, counts, bucket


@settings(max_examples=60)
@given(STEPS, st.integers(1, 200))
def test_sums_are_those_of_the_counts(steps: list[tuple[int, int, int]], later: int) -> None:
    """After buckets of few and of many rows, near each other and far apart."""
    made, counts, bucket = run(steps)
    made.catch_up(bucket + later)
    assert look(made).tolist() == brute(counts, bucket + later).tolist()
    copied = pickle.loads(pickle.dumps(made))  # noqa: S301
    assert look(copied).tolist() == look(made).tolist()


@settings(max_examples=30)
@given(STEPS, st.sets(st.integers(0, ROWS - 1), min_size=1), st.integers(1, 100))
def test_rows_that_stay_keep_their_sums(
    steps: list[tuple[int, int, int]], stay: set[int], later: int
) -> None:
    """Under their new numbers, also for what leaves the windows after that; new rows have none."""
    made, counts, bucket = run(steps)
    rows = np.array(sorted(stay))
    made.keep(rows, ROWS)
    for after in (1, later):
        made.catch_up(bucket + after)
        wanted = np.zeros((ROWS, len(SPANS)))
        wanted[: len(rows)] = brute(counts, bucket + after)[rows]
        assert look(made).tolist() == wanted.tolist()


def test_quiet_rows_hold_nothing() -> None:
    """What has left the longest window leaves no history behind."""
    made = WindowSums(SPANS)
    for bucket in range(FIRST, FIRST + 200):
        made.add(bucket, np.array([bucket % 100]), np.ones(1))
    made.catch_up(FIRST + 200 + SPANS[-1])
    assert not made._histories
    assert not made._quiet
