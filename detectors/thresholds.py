"""From which score the scan raises an alarm: as modelled at first, then as its scores have shown.

The model: by Chernoff's bound a quiet series exceeds a score ``s`` in one window with a probability
of at most ``exp(-s)``, and the windows that end in one bucket overlap so much that together they
exceed it hardly more often (``benchmarks/detection/quiet.py``), so the budget asks for a threshold
of ``ln(chances a week / budget)``, and a bit more, since users come in groups. Real series are
burstier than the model, or milder: the longer the scores of the past have been seen, the more the
threshold follows their tail.
"""

from __future__ import annotations

import math

from detectors.tail import Tail

BURSTS = 5.0
"""Chances that a bucket with users gives, until a tail has been learned: users are not quite
independent of each other, and what is usual is not quite known."""
CHANCES_MIN = 20.0
"""Chances a week for each incident of the budget: with fewer there would be no threshold."""
UNPROVEN = (1.0, 1.8)
"""Until a tail has been learned, how much longer than modelled it is taken to be: young hashtags
come in bursts, the model knows only chance."""
MODEL_HOURS = 168.0
"""The model weighs as much as so many hours of scores that are smaller than it says."""
TAIL_LAG_HOURS = 12
"""A wave shows in the scores hours before it passes the threshold; scores so young don't count."""


class Thresholds:
    """The thresholds of two groups of series, the grown (0) and the young (1).

    Each spends half of the budget.

    Args:
        bucket_minutes: length of a bucket.
        false_incidents_per_week: the budget of both.

    Attributes:
        modelled: what the budget asks for if quiet series behaved exactly as modelled.
    """

    def __init__(self, bucket_minutes: float, false_incidents_per_week: float) -> None:
        self._share = false_incidents_per_week / 2.0
        self._tails = [
            Tail(bucket_minutes, self._share, lag_blocks=TAIL_LAG_HOURS, shape_max=0.0)
            for _ in UNPROVEN
        ]
        self.expose(1_000.0)

    def expose(self, tests_per_week: float) -> None:
        """See ``Bank.expose``."""
        self.modelled = math.log(max(BURSTS * tests_per_week / self._share, CHANCES_MIN))

    def restore(self, other: Thresholds) -> None:
        """Take over what another has learned, for this one's own budget."""
        self.modelled = other.modelled
        for tail, learned in zip(self._tails, other._tails, strict=True):
            tail.restore(learned)

    def of(self, group: int) -> float:
        """The threshold of a group."""
        tail = self._tails[group]
        if tail.threshold == math.inf:
            return self.modelled * UNPROVEN[group]
        return believed(self.modelled, tail)

    def learn(self, group: int, best: float) -> None:
        """Learn the largest score of a group in one closed bucket; 0 is none."""
        self._tails[group].add_peak(best or -math.inf, self.of(group))

    def learn_empty(self, buckets: int) -> None:
        """Learn that so many buckets had no score in either group."""
        for tail in self._tails:
            tail.add_empty(buckets)


def believed(modelled: float, tail: Tail) -> float:
    """A threshold between the modelled one and that of a tail, which has one.

    A longer tail than modelled is believed at once, a shorter one as its evidence grows.
    """
    learned = tail.threshold
    if learned >= modelled:
        return learned
    return learned + (modelled - learned) * MODEL_HOURS / (MODEL_HOURS + tail.evidence)
