"""When a log began, when it may be judged, and how many chances of a false alarm a week brings."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from detectors.bank import FloatArray

MISSING_ODDS = math.log(1e-6)
"""A silence less likely than this is a hole in the data."""
TESTS_HALF_LIFE_HOURS = 84.0
_WEEK_HOURS = 168.0


class Age:
    """The age of the log of all partitions together.

    Args:
        bucket_minutes: length of a bucket.
        settle: buckets after the first until which every regular user looks fresh.
        warmup: buckets after the first without an alarm.

    Attributes:
        first: its first bucket, None before that; later by as much as there was no data in its
            first hours.
    """

    def __init__(self, bucket_minutes: float, settle: int, warmup: int) -> None:
        self.first: int | None = None
        self._minutes = bucket_minutes
        self._settle = settle
        self._warmup = warmup
        self._early = 0.0
        self._tests, self._tests_hours = 0.0, 0.0

    def restore(self, other: Age) -> None:
        """Take over what another has counted, under this one's own settings."""
        self.first, self._early = other.first, other._early
        self._tests, self._tests_hours = other._tests, other._tests_hours

    def begin(self, bucket: int) -> None:
        """The log begins with a bucket."""
        self.first = bucket

    def leave_out(self, buckets: int) -> None:
        """Let so many buckets of a hole in the first hours not count for the log's age."""
        assert self.first is not None
        self.first += buckets

    @property
    def settles_at(self) -> int:
        """First bucket that is learned."""
        assert self.first is not None
        return self.first + self._settle

    def is_settled(self, bucket: int) -> bool:
        """Is a bucket to be learned?"""
        return bucket >= self.settles_at

    def is_early(self, bucket: int) -> bool:
        """Does a bucket come before enough has been learned to say how odd a silence is?"""
        return bucket <= self.settles_at + self._settle

    def is_warm(self, bucket: int) -> bool:
        """May a bucket raise an alarm?"""
        assert self.first is not None
        return bucket - self.first >= self._warmup

    @property
    def judged_from(self) -> int | None:
        """First bucket that may raise an alarm."""
        return None if self.first is None else self.first + self._warmup

    def is_hole(self, since: int, until: int) -> bool:
        """Is a silence too unlikely, given the rate of the first hours' posts so far?

        Args:
            since: its first bucket.
            until: the bucket that ended it.
        """
        assert self.first is not None
        hours = max((since - self.first) * self._minutes / 60, 1.0)
        silent_hours = (until - since) * self._minutes / 60
        return self._early / hours * silent_hours > -MISSING_ODDS

    def count(self, fresh: FloatArray) -> None:
        """Count the chances of a false alarm that a bucket brings, and its users.

        Each series with a fresh user is one.

        Args:
            fresh: fresh users of each of the bucket's series, ``all`` first, shape (series,).
        """
        self._early += float(fresh[0])
        self._tests += int(np.count_nonzero(fresh))

    def tests_per_week(self, bucket: int) -> float:
        """Forgetting mean of the chances, scaled to a week."""
        assert self.first is not None
        hours = (bucket + 1 - self.first) * self._minutes / 60
        if hours - self._tests_hours > TESTS_HALF_LIFE_HOURS:
            # Halving both sides now and then is an exponential memory without a power a bucket.
            self._tests, self._tests_hours = self._tests / 2, hours - TESTS_HALF_LIFE_HOURS / 2
        return self._tests / (hours - self._tests_hours) * _WEEK_HOURS
