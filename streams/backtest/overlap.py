"""Do two incidents, or an incident and what is known of a log, speak of the same thing?

They do when their times overlap and their series do. Series overlap when one is the other or a part
of it: ``pair/US/cats`` of ``region/US`` and of ``hashtag/cats``. Every series is a part of ``all``,
so ``all`` says nothing, but for an incident that consists of nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from detectors.series import ALL, hashtag_key, parse_key, region_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Extent(NamedTuple):
    """Where something is in series and time.

    Attributes:
        series: keys of its series, without ``all``; empty if it is of ``all`` alone.
        wider: the series that these are parts of, without ``all``.
        has_all: whether ``all`` is among its series.
        start_ms: its first moment, ms since 1970 UTC.
        end_ms: its last moment.
    """

    series: frozenset[str]
    wider: frozenset[str]
    has_all: bool
    start_ms: int
    end_ms: int


def extent(series: Iterable[str], start_ms: int, end_ms: int) -> Extent:
    """The extent of series over a stretch of time.

    >>> sorted(extent(["all", "pair/US/cats"], 0, 1).wider)
    ['hashtag/cats', 'region/US']
    """
    keys = frozenset(series)
    own = keys - {ALL}
    wider = set()
    for key in own:
        level, region, hashtag = parse_key(key)
        if level == "pair":
            assert region is not None
            assert hashtag is not None
            wider |= {region_key(region), hashtag_key(hashtag)}
    return Extent(own, frozenset(wider), ALL in keys, start_ms, end_ms)


def shares_series(one: Extent, other: Extent) -> bool:
    """Whether the series of two extents overlap."""
    if not (one.series and other.series):
        return one.has_all and other.has_all
    return not (
        one.series.isdisjoint(other.series)
        and one.wider.isdisjoint(other.series)
        and one.series.isdisjoint(other.wider)
    )


def common_share(one: Extent, other: Extent) -> float:
    """How much of the time that either takes is taken by both, from 0 to 1."""
    both = min(one.end_ms, other.end_ms) - max(one.start_ms, other.start_ms)
    either = max(one.end_ms, other.end_ms) - min(one.start_ms, other.start_ms)
    if both < 0:
        return 0.0
    return both / either if either else 1.0


def overlaps(first: Sequence[Extent], second: Sequence[Extent]) -> list[tuple[int, int]]:
    """Which of ``first`` overlap which of ``second``: pairs of numbers, in order.

    One sweep over time: what is compared is only what is there at the same moment.
    """
    events = sorted(
        (item.start_ms, side, number)
        for side, items in enumerate((first, second))
        for number, item in enumerate(items)
    )
    present: tuple[list[int], list[int]] = ([], [])
    lists = (first, second)
    found = []
    for start_ms, side, number in events:
        others = lists[1 - side]
        there = present[1 - side]
        there[:] = [other for other in there if others[other].end_ms >= start_ms]
        mine = lists[side][number]
        found += [
            (other, number) if side else (number, other)
            for other in there
            if shares_series(mine, others[other])
        ]
        present[side].append(number)
    return sorted(found)
