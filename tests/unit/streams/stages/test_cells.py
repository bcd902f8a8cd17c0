"""The open buckets of one partition."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.series import stable_hash
from detectors.users import WHOLE
from streams.stages.cells import FEW_POSTS, OpenBucket, Row

if TYPE_CHECKING:
    from streams.events import Partials

LANGS = ["", "en", "es", "de"]
Posts = list[tuple[str, list[str], Row]]


def post(number: int, user: int, lang: int = 1) -> Row:
    who = stable_hash(f"user {user}")
    return (who, stable_hash(f"post {number}") ^ who, lang, 3)


def close(posts: Posts, rows_max: int = 1_000, series_max: int = 1_000) -> Partials:
    bucket = OpenBucket(rows_max, series_max)
    for region, tags, row in posts:
        if row[1] not in bucket.posts:
            bucket.add(row, region, tags)
    return bucket.close(7, 42, LANGS)


def same(one: Partials, two: Partials) -> bool:
    columns = ("ends", "theta", "user", "post", "lang", "flags")
    return (one.series, one.langs) == (two.series, two.langs) and all(
        np.array_equal(getattr(one, name), getattr(two, name)) for name in columns
    )


def test_columns() -> None:
    """A post is a row of ``all`` and of each of its series; keys, users and languages ascend."""
    found = close(
        [
            ("US", ["x"], post(1, 1, lang=2)),
            ("GB", [], post(2, 2, lang=3)),
            ("US", [], post(3, 1, lang=2)),
        ]
    )
    assert (found.partition, found.bucket) == (7, 42)
    assert found.series == ["all", "hashtag/x", "pair/US/x", "region/GB", "region/US"]
    assert found.ends.tolist() == [3, 4, 5, 6, 8]
    assert found.theta.tolist() == [WHOLE] * 5
    assert found.langs == ["de", "es"], "only the languages that were used"
    for start, end in zip([0, *found.ends.tolist()], found.ends.tolist(), strict=False):
        rows = list(
            zip(found.user[start:end].tolist(), found.post[start:end].tolist(), strict=True)
        )
        assert rows == sorted(set(rows))
    first = found.user[:3] == stable_hash("user 1")
    assert [found.langs[i] for i in found.lang[:3][first]] == ["es", "es"]
    assert found.flags.tolist() == [3] * 8
    dtypes = [
        getattr(found, name).dtype for name in ("ends", "theta", "user", "post", "lang", "flags")
    ]
    assert dtypes == [np.int64, np.int64, np.int64, np.int64, np.int16, np.uint8]


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 300),
            st.integers(0, 9),
            st.sampled_from(["US", "GB", "ZZ"]),
            st.lists(st.sampled_from(["x", "y", "小红书", "é"]), max_size=4, unique=True),
        ),
        min_size=1,
        max_size=FEW_POSTS,
        unique_by=lambda one: one[0],
    )
)
def test_few_posts_are_closed_like_many(posts: list[tuple[int, int, str, list[str]]]) -> None:
    """The short way for few posts and the way over arrays give the same partials."""
    few, many = OpenBucket(1_000, 1_000), OpenBucket(1_000, 1_000)
    for number, user, region, tags in posts:
        for bucket in (few, many):
            bucket.add(post(number, user, lang=user % 4), region, tags)
    many._gather()
    assert same(few.close(7, 42, LANGS), many.close(7, 42, LANGS))


def test_repeated_post_is_one_row() -> None:
    """The same post twice is one row in every series."""
    row = ("US", [], post(1, 1))
    assert same(close([row, row]), close([row]))


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 9)), min_size=1, max_size=120),
    st.integers(3, 40),
    st.randoms(use_true_random=False),
)
def test_order_of_arrival_does_not_matter(
    pairs: list[tuple[int, int]], rows_max: int, random: Random
) -> None:
    """A closed bucket depends on its posts, not on their order, also where it had to be sampled."""
    posts: Posts = [
        ("US" if user % 3 else "GB", [] if user % 3 else ["x"], post(number, user))
        for number, user in sorted(set(pairs))
    ]
    shuffled = random.sample(posts, len(posts))
    assert same(close(posts, rows_max), close(shuffled, rows_max))


def test_sampled_series_is_whole_below_theta() -> None:
    """A series beyond its rows keeps every user below its theta; the small ones stay complete."""
    posts: Posts = [("US", [], post(i, i)) for i in range(1_000)]
    posts += [("GB", [], post(5_000 + i, 5_000 + i)) for i in range(30)]
    found = close(posts, rows_max=100)
    theta = dict(zip(found.series, found.theta.tolist(), strict=True))
    ends = dict(zip(found.series, found.ends.tolist(), strict=True))
    assert theta["region/GB"] == WHOLE
    assert theta["region/US"] < WHOLE
    start = ends["region/GB"]
    kept = found.user[start : ends["region/US"]]
    everyone = [row[0] for region, _, row in posts if region == "US"]
    assert kept.tolist() == sorted(u for u in everyone if u < theta["region/US"])
    assert 90 <= len(kept) <= 100


def test_bot_in_a_tiny_sample() -> None:
    """A bot alone, with more posts than a series may have rows, still is one user."""
    found = close([("US", [], post(i, 1)) for i in range(100)], rows_max=16)
    assert set(found.user.tolist()) == {stable_hash("user 1")}
    assert found.ends.tolist() == [16, 32]


def bot_and_others() -> tuple[list[Row], list[Row]]:
    """A bot of 300 posts with the lowest hash, and others; cut to 400 rows, 20 of them stay.

    The 21st has 250 posts, so that a cut leaves room, in which the bot could spread again.
    """
    users = sorted(range(800), key=lambda n: stable_hash(f"user {n}"))
    bot = [post(10_000 + i, users[0]) for i in range(300)]
    others = [post(n, n) for n in users[1:]] + [post(20_000 + i, users[21]) for i in range(249)]
    return bot, others


def test_bot_that_goes_on_after_a_cut() -> None:
    """A bot holds 256 rows of a sample, also when it posts on after the bucket was first cut."""
    bot, others = bot_and_others()
    orders = (bot + others, others + bot, bot[:150] + others + bot[150:])
    found = [close([("US", [], row) for row in order], rows_max=400) for order in orders]
    assert found[0].ends.tolist() == [276, 552]
    assert same(found[0], found[1])
    assert same(found[0], found[2])


def test_folded_series_of_one_row_is_a_sample() -> None:
    """A series that was cut down to one row still says that it is a sample."""
    posts: Posts = [("GB", [], post(n, 0)) for n in (0, 1, 2)]
    posts += [("GB", [], post(0, 2)), ("US", [], post(0, 1)), ("US", [], post(0, 3))]
    found = close(posts, rows_max=3)
    assert found.theta[found.series.index("region/GB")] < WHOLE


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.integers(3, 30), st.integers(4, 30))
def test_both_limits_in_one_bucket(seed: int, rows_max: int, series_max: int) -> None:
    """Sampled series and dropped ones in one bucket: what stays is whole below its own theta."""
    random = Random(seed)  # noqa: S311 - not for secrets
    bucket = OpenBucket(rows_max, series_max)
    for number in range(400):
        tags = {f"t{int(random.paretovariate(0.6)) % 40}" for _ in range(random.randrange(3))}
        row = post(number, int(random.paretovariate(0.5)) % 90)
        bucket.add(row, random.choice(["US", "GB"]), sorted(tags))
    found = bucket.close(0, 0, LANGS)
    assert len(found.series) <= max(series_max, series_max // 2 + 3)
    sizes = np.diff(found.ends, prepend=0)
    assert sizes.min() >= 1
    assert sizes.max() <= rows_max
    assert np.all(found.user < np.repeat(found.theta, sizes))


def test_memory_of_a_bucket_is_bounded() -> None:
    """However many posts come, few more are held than rows and series are allowed."""
    bucket = OpenBucket(100, 1_000)
    for i in range(20_000):
        bucket.add(post(i, i), "US", [])
        assert len(bucket.posts) <= 1_500


def test_flood_of_junk_keeps_the_heavy_tag() -> None:
    """Among 20,000 junk hashtags a tag with one post in a hundred survives a limit of 1,000."""
    bucket = OpenBucket(10_000, 1_000)
    for i in range(20_000):
        tag = "wave" if i % 100 == 0 else f"junk{i}"
        bucket.add(post(i, i), "US", [tag])
    found = bucket.close(0, 0, LANGS)
    assert len(found.series) <= 1_000 + 2
    assert bucket.dropped >= 38_000
    at = found.series.index("hashtag/wave")
    assert found.ends[at] - found.ends[at - 1] == 200, "it was never dropped, so it is complete"
    assert "region/US" in found.series, "regions and all are never dropped"
    assert found.series[0] == "all"


def test_each_post_is_told_early_once() -> None:
    """However many come between two looks, and however often they are sorted in meanwhile."""
    bucket = OpenBucket(1_000, 40)
    told: list[int] = []
    for number in range(600):
        bucket.add(post(number, number), "US", [f"tag{number}"])
        if number % 37 == 36:
            some = bucket.untold(7, 42, LANGS)
            assert some is not None
            told += some.user[: some.ends[0]].tolist()
    assert bucket.untold(7, 42, LANGS) is not None
    assert bucket.untold(7, 42, LANGS) is None
    assert sorted(told) == sorted(post(number, number)[0] for number in range(592))
