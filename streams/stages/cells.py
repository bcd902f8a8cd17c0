"""The open buckets of one source partition: which posts each series holds so far."""

from __future__ import annotations

from collections import defaultdict
from itertools import chain, count
from typing import TYPE_CHECKING, Any

import numpy as np

from detectors.bank import NO_ROWS
from detectors.series import ALL, hashtag_key, pair_key, region_key
from detectors.users import WHOLE, cut
from streams.events import Partials

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from detectors.bank import IntArray

Row = tuple[int, int, int, int]
"""User, post, language number, flags of one post."""

Columns = tuple[list[str], "IntArray", "IntArray", "IntArray"]
"""Series, ends, thetas, and the columns of the rows, shape (4, rows)."""

FEW_POSTS = 48
"""So many posts are closed one by one: an array operation costs as much as several of them."""

UNTOLD_MAX = 5_000
"""Posts that wait to be told early once they were sorted in; the newest, if there are more."""

_NO_POSTS: IntArray = np.zeros((4, 0), dtype=np.int64)
_TAG_BITS = 32
_TAG_MASK = (1 << _TAG_BITS) - 1


class OpenBucket:
    """A bucket that still takes posts.

    Posts gather in a list, and are sorted into their series all at once: when the bucket closes,
    or when there are so many that a limit may have been reached. A series is a number while the
    bucket is open: the region's letters above ``_TAG_BITS``, the hashtag's number below them, 0
    for neither.

    Args:
        rows_max: rows of a series that are kept before it is sampled.
        series_max: series; above it the lightest hashtags and pairs are dropped until half of
            them are left. This is lossy counting (Manku and Motwani, VLDB 2002): a series that
            holds more than its share of the bucket's posts survives any number of light ones.

    Attributes:
        posts: hashes of the posts that are kept, by which repeats are known.
        dropped: series that were dropped so far.
    """

    def __init__(self, rows_max: int, series_max: int) -> None:
        self.rows_max = rows_max
        self.series_max = series_max
        self.posts: set[int] = set()
        self.dropped = 0
        self._new: list[tuple[Row, str, Sequence[str]]] = []
        self._told = 0
        self._untold: list[tuple[Row, str, Sequence[str]]] = []
        self._room = series_max
        self._tags = _numbers()
        self._theta: dict[int, int] = {}
        # Columns of the posts sorted in so far, shape (4, posts); and which series has which
        # post, an entry for each of the two, shape (entries,).
        self._rows = _NO_POSTS
        self._series = self._post = NO_ROWS

    def __getstate__(self) -> dict[str, Any]:
        """With the hashtags as a list, since what numbers them cannot be copied.

        What was told early is forgotten: it comes by the clock, and may be told again.
        """
        return self.__dict__ | {"_tags": list(self._tags), "_told": 0, "_untold": []}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take a copied state, and go on numbering."""
        self.__dict__.update(state)
        self._tags = _numbers()
        for tag in state["_tags"]:
            self._tags[tag]

    def add(self, row: Row, region: str, tags: Sequence[str]) -> None:
        """Add a post, which is not among ``posts``.

        Args:
            row: the post.
            region: its region.
            tags: its canonical hashtags, all different.
        """
        self.posts.add(row[1])
        self._new.append((row, region, tags))
        self._room -= 1 + 2 * len(tags)
        if self._room < 0:
            self._gather()
            self._keep_limits()

    # -- limits ----------------------------------------------------------------------------------

    def _keep_limits(self) -> None:
        series, where, sizes = np.unique(self._series, return_inverse=True, return_counts=True)
        large = np.flatnonzero(sizes > self.rows_max).tolist()
        for i in large:
            self._sample(int(series[i]), np.flatnonzero(where == i))
        left = len(series)
        if left > self.series_max:
            left -= self._drop_lightest(series, where, sizes)
        if large or left < len(series):
            self._forget_unused()
        # Limits may be passed by a quarter of what is kept before they are seen to again: were
        # they kept at every post, many posts would take quadratic time.
        self._room = max(self.series_max - left, self.series_max // 4, len(self._series) // 4)

    def _sample(self, number: int, entries: IntArray) -> None:
        """Cut the entries of a series to those of the users below a new theta."""
        users, posts = self._rows[0][self._post[entries]], self._rows[1][self._post[entries]]
        order = np.lexsort((posts, users))
        theta = self._theta.get(number, WHOLE)
        stay, self._theta[number] = _cut(users[order], self.rows_max, theta)
        self._post[entries[order[~stay]]] = -1

    def _drop_lightest(self, series: IntArray, where: IntArray, sizes: IntArray) -> int:
        """Drop the lightest hashtags and pairs until half of what is allowed is left."""
        tagged = np.flatnonzero(series & _TAG_MASK)
        keys = self._keys(series[tagged])
        order = sorted(range(len(keys)), key=lambda i: (-int(sizes[tagged[i]]), keys[i]))
        gone = np.zeros(len(series), dtype=np.bool_)
        gone[tagged[order[self.series_max // 2 :]]] = True
        self._post[gone[where]] = -1
        dropped = int(np.count_nonzero(gone))
        self.dropped += dropped
        return dropped

    def _forget_unused(self) -> None:
        """Forget entries marked -1, posts that no series has any more, and hashtags likewise."""
        kept = self._post >= 0
        self._series, self._post = self._series[kept], self._post[kept]
        used = np.unique(self._post)
        self._post = np.searchsorted(used, self._post)
        self._rows = self._rows[:, used]
        self.posts = set(self._rows[1].tolist())
        names = list(self._tags)
        kept_series = set(self._series.tolist())
        old = np.unique(self._series & _TAG_MASK)
        self._tags = _numbers()
        new = np.zeros(len(names) + 1, dtype=np.int64)
        for number in old[old > 0].tolist():
            new[number] = self._tags[names[number - 1]]
        regions = self._series >> _TAG_BITS << _TAG_BITS
        self._theta = {
            (number >> _TAG_BITS << _TAG_BITS) | int(new[number & _TAG_MASK]): theta
            for number, theta in self._theta.items()
            if number in kept_series
        }
        self._series = regions | new[self._series & _TAG_MASK]

    # -- sorting in ------------------------------------------------------------------------------

    def _gather(self) -> None:
        """Sort the new posts into their series."""
        if not self._new:
            return
        rows, regions, tags = zip(*self._new, strict=True)
        self._untold = (self._untold + self._new[self._told :])[-UNTOLD_MAX:]
        self._new, self._told = [], 0
        first, n = self._rows.shape[1], len(rows)
        self._rows = np.concatenate([self._rows, np.array(rows, dtype=np.int64).T], axis=1)
        codes = {code: _region_number(code) for code in set(regions)}
        region = np.fromiter(map(codes.__getitem__, regions), np.int64, n)
        tagged = np.fromiter(map(len, tags), np.int64, n)
        tag = np.fromiter(
            map(self._tags.__getitem__, chain.from_iterable(tags)), np.int64, int(tagged.sum())
        )
        post = np.arange(first, first + n)
        of_tag = np.repeat(post, tagged)
        paired = region[of_tag - first] | tag
        zero = np.zeros(n, dtype=np.int64)
        self._series = np.concatenate([self._series, zero, region, tag, paired])
        self._post = np.concatenate([self._post, post, post, of_tag, of_tag])

    def _keys(self, series: IntArray) -> list[str]:
        names = ["", *self._tags]
        letters = series >> _TAG_BITS
        regions = {n: chr(n >> 8) + chr(n & 0xFF) for n in np.unique(letters).tolist() if n}
        pairs = zip(letters.tolist(), (series & _TAG_MASK).tolist(), strict=True)
        return [
            (pair_key(regions[region], names[tag]) if tag else region_key(regions[region]))
            if region
            else (hashtag_key(names[tag]) if tag else ALL)
            for region, tag in pairs
        ]

    # -- closing ---------------------------------------------------------------------------------

    def untold(self, partition: int, bucket: int, langs: list[str]) -> Partials | None:
        """The posts added since the last such call, as partials; the arguments as for ``close``.

        Of very many only the newest are told: what is early need not be complete.
        """
        added = self._untold + self._new[self._told :]
        self._untold, self._told = [], len(self._new)
        return _as_partials(_columns(added), partition, bucket, langs) if added else None

    def close(self, partition: int, bucket: int, langs: list[str]) -> Partials:
        """The bucket as partials; it takes no more posts.

        Args:
            partition: the source partition.
            bucket: index of the bucket.
            langs: language of each number.
        """
        few = not len(self._series) and len(self._new) <= min(FEW_POSTS, self.rows_max)
        columns = _columns(self._new) if few else self._close_many()
        return _as_partials(columns, partition, bucket, langs)

    def _close_many(self) -> Columns:
        self._gather()
        numbers, series = np.unique(self._series, return_inverse=True)
        if len(numbers) > self.series_max:
            self._keep_limits()
            numbers, series = np.unique(self._series, return_inverse=True)
        n = self._rows.shape[1]
        by_user = np.lexsort((self._rows[1], self._rows[0]))
        rank = np.empty(n, dtype=np.int64)
        rank[by_user] = np.arange(n)
        keys = self._keys(numbers)
        order = sorted(range(len(keys)), key=keys.__getitem__)
        place = np.empty(len(keys), dtype=np.int64)
        place[order] = np.arange(len(keys))
        entries = np.sort(place[series] * n + rank[self._post])
        series, at = np.divmod(entries, n)
        rows = self._rows[:, by_user][:, at]
        theta = np.full(len(keys), WHOLE, dtype=np.int64)
        for number, cut_at in self._theta.items():
            theta[place[np.searchsorted(numbers, number)]] = cut_at
        sizes = np.bincount(series, minlength=len(keys))
        ends = np.cumsum(sizes)
        large = np.flatnonzero((sizes > self.rows_max) | (theta < WHOLE))
        if len(large):
            stay = np.ones(len(series), dtype=np.bool_)
            for i in large.tolist():
                mine = slice(int(ends[i] - sizes[i]), int(ends[i]))
                stay[mine], theta[i] = _cut(rows[0, mine], self.rows_max, int(theta[i]))
            rows = rows[:, stay]
            ends = np.cumsum(np.bincount(series[stay], minlength=len(keys)))
        return [keys[i] for i in order], ends, theta, rows


def _columns(added: list[tuple[Row, str, Sequence[str]]]) -> Columns:
    """A few posts sorted into their series."""
    if len(added) == 1:
        return _columns_of_one(*added[0])
    cells: defaultdict[str, list[int]] = defaultdict(list)
    added = sorted(added, key=_row_of)
    for post, (_, region, tags) in enumerate(added):
        cells[ALL].append(post)
        cells[region_key(region)].append(post)
        for tag in tags:
            cells[hashtag_key(tag)].append(post)
            cells[pair_key(region, tag)].append(post)
    series = sorted(cells)
    posts: list[int] = []
    ends = []
    for key in series:
        posts += cells[key]
        ends.append(len(posts))
    theta = np.empty(len(series), dtype=np.int64)
    theta.fill(WHOLE)
    rows = np.array([row for row, _, _ in added])
    return series, np.array(ends), theta, rows.take(posts, axis=0).T


def _columns_of_one(row: Row, region: str, tags: Sequence[str]) -> Columns:
    """The same of a single post, as most buckets of a sparse log have it."""
    series = [ALL, region_key(region)]
    for tag in tags:
        series += (hashtag_key(tag), pair_key(region, tag))
    series.sort()
    count = len(series)
    theta = np.empty(count, dtype=np.int64)
    theta.fill(WHOLE)
    rows = np.array(row).repeat(count).reshape(len(row), count)
    return series, np.arange(1, count + 1), theta, rows


def _as_partials(columns: Columns, partition: int, bucket: int, langs: list[str]) -> Partials:
    """Columns with only the languages that occur."""
    keys, ends, theta, rows = columns
    user, post, lang, flags = rows
    used = [*set(lang.tolist())]
    if len(used) > 1:
        used.sort(key=langs.__getitem__)
        number = np.zeros(len(langs), dtype=np.int16)
        number[used] = range(len(used))
        lang = number.take(lang)
    else:
        lang = np.zeros(len(lang), dtype=np.int16)
    return Partials(
        partition=partition,
        bucket=bucket,
        series=keys,
        ends=ends,
        theta=theta,
        user=user,
        post=post,
        lang=lang,
        flags=flags.astype(np.uint8),
        langs=[langs[i] for i in used],
    )


def _cut(users: IntArray, rows_max: int, theta: int) -> tuple[NDArray[np.bool_], int]:
    """Which rows of a series stay, and its theta, if it was ``theta`` before."""
    stay = users < theta if theta < WHOLE else np.ones(len(users), dtype=np.bool_)
    stay[stay], cut_at = cut(users[stay], rows_max, was_cut=theta < WHOLE)
    return stay, min(theta, cut_at)


def _numbers() -> defaultdict[str, int]:
    """Numbers from 1 on, in order of first appearance."""
    return defaultdict(count(1).__next__)


def _region_number(region: str) -> int:
    return (ord(region[0]) << 8 | ord(region[1])) << _TAG_BITS


def _row_of(added: tuple[Row, str, Sequence[str]]) -> Row:
    return added[0]
