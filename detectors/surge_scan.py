"""The scan as a River estimator over one series, for notebooks and pipelines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from river.base import AnomalyDetector

from detectors.scan import ScanBank

if TYPE_CHECKING:
    from detectors.bank import FloatArray, IntArray

_WEEK_MINUTES = 7 * 24 * 60


class SurgeScan(AnomalyDetector):  # type: ignore[misc]
    """Scores sudden surges in one series of counts; the single-series face of ``ScanBank``.

    Every ``learn_one`` is one bucket, in order: a bucket without users is a count of zero, not a
    missing call. Score before learning.

    Args:
        bucket_minutes: length of a bucket; must divide an hour.
        false_incidents_per_week: the budget that sets ``threshold``.
        min_users: a window with fewer users never scores.
        fresh_for_minutes: how long a user is not counted again, where counts are of fresh users.
        feature: name of the count in ``x``; absent is zero.
        first_bucket: index of the first bucket since 1970 UTC, which gives the hour of day.

    Attributes:
        threshold: score from which a bucket is an alarm.

    >>> import numpy as np
    >>> detector = SurgeScan(bucket_minutes=60)
    >>> rng = np.random.default_rng(7)
    >>> for count in rng.poisson(20, size=24 * 7):
    ...     detector.learn_one({"fresh": float(count)})
    >>> detector.score_one({"fresh": 21.0}) < detector.threshold
    True
    >>> detector.score_one({"fresh": 80.0}) > detector.threshold
    True
    """

    def __init__(
        self,
        bucket_minutes: float = 1.0,
        false_incidents_per_week: float = 1.0,
        min_users: float = 5.0,
        fresh_for_minutes: float = 360.0,
        feature: str = "fresh",
        first_bucket: int = 0,
    ) -> None:
        self.bucket_minutes = bucket_minutes
        self.false_incidents_per_week = false_incidents_per_week
        self.min_users = min_users
        self.fresh_for_minutes = fresh_for_minutes
        self.feature = feature
        self.first_bucket = first_bucket
        self._bucket = first_bucket
        self._row: IntArray = np.zeros(1, dtype=np.int64)
        self._bank = ScanBank(
            bucket_minutes=bucket_minutes,
            false_incidents_per_week=false_incidents_per_week,
            min_users=min_users,
            fresh_for_buckets=max(1, round(fresh_for_minutes / bucket_minutes)),
        )
        self._bank.resize(np.full(1, -1, dtype=np.int64))
        self._bank.expose(_WEEK_MINUTES / bucket_minutes)

    def _count(self, x: dict[Any, Any]) -> FloatArray:
        return np.full(1, max(float(x.get(self.feature, 0.0)), 0.0))

    def score_one(self, x: dict[Any, Any]) -> float:
        """Evidence that the bucket ``x`` belongs to a surge: a log-likelihood ratio, 0 or more."""
        scores = self._bank.score_many(self._bucket, self._row, self._count(x), np.ones(1))
        return float(scores.score[0])

    def learn_one(self, x: dict[Any, Any]) -> None:
        """Learn the next bucket."""
        self._bank.learn_many(self._bucket, self._row, self._count(x))
        self._bucket += 1

    @property
    def threshold(self) -> float:
        """Score from which the next bucket is an alarm."""
        scores = self._bank.score_many(self._bucket, self._row, np.zeros(1), np.ones(1))
        return float(scores.threshold[0])
