"""Samples of users, and the memory of who has been counted."""

from __future__ import annotations

import pickle
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.series import stable_hash
from detectors.users import CUT, POSTS_PER_USER_MAX, WHOLE, FreshMemory, cut, precision

Row = tuple[int, int]
"""User and post."""

HASHES = np.array([stable_hash(f"hashtag/t{row}") for row in range(64)], dtype=np.int64)
USERS = [stable_hash(f"user {n}") for n in range(12)]
ROWS = st.lists(
    st.tuples(st.sampled_from(USERS), st.integers(0, 60)), unique=True, min_size=1, max_size=80
)


class Sample(NamedTuple):
    """Rows that were kept, and the theta."""

    rows: list[Row]
    theta: int


def sample(parts: list[Sample], rows_max: int) -> Sample:
    """The union of samples, cut the way the stages do."""
    theta = min(part.theta for part in parts)
    rows = sorted({row for part in parts for row in part.rows if row[0] < theta})
    users = np.array([user for user, _ in rows], dtype=np.int64)
    stay, cut_at = cut(users, rows_max, was_cut=theta < WHOLE)
    return Sample([r for r, kept in zip(rows, stay, strict=True) if kept], min(theta, cut_at))


@given(ROWS, st.integers(4, 30))
def test_cut_keeps_whole_users_below_theta(rows: list[Row], rows_max: int) -> None:
    """A sample fits, is never empty, and has every user below theta, up to the cap on posts."""
    kept, theta = sample([Sample(sorted(rows), WHOLE)], rows_max)
    assert 1 <= len(kept) <= rows_max
    assert {u for u, _ in kept} == {u for u, _ in rows if u < theta}
    cap = len(rows) if theta == WHOLE else min(POSTS_PER_USER_MAX, rows_max)
    for user in {u for u, _ in kept}:
        posts = sorted(post for u, post in rows if u == user)
        assert [post for u, post in kept if u == user] == posts[:cap]
    assert (theta == WHOLE) == (len(rows) <= rows_max)


@settings(max_examples=100)
@given(ROWS, st.integers(4, 30), st.lists(st.integers(0, 2), min_size=80, max_size=80))
def test_sample_of_samples_is_sample_of_all(rows: list[Row], rows_max: int, at: list[int]) -> None:
    """However rows are split and in whatever order the parts come, the union's sample is one."""
    whole = sample([Sample(rows, WHOLE)], rows_max)
    split = [[row for row, part in zip(rows, at, strict=False) if part == p] for p in range(3)]
    parts = [sample([Sample(part, WHOLE)], rows_max) for part in split if part]
    assert sample(parts, rows_max) == whole
    assert sample([*parts[::-1], parts[0], whole], rows_max) == whole
    assert sample([sample(parts[:2], rows_max), *parts[2:]], rows_max) == whole


def test_sample_is_as_large_as_it_may_be() -> None:
    """Of users with one post each a sample keeps exactly its limit, by the lowest hashes."""
    users = np.sort([stable_hash(f"u{n}") for n in range(500)])
    stay, theta = cut(users, 100)
    assert users[stay].tolist() == users[:100].tolist()
    assert theta == users[100]


def test_bot_does_not_fill_a_sample() -> None:
    """Of a bot with 5,000 posts 256 stay, so that its sample still has everyone else."""
    users = np.sort(np.r_[np.full(5_000, USERS[0]), [stable_hash(f"v{n}") for n in range(500)]])
    stay, theta = cut(users, 1_000)
    assert np.count_nonzero(stay & (users == USERS[0])) == POSTS_PER_USER_MAX
    assert np.count_nonzero(stay & (users != USERS[0])) == 500
    assert theta == CUT


def test_sample_estimates_users() -> None:
    """The users of a sample over its precision are the users there were, within 5 %."""
    users = np.sort(np.random.default_rng(1).integers(0, WHOLE, 50_000))
    stay, theta = cut(users, 4_096)
    share = float(precision(np.array([theta]))[0])
    assert 3_800 < np.count_nonzero(stay) <= 4_096
    assert np.count_nonzero(stay) / share == pytest.approx(50_000, rel=0.05)
    assert precision(np.array([WHOLE, CUT])).tolist() == [1.0, 1.0]


class Model:
    """What ``FreshMemory`` should do, as a dict."""

    def __init__(self, fresh_for: int) -> None:
        self.fresh_for = fresh_for
        self.counted: dict[tuple[int, int], int] = {}

    def admit(self, pairs: list[tuple[int, int]], bucket: int) -> list[int]:
        """Count users in series; 1 where the user is fresh."""
        fresh = []
        for pair in pairs:
            last = self.counted.get(pair)
            is_fresh = last is None or bucket - last >= self.fresh_for
            if is_fresh:
                self.counted[pair] = bucket
            fresh.append(int(is_fresh))
        return fresh


def admit(memory: FreshMemory, pairs: list[tuple[int, int]], bucket: int) -> list[int]:
    """Admit pairs of (row, user)."""
    keys = [user ^ int(HASHES[row]) for row, user in pairs]
    return [int(b) for b in memory.admit([row for row, _ in pairs], keys, bucket)]


PAIRS = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from(USERS)), unique=True, min_size=1, max_size=12
)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 4), PAIRS), min_size=1, max_size=40))
def test_memory_is_a_dict(steps: list[tuple[int, list[tuple[int, int]]]]) -> None:
    """Whoever is admitted, in any order, the memory says what a dict of last counts says."""
    memory, model, bucket = FreshMemory(5, 1_000), Model(5), 29_000_000
    for step, pairs in steps:
        bucket += step
        assert admit(memory, pairs, bucket) == model.admit(pairs, bucket)


def test_user_is_fresh_again_exactly_after_fresh_for() -> None:
    """A counted user is not fresh ``fresh_for - 1`` buckets later, and fresh one bucket on."""
    memory = FreshMemory(360, 1_000)
    pair = [(1, USERS[0])]
    assert admit(memory, pair, 1_000) == [1]
    assert admit(memory, pair, 1_000) == [0]
    assert admit(memory, pair, 1_359) == [0]
    assert admit(memory, pair, 1_360) == [1]
    assert admit(memory, pair, 1_719) == [0]


@pytest.mark.parametrize("batch", [40, 900])
def test_memory_is_a_dict_when_it_grows(batch: int) -> None:
    """Growth, expiry and rebuilding change no answer, for small batches and for large ones."""
    rng = np.random.default_rng(batch)
    users = [stable_hash(f"u{n}") for n in range(4_000)]
    memory, model = FreshMemory(7, 1_000_000), Model(7)
    for bucket in range(500, 500 + 24_000 // batch):
        picked = sorted(
            set(zip(*rng.integers(0, [[3], [4_000]], (2, batch)).tolist(), strict=True))
        )
        pairs = [(row, users[user]) for row, user in picked]
        assert admit(memory, pairs, bucket) == model.admit(pairs, bucket)
    restored = pickle.loads(pickle.dumps(memory))  # noqa: S301 - made in this line
    again = [(1, user) for user in users[:2_000]]
    assert admit(restored, again, bucket) == model.admit(again, bucket)


def test_keep_renumbers() -> None:
    """Kept series remember their users under their new numbers; the others are forgotten."""
    memory = FreshMemory(10, 1_000)
    admit(memory, [(row, user) for row in range(4) for user in USERS[:3]], 100)
    memory.keep(np.array([0, 3]), 4)
    assert not memory.over_limit(100)
    memory.entries_max = 6
    assert not memory.over_limit(100), "only six entries live"
    assert memory.used == 6
    memory.entries_max = 1_000
    assert admit(memory, [(row, USERS[0]) for row in range(4)], 101) == [0, 1, 1, 0]
    # Row 3 is row 1 now: forgetting row 1 forgets what was row 3's.
    memory.keep(np.array([0]), 4)
    assert admit(memory, [(0, USERS[1]), (3, USERS[1])], 102) == [0, 1]


def test_limit_counts_the_living() -> None:
    """Dead entries are dropped before the limit is said to be passed."""
    memory = FreshMemory(10, 100)
    users = [stable_hash(f"u{n}") for n in range(150)]
    admit(memory, [(0, user) for user in users], 50)
    assert memory.over_limit(59)
    assert not memory.over_limit(60)
    assert memory.used == 0


def test_shrink_samples_the_largest_series() -> None:
    """Shrinking frees a quarter, at the cost of large series only, and keeps who is sampled."""
    memory = FreshMemory(10, 1_000)
    users = [stable_hash(f"u{n}") for n in range(2_000)]
    small = [(1, user) for user in users[:50]]
    admit(memory, small, 5)
    admit(memory, [(0, user) for user in users], 5)
    theta = np.full(2, WHOLE, dtype=np.int64)
    new = memory.shrink(theta, HASHES[:2])
    assert theta.tolist() == [WHOLE, WHOLE], "the caller's array is its own"
    assert new[1] == WHOLE
    assert new[0] in {WHOLE // 4, WHOLE // 2}
    assert memory.used <= 0.8 * 1_000
    below = [(0, user) for user in users if user < new[0]]
    assert admit(memory, below, 6) == [0] * len(below)
    assert admit(memory, small, 6) == [0] * 50
