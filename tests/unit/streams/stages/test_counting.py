"""Fresh users of a bucket."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.users import WHOLE
from streams.stages.counting import Counting
from streams.stages.merge import Table
from streams.stages.rows import Rows

FRESH_FOR = 10
SERIES = ["all", "hashtag/cats", "pair/US/cats", "region/US"]
HALF = WHOLE // 2


def table(users: list[int], theta: int = WHOLE) -> Table:
    """A bucket in which each of the series has these users, a post each."""
    count = len(users)
    user = np.array(sorted(users) * len(SERIES), dtype=np.int64)
    return Table(
        series=SERIES,
        ends=np.arange(1, len(SERIES) + 1) * count,
        theta=np.full(len(SERIES), theta),
        user=user,
        lang=np.zeros(len(user), dtype=np.int16),
        flags=np.zeros(len(user), dtype=np.uint8),
        langs=["en"],
    )


def counts(buckets: list[tuple[int, Table]], entries_max: int = 1_000) -> list[list[float]]:
    rows = Rows()
    counting = Counting(rows, FRESH_FOR, entries_max)
    return [
        counting.count(bucket, made, rows.take(made.series)).tolist() for bucket, made in buckets
    ]


def test_a_user_is_counted_again_only_after_a_while() -> None:
    """Whether a bucket has one post or several."""
    alone, several = table([7]), table([7, 9])
    buckets = [(100, alone), (105, several), (109, alone), (110, alone), (114, several)]
    assert counts(buckets) == [[1.0] * 4, [1.0] * 4, [0.0] * 4, [1.0] * 4, [0.0] * 4]


@pytest.mark.parametrize("others", [[], [HALF + 5]])
def test_a_sampled_series_counts_a_user_for_all_it_stands_for(others: list[int]) -> None:
    """Of half the users each counts twice, and those of the other half not at all."""
    sampled = table([HALF + 1], HALF)
    buckets = [(100, sampled), (101, table([5, *others])), (102, table([HALF + 9]))]
    assert counts(buckets) == [[0.0] * 4, [pytest.approx(2.0)] * 4, [0.0] * 4]
