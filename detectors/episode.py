"""The life cycle of one series: when an episode opens, peaks and closes.

The rules, which the documentation's diagram is drawn from, are ``TRANSITIONS``. What the signs
mean stands at ``Episode.sign``. Silence of the source (missing data) gives no sign at all, so it
never closes an episode.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from detectors.forecast import SPANS_MINUTES, Horizon, features, forecast, late_rate

if TYPE_CHECKING:
    from collections.abc import Sequence


class State(StrEnum):
    """State of a series."""

    QUIET = "quiet"
    OPEN = "open"
    PEAKED = "peaked"


class Sign(StrEnum):
    """What one bucket says of a series."""

    ALARM = "alarm"
    FALLING = "falling"
    RISING = "rising"
    CALM = "calm"
    NONE = "none"


TRANSITIONS: dict[tuple[State, Sign], State] = {
    (State.QUIET, Sign.ALARM): State.OPEN,
    (State.OPEN, Sign.FALLING): State.PEAKED,
    (State.PEAKED, Sign.RISING): State.OPEN,
    (State.OPEN, Sign.CALM): State.QUIET,
    (State.PEAKED, Sign.CALM): State.QUIET,
}
"""Every change of state; any other sign leaves the state as it is."""

FALLEN = 0.6
"""An hour with less than this share of the best hour is past the peak ..."""
RISEN = 1.2
"""... and one with more than this multiple of it is a new rise."""
CALM_SHARE = 1.0 / 3.0
"""A score below this share of the threshold is calm."""
NOISE_SIGMAS = 3.0
GROWTH_SPANS_MINUTES = (60.0, 30.0, 15.0, 10.0, 5.0)
GROWTH_USERS_MIN = 10.0


def next_state(state: State, sign: Sign) -> State:
    """The state after a sign.

    >>> next_state(State.QUIET, Sign.CALM)
    <State.QUIET: 'quiet'>
    """
    return TRANSITIONS.get((state, sign), state)


@dataclass
class Episode:
    """One run of unusual buckets in one series.

    Attributes:
        opened: bucket that raised the alarm.
        onset: first bucket of the estimated surge, at or before ``opened``.
        window: winning window at the opening, buckets; calm is judged over no longer ones.
        hour: buckets an hour has (at least 1).
        close_after: buckets of calm that close the episode.
        excess: users above expectation since the onset.
    """

    opened: int
    onset: int
    window: int
    hour: int
    close_after: int
    state: State = State.OPEN
    excess: float = 0.0
    calm_for: int = 0
    silent_for: int = 0
    since_peak: int = 0
    peak: float = 0.0
    peak_bucket: int = 0
    _fresh: list[float] = field(default_factory=lambda: [0.0])
    _expected: list[float] = field(default_factory=lambda: [0.0])

    def observe(self, bucket: int, fresh: float, expected: float) -> None:
        """Take in one bucket of good data, in order; the first is the onset's."""
        self.excess += fresh - expected
        # Running totals, so that the sum over any recent span is a difference.
        self._fresh.append(self._fresh[-1] + fresh)
        self._expected.append(self._expected[-1] + expected)
        if len(self._fresh) > 4 * self.hour + 1:
            del self._fresh[: 2 * self.hour]
            del self._expected[: 2 * self.hour]
        self.since_peak += 1
        last_hour = self.last_hour
        if last_hour > self.peak:
            self.peak, self.peak_bucket, self.since_peak = last_hour, bucket, 0

    def take_back(self, buckets: int) -> None:
        """Forget the newest ``buckets`` buckets: they held nothing because data were missing."""
        buckets = min(buckets, len(self._fresh) - 1)
        if buckets > 0:
            self.excess += self._expected[-1] - self._expected[-1 - buckets]
            del self._fresh[-buckets:]
            del self._expected[-buckets:]
            self.since_peak = max(self.since_peak - buckets, 0)
        self.silent_for = 0

    @property
    def last_hour(self) -> float:
        """Fresh users of the last hour."""
        return self._fresh[-1] - self._fresh[max(len(self._fresh) - 1 - self.hour, 0)]

    def _sum(self, skip: int, count: int) -> tuple[float, float]:
        """Fresh and expected users of ``count`` buckets, ``skip`` buckets ago."""
        end = len(self._fresh) - 1 - skip
        start = end - count
        return self._fresh[end] - self._fresh[start], self._expected[end] - self._expected[start]

    def late_rate(self) -> float:
        """Users an hour beyond the usual of late; see ``detectors.forecast``."""
        held = len(self._fresh) - 1
        pieces: list[tuple[float, float, float]] = []
        end = 0
        for span_minutes in SPANS_MINUTES:
            start = min(round(span_minutes * self.hour / 60.0), held)
            if start > end:
                fresh, expected = self._sum(end, start - end)
                pieces.append((start / self.hour, end / self.hour, fresh - expected))
                end = start
        if end == 0 and held:  # a bucket is longer than all of these
            fresh, expected = self._sum(0, 1)
            pieces.append((1.0 / self.hour, 0.0, fresh - expected))
        return late_rate(pieces)

    def forecast(self, bucket: int, users: float, expected: Sequence[float]) -> list[Horizon]:
        """New users of the coming hours.

        Args:
            bucket: the newest.
            users: distinct users since the onset.
            expected: users that are usual in each of the next six hours.
        """
        age_hours = (bucket + 1 - self.onset) / self.hour
        x = features(age_hours, users, peaked=self.state is State.PEAKED)
        return forecast(self.late_rate(), x, expected)

    def sign(self, score: float, threshold: float, *, silent: bool) -> Sign:
        """What the newest bucket says.

        Calm wins over a fall, and both need time: a fall an hour of data after the peak, calm
        ``close_after`` buckets in a row. A bucket in which the whole source was silent says
        nothing until another post shows that data were not missing.

        Args:
            score: over windows no longer than ``window`` or an hour.
            threshold: of the score.
            silent: was there no foreign post at all, in any series?
        """
        if silent:
            self.silent_for += 1
            return Sign.NONE
        calm = score < CALM_SHARE * threshold
        self.calm_for = self.calm_for + self.silent_for + 1 if calm else 0
        self.silent_for = 0
        if self.calm_for >= self.close_after:
            return Sign.CALM
        now, peak = self.last_hour, self.peak
        if self.state is State.PEAKED:
            # The peak has moved up with the rise; compare with the one that was left.
            return Sign.RISING if now > RISEN * self._left_peak else Sign.NONE
        low = now < FALLEN * peak and peak - now > NOISE_SIGMAS * math.sqrt(peak)
        if low and self.since_peak >= self.hour:
            return Sign.FALLING
        return Sign.NONE

    _left_peak: float = 0.0

    def move(self, sign: Sign) -> bool:
        """Follow a sign; true when the state changes."""
        before, self.state = self.state, next_state(self.state, sign)
        if sign is Sign.FALLING:
            self._left_peak = self.peak
        return self.state is not before

    def doubling_minutes(self, bucket_minutes: float) -> float | None:
        """Time in which the excess doubles, over the longest span that shows growth, or None.

        The excess of the last span against that of the span before: ``span ln 2 / ln(e2/e1)``.
        """
        for span_minutes in GROWTH_SPANS_MINUTES:
            span = max(1, round(span_minutes / bucket_minutes))
            if 2 * span >= len(self._fresh) or span > self.hour:
                continue
            late, late_expected = self._sum(0, span)
            early, early_expected = self._sum(span, span)
            e2, e1 = late - late_expected, early - early_expected
            noise = 2.0 * math.sqrt(late + early)
            if late >= GROWTH_USERS_MIN and e1 > 0.0 and e2 - e1 > noise:
                return span * bucket_minutes * math.log(2.0) / math.log(e2 / e1)
        return None
