"""The world that parts of a scenario happen in, and what a part adds to it."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np

from streams.events import Truth
from streams.simulate.background import DAY_MS, STEP_MS, Background, is_foreign
from streams.simulate.posts import blank, stamp
from streams.simulate.vocabulary import Vocabulary

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.simulate.posts import Posts

    Rearrange = Callable[[Posts, np.random.Generator], Posts]

START_MS = 1_736_294_400_000
"""Every world starts at 2025-01-08T00:00:00Z, five days before the January wave."""

WARM_UP_DAYS = 1.2
WARM_UP_SHARE = 0.6


@dataclass(slots=True)
class Plan:
    """What one part adds to a world.

    Attributes:
        truth: its entry in the truth file, if it has one.
        posts: rows, arrival equal to event time; ``rearrange`` may change that.
        lines: (arrival in ms, line) that are written as they stand; bytes that are not UTF-8
            are lone surrogates, as ``surrogateescape`` makes them.
        rearrange: changes the arrival of all rows of a half hour, or repeats rows.
        outage: nothing arrives from the first to the second of these moments, ms.
    """

    truth: Truth | None = None
    posts: Posts = field(default_factory=lambda: blank(0))
    lines: list[tuple[int, str]] = field(default_factory=list)
    rearrange: Rearrange | None = None
    outage: tuple[int, int] | None = None


class Part(Protocol):
    """A wave, or something that must not be taken for one."""

    @property
    def name(self) -> str:
        """Names the part in the truth file and keys its randomness."""

    def plan(self, world: World, rng: np.random.Generator) -> Plan:
        """Everything the part does in ``world``; all randomness comes from ``rng``."""


def key(name: str) -> int:
    """A number for a name that does not depend on the process, as Python's own hash does."""
    return zlib.crc32(name.encode())


class World:
    """Time, people and hashtags of one simulation.

    Args:
        days: length, at least an hour.
        rate: mean posts a second of the usual traffic.
        seed: zero or more.
    """

    def __init__(self, days: float, rate: float, seed: int) -> None:
        self.days = days
        self.seed = seed
        self.start_ms = START_MS
        self.end_ms = START_MS + round(days * DAY_MS)
        self.vocabulary = Vocabulary()
        self.background = Background(self.start_ms, self.end_ms, rate)
        self.rate = rate
        self._next_user = self.background.users_end

    def rng(self, name: str, number: int) -> np.random.Generator:
        """Randomness of its own for each use, so that no part disturbs another."""
        return np.random.Generator(np.random.PCG64([self.seed, key(name), number]))

    def new_users(self, count: int) -> int:
        """Reserve ``count`` users who are in nobody else's traffic; returns the first number."""
        first = self._next_user
        self._next_user += count
        return first

    def at(self, share: float) -> int:
        """The moment when ``share`` of the world has passed, ms, in whole seconds."""
        return self.start_ms + round(share * self.days * 86_400) * 1000

    def wave_at(self, share: float) -> int:
        """Like ``at`` for shares from 0.6 to 1, but never without a warm-up before it.

        In worlds under two days the shares are squeezed into what follows 1.2 days (in worlds
        under 1.5 days: into the last fifth).
        """
        earliest = max(WARM_UP_SHARE, min(WARM_UP_DAYS / self.days, 0.8))
        return self.at(earliest + (share - WARM_UP_SHARE) / (1 - WARM_UP_SHARE) * (1 - earliest))

    def steps(self, low_ms: int, high_ms: int) -> range:
        """The half hours that overlap a stretch of time."""
        first = max(0, (low_ms - self.start_ms) // STEP_MS)
        last = -(-(min(high_ms, self.end_ms) - self.start_ms) // STEP_MS)
        return range(first, max(first, last))

    def truth(
        self,
        part: str,
        window: tuple[int, int],
        *,
        kind: str = "non_wave",
        level: str = "all",
        hashtag: str | None = None,
        regions: tuple[str, ...] = (),
        users: int = 0,
        peak_ms: int | None = None,
    ) -> Truth:
        """A truth record; ``window`` is cut to the world, its id is given by the simulation."""
        low = max(window[0], self.start_ms) // 1000 * 1000
        high = -(-min(window[1], self.end_ms) // 1000) * 1000
        if peak_ms is not None and peak_ms >= self.end_ms:
            peak_ms = None
        return Truth(
            id="",
            kind=kind,
            scenario_part=part,
            start=stamp(low),
            end=stamp(max(low, high)),
            level=level,
            region=regions[0] if level in {"region", "pair"} else None,
            hashtag=hashtag,
            regions=list(regions),
            users=users,
            peak_at=None if peak_ms is None else stamp(peak_ms // 1000 * 1000),
        )


def window_of(posts: Posts) -> tuple[int, int]:
    """First and last event time of rows; (0, 0) without any."""
    if not len(posts):
        return 0, 0
    return int(posts["time"].min()), int(posts["time"].max())


def foreign_users(posts: Posts) -> int:
    """Distinct users with at least one foreign row."""
    return len(np.unique(posts["user"][is_foreign(posts)]))
