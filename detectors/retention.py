"""Who of a wave's newcomers still posts, days after the wave: N-day retention.

The newcomers of a wave that is over are a *cohort*. Day-N retention is the share of a cohort that
posts in the 24 hours which begin N days after its start, here the wave's end: the classic measure
of product analytics, also called bounded retention. It needs to know of each user only when they
posted last, because a window is judged at the moment it ends.

Memory is bounded: of each cohort the users with the smallest hashes are followed, a uniform sample
(``detectors.users``); beyond the limits the largest cohorts are sampled more, then the smallest
dropped.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from detectors.users import CUT, WHOLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

DAYS = (1, 3, 7)
USERS_MAX = 2_000
"""Users followed of one cohort: a share of 10 % is then known to 0.7 points (one sigma)."""
COHORTS_MAX = 500
"""Cohorts followed at a time; one wave leaves as many as it had series in an episode."""
ENTRIES_MAX = 100_000
"""Users followed of all cohorts together, each cohort's own counted."""
ENTRIES_KEPT = 0.75
"""Share of the limit that is left when it was passed, so that it is not passed anew at once."""


class Returned(NamedTuple):
    """How many of a cohort posted in one of its windows.

    Attributes:
        series: whose newcomers they are.
        opened: bucket that opened the episode; with ``series`` it names the episode.
        day: the window begins so many days after the end of the episode.
        first: first bucket of the window.
        last: its last bucket.
        newcomers: users in the cohort (estimated, where they were sampled).
        followed: how many of them were looked for.
        returned: how many of those posted.
        missing: buckets of the window that were a hole in the data.
    """

    series: str
    opened: int
    day: int
    first: int
    last: int
    newcomers: float
    followed: int
    returned: int
    missing: int


@dataclass
class Cohort:
    """The newcomers of one episode.

    Attributes:
        series: the episode's.
        opened: bucket that opened it.
        closed: bucket that closed it.
        newcomers: how many they were.
        users: those that are followed, by hash, ascending; all of the cohort below ``theta``.
        theta: see ``detectors.users``.
        day_buckets: buckets a day has.
        told: windows that have been told.
        missing: buckets of the present window that were a hole in the data.
    """

    series: str
    opened: int
    closed: int
    newcomers: float
    users: list[int]
    theta: int
    day_buckets: int
    told: int = 0
    missing: int = 0

    @property
    def first(self) -> int:
        """First bucket of the window that is told next."""
        return self.closed + 1 + DAYS[self.told] * self.day_buckets

    @property
    def last(self) -> int:
        """Its last bucket."""
        return self.first + self.day_buckets - 1

    def cut(self, theta: int) -> None:
        """Follow only users below ``theta`` from here on."""
        if theta < self.theta:
            self.theta = theta
            del self.users[bisect_left(self.users, theta) :]

    def halve(self) -> None:
        """Follow about half as many."""
        self.cut(self.users[len(self.users) // 2])


class Cohorts:
    """The cohorts of waves that were over within the last eight days.

    Attributes:
        dropped: cohorts that a limit has dropped so far.
        next_due: the bucket with which the next window ends, None without cohorts.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self.next_due: int | None = None
        self._cohorts: list[Cohort] = []
        self._last_post: dict[int, int] = {}

    def __len__(self) -> int:
        """How many cohorts are followed."""
        return len(self._cohorts)

    def add(self, cohort: Cohort) -> None:
        """Follow one more cohort; one without users is none."""
        if not cohort.users:
            return
        self._cohorts.append(cohort)
        for user in cohort.users:
            self._last_post.setdefault(user, cohort.closed)
        if len(self._cohorts) > COHORTS_MAX:
            smallest = min(self._cohorts, key=lambda c: (c.newcomers, c.series, c.opened))
            self._cohorts.remove(smallest)
            self.dropped += 1
            self._forget()
        self._plan()
        if sum(len(one.users) for one in self._cohorts) > ENTRIES_MAX:
            self._shrink()

    def _shrink(self) -> None:
        """Halve the largest cohorts: the small ones stay exact."""
        while sum(len(one.users) for one in self._cohorts) > ENTRIES_KEPT * ENTRIES_MAX:
            most = max(len(one.users) for one in self._cohorts)
            for one in self._cohorts:
                if 2 * len(one.users) > most > 1:
                    one.halve()
        self._forget()

    def _forget(self) -> None:
        """Forget the users of whom no cohort needs to know."""
        kept = {user for one in self._cohorts for user in one.users}
        self._last_post = {user: at for user, at in self._last_post.items() if user in kept}

    def see(self, bucket: int, users: Sequence[int], theta: int) -> None:
        """Take the foreign users of a bucket; buckets come in order.

        Args:
            bucket: its index.
            users: keyed hashes, one a post, all below ``theta``.
            theta: the bucket's own sample threshold.
        """
        last_post = self._last_post
        for user in users:
            if user in last_post:
                last_post[user] = bucket
        if theta < CUT:
            for one in self._cohorts:
                if one.first <= bucket:
                    one.cut(theta)

    def miss(self, first: int, last: int) -> None:
        """Take note that buckets ``first`` to ``last`` are a hole in the data."""
        for one in self._cohorts:
            one.missing += max(0, min(last, one.last) - max(first, one.first) + 1)

    def _plan(self) -> None:
        self.next_due = min((one.last for one in self._cohorts), default=None)

    def due(self, bucket: int) -> list[Returned]:
        """What is to be told of the windows that ended with ``bucket`` or before, by series."""
        told: list[Returned] = []
        if self.next_due is None or self.next_due > bucket:
            return told
        for one in self._cohorts:
            while one.told < len(DAYS) and one.last <= bucket:
                told.append(self._returned(one))
                one.told, one.missing = one.told + 1, 0
        self._cohorts = [one for one in self._cohorts if one.told < len(DAYS)]
        self._forget()
        self._plan()
        return sorted(told)

    def _returned(self, one: Cohort) -> Returned:
        last_post, first = self._last_post, one.first
        return Returned(
            one.series,
            one.opened,
            DAYS[one.told],
            first,
            one.last,
            one.newcomers,
            len(one.users),
            sum(last_post[user] >= first for user in one.users),
            one.missing,
        )


def sample(users: Iterable[int], theta: int = WHOLE) -> tuple[list[int], int]:
    """The users of a cohort that are followed: those with the smallest hashes, and their theta.

    >>> sample([30, 10, 20])[0]
    [10, 20, 30]
    """
    ordered = sorted(users)
    if len(ordered) <= USERS_MAX:
        return ordered, theta
    return ordered[:USERS_MAX], ordered[USERS_MAX]
