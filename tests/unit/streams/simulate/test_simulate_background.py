"""Usual traffic has the rates, shares, rhythm and people it was asked for."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from streams.simulate.background import DAY_MS, NO_LANGUAGE, Background, is_foreign
from streams.simulate.regions import FAMILIES, INDEX, REGIONS, foreign
from streams.simulate.vocabulary import _WORDS, BORN_BASE
from streams.simulate.world import START_MS

if TYPE_CHECKING:
    from streams.simulate.posts import Posts

DAYS = 7
RATE = 0.4


@pytest.fixture(scope="module")
def background() -> Background:
    """A week of usual traffic."""
    return Background(START_MS, START_MS + DAYS * DAY_MS, RATE)


@pytest.fixture(scope="module")
def posts(background: Background) -> Posts:
    """All posts of that week."""
    rng = np.random.Generator(np.random.PCG64(5))
    return np.concatenate([background.draw(step, rng)[0] for step in range(background.steps)])


def near(count: int, expected: float) -> bool:
    """Within five standard deviations of a Poisson variable."""
    return abs(count - expected) <= 5 * math.sqrt(expected)


def test_rate(posts: Posts) -> None:
    """The number of posts is the rate times the seconds, as a Poisson variable."""
    assert near(len(posts), RATE * DAYS * 86_400)


@pytest.mark.parametrize(
    ("region", "share"), [("CN", 0.883), ("US", 0.0214), ("TW", 0.0197), ("HK", 0.0177)]
)
def test_largest_shares(posts: Posts, region: str, share: float) -> None:
    """The four largest regions have their published shares."""
    assert near(int((posts["region"] == INDEX[region]).sum()), share * RATE * DAYS * 86_400)


def test_shares_add_up_with_a_heavy_tail() -> None:
    """All shares add up to one; over sixty regions are beyond the four, unequally large."""
    assert sum(region.share for region in REGIONS) == pytest.approx(1.0)
    tail = sorted(region.share for region in REGIONS)[:-4]
    assert len(tail) > 60
    assert tail[-1] > 15 * tail[1]
    assert len({region.code for region in REGIONS}) == len(REGIONS)


def test_language_shares_add_up() -> None:
    """Every region's languages add up to all of its posts, and each has hashtags of its own."""
    for region in REGIONS:
        assert sum(share for _, share in region.languages) == pytest.approx(1.0), region
    assert set(FAMILIES) == set(_WORDS)


def test_foreign_rate(background: Background, posts: Posts) -> None:
    """The announced foreign rate is what is drawn, and a part of what is not mainland."""
    count = int(is_foreign(posts).sum())
    assert near(count, background.foreign_rate * DAYS * 86_400)
    assert 0.02 < count / len(posts) < 0.117


@pytest.mark.parametrize(
    ("region", "language", "expected"),
    [
        ("US", "en-US", True),
        ("US", "zh", False),
        ("US", "", True),
        ("TW", "zh-TW", False),
        ("CN", "en", False),
        ("", "en", True),
    ],
)
def test_foreign(region: str, language: str, expected: bool) -> None:
    """Foreign is neither from home nor in its language; without a language the region decides."""
    assert foreign(region, language) is expected


def test_some_posts_have_no_language(posts: Posts) -> None:
    """The stated share of posts says no language."""
    assert near(int((posts["lang"] == 0).sum()), NO_LANGUAGE * RATE * DAYS * 86_400)


def test_daily_rhythm(posts: Posts) -> None:
    """Home posts five times as much at nine in its evening as at four in its night."""
    home = posts["time"][posts["region"] == INDEX["CN"]]
    hour = (home // 3_600_000 + 8) % 24
    assert (hour == 21).sum() > 5 * (hour == 4).sum()


def test_local_clocks(posts: Posts) -> None:
    """The United States are awake when home sleeps."""
    hour = (posts["time"] // 3_600_000) % 24
    share = [
        ((hour >= 18) & (hour < 22) & (posts["region"] == INDEX[region])).sum()
        / (posts["region"] == INDEX[region]).sum()
        for region in ("CN", "US")
    ]
    assert share[1] > 3 * share[0]


def test_weekend(posts: Posts) -> None:
    """A day of the weekend has more posts than a working day."""
    home = posts["time"][posts["region"] == INDEX["CN"]]
    weekday = ((home // 3_600_000 + 8) // 24 + 3) % 7  # 0 is Monday
    days = np.bincount(weekday, minlength=7)
    assert days[5:].mean() > 1.05 * days[:5].mean()


def test_posts_of_a_step_stay_in_it(background: Background) -> None:
    """Every post of a half hour lies within it, in order of time, also the last of a world."""
    short = Background(START_MS, START_MS + 2_000_000, 5.0)
    for world, step in ((background, 100), (short, 1)):
        drawn, _ = world.draw(step, np.random.Generator(np.random.PCG64(1)))
        low, high = world.bounds(step)
        assert len(drawn)
        assert (np.diff(drawn["time"]) >= 0).all()
        assert drawn["time"][0] >= low
        assert drawn["time"][-1] < high


def test_regular_users_return(posts: Posts) -> None:
    """Activity is heavy-tailed: users are far fewer than posts, and a tenth make half of them."""
    counts = np.sort(np.unique(posts["user"][is_foreign(posts)], return_counts=True)[1])[::-1]
    assert len(counts) < 0.5 * counts.sum()
    assert counts[: len(counts) // 10].sum() > 0.3 * counts.sum()


def test_account_of_a_user_never_changes(posts: Posts) -> None:
    """A user says the same account age in every post that says one, made before the post."""
    known = posts[posts["account"] >= 0]
    _, first, inverse = np.unique(known["user"], return_index=True, return_inverse=True)
    assert (known["account"] == known["account"][first][inverse]).all()
    assert (known["account"] * 1000 <= known["time"]).all()


def test_newcomers_trickle(posts: Posts) -> None:
    """Some foreign posts come from accounts of under a week on every quiet day, but few."""
    known = posts[is_foreign(posts) & (posts["account"] >= 0)]
    young = known["time"] // 1000 - known["account"] < 7 * 86_400
    assert 0.005 < young.mean() < 0.05


def test_a_user_is_in_one_region(posts: Posts) -> None:
    """No two regions share a user number."""
    pairs = np.unique(np.stack([posts["user"], posts["region"].astype(np.int64)]), axis=1)
    assert pairs.shape[1] == len(np.unique(posts["user"]))


def test_hashtags(posts: Posts) -> None:
    """Posts carry 0 to 5 hashtags, a few of them far above all others, small ones born daily."""
    tags = posts["tags"]
    assert set(np.unique((tags >= 0).sum(axis=1))) == {0, 1, 2, 3, 4, 5}
    counts = np.sort(np.unique(tags[(tags >= 0) & (tags < BORN_BASE)], return_counts=True)[1])
    assert counts[-1] > 50 * np.median(counts)
    born, uses = np.unique(tags[tags >= BORN_BASE], return_counts=True)
    assert len(born) > 50 * DAYS
    assert np.median(uses) <= 5
