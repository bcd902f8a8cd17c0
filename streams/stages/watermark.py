"""The clock of one source partition, moved by its events and nothing else.

The clock is the largest event time that can be believed. It may run ahead of the *base*, a time
that five different users (or a marker) have confirmed, by ``max_jump`` at most, so no single
account can walk it away. Posts beyond that are held. As soon as posts of five different users
are held, event time has certainly reached the earliest of them: it becomes the base, and what is
now within reach is released. The rest stays held: a post dated 2099 waits there until it is
pushed out or the log ends.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

USERS_TO_CONFIRM = 5
CONFIRM_SPAN_MS = 86_400_000
"""Held posts confirm a time only if they lie at most a day behind it: otherwise four stray posts
dated 2099 would let a fifth account move the clock anywhere."""
END_SPAN_MS = 6 * 3_600_000
"""At the end of a log nobody is left to confirm its last posts: up to so far they are believed."""
_NEVER = -(1 << 62)


class Held(NamedTuple):
    """A post that the clock does not reach yet; ``item`` is the caller's."""

    time_ms: int
    number: int
    user: str
    item: Any


class Watermark:
    """Clock and held posts of one partition.

    Args:
        max_jump_ms: how far the clock may lead the confirmed base.
        held_max: held posts; above it the half that is furthest ahead is pushed out.

    Attributes:
        limit_ms: posts later than this are to be held.
        clock_ms: largest event time believed, None before the first.
    """

    def __init__(self, max_jump_ms: int, held_max: int) -> None:
        self.max_jump_ms = max_jump_ms
        self.held_max = held_max
        self.limit_ms = _NEVER
        self.clock_ms: int | None = None
        self._held: list[Held] = []
        self._number = 0

    def hold(self, time_ms: int, user: str, item: Any) -> bool:
        """Hold a post; true when that confirms a new base, so that ``released`` has something."""
        self._number += 1
        heapq.heappush(self._held, Held(time_ms, self._number, user, item))
        if len(self._held) < USERS_TO_CONFIRM:
            return False
        earliest = self._held[0].time_ms
        near = earliest + CONFIRM_SPAN_MS
        users: set[str] = set()
        for held in self._held:
            if held.time_ms <= near:
                users.add(held.user)
                if len(users) >= USERS_TO_CONFIRM:
                    self._rebase(earliest)
                    return True
        return False

    def tick(self, time_ms: int) -> None:
        """Believe a marker: event time has reached ``time_ms``."""
        if self.clock_ms is None or time_ms > self.clock_ms:
            self.clock_ms = time_ms
        self._rebase(time_ms)

    def _rebase(self, time_ms: int) -> None:
        self.limit_ms = max(self.limit_ms, time_ms + self.max_jump_ms)

    def released(self) -> Iterator[Held]:
        """Take out the posts that are within reach now, earliest first."""
        while self._held and self._held[0].time_ms <= self.limit_ms:
            yield heapq.heappop(self._held)

    def pushed_out(self) -> list[Held]:
        """Take out what is too much: the posts furthest ahead."""
        if len(self._held) <= self.held_max:
            return []
        self._held.sort()
        out = self._held[self.held_max // 2 :]
        del self._held[self.held_max // 2 :]
        return out

    @property
    def held(self) -> list[Held]:
        """Posts held now, in no order."""
        return self._held


def end_of_logs(marks: list[Watermark]) -> int | None:
    """The event time of the last marker when all partitions' logs have ended, or None.

    It is the latest clock, or later if posts are held within ``END_SPAN_MS`` of it. Without any
    clock (a log of fewer than five users) it starts from the day with the most users.
    """
    held = sorted((h.time_ms, h.user) for mark in marks for h in mark.held)
    clocks = [mark.clock_ms for mark in marks if mark.clock_ms is not None]
    if clocks:
        end = max(clocks)
    elif held:
        end = _busiest_day(held)
    else:
        return None
    for time_ms, _ in held:
        if time_ms > end and time_ms - max(clocks, default=end) <= END_SPAN_MS:
            end = time_ms
    return end


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
