"""How River's detectors want to be called, and what time looks like to them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

MINUTES_PER_DAY = 24 * 60
BELOW_ONE = 1.0 - 2.0**-53
"""The largest number below 1."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How a detector wants to be called.

    Attributes:
        supervised: takes the count as ``y``.
        blind: forecasts the series alone and takes no ``x``.
        counts: ``score_one`` changes it (River 0.26: ``PredictiveAnomalyDetection`` takes its error
            bound from the scores it was asked for).
        filtered: a filter around it, which scores by itself while learning.
        bounded: 1 is the largest score (``GaussianScorer``, ``HalfSpaceTrees``,
            ``PredictiveAnomalyDetection``). Scores crowd below the bound, where no tail can be
            fitted, so they are read as ``-log(1 - score)``: of a probability, its surprise.
        season: length of a forecaster's season in buckets, 0 without.
    """

    supervised: bool
    blind: bool
    counts: bool
    filtered: bool
    bounded: bool
    season: int

    @classmethod
    def of(cls, detector: Any) -> Kind:
        """Look at a detector, a filter around one, or a pipeline that ends in one."""
        from river import anomaly, base, time_series  # noqa: PLC0415 - a second to import

        inner = core(detector)
        counts = isinstance(inner, anomaly.PredictiveAnomalyDetection)
        forecaster = inner.predictive_model if counts else None
        return cls(
            supervised=isinstance(inner, base.SupervisedAnomalyDetector),
            blind=isinstance(forecaster, time_series.base.Forecaster),
            counts=counts,
            filtered=inner is not detector,
            bounded=counts or isinstance(inner, anomaly.GaussianScorer | anomaly.HalfSpaceTrees),
            season=max(getattr(forecaster, "seasonality", 0), getattr(forecaster, "m", 0)),
        )

    def score(self, detector: Any, x: dict[str, float], count: float) -> float:
        """Score one bucket; the detector is changed if ``counts`` says so.

        Returns:
            The score, ``-inf`` for 0, which is how River says "not ready" or "nothing strange".

        Raises:
            ArithmeticError: the score is NaN or infinite.
            Exception: whatever the detector raises.
        """
        if self.supervised:
            score = float(detector.score_one(None if self.blind else x, count))
        else:
            score = float(detector.score_one(x))
        if not math.isfinite(score):
            raise ArithmeticError(f"the score is {score}")
        if score == 0.0:
            return -math.inf
        return -math.log1p(-min(score, BELOW_ONE)) if self.bounded else score

    def learn(self, detector: Any, x: dict[str, float], count: float, *, first: bool) -> None:
        """Teach one bucket; ``first`` is the first half of the warm-up.

        In it a forecaster has nothing to say and raises when asked, which scoring (and a filter,
        which scores before it learns) would do.
        """
        if not self.supervised:
            detector.learn_one(x)
            return
        known = None if self.blind else x
        if not self.counts:
            detector.learn_one(known, count)
        elif first:
            core(detector).learn_one(known, count)
        else:
            if not self.filtered:
                detector.score_one(known, count)
            detector.learn_one(known, count)


def core(detector: Any) -> Any:
    """The detector inside filters and pipelines."""
    while True:
        if hasattr(detector, "anomaly_detector"):
            detector = detector.anomaly_detector
        elif hasattr(detector, "steps"):
            detector = list(detector.steps.values())[-1]
        else:
            return detector


@lru_cache(maxsize=8)
def time_features(bucket: int, bucket_minutes: float) -> dict[str, float]:
    """Hour of day on a circle and weekday from Monday (0) to Sunday (1), UTC; not to be changed."""
    day, minute = divmod(bucket * bucket_minutes, MINUTES_PER_DAY)
    angle = 2.0 * math.pi * minute / MINUTES_PER_DAY
    return {
        "hour_sin": math.sin(angle),
        "hour_cos": math.cos(angle),
        "weekday": ((int(day) + 3) % 7) / 6.0,
    }
