"""Who takes part in an episode."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors import crowd as module
from detectors.crowd import OTHER, TOP_PARTS, Crowd
from detectors.origin import AGE_KNOWN, NEWCOMER
from detectors.series import stable_hash
from detectors.users import WHOLE

if TYPE_CHECKING:
    from random import Random

YOUNG = AGE_KNOWN | NEWCOMER
POSTS = st.lists(
    st.tuples(
        st.integers(0, 9), st.sampled_from(["", "en", "es"]), st.sampled_from([0, AGE_KNOWN, YOUNG])
    ),
    max_size=30,
)


def user(number: int) -> int:
    return stable_hash(f"user {number}")


def add(crowd: Crowd, posts: list[tuple[int, str, int]], theta: int = WHOLE) -> None:
    """Add posts of (user, language, age flags)."""
    crowd.add(
        [user(n) for n, _, _ in posts], [x for _, x, _ in posts], [f for *_, f in posts], theta
    )


def test_counts_are_of_distinct_users() -> None:
    """Users, newcomers and languages count people; posts, and the share of the top five, posts."""
    crowd = Crowd()
    add(crowd, [(1, "en", YOUNG), (1, "en", YOUNG), (2, "en", AGE_KNOWN), (3, "", 0)])
    add(crowd, [(1, "es", YOUNG), (4, "es", AGE_KNOWN)])
    assert (crowd.users, crowd.posts) == (4, 6)
    assert crowd.newcomer_share == pytest.approx(1 / 3)
    assert crowd.languages() == [("en", 2), ("es", 2)]
    assert crowd.top_users_share == 1.0
    add(crowd, [(n, "en", 0) for n in (5, 6)])
    assert crowd.top_users_share == pytest.approx((3 + 1 + 1 + 1 + 1) / 8)


def test_empty_crowd_says_nothing() -> None:
    """A crowd without known ages has no newcomer share, and one without posts no top share."""
    crowd = Crowd()
    assert (crowd.users, crowd.posts, crowd.newcomer_share, crowd.top_users_share) == (
        0,
        0,
        None,
        0,
    )
    add(crowd, [(1, "en", 0)])
    assert crowd.newcomer_share is None


@settings(max_examples=50)
@given(st.lists(POSTS, max_size=6), st.randoms(use_true_random=False))
def test_order_of_buckets_does_not_matter(
    buckets: list[list[tuple[int, str, int]]], random: Random
) -> None:
    """Every figure is the same in whatever order the buckets of an episode are added."""
    shuffled = random.sample(buckets, len(buckets))
    one, two = Crowd(), Crowd()
    for crowd, order in ((one, buckets), (two, shuffled)):
        for posts in order:
            add(crowd, posts)
            crowd.add_part("region/US", [user(n) for n, *_ in posts if n % 2])
    for figure in ("users", "posts", "newcomer_share", "top_users_share"):
        assert getattr(one, figure) == getattr(two, figure)
    assert one.languages() == two.languages()
    assert one.parts("region/") == two.parts("region/")


def test_parts_beyond_twenty_are_other() -> None:
    """The twenty largest regions are named, the rest are one: their distinct users together."""
    crowd = Crowd()
    everyone = [user(n) for n in range(100)]
    crowd.add(everyone, [""] * 100, [0] * 100, WHOLE)
    for n in range(25):
        crowd.add_part(f"region/R{n:02}", everyone[: 60 - n])
    crowd.add_part("hashtag/x", everyone[:1])
    regions = crowd.parts("region/")
    assert regions[:2] == [("R00", 60.0), ("R01", 59.0)]
    assert len(regions) == TOP_PARTS + 1
    assert regions[-1] == (OTHER, 40.0), "the 21st has 40 users, and the later ones no others"
    assert crowd.parts("hashtag/") == [("x", 1)]


def test_large_crowd_is_sampled() -> None:
    """Beyond the limit half the users are dropped by hash, and estimates stay within 3 %."""
    rng = np.random.default_rng(1)
    users = rng.integers(0, WHOLE, 120_000)
    crowd = Crowd()
    for some in np.split(users, 10):
        crowd.add(some.tolist(), ["en"] * len(some), [YOUNG] * len(some), WHOLE)
        crowd.add_part("region/US", some[: len(some) // 2].tolist())
    assert crowd.theta < WHOLE
    assert crowd.users == pytest.approx(120_000, rel=0.03)
    assert crowd.posts == 120_000
    assert dict(crowd.languages())["en"] == crowd.users
    assert dict(crowd.parts("region/"))["US"] == pytest.approx(60_000, rel=0.03)
    assert crowd.newcomer_share == 1.0


def test_sampled_bucket_samples_the_crowd() -> None:
    """After a bucket that is itself a sample, only users below its theta are followed, scaled."""
    crowd = Crowd()
    users = np.random.default_rng(2).integers(0, WHOLE, 20_000).tolist()
    crowd.add(users[:10_000], ["en"] * 10_000, [0] * 10_000, WHOLE)
    quarter = [u for u in users[10_000:] if u < WHOLE // 4]
    crowd.add(quarter, ["en"] * len(quarter), [0] * len(quarter), WHOLE // 4)
    assert crowd.users == pytest.approx(20_000, rel=0.05)
    assert crowd.posts == pytest.approx(20_000, rel=0.05)


def test_parts_are_bounded() -> None:
    """However many parts a crowd has, their entries stay within the limit."""
    crowd = Crowd()
    users = np.random.default_rng(3).integers(0, WHOLE, 20_000).tolist()
    for n in range(15):
        crowd.add_part(f"hashtag/t{n}", users)
    held = sum(len(part) for part in crowd._parts.values())
    assert held <= module.ENTRIES_MAX
    assert dict(crowd.parts("hashtag/"))["t0"] == pytest.approx(20_000, rel=0.05)


def test_many_small_parts_are_dropped_first() -> None:
    """A flood of parts with one user each neither stays nor hides a part that grows among them."""
    crowd = Crowd()
    for n in range(5 * module.PARTS_MAX):
        crowd.add_part(f"hashtag/junk{n}", [n])
        if n % 50 == 0:
            crowd.add_part("hashtag/wave", [n])
    assert len(crowd._parts) <= module.PARTS_MAX
    assert crowd.parts("hashtag/")[0] == ("wave", 5 * module.PARTS_MAX // 50)
