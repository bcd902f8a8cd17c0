"""Who takes part in an episode: distinct users since its onset, and how they are made up."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from detectors.origin import AGE_KNOWN, NEWCOMER
from detectors.retention import sample
from detectors.users import WHOLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

USERS_MAX = 50_000
"""Users kept of one crowd; beyond this every second one is dropped, by hash."""
ENTRIES_MAX = 200_000
"""The same for the users of its parts (regions, hashtags) together."""
PARTS_MAX = 4_000
"""Parts kept of one crowd; beyond this the smaller half is dropped (lossy counting), so that a
flood of junk hashtags costs neither memory nor time: each part is a set of its own."""
TOP_USERS = 5
TOP_PARTS = 20
OTHER = "other"
"""Name of what is beyond the largest parts."""

Part = tuple[str, float]


class Crowd:
    """Distinct users of a series since the onset of an episode, sampled by hash when many.

    Every figure is exact until the crowd passes ``USERS_MAX``.
    """

    def __init__(self) -> None:
        self.theta = WHOLE
        self.posts = 0.0
        self._posts_of: dict[int, int] = {}
        self._newcomers: set[int] = set()
        self._aged: set[int] = set()
        self._languages: dict[str, set[int]] = {}
        self._parts: dict[str, set[int]] = {}
        self._part_entries = 0

    def add(
        self,
        users: Sequence[int],
        languages: Sequence[str],
        flags: Sequence[int],
        theta: int,
    ) -> None:
        """Add the posts of one bucket.

        Args:
            users: user of each post.
            languages: its language, ``""`` when unknown.
            flags: its age bits (``detectors.origin``).
            theta: the bucket's own sample threshold.
        """
        self.posts += len(users) * (WHOLE / theta)
        if theta < self.theta:
            self._cut(theta)
        for user, language, flag in zip(users, languages, flags, strict=True):
            if user >= self.theta:
                continue
            self._posts_of[user] = self._posts_of.get(user, 0) + 1
            if flag & AGE_KNOWN:
                self._aged.add(user)
                if flag & NEWCOMER:
                    self._newcomers.add(user)
            if language:
                self._languages.setdefault(language, set()).add(user)
        while len(self._posts_of) > USERS_MAX:
            self._cut(self.theta // 2)

    def add_part(self, name: str, users: Iterable[int]) -> None:
        """Add users of one part of the crowd: a region, or a hashtag."""
        theta = self.theta
        known = self._parts.setdefault(name, set())
        before = len(known)
        known.update(user for user in users if user < theta)
        self._part_entries += len(known) - before
        while self._part_entries > ENTRIES_MAX:
            self._cut(self.theta // 2)
        if len(self._parts) > PARTS_MAX:
            self._drop_small_parts()

    def _drop_small_parts(self) -> None:
        """Drop the smaller half of the parts, but no region: there are few of them."""
        parts = self._parts
        tags = ((name, users) for name, users in parts.items() if not name.startswith("region/"))
        kept = dict(heapq.nsmallest(PARTS_MAX // 2, tags, key=_by_size))
        self._parts = {n: u for n, u in parts.items() if n in kept or n.startswith("region/")}
        self._part_entries = sum(map(len, self._parts.values()))

    def _cut(self, theta: int) -> None:
        self.theta = theta
        self._posts_of = {u: n for u, n in self._posts_of.items() if u < theta}
        for users in (self._newcomers, self._aged, *self._languages.values()):
            users.difference_update([u for u in users if u >= theta])
        self._parts = {
            name: kept
            for name, users in self._parts.items()
            if (kept := {u for u in users if u < theta})
        }
        self._part_entries = sum(map(len, self._parts.values()))

    @property
    def scale(self) -> float:
        """Users that one sampled user stands for."""
        return WHOLE / self.theta

    @property
    def users(self) -> float:
        """Distinct users."""
        return len(self._posts_of) * self.scale

    @property
    def newcomer_share(self) -> float | None:
        """Newcomers among the users whose account's age is known; None when no age is."""
        return len(self._newcomers) / len(self._aged) if self._aged else None

    @property
    def newcomers(self) -> float:
        """Distinct newcomers."""
        return len(self._newcomers) * self.scale

    def newcomer_sample(self) -> tuple[list[int], int]:
        """The newcomers to follow after the wave, ascending, and the theta they lie below."""
        return sample(self._newcomers, self.theta)

    @property
    def top_users_share(self) -> float:
        """Share of the posts that the five most active users made."""
        total = sum(self._posts_of.values()) * self.scale
        return sum(heapq.nlargest(TOP_USERS, self._posts_of.values())) / total if total else 0.0

    def languages(self) -> list[Part]:
        """The most used languages and their users, largest first."""
        return self._top(self._languages)

    def parts(self, prefix: str) -> list[Part]:
        """The largest parts whose name starts with ``prefix``, and their users."""
        return self._top(
            {n.removeprefix(prefix): u for n, u in self._parts.items() if n.startswith(prefix)}
        )

    def _top(self, groups: dict[str, set[int]]) -> list[Part]:
        """The twenty largest groups, ties by name, and the rest as ``other``."""
        largest = heapq.nsmallest(TOP_PARTS, groups.items(), key=_by_size)
        top = [(name, len(users) * self.scale) for name, users in largest]
        if len(groups) > TOP_PARTS:
            named = {name for name, _ in largest}
            rest = (users for name, users in groups.items() if name not in named)
            top.append((OTHER, len(set().union(*rest)) * self.scale))
        return top


def _by_size(group: tuple[str, set[int]]) -> tuple[int, str]:
    """Sort key: the largest first, ties by name."""
    return -len(group[1]), group[0]
