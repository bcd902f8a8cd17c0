"""A recorded log as partitions: each post goes to one of them, and markers go to every one.

A partition sees only some of the log's users, so by itself it would believe in the passing of time
later than the log as a whole does, or never. The markers tell it what the whole log has confirmed:
one follows each post that moves the log's *base* (``streams.stages.watermark``), and says where
the base is now. Thus a post is held in its partition exactly as long as it is in the whole log,
and no partition's clock is ever ahead of the log's: what is not late in the log is late nowhere.

Markers say no more than that. If they followed the clock, which one account may lead by
``max_jump``, the partitions would take its posts as confirmed, let it lead by as much again, and
close buckets to which the others still post.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from detectors.series import stable_hash
from streams.codec import Remembered, encode_tick
from streams.events import Tick
from streams.stages.watermark import Watermark, end_of_logs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from streams.codec import PostItem
    from streams.events import Reject

EVERY = -1
"""In place of a partition: all of them."""

Record = tuple[bytes, "PostItem | Tick | Reject"]
"""A line without its line end, and what it holds."""

_KNOWN_MAX = 65_536


class Spread:
    """Takes a log, gives what goes where.

    Args:
        partitions: how many there are.
        max_jump_ms: as of ingest, like ``held_posts``.
        held_posts: see there.
    """

    def __init__(self, partitions: int, max_jump_ms: int, held_posts: int) -> None:
        self._partitions = partitions
        self._mark = Watermark(max_jump_ms, held_posts)
        self._has_ended = False
        self._place = Remembered(self._place_of, _KNOWN_MAX, chars_max=256)

    @property
    def clock_ms(self) -> int | None:
        """Event time that the log has reached with what was given last."""
        return self._mark.clock_ms

    def _place_of(self, user: str) -> int:
        return stable_hash(user) % self._partitions

    def take(self, records: Iterable[Record]) -> Iterator[tuple[int, bytes]]:
        """Take records in their order; yields a partition, or ``EVERY``, and what goes there."""
        mark, place = self._mark, self._place
        for line, item in records:
            if isinstance(item, Tick):
                yield from self._tick(item)
                continue
            self._has_ended = False
            if type(item) is not tuple:
                yield zlib.crc32(line) % self._partitions, line
            elif item[0] <= mark.limit_ms:
                mark.reach(item[0])
                yield place[item[3].user_id], line
            else:
                yield place[item[3].user_id], line
                yield from self._hold(item, len(line))

    def _hold(self, item: PostItem, size: int) -> Iterator[tuple[int, bytes]]:
        confirmed = self._mark.hold(item[0], item[3].user_id, None, size)
        self._mark.pushed_out()
        if confirmed:
            yield from self._say()

    def _tick(self, tick: Tick) -> Iterator[tuple[int, bytes]]:
        """A marker that the log holds is no post: it is told to every partition, if it is news."""
        if tick.end:
            yield from self._end(tick.event_time_ms)
            return
        before = self._mark.base_ms
        self._mark.tick(tick.event_time_ms)
        if self._mark.base_ms != before:
            self._has_ended = False
            yield from self._say()

    def _say(self) -> Iterator[tuple[int, bytes]]:
        """Tell every partition of the new base."""
        self._release()
        base = self._mark.base_ms
        assert base is not None
        yield EVERY, encode_tick(base)

    def _release(self) -> None:
        for held in self._mark.released():
            self._mark.reach(held.time_ms)

    def end(self) -> Iterator[tuple[int, bytes]]:
        """The log has ended: yields the last marker, unless the log held it, or holds no post."""
        end_ms = end_of_logs([self._mark])
        if end_ms is not None and not self._has_ended:
            yield from self._end(end_ms)

    def _end(self, time_ms: int) -> Iterator[tuple[int, bytes]]:
        self._mark.finish(time_ms)
        self._release()
        self._mark.drained()
        self._has_ended = True
        yield EVERY, encode_tick(time_ms, end=True)
