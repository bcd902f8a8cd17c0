"""The default detector: a multi-window scan of fresh users against what is expected.

For windows of one bucket to twelve hours that end now, the fresh users of the window are compared
with their expectation (``detectors.ratio``); the largest ratio over the windows is the score.

What score is an alarm stands in ``detectors.thresholds``.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Any

import numpy as np

from detectors.bank import NO_ROWS, NO_USERS, FloatArray, IntArray, Scores, Verdict
from detectors.baseline import Baseline, overlap
from detectors.ratio import log_likelihood_ratio, single_ratio, single_upper, upper_count
from detectors.thresholds import Thresholds
from detectors.week import HOURS
from detectors.windows import WindowSums

if TYPE_CHECKING:
    from numpy.typing import NDArray

WINDOW_MINUTES = (1, 2, 3, 5, 10, 15, 30, 60, 120, 240, 480, 720)
YOUNG_USERS = 1.0
"""A series that is remembered to have brought fewer users than this is young: it has no history
that could say how bursty it is, so young series share one tail."""
LOOK_FROM_USERS = 3
"""Smaller windows say nothing, not even to the tail of scores."""
TAIL_AFTER_HOURS = 12.0
"""Before so much has been learned, scores say more of our ignorance than of the series."""
UPPER_FROM = 0.3
"""Share of the threshold from which a score is worth the count that would have reached it."""
FEW_ROWS = 32
UNSEEN = (-1, 0.0, 0.0)
_BACKLOG_HOURS = 1.0
_ROWS_MIN = 256
_OVERLAPS_MAX = 1_500
_IDLE_USERS = 1e-6
_IDLE_MASS = 0.5
_SILENCE_MIN = 5.0
"""Silence where fewer users than this were expected is not looked at any closer."""


class ScanBank:
    """The scan over many series; see ``detectors.bank.Bank`` for the protocol.

    Args:
        bucket_minutes: length of a bucket; must divide an hour.
        false_incidents_per_week: the budget over all series.
        min_users: a window with fewer fresh users never scores.
        fresh_for_buckets: how long a user stays counted; the backlog after a gap ends with it.
    """

    def __init__(
        self,
        *,
        bucket_minutes: float,
        false_incidents_per_week: float,
        min_users: float,
        fresh_for_buckets: int,
    ) -> None:
        self.bucket_hours = bucket_minutes / 60.0
        self._per_hour = round(60.0 / bucket_minutes)
        self._per_day = HOURS * self._per_hour
        self.min_users = min_users
        self.fresh_for = fresh_for_buckets
        spans = sorted({max(1, round(minutes / bucket_minutes)) for minutes in WINDOW_MINUTES})
        self.windows = np.array(spans, dtype=np.int64)
        self._spans = spans
        self.baseline = Baseline()
        self._rows = 0
        self._parents = np.zeros(0, dtype=np.int64)
        self._sums = WindowSums(spans)
        self._not_before = np.zeros(_ROWS_MIN, dtype=np.int64)
        self._next: int | None = None
        self._start = 0
        self._gap: tuple[int, int] | None = None
        self._overlaps: dict[int, FloatArray] = {}
        self._look_from = min(min_users, LOOK_FROM_USERS)
        self._thresholds = Thresholds(bucket_minutes, false_incidents_per_week)
        self._seen = UNSEEN

    def __getstate__(self) -> dict[str, Any]:
        """The state that matters: swept up to the next bucket, without what is only remembered."""
        if self._next is not None:
            self._sums.catch_up(self._next)
        return self.__dict__ | {"_seen": UNSEEN, "_overlaps": {}}

    def restore(self, other: ScanBank) -> None:
        """See ``Bank.restore``."""
        own = {name: getattr(self, name) for name in ("min_users", "_look_from", "_thresholds")}
        self.__dict__.update(other.__dict__ | own)
        self._thresholds.restore(other._thresholds)

    # -- protocol: rows ------------------------------------------------------------------------

    def resize(self, parents: IntArray, countries: IntArray | None = None) -> None:
        """See ``Bank.resize``."""
        rows = len(parents)
        if rows == self._rows:
            self._parents = parents
            return
        # One more, which stands for the series that have none.
        if rows >= len(self._not_before):
            more = max(len(self._not_before), rows + 1 - len(self._not_before))
            self._not_before = np.concatenate([self._not_before, np.zeros(more, dtype=np.int64)])
        self._sums.resize(rows + 1)
        self._rows = rows
        self._parents = parents
        self.baseline.resize(parents, np.zeros_like(parents) if countries is None else countries)

    def keep(self, rows: IntArray) -> None:
        """See ``Bank.keep``."""
        new = np.full(self._rows + 1, -1, dtype=np.int64)
        new[rows] = np.arange(len(rows))
        kept = len(rows)
        self._not_before[:kept] = self._not_before[rows]
        self._not_before[kept : self._rows] = 0
        self._sums.keep(rows, self._rows)
        parents = new[self._parents[rows]]
        self._rows, self._parents = kept, parents
        self.baseline.keep(rows, parents)

    def weight(self) -> FloatArray:
        """See ``Bank.weight``: recent users count in full, older ones as far as remembered."""
        # Swept first: how far that has come must not decide what is forgotten.
        if self._next is not None:
            self._sums.catch_up(self._next)
        recent = self._sums.longest_of_many(np.arange(self._rows))
        mass = self.baseline.mass[: self._rows]
        idle = (recent < _IDLE_USERS) & (mass < _IDLE_MASS)
        return np.where(idle, 0.0, recent + mass)

    def mute(self, bucket: int, rows: IntArray) -> None:
        """See ``Bank.mute``."""
        self._not_before[rows] = bucket

    # -- protocol: score, then learn -------------------------------------------------------------

    def expose(self, tests_per_week: float) -> None:
        """See ``Bank.expose``."""
        self._thresholds.expose(tests_per_week)

    @property
    def threshold(self) -> float:
        """The score that the budget asks for if quiet series behaved exactly as modelled."""
        return self._thresholds.modelled

    def _overlap(self, bucket: int) -> FloatArray:
        """Hours of the day of every window that ends with ``bucket``; the same every day."""
        of_day = bucket % self._per_day
        known = self._overlaps.get(of_day)
        if known is None:
            end = (of_day + 1) * self.bucket_hours
            known = overlap(end - self.windows.astype(np.float64) * self.bucket_hours, end)
            if len(self._overlaps) >= _OVERLAPS_MAX:
                self._overlaps.clear()
            self._overlaps[of_day] = known
        return known

    def _expected(self, bucket: int, rows: IntArray) -> FloatArray:
        """Expected fresh users of every window that ends with ``bucket``, shape (n, windows)."""
        hour = bucket // self._per_hour
        expected = self.baseline.expected(rows, self._overlap(bucket), hour)
        if self._gap is not None and bucket - self._gap[1] <= self.fresh_for:
            # Who would have been counted in the gap shows up after it, within about an hour.
            first, last = self._gap
            first = max(first, last - min(self.fresh_for, 23 * self._per_hour))
            hours = overlap(np.array([first * self.bucket_hours]), (last + 1) * self.bucket_hours)
            backlog = self.baseline.expected(rows, hours, last // self._per_hour)
            share = np.minimum(self.windows * self.bucket_hours / _BACKLOG_HOURS, 1.0)
            expected = expected + backlog * share
        return expected

    @property
    def is_ready(self) -> bool:
        """See ``Bank.is_ready``: what it has not learned yet it borrows or presumes."""
        return True

    def log_silence(self, first: int, last: int) -> float:
        """See ``Bank.log_silence``."""
        hours = (last + 1 - first) * self.bucket_hours
        if hours * self.baseline.busiest < _SILENCE_MIN:
            return 0.0
        day = min(hours, 24.0)
        end = (last + 1) * self.bucket_hours
        all_rows = np.zeros(1, dtype=np.int64)
        window = overlap(np.array([end - day]), end)
        mean = self.baseline.expected(all_rows, window, last // self._per_hour)[0, 0]
        mean *= hours / day
        spread = self.baseline.dispersion[0]
        return float(-np.log1p(spread * mean) / spread)

    def score_many(
        self,
        bucket: int,
        rows: IntArray,
        fresh: FloatArray,
        precision: FloatArray,
        longest: IntArray | None = None,
    ) -> Scores:
        """See ``Bank.score_many``."""
        self._sums.catch_up(bucket)
        n = len(rows)
        threshold, window = np.empty(n), np.empty(n, dtype=np.int64)
        threshold.fill(self.threshold)
        window.fill(1)
        scores = Scores(np.zeros(n), threshold, fresh.copy(), np.zeros(n), np.zeros(n), window)
        noted = self._of_note(rows, fresh)
        if not noted:
            if longest is None:
                self._seen = (bucket, 0.0, 0.0)
            return scores
        if len(noted) <= FEW_ROWS and longest is None:
            self._score_few(bucket, rows, fresh, precision, scores, noted)
            return scores
        at = np.array(noted)
        some = rows[at]
        observed = self._sums.many(some) + fresh[at, None]
        expected = self._expected(bucket, some)
        dispersion = self.baseline.dispersion[some]
        ratio = log_likelihood_ratio(observed, expected, dispersion[:, None])
        begin = bucket + 1 - self.windows
        earliest = np.maximum(self._not_before[some], self._start)
        allowed = begin >= earliest[:, None]
        ratio = np.where(allowed, ratio, 0.0) * precision[at, None]
        young = self.baseline.mass[some] < YOUNG_USERS
        if longest is None:
            best_any = ratio.max(axis=1)
            grown_best = float(best_any[~young].max(initial=0.0))
            self._seen = (bucket, grown_best, float(best_any[young].max(initial=0.0)))
        else:
            ratio = np.where(self.windows <= longest[at, None], ratio, 0.0)
        ratio = np.where(observed >= self.min_users, ratio, 0.0)
        best = np.argmax(ratio, axis=1)
        pick = np.arange(len(at))
        threshold[at] = np.where(young, self._thresholds.of(1), self._thresholds.of(0))
        scores.score[at] = ratio[pick, best]
        scores.observed[at] = observed[pick, best]
        scores.expected[at] = expected[pick, best]
        scores.window[at] = self.windows[best]
        high = np.flatnonzero(scores.score[at] >= UPPER_FROM * threshold[at])
        if len(high):
            scores.upper[at[high]] = self._upper(
                expected[high, best[high]],
                dispersion[high],
                threshold[at[high]] / precision[at[high]],
            )
        return scores

    def _of_note(self, rows: IntArray, fresh: FloatArray) -> list[int]:
        """Which of ``rows`` have users enough for a verdict: few, in most buckets none."""
        sums, look_from = self._sums, self._look_from
        if len(rows) > FEW_ROWS:
            return np.flatnonzero(sums.longest_of_many(rows) + fresh >= look_from).tolist()
        longest, users = sums.longest_of_one, fresh.tolist()
        return [i for i, row in enumerate(rows.tolist()) if longest(row) + users[i] >= look_from]

    def _score_few(
        self,
        bucket: int,
        rows: IntArray,
        fresh: FloatArray,
        precision: FloatArray,
        scores: Scores,
        noted: list[int],
    ) -> None:
        """Write the scores of a few rows, one by one: many times as fast as by array."""
        baseline, spans, min_users, seen = self.baseline, self._spans, self.min_users, [0.0, 0.0]
        thresholds = (self._thresholds.of(0), self._thresholds.of(1))
        expected = self._expected(bucket, rows[noted]).tolist()
        for i, means in zip(noted, expected, strict=True):
            row, newest, share = rows.item(i), fresh.item(i), precision.item(i)
            before = self._sums.one(row)
            dispersion = baseline.dispersion.item(row)
            young = int(baseline.mass.item(row) < YOUNG_USERS)
            reach = bucket + 1 - max(self._not_before.item(row), self._start)
            best, best_k, most, shorter = 0.0, 0, 0.0, -1.0
            for k in range(bisect_right(spans, reach)):
                count, mean = before[k] + newest, means[k]
                # A longer window with the same users has a smaller ratio.
                if count > mean and count > shorter:
                    shorter = count
                    ratio = share * single_ratio(count, mean, dispersion)
                    most = max(most, ratio)
                    if ratio > best and count >= min_users:
                        best, best_k = ratio, k
            seen[young] = max(seen[young], most)
            threshold = thresholds[young]
            scores.threshold[i] = threshold
            if best >= UPPER_FROM * threshold:
                upper = single_upper(means[best_k], dispersion, threshold / share)
                scores.upper[i] = max(upper, min_users)
            scores.score[i] = best
            scores.observed[i] = before[best_k] + newest
            scores.expected[i] = means[best_k]
            scores.window[i] = spans[best_k]
        self._seen = (bucket, seen[0], seen[1])

    def preview(self, bucket: int, rows: IntArray, fresh: FloatArray) -> NDArray[np.bool_]:
        """See ``Bank.preview``."""
        # The sums still hold a few buckets that will have left their windows by then.
        observed = self._sums.many(rows) + fresh[:, None]
        some = observed[:, -1] >= self.min_users
        over = np.zeros(len(rows), dtype=np.bool_)
        if some.any():
            expected = self._expected(bucket, rows[some])
            dispersion = self.baseline.dispersion[rows[some], None]
            ratio = log_likelihood_ratio(observed[some], expected, dispersion)
            over[some] = ratio.max(axis=1) >= min(self._thresholds.of(0), self._thresholds.of(1))
        return over

    def judge(self, bucket: int, row: int, fresh: FloatArray, precision: float) -> Verdict | None:
        """See ``Bank.judge``."""
        totals = np.cumsum(fresh[::-1])
        observed = totals[np.minimum(self.windows, len(totals)) - 1]
        expected = self._expected(bucket, np.array([row], dtype=np.int64))[0]
        dispersion = self.baseline.dispersion[row : row + 1]
        ratio = log_likelihood_ratio(observed, expected, dispersion) * precision
        earliest = max(int(self._not_before[row]), self._start)
        allowed = (bucket + 1 - self.windows >= earliest) & (observed >= self.min_users)
        ratio = np.where(allowed, ratio, 0.0)
        best = int(np.argmax(ratio))
        threshold = self._thresholds.of(int(self.baseline.mass[row] < YOUNG_USERS))
        if ratio[best] < threshold:
            return None
        upper = self._upper(
            expected[best : best + 1], dispersion, np.array([threshold / precision])
        )
        return Verdict(
            float(ratio[best]),
            threshold,
            float(observed[best]),
            float(expected[best]),
            float(upper[0]),
            int(self.windows[best]),
        )

    def _upper(self, expected: FloatArray, dispersion: FloatArray, score: FloatArray) -> FloatArray:
        return np.maximum(upper_count(expected, dispersion, score), self.min_users)

    def band(self, buckets: IntArray, rows: IntArray) -> tuple[FloatArray, FloatArray]:
        """See ``Bank.band``."""
        baseline = self.baseline
        expected = baseline.expected_at(rows, buckets // self._per_hour) * self.bucket_hours
        young = baseline.mass[rows] < YOUNG_USERS
        threshold = np.where(young, self._thresholds.of(1), self._thresholds.of(0))
        return expected, self._upper(expected, baseline.dispersion[rows], threshold)

    def learn_many(self, bucket: int, rows: IntArray, fresh: FloatArray) -> None:
        """See ``Bank.learn_many``."""
        if self._next is None:
            self._start = bucket
        if self._seen[0] != bucket:
            self.score_many(bucket, rows, fresh, np.ones(len(rows)))
        if self.baseline.age_hours >= TAIL_AFTER_HOURS:
            for group, best in enumerate(self._seen[1:]):
                self._thresholds.learn(group, best)
        self._sums.add(bucket, rows, fresh)
        self.baseline.observe(bucket // self._per_hour, rows, fresh, self.bucket_hours)
        self._next = bucket + 1

    def skip(self, first: int, last: int, *, missing: bool) -> None:
        """See ``Bank.skip``."""
        if self._next is None:
            self._start = first
        bucket = first
        while bucket <= last:
            hour = bucket // self._per_hour
            end = min(last, (hour + 1) * self._per_hour - 1)
            hours = (end - bucket + 1) * self.bucket_hours
            if self._next is not None and bucket < self._next:
                self.baseline.uncover(hour, hours)
            else:
                self.baseline.observe(hour, NO_ROWS, NO_USERS, 0.0 if missing else hours)
                if not missing and self.baseline.age_hours >= TAIL_AFTER_HOURS:
                    self._thresholds.learn_empty(end - bucket + 1)
            bucket = end + 1
        if missing:
            if self._gap is not None and self._gap[1] + 1 >= first:
                first = self._gap[0]
            self._gap = (first, last)
            self._start = max(self._start, last + 1)
        self._next = max(self._next or 0, last + 1)
