"""A detector of one's own: how far a count is above a forgetting mean, in Poisson deviations."""

from __future__ import annotations

from typing import Any

from river import base


class Jump(base.AnomalyDetector):  # type: ignore[misc]
    """Scores the rise of a count over its forgetting mean.

    Args:
        keep: share of the mean that is kept at each count.

    >>> detector = Jump()
    >>> for _ in range(50):
    ...     detector.learn_one({"fresh": 4.0})
    >>> round(detector.score_one({"fresh": 9.0}), 1)
    2.2
    """

    def __init__(self, keep: float = 0.9) -> None:
        self.keep = keep
        self._mean = 0.0

    def learn_one(self, x: dict[str, Any]) -> None:
        """Learn the next count."""
        self._mean = self.keep * self._mean + (1.0 - self.keep) * float(x.get("fresh", 0.0))

    def score_one(self, x: dict[str, Any]) -> float:
        """Score the next count; 0 below the mean."""
        rise = float(x.get("fresh", 0.0)) - self._mean
        return max(rise, 0.0) / (self._mean + 1.0) ** 0.5
