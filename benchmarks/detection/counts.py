"""Fresh users of every series and bucket: what all methods and the bound are given."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from detectors.origin import AGE_KNOWN, NEWCOMER
from detectors.series import ALL, hashtag_key, pair_key, region_key
from detectors.users import WHOLE
from streams.events import Partials
from streams.simulate.posts import user_name
from streams.simulate.regions import LANGUAGE_TAGS, NO_REGION, REGIONS
from streams.stages.pseudonym import Pseudonyms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from benchmarks.detection.worlds import Drawn
    from streams.settings import Settings

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

HOUR_MS = 3_600_000
_REGION_BITS = 32
UNKNOWN = "ZZ"


@dataclass(frozen=True)
class Counts:
    """Fresh users: one *event* for each series and bucket that has any.

    Attributes:
        minutes: length of a bucket.
        first: index of the world's first bucket.
        last: index of its last.
        keys: series, ascending; a series' place is its row.
        bucket: of each event, ascending, shape (events,).
        row: of each event, ascending within a bucket, shape (events,).
        fresh: fresh users of each event, 1 or more, shape (events,).
    """

    minutes: float
    first: int
    last: int
    keys: list[str]
    bucket: Ints
    row: Ints
    fresh: Floats

    @property
    def buckets(self) -> int:
        """How many buckets the world has."""
        return self.last - self.first + 1

    @property
    def per_hour(self) -> int:
        """How many buckets an hour has."""
        return round(60 / self.minutes)

    @cached_property
    def starts(self) -> Ints:
        """For each bucket its first event, and the number of events at the end."""
        wanted = np.arange(self.first, self.last + 2)
        return np.asarray(np.searchsorted(self.bucket, wanted))

    @cached_property
    def rows_of(self) -> dict[str, int]:
        """Series to row."""
        return {key: row for row, key in enumerate(self.keys)}

    def each(self) -> Iterator[tuple[int, slice]]:
        """Every bucket in order, and which events it has."""
        starts = self.starts.tolist()
        for i in range(self.buckets):
            yield self.first + i, slice(starts[i], starts[i + 1])


@dataclass(frozen=True)
class Entries:
    """Posts by series: a post is in ``all``, its region, its hashtags, and their pairs.

    Attributes:
        keys: series, ascending.
        row: series of each entry, shape (entries,).
        post: post of each entry, its place in ``Drawn.posts``, shape (entries,).
    """

    keys: list[str]
    row: Ints
    post: Ints


def entries(drawn: Drawn) -> Entries:
    """Sort the posts of a world into their series."""
    posts, tags = drawn.posts, drawn.tags
    number = np.arange(len(posts))
    region = (posts["region"].astype(np.int64) + 1) << _REGION_BITS
    of_tag, slot = np.nonzero(tags >= 0)
    tag = tags[of_tag, slot] + 1
    codes = np.concatenate([np.zeros(len(posts), np.int64), region, tag, region[of_tag] | tag])
    post = np.concatenate([number, number, of_tag, of_tag])
    unique, place = np.unique(codes, return_inverse=True)
    keys = [_key(code, drawn.names) for code in unique.tolist()]
    order = sorted(range(len(keys)), key=keys.__getitem__)
    rank = np.empty(len(keys), dtype=np.int64)
    rank[order] = np.arange(len(keys))
    return Entries([keys[i] for i in order], rank[place], post)


def _key(code: int, names: list[str]) -> str:
    region, tag = code >> _REGION_BITS, code & ((1 << _REGION_BITS) - 1)
    if not region:
        return hashtag_key(names[tag - 1]) if tag else ALL
    letters = REGIONS[region - 1].code
    letters = UNKNOWN if letters == NO_REGION else letters
    return pair_key(letters, names[tag - 1]) if tag else region_key(letters)


def count(drawn: Drawn, sorted_in: Entries, minutes: float, fresh_for: int) -> Counts:
    """Count the fresh users of a world by the rule of ``detectors.users.FreshMemory``.

    Args:
        drawn: the world.
        sorted_in: its posts by series.
        minutes: length of a bucket.
        fresh_for: buckets for which a counted user is not counted again.
    """
    size = round(minutes * 60_000)
    world = drawn.world
    first, last = world.start_ms // size, (world.end_ms - 1) // size
    bucket = drawn.posts["time"][sorted_in.post] // size
    row, user = sorted_in.row, drawn.posts["user"][sorted_in.post]
    order = np.lexsort((bucket, user, row))
    row, user, bucket = row[order], user[order], bucket[order]
    group = np.cumsum(np.r_[False, (row[1:] != row[:-1]) | (user[1:] != user[:-1])])
    fresh = _first_and_again(group, bucket - first, fresh_for)
    spot = (bucket[fresh] - first) * len(sorted_in.keys) + row[fresh]
    spot, times = np.unique(spot, return_counts=True)
    at, row = np.divmod(spot, len(sorted_in.keys))
    return Counts(minutes, first, last, sorted_in.keys, first + at, row, times.astype(np.float64))


def _first_and_again(group: Ints, bucket: Ints, fresh_for: int) -> Ints:
    """Which entries count: the first of a group, and then the first ``fresh_for`` later, again.

    Args:
        group: ascending, shape (n,).
        bucket: ascending within a group, zero or more, shape (n,).
        fresh_for: in buckets.
    """
    stride = int(bucket.max(initial=0)) + fresh_for + 1
    place = group * stride + bucket
    now = np.flatnonzero(np.r_[True, group[1:] != group[:-1]])[: len(group)]
    found = [now]
    while len(now):
        after = np.searchsorted(place, place[now] + fresh_for)
        there = after < len(place)
        after, now = after[there], now[there]
        now = after[group[after] == group[now]]
        found.append(now)
    return np.concatenate(found)


def partials(
    drawn: Drawn, sorted_in: Entries, minutes: float, settings: Settings
) -> Iterator[Partials]:
    """The buckets of a world as ingest would emit them, in order."""
    posts = drawn.posts
    users, place = np.unique(posts["user"], return_inverse=True)
    pseudonyms = Pseudonyms(settings.users.key.reveal())
    hashes = np.array([pseudonyms.hash(user_name(u)) for u in users.tolist()], dtype=np.int64)
    user = hashes[place]
    primary = sorted({tag.split("-")[0] for tag in LANGUAGE_TAGS})
    lang = np.array([primary.index(tag.split("-")[0]) for tag in LANGUAGE_TAGS], dtype=np.int16)
    known = posts["account"] >= 0
    new = posts["time"] - posts["account"] * 1000 <= settings.origin.newcomer_age_ms
    flags = np.where(known, AGE_KNOWN, 0) | np.where(known & new, NEWCOMER, 0)
    bucket = posts["time"] // round(minutes * 60_000)
    at, row = sorted_in.post, sorted_in.row
    order = np.lexsort((at, user[at], row, bucket[at]))
    at, row = at[order], row[order]
    whole = bucket[at]
    for index in np.unique(bucket).tolist():
        low, high = np.searchsorted(whole, [index, index + 1])
        mine, rows = at[low:high], row[low:high]
        ends = np.flatnonzero(np.r_[rows[1:] != rows[:-1], True]) + 1
        yield Partials(
            partition=0,
            bucket=index,
            series=[sorted_in.keys[r] for r in rows[ends - 1].tolist()],
            ends=ends,
            theta=np.full(len(ends), WHOLE, dtype=np.int64),
            user=user[mine],
            post=mine,
            lang=lang[posts["lang"][mine]],
            flags=flags[mine].astype(np.uint8),
            langs=primary,
        )
