"""A threshold by budget for any River detector on one stream."""

from __future__ import annotations

import copy
import math
from typing import Any

from river import anomaly, preprocessing, stats
from river.base import AnomalyFilter

from detectors.river_calls import Kind, warmup_buckets
from detectors.tail import Tail


class BudgetFilter(AnomalyFilter):  # type: ignore[misc]
    """Finds the threshold at which a detector gives so many false alarms a week.

    One of River's anomaly filters, as ``QuantileFilter`` is, but for a rate of false alarms, runs
    of which count once, and by what the tail of past scores foretells (``detectors.tail``) rather
    than a quantile of them. What ``x`` holds is up to the user. Every ``learn_one`` is one bucket
    of a regular stream. The detector learns all of them, alarms too.

    Scores are as in the pipeline: 0 is the median of what the detector has scored so far, and those
    of ``GaussianScorer`` and ``HalfSpaceTrees`` are read as ``-log(1 - score)``. They are 0 until
    the detector has learned a day and 250 buckets, and ``classify`` says no until two more days
    have been scored. Two-sided detectors are left two-sided: they alarm on drops too.

    Args:
        anomaly_detector: any of River's detectors, a pipeline that ends in one, or one of your own.
        bucket_minutes: time from one sample to the next.
        false_incidents_per_week: the budget.

    Attributes:
        threshold: score from which a bucket is an alarm.

    >>> import numpy as np
    >>> from river import anomaly, preprocessing
    >>> trees = anomaly.HalfSpaceTrees(n_trees=10, height=6, seed=1)
    >>> model = BudgetFilter(preprocessing.MinMaxScaler() | trees, bucket_minutes=60)
    >>> rng = np.random.default_rng(7)
    >>> for count, posts in rng.poisson([20.0, 50.0], size=(24 * 28, 2)):
    ...     model.learn_one({"users": float(count), "posts": float(posts)})
    >>> usual, strange = {"users": 21.0, "posts": 48.0}, {"users": 90.0, "posts": 95.0}
    >>> [model.classify(model.score_one(x)) for x in (usual, strange)]
    [False, True]
    """

    def __init__(
        self,
        anomaly_detector: Any,
        bucket_minutes: float = 1.0,
        false_incidents_per_week: float = 1.0,
    ) -> None:
        super().__init__(anomaly_detector, protect_anomaly_detector=False)
        self.bucket_minutes = bucket_minutes
        self.false_incidents_per_week = false_incidents_per_week
        self._kind = Kind.of(anomaly_detector)
        self._warmup = warmup_buckets(self._kind, bucket_minutes)
        self._tail = Tail(bucket_minutes, false_incidents_per_week)
        self._zero = stats.Quantile(0.5)
        self._learned = 0

    def _evidence(self, x: dict[Any, Any], y: Any) -> float:
        """The detector's score, ``-inf`` for none; changes nothing."""
        if self._learned < self._warmup:
            return -math.inf
        detector = self.anomaly_detector
        return self._kind.score(copy.deepcopy(detector) if self._kind.counts else detector, x, y)

    def score_one(self, x: dict[Any, Any], y: Any = None) -> float:
        """Score the next bucket.

        Args:
            x: features; None for a detector of a target alone.
            y: the target, for a supervised detector.

        Raises:
            ArithmeticError: the detector's score is NaN or infinite.
        """
        evidence = self._evidence(x, y)
        return 0.0 if evidence == -math.inf else evidence - (self._zero.get() or 0.0)

    def learn_one(self, x: dict[Any, Any], y: Any = None) -> None:
        """Learn the next bucket; see ``score_one``."""
        evidence = self._evidence(x, y)
        self._tail.add_peak(evidence)
        if evidence > -math.inf:
            self._zero.update(evidence)
        first = self._learned < self._warmup // 2
        self._kind.learn(self.anomaly_detector, x, y, first=first)
        self._learned += 1

    @property
    def threshold(self) -> float:
        """Score from which a bucket is an alarm, more than 0; infinite while it is not known."""
        return max(self._tail.threshold - (self._zero.get() or 0.0), math.ulp(0.0))

    def classify(self, score: float) -> bool:
        """Is a bucket with this score an alarm?"""
        return score >= self.threshold

    @classmethod
    def _unit_test_params(cls) -> Any:
        scaled = preprocessing.StandardScaler() | anomaly.OneClassSVM(nu=0.2)
        yield {"anomaly_detector": scaled, "bucket_minutes": 60.0}
