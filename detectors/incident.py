"""Episodes become incidents: which belong together, what caused them, how bad it is.

One wave lifts many series: its hashtag, the regions it comes from, their pairs, the hashtags
that travel with it, and ``all``. They share regions and hashtags.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Literal, get_args

from detectors.crowd import OTHER
from detectors.series import ALL, Series, hashtag_key, parse_key, region_key

Severity = Literal["info", "warning", "critical"]
SEVERITIES: tuple[str, ...] = get_args(Severity)
"""From the mildest to the most severe."""

EXPLAINS = 0.6
"""A series that holds this share of the largest excess explains most of it ..."""
EXPLAINS_PAIR = 0.7
"""... and a pair, being narrower than a hashtag or a region, must hold a bit more."""
KEEPS = 0.5
"""A cause stays while it holds this share, so that it does not flicker."""
SHARED_EXCESS = 0.5
SHARED_EXCESS_CAUSE = 1.0 / 3.0
"""Of what is known to surge already, less is needed: a region that a wave has just reached shows
its hashtag on some posts only."""
SHARED_USERS = 0.1
"""A region shares in a hashtag (and the reverse) if it holds this much of its excess and users."""
ADOPTS = 1.0 / 3.0
"""An episode with this share of the excess of ``all`` is what ``all`` had been alarmed by."""
WARNING_SHARE = 0.15
CRITICAL_SHARE = 1.0
_SPECIFICITY = {"pair": 0, "hashtag": 1, "region": 1, "all": 2}
RANK: dict[str, int] = {severity: rank for rank, severity in enumerate(SEVERITIES)}


@dataclass
class Member:
    """One episode of an incident.

    Attributes:
        key: its series.
        opened: bucket in which it opened.
        excess: users above expectation since its onset.
        users: distinct users since its onset.
        regions: its largest regions and their users.
        hashtags: its largest hashtags and their users.
        open: has it not ended yet?
    """

    key: str
    opened: int
    excess: float = 0.0
    users: float = 0.0
    regions: list[tuple[str, float]] = field(default_factory=list)
    hashtags: list[tuple[str, float]] = field(default_factory=list)
    open: bool = True

    @property
    def series(self) -> Series:
        """The key, read."""
        return parse_key(self.key)

    def own(self) -> frozenset[str]:
        """Its own region and hashtag, as keys."""
        _, region, hashtag = self.series
        named = ((region_key, region), (hashtag_key, hashtag))
        return frozenset(key(name) for key, name in named if name)

    def shares(self, least: float = SHARED_EXCESS) -> frozenset[str]:
        """What links it to others: its own region and hashtag, and those that make most of it.

        Args:
            least: share of the excess that those must make.
        """
        _, region, hashtag = self.series
        users = max(least * self.excess, SHARED_USERS * self.users)
        names = set(self.own())
        if region is None:
            names |= {region_key(name) for name, n in self.regions if n >= users and name != OTHER}
        if hashtag is None:
            names |= {
                hashtag_key(name) for name, n in self.hashtags if n >= users and name != OTHER
            }
        return frozenset(names)


@dataclass
class Incident:
    """A wave: its members by series key, its named cause, its severity."""

    id: str
    opened: int
    cause: str
    members: dict[str, Member] = field(default_factory=dict)
    severity: Severity = "info"

    @property
    def open(self) -> bool:
        """Is any of its episodes still open?"""
        return any(member.open for member in self.members.values())


def incident_id(bucket_start_ms: int, series: str) -> str:
    """An incident's id, a function of its first confirmed bucket and top-ranked series.

    >>> incident_id(1736730000000, "hashtag/tiktokrefugee")
    'in-b9858baff9193f2b'
    """
    name = f"{bucket_start_ms} {series}".encode()
    return "in-" + blake2b(name, digest_size=8).hexdigest()


def rank(member: Member) -> tuple[int, float, str]:
    """Sort key: ``all`` last, then the largest excess first, ties by key."""
    return (1 if member.key == ALL else 0, -member.excess, member.key)


def belongs(candidate: Member, incident: Incident) -> bool:
    """Is a new episode part of an incident?

    It is when it shares a region or a hashtag with a member, or a part of it is the cause's.
    ``all`` belongs to any incident, but links nothing: an incident of ``all`` alone takes an
    episode in only when that holds a good part of its excess.
    """
    if candidate.key == ALL:
        return True
    everything = incident.members.get(ALL)
    if everything is not None and len(incident.members) == 1:
        return candidate.excess >= ADOPTS * everything.excess
    cause = incident.members.get(incident.cause)
    if cause is not None and candidate.shares(SHARED_EXCESS_CAUSE) & cause.own():
        return True
    mine = candidate.shares()
    return any(mine & member.shares() for member in incident.members.values() if member.key != ALL)


def name_cause(incident: Incident) -> str:
    """The most specific series that explains most of the excess.

    The present cause stays while it still does, so that it does not flicker.
    """
    members = sorted(incident.members.values(), key=rank)
    largest = max(max(member.excess for member in members), 1e-9)
    best = min(
        members,
        key=lambda m: (
            not _explains(m, largest),
            _SPECIFICITY[m.series.level] if _explains(m, largest) else 0,
            rank(m),
        ),
    )
    current = incident.members.get(incident.cause)
    if current is None or best.key == current.key:
        return best.key
    level, current_level = best.series.level, current.series.level
    more_specific = _SPECIFICITY[level] < _SPECIFICITY[current_level]
    if current.excess >= KEEPS * largest and not more_specific:
        return current.key
    return best.key


def _explains(member: Member, largest: float) -> bool:
    share = EXPLAINS_PAIR if member.series.level == "pair" else EXPLAINS
    return member.excess >= share * largest


def judge(before: Severity, excess_last_hour: float, all_per_hour: float) -> Severity:
    """How bad: the last hour's excess against what all foreign traffic brings in an hour.

    A severity never falls while the incident is open: who was woken by it decides when to sleep.
    """
    share = excess_last_hour / max(all_per_hour, 1.0)
    now: Severity = "info"
    if share >= CRITICAL_SHARE:
        now = "critical"
    elif share >= WARNING_SHARE:
        now = "warning"
    return max(before, now, key=RANK.__getitem__)
