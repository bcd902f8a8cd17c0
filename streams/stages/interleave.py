"""Several recorded logs as one, by event time, so that no log makes posts of another late.

Each log has its clock, as it has in a replay. A post comes when its log's clock is behind those of
all others; one that is ahead of its log's clock waits until the clock reaches it, or the log ends.
"""

from __future__ import annotations

from collections import deque
from heapq import heapify, heapreplace
from typing import TYPE_CHECKING

from streams.events import Tick
from streams.stages.watermark import Watermark

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from streams.stages.spread import Record

_FIRST = -(1 << 62)


class _Lane:
    """One log: its records in an order that its clock allows, each with what the clock is then."""

    def __init__(self, records: Iterable[Record], max_jump_ms: int, held_posts: int) -> None:
        self._records = iter(records)
        self._mark = Watermark(max_jump_ms, held_posts)
        self._ready: deque[Record] = deque()
        self._keys: deque[int] = deque()
        self._key = _FIRST
        self._has_ended = False

    def next_key(self) -> int | None:
        """The clock with which the next record comes; None after the last."""
        while not self._keys and not self._has_ended:
            record = next(self._records, None)
            if record is None:
                self._end()
            else:
                self._take(record)
        return self._keys[0] if self._keys else None

    def pop(self) -> Record:
        """The next record."""
        self._keys.popleft()
        return self._ready.popleft()

    def _take(self, record: Record) -> None:
        line, item = record
        mark = self._mark
        if type(item) is tuple and item[0] > mark.limit_ms:
            confirmed = mark.hold(item[0], item[3].user_id, record, len(line))
            for held in mark.pushed_out():
                self._add(held.item, self._key)
            if confirmed:
                self._release()
            return
        if type(item) is tuple:
            mark.reach(item[0])
        elif isinstance(item, Tick):
            mark.tick(item.event_time_ms)
            self._release()
            # The others may go on when this log has ended, so its end is not theirs.
            record = line, Tick(item.event_time_ms)
        self._add(record, self._key if mark.clock_ms is None else mark.clock_ms)

    def _end(self) -> None:
        """Give out what is still held: the others may go on, and confirm it or not."""
        self._has_ended = True
        for held in self._mark.drained():
            self._add(held.item, held.time_ms)

    def _release(self) -> None:
        for held in self._mark.released():
            self._mark.reach(held.time_ms)
            self._add(held.item, held.time_ms)

    def _add(self, record: Record, key: int) -> None:
        self._key = max(self._key, key)
        self._ready.append(record)
        self._keys.append(self._key)


def interleave(
    logs: Sequence[Iterable[Record]], max_jump_ms: int, held_posts: int
) -> Iterator[Record]:
    """Yield the records of logs by event time.

    Args:
        logs: the records of each.
        max_jump_ms: as of ingest, like ``held_posts``.
        held_posts: see there.
    """
    lanes = [_Lane(log, max_jump_ms, held_posts) for log in logs]
    heap = [(key, n) for n, lane in enumerate(lanes) if (key := lane.next_key()) is not None]
    heapify(heap)
    while heap:
        _, number = heap[0]
        lane = lanes[number]
        yield lane.pop()
        key = lane.next_key()
        if key is None:
            heap[0] = heap[-1]
            heap.pop()
            heapify(heap)
        else:
            heapreplace(heap, (key, number))
