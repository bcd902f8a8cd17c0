"""What the source partitions have brought of buckets that wait for each other."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from streams.events import Intake

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streams.events import Closed, Partials


class Gathering:
    """Partials and markers of all source partitions, up to the bucket that all have closed.

    Args:
        partitions: the source partitions that a bucket waits for.

    Attributes:
        through: for each of them the last bucket that it has closed, None before the first.
        waiting: rows and markers of each that wait for the others.
    """

    def __init__(self, partitions: Iterable[int]) -> None:
        self.through: dict[int, int | None] = dict.fromkeys(partitions)
        self.waiting = dict.fromkeys(self.through, 0)
        self._pending: dict[int, dict[int, Partials]] = {}
        self._markers: dict[int, deque[Closed]] = {p: deque() for p in self.through}
        self._joined: dict[int, int] = {}
        self._missed = 0

    def add(self, partials: Partials) -> None:
        """Take a partial; a repeat, or one of a bucket that has closed, is dropped."""
        partition, bucket = partials.partition, partials.bucket
        done = self.through[partition]
        if done is None or bucket > done:
            pending = self._pending.setdefault(bucket, {})
            if partition not in pending:
                self.waiting[partition] += len(partials.user)
            pending[partition] = partials
        elif bucket <= self._joined.get(partition, -1):
            # Of a partition that was added later: the bucket had closed without it.
            self._missed += int(partials.ends[0])

    def close(self, marker: Closed) -> int | None:
        """Take a marker; what all partitions have closed now, None if it says nothing new."""
        partition = marker.partition
        done = self.through[partition]
        if done is not None and marker.through <= done:
            return None
        self.through[partition] = marker.through
        self._markers[partition].append(marker)
        self.waiting[partition] += 1
        return self.slowest

    @property
    def slowest(self) -> int | None:
        """The last bucket that all partitions have closed, None before the first."""
        through = [t for t in self.through.values() if t is not None]
        return min(through) if len(through) == len(self.through) else None

    def buckets(self, through: int) -> list[int]:
        """The buckets up to ``through`` of which there are partials."""
        return sorted(bucket for bucket in self._pending if bucket <= through)

    def take(self, bucket: int) -> list[Partials]:
        """Take a bucket's partials out."""
        pending = self._pending.pop(bucket)
        for partition, partials in pending.items():
            self.waiting[partition] -= len(partials.user)
        return list(pending.values())

    def intake(self, bucket: int) -> Intake:
        """What had become of all partitions' input when each of them closed a bucket.

        Not what is known by now: how far the others have come must not matter.
        """
        self.forget(bucket)
        total = Intake()
        for markers in self._markers.values():
            if markers:
                total.add(markers[0].intake)
        total.late += self._missed
        return total

    def series_dropped(self, bucket: int) -> int:
        """The same of ``Intake.series_dropped`` alone, which is asked for at every bucket."""
        self.forget(bucket)
        return sum([m[0].intake.series_dropped for m in self._markers.values() if m])

    def forget(self, bucket: int) -> None:
        """Forget markers that others have followed before a bucket."""
        for partition, markers in self._markers.items():
            while len(markers) > 1 and markers[0].through < bucket:
                markers.popleft()
                self.waiting[partition] -= 1

    def join(self, partition: int, last: int | None) -> None:
        """Wait for one more partition, from the bucket after ``last`` on, which has closed."""
        if partition not in self.through:
            self.through[partition], self.waiting[partition] = last, 0
            self._markers[partition] = deque()
            if last is not None:
                self._joined[partition] = last
