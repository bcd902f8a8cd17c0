"""Any detector of the catalogue as a River estimator over one series of counts."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from river.base import AnomalyDetector

from detectors.bank import Verdict
from detectors.catalog import BankContext, make_bank

if TYPE_CHECKING:
    from collections.abc import Mapping

    from detectors.bank import FloatArray, IntArray, Scores

_WEEK_MINUTES = 7 * 24 * 60
_HOUR_MINUTES = 60
_ROUNDED = 1e-9
_MANY = 1e9
"""A count that any bank looks at closely enough to say the threshold."""


class SeriesDetector(AnomalyDetector):  # type: ignore[misc]
    """A detector over one series of counts: a bank with one row.

    Every ``learn_one`` is one bucket, in order: a bucket without users is a count of 0, not a
    missing call. Score before learning. A count that is negative, infinite or NaN is *missing
    data*: it scores 0, and what is learned is that nobody knows.

    With ``sustained`` each count is taken as the lesser of itself and the one known before it, in
    scoring and learning alike. A leap of one bucket, as of books when a server joins the count,
    then shows nowhere, and a surge is found a bucket later.

    Args:
        detector: a name (:func:`detectors.names`), or an object with River's interface.
        parameters: of the detector, as in a configuration.
        bucket_minutes: length of a bucket; must divide an hour.
        false_incidents_per_week: the budget that sets ``threshold``.
        min_users: fewer are never a surge.
        fresh_for_minutes: how long a user is not counted again, where counts are of fresh users:
            those who come while data are missing are then expected to be counted after it.
        feature: name of the count in ``x``; absent is 0.
        first_bucket: index of the first bucket since 1970 UTC, which gives hour of day and weekday.
        sustained: see above; None for where buckets are an hour long, since what is over within an
            hour need wake nobody, and hourly counts are mostly differences of totals.

    Raises:
        CatalogError: the detector or a parameter is not known; the message has the nearest name.
        ValueError: ``bucket_minutes`` is not above 0, or does not divide an hour.

    >>> import numpy as np
    >>> detector = SeriesDetector("river.anomaly.GaussianScorer", bucket_minutes=30)
    >>> for count in np.random.default_rng(7).poisson(20, size=24 * 2 * 21):
    ...     detector.learn_one({"fresh": float(count)})
    >>> [detector.score_one({"fresh": n}) > detector.threshold for n in (21.0, 80.0)]
    [False, True]
    """

    def __init__(
        self,
        detector: str | Any = "scan",
        parameters: Mapping[str, object] | None = None,
        bucket_minutes: float = 1.0,
        false_incidents_per_week: float = 1.0,
        min_users: float = 5.0,
        fresh_for_minutes: float = 0.0,
        feature: str = "fresh",
        first_bucket: int = 0,
        sustained: bool | None = None,
    ) -> None:
        parts = _HOUR_MINUTES / bucket_minutes if bucket_minutes > 0 else 0.0
        if parts < 1 or abs(parts - round(parts)) > _ROUNDED:
            raise ValueError(
                f"bucket_minutes = {bucket_minutes!r} does not divide an hour; 1, 5, 15 and 60 do"
            )
        self.detector = detector
        self.parameters = parameters
        self.bucket_minutes = bucket_minutes
        self.false_incidents_per_week = false_incidents_per_week
        self.min_users = min_users
        self.fresh_for_minutes = fresh_for_minutes
        self.feature = feature
        self.first_bucket = first_bucket
        self.sustained = sustained
        self._lesser = bucket_minutes >= _HOUR_MINUTES if sustained is None else sustained
        self._known: float | None = None
        self._bucket = first_bucket
        self._row: IntArray = np.zeros(1, dtype=np.int64)
        context = BankContext(
            bucket_minutes=bucket_minutes,
            false_incidents_per_week=false_incidents_per_week,
            min_users=min_users,
            fresh_for_buckets=max(1, round(fresh_for_minutes / bucket_minutes)),
        )
        self._bank = make_bank(detector, parameters or {}, context=context)
        self._bank.resize(np.full(1, -1, dtype=np.int64))
        self._bank.expose(_WEEK_MINUTES / bucket_minutes)

    def _raw(self, x: Mapping[Any, Any]) -> float | None:
        """The count as it is, None if it is missing."""
        count = float(x.get(self.feature, 0.0))
        return count if 0.0 <= count < math.inf else None

    def _count(self, x: Mapping[Any, Any]) -> FloatArray | None:
        """The count as it is believed, None if it is missing."""
        count = self._raw(x)
        if count is None:
            return None
        if self._lesser and self._known is not None:
            count = min(count, self._known)
        return np.full(1, count)

    def _scores(self, count: FloatArray) -> Scores:
        return self._bank.score_many(self._bucket, self._row, count, np.ones(1))

    def score_one(self, x: Mapping[Any, Any]) -> float:
        """Evidence that the bucket ``x`` belongs to a surge: 0 or more, in the detector's unit."""
        count = self._count(x)
        return 0.0 if count is None else max(float(self._scores(count).score[0]), 0.0)

    def judge_one(self, x: Mapping[Any, Any]) -> Verdict | None:
        """Score and threshold with what they rest on; None where the count is missing."""
        count = self._count(x)
        if count is None:
            return None
        found = self._scores(count)
        return Verdict(
            float(found.score[0]),
            float(found.threshold[0]),
            float(found.observed[0]),
            float(found.expected[0]),
            float(found.upper[0]),
            int(found.window[0]),
        )

    def learn_one(self, x: Mapping[Any, Any]) -> None:
        """Learn the next bucket."""
        count = self._count(x)
        if count is None:
            self._bank.skip(self._bucket, self._bucket, missing=True)
        else:
            # A bank learns what it was last asked, which may have been another count.
            self._scores(count)
            self._bank.learn_many(self._bucket, self._row, count)
            self._known = self._raw(x)
        self._bucket += 1

    @property
    def threshold(self) -> float:
        """Score from which the next bucket is an alarm; infinite while it is not known."""
        return float(self._scores(np.full(1, _MANY)).threshold[0])
