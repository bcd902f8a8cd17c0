"""River's detectors as a bank: one object a watched row, for at most a few hundred rows.

What a detector sees at every bucket, zeros included, always scored before it is learned:

- supervised ones (``GaussianScorer``, ``PredictiveAnomalyDetection`` …): the fresh users as target
  ``y``; as ``x`` what was known before the bucket. The count itself is not in ``x``, or a
  regression would learn to read it off. Forecasters get no ``x``: theirs is the series alone.
- unsupervised ones (``HalfSpaceTrees`` …): the bucket, its past, and who its users are.

``detectors.river_row`` lists the features by name.

Scores of River's detectors are mostly two-sided: too few is as strange to them as too many. A surge
is too many, so only a count above the row's own mean, and of ``min_users`` or more, is evidence at
all; a score of exactly 0 is none either (River's "not ready yet"). Nor is there a common zero: one
detector says 1.1 where all is well, another -3. What is told is the score less what is usual in the
row, so that 0 is nothing strange, whatever the detector.

Limits, each counted: ``watched`` rows (``unwatched``), rows whose detector failed (``failures``).
A run of zeros is taught for ``ZERO_RUN`` buckets and no further: beyond that a run brings nothing
new to detectors with a window; those that average everything keep a mean that is too high for
sparse rows (slower, never falser), and a seasonal forecaster loses its phase in it.
"""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from detectors.bank import NO_ROWS, FloatArray, IntArray, Makeup, Scores
from detectors.river_calls import MINUTES_PER_DAY, Kind, warmup_buckets
from detectors.river_row import Described, Scale, WatchedRow
from detectors.scan import ScanBank
from detectors.tail import Tail

if TYPE_CHECKING:
    from numpy.typing import NDArray

ZERO_RUN = 256
IDLE_MINUTES = 7 * MINUTES_PER_DAY
FORGET_MINUTES = 12 * 60
WATCH_FROM = 20.0
"""Fresh users that a row must have had in all before an object is spent on it."""
FAILURE_TEXT_MAX = 200


class RiverBank:
    """A bank of clones of one River detector; see the module for what they are fed.

    Args:
        detector: any ``AnomalyDetector``, ``SupervisedAnomalyDetector``, filter around one, or
            pipeline that ends in one; never itself taught. Its randomness must be seeded.
        bucket_minutes: length of a bucket.
        false_incidents_per_week: the budget over all rows, spent by a :class:`Tail`.
        watched: largest number of rows with an object. First come, once a row has had
            ``WATCH_FROM`` fresh users (heavier first in one bucket); a row that was idle for a week
            makes place, the longest idle first.
        min_users: fresh users in a bucket below which nothing is evidence.

    Attributes:
        failures: row to message, for rows whose detector raised or scored NaN or infinity; they
            are retired and never score again.
    """

    def __init__(
        self,
        detector: Any,
        *,
        bucket_minutes: float,
        false_incidents_per_week: float,
        watched: int = 500,
        min_users: float = 5.0,
    ) -> None:
        self._prototype = detector
        self._kind = Kind.of(detector)
        self._bucket_minutes = bucket_minutes
        self._tail = Tail(bucket_minutes, false_incidents_per_week)
        self._watched_max = watched
        self._min_users = min_users
        self._scale = Scale.of(bucket_minutes)
        self._warmup = warmup_buckets(self._kind, bucket_minutes)
        self._idle_buckets = math.ceil(IDLE_MINUTES / bucket_minutes)
        self._clock = 0
        self._next = 0
        self._totals = np.zeros(0)
        self._last = np.zeros(0, dtype=np.int64)
        # Row 0 alone, to tell silence from a hole in the data: no question for River's detectors.
        self._all = ScanBank(
            bucket_minutes=bucket_minutes,
            false_incidents_per_week=false_incidents_per_week,
            min_users=min_users,
            fresh_for_buckets=1,
        )
        self._all.resize(np.array([-1]))
        self._rows: dict[int, WatchedRow] = {}
        self.failures: dict[int, str] = {}
        self._untold: list[tuple[int, str]] = []
        self._described: dict[int, Described] = {}
        self._memo: dict[tuple[int, int, float], float] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_memo": {}}

    def restore(self, other: RiverBank) -> None:
        """See ``Bank.restore``."""
        own = {name: getattr(self, name) for name in ("_watched_max", "_min_users")}
        tail = self._tail
        self.__dict__.update(other.__dict__ | own)
        tail.restore(other._tail)
        self._tail = tail

    def preview(self, _bucket: int, rows: IntArray, _fresh: FloatArray) -> NDArray[np.bool_]:
        """See ``Bank.preview``: River's detectors are asked of closed buckets only."""
        return np.zeros(len(rows), dtype=np.bool_)

    def judge(self, _bucket: int, _row: int, _fresh: FloatArray, _precision: float) -> None:
        """See ``Bank.judge``."""

    def wanted(self) -> IntArray:
        """See ``ModelBank.wanted``: only unsupervised detectors see the bucket itself."""
        return NO_ROWS if self._kind.supervised else self.watched

    def describe(self, _bucket: int, makeup: Makeup) -> None:
        """See ``ModelBank.describe``."""
        told = zip(makeup.values.tolist(), makeup.users.tolist(), strict=True)
        self._described = dict(zip(makeup.rows.tolist(), told, strict=True))
        self._memo.clear()

    def take_failures(self) -> list[tuple[int, str]]:
        """See ``ModelBank.take_failures``."""
        taken, self._untold = self._untold, []
        return taken

    @property
    def watched(self) -> IntArray:
        """The row numbers that have a detector, ascending."""
        return np.array(sorted(self._rows), dtype=np.int64)

    @property
    def unwatched(self) -> int:
        """Rows heavy enough to be watched for which there was no room."""
        return int(np.sum(self._totals >= WATCH_FROM)) - len(self._rows) - len(self.failures)

    def resize(self, parents: IntArray, countries: IntArray | None = None) -> None:  # noqa: ARG002
        """Make room for ``len(parents)`` rows; River's detectors borrow from no parent."""
        more = len(parents) - len(self._totals)
        self._totals = np.concatenate([self._totals, np.zeros(more)])
        self._last = np.concatenate([self._last, np.full(more, self._clock, dtype=np.int64)])

    def expose(self, tests_per_week: float) -> None:
        """Nothing to do: the tail learns by itself how often a week gives a chance."""

    def score_many(
        self,
        bucket: int,
        rows: IntArray,
        fresh: FloatArray,
        precision: FloatArray,  # noqa: ARG002
        longest: IntArray | None = None,  # noqa: ARG002
    ) -> Scores:
        """Score ``rows``; rows without a ready detector score ``-inf``.

        ``precision`` is not used: sampling noise is part of what detectors and their tail learn;
        nor is ``longest``: there are no windows.
        ``upper`` is not known for a black box. It is the mean plus three Poisson deviations, moved
        to the side of ``observed`` where the verdict puts it.
        """
        score = np.full(len(rows), -np.inf)
        expected, zero = np.zeros(len(rows)), np.zeros(len(rows))
        for i, (index, count) in enumerate(zip(rows.tolist(), fresh.tolist(), strict=True)):
            row = self._rows.get(index)
            if row is None:
                continue
            expected[i] = row.mean(self._clock, self._scale)
            zero[i] = row.usual_score(self._warmup)
            try:
                score[i] = self._evidence(index, row, bucket, count)
            except Exception:  # noqa: BLE001, S112 - foreign code; learn_many retires the row
                continue
        score -= zero
        threshold = self._tail.threshold - zero
        band = self._upper(expected)
        alarm = score >= threshold
        upper = np.where(alarm, np.minimum(band, fresh), np.maximum(band, fresh + 1.0))
        return Scores(
            score=score,
            threshold=threshold,
            observed=fresh.astype(np.float64),
            expected=expected,
            upper=upper,
            window=np.ones(len(rows), dtype=np.int64),
        )

    def _upper(self, expected: FloatArray) -> FloatArray:
        return np.maximum(expected + 3.0 * np.sqrt(expected + 1.0), self._min_users)

    def band(self, buckets: IntArray, rows: IntArray) -> tuple[FloatArray, FloatArray]:
        """The rows' means now, whatever the bucket (0 if unwatched), and ``upper`` of them."""
        means = [
            self._rows[index].mean(self._clock, self._scale) if index in self._rows else 0.0
            for index in rows.tolist()
        ]
        expected = np.array(means, dtype=np.float64).reshape(buckets.shape)
        return expected, self._upper(expected)

    @property
    def is_ready(self) -> bool:
        """See ``Bank.is_ready``: the tail must know a threshold, which takes two days of scores."""
        return math.isfinite(self._tail.threshold)

    def log_silence(self, first: int, last: int) -> float:
        """See ``Bank.log_silence``; the scan's baseline of ``all`` answers it."""
        return self._all.log_silence(first, last)

    def weight(self) -> FloatArray:
        """All fresh users of a row so far, 0 after twelve hours without, a week if watched."""
        silent = self._clock - self._last
        idle = silent >= math.ceil(FORGET_MINUTES / self._bucket_minutes)
        watched = self.watched
        idle[watched] = silent[watched] >= self._idle_buckets
        return np.where(idle, 0.0, self._totals)

    def mute(self, bucket: int, rows: IntArray) -> None:
        """Nothing to do: no window is longer than its bucket."""

    def learn_many(self, bucket: int, rows: IntArray, fresh: FloatArray) -> None:
        """Learn a closed bucket: its scores go to the tail, then the counts to the detectors."""
        counts = dict(zip(rows.tolist(), fresh.tolist(), strict=True))
        scores = []
        for index, count in counts.items():
            row = self._rows.get(index)
            if row is None:
                continue
            try:
                score = self._evidence(index, row, bucket, count)
                scores.append(score)
                if score > -math.inf:
                    row.note(score)
            except Exception as error:  # noqa: BLE001 - foreign code is isolated to its row
                self._retire(index, error)
        self._tail.add(np.array(scores))
        first = rows == 0
        self._all.learn_many(bucket, rows[first], fresh[first])
        self._totals[rows] += fresh
        self._admit(rows)
        self._last[rows[fresh > 0]] = self._clock + 1
        for index, row in list(self._rows.items()):
            count = counts.get(index, 0.0)
            if count > 0 or self._clock - row.seen < ZERO_RUN:
                self._teach(index, row, bucket, count)
        self._clock += 1
        self._next = bucket + 1
        self._described = {}
        self._memo.clear()

    def skip(self, first: int, last: int, *, missing: bool) -> None:
        """See ``Bank.skip``.

        Of zeros that turn out to be a hole the rows' means are freed; what detectors and the tail
        were taught of them stays, which is at most ``ZERO_RUN`` buckets and some silent hours.
        """
        self._all.skip(first, last, missing=missing)
        self._memo.clear()
        if missing:
            self._clock -= max(0, min(last + 1, self._next) - first)
            self._next = max(self._next, last + 1)
            return
        buckets = last - first + 1
        self._tail.add_empty(buckets)
        end = self._clock + buckets
        for bucket in range(first, min(last + 1, first + ZERO_RUN)):
            due = [(i, row) for i, row in self._rows.items() if self._clock - row.seen < ZERO_RUN]
            for index, row in due:
                self._teach(index, row, bucket, 0.0)
            self._clock += 1
        self._clock = end
        self._next = last + 1

    def keep(self, rows: IntArray) -> None:
        """Forget all rows but these; row ``rows[i]`` becomes row ``i``."""
        old = rows.tolist()
        self._totals, self._last = self._totals[rows], self._last[rows]
        self._rows = {new: self._rows[was] for new, was in enumerate(old) if was in self._rows}
        self.failures = {
            new: self.failures[was] for new, was in enumerate(old) if was in self.failures
        }
        number = {was: new for new, was in enumerate(old)}
        self._untold = [(number.get(was, -1), text) for was, text in self._untold]
        self._memo.clear()

    def _evidence(self, index: int, row: WatchedRow, bucket: int, count: float) -> float:
        """The row's score, ``-inf`` for none; changes nothing but the memo of it.

        Raises:
            Exception: whatever ``Kind.score`` raises.
        """
        mean = row.mean(self._clock, self._scale)
        if row.learned < self._warmup or count < self._min_users or count <= mean:
            return -math.inf
        key = (index, bucket, count)
        if key not in self._memo:
            x = self._features(index, row, bucket, count)
            # The one scorer that counts its own scores must not count those of a look.
            detector = copy.deepcopy(row.detector) if self._kind.counts else row.detector
            self._memo[key] = self._kind.score(detector, x, count)
        return self._memo[key]

    def _features(self, index: int, row: WatchedRow, bucket: int, count: float) -> dict[str, float]:
        if self._kind.supervised:
            return row.known_before(bucket, self._clock, self._scale)
        return row.seen_in(bucket, self._clock, count, self._described.get(index), self._scale)

    def _teach(self, index: int, row: WatchedRow, bucket: int, count: float) -> None:
        x = self._features(index, row, bucket, count)
        try:
            self._kind.learn(row.detector, x, count, first=row.learned < self._warmup // 2)
        except Exception as error:  # noqa: BLE001 - foreign code is isolated to its row
            self._retire(index, error)
            return
        row.learn(bucket, self._clock, count, self._described.get(index), self._scale)

    def _retire(self, index: int, error: Exception) -> None:
        del self._rows[index]
        said = "".join(c if c.isprintable() else " " for c in str(error))
        self.failures[index] = f"{type(error).__name__}: {said}"[:FAILURE_TEXT_MAX]
        self._untold.append((index, self.failures[index]))

    def _admit(self, rows: IntArray) -> None:
        heavy = [
            index
            for index in rows[self._totals[rows] >= WATCH_FROM].tolist()
            if index not in self._rows and index not in self.failures
        ]
        heavy.sort(key=lambda index: (-self._totals[index], index))
        if not heavy:
            return
        idle: list[int] = []
        if len(self._rows) + len(heavy) > self._watched_max:
            named = set(rows.tolist())
            idle = [
                index
                for index, row in self._rows.items()
                if self._clock - row.seen >= self._idle_buckets and index not in named
            ]
            idle.sort(key=lambda index: (self._rows[index].seen, index))
        for index in heavy:
            if len(self._rows) >= self._watched_max:
                if not idle:
                    return
                del self._rows[idle.pop(0)]
            self._rows[index] = WatchedRow(self._prototype.clone(), seen=self._clock)
