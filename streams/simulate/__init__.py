"""Simulated worlds: usual traffic with known waves, known non-waves and known faults.

Everything is invented, users above all. The same arguments give the same bytes.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from streams.errors import UsageError
from streams.events import Truth
from streams.simulate.bystanders import Bots, DomesticHit, SlowGrowth, Students
from streams.simulate.disorder import Duplicates, Gap, Late
from streams.simulate.hostile import HostileFields, JunkTags, Malformed, Poisoned
from streams.simulate.scenarios import SCENARIOS, parts
from streams.simulate.simulation import Simulation
from streams.simulate.waves import Origin, Tag, Wave
from streams.simulate.world import Part

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "SCENARIOS",
    "Bots",
    "DomesticHit",
    "Duplicates",
    "Gap",
    "HostileFields",
    "JunkTags",
    "Late",
    "Malformed",
    "Origin",
    "Part",
    "Poisoned",
    "Simulation",
    "SlowGrowth",
    "Students",
    "Tag",
    "Truth",
    "Wave",
    "compose",
    "simulate",
]

_DAYS_MIN = 1 / 24
_DAYS_MAX = 3_660
_RATE_MAX = 100_000


def compose(parts: Sequence[Part], *, days: float, rate: float, seed: int) -> Simulation:
    """A world in which ``parts`` happen, for instance waves of drawn strengths.

    Args:
        parts: waves, bystanders and faults; none is a quiet world.
        days: length of the world, an hour to ten years; it starts 2025-01-08T00:00:00Z.
        rate: mean posts a second of the usual traffic, home and foreign; parts come on top.
        seed: zero or more.

    Raises:
        UsageError: a value is out of range.

    >>> world = compose([Gap(hours=2)], days=1, rate=0.01, seed=7)
    >>> [(truth.start, truth.end) for truth in world.truth]
    [('2025-01-08T14:24:00Z', '2025-01-08T16:24:00Z')]
    """
    if not (math.isfinite(days) and _DAYS_MIN <= days <= _DAYS_MAX):
        raise UsageError(f"days is {days}; allowed are one hour (0.0417) to {_DAYS_MAX}")
    if not (math.isfinite(rate) and 0 < rate <= _RATE_MAX):
        raise UsageError(f"rate is {rate}; allowed is more than 0 to {_RATE_MAX} posts a second")
    if seed < 0:
        raise UsageError(f"seed is {seed}; allowed is zero or more")
    return Simulation(parts, days=days, rate=rate, seed=seed)


def simulate(scenario: str, *, days: float, rate: float, seed: int) -> Simulation:
    """A world of a named scenario; see ``SCENARIOS`` and ``compose``.

    Raises:
        UsageError: there is no such scenario, or a value is out of range.
    """
    if scenario not in SCENARIOS:
        raise UsageError(f"no scenario {scenario!r}; there are {', '.join(SCENARIOS)}")
    return compose(parts(scenario, days), days=days, rate=rate, seed=seed)
