"""What looks like a wave of foreign users and is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from streams.simulate.background import DAY_MS, STEP_MS
from streams.simulate.posts import blank, by_time
from streams.simulate.regions import HOME_REGION, INDEX, LANGUAGE_TAGS
from streams.simulate.world import Plan, foreign_users, window_of

if TYPE_CHECKING:
    from streams.simulate.posts import Posts
    from streams.simulate.world import World

_HOUR_MS = 3_600_000
_STUDENT_REGIONS = ("US", "GB", "AU", "JP", "KR", "CA", "DE", "FR", "MY", "SG")


@dataclass(frozen=True, slots=True)
class Bursts:
    """Two to five friends share a small hashtag for an hour, some eight times a day, anywhere."""

    name: str = "bursts"
    per_day: float = 8.0

    def plan(self, world: World, rng: np.random.Generator) -> Plan:
        """Draw all bursts of the world."""
        cells = np.flatnonzero(~world.background.home_language & ~world.background.home_region)
        cumulative = np.cumsum(world.background.rate[cells])
        parts: list[Posts] = []
        for number in range(int(rng.poisson(round(self.per_day * world.days, 6)))):
            place = np.searchsorted(cumulative, rng.random() * cumulative[-1])
            cell = int(cells[min(int(place), len(cells) - 1)])
            people = 2 + int(rng.random() * 4)
            count = people + int(rng.random() * 2 * people)
            u = rng.random(count)
            posts = blank(count)
            start = world.at(rng.random())
            posts["time"] = start + (rng.random(count) * _HOUR_MS).astype(np.int64)
            posts["user"] = world.new_users(people) + (u * people).astype(np.int64)
            posts["region"] = world.background.region[cell]
            posts["lang"] = world.background.lang[cell]
            posts["tags"][:, 0] = world.vocabulary.number(f"ourlittle{number:x}")
            parts.append(posts[posts["time"] < world.end_ms])
        return Plan(posts=by_time(parts))


@dataclass(frozen=True, slots=True)
class Bots:
    """Three new accounts in one region post one hashtag thousands of times."""

    name: str = "bots"
    at: float = 0.6
    hours: float = 3.0
    accounts: int = 3
    region: str = "VN"
    hashtag: str = "cheapfollowers"

    def plan(self, world: World, rng: np.random.Generator) -> Plan:
        """Draw the bots' posts: 2,000 and 500 more for each post a second of the world."""
        count = 2_000 + int(500 * world.rate)
        start = world.at(self.at)
        posts = blank(count)
        length = self.hours * _HOUR_MS
        posts["time"] = np.sort(start + (rng.random(count) * length).astype(np.int64))
        account = (rng.random(count) * self.accounts).astype(np.int64)
        posts["user"] = world.new_users(self.accounts) + account
        posts["account"] = start // 1000 - 86_400 * (1 + account)
        posts["region"] = INDEX[self.region]
        posts["lang"] = LANGUAGE_TAGS.index("en")
        posts["tags"][:, 0] = world.vocabulary.number(self.hashtag)
        posts = posts[posts["time"] < world.end_ms]
        truth = world.truth(
            self.name,
            window_of(posts),
            level="pair",
            hashtag=self.hashtag,
            regions=(self.region,),
            users=foreign_users(posts),
        )
        return Plan(truth, posts)


@dataclass(frozen=True, slots=True)
class SlowGrowth:
    """The foreign posts of one region double in a fortnight, all through the world."""

    name: str = "slow_growth"
    region: str = "MY"
    doubling_days: float = 14.0

    def plan(self, world: World, rng: np.random.Generator) -> Plan:
        """Draw what the growth adds to the region's usual traffic."""
        background = world.background
        mask = background.cells({self.region}, home_language=False)
        # Rounded, because the last bit of a power differs between processors.
        growth = [
            round(2.0 ** (step * STEP_MS / DAY_MS / self.doubling_days) - 1.0, 9)
            for step in range(background.steps + 1)
        ]
        posts = by_time(
            [background.draw(step, rng, mask * extra)[0] for step, extra in enumerate(growth[:-1])]
        )
        # A user joins when the growth reaches them; growth bends upwards, so nobody posts earlier.
        step = (posts["time"] - world.start_ms) // STEP_MS
        joined = np.array(growth)[step] / growth[-1]
        people = 1 + len(posts) // 3
        person = (rng.random(len(posts)) * joined * people).astype(np.int64)
        length_s = (world.end_ms - world.start_ms) // 1000
        posts["user"] = world.new_users(people) + person
        posts["account"] = world.start_ms // 1000 + person * length_s // people
        truth = world.truth(
            self.name,
            (world.start_ms, world.end_ms),
            level="region",
            regions=(self.region,),
            users=foreign_users(posts),
        )
        return Plan(truth, posts)


def _crowd(
    world: World, rng: np.random.Generator, window: tuple[int, int], scale: dict[str, float]
) -> Posts:
    """Extra posts in Chinese, rising and falling evenly over a window.

    ``scale`` says how many times its usual traffic a region adds at the middle of the window.
    """
    background = world.background
    low, high = window
    factors = np.zeros(len(background.rate))
    for region, factor in scale.items():
        factors += background.cells({region}, home_language=True) * factor
    parts: list[Posts] = []
    for step in world.steps(low, high):
        first, last = background.bounds(step)
        passed = ((first + last) / 2 - low) / (high - low)
        height = max(0.0, 1.0 - abs(2.0 * passed - 1.0))
        posts, cell = background.draw(step, rng, factors * height)
        # Always with their language: without it a post from abroad would count as foreign.
        posts["lang"] = background.lang[cell]
        parts.append(posts[(posts["time"] >= low) & (posts["time"] < high)])
    return by_time(parts)


@dataclass(frozen=True, slots=True)
class Students:
    """Students abroad follow an event at home: many posts in Chinese from abroad, one hashtag."""

    name: str = "students"
    at: float = 0.6
    hours: float = 5.0
    strength: float = 8.0
    hashtag: str = "春节联欢晚会"

    def plan(self, world: World, rng: np.random.Generator) -> Plan:
        """Draw what students abroad and, to a lesser degree, people at home add."""
        start = world.at(self.at)
        window = start, start + int(self.hours * _HOUR_MS)
        scale = dict.fromkeys(_STUDENT_REGIONS, self.strength) | {HOME_REGION: 0.2}
        posts = _crowd(world, rng, window, scale)
        posts["tags"][:, 0] = world.vocabulary.number(self.hashtag)
        truth = world.truth(
            self.name,
            window,
            level="hashtag",
            hashtag=self.hashtag,
            regions=_STUDENT_REGIONS,
            users=foreign_users(posts),
        )
        return Plan(truth, posts)


@dataclass(frozen=True, slots=True)
class DomesticHit:
    """A hashtag explodes at home; students join in proportion, and a handful of foreigners."""

    name: str = "domestic_hit"
    at: float = 0.6
    hours: float = 8.0
    strength: float = 0.8
    foreigners: int = 6
    hashtag: str = "哪吒之魔童闹海"

    def plan(self, world: World, rng: np.random.Generator) -> Plan:
        """Draw the crowd at home and those abroad who join it."""
        start = world.at(self.at)
        window = start, start + int(self.hours * _HOUR_MS)
        regions = (HOME_REGION, "TW", "HK", *_STUDENT_REGIONS)
        crowd = _crowd(world, rng, window, dict.fromkeys(regions, self.strength))
        few = blank(self.foreigners)
        length = window[1] - window[0]
        few["time"] = start + (rng.random(self.foreigners) * length).astype(np.int64)
        few["user"] = world.new_users(self.foreigners) + np.arange(self.foreigners)
        few["region"] = [INDEX[_STUDENT_REGIONS[n % 10]] for n in range(self.foreigners)]
        few["lang"] = LANGUAGE_TAGS.index("en")
        posts = by_time([crowd, few[few["time"] < world.end_ms]])
        posts["tags"][:, 0] = world.vocabulary.number(self.hashtag)
        truth = world.truth(
            self.name,
            window,
            level="hashtag",
            hashtag=self.hashtag,
            regions=(HOME_REGION,),
            users=foreign_users(posts),
        )
        return Plan(truth, posts)
