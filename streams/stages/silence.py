"""A run of buckets without a foreign post: zeros, or a hole in the data?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.events import Notice
from streams.stages.age import MISSING_ODDS

if TYPE_CHECKING:
    from detectors.bank import Bank
    from streams.stages.age import Age
    from streams.stages.episodes import Episodes


class Silence:
    """The present run of empty buckets, if there is one.

    Args:
        bucket_minutes: length of a bucket.
        per_hour: buckets an hour has.

    Attributes:
        since: its first bucket, None while posts come.
        missing: has it proved to be a hole?
    """

    def __init__(self, bucket_minutes: float, per_hour: int) -> None:
        self.since: int | None = None
        self.missing = False
        self._minutes = bucket_minutes
        self._per_hour = per_hour

    def begin(self, bucket: int) -> None:
        """A bucket is empty."""
        if self.since is None:
            self.since = bucket

    def is_early(self, age: Age) -> bool:
        """Did it begin before much was learned, so that only its end can judge it?"""
        return self.since is not None and age.is_early(self.since)

    def skip(
        self, bucket: int, last: int, bank: Bank, episodes: Episodes
    ) -> tuple[int, Notice | None]:
        """Learn ``bucket`` to ``last`` of one hour as zeros, or up to where it proves to be a hole.

        Returns:
            The last bucket that was skipped, and what is to be told.
        """
        assert self.since is not None
        if self.missing:
            bank.skip(bucket, last, missing=True)
            episodes.cohorts.miss(bucket, last)
            return last, None
        if bucket % self._per_hour == 0:
            # Learns the hour before, so that its odds hold for all of this one.
            bank.skip(bucket, bucket, missing=False)
        since, low, high = self.since, bucket, last + 1
        if bank.log_silence(since, last) >= MISSING_ODDS:
            low = high
        while low < high:
            middle = (low + high) // 2
            if bank.log_silence(since, middle) < MISSING_ODDS:
                high = middle
            else:
                low = middle + 1
        end = min(low, last)
        first = bucket if bucket % self._per_hour else bucket + 1
        if end >= first:
            bank.skip(first, end, missing=False)
        if low > last:
            return end, None
        self.missing = True
        bank.skip(since, low, missing=True)
        episodes.take_back(low - since + 1)
        episodes.cohorts.miss(since, low)
        return end, Notice("gap", "open", low, since, self._minutes_of(since, low))

    def end(self, bucket: int, age: Age, bank: Bank) -> list[Notice]:
        """Posts come again, with ``bucket``; what is to be told."""
        notices: list[Notice] = []
        since = self.since
        if since is not None and self.missing:
            details = self._minutes_of(since, bucket - 1)
            notices.append(Notice("gap", "closed", bucket, since, details))
        if since is not None and age.is_early(since):
            notices += self._end_early(since, bucket, age, bank)
        self.since, self.missing = None, False
        return notices

    def _end_early(self, since: int, bucket: int, age: Age, bank: Bank) -> list[Notice]:
        """Believe a silence that began in the first hours of a log, or take it for a hole.

        A hole, be it after a few stray posts or an outage, does not count for the log's age: it
        would pass for time in which little was usual.
        """
        notices = []
        learned = age.is_settled(since)
        is_hole = age.is_hole(since, bucket)
        if is_hole:
            age.leave_out(bucket - since)
            details = self._minutes_of(since, bucket - 1)
            notices = [Notice("gap", s, bucket, since, details) for s in ("open", "closed")]
        if learned:
            bank.skip(since, bucket - 1, missing=is_hole)
        elif age.is_settled(bucket):
            bank.skip(age.settles_at, bucket - 1, missing=False)
        return notices

    def _minutes_of(self, first: int, last: int) -> dict[str, float]:
        return {"minutes": (last - first + 1) * self._minutes}
