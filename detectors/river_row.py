"""What is known of one row that a River detector watches, and the features it is given.

Every feature, by name. A *supervised* detector (S) has the bucket's fresh users as its target ``y``
and gets what was known before the bucket; an *unsupervised* one (U) sees the bucket itself.

==================  ====  ======================================================
feature             for   what it is
==================  ====  ======================================================
``fresh``           U     log(1 + fresh users of the bucket)
``hour``            U     log(1 + fresh users of the hour that ends with it)
``ratio``           U     log((1 + fresh users) / (1 + the row's mean))
``growth``          S, U  log((1 + an hour's fresh users) / (1 + the hour's before)); the hour ends
                          with the bucket (U) or before it (S)
``newcomers``       U     share of newcomers among users of known age
``posts_per_user``  U     log(posts / users)
``languages``       U     entropy of the users' languages, in nats
``before``          S     log(1 + fresh users of the hour before the bucket)
``usual``           S     log(1 + the row's mean)
``hour_sin``        S, U  hour of day on a circle, UTC
``hour_cos``        S, U  the same
``weekday``         S, U  0 on Monday to 1 on Sunday, UTC
==================  ====  ======================================================

All logarithms are natural. The row's mean is over buckets, and forgets by half in a day.

``newcomers``, ``posts_per_user`` and ``languages`` say who the users of the bucket are, fresh or
not (``detectors.bank.Makeup``). A handful of users says little, so each is drawn towards what is
usual in the row as if ``PRIOR_USERS`` more users had been usual ones; a bucket without users, or a
stream of bare counts, leaves them at the usual. The entropy is Shannon's (A Mathematical Theory of
Communication, 1948): 0 for one language, 0.69 for two in equal parts.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from detectors.bank import MAKEUP
from detectors.river_calls import MINUTES_PER_DAY, time_features

HALF_LIFE_MINUTES = MINUTES_PER_DAY
HOUR_MINUTES = 60
PRIOR_USERS = 5.0
USUAL_USERS = 500.0
"""What is usual is a mean over about so many of the latest users."""

USUAL_SHARE = 0.25
"""Evidence in a larger share of a row's buckets is usual there."""

Described = tuple[list[float], list[float]]
"""Of one row in one bucket: the values of ``MAKEUP``, and how many users each rests on."""


@dataclass(frozen=True, slots=True)
class Scale:
    """What a bucket's length makes of the lengths of time.

    Attributes:
        minutes: length of a bucket.
        hour: buckets in an hour, at least 1.
        keep: what is kept of a mean's past in one bucket.
    """

    minutes: float
    hour: int
    keep: float

    @classmethod
    def of(cls, bucket_minutes: float) -> Scale:
        """The scale of buckets of this length."""
        hour = max(1, round(HOUR_MINUTES / bucket_minutes))
        return cls(bucket_minutes, hour, 0.5 ** (bucket_minutes / HALF_LIFE_MINUTES))


def _median() -> Any:
    from river import stats  # noqa: PLC0415 - a second to import

    return stats.Quantile(0.5)


@dataclass(slots=True)
class WatchedRow:
    """A detector and the recent past of its row.

    ``clock`` counts the buckets that were taught, as the bank does: buckets of missing data are
    not in it.

    Attributes:
        detector: River's object.
        seen: the clock just after the row's last bucket with fresh users.
        learned: buckets taught to the detector.
        total: fresh users, exponentially forgotten, as of ``seen``.
        weight: buckets, forgotten likewise, as of ``seen``.
        recent: (bucket, fresh users) of the last two hours' buckets that had any.
        usual: the usual values of ``MAKEUP``.
        usual_users: users that each of them rests on, at most ``USUAL_USERS``.
        scored: buckets in which the detector's score was evidence.
        median: of those scores.
    """

    detector: Any
    seen: int
    learned: int = 0
    total: float = 0.0
    weight: float = 0.0
    recent: deque[tuple[int, float]] = field(default_factory=deque)
    usual: list[float] = field(default_factory=lambda: [0.0] * len(MAKEUP))
    usual_users: list[float] = field(default_factory=lambda: [0.0] * len(MAKEUP))
    scored: int = 0
    median: Any = field(default_factory=_median)

    def mean(self, clock: int, scale: Scale) -> float:
        """The mean count a bucket, the zeros since ``seen`` included."""
        zeros = max(0, clock - self.seen)
        left = scale.keep**zeros
        weight = self.weight * left + (1.0 - left) / (1.0 - scale.keep)
        return self.total * left / weight if weight > 0 else 0.0

    def note(self, score: float) -> None:
        """Take in a score that was evidence."""
        self.scored += 1
        self.median.update(score)

    def usual_score(self, warmup: int) -> float:
        """What the detector says when nothing is strange, which is 0 for some of them only.

        The median of its scores, where they are as common as that; a row that rarely has enough
        users for evidence has none that is usual.

        Args:
            warmup: buckets that it learned before its scores counted.
        """
        common = self.scored > USUAL_SHARE * (self.learned - warmup)
        return float(self.median.get() or 0.0) if common else 0.0

    def known_before(self, bucket: int, clock: int, scale: Scale) -> dict[str, float]:
        """The features of a supervised detector."""
        before = self._users(bucket - scale.hour, bucket)
        earlier = self._users(bucket - 2 * scale.hour, bucket - scale.hour)
        return {
            "before": math.log1p(before),
            "usual": math.log1p(self.mean(clock, scale)),
            "growth": math.log1p(before) - math.log1p(earlier),
            **time_features(bucket, scale.minutes),
        }

    def seen_in(
        self, bucket: int, clock: int, count: float, described: Described | None, scale: Scale
    ) -> dict[str, float]:
        """The features of an unsupervised detector.

        Args:
            bucket: index of the bucket.
            clock: see the class.
            count: its fresh users.
            described: who its users are; None when that is not known.
            scale: of the bank.
        """
        hour = self._users(bucket - scale.hour + 1, bucket) + count
        before = self._users(bucket - 2 * scale.hour + 1, bucket - scale.hour + 1)
        return {
            "fresh": math.log1p(count),
            "hour": math.log1p(hour),
            "ratio": math.log1p(count) - math.log1p(self.mean(clock, scale)),
            "growth": math.log1p(hour) - math.log1p(before),
            **dict(zip(MAKEUP, self._drawn(described), strict=True)),
            **time_features(bucket, scale.minutes),
        }

    def learn(
        self, bucket: int, clock: int, count: float, described: Described | None, scale: Scale
    ) -> None:
        """Take in a bucket; arguments as of ``seen_in``. The detector is taught by the bank."""
        self.learned += 1
        if described is not None:
            self._learn_usual(described)
        if count <= 0:
            return
        left = scale.keep ** max(0, clock - self.seen)
        zeros_weight = (1.0 - left) / (1.0 - scale.keep)
        self.total = self.total * left * scale.keep + count
        self.weight = (self.weight * left + zeros_weight) * scale.keep + 1.0
        self.seen = clock + 1
        self.recent.append((bucket, count))
        while self.recent[0][0] <= bucket - 2 * scale.hour:
            self.recent.popleft()

    def _users(self, first: int, end: int) -> float:
        """Fresh users of the buckets from ``first`` to before ``end``."""
        return sum(n for bucket, n in self.recent if first <= bucket < end)

    def _drawn(self, described: Described | None) -> list[float]:
        if described is None:
            return self.usual
        return [
            (value * users + usual * PRIOR_USERS) / (users + PRIOR_USERS)
            for value, users, usual in zip(*described, self.usual, strict=True)
        ]

    def _learn_usual(self, described: Described) -> None:
        for i, (value, users) in enumerate(zip(*described, strict=True)):
            if users > 0:
                rests_on = self.usual_users[i] + users
                self.usual[i] += (value - self.usual[i]) * users / rests_on
                self.usual_users[i] = min(rests_on, USUAL_USERS)
