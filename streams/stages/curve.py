"""A bounded curve of observed against expected, for an alert's plot."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streams.events import Point

STEPS_MAX = 120


@dataclass
class Step:
    """Consecutive buckets drawn as one: their sums."""

    first: int
    buckets: int
    observed: float
    expected: float
    margin2: float

    def add(self, other: Step) -> None:
        """Take in the step that follows; independent margins add up in quadrature."""
        self.buckets = other.first + other.buckets - self.first
        self.observed += other.observed
        self.expected += other.expected
        self.margin2 += other.margin2


class Curve:
    """At most ``STEPS_MAX`` steps; when full, neighbours are joined and steps become longer."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.width = 1

    def add(self, point: Point) -> None:
        """Append a bucket, newer than all before; missing ones leave a hole."""
        margin = max(point.upper - point.expected, 0.0)
        step = Step(point.bucket, 1, point.observed, point.expected, margin * margin)
        last = self.steps[-1] if self.steps else None
        if last is not None and step.first // self.width == last.first // self.width:
            last.add(step)
            return
        self.steps.append(step)
        while len(self.steps) > STEPS_MAX:
            self._widen()

    def _widen(self) -> None:
        self.width *= 2
        joined: list[Step] = []
        for step in self.steps:
            if joined and joined[-1].first // self.width == step.first // self.width:
                joined[-1].add(step)
            else:
                joined.append(step)
        self.steps = joined

    def upper(self, step: Step) -> float:
        """Upper end of a step's band."""
        return step.expected + math.sqrt(step.margin2)
