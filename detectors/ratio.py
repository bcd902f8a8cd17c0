"""The likelihood ratio that the scan is made of, and its inverse.

The log-likelihood ratio of ``N`` users in a window against their expectation ``M`` under a negative
binomial law with dispersion ``φ`` (``r = 1/φ``)::

    N ln(N/M) - (N + r) ln((N + r)/(M + r))        for N > M, else 0

As ``φ`` goes to 0 it becomes Kulldorff's Poisson scan statistic ``N ln(N/M) - (N - M)``
(Communications in Statistics - Theory and Methods 26, 1997).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from detectors.bank import FloatArray

_NEWTON_STEPS = 10
_NEAR = 1e-12


def log_likelihood_ratio(
    observed: FloatArray, expected: FloatArray, dispersion: FloatArray
) -> FloatArray:
    """The score of one window; arrays of any shape that broadcast.

    >>> x = log_likelihood_ratio(np.array([20.0, 4.0]), np.array([5.0, 5.0]), np.array([1e-9]))
    >>> [round(float(v), 3) for v in x]  # 20 ln 4 − 15
    [12.726, 0.0]
    """
    shape = 1.0 / dispersion
    n = np.maximum(observed, expected)
    return np.asarray(
        n * np.log(n / expected) - (n + shape) * np.log((n + shape) / (expected + shape))
    )


def single_ratio(observed: float, expected: float, dispersion: float) -> float:
    """``log_likelihood_ratio`` of single numbers, ``observed`` over ``expected``."""
    shape = 1.0 / dispersion
    return observed * math.log(observed / expected) - (observed + shape) * math.log(
        (observed + shape) / (expected + shape)
    )


def upper_count(
    expected: FloatArray, dispersion: FloatArray, score: FloatArray | float
) -> FloatArray:
    """The count whose score is ``score``: the inverse of the ratio above, by Newton's method.

    >>> n = upper_count(np.array([5.0]), np.array([1e-9]), 12.726)
    >>> round(float(n[0]), 2)
    20.0
    """
    shape = 1.0 / dispersion
    spread = np.sqrt(2.0 * score * expected * (1.0 + dispersion * expected))
    count = expected + spread + 2.0 * score
    # The ratio is convex in the count, so Newton's steps fall towards the root from above.
    for _ in range(_NEWTON_STEPS):
        slope = np.log(count / expected) - np.log((count + shape) / (expected + shape))
        miss = log_likelihood_ratio(count, expected, dispersion) - score
        count = np.maximum(count - miss / slope, expected * (1.0 + 1e-9) + 1e-9)
    return np.asarray(count)


def single_upper(expected: float, dispersion: float, score: float) -> float:
    """``upper_count`` of single numbers."""
    shape = 1.0 / dispersion
    spread = math.sqrt(2.0 * score * expected * (1.0 + dispersion * expected))
    count = expected + spread + 2.0 * score
    for _ in range(_NEWTON_STEPS):
        slope = math.log(count / expected) - math.log((count + shape) / (expected + shape))
        miss = single_ratio(count, expected, dispersion) - score
        count = max(count - miss / slope, expected * (1.0 + 1e-9) + 1e-9)
        if abs(miss) < _NEAR * score:
            break
    return count
