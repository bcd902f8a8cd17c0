"""Partials of several partitions become one table."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.series import stable_hash
from detectors.users import WHOLE
from streams.stages.cells import OpenBucket, Row
from streams.stages.merge import Table, merge

if TYPE_CHECKING:
    from random import Random

    from streams.events import Partials

LANGS = ["", "en", "es"]
Post = tuple[int, int]
"""Number and user; the rest follows from them."""
POSTS = st.lists(
    st.tuples(st.integers(0, 300), st.integers(0, 11)), unique=True, min_size=1, max_size=120
)


def row(number: int, user: int) -> Row:
    who = stable_hash(f"user {user}")
    return (who, stable_hash(f"post {number}") ^ who, user % 3, user % 4)


def place(number: int, user: int) -> tuple[str, list[str]]:
    """Region and hashtags of a post."""
    tags = ["x"] if number % 3 == 0 else ["y", "z"] if number % 5 == 0 else []
    return "US" if user % 2 else "GB", tags


def partial(posts: list[Post], partition: int = 0, rows_max: int = 1_000) -> Partials:
    bucket = OpenBucket(rows_max, 1_000)
    for post in posts:
        bucket.add(row(*post), *place(*post))
    return bucket.close(partition, 42, LANGS)


def shown(table: Table) -> dict[str, object]:
    """A table as plain values, a row a post."""
    found: dict[str, object] = {}
    for i, key in enumerate(table.series):
        rows = table.rows_of(i)
        langs = [table.langs[n] for n in table.lang[rows].tolist()]
        some = zip(table.user[rows].tolist(), langs, table.flags[rows].tolist(), strict=True)
        found[key] = (int(table.theta[i]), list(some))
    return found


@settings(max_examples=80)
@given(
    POSTS,
    st.sampled_from([3, 8, 20, 1_000]),
    st.randoms(use_true_random=False),
)
def test_union_is_the_unsplit_bucket(posts: list[Post], rows_max: int, random: Random) -> None:
    """Split over partitions, repeated, in any order: the table is that of the whole bucket."""
    whole = shown(merge([partial(posts, rows_max=rows_max)], rows_max))
    at = [random.randrange(4) for _ in posts]
    split = [[post for post, p in zip(posts, at, strict=True) if p == n] for n in range(4)]
    parts = [partial(some, n, rows_max) for n, some in enumerate(split) if some]
    assert shown(merge(parts, rows_max)) == whole
    repeated = [*parts, *parts, partial(posts, 9, rows_max)]
    assert shown(merge(random.sample(repeated, len(repeated)), rows_max)) == whole


@settings(max_examples=40)
@given(POSTS)
def test_exact_below_the_limit(posts: list[Post]) -> None:
    """Without sampling a series' rows are its posts: every user, every post, its flags."""
    table = merge([partial(posts[::2] or posts), partial(posts[1::2] or posts, 1)], 1_000)
    expected: dict[str, list[Row]] = {}
    for post in posts:
        region, tags = place(*post)
        mine = [key for t in tags for key in (f"hashtag/{t}", f"pair/{region}/{t}")]
        for key in ["all", f"region/{region}", *mine]:
            expected.setdefault(key, []).append(row(*post))
    assert table.series == sorted(expected)
    assert table.theta.tolist() == [WHOLE] * len(expected)
    for i, key in enumerate(table.series):
        rows = sorted(expected[key])
        assert table.user[table.rows_of(i)].tolist() == [user for user, *_ in rows]
        assert table.flags[table.rows_of(i)].tolist() == [flags for *_, flags in rows]


def test_index_names_the_series_of_each_row() -> None:
    """``index`` counts up with the series' ends, and ``rows_of`` is its inverse."""
    table = merge([partial([(i, i) for i in range(40)])], 1_000)
    for i in range(len(table.series)):
        assert set(table.index[table.rows_of(i)].tolist()) == {i}
    assert len(table.index) == len(table.user) == int(table.ends[-1])


def test_bot_in_several_partitions() -> None:
    """A bot split over a sampled partition and a small one holds no more rows than unsplit."""
    users = sorted(range(800), key=lambda n: stable_hash(f"user {n}"))
    bot = [(10_000 + i, users[0]) for i in range(300)]
    others = [(n, n) for n in users[1:]] + [(20_000 + i, users[21]) for i in range(249)]
    whole = shown(merge([partial(bot + others, rows_max=400)], 400))
    parts = [partial(bot[:200] + others, 0, 400), partial(bot[200:], 1, 400)]
    assert parts[1].theta.tolist() == [WHOLE] * len(parts[1].series)
    assert shown(merge(parts, 400)) == shown(merge(parts[::-1], 400)) == whole


def test_contradicting_copies_have_an_order() -> None:
    """Two partitions that hold one post in different languages give one table in either order."""
    who, post, *_ = row(1, 1)
    parts = []
    for partition, lang in ((0, 1), (1, 2)):
        bucket = OpenBucket(100, 100)
        bucket.add((who, post, lang, partition), "US", [])
        parts.append(bucket.close(partition, 42, LANGS))
    tables = [shown(merge(list(order), 100)) for order in itertools.permutations(parts)]
    assert tables[0] == tables[1]
    assert tables[0]["all"] == (WHOLE, [(who, "en", 0)])


def test_sampled_union_estimates_all_users() -> None:
    """Four partitions of 5,000 users each, sampled to 1,000 rows, still count 20,000 within 7 %."""
    parts = [
        partial([(n, n) for n in range(p * 5_000, (p + 1) * 5_000)], p, 1_000) for p in range(4)
    ]
    table = merge(parts, 1_000)
    users = np.unique(table.user[table.rows_of(0)])
    assert len(users) <= 1_000
    assert abs(len(users) * WHOLE / int(table.theta[0]) - 20_000) < 1_400
