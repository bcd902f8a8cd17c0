"""Waves of foreign newcomers, over a range of strengths and speeds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from streams.simulate.background import NO_LANGUAGE, regular_account_s
from streams.simulate.posts import TAGS_MAX, blank, by_time
from streams.simulate.regions import INDEX, LANGUAGE_TAGS
from streams.simulate.vocabulary import FAMILY_BASE, FAMILY_COUNT, SHARED_COUNT
from streams.simulate.world import Plan, foreign_users, window_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streams.simulate.posts import Posts
    from streams.simulate.world import World

_MINUTE_MS = 60_000
_HALF_LIVES = 6
_POSTS_MAX = 20
_RETURN_MS = 10 * 3_600_000
"""A user's further posts follow within ten hours, most of them soon."""
_STAY_MS = 20 * 3_600_000
_STAY_JITTER_MS = 2 * 3_600_000
"""Who stays posts every 18 to 22 hours, so at least once in any 24 hours."""


@dataclass(frozen=True, slots=True)
class Origin:
    """A region that a wave comes from.

    Attributes:
        region: ISO 3166 alpha-2.
        weight: its share of the wave's users, relative to the other origins.
        lag_minutes: how much later than the wave's start it joins.
    """

    region: str
    weight: float = 1.0
    lag_minutes: float = 0.0


@dataclass(frozen=True, slots=True)
class Tag:
    """A hashtag of a wave.

    Attributes:
        name: canonical form.
        share: share of the wave's posts that carry it.
        spellings: how a third of these posts write it instead.
    """

    name: str
    share: float = 1.0
    spellings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """Foreign users arrive at an exponentially growing rate, peak, and become fewer.

    Attributes:
        name: names the wave in the truth file and keys its randomness.
        at: share of the world after which it starts, 0.6 to 1.
        origins: where it comes from, the most important first.
        tags: its hashtags, the cause first; none is a wave over many existing tags.
        strength: new users a second at the peak, over the usual foreign posts a second of the
            whole world.
        doubling_minutes: time in which arrivals double before the peak.
        doublings: how often they double from start to peak.
        half_life_hours: time in which arrivals halve after the peak.
        newcomers: share of users whose account is hours old.
        language: language tag of all its posts; none is what each region speaks.
        stays: share of users who go on posting daily until the end of the world, under the
            hashtags that others use.
    """

    name: str
    at: float
    origins: tuple[Origin, ...]
    tags: tuple[Tag, ...]
    strength: float
    doubling_minutes: float
    doublings: float = 6.0
    half_life_hours: float = 3.0
    newcomers: float = 0.85
    language: str | None = None
    stays: float = 0.0

    @property
    def level(self) -> str:
        """The most specific series that covers the wave."""
        if not self.tags:
            return "region"
        share = self.origins[0].weight / sum(origin.weight for origin in self.origins)
        return "pair" if share >= 0.8 else "hashtag"

    def plan(self, world: World, rng: np.random.Generator) -> Plan:
        """Draw the wave's users and posts."""
        drawn = [self._posts(world, origin, rng) for origin in self.origins]
        posts = by_time([arriving for arriving, _ in drawn])
        peak_ms = world.wave_at(self.at) + round(
            self.doubling_minutes * self.doublings * _MINUTE_MS
        )
        truth = world.truth(
            self.name,
            window_of(posts) if len(posts) else (world.wave_at(self.at),) * 2,
            kind="wave",
            level=self.level,
            hashtag=self.tags[0].name if self.tags else None,
            regions=tuple(origin.region for origin in self.origins),
            users=foreign_users(posts),
            peak_ms=peak_ms,
        )
        return Plan(truth, by_time([posts, *(returning for _, returning in drawn)]))

    def _arrivals(
        self, world: World, origin: Origin, rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """When each new user of one origin posts first, ms; some may be after the world's end."""
        rise = self.doubling_minutes * self.doublings
        start = world.wave_at(self.at) + round(origin.lag_minutes * _MINUTE_MS)
        whole = int(rise + self.half_life_hours * 60 * _HALF_LIVES) + 1
        minutes = range(min(whole, max(1, -(-(world.end_ms - start) // _MINUTE_MS))))
        # Rounded, because the last bit of a power differs between processors.
        shape = np.array(
            [
                round(
                    2.0 ** ((m - rise) / self.doubling_minutes)
                    if m < rise
                    else 2.0 ** ((rise - m) / (self.half_life_hours * 60)),
                    9,
                )
                for m in minutes
            ]
        )
        weight = origin.weight / sum(other.weight for other in self.origins)
        peak = self.strength * world.background.foreign_rate * weight * 60
        cumulative = np.cumsum(shape)
        count = int(rng.poisson(round(peak * float(cumulative[-1]), 6)))
        drawn = rng.random(count) * cumulative[-1]
        minute = np.minimum(np.searchsorted(cumulative, drawn, side="right"), len(minutes) - 1)
        within = (rng.random(count) * _MINUTE_MS).astype(np.int64)
        result: NDArray[np.int64] = start + minute * _MINUTE_MS + within
        return result

    def _posts(self, world: World, origin: Origin, rng: np.random.Generator) -> tuple[Posts, Posts]:
        """The posts of those who arrive from an origin, and the later ones of those who stay."""
        arrivals = self._arrivals(world, origin, rng)
        people = len(arrivals)
        user = world.new_users(people) + np.arange(people)
        cell = self._cells(world, origin, rng, people)
        u = rng.random(people)
        age_s = (u * u * (12 * 3600)).astype(np.int64)
        account = np.where(
            rng.random(people) < self.newcomers,
            arrivals // 1000 - age_s,
            regular_account_s(user, world.start_ms),
        )
        times = np.minimum(1.0 / np.sqrt(1.0 - rng.random(people)), _POSTS_MAX).astype(np.int64)
        who = np.repeat(np.arange(people), times)
        u = rng.random(len(who))
        later = np.concatenate([[False], who[1:] == who[:-1]]) if len(who) else np.zeros(0, bool)
        at = arrivals[who] + np.where(later, (u * u * _RETURN_MS).astype(np.int64), 0)
        language = world.background.lang[cell]
        if self.language is not None:
            language = np.full(people, LANGUAGE_TAGS.index(self.language))

        def posted(
            who: NDArray[np.int64], at: NDArray[np.int64], rng: np.random.Generator
        ) -> Posts:
            posts = blank(len(who))
            posts["time"], posts["user"], posts["account"] = at, user[who], account[who]
            posts["region"] = INDEX[origin.region]
            posts["lang"] = np.where(rng.random(len(who)) < NO_LANGUAGE, 0, language[who])
            return posts

        posts = posted(who, at, rng)
        self._tag(world, posts, cell[who], rng)
        # Randomness of their own, so that the wave is the same whoever stays.
        (rng,) = rng.spawn(1)
        who, at = self._returns(world, arrivals, rng)
        returning = posted(who, at, rng)
        world.background.tag(returning, cell[who], rng)
        return posts[posts["time"] < world.end_ms], returning[returning["time"] < world.end_ms]

    def _returns(
        self, world: World, arrivals: NDArray[np.int64], rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Who stays, once for each time they post again, and when that is."""
        stayers = np.flatnonzero(rng.random(len(arrivals)) < self.stays)
        times = (world.end_ms - world.start_ms) // _STAY_MS + 1
        who = np.repeat(stayers, times)
        number = np.tile(np.arange(1, times + 1), len(stayers))
        jitter = (rng.random(len(who)) * _STAY_JITTER_MS).astype(np.int64)
        return who, arrivals[who] + number * _STAY_MS + jitter

    def _cells(
        self, world: World, origin: Origin, rng: np.random.Generator, people: int
    ) -> NDArray[np.int64]:
        """Which of the region's foreign languages each user speaks, as cells."""
        background = world.background
        cells = np.flatnonzero(background.cells({origin.region}, home_language=False))
        cumulative = np.cumsum(background.rate[cells])
        drawn = rng.random(people) * cumulative[-1]
        place = np.minimum(np.searchsorted(cumulative, drawn, side="right"), len(cells) - 1)
        result: NDArray[np.int64] = cells[place]
        return result

    def _tag(
        self, world: World, posts: Posts, cell: NDArray[np.int64], rng: np.random.Generator
    ) -> None:
        if self.tags:
            world.background.tag(posts, cell, rng)
            posts["tags"][:, len(self.tags) + 1 :] = -1
            for slot, tag in reversed(list(enumerate(self.tags))):
                _put(world, posts["tags"][:, slot], tag, rng)
            # A post without the first hashtag moves the others up.
            order = np.argsort(posts["tags"] < 0, axis=1, kind="stable")
            posts["tags"] = np.take_along_axis(posts["tags"], order, axis=1)
            return
        # No common tag: existing ones, each as likely as any other.
        family = FAMILY_BASE + world.background.family[cell] * FAMILY_COUNT
        for slot in range(TAGS_MAX):
            u = rng.random((2, len(posts)))
            shared = (u[0] * SHARED_COUNT).astype(np.int64)
            local = family + (u[0] * FAMILY_COUNT).astype(np.int64)
            posts["tags"][:, slot] = np.where(u[1] < 0.5, shared, local)
        posts["tags"][:, 1 + int(rng.random() * 2) :] = -1


def _put(world: World, column: NDArray[np.int32], tag: Tag, rng: np.random.Generator) -> None:
    """Write a tag into one slot of some posts."""
    names = [world.vocabulary.number(name) for name in (tag.name, *tag.spellings)]
    u = rng.random(len(column))
    other = 1 + (u * len(tag.spellings)).astype(np.int64)
    choice = np.where(rng.random(len(column)) < 1 / 3, other, 0) if tag.spellings else 0
    carried = rng.random(len(column)) < tag.share
    column[carried] = np.array(names)[choice + np.zeros(len(column), np.int64)][carried]
