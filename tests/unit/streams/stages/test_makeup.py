"""Who the users of a bucket are, against the same figures counted one by one."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.bank import MAKEUP
from detectors.origin import AGE_KNOWN, NEWCOMER
from detectors.series import stable_hash
from streams.stages.cells import OpenBucket
from streams.stages.makeup import _entropy, makeup
from streams.stages.merge import Table, merge

if TYPE_CHECKING:
    from random import Random

    from streams.events import Partials

LANGS = ["de", "", "en", "es", "fr", "it", "ja", "pt"]
AGES = [0, AGE_KNOWN, AGE_KNOWN | NEWCOMER]
POSTS = st.lists(
    st.tuples(st.integers(0, 300), st.integers(0, 40)), unique=True, min_size=1, max_size=80
)
Post = tuple[int, int]
"""Number and user; language and age are the user's."""


def partial(posts: list[Post], partition: int = 0, langs: list[str] = LANGS) -> Partials:
    bucket = OpenBucket(1_000, 1_000)
    for number, user in posts:
        who = stable_hash(f"user {user}")
        lang = langs.index(LANGS[user % len(LANGS)])
        row = (who, stable_hash(f"post {number}") ^ who, lang, AGES[user % 3])
        bucket.add(row, "US" if user % 2 else "GB", ["x"] if number % 3 == 0 else [])
    return bucket.close(partition, 42, langs)


def by_hand(posts: list[Post], table: Table) -> tuple[list[list[float]], list[list[float]]]:
    values, rests_on = [], []
    for key in table.series:
        mine = [
            (number, user)
            for number, user in posts
            if key in {"all", f"region/{'US' if user % 2 else 'GB'}"}
            or (key == "hashtag/x" and number % 3 == 0)
            or (key == f"pair/{'US' if user % 2 else 'GB'}/x" and number % 3 == 0)
        ]
        users = {user for _, user in mine}
        ages = [AGES[user % 3] for user in users if AGES[user % 3]]
        langs = Counter(LANGS[user % len(LANGS)] for user in users if LANGS[user % len(LANGS)])
        total = sum(langs.values())
        entropy = -sum(n / total * math.log(n / total) for n in langs.values())
        new = sum(1 for age in ages if age & NEWCOMER)
        values.append([new / max(len(ages), 1), math.log(len(mine) / len(users)), entropy])
        rests_on.append([float(len(ages)), float(len(users)), float(total)])
    return values, rests_on


@settings(max_examples=60)
@given(POSTS)
def test_makeup_is_counted_by_user(posts: list[Post]) -> None:
    """Newcomers, posts a user and languages of every series are those of its distinct users."""
    table = merge([partial(posts)], 1_000)
    rows = np.arange(len(table.series)) + 7
    found = makeup(table, rows, rows)
    values, users = by_hand(posts, table)
    assert found.values == pytest.approx(np.array(values), abs=1e-12)
    assert found.users.tolist() == users
    assert found.values.shape[1] == len(MAKEUP)


@settings(max_examples=60)
@given(POSTS, st.randoms(use_true_random=False))
def test_makeup_does_not_ask_how_posts_came(posts: list[Post], random: Random) -> None:
    """Over any partitions, with languages numbered in any order: the same to the last bit."""
    whole = merge([partial(posts, langs=random.sample(LANGS, len(LANGS)))], 1_000)
    parts = [
        partial(some, n, random.sample(LANGS, len(LANGS)))
        for n, some in enumerate(posts[n::3] for n in range(3))
        if some
    ]
    split = merge(parts, 1_000)
    rows = np.arange(len(whole.series))
    for one, other in zip(makeup(whole, rows, rows), makeup(split, rows, rows), strict=True):
        assert one.tobytes() == other.tobytes()


def test_entropy_does_not_ask_how_languages_are_numbered() -> None:
    """Sizes are summed in one order: else the last bit of a score would depend on partitions."""
    sizes, rng, found = [1, 2, 3, 5, 7, 11, 13], np.random.default_rng(1), set()
    for _ in range(50):
        group = np.repeat(rng.permutation(len(sizes)), sizes)
        found.add(_entropy(np.zeros(len(group), dtype=np.int64), group, 1)[0])
    assert len(found) == 1


def test_only_wanted_rows_are_told() -> None:
    """Rows that nobody asked for are not in it, nor are rows without a post."""
    table = merge([partial([(1, 1), (2, 3), (4, 5)])], 1_000)
    rows = np.arange(len(table.series)) * 10
    found = makeup(table, rows, np.array([0, 5, 990]))
    assert table.series[0] == "all"
    assert found.rows.tolist() == [0]
    assert found.values.shape == found.users.shape == (1, 3)
