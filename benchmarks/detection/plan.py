"""Which worlds are drawn: quiet ones to calibrate on, and others with waves and non-waves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.detection.worlds import draw, foreign_per_hour, region_posts
from streams.simulate import Bots, DomesticHit, Gap, Origin, SlowGrowth, Students, Tag, Wave
from streams.simulate.regions import INDEX
from streams.simulate.world import World

if TYPE_CHECKING:
    from benchmarks.detection.worlds import Drawn
    from streams.simulate import Part

DAYS = 14.0
JUDGED_FROM_DAYS = 4.0
"""Before that every method only learns."""
WAVES_FROM_DAYS = 8.0
APART_HOURS = 13.5
PEAKS = (3.0, 6.0, 12.0, 25.0, 50.0, 100.0, 200.0)
"""New users an hour at a wave's peak; of a regional wave, times half the root of its region's."""
DOUBLINGS_MINUTES = (15.0, 30.0, 60.0, 120.0, 240.0)
RISE_HOURS_MAX = 12.0
HALF_LIFE_HOURS = 1.5
TAG_SHARE = 0.95
KINDS = ("pair",) * 4 + ("hashtag",) * 2 + ("regional",) * 2 + ("niche", "thin")
"""The waves of one world: a region and a hashtag; a hashtag over five regions; a region without a
hashtag; an existing hashtag over six; a hashtag over thirty."""

_THIN = "TH DE NZ IT ID NL RU AE CH SE IE TR BE AT DK NO FI PL PT GR CZ HU RO KZ SA EG ZA NG KE UA"
_NICHE = "ES MX AR CL CO PE"
_OTHERS = "US SG JP CA AU GB KR FR PH BR IN MA DZ IL PK BD LK NP MM KH LA MN"
"""No two waves of a world share a region."""
TEST_SEED, QUIET_SEED = 100, 1_000


@dataclass(frozen=True)
class Case:
    """One size of world, and the buckets it is cut into.

    Attributes:
        rate: posts a second, home and foreign.
        minutes: lengths of buckets.
        worlds: how many worlds with waves.
        quiet: how many quiet worlds.
    """

    rate: float
    minutes: tuple[float, ...]
    worlds: int
    quiet: int


CASES = (
    Case(0.4, (5.0, 15.0), worlds=10, quiet=10),
    Case(2.0, (1.0, 5.0), worlds=10, quiet=10),
    Case(10.0, (1.0,), worlds=10, quiet=6),
    Case(50.0, (5.0,), worlds=10, quiet=4),
)
RIVER = 0.4, 15.0
"""The cut on which River's detectors run: of larger ones a world would take them many minutes."""
HEAVY_WORLDS = 3
"""So many worlds of each kind see those that take a minute for one even so."""
CURVE = 2.0, 5.0
"""The cut on which the default runs with other budgets, too."""
BUDGET = 1.0
BUDGETS = (0.25, 0.5, 1.0, 2.0, 4.0)
DEFAULT_BUDGETS = (0.25, 1.0, 4.0)


def wave_world(case: Case, number: int) -> Drawn:
    """World ``number`` with waves; every other one has what is no wave, too."""
    seed = TEST_SEED + number
    parts: list[Part] = list(waves(case.rate, seed))
    if number % 2:
        parts += [Bots(at=0.31), Students(at=0.36), DomesticHit(at=0.42), SlowGrowth(), Gap(at=0.5)]
    return draw(parts, days=DAYS, rate=case.rate, seed=seed)


def quiet_world(case: Case, number: int) -> Drawn:
    """Quiet world ``number``; bursts of a few friends are part of usual traffic."""
    return draw([], days=DAYS, rate=case.rate, seed=QUIET_SEED + number)


def waves(rate: float, seed: int) -> list[Wave]:
    """Ten waves, half a day apart, of all kinds, strengths and doubling times."""
    rng = np.random.default_rng([seed, 5])
    world = World(DAYS, rate, seed)
    hourly, usual = foreign_per_hour(world), region_posts(world).mean(axis=1)
    kinds = rng.permutation(KINDS).tolist()
    peaks = rng.permutation([*PEAKS, *rng.choice(PEAKS, len(kinds) - len(PEAKS))]).tolist()
    doublings = rng.permutation(np.resize(DOUBLINGS_MINUTES, len(kinds))).tolist()
    regions = rng.permutation(_OTHERS.split()).tolist()
    made = []
    for number, (kind, peak, doubling) in enumerate(zip(kinds, peaks, doublings, strict=True)):
        start = WAVES_FROM_DAYS * 24.0 + (number + 0.9 * rng.random()) * APART_HOURS
        origins, tags = _where(kind, number, regions)
        noise = 1.0 if tags else max(1.0, 0.5 * float(usual[INDEX[origins[0].region]]) ** 0.5)
        made.append(
            Wave(
                name=f"{kind}-{number}",
                at=start / (DAYS * 24.0),
                origins=tuple(origins),
                tags=tags,
                strength=peak * noise / hourly,
                doubling_minutes=doubling,
                doublings=min(6.0, RISE_HOURS_MAX * 60.0 / doubling),
                half_life_hours=HALF_LIFE_HOURS,
            )
        )
    return made


def _where(kind: str, number: int, regions: list[str]) -> tuple[list[Origin], tuple[Tag, ...]]:
    """Regions and hashtags of a wave; takes what it needs from ``regions``."""
    tag = (Tag(f"wave{number}", TAG_SHARE),)
    if kind == "thin":
        return [Origin(region) for region in _THIN.split()], tag
    if kind == "niche":
        return [Origin(region) for region in _NICHE.split()], (Tag("recetafoto", TAG_SHARE),)
    if kind == "hashtag":
        return [Origin(regions.pop()) for _ in range(5)], tag
    return [Origin(regions.pop())], (tag if kind == "pair" else ())


def peak_per_hour(wave: Wave, world: World) -> float:
    """New users an hour at a wave's peak."""
    return wave.strength * foreign_per_hour(world)


def start_ms(wave: Wave, world: World) -> int:
    """When a wave's intensity begins."""
    return world.wave_at(wave.at)
