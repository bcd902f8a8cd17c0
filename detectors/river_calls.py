"""How River's detectors want to be called, and what time looks like to them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

MINUTES_PER_DAY = 24 * 60
WARMUP_BUCKETS = 250
WARMUP_MINUTES = MINUTES_PER_DAY
BELOW_ONE = 1.0 - 2.0**-53
"""The largest number below 1."""
_ERFC_MAX = 25.0
"""Beyond, the complementary error function is all but too small for a float."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How a detector wants to be called.

    Attributes:
        supervised: takes the count as ``y``.
        blind: forecasts the series alone and takes no ``x``.
        counts: ``score_one`` changes it (River 0.26: ``PredictiveAnomalyDetection`` takes its error
            bound from the scores it was asked for).
        filtered: a filter around it, which scores by itself while learning.
        bounded: 1 is the largest score (``GaussianScorer``, ``HalfSpaceTrees``). Scores crowd below
            the bound, where no tail can be fitted, so they are read as ``-log(1 - score)``: of a
            probability, its surprise.
        normal: it is a ``GaussianScorer``. Its score is rounded to 1 from eight standard
            deviations on, so the surprise is read from its distribution instead.
        cut: it is a ``PredictiveAnomalyDetection``, no pipeline around it. Its score is the squared
            error over a limit, cut at 1; the rest is read from the forecast.
        season: length of a forecaster's season in buckets, 0 without.
    """

    supervised: bool
    blind: bool
    counts: bool
    filtered: bool
    bounded: bool
    normal: bool
    cut: bool
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
            bounded=isinstance(inner, anomaly.GaussianScorer | anomaly.HalfSpaceTrees),
            normal=isinstance(inner, anomaly.GaussianScorer),
            cut=counts and inner is core(detector, pipelines=False),
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
        limit = _error_limit(core(detector)) if self.cut else 0.0
        if self.supervised:
            score = float(detector.score_one(None if self.blind else x, count))
        else:
            score = float(detector.score_one(x))
        if not math.isfinite(score):
            raise ArithmeticError(f"the score is {score}")
        if score == 0.0:
            return -math.inf
        read = self._read(detector, score, limit, x, count)
        if not math.isfinite(read):
            raise ArithmeticError(f"the score is {score}, of an error of {read} times its limit")
        return read

    def _read(
        self, detector: Any, score: float, limit: float, x: dict[str, float], count: float
    ) -> float:
        """The score on a scale without an upper bound; see the class."""
        if score >= 1.0 and limit > 0.0:
            return self._error(core(detector), x, count) / limit
        if self.normal:
            known = core(detector).gaussian
            if known.sigma > 0.0:
                return surprise(abs(count - known.mu) / known.sigma)
        return -math.log1p(-min(score, BELOW_ONE)) if self.bounded else score

    def _error(self, detector: Any, x: dict[str, float], count: float) -> float:
        """The squared error of a ``PredictiveAnomalyDetection``."""
        model = detector.predictive_model
        predicted = model.forecast(detector.horizon)[0] if self.blind else model.predict_one(x)
        return float((predicted - count) ** 2)

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


def surprise(deviations: float) -> float:
    """How surprising a normal value is that lies so far from the mean, on either side.

    The natural logarithm of the odds of it and beyond, sign changed: ``-log(erfc(z / sqrt(2)))``.
    Where that is too small for a float, its asymptotic expansion (NIST Digital Library of
    Mathematical Functions, 7.12.1) to the first term, which is off by less than 0.001.

    >>> [round(surprise(z), 2) for z in (0.0, 1.96, 8.0, 40.0)]
    [0.0, 3.0, 34.32, 803.91]
    """
    z = deviations / math.sqrt(2.0)
    if z < _ERFC_MAX:
        return 0.0 - math.log(math.erfc(z))
    return z * z + math.log(z * math.sqrt(math.pi))


def _error_limit(detector: Any) -> float:
    """The squared error from which a ``PredictiveAnomalyDetection`` says 1."""
    spread = math.sqrt(detector.dynamic_se_variance.get())
    return float(detector.dynamic_mae.get() + detector.n_std * spread)


def core(detector: Any, *, pipelines: bool = True) -> Any:
    """The detector inside filters and, if wanted, pipelines."""
    while True:
        if hasattr(detector, "anomaly_detector"):
            detector = detector.anomaly_detector
        elif pipelines and hasattr(detector, "steps"):
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


def warmup_buckets(kind: Kind, bucket_minutes: float) -> int:
    """How many buckets a detector of this kind learns before its scores count."""
    return max(WARMUP_BUCKETS, math.ceil(WARMUP_MINUTES / bucket_minutes), 2 * kind.season)
