"""Faults of the way from the posts to the log: lost, repeated, late."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from streams.simulate.world import Plan

if TYPE_CHECKING:
    from streams.simulate.posts import Posts
    from streams.simulate.world import World

_HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Gap:
    """Ingestion is down: what would arrive in these hours is lost."""

    name: str = "gap"
    at: float = 0.6
    hours: float = 3.0

    def plan(self, world: World, rng: np.random.Generator) -> Plan:  # noqa: ARG002  (of Part)
        """The hours of the outage."""
        low = world.at(self.at)
        window = low, low + int(self.hours * _HOUR_MS)
        return Plan(world.truth(self.name, window), outage=window)


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Some posts are sent twice within minutes; one whole hour is sent again hours later.

    Attributes:
        share: share of posts sent twice.
        resend_after_hours: from the end of the hour to its second sending, which takes five
            minutes.
    """

    name: str = "duplicates"
    at: float = 0.6
    share: float = 0.02
    resend_after_hours: float = 3.0

    def plan(self, world: World, rng: np.random.Generator) -> Plan:  # noqa: ARG002  (of Part)
        """A rule that repeats rows."""
        low = world.at(self.at)
        high = low + _HOUR_MS
        resend = high + int(self.resend_after_hours * _HOUR_MS)

        def repeat(posts: Posts, rng: np.random.Generator) -> Posts:
            again = posts[rng.random(len(posts)) < self.share]
            u = rng.random(len(again))
            again["arrival"] += (u * u * 600_000).astype(np.int64)
            hour = posts[(posts["time"] >= low) & (posts["time"] < high)]
            hour["arrival"] = resend + (hour["time"] - low) // 12
            return np.concatenate([posts, again, hour])

        truth = world.truth(self.name, (world.start_ms, world.end_ms))
        return Plan(truth, rearrange=repeat)


@dataclass(frozen=True, slots=True)
class Late:
    """Posts arrive out of order: most soon after their event time, a few hours later.

    Attributes:
        within_s: longest delay of all but the few.
        far: share of posts that are ten minutes to six hours late.
    """

    name: str = "late"
    within_s: float = 120.0
    far: float = 0.03

    def plan(self, world: World, rng: np.random.Generator) -> Plan:  # noqa: ARG002  (of Part)
        """A rule that delays rows."""

        def delay(posts: Posts, rng: np.random.Generator) -> Posts:
            u, v = rng.random((2, len(posts)))
            near = u * u * u * (self.within_s * 1000)
            much = 600_000 + u * u * (350 * 60_000)
            posts["arrival"] += np.where(v < self.far, much, near).astype(np.int64)
            return posts

        truth = world.truth(self.name, (world.start_ms, world.end_ms))
        return Plan(truth, rearrange=delay)
