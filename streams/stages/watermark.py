"""The clock of one source partition, moved by its events and nothing else.

The clock is the largest event time that can be believed. It may run ahead of the *base*, a time
that five different users (or a marker) have confirmed, by ``max_jump`` at most, so no single
account can walk it away. Posts beyond that are held. As soon as posts of five different users
within a day are held, event time has certainly reached the earliest of the five: it becomes the
base, and what is now within reach is released. The rest stays held: a post dated 2099 waits there
until it is pushed out or the log ends.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

USERS_TO_CONFIRM = 5
CONFIRM_SPAN_MS = 86_400_000
"""Held posts confirm a time only if they lie at most a day apart: otherwise four stray posts
dated 2099 would let a fifth account move the clock anywhere."""
END_SPAN_MS = 6 * 3_600_000
"""At the end of a log nobody is left to confirm its last posts: up to so far they are believed."""
HELD_BYTES_MAX = 32 << 20
"""Posts may be as long as a record: what is held is bounded in bytes, too."""
_NEVER = -(1 << 62)
_NOBODY: dict[str, list[int]] = {}


class Held(NamedTuple):
    """A post that the clock does not reach yet; ``item`` is the caller's, ``size`` in bytes."""

    time_ms: int
    number: int
    user: str
    size: int
    item: Any


class Watermark:
    """Clock and held posts of one partition.

    Args:
        max_jump_ms: how far the clock may lead the confirmed base.
        held_max: held posts; above it, or above ``HELD_BYTES_MAX``, the half that is furthest
            ahead is pushed out.

    Attributes:
        limit_ms: posts later than this are to be held.
        base_ms: latest event time confirmed, None before the first.
        clock_ms: largest event time believed, None before the first.
    """

    def __init__(self, max_jump_ms: int, held_max: int) -> None:
        self.max_jump_ms = max_jump_ms
        self.held_max = held_max
        self.limit_ms = _NEVER
        self.base_ms: int | None = None
        self.clock_ms: int | None = None
        self._held: list[Held] = []
        # Times of the held posts by day and user: no day has five users, or it would have been
        # confirmed, so a look at three days is short however many posts a bot has held.
        self._days: dict[int, dict[str, list[int]]] = {}
        self._number = 0
        self._bytes = 0

    def hold(self, time_ms: int, user: str, item: Any, size: int = 0) -> bool:
        """Hold a post; true when that confirms a new base, so that ``released`` has something."""
        self._number += 1
        self._bytes += size
        insort(self._held, Held(time_ms, self._number, user, size, item))
        day = time_ms // CONFIRM_SPAN_MS
        insort(self._days.setdefault(day, {}).setdefault(user, []), time_ms)
        base = self._confirmed_by(time_ms)
        if base is not None:
            self._rebase(base)
        return base is not None

    def _confirmed_by(self, time_ms: int) -> int | None:
        """The latest time from which five users hold posts within a day, ``time_ms`` among them.

        Of each user only the nearest posts on either side can matter.
        """
        newest = self._held[-USERS_TO_CONFIRM:]
        if newest[-1].time_ms == time_ms and len({h.user for h in newest}) == USERS_TO_CONFIRM:
            # In order, and each by another user, as most posts of a sparse log are.
            return newest[0].time_ms if newest[0].time_ms >= time_ms - CONFIRM_SPAN_MS else None
        day = time_ms // CONFIRM_SPAN_MS
        before: dict[str, int] = {}
        after: dict[str, int] = {}
        for step in (-1, 0, 1):
            for user, times in self._days.get(day + step, _NOBODY).items():
                at = bisect_right(times, time_ms)
                if at:
                    before[user] = times[at - 1]
                if at < len(times):
                    after.setdefault(user, times[at])
        # From the n-th latest of ``before`` on there are n users up to ``time_ms``.
        fewest = max(USERS_TO_CONFIRM - len(after), 1)
        for start in sorted(before.values(), reverse=True)[fewest - 1 :]:
            end = start + CONFIRM_SPAN_MS
            if end < time_ms:
                break
            users = {user for user, time in before.items() if time >= start}
            users.update(user for user, time in after.items() if time <= end)
            if len(users) >= USERS_TO_CONFIRM:
                return start
        return None

    def reach(self, time_ms: int) -> None:
        """Move the clock to a post that is within reach."""
        if self.clock_ms is None or time_ms > self.clock_ms:
            self.clock_ms = time_ms

    def tick(self, time_ms: int) -> None:
        """Believe a marker: event time has reached ``time_ms``."""
        self.reach(time_ms)
        self._rebase(time_ms)

    def finish(self, time_ms: int) -> None:
        """Believe that the log has ended at ``time_ms``: what lies beyond is never confirmed."""
        self.reach(time_ms)
        self.base_ms = self.clock_ms
        self.limit_ms = max(self.limit_ms, time_ms)

    def _rebase(self, time_ms: int) -> None:
        if self.base_ms is None or time_ms > self.base_ms:
            self.base_ms = time_ms
            self.limit_ms = time_ms + self.max_jump_ms

    def released(self) -> list[Held]:
        """Take out the posts that are within reach now, earliest first."""
        return self._take(0, bisect_right(self._held, self.limit_ms, key=_time_of))

    def pushed_out(self) -> list[Held]:
        """Take out what is too much: the posts furthest ahead."""
        if len(self._held) <= self.held_max and self._bytes <= HELD_BYTES_MAX:
            return []
        return self._take(len(self._held) // 2, len(self._held))

    def drained(self) -> list[Held]:
        """Take out all that is held, earliest first."""
        return self._take(0, len(self._held))

    def _take(self, first: int, last: int) -> list[Held]:
        out = self._held[first:last]
        del self._held[first:last]
        for held in out:
            self._bytes -= held.size
            day = held.time_ms // CONFIRM_SPAN_MS
            times = self._days[day][held.user]
            del times[bisect_left(times, held.time_ms)]
            if not times:
                del self._days[day][held.user]
                if not self._days[day]:
                    del self._days[day]
        return out

    def kept(self, plain: Callable[[Any], Any]) -> Watermark:
        """A copy, to be written down at once, with the items of the posts held made plain."""
        other = Watermark(self.max_jump_ms, self.held_max)
        other.__dict__.update(self.__dict__)
        other._held = [held._replace(item=plain(held.item)) for held in self._held]
        return other

    @property
    def held(self) -> list[Held]:
        """Posts held now, earliest first."""
        return self._held


def _time_of(held: Held) -> int:
    return held.time_ms


def end_of_logs(marks: list[Watermark]) -> int | None:
    """The event time of the last marker when all partitions' logs have ended, or None.

    It is the latest clock, or later if held posts of two accounts lie within ``END_SPAN_MS`` of
    it: then what the second of them has reached, and from there as far as one account may lead.
    Without any clock (a log of fewer than five users) it is the end of the busiest day's posts.
    """
    held = sorted((h.time_ms, h.user) for mark in marks for h in mark.held)
    clocks = [mark.clock_ms for mark in marks if mark.clock_ms is not None]
    if not clocks and not held:
        return None
    reached = max(clocks) if clocks else _busiest_day(held)
    near = [(time, user) for time, user in held if reached < time <= reached + END_SPAN_MS]
    if not clocks:
        return max((time for time, _ in near), default=reached)
    latest = {user: time for time, user in near}
    end = sorted(latest.values())[-2] if len(latest) > 1 else reached
    lead = end + max(mark.max_jump_ms for mark in marks)
    return max((time for time, _ in near if time <= lead), default=end)


def _busiest_day(held: list[tuple[int, str]]) -> int:
    """Start of the day with the most users among held posts (ascending), the first of equals."""
    best, best_users = held[0][0], 0
    counts: dict[str, int] = {}
    last = 0
    for first, (start, user) in enumerate(held):
        while last < len(held) and held[last][0] <= start + CONFIRM_SPAN_MS:
            counts[held[last][1]] = counts.get(held[last][1], 0) + 1
            last += 1
        if len(counts) > best_users:
            best, best_users = start, len(counts)
        counts[user] -= 1
        if not counts[user]:
            del counts[user]
        assert first < last
    return best
