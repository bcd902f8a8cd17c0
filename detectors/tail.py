"""A threshold that spends a budget of false alarms, learned from a bank's own scores.

River's scorers answer on scales of their own: one says 0.97, another 14. What they share is that
quiet data has a largest score every hour, and that the largest scores of past hours tell how
large a score must be to come up by chance only ``false_incidents_per_week`` times a week.

The hour's maximum over all rows is what counts, for two reasons: rows are nested (one burst lifts
a region, its hashtags and their pairs together) and neighbouring buckets are alike, so that alarms
come in clumps, and a clump is one incident. It also makes the number of rows cancel.

The method is peaks over threshold (Siffer et al., "Anomaly Detection in Streams with Extreme Value
Theory", KDD 2017) on those maxima. Two things differ from the paper. The generalised Pareto
distribution is fitted by probability-weighted moments (Hosking and Wallis, 1987), which are closed
formulae and stable for a dozen peaks. And alarms are not left out of the fit: leaving them out cuts
the tail off, the threshold sinks, and the budget is overspent five times over; a run of alarms
enters once, as a value censored at the threshold, so that a wave can't raise its own threshold.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from detectors.bank import FloatArray

MINUTES_PER_WEEK = 7 * 24 * 60
BLOCK_MINUTES = 60
WINDOW_BLOCKS = 4 * 7 * 24
WARMUP_BLOCKS = 48
PEAKS_MIN = 10
PEAK_SHARE = 0.2
"""Share of blocks whose maximum is a peak: a fifth leaves ten peaks after two days."""
SHAPE_PRIOR = 10.0
"""The shape is shrunk to the exponential tail as if this many peaks had said so."""
SHAPE_MAX = 0.5
RUN_BLOCKS = 24
"""A run of alarms counts again after a day, so that a lasting change of level is learned."""


class Tail:
    """The upper tail of the largest scores per hour, and the threshold for a weekly budget.

    Memory is at most ``WINDOW_BLOCKS`` numbers; the threshold changes only between hours, and
    rests on the hours before.

    Args:
        bucket_minutes: length of a bucket.
        false_incidents_per_week: the budget: runs of alarms on quiet data, over all rows.

        lag_blocks: hours that a maximum waits before it counts, so that the hours in which a wave
            builds up do not raise the threshold that is to find it.
        shape_max: heaviest tail that is believed; 0 is an exponential one.

    >>> import numpy as np
    >>> tail = Tail(bucket_minutes=60, false_incidents_per_week=1)
    >>> rng = np.random.default_rng(1)
    >>> tail.threshold
    inf
    >>> for _ in range(672):
    ...     tail.add(rng.exponential(size=100))
    >>> round(tail.threshold, 1)  # exactly: log(100 rows x 168 hours) = 9.7
    9.4
    """

    def __init__(
        self,
        bucket_minutes: float,
        false_incidents_per_week: float,
        *,
        lag_blocks: int = 0,
        shape_max: float = SHAPE_MAX,
    ) -> None:
        if not (bucket_minutes > 0 and false_incidents_per_week > 0):
            raise ValueError("bucket_minutes and false_incidents_per_week must be over zero")
        self._block_buckets = max(1, round(BLOCK_MINUTES / bucket_minutes))
        blocks_per_week = MINUTES_PER_WEEK / (self._block_buckets * bucket_minutes)
        self._chance = min(0.5, false_incidents_per_week / blocks_per_week)
        self._lag_blocks = lag_blocks
        self._shape_max = shape_max
        self._waiting: deque[float] = deque()
        self._maxima: deque[float] = deque()
        self._sorted: list[float] = []
        self._started = False
        self._in_block = 0
        self._block_max = -math.inf
        self._run = 0
        self._mean_excess = 0.0
        self._threshold = math.inf
        self._in_force = math.inf

    def __getstate__(self) -> dict[str, Any]:
        """Without the sorted copy."""
        return {name: value for name, value in self.__dict__.items() if name != "_sorted"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take a copied state, and sort it anew."""
        self.__dict__.update(state)
        self._sorted = sorted(self._maxima)

    def restore(self, other: Tail) -> None:
        """Take over the maxima that another has seen; what they mean is for this one's budget."""
        chance = self._chance
        self.__dict__.update(other.__dict__)
        if chance != self._chance:
            self._chance = chance
            self._fit()

    @property
    def threshold(self) -> float:
        """The score from which a verdict is an alarm; infinite until two days were seen."""
        return self._threshold

    @property
    def evidence(self) -> int:
        """Remembered hours that had any score."""
        return len(self._sorted) - bisect_right(self._sorted, -math.inf)

    def add(self, scores: FloatArray) -> None:
        """Learn the scores of one closed bucket.

        Args:
            scores: one value a row, shape (n,); ``-inf`` is no evidence; never NaN. Until the
                first finite score nothing is counted, since detectors that are still learning
                would make the tail look empty.
        """
        self.add_peak(float(np.max(scores, initial=-math.inf)))

    def add_peak(self, peak: float, in_force: float | None = None) -> None:
        """Learn the largest score of one closed bucket; the same as ``add`` of all of them.

        Args:
            peak: the score.
            in_force: the threshold that made it an alarm or not, if the bank used another one
                than this tail's: before a tail is known, a wave must not be taken for its body.
        """
        if not self._started and not math.isfinite(peak):
            return
        self._started = True
        self._in_force = self._threshold if in_force is None else in_force
        self._block_max = max(self._block_max, peak)
        self._in_block += 1
        if self._in_block == self._block_buckets:
            self._close_block()
            self._fit()

    def add_empty(self, buckets: int) -> None:
        """Learn ``buckets`` buckets without evidence; the same as as many empty ``add`` calls."""
        if not self._started:
            return
        blocks, self._in_block = divmod(self._in_block + buckets, self._block_buckets)
        if not blocks:
            return
        self._close_block(still_in=self._in_block)
        # Of a longer run only as much as the window holds can be remembered.
        for _ in range(min(blocks - 1, WINDOW_BLOCKS)):
            self._close_block(still_in=self._in_block)
        self._fit()

    def _close_block(self, still_in: int = 0) -> None:
        peak, self._block_max, self._in_block = self._block_max, -math.inf, still_in
        if peak < self._in_force:
            self._run = 0
            self._waiting.append(peak)
        else:
            if self._run % RUN_BLOCKS == 0:
                # A censored value of an exponential tail is worth its bound plus the mean excess.
                self._waiting.append(min(peak, self._in_force + self._mean_excess))
            self._run += 1
        if len(self._waiting) > self._lag_blocks:
            self._maxima.append(self._waiting.popleft())
            insort(self._sorted, self._maxima[-1])
            if len(self._maxima) > WINDOW_BLOCKS:
                del self._sorted[bisect_left(self._sorted, self._maxima.popleft())]

    def _fit(self) -> None:
        values = self._sorted
        blocks = len(values)
        peaks = min(max(PEAKS_MIN, math.ceil(PEAK_SHARE * blocks)), self.evidence - 1)
        if blocks < WARMUP_BLOCKS or peaks < PEAKS_MIN:
            self._threshold = math.inf
            return
        base = values[-peaks - 1]
        scale, shape = fit_pareto(np.array(values[-peaks:]) - base, self._shape_max)
        self._mean_excess = scale / (1.0 - shape)
        threshold = base + _excess(scale, shape, self._chance * blocks / peaks)
        # Scores with many ties (a scorer that says 1.0 for all that is strange) have no quantile
        # there: step over a value that alone overspends the budget twice.
        spendable = math.ceil(2 * self._chance * blocks) + 2
        if spendable < blocks:
            threshold = max(threshold, math.nextafter(values[-spendable - 1], math.inf))
        self._threshold = threshold


def fit_pareto(excesses: FloatArray, shape_max: float = SHAPE_MAX) -> tuple[float, float]:
    """Fit a generalised Pareto distribution by probability-weighted moments.

    Args:
        excesses: ascending, zero or more, shape (n,), n at least 1.
        shape_max: heaviest tail that is believed.

    Returns:
        Scale (zero when all excesses are zero) and shape (0 is exponential, negative is bounded,
        positive is heavy), the shape clipped and shrunk towards 0 for few excesses.
    """
    n = len(excesses)
    mean = float(excesses.sum()) / n
    if mean <= 0.0:
        return 0.0, 0.0
    share_above = 1.0 - (np.arange(1, n + 1) - 0.35) / n
    difference = mean - 2.0 * float((excesses * share_above).sum()) / n
    shape = 2.0 - mean / difference if difference > 0 else -SHAPE_MAX
    shape = min(max(shape, -SHAPE_MAX), shape_max) * n / (n + SHAPE_PRIOR)
    return mean * (1.0 - shape), shape


def _excess(scale: float, shape: float, chance: float) -> float:
    """The excess that is exceeded with probability ``chance``; zero when that is 1 or more."""
    if chance >= 1.0:
        return 0.0
    if abs(shape) < 1e-6:  # noqa: PLR2004
        return -scale * math.log(chance)
    return scale / shape * math.expm1(-shape * math.log(chance))
