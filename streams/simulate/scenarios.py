"""Named scenarios: which parts happen, and when, as shares of the world's length."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.simulate.bystanders import Bots, DomesticHit, SlowGrowth, Students
from streams.simulate.disorder import Duplicates, Gap, Late
from streams.simulate.hostile import (
    HOSTILE_TAGS,
    LOOK_ALIKE,
    HostileFields,
    JunkTags,
    Malformed,
    Poisoned,
)
from streams.simulate.waves import Origin, Tag, Wave

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.simulate.world import Part

_JANUARY_DAY = 5 + 1 / 24
"""The flood starts on 2025-01-13 at 01:00 UTC, the evening of the 12th in the United States."""

_THIN_TEXT = """
TH DE NZ IT ID NL RU AE CH SE IE IN TR BE AT DK NO FI PL PT GR CZ HU RO KZ SA EG ZA NG KE
"""
_THIN_REGIONS = _THIN_TEXT.split()

SCENARIOS = {
    "quiet": "usual traffic and nothing else",
    "january": "the January 2025 week: a flood from the US, with bots, students and a domestic hit",
    "overnight_flood": "wave: newcomers from the US and, later, GB, CA and AU under a new hashtag",
    "thin_wave": "wave: one hashtag over 30 countries, none remarkable by itself",
    "regional_wave": "wave: one region, no common hashtag",
    "niche_surge": "wave: a small existing hashtag in the Spanish-speaking countries",
    "slow_growth": "no wave: one region doubles in two weeks",
    "students": "no wave: students abroad join an event at home, in Chinese",
    "bots": "no wave: three accounts post one hashtag thousands of times",
    "domestic_hit": "no wave: a hashtag explodes at home and a handful of foreigners join",
    "gap": "no wave: nothing arrives for three hours",
    "duplicates": "no wave: posts sent twice, and a whole hour sent again later",
    "late": "no wave: posts out of order within two minutes, some hours late",
    "poisoned": "no wave: posts dated 2099, 1970, hours, a day and a year ahead",
    "malformed": "no wave: lines that are no posts",
    "junk_tags": "wave from FR in the same hour as a flood of unique junk hashtags",
    "hostile": "wave from PH whose hashtags attack terminals, pages and readers",
    "kitchen_sink": "all of the above in one world",
}
"""Scenario name to what happens in it."""


def _flood(at: float) -> Wave:
    return Wave(
        name="overnight_flood",
        at=at,
        origins=(
            Origin("US", 0.84),
            Origin("GB", 0.06, lag_minutes=240),
            Origin("CA", 0.06, lag_minutes=120),
            Origin("AU", 0.04, lag_minutes=300),
        ),
        tags=(
            Tag("tiktokrefugee", 0.92, ("TikTokRefugee", "TiktokRefugee", "TIKTOKREFUGEE")),
            Tag("rednote", 0.45, ("RedNote",)),
            Tag("newhere", 0.15),
        ),
        strength=3.0,
        doubling_minutes=60.0,
        half_life_hours=8.0,
        language="en-US",
    )


def _thin(at: float) -> Wave:
    return Wave(
        name="thin_wave",
        at=at,
        origins=tuple(Origin(region) for region in _THIN_REGIONS),
        tags=(Tag("listentoadvice", 0.95, ("ListenToAdvice",)),),
        strength=0.2,
        doubling_minutes=40.0,
        half_life_hours=4.0,
        newcomers=0.7,
    )


def _regional(at: float) -> Wave:
    return Wave(
        name="regional_wave",
        at=at,
        origins=(Origin("BR"),),
        tags=(),
        strength=0.6,
        doubling_minutes=40.0,
        half_life_hours=4.0,
    )


def _niche(at: float) -> Wave:
    spanish = {"ES": 3.0, "MX": 3.0, "AR": 2.0, "CL": 1.5, "CO": 1.5, "PE": 1.0}
    return Wave(
        name="niche_surge",
        at=at,
        origins=tuple(Origin(region, weight) for region, weight in spanish.items()),
        tags=(Tag("recetafoto", 0.95, ("RecetaFoto",)),),
        strength=0.4,
        doubling_minutes=30.0,
        half_life_hours=3.0,
        newcomers=0.5,
    )


def _junk(at: float) -> tuple[Part, ...]:
    wave = Wave(
        name="wave_in_junk",
        at=at,
        origins=(Origin("FR"),),
        tags=(Tag("nuitdeslanternes", 0.95, ("NuitDesLanternes",)),),
        strength=2.0,
        doubling_minutes=8.0,
        half_life_hours=1.5,
    )
    return (JunkTags(at=at), wave)


def _hostile(at: float) -> tuple[Part, ...]:
    wave = Wave(
        name="hostile",
        at=at,
        origins=(Origin("PH"),),
        tags=(Tag(LOOK_ALIKE, 0.95), Tag(HOSTILE_TAGS[0], 0.8, HOSTILE_TAGS[1:])),
        strength=1.5,
        doubling_minutes=20.0,
        half_life_hours=2.0,
    )
    return (wave, HostileFields(at=at))


def _january(days: float) -> tuple[Part, ...]:
    flood = _JANUARY_DAY / max(days, 7.0)
    return (
        _flood(flood),
        Bots(at=flood * 0.55),
        Students(at=flood * 0.66),
        DomesticHit(at=flood * 0.8),
        Late(within_s=45.0, far=0.001),
    )


def _kitchen_sink() -> tuple[Part, ...]:
    return (
        SlowGrowth(),
        Gap(at=0.36),
        Bots(at=0.42),
        Students(at=0.47),
        DomesticHit(at=0.53),
        _flood(0.60),
        *_junk(0.70),
        _thin(0.75),
        _regional(0.81),
        _niche(0.87),
        *_hostile(0.93),
        Late(),
        Duplicates(at=0.55),
        Poisoned(at=0.50),
        Malformed(),
    )


def parts(scenario: str, days: float) -> tuple[Part, ...]:
    """What happens in a named scenario of a world of ``days``.

    Raises:
        KeyError: no such scenario.
    """
    builders: dict[str, Callable[[], tuple[Part, ...]]] = {
        "quiet": tuple,
        "january": lambda: _january(days),
        "overnight_flood": lambda: (_flood(0.6),),
        "thin_wave": lambda: (_thin(0.6),),
        "regional_wave": lambda: (_regional(0.6),),
        "niche_surge": lambda: (_niche(0.6),),
        "slow_growth": lambda: (SlowGrowth(),),
        "students": lambda: (Students(),),
        "bots": lambda: (Bots(),),
        "domestic_hit": lambda: (DomesticHit(),),
        "gap": lambda: (Gap(),),
        "duplicates": lambda: (Duplicates(),),
        "late": lambda: (Late(),),
        "poisoned": lambda: (Poisoned(),),
        "malformed": lambda: (Malformed(),),
        "junk_tags": lambda: _junk(0.6),
        "hostile": lambda: _hostile(0.6),
        "kitchen_sink": _kitchen_sink,
    }
    return builders[scenario]()
