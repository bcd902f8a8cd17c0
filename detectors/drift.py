"""River's change detectors as anomaly detectors: has the mean of the counts gone up?

``river.drift`` answers yes or no, at a threshold of its own. Here the answer is a score, so that a
budget of false alarms can set the threshold.

Both scorers give their detector ``2 sqrt(y + 3/8)`` instead of the count ``y`` (Anscombe,
Biometrika 35, 1948): its standard deviation is about 1 for Poisson counts of any mean, so that
parameters and scores mean the same in all series. A score says what the detector would have to say
if it learned the count. A fall of the mean scores 0.
"""

from __future__ import annotations

import copy
import math
from typing import Any

from river import drift
from river.base import SupervisedAnomalyDetector

LEVELS = 10
"""Significance levels that an ``AdwinScorer`` tells apart, each a tenth of the one before."""
_ANSCOMBE = 3.0 / 8.0


class AdwinScorer(SupervisedAnomalyDetector):  # type: ignore[misc]
    """Scores a rise by the significance at which ADWIN would cut its window because of it.

    ADWIN with a significance ``delta`` finds a change where there is none with a probability of at
    most ``delta`` at each step (Bifet and Gavaldà, SDM 2007, theorem 3.1). One ADWIN has one, so
    ``LEVELS`` of them run side by side, from the given ``delta`` down to a billionth of it. The
    score is ``-log(delta)`` of the most significant that finds a rise, 0 if none does.

    Args:
        adwin: the weakest; with ``clock=1``, or it looks at every 32nd count only.

    >>> import numpy as np
    >>> from river import drift
    >>> scorer = AdwinScorer(drift.ADWIN(clock=1))
    >>> rng, scores = np.random.default_rng(1), []
    >>> for count in [*rng.poisson(20, size=200), *rng.poisson(60, size=20)]:
    ...     scores.append(scorer.score_one(None, float(count)))
    ...     scorer.learn_one(None, float(count))
    >>> max(scores[:200]), round(max(scores[200:]), 1)
    (0.0, 26.9)
    """

    def __init__(self, adwin: Any) -> None:
        self.adwin = adwin
        deltas = [adwin.delta / 10.0**level for level in range(LEVELS)]
        self._levels = [adwin.clone({"delta": delta}) for delta in deltas]

    def learn_one(self, _x: dict[str, float] | None, y: float) -> None:
        """Learn the count of the next bucket; ``x`` is ignored."""
        for adwin in self._levels:
            adwin.update(_stable(y))

    def score_one(self, _x: dict[str, float] | None, y: float) -> float:
        """See the class."""
        for before in reversed(self._levels):
            after = copy.deepcopy(before)
            after.update(_stable(y))
            if after.drift_detected and after.estimation > before.estimation:
                return -math.log(before.delta)
        return 0.0

    @classmethod
    def _unit_test_params(cls) -> Any:
        yield {"adwin": drift.ADWIN(clock=1)}


class PageHinkleyScorer(SupervisedAnomalyDetector):  # type: ignore[misc]
    """Scores a rise by the statistic of the Page-Hinkley test.

    That is how far the cumulated deviations from the mean have risen above their minimum, each less
    ``delta``, in standard deviations (Page, Biometrika 41, 1954). 0 before ``min_instances``, and
    after each alarm of the test's own (``threshold``), when it starts anew.

    Args:
        page_hinkley: with ``mode="up"``, or a fall starts it anew as well.

    >>> import numpy as np
    >>> from river import drift
    >>> scorer = PageHinkleyScorer(drift.PageHinkley(mode="up"))
    >>> for count in np.random.default_rng(1).poisson(20, size=200):
    ...     scorer.learn_one(None, float(count))
    >>> [round(scorer.score_one(None, count), 1) for count in (10.0, 20.0, 60.0)]
    [2.2, 4.7, 11.2]
    """

    def __init__(self, page_hinkley: Any) -> None:
        self.page_hinkley = page_hinkley
        self._test = page_hinkley.clone()

    def learn_one(self, _x: dict[str, float] | None, y: float) -> None:
        """Learn the count of the next bucket; ``x`` is ignored."""
        self._test.update(_stable(y))

    def score_one(self, _x: dict[str, float] | None, y: float) -> float:
        """See the class."""
        after = copy.deepcopy(self._test)
        after.update(_stable(y))
        # River has no public name for the statistic.
        if after._x_mean.n < after.min_instances:  # noqa: SLF001
            return 0.0
        return float(after._sum_increase - after._min_increase)  # noqa: SLF001

    @classmethod
    def _unit_test_params(cls) -> Any:
        yield {"page_hinkley": drift.PageHinkley(mode="up")}


def _stable(count: float) -> float:
    return 2.0 * math.sqrt(max(count, 0.0) + _ANSCOMBE)
