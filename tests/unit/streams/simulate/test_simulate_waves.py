"""Waves have the strength, speed, origins and hashtags they were given."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.simulate import Origin, Tag, Wave
from streams.simulate.background import is_foreign
from streams.simulate.regions import INDEX
from streams.simulate.world import Plan, World

if TYPE_CHECKING:
    from streams.simulate.posts import Posts

WAVE = Wave(
    name="wave",
    at=0.6,
    origins=(Origin("US", 0.9), Origin("GB", 0.1, lag_minutes=180)),
    tags=(Tag("hello", 0.9, ("Hello", "HELLO")), Tag("world", 0.5)),
    strength=4.0,
    doubling_minutes=45.0,
)


def plan(wave: Wave, *, days: float = 3.0, rate: float = 4.0, seed: int = 1) -> tuple[World, Plan]:
    """A wave alone in a world."""
    world = World(days, rate, seed)
    return world, wave.plan(world, world.rng(wave.name, 1))


def arrivals(posts: Posts) -> np.ndarray:
    """When each user posts first, ms."""
    return posts["time"][np.unique(posts["user"], return_index=True)[1]]


def test_peak_rate() -> None:
    """Around the peak, new users come at ``strength`` times the foreign background."""
    world, made = plan(replace(WAVE, origins=(Origin("US"),), half_life_hours=1_000.0), rate=8)
    peak = world.wave_at(0.6) + (45 * 6 * 60_000)
    first = arrivals(made.posts)
    expected = 4.0 * world.background.foreign_rate * 7_200
    count = int(((first >= peak) & (first < peak + 7_200_000)).sum())
    assert abs(count - expected) < 5 * math.sqrt(expected)


def test_doubling() -> None:
    """Before the peak, an interval of one doubling time has twice the users of the one before."""
    world, made = plan(replace(WAVE, origins=(Origin("US"),), doubling_minutes=60.0), rate=20)
    start = world.wave_at(0.6)
    edges = start + np.array([3, 4, 5, 6]) * 3_600_000
    _, fourth, fifth = np.diff(np.searchsorted(np.sort(arrivals(made.posts)), [start, *edges]))[1:]
    assert fifth / fourth == pytest.approx(2.0, rel=0.15)


def test_lag_and_weights() -> None:
    """Each origin has its share of users, and a lagging one starts later."""
    world, made = plan(WAVE, rate=10)
    regions = made.posts["region"]
    users = {
        code: len(np.unique(made.posts["user"][regions == INDEX[code]])) for code in ("US", "GB")
    }
    assert users["GB"] / sum(users.values()) == pytest.approx(0.1, abs=0.03)
    british = made.posts["time"][regions == INDEX["GB"]]
    assert british.min() >= world.wave_at(0.6) + 180 * 60_000


def test_hashtags_and_spellings() -> None:
    """The stated share of posts carries the hashtag, a third of them spelled otherwise."""
    world, made = plan(WAVE)
    numbers = [world.vocabulary.number(name) for name in ("hello", "Hello", "HELLO")]
    with_tag = np.isin(made.posts["tags"], numbers)
    assert with_tag.any(axis=1).mean() == pytest.approx(0.9, abs=0.03)
    assert (made.posts["tags"] == numbers[0]).sum() / with_tag.sum() == pytest.approx(
        2 / 3, abs=0.05
    )


def test_newcomers_have_young_accounts() -> None:
    """The stated share of users has an account of under half a day when they arrive."""
    _, made = plan(replace(WAVE, newcomers=0.6))
    age_s = made.posts["time"] // 1000 - made.posts["account"]
    users, first = np.unique(made.posts["user"], return_index=True)
    assert (age_s >= 0).all()
    assert (age_s[first] < 86_400).mean() == pytest.approx(
        0.6, abs=5 * math.sqrt(0.24 / len(users))
    )


def test_no_common_tag() -> None:
    """Without hashtags of its own, no hashtag of a wave is in more than a few of its posts."""
    _, made = plan(replace(WAVE, origins=(Origin("BR"),), tags=()), rate=20)
    tags, counts = np.unique(made.posts["tags"], return_counts=True)
    assert counts[tags >= 0].max() < 0.02 * len(made.posts)
    assert made.truth is not None
    assert (made.truth.level, made.truth.region, made.truth.hashtag) == ("region", "BR", None)


def test_level() -> None:
    """The truth names the most specific series: a pair only where one region dominates."""
    assert WAVE.level == "pair"
    assert replace(WAVE, origins=(Origin("US"), Origin("GB"))).level == "hashtag"
    assert replace(WAVE, tags=()).level == "region"


@given(
    strength=st.floats(0.05, 5),
    doubling=st.floats(2, 300),
    doublings=st.floats(1, 8),
    half_life=st.floats(0.2, 24),
    days=st.floats(0.5, 4),
    at=st.floats(0.6, 0.95),
    seed=st.integers(0, 2**63),
)
@settings(max_examples=25, deadline=None)
def test_any_wave_is_consistent(
    *,
    strength: float,
    doubling: float,
    doublings: float,
    half_life: float,
    days: float,
    at: float,
    seed: int,
) -> None:
    """Whatever its shape, a wave stays in its world after the warm-up and counts its users."""
    wave = replace(
        WAVE,
        at=at,
        strength=strength,
        doubling_minutes=doubling,
        doublings=doublings,
        half_life_hours=half_life,
    )
    world, made = plan(wave, days=days, rate=1.0, seed=seed)
    posts = made.posts
    assert made.truth is not None
    assert made.truth.users == len(np.unique(posts["user"][is_foreign(posts)]))
    assert made.truth.users == len(np.unique(posts["user"]))
    assert (posts["time"] >= world.at(min(0.6, days))).all()
    assert (posts["time"] < world.end_ms).all()
    filled = posts["tags"] >= 0
    assert (filled[:, :-1] >= filled[:, 1:]).all()


@pytest.mark.parametrize(("days", "earliest"), [(7.0, 4.2), (2.0, 1.2), (1.5, 1.2), (1.0, 0.8)])
def test_warm_up(days: float, earliest: float) -> None:
    """Waves leave a warm-up of 60 % and 1.2 days, in short worlds of what there is."""
    world = World(days, 1.0, 0)
    assert world.wave_at(0.6) - world.start_ms == pytest.approx(earliest * 86_400_000, abs=1000)
    assert world.wave_at(0.6) < world.wave_at(0.8) < world.end_ms


def test_who_stays_posts_every_day() -> None:
    """A share of the users posts at least once in any 24 hours, to the end; the rest are gone."""
    world, made = plan(replace(WAVE, stays=0.3), days=6.0, rate=8.0)
    _, gone = plan(WAVE, days=6.0, rate=8.0)
    assert made.truth is not None
    assert gone.truth is not None
    assert (made.truth.users, made.truth.start) == (gone.truth.users, gone.truth.start)
    posts = made.posts
    first = dict(zip(*np.unique(posts["user"], return_index=True), strict=True))
    until = world.end_ms - 48 * 3_600_000
    early = {user for user, place in first.items() if posts["time"][place] < until}
    for hours in (24, 30, 36):
        low = world.end_ms - hours * 3_600_000
        within = (posts["time"] >= low) & (posts["time"] < low + 86_400_000)
        share = len(early & set(posts["user"][within].tolist())) / len(early)
        assert share == pytest.approx(0.3, abs=5 * math.sqrt(0.21 / len(early)))
