"""Usual traffic: who posts when, from where and under which hashtags, when nothing happens.

Only additions, multiplications, divisions and comparisons stand between the seeded random bits
and the posts (a power or a logarithm may differ in its last bit from one processor to the next).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from streams.simulate.posts import TAGS_MAX, blank
from streams.simulate.regions import (
    FAMILIES,
    HOME_LANGUAGE,
    HOME_REGION,
    LANGUAGE_TAGS,
    REGIONS,
    foreign,
)
from streams.simulate.vocabulary import (
    BORN_BASE,
    FAMILY_BASE,
    FAMILY_COUNT,
    REGION_BASE,
    REGION_COUNT,
    SHARED_COUNT,
    zipf,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streams.simulate.posts import Posts

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

STEP_MS = 1_800_000
"""Traffic is drawn half an hour at a time, at a constant rate within it."""

DAY_MS = 86_400_000
NO_LANGUAGE = 0.02
"""Share of posts that do not say their language."""

_HOURS = (
    *(0.60, 0.38, 0.25, 0.18, 0.16, 0.22, 0.42, 0.72, 0.92, 1.00, 1.04, 1.12),
    *(1.30, 1.26, 1.12, 1.08, 1.10, 1.18, 1.34, 1.52, 1.66, 1.70, 1.46, 1.00),
)
_WEEKEND = 1.12
_NEWCOMER = 0.02
_POSTS_PER_NEWCOMER = 2.5
_NO_ACCOUNT_AGE = 0.05
_BORN = 0.02
_POSTS_PER_BORN_TAG = 3.0
_TAG_COUNTS = np.cumsum([0.16, 0.26, 0.25, 0.17, 0.10, 0.06])
_TAGS_MEAN = 1.97
_REGULAR_DAYS = 2.0
"""Regular users of a region: as many as it has posts in this many days."""

_SLOT_LIMIT_MS = 2 * DAY_MS
_ROOTS_BEFORE_MS = 10 * DAY_MS
_ZIPF_SHARED, _ZIPF_FAMILY, _ZIPF_REGION = (
    zipf(count) for count in (SHARED_COUNT, FAMILY_COUNT, REGION_COUNT)
)


def regular_account_s(user: Ints, start_ms: int) -> Ints:
    """When regular users made their accounts (epoch seconds): 30 days to 6 years before."""
    mixed = (user * 2_654_435_761 % (1 << 32)) / (1 << 32)
    age = 30 * 86_400 + (mixed * mixed * (2_200 * 86_400)).astype(np.int64)
    result: Ints = start_ms // 1000 - age
    return result


class Background:
    """The usual traffic of one world.

    A *cell* is the people of one region who write in one language.

    Args:
        start_ms: first moment of the world, epoch ms.
        end_ms: the moment after its last.
        rate: mean posts a second over the whole world.
    """

    def __init__(self, start_ms: int, end_ms: int, rate: float) -> None:
        self.start_ms = start_ms
        self.end_ms = end_ms
        self.steps = -(-(end_ms - start_ms) // STEP_MS)
        cells = [
            (number, LANGUAGE_TAGS.index(tag), FAMILIES.index(tag.split("-")[0]), r.share * share)
            for number, r in enumerate(REGIONS)
            for tag, share in r.languages
        ]
        self.region = np.array([cell[0] for cell in cells])
        self.lang = np.array([cell[1] for cell in cells])
        self.family = np.array([cell[2] for cell in cells])
        self.rate = np.array([cell[3] for cell in cells]) * rate
        self.home_language = self.family == FAMILIES.index(HOME_LANGUAGE)
        self.home_region = self.region == [r.code for r in REGIONS].index(HOME_REGION)
        self._rhythm = self._rhythms()
        self._count_users()

    def _rhythms(self) -> Floats:
        """Rate of each region in each step over its mean rate, shape (regions, steps)."""
        start = self.start_ms / 3_600_000
        rows = []
        for region in REGIONS:
            row = []
            for step in range(self.steps):
                local = start + (step + 0.5) * (STEP_MS / 3_600_000) + region.utc_offset
                hour, part = divmod(local % 24, 1)
                before, after = _HOURS[int(hour)], _HOURS[(int(hour) + 1) % 24]
                # 1970-01-01 was a Thursday, day 0; Saturdays are 2 days later.
                weekend = int(local // 24) % 7 in {2, 3}
                row.append((before + part * (after - before)) * (_WEEKEND if weekend else 1.0))
            rows.append(row)
        rhythm = np.array(rows)
        # A last step that the world's end cuts short weighs as much as it lasts.
        length = np.array([high - low for low, high in map(self.bounds, range(self.steps))])
        mean = (rhythm * length).cumsum(axis=1)[:, -1:] / (self.end_ms - self.start_ms)
        result: Floats = rhythm / mean
        return result

    def _count_users(self) -> None:
        """Give every cell its regular users, its rate of newcomers, and their numbers."""
        daily = self.rate * 86_400
        self._users = np.maximum(8, (daily * _REGULAR_DAYS).astype(np.int64))
        joins = np.maximum(daily * _NEWCOMER / _POSTS_PER_NEWCOMER, DAY_MS / _SLOT_LIMIT_MS)
        self._join_ms = np.maximum(1, DAY_MS / joins).astype(np.int64)
        span = self.end_ms - self.start_ms + _ROOTS_BEFORE_MS
        newcomers = span // self._join_ms + 1
        last = np.cumsum(np.concatenate([self._users, newcomers]))
        first = np.concatenate([[0], last[:-1]])
        self._first_user = first[: len(daily)]
        self._first_newcomer = first[len(daily) :]
        self.users_end = int(last[-1])
        per_family = np.bincount(self.family, daily, len(FAMILIES))
        births = np.maximum(per_family * _TAGS_MEAN * _BORN / _POSTS_PER_BORN_TAG, 0.5)
        self._birth_ms = np.maximum(1, DAY_MS / births).astype(np.int64)

    @property
    def foreign_rate(self) -> float:
        """Mean foreign posts a second."""
        abroad = ~self.home_region
        shares = np.where(self.home_language[abroad], NO_LANGUAGE, 1.0)
        return float((self.rate[abroad] * shares).cumsum()[-1])

    def bounds(self, step: int) -> tuple[int, int]:
        """First moment of a step and the moment after its last, epoch ms."""
        low = self.start_ms + step * STEP_MS
        return low, min(low + STEP_MS, self.end_ms)

    def cells(self, regions: set[str], *, home_language: bool) -> Floats:
        """1 for cells of ``regions`` in (or not in) the home language, else 0."""
        wanted = np.array([REGIONS[number].code in regions for number in self.region])
        result: Floats = (wanted & (self.home_language == home_language)).astype(np.float64)
        return result

    def draw(
        self, step: int, rng: np.random.Generator, scale: Floats | None = None
    ) -> tuple[Posts, Ints]:
        """Posts of one step in order of time, and the cell of each.

        Args:
            step: half hour since the start.
            rng: randomness for this step alone.
            scale: factor on the usual rate of each cell, shape (cells,); none is 1.
        """
        low, high = self.bounds(step)
        expected = self.rate * self._rhythm[self.region, step] * ((high - low) / 1000.0)
        if scale is not None:
            expected = expected * scale
        cumulative = np.cumsum(expected)
        count = int(rng.poisson(cumulative[-1]))
        posts = blank(count)
        posts["time"] = np.sort(low + (rng.random(count) * (high - low)).astype(np.int64))
        cell = np.searchsorted(cumulative, rng.random(count) * cumulative[-1], side="right")
        cell = np.minimum(cell, len(cumulative) - 1)
        posts["region"] = self.region[cell]
        posts["lang"] = np.where(rng.random(count) < NO_LANGUAGE, 0, self.lang[cell])
        self._sign(posts, cell, rng)
        self.tag(posts, cell, rng)
        return posts, cell

    def _sign(self, posts: Posts, cell: Ints, rng: np.random.Generator) -> None:
        """Give each post a user: a regular one, few of whom post most, or a newcomer."""
        count = len(posts)
        u = rng.random(count)
        regular = self._first_user[cell] + (u * u * self._users[cell]).astype(np.int64)
        age_ms = (u * u * u * (7 * DAY_MS)).astype(np.int64)
        root = self.start_ms - _ROOTS_BEFORE_MS
        joined = (posts["time"] - age_ms - root) // self._join_ms[cell]
        newcomer = rng.random(count) < _NEWCOMER
        posts["user"] = np.where(newcomer, self._first_newcomer[cell] + joined, regular)
        account = np.where(
            newcomer,
            (root + joined * self._join_ms[cell]) // 1000,
            regular_account_s(regular, self.start_ms),
        )
        posts["account"] = np.where(rng.random(count) < _NO_ACCOUNT_AGE, -1, account)

    def tag(self, posts: Posts, cell: Ints, rng: np.random.Generator) -> None:
        """Give each post 0 to 5 hashtags of the kind its cell uses."""
        count = len(posts)
        shape = (count, TAGS_MAX)
        column = cell[:, None]
        u = rng.random(shape)
        family = self.family[column]
        kind = rng.random(shape)
        tags = np.where(
            kind < 0.35,
            np.searchsorted(_ZIPF_SHARED, u),
            np.where(
                kind < 0.80,
                FAMILY_BASE + family * FAMILY_COUNT + np.searchsorted(_ZIPF_FAMILY, u),
                REGION_BASE + self.region[column] * REGION_COUNT + np.searchsorted(_ZIPF_REGION, u),
            ),
        )
        age_ms = (u * u * (2 * DAY_MS)).astype(np.int64)
        born = posts["time"][:, None] - age_ms - self.start_ms + _ROOTS_BEFORE_MS
        number = BORN_BASE + born // self._birth_ms[family] * len(FAMILIES) + family
        tags = np.where(kind > 1 - _BORN, number, tags)
        filled = np.searchsorted(_TAG_COUNTS, rng.random(count), side="right")
        tags[np.arange(TAGS_MAX) >= filled[:, None]] = -1
        posts["tags"] = tags


def is_foreign(posts: Posts) -> NDArray[np.bool_]:
    """Which rows are foreign."""
    table = np.array([[foreign(r.code, tag) for tag in LANGUAGE_TAGS] for r in REGIONS])
    result: NDArray[np.bool_] = table[posts["region"], posts["lang"]]
    return result
