"""Several banks as one: any of them, all of them, or a weighted mean.

The parts answer on scales of their own, so each score is divided by its part's threshold: from 1 on
that part alone would alarm. What is made of these ratios is the score:

========  ========================  ============================  ==========================
how       score                     threshold                     budget of each part
========  ========================  ============================  ==========================
any       the largest               1                             an equal share of the whole
all       the smallest              1                             the whole
weighted  the weighted mean         1, or less once that is       an equal share of the whole
                                    known to keep the budget
========  ========================  ============================  ==========================

So none spends more than the budget. For ``any`` the false alarms of the parts add up to it at most.
``all`` alarms only where each part does, and the least of them spends no more than the whole. A
weighted mean of 1 needs a part at 1, so what holds for ``any`` holds for it. Since parts seldom err
together, it spends less than that: a :class:`Tail` of the means of quiet hours lowers the threshold
towards where the budget is spent, as its evidence grows.

A part that has no threshold yet counts as 0, one without evidence as 0 in a mean and as none in
``all``. What is observed, expected and so on is that of the part that decides: the one with the
largest ratio, the smallest, or the largest share of the mean. Bands, and how odd a silence is, are
the first part's.
"""

from __future__ import annotations

from enum import StrEnum
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from detectors.bank import Bank, FloatArray, IntArray, Makeup, ModelBank, Scores, Verdict
from detectors.tail import Tail
from detectors.thresholds import believed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


class How(StrEnum):
    """How banks are combined; see the module."""

    ANY = "any"
    ALL = "all"
    WEIGHTED = "weighted"


UNSEEN = (-1, -np.inf)
"""No bucket has been scored since the last was learned."""


class CombinedBank:
    """A bank over banks; see the module.

    Args:
        how: ``any``, ``all`` or ``weighted``.
        parts: at least two, each made for its share of the budget.
        weights: of the parts, for ``weighted``; positive, on any scale.
        bucket_minutes: length of a bucket.
        false_incidents_per_week: the budget of the whole.
    """

    def __init__(
        self,
        how: How,
        parts: Sequence[Bank],
        *,
        weights: Sequence[float] | None = None,
        bucket_minutes: float,
        false_incidents_per_week: float,
    ) -> None:
        self._how = how
        self._parts = list(parts)
        shares = np.ones(len(parts)) if weights is None else np.array(weights, dtype=np.float64)
        self._weights: FloatArray = shares / shares.sum()
        self._tail = Tail(bucket_minutes, false_incidents_per_week)
        self._peak = UNSEEN

    def __getstate__(self) -> dict[str, Any]:
        """The state that matters: without what is only remembered."""
        return self.__dict__ | {"_peak": UNSEEN}

    def restore(self, other: CombinedBank) -> None:
        """See ``Bank.restore``."""
        for part, learned in zip(self._parts, other._parts, strict=True):
            part.restore(learned)
        self._tail.restore(other._tail)

    # -- protocol: rows ----------------------------------------------------------------------------

    def resize(self, parents: IntArray, countries: IntArray | None = None) -> None:
        """See ``Bank.resize``."""
        for part in self._parts:
            part.resize(parents, countries)

    def keep(self, rows: IntArray) -> None:
        """See ``Bank.keep``."""
        for part in self._parts:
            part.keep(rows)

    def weight(self) -> FloatArray:
        """See ``Bank.weight``: a row is idle when it is for all parts."""
        weight: FloatArray = np.max([part.weight() for part in self._parts], axis=0)
        return weight

    def mute(self, bucket: int, rows: IntArray) -> None:
        """See ``Bank.mute``."""
        for part in self._parts:
            part.mute(bucket, rows)

    # -- protocol: score, then learn ---------------------------------------------------------------

    def expose(self, tests_per_week: float) -> None:
        """See ``Bank.expose``."""
        for part in self._parts:
            part.expose(tests_per_week)

    def score_many(
        self,
        bucket: int,
        rows: IntArray,
        fresh: FloatArray,
        precision: FloatArray,
        longest: IntArray | None = None,
    ) -> Scores:
        """See ``Bank.score_many``."""
        found = [part.score_many(bucket, rows, fresh, precision, longest) for part in self._parts]
        score, decides = self._combined(np.array([_ratio(s.score, s.threshold) for s in found]))
        threshold = self._threshold
        if longest is None:
            # Parts without a threshold would make the tail look empty.
            ready = all(np.all(np.isfinite(s.threshold)) for s in found)
            self._peak = (bucket, float(np.max(score, initial=-np.inf)) if ready else -np.inf)
        pick = (decides, np.arange(len(rows)))
        observed: FloatArray = np.array([s.observed for s in found])[pick]
        expected: FloatArray = np.array([s.expected for s in found])[pick]
        upper: FloatArray = np.array([s.upper for s in found])[pick]
        window: IntArray = np.array([s.window for s in found])[pick]
        if self._how is How.WEIGHTED:
            # The deciding part's own limit is not the mean's: it goes to the verdict's side of it.
            inside = np.where(upper > 0.0, np.maximum(upper, observed + 1.0), 0.0)
            over = np.where(upper > 0.0, np.minimum(upper, observed), observed)
            upper = np.where(score >= threshold, over, inside)
        return Scores(
            score=score,
            threshold=np.full(len(rows), threshold),
            observed=observed,
            expected=expected,
            upper=upper,
            window=window,
        )

    @property
    def _threshold(self) -> float:
        return 1.0 if self._how is not How.WEIGHTED else min(believed(1.0, self._tail), 1.0)

    def _combined(self, ratios: FloatArray) -> tuple[FloatArray, IntArray]:
        """The score of each row, and the number of the part that decides it.

        Args:
            ratios: shape (parts, rows).
        """
        if self._how is How.ANY:
            return ratios.max(axis=0), ratios.argmax(axis=0)
        if self._how is How.ALL:
            return ratios.min(axis=0), ratios.argmin(axis=0)
        shares = np.maximum(ratios, 0.0) * self._weights[:, None]
        none = np.all(ratios == -np.inf, axis=0)
        return np.where(none, -np.inf, shares.sum(axis=0)), shares.argmax(axis=0)

    def preview(self, bucket: int, rows: IntArray, fresh: FloatArray) -> NDArray[np.bool_]:
        """See ``Bank.preview``; a mean is not known before all parts have seen the bucket."""
        if self._how is How.WEIGHTED:
            return np.zeros(len(rows), dtype=np.bool_)
        over = [part.preview(bucket, rows, fresh) for part in self._parts]
        return reduce(np.logical_or if self._how is How.ANY else np.logical_and, over)

    def judge(self, bucket: int, row: int, fresh: FloatArray, precision: float) -> Verdict | None:
        """See ``Bank.judge``."""
        if self._how is How.WEIGHTED:
            return None
        asked = [part.judge(bucket, row, fresh, precision) for part in self._parts]
        found = [
            verdict._replace(score=verdict.score / verdict.threshold, threshold=1.0)
            for verdict in asked
            if verdict is not None
        ]
        if not found or (self._how is How.ALL and len(found) < len(asked)):
            return None
        decide = max if self._how is How.ANY else min
        return decide(found, key=lambda verdict: verdict.score)

    def learn_many(self, bucket: int, rows: IntArray, fresh: FloatArray) -> None:
        """See ``Bank.learn_many``."""
        if self._peak[0] != bucket:
            self.score_many(bucket, rows, fresh, np.ones(len(rows)))
        if self._how is How.WEIGHTED:
            self._tail.add_peak(self._peak[1], self._threshold)
        for part in self._parts:
            part.learn_many(bucket, rows, fresh)

    def skip(self, first: int, last: int, *, missing: bool) -> None:
        """See ``Bank.skip``."""
        if self._how is How.WEIGHTED and not missing:
            self._tail.add_empty(last - first + 1)
        for part in self._parts:
            part.skip(first, last, missing=missing)

    @property
    def is_ready(self) -> bool:
        """See ``Bank.is_ready``: ``all`` needs every part, the others one."""
        ready = [part.is_ready for part in self._parts]
        return all(ready) if self._how is How.ALL else any(ready)

    def log_silence(self, first: int, last: int) -> float:
        """See ``Bank.log_silence``."""
        return self._parts[0].log_silence(first, last)

    def band(self, buckets: IntArray, rows: IntArray) -> tuple[FloatArray, FloatArray]:
        """See ``Bank.band``."""
        return self._parts[0].band(buckets, rows)

    # -- protocol: parts with an object a row ------------------------------------------------------

    def _models(self) -> list[ModelBank]:
        return [part for part in self._parts if isinstance(part, ModelBank)]

    def wanted(self) -> IntArray:
        """See ``ModelBank.wanted``."""
        wanted = [part.wanted() for part in self._models()]
        return np.unique(np.concatenate([np.zeros(0, dtype=np.int64), *wanted]))

    def describe(self, bucket: int, makeup: Makeup) -> None:
        """See ``ModelBank.describe``."""
        for part in self._models():
            part.describe(bucket, makeup)

    def take_failures(self) -> list[tuple[int, str]]:
        """See ``ModelBank.take_failures``."""
        return [failure for part in self._models() for failure in part.take_failures()]


def _ratio(score: FloatArray, threshold: FloatArray) -> FloatArray:
    """1 at the threshold and beyond; no evidence stays none, and without a threshold it is 0."""
    ratio = np.divide(
        score,
        threshold,
        out=1.0 + score - threshold,
        where=(threshold > 0.0) & (threshold < np.inf),
    )
    ratio[threshold == np.inf] = 0.0
    return np.where(score == -np.inf, -np.inf, ratio)
