"""The scan as a River estimator over one series, for notebooks and pipelines."""

from __future__ import annotations

from detectors.one_series import SeriesDetector


class SurgeScan(SeriesDetector):
    """Scores sudden surges in one series of counts; the single-series face of ``ScanBank``.

    See ``SeriesDetector`` for how it is fed, and for missing data. A score is a log-likelihood
    ratio (``detectors.ratio``), in nats.

    Args:
        bucket_minutes: length of a bucket; must divide an hour.
        false_incidents_per_week: the budget that sets ``threshold``.
        min_users: a window with fewer users never scores.
        fresh_for_minutes: how long a user is not counted again, where counts are of fresh users:
            those who come while data are missing are then expected to be counted after it.
        feature: name of the count in ``x``; absent is 0.
        first_bucket: index of the first bucket since 1970 UTC, which gives the hour of day.
        sustained: believe a count no further than the one before it; by default in buckets of an
            hour.

    >>> import numpy as np
    >>> detector = SurgeScan(bucket_minutes=15)
    >>> rng = np.random.default_rng(7)
    >>> for count in rng.poisson(20, size=24 * 7 * 4):
    ...     detector.learn_one({"fresh": float(count)})
    >>> detector.score_one({"fresh": 21.0}) < detector.threshold
    True
    >>> detector.score_one({"fresh": 80.0}) > detector.threshold
    True
    >>> detector.score_one({"fresh": float("nan")})
    0.0
    """

    def __init__(
        self,
        bucket_minutes: float = 1.0,
        false_incidents_per_week: float = 1.0,
        min_users: float = 5.0,
        fresh_for_minutes: float = 0.0,
        feature: str = "fresh",
        first_bucket: int = 0,
        sustained: bool | None = None,
    ) -> None:
        super().__init__(
            bucket_minutes=bucket_minutes,
            false_incidents_per_week=false_incidents_per_week,
            min_users=min_users,
            fresh_for_minutes=fresh_for_minutes,
            feature=feature,
            first_bucket=first_bucket,
            sustained=sustained,
        )
