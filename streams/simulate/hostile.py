"""Input that is wrong or means harm: times, lines, hashtags."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from streams.simulate.posts import stamp, user_name
from streams.simulate.world import Plan

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from streams.simulate.world import World

_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS
LOOK_ALIKE = "t\u0456ktokrefugee"
"""The January hashtag with a Cyrillic і."""

HOSTILE_TAGS = (
    "\x1b[31mred\x1b[0m",
    "\x1b]0;owned\x07",
    "\u202egnp.exe",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "tik\u200btok\u200drefugee",
    "a&b\"c'd",
    "=1+1|cmd",
    "../../etc/passwd",
    "{{7*7}}",
)
"""Hashtags that attack a terminal, a page, a reader, a spreadsheet or a path."""


def _line(post_id: str, created_at: object, user: str, /, **others: object) -> str:
    """One post as a line, with the fields that differ from an ordinary one."""
    post = {
        "post_id": post_id,
        "created_at": created_at,
        "user_id": user,
        "region": "US",
        "hashtags": ["food"],
        "lang": "en",
        "account_created_at": None,
    }
    return orjson.dumps(post | others).decode()


@dataclass(frozen=True, slots=True)
class Poisoned:
    """Times that must not move the clock: 2099, 1970, a year ahead as the very first line.

    Four users in all date posts ahead, one too few to confirm each other: one in 2099, one some
    hours ahead, one a year ahead, and a bot that dates 500 posts a day ahead.
    """

    name: str = "poisoned"
    at: float = 0.6

    def plan(self, world: World, rng: np.random.Generator) -> Plan:
        """The poisoned lines, the first of them before everything else."""
        first = world.new_users(5)
        names = [user_name(first + number) for number in range(5)]
        base = world.at(self.at)
        end = max(base, world.end_ms - 1)
        lines = [
            (world.start_ms, self._post(0, "2026-01-08T00:00:00Z", names[0])),
            (base, self._post(1, "2099-06-01T00:00:00Z", names[1])),
            (base, self._post(2, "1970-01-01T00:00:00Z", names[2])),
            (base, self._post(3, 0, names[2])),
        ]
        for number in range(5):
            arrival = min(base + number * 60_000, end)
            ahead = arrival + (3 + number) * _HOUR_MS
            lines.append((arrival, self._post(10 + number, stamp(ahead), names[3])))
        for number in range(500):
            arrival = min(base + int(rng.random() * 2 * _HOUR_MS), end)
            text = stamp(arrival + _DAY_MS)
            lines.append((arrival, self._post(100 + number, text, names[4])))
        truth = world.truth(self.name, (world.start_ms, base + 2 * _HOUR_MS), users=5)
        return Plan(truth, lines=lines)

    def _post(self, number: int, created_at: object, user: str) -> str:
        return _line(f"{self.name}-{number}", created_at, user, hashtags=["fromthefuture"])


def _malformed(time_ms: int) -> list[str]:
    """One line of every kind that is not a usable post."""
    at = stamp(time_ms)
    good = _line("malformed-1", at, "u1")
    missing = [
        _line("malformed-1", at, "u1").replace(f'"{field}"', '"other"', 1)
        for field in ("post_id", "created_at", "user_id")
    ]
    wrong = [
        _line("malformed-1", at, "u1", **{field: value})
        for field, value in (
            ("post_id", 17),
            ("post_id", ""),
            ("user_id", None),
            ("user_id", ["u1"]),
            ("created_at", True),
            ("created_at", "yesterday"),
            ("created_at", "2025-13-45T00:00:00Z"),
            ("region", 1),
            ("hashtags", "food"),
            ("hashtags", [1, 2]),
            ("lang", {}),
            ("hashtags", [f"tag{number}" for number in range(10_000)]),
        )
    ]
    return [
        "",
        "   ",
        "hello",
        "{",
        "null",
        "17",
        '"text"',
        "[" + good + "]",
        good[: len(good) // 2],
        good + good,
        *missing,
        *wrong,
        good.replace(f'"{at}"', "NaN"),
        good.replace(f'"{at}"', "1e400"),
        # Bytes FF FE, which no UTF-8 text holds; "surrogateescape" writes them as they are.
        good.replace("food", "fo\udcff\udcfeod"),
        good.replace("food", "\\ud800"),
        good.replace('"u1"', '"\\udfff"'),
        good[:-1] + ',"deep":' + "[" * 1_000 + "]" * 1_000 + "}",
        '{"a":' * 101 + "1" + "}" * 101,
        good[:-1] + ',"text":"' + "x" * 1_500_000 + '"}',
        "\x00" * 40,
    ]


@dataclass(frozen=True, slots=True)
class Malformed:
    """Lines that are no posts, three of every kind, all through the world."""

    name: str = "malformed"
    copies: int = 3

    def plan(self, world: World, rng: np.random.Generator) -> Plan:
        """The malformed lines."""
        lines: list[tuple[int, str]] = []
        for _ in range(self.copies):
            kinds = _malformed(world.at(rng.random()))
            lines += [(world.at(rng.random()), line) for line in kinds]
        truth = world.truth(self.name, (world.start_ms, world.end_ms))
        return Plan(truth, lines=lines)


@dataclass(frozen=True, slots=True)
class JunkTags:
    """Eight accounts flood one hour with hashtags that nobody used before.

    Attributes:
        tags: distinct hashtags; none is 10,000 for each post a second of the world.
    """

    name: str = "junk_tags"
    at: float = 0.6
    tags: int | None = None

    _ACCOUNTS = 8
    _PER_POST = 25

    def plan(self, world: World, rng: np.random.Generator) -> Plan:
        """The junk posts, as lines because they carry 25 hashtags each."""
        tags = int(10_000 * world.rate) if self.tags is None else self.tags
        base = world.wave_at(self.at)
        length = min(_HOUR_MS, world.end_ms - base)
        first = world.new_users(self._ACCOUNTS)
        regions = ("US", "VN", "RU", "ID", "TR", "EG", "PK", "NG")
        lines: list[tuple[int, str]] = []
        for number in range(-(-tags // self._PER_POST)):
            arrival = base + int(rng.random() * length)
            junk = [f"junk{number:x}x{place}" for place in range(self._PER_POST)]
            who = int(rng.random() * self._ACCOUNTS)
            line = _line(
                f"{self.name}-{number}",
                stamp(arrival),
                user_name(first + who),
                region=regions[who],
                hashtags=junk[: tags - number * self._PER_POST],
                account_created_at=stamp(base - _DAY_MS),
            )
            lines.append((arrival, line))
        truth = world.truth(self.name, (base, base + length), regions=regions, users=8)
        return Plan(truth, lines=lines)


@dataclass(frozen=True, slots=True)
class HostileFields:
    """A few posts whose region, language and ids carry the same attacks as hashtags do."""

    name: str = "hostile_fields"
    at: float = 0.6
    tags: Sequence[str] = HOSTILE_TAGS

    def plan(self, world: World, rng: np.random.Generator) -> Plan:
        """Each attack once in every field, within the wave's first hours."""
        base = world.wave_at(self.at)
        lines: list[tuple[int, str]] = []
        for number, tag in enumerate(self.tags):
            arrival = min(base + int(rng.random() * 6 * _HOUR_MS), world.end_ms - 1)
            line = _line(
                f"{self.name}-{number}-{tag}",
                stamp(arrival),
                f"{user_name(world.new_users(1))}-{tag}",
                region=tag,
                hashtags=[tag],
                lang=tag,
            )
            lines.append((arrival, line))
        return Plan(lines=lines)
