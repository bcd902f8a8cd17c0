"""Small worlds with surges in them, and ways to rearrange their logs that must not matter."""

from __future__ import annotations

import os
import random
import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, get_args

import orjson

from streams.codec import epoch_ms
from streams.simulate import Bots, Origin, Tag, Wave, compose
from tests.harness import Json, configured, joined, post

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from streams.settings import Settings

HOUR_MS = 3_600_000
START_MS = 1_736_294_400_000
Way = Literal["user", "round robin", "region"]
WAYS: tuple[Way, ...] = get_args(Way)


def seeds(count: int) -> range:
    """Seeds of a random test: ``count``, or times ``PROPERTY_SEEDS`` for a long hunt."""
    return range(count * int(os.environ.get("PROPERTY_SEEDS", "1")))


def generator(seed: int) -> random.Random:
    """Randomness of one run; says its seed, which pytest shows when the test fails."""
    print(f"seed {seed}")  # noqa: T201
    return random.Random(seed)  # noqa: S311 - not for secrets


@dataclass(frozen=True)
class Item:
    """One line of a log, and what it can be split or ordered by."""

    line: bytes
    at_ms: int
    user: str
    region: str


@dataclass(frozen=True)
class SmallWorld:
    """A log, and the settings it is replayed with."""

    items: tuple[Item, ...]
    settings: Settings

    @property
    def log(self) -> bytes:
        """The log as it stands."""
        return joined([item.line for item in self.items])

    @property
    def tables(self) -> str:
        """The settings as a configuration file has them."""
        time, alerts, detection = self.settings.time, self.settings.alerts, self.settings.detection
        return f"""
[time]
bucket = "{time.bucket_ms}ms"
allowed_lateness = "{time.allowed_lateness_ms}ms"
max_jump = "{time.max_jump_ms}ms"
[detection]
warmup = "{detection.warmup_ms}ms"
[alerts]
min_users = {alerts.min_users}
false_incidents_per_week = {alerts.false_incidents_per_week}
close_after = "{alerts.close_after_ms}ms"
"""

    def shuffled(self, rng: random.Random) -> SmallWorld:
        """Every post delayed by up to the allowed lateness."""
        lateness = self.settings.time.allowed_lateness_ms
        arrival = [item.at_ms + rng.random() * lateness for item in self.items]
        order = sorted(range(len(self.items)), key=arrival.__getitem__)
        return replace(self, items=tuple(self.items[place] for place in order))

    def twice(self) -> SmallWorld:
        """Every line two times."""
        return replace(self, items=tuple(item for item in self.items for _ in range(2)))

    def split(self, way: Way, count: int) -> dict[str, bytes]:
        """``count`` logs by name; a log can be empty."""
        key: dict[str, Callable[[int, Item], int]] = {
            "user": lambda _, item: zlib.crc32(item.user.encode()),
            "round robin": lambda place, _: place,
            "region": lambda _, item: zlib.crc32(item.region.encode()),
        }
        parts: list[list[bytes]] = [[] for _ in range(count)]
        for place, item in enumerate(self.items):
            parts[key[way](place, item) % count].append(item.line)
        return {f"part-{number}.jsonl": joined(part) for number, part in enumerate(parts)}


def simulated(seed: int) -> SmallWorld:
    """Two days of usual traffic with one wave; wave and settings are drawn."""
    rng = random.Random(seed)  # noqa: S311
    regions = rng.sample(["US", "BR", "FR", "PH", "DE", "ES"], rng.randrange(1, 5))
    tags = (Tag("fiesta", 0.9), Tag("newhere", 0.3))[: rng.randrange(len(regions) > 1, 3)]
    wave = Wave(
        name="wave",
        at=0.6,
        origins=tuple(Origin(region, rng.uniform(0.5, 2.0)) for region in regions),
        tags=tags,
        strength=rng.uniform(1.5, 4.0),
        doubling_minutes=rng.uniform(10.0, 25.0),
        half_life_hours=rng.uniform(0.7, 2.0),
    )
    world = compose([wave, Bots(at=0.7)], days=1.65, rate=0.05, seed=seed)
    lateness = rng.choice(["1m", "2m", "10m"])
    time = {
        "bucket": rng.choice(["1m", "5m"]),
        "allowed_lateness": lateness,
        "max_jump": rng.choice(["1m", lateness]),
    }
    return SmallWorld(_items(b"".join(world.blocks())), configured(time=time))


def sparse(seed: int) -> SmallWorld:
    """Six to twelve hours of a few hundred posts with bursts, holes and a detector on edge.

    A budget of thousands of false incidents a week makes every burst an incident, so that all
    paths of opening, joining and closing are taken by little data.
    """
    rng = random.Random(seed)  # noqa: S311
    start = START_MS + rng.randrange(24) * HOUR_MS
    end = start + rng.choice([6, 12]) * HOUR_MS
    drawn = list(_usual(rng, start, end))
    for burst in range(rng.randrange(2, 5)):
        drawn += _burst(rng, burst, rng.randrange(start, end))
    for _ in range(rng.randrange(3)):
        low = rng.randrange(start, end)
        high = low + rng.choice([HOUR_MS // 2, 3 * HOUR_MS])
        drawn = [one for one in drawn if not low <= one[0] < high]
    drawn.sort(key=lambda one: one[0])
    items = tuple(
        Item(post(number, at, user, region, hashtags=tags), at, user, region or "")
        for number, (at, user, region, tags) in enumerate(drawn)
    )
    lateness = rng.choice(["1m", "2m", "10m"])
    settings = configured(
        time={
            "bucket": rng.choice(["1m", "5m", "5m"]),
            "allowed_lateness": lateness,
            "max_jump": rng.choice(["1m", lateness]),
        },
        detection={"warmup": rng.choice(["0s", "2h"])},
        alerts={
            "min_users": 2,
            "false_incidents_per_week": 10_000,
            "close_after": rng.choice(["20m", "1h"]),
        },
    )
    return SmallWorld(items, settings)


def lingering(seed: int) -> SmallWorld:
    """Bursts of new accounts, some of which are back days later; nine days of hardly any post.

    Every other burst's users say when their accounts were made; there are holes, too.
    """
    rng = random.Random(seed)  # noqa: S311
    start = START_MS + rng.randrange(24) * HOUR_MS
    end = start + rng.choice([2 * 24 + 14, 9 * 24 + 12]) * HOUR_MS
    drawn = [one for one in _usual(rng, start, end) if rng.random() < 0.3]
    for burst in range(rng.randrange(2, 5)):
        came = list(_burst(rng, burst, start + rng.randrange(10 * HOUR_MS)))
        drawn += came
        for at, user, region, _ in came:
            for _ in range(rng.choice([0, 0, 1, 4])):
                drawn.append((rng.randrange(at, end), user, region, []))
    for _ in range(rng.randrange(3)):
        low = rng.randrange(start + 12 * HOUR_MS, end)
        high = low + rng.choice([HOUR_MS, 30 * HOUR_MS])
        drawn = [one for one in drawn if not low <= one[0] < high]
    drawn.sort(key=lambda one: one[0])
    items = []
    for number, (at, user, region, tags) in enumerate(drawn):
        made = {"account_created_at": start - 1000} if user.startswith(("b0", "b2")) else {}
        line = post(number, at, user, region, hashtags=tags, **made)
        items.append(Item(line, at, user, region or ""))
    settings = configured(
        time={"bucket": rng.choice(["5m", "15m"])},
        origin={"newcomer_age": "2d"},
        detection={"warmup": "0s"},
        alerts={
            "min_users": 2,
            "false_incidents_per_week": 10_000,
            "close_after": rng.choice(["20m", "1h"]),
        },
    )
    return SmallWorld(tuple(items), settings)


_REGIONS = ("US", "GB", "BR", "MY", "CN", None)
_TAGS = ("food", "travel", "music", "cats")
_Drawn = tuple[int, str, str | None, list[str]]


def _usual(rng: random.Random, start: int, end: int) -> Iterator[_Drawn]:
    people, pause = rng.randrange(20, 200), rng.choice([60_000, 120_000, 600_000])
    at = start + rng.expovariate(1 / pause)
    while at < end:
        who = rng.randrange(people)
        tags = [tag for tag in _TAGS if rng.random() < 0.2]
        yield int(at), f"u{who}", _REGIONS[who % len(_REGIONS)], tags
        at += rng.expovariate(1 / pause)


def _burst(rng: random.Random, number: int, start: int) -> Iterator[_Drawn]:
    length = rng.choice([HOUR_MS // 12, HOUR_MS, 2 * HOUR_MS])
    home, tag = rng.choice(_REGIONS[:4]), rng.choice((*_TAGS, f"new{number}"))
    for who in range(rng.randrange(4, 60)):
        region = home if rng.random() < 0.8 else rng.choice(_REGIONS)
        tags = [tag] if rng.random() < 0.8 else []
        yield start + rng.randrange(length), f"b{number}-{who}", region, tags


def _items(log: bytes) -> tuple[Item, ...]:
    found = []
    for line in log.splitlines():
        record: Json = orjson.loads(line)
        at = epoch_ms(record["created_at"])
        found.append(Item(line, at, record["user_id"], record["region"] or ""))
    return tuple(found)
