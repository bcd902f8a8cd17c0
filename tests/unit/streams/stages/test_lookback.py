"""The last hours of merged buckets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from streams.stages.cells import OpenBucket
from streams.stages.lookback import CHARS_A_ROW, SERIES_ROWS, Lookback
from streams.stages.merge import Table, merge

if TYPE_CHECKING:
    from detectors.bank import FloatArray


def table(posts: int, *regions: str) -> Table:
    bucket = OpenBucket(1_000, 1_000)
    for i in range(posts * len(regions)):
        bucket.add((i, i, 0, 0), regions[i % len(regions)], [])
    return merge([bucket.close(0, 0, [""])], 1_000)


def fresh(one: Table, value: float) -> FloatArray:
    return value + np.arange(len(one.series), dtype=np.float64)


def test_counts_of_a_series() -> None:
    """Counts are those of the series by bucket; buckets without it or without posts are zero."""
    past = Lookback(100, 10_000)
    for bucket, regions in ((10, ["US"]), (12, ["GB", "US"]), (13, ["GB"])):
        one = table(2, *regions)
        past.add(bucket, one, fresh(one, bucket))
    assert past.counts("region/US", 9, 14).tolist() == [0, 11, 0, 14, 0, 0]
    assert past.counts("all", 12, 13).tolist() == [12, 13]
    assert past.counts("hashtag/none", 10, 13).tolist() == [0, 0, 0, 0]


def test_reach_is_bounded_in_time() -> None:
    """A bucket is forgotten exactly ``buckets_max`` buckets later."""
    past = Lookback(5, 10_000)
    one = table(1, "US")
    for bucket in (100, 103, 104, 105):
        past.add(bucket, one, fresh(one, 1.0))
    assert [p.bucket for p in past.since(0)] == [103, 104, 105]
    assert [p.bucket for p in past.since(104)] == [104, 105]


def test_memory_is_bounded() -> None:
    """Beyond the limit of rows the oldest buckets go, a series counts as some; one always stays."""
    one = table(50, "US")
    size = 100 + 2 * SERIES_ROWS + len("all" + "region/US") // CHARS_A_ROW
    past = Lookback(1_000, 3 * size)
    for bucket in range(10):
        past.add(bucket, one, fresh(one, 1.0))
    assert [p.bucket for p in past.since(0)] == [7, 8, 9]
    huge = table(900, "US")
    past.add(10, huge, fresh(huge, 1.0))
    assert [p.bucket for p in past.since(0)] == [10]
    past.add(11, one, fresh(one, 1.0))
    assert [p.bucket for p in past.since(0)] == [11]


def test_long_names_count() -> None:
    """Hashtags of a hundred letters take the room of more rows than short ones."""
    short, long = table(1, "US"), table(1, "US")
    long.series[1] += "x" * 100
    for one, kept in ((short, 3), (long, 2)):
        past = Lookback(1_000, 3 * (2 + 2 * SERIES_ROWS + len("all" + "region/US") // CHARS_A_ROW))
        for bucket in range(10):
            past.add(bucket, one, fresh(one, 1.0))
        assert len(list(past.since(0))) < 3 or one is short
        assert len(list(past.since(0))) <= kept
