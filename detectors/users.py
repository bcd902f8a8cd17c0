"""Samples of users, and the memory of who has been counted.

A user is a keyed 63-bit hash, so its value is a uniform random number that no post can choose.
A *sample* of rows (one row a post: user, post, ...) keeps all rows of the users whose hash lies
below ``theta``; with ``theta == WHOLE`` it is complete. This is the bottom-k (KMV) idea behind
theta sketches (Bar-Yossef et al., RANDOM 2002): the union of samples is a set union cut at the
smaller theta, so it is idempotent and independent of order and of the number of partitions,
provided that every sample is cut by the same rule.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from detectors.bank import FloatArray, IntArray

WHOLE = (1 << 63) - 1
"""Theta of a complete sample: one more than the largest hash, less one."""

CUT = WHOLE - 1
"""Theta of a sample that has all users, but of a bot not all posts: as good as complete."""

POSTS_PER_USER_MAX = 256
"""Rows one user may hold in a sample that has to be cut, so that a bot cannot fill it."""

_EMPTY = -1
_NEVER = -(1 << 30)
_LOAD_MAX = 0.7
_LOAD_NEW = 0.45
_MANY = 256


def precision(theta: IntArray) -> FloatArray:
    """Share of all users that lie below ``theta``: 1 for a complete sample."""
    return np.asarray(theta * (1.0 / WHOLE))


def cut(user: IntArray, rows_max: int, *, was_cut: bool = False) -> tuple[NDArray[np.bool_], int]:
    """Cut a sample to at most ``rows_max`` rows.

    A sample one of whose parts was cut holds no more of a bot than one that is cut as a whole,
    so that it does not matter how the posts were split.

    Args:
        user: the rows' users, ascending, a row a post, shape (n,).
        rows_max: the most rows a sample may hold.
        was_cut: has any part of the sample been cut before?

    Returns:
        Which rows stay, and the new theta (``WHOLE`` when nothing was ever cut).
    """
    if len(user) <= rows_max and not was_cut:
        return np.ones(len(user), dtype=np.bool_), WHOLE
    starts = np.flatnonzero(np.r_[True, user[1:] != user[:-1]])
    lengths = np.diff(np.r_[starts, len(user)])
    rank = np.arange(len(user)) - np.repeat(starts, lengths)
    kept = rank < min(POSTS_PER_USER_MAX, rows_max)
    remaining = user[kept]
    theta = CUT if len(remaining) <= rows_max else int(remaining[rows_max])
    return np.asarray(kept & (user < theta)), theta


class FreshMemory:
    """Who has been counted in which series, and when: a hash table over arrays.

    A Python dict needs some 100 bytes an entry, this table 23 to 71. An entry
    is a (series, user) key and the bucket in which the user was counted; it dies
    ``fresh_for`` buckets later.

    Args:
        fresh_for: buckets for which a counted user is not counted again.
        entries_max: above this the largest series are sampled (``theta`` halves).
    """

    def __init__(self, fresh_for: int, entries_max: int) -> None:
        self.fresh_for = fresh_for
        self.entries_max = entries_max
        self.used = 0
        self._allocate(1 << 12)

    def _allocate(self, slots: int) -> None:
        self._mask = slots - 1
        self._key = np.full(slots, _EMPTY, dtype=np.int64)
        self._bucket = np.zeros(slots, dtype=np.int32)
        self._row = np.zeros(slots, dtype=np.int32)
        self._views = (self._key.data, self._bucket.data, self._row.data)

    def __getstate__(self) -> dict[str, Any]:
        """Without the views of the arrays, which cannot be copied."""
        return {name: value for name, value in self.__dict__.items() if name != "_views"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take a copied state, and look at its arrays anew."""
        self.__dict__.update(state)
        self._views = (self._key.data, self._bucket.data, self._row.data)

    def admit(self, rows: Sequence[int], keys: Sequence[int], bucket: int) -> bytearray:
        """Count users in series; one byte each, 1 where the user is fresh.

        Args:
            rows: row of the series.
            keys: distinct (series, user) keys, ``user ^ stable hash of the series``.
            bucket: index of the bucket; must not fall from call to call.
        """
        if self.used + len(keys) > _LOAD_MAX * (self._mask + 1):
            self._rebuild(bucket, len(keys))
        if len(keys) > _MANY:
            return self._admit_many(rows, keys, bucket)
        key_at, bucket_at, row_at = self._views
        mask, dead = self._mask, bucket - self.fresh_for
        fresh = bytearray(len(keys))
        for i, (key, row) in enumerate(zip(keys, rows, strict=True)):
            slot = key & mask
            while (found := key_at[slot]) != key and found != _EMPTY:
                slot = (slot + 1) & mask
            if found == _EMPTY:
                key_at[slot] = key
                self.used += 1
            elif bucket_at[slot] > dead:
                continue
            row_at[slot] = row
            bucket_at[slot] = bucket
            fresh[i] = 1
        return fresh

    def _admit_many(self, rows: Sequence[int], keys: Sequence[int], bucket: int) -> bytearray:
        """The same over arrays, in rounds of one probe each: a few times as fast on many keys."""
        all_keys = np.array(keys, dtype=np.int64)
        all_rows = np.array(rows, dtype=np.int32)
        fresh = np.zeros(len(all_keys), dtype=np.bool_)
        todo = np.arange(len(all_keys))
        slot = all_keys & self._mask
        while len(todo):
            wanted = all_keys[todo]
            empty = self._key[slot] == _EMPTY
            # Two keys may want one empty slot; the last to write wins, the other probes on.
            self._key[slot[empty]] = wanted[empty]
            mine = self._key[slot] == wanted
            new = mine & (empty | (self._bucket[slot] + self.fresh_for <= bucket))
            place, which = slot[new], todo[new]
            fresh[which] = True
            self._bucket[place] = bucket
            self._row[place] = all_rows[which]
            self.used += int(np.count_nonzero(mine & empty))
            todo, slot = todo[~mine], (slot[~mine] + 1) & self._mask
        return bytearray(fresh.tobytes())

    def known(self, keys: IntArray, bucket: int) -> NDArray[np.bool_]:
        """Which (series, user) keys would not be fresh in a bucket; changes nothing.

        Args:
            keys: as for ``admit``, shape (n,).
            bucket: index of the bucket.
        """
        found = np.zeros(len(keys), dtype=np.bool_)
        todo, slot = np.arange(len(keys)), keys & self._mask
        while len(todo):
            there = self._key[slot]
            mine = there == keys[todo]
            found[todo[mine]] = self._bucket[slot[mine]] + self.fresh_for > bucket
            on = ~mine & (there != _EMPTY)
            todo, slot = todo[on], (slot[on] + 1) & self._mask
        return found

    def _rebuild(self, bucket: int, more: int) -> None:
        """Drop what has died, and grow when that is not enough."""
        live = (self._key != _EMPTY) & (self._bucket + self.fresh_for > bucket)
        self._refill(live, more)

    def _refill(self, live: NDArray[np.bool_], more: int) -> None:
        key, when, row = self._key[live], self._bucket[live], self._row[live]
        slots = 1 << 12
        while len(key) + more > _LOAD_NEW * slots:
            slots *= 2
        self._allocate(slots)
        self.used = len(key)
        todo, slot = np.arange(len(key)), key & self._mask
        while len(todo):
            empty = self._key[slot] == _EMPTY
            self._key[slot[empty]] = key[todo[empty]]
            mine = self._key[slot] == key[todo]
            self._bucket[slot[mine]] = when[todo[mine]]
            self._row[slot[mine]] = row[todo[mine]]
            todo = todo[~mine]
            slot = (slot[~mine] + 1) & self._mask

    def keep(self, rows: IntArray, count: int) -> None:
        """Forget all series but ``rows``; ``rows[i]`` becomes row ``i`` of ``count`` old ones."""
        new = np.full(count, -1, dtype=np.int32)
        new[rows] = np.arange(len(rows), dtype=np.int32)
        taken = np.flatnonzero(self._key != _EMPTY)
        row = new[self._row[taken]]
        self._row[taken] = np.maximum(row, 0)
        # What is forgotten dies in its place, where the next rebuilding finds it.
        self._bucket[taken[row < 0]] = _NEVER

    def over_limit(self, bucket: int) -> bool:
        """Are there more living entries than ``entries_max``? Drops the dead to find out."""
        if self.used <= self.entries_max:
            return False
        self._rebuild(bucket, 0)
        return self.used > self.entries_max

    def shrink(self, theta: IntArray, series_hash: IntArray) -> IntArray:
        """Halve the theta of the largest series until a quarter of the limit is free.

        Args:
            theta: each row's theta, shape (rows,).
            series_hash: each row's stable hash, shape (rows,), to read the user from a key.

        Returns:
            The new thetas.
        """
        theta = theta.copy()
        live = self._key != _EMPTY
        size = np.bincount(self._row[live], minlength=len(theta)).astype(np.float64)
        while size.sum() > 0.75 * self.entries_max:
            large = size >= 0.5 * size.max()
            theta[large] //= 2
            size[large] *= 0.5
        row = self._row[live]
        live[live] = (self._key[live] ^ series_hash[row]) < theta[row]
        self._refill(live, 0)
        return theta
