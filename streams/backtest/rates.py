"""How far a count of rare events tells their rate."""

from __future__ import annotations

import math

import numpy as np

_STEPS = 200


def poisson_interval(count: int, level: float = 0.95) -> tuple[float, float]:
    """The means under which a Poisson count like this, or a stranger one, is not too rare.

    Garwood's exact interval (Biometrika 28, 1936): under its lower end so many or more come up
    with ``(1 - level) / 2``, under its upper end so few or fewer.

    Args:
        count: of events, zero or more.
        level: of confidence, in (0, 1).

    Returns:
        Both ends, in events.

    >>> [round(end, 3) for end in poisson_interval(0)]
    [0.0, 3.689]
    >>> [round(end, 3) for end in poisson_interval(10)]
    [4.795, 18.39]
    """
    tail = (1.0 - level) / 2.0
    reach = count + 12.0 * math.sqrt(count + 1.0) + 12.0
    low = 0.0 if count == 0 else _solve(count - 1, 1.0 - tail, reach)
    return low, _solve(count, tail, reach)


def _solve(count: int, chance: float, reach: float) -> float:
    """The mean under which ``count`` or fewer come up with ``chance``."""
    number = np.arange(count + 1)
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, count + 1)))])
    low, high = 0.0, reach
    for _ in range(_STEPS):
        mean = (low + high) / 2
        if mean in (low, high):
            break
        at_most = float(np.exp(number * math.log(mean) - mean - log_factorial).sum())
        low, high = (mean, high) if at_most > chance else (low, mean)
    return (low + high) / 2
