"""Stage two: merge partials, close buckets, count fresh users, score, learn, follow episodes.

A bucket closes when every source partition has closed it. Buckets close in order, one at a time,
so neither the order in which partials arrive nor how many come at once can matter.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from detectors.bank import NO_ROWS, NO_USERS
from streams.events import Closed, EpisodeRecord, Intake, Notice, Outcome, Partials, Point
from streams.stages.age import MISSING_ODDS, Age
from streams.stages.counting import Counting
from streams.stages.drops import Drops
from streams.stages.episodes import Episodes
from streams.stages.lookback import Lookback
from streams.stages.merge import Table, merge
from streams.stages.rows import Rows

if TYPE_CHECKING:
    from detectors.bank import Bank, FloatArray, IntArray, Scores

LOOKBACK_HOURS = 12.0
ROOM_KEPT = 0.75
"""Share of the live series that stays when the limit is reached, so that it is not reached anew
with every bucket."""
USED_MIN = 0.5
"""Idle series are forgotten when they are the larger half: moving all others takes time."""


@dataclass(frozen=True, slots=True)
class DetectParams:
    """What shapes the detect stage; lengths of time are in buckets.

    Attributes:
        bucket_ms: length of a bucket.
        fresh_for: how long a counted user is not counted again.
        warmup: no alarm before the log is so old.
        close_after: calm that closes an episode.
        rows_per_series: rows of a series and bucket that are kept before it is sampled.
        live_series: series that are watched at once.
        fresh_users: entries of the freshness memory.
        history_rows: rows of the lookback.
        points: are points for plots wanted?
    """

    bucket_ms: int
    fresh_for: int
    warmup: int
    close_after: int
    rows_per_series: int
    live_series: int
    fresh_users: int
    history_rows: int
    points: bool


class Detect:
    """The stage; feed it ``partials`` and ``closed``, and take the outcomes.

    Args:
        params: see there.
        bank: the detector.
        partitions: the source partitions that a bucket waits for.

    Attributes:
        age: when the log began, and may be judged.
    """

    def __init__(self, params: DetectParams, bank: Bank, partitions: list[int]) -> None:
        self.params = params
        self.bank = bank
        self._minutes = params.bucket_ms / 60_000
        self._per_hour = max(1, round(60 / self._minutes))
        self._rows = Rows()
        self._counting = Counting(self._rows, params.fresh_for, params.fresh_users)
        hours = round(LOOKBACK_HOURS * 60 / self._minutes)
        self._lookback = Lookback(hours, params.history_rows)
        self._episodes = Episodes(self._minutes, params.close_after)
        self._pending: dict[int, dict[int, Partials]] = {}
        self._closed: dict[int, int | None] = dict.fromkeys(partitions)
        self._markers: dict[int, deque[Closed]] = {p: deque() for p in partitions}
        self._last = 0
        # Until every regular user has been counted once, all of them look fresh.
        settle = min(params.fresh_for, params.warmup // 4)
        self.age = Age(self._minutes, settle, params.warmup)
        self._silent_since: int | None = None
        self._missing = False
        self._drops = Drops(params.bucket_ms)
        self._pruned_day = -1
        bank.resize(self._rows.parents[:1])

    def _intake(self, bucket: int) -> Intake:
        """What had become of all partitions' input when each of them closed a bucket.

        Not what is known by now: how far the others have come must not matter.
        """
        total = Intake()
        for markers in self._markers.values():
            while len(markers) > 1 and markers[0].through < bucket:
                markers.popleft()
            if markers:
                total.add(markers[0].intake)
        return total

    @property
    def judged_from_ms(self) -> int | None:
        """Event time from which on an alarm was possible; None if there is none yet."""
        first = self.age.judged_from
        return None if first is None or first > self._last else first * self.params.bucket_ms

    @property
    def rows_live(self) -> int:
        """Series that are watched now."""
        return len(self._rows)

    # -- input -----------------------------------------------------------------------------------

    def partials(self, partials: Partials) -> None:
        """Take a partial; a repeat, or one of a bucket that has closed, changes nothing."""
        done = self._closed[partials.partition]
        if done is None or partials.bucket > done:
            self._pending.setdefault(partials.bucket, {})[partials.partition] = partials

    def closed(self, marker: Closed) -> list[Outcome]:
        """Take a marker, and close what every partition has closed."""
        done = self._closed[marker.partition]
        if done is not None and marker.through <= done:
            return []
        self._closed[marker.partition] = marker.through
        self._markers[marker.partition].append(marker)
        through = [t for t in self._closed.values() if t is not None]
        if len(through) < len(self._closed):
            return []
        return self._close_through(min(through))

    def _close_through(self, through: int) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for bucket in sorted(b for b in self._pending if b <= through):
            if self.age.first is None:
                self.age.begin(bucket)
                self._last = bucket - 1
            self._close_empty(self._last + 1, bucket - 1, outcomes)
            self._close(bucket, list(self._pending.pop(bucket).values()), outcomes)
            self._last = bucket
        if self.age.first is not None and through > self._last:
            self._close_empty(self._last + 1, through, outcomes)
            self._last = through
        return outcomes

    # -- a bucket without foreign posts ------------------------------------------------------------

    def _close_empty(self, first: int, last: int, outcomes: list[Outcome]) -> None:
        """Close a run of empty buckets; how the run is cut into calls must not matter."""
        if first > last:
            return
        bucket = first
        if self._silent_since is None:
            self._silent_since = first
        if self._early_silence is not None:
            return
        while bucket <= last:
            # An hour at a time, since the odds of silence are the same within an hour.
            hour = bucket // self._per_hour
            end = last if self._missing else min(last, (hour + 1) * self._per_hour - 1)
            if self._missing:
                self.bank.skip(bucket, end, missing=True)
            else:
                if self._episodes.running:
                    end = bucket
                    self._judge(bucket, NO_ROWS, NO_USERS, None, outcomes)
                if bucket % self._per_hour == 0:
                    # Learns the hour before, so that its odds hold for all of this one.
                    self.bank.skip(bucket, bucket, missing=False)
                end = self._look_for_gap(bucket, end, outcomes)
            bucket = end + 1

    def _look_for_gap(self, bucket: int, last: int, outcomes: list[Outcome]) -> int:
        """Skip ``bucket`` to ``last``, or to where the silence proves to be a gap."""
        since = self._silent_since
        assert since is not None
        low, high = bucket, last + 1
        if self.bank.log_silence(since, last) >= MISSING_ODDS:
            low = high
        while low < high:
            middle = (low + high) // 2
            if self.bank.log_silence(since, middle) < MISSING_ODDS:
                high = middle
            else:
                low = middle + 1
        end = min(low, last)
        first = bucket if bucket % self._per_hour else bucket + 1
        if end >= first:
            self.bank.skip(first, end, missing=False)
        if low <= last:
            self._missing = True
            self.bank.skip(since, low, missing=True)
            self._episodes.take_back(low - since + 1)
            notice = Notice("gap", "open", low, since, self._minutes_of(since, low))
            outcomes.append(self._outcome(low, [], [], [notice]))
        return end

    @property
    def _early_silence(self) -> int | None:
        """Since when it is silent, if that began before much was learned: its end judges it."""
        since = self._silent_since
        return since if since is not None and self.age.is_early(since) else None

    def _end_early_silence(self, since: int, bucket: int, notices: list[Notice]) -> None:
        """Believe a silence that began in the first hours of a log, or take it for a hole.

        A hole, be it after a few stray posts or an outage, does not count for the log's age: it
        would pass for time in which little was usual.
        """
        learned = self.age.is_settled(since)
        is_hole = self.age.is_hole(since, bucket)
        if is_hole:
            self.age.leave_out(bucket - since)
            details = self._minutes_of(since, bucket - 1)
            notices += [Notice("gap", s, bucket, since, details) for s in ("open", "closed")]
        if learned:
            self.bank.skip(since, bucket - 1, missing=is_hole)
        elif self.age.is_settled(bucket):
            self.bank.skip(self.age.settles_at, bucket - 1, missing=False)

    def _minutes_of(self, first: int, last: int) -> dict[str, float]:
        return {"minutes": (last - first + 1) * self._minutes}

    # -- a bucket with foreign posts --------------------------------------------------------------

    def _close(self, bucket: int, partials: list[Partials], outcomes: list[Outcome]) -> None:
        notices: list[Notice] = []
        if self._missing and self._silent_since is not None:
            details = self._minutes_of(self._silent_since, bucket - 1)
            notices.append(Notice("gap", "closed", bucket, self._silent_since, details))
        if (since := self._early_silence) is not None:
            self._end_early_silence(since, bucket, notices)
        self._silent_since, self._missing = None, False
        table = merge(partials, self.params.rows_per_series)
        self._make_room(bucket, table.series)
        rows = self._rows.take(table.series)
        self.bank.resize(self._rows.parents[: len(self._rows)])
        fresh = self._counting.count(bucket, table, rows)
        self._lookback.add(bucket, table, fresh)
        self.age.count(table, float(fresh[0]))
        in_ingest = self._intake(bucket).series_dropped
        notices += self._drops.notices(bucket, in_ingest, len(self._rows))
        if self.age.is_settled(bucket):
            some = fresh.nonzero()[0]
            scored, counts = self._judge(bucket, rows[some], fresh[some], table, outcomes, notices)
            self.bank.learn_many(bucket, scored, counts)
        elif notices:
            outcomes.append(self._outcome(bucket, [], [], notices))

    def _judge(
        self,
        bucket: int,
        rows: IntArray,
        fresh: FloatArray,
        table: Table | None,
        outcomes: list[Outcome],
        notices: list[Notice] | None = None,
    ) -> tuple[IntArray, FloatArray]:
        """Score a bucket, open episodes and follow the open ones.

        Returns:
            The rows that were scored, and their counts.
        """
        running = self._episodes.running
        self.bank.expose(self.age.tests_per_week(bucket))
        order = rows.argsort()
        scored, counts = rows[order], fresh[order]
        if running:
            open_rows = np.array(sorted(self._rows.of[key] for key in running), dtype=np.int64)
            scored = np.union1d(rows, open_rows)
            counts = np.zeros(len(scored))
            counts[np.searchsorted(scored, rows)] = fresh
        exact = self._rows.precision(scored)
        scores = self.bank.score_many(bucket, scored, counts, exact)
        found = self._alarms(bucket, scored, scores)
        before = self._episodes.open(bucket, found, self._lookback, self.bank) if found else {}
        if running and table is not None:
            self._episodes.add_crowd(table)
        records = []
        points: dict[str, Point] = {}
        if running:
            keys = sorted(running)
            points = self._points(bucket, keys, scored, counts, scores)
            at = np.searchsorted(scored, [self._rows.of[key] for key in keys])
            recent = self.bank.score_many(
                bucket, scored[at], counts[at], exact[at], self._episodes.longest(keys)
            ).score
            for key, i, score in zip(keys, at.tolist(), recent.tolist(), strict=True):
                verdict = (
                    float(scores.observed[i]),
                    float(scores.expected[i]),
                    float(scores.upper[i]),
                    int(scores.window[i]),
                )
                record = self._episodes.follow(
                    points[key], verdict, score, before.get(key), silent=table is None
                )
                records.append(record)
                if key not in running:
                    self.bank.mute(bucket + 1, scored[i : i + 1])
        if self.params.points and len(scored):
            plotted = [
                key
                for key in (self._rows.keys[r] for r in scored.tolist())
                if key not in points and not key.startswith(("hashtag/", "pair/"))
            ]
            points |= self._points(bucket, plotted, scored, counts, scores)
        wanted = [points[key] for key in sorted(points)] if self.params.points else []
        if records or wanted or notices:
            outcomes.append(self._outcome(bucket, records, wanted, notices or []))
        return scored, counts

    def _alarms(
        self, bucket: int, scored: IntArray, scores: Scores
    ) -> list[tuple[str, int, Scores, int]]:
        """Series that raise an alarm and are in no episode yet, by key."""
        if not self.age.is_warm(bucket):
            return []
        over = (scores.score >= scores.threshold).nonzero()[0].tolist()
        if not over:
            return []
        found = [(self._rows.keys[int(scored[i])], int(scored[i]), scores, i) for i in over]
        return sorted(
            (one for one in found if one[0] not in self._episodes.running), key=lambda one: one[0]
        )

    def _points(
        self, bucket: int, keys: list[str], scored: IntArray, counts: FloatArray, scores: Scores
    ) -> dict[str, Point]:
        """The bucket as points of some series."""
        rows = np.array([self._rows.of[key] for key in keys], dtype=np.int64)
        at = np.searchsorted(scored, rows)
        expected, upper = self.bank.band(np.full(len(rows), bucket, dtype=np.int64), rows)
        return {
            key: Point(
                series=key,
                bucket=bucket,
                observed=float(counts[i]),
                expected=float(expected[n]),
                upper=float(upper[n]),
                score=float(scores.score[i]),
                threshold=float(scores.threshold[i]),
                open=key in self._episodes.running,
            )
            for n, (key, i) in enumerate(zip(keys, at.tolist(), strict=True))
        }

    def _outcome(
        self,
        bucket: int,
        records: list[EpisodeRecord],
        points: list[Point],
        notices: list[Notice],
    ) -> Outcome:
        expected, _ = self.bank.band(
            np.array([bucket], dtype=np.int64), np.zeros(1, dtype=np.int64)
        )
        intake = self._intake(bucket)
        counts = {
            "late": intake.late,
            "duplicates": intake.duplicate,
            "rejected": sum(intake.rejected.values()),
            "series_dropped": intake.series_dropped + self._drops.series,
        }
        rate = float(expected[0]) * 60 / self._minutes
        return Outcome(bucket, records, rate, points, notices, counts)

    # -- limits ----------------------------------------------------------------------------------

    def _make_room(self, bucket: int, series: list[str]) -> None:
        """Once a day forget idle series, if many; at the limit the lightest, and count those."""
        day = bucket * self.params.bucket_ms // 86_400_000
        count, limit = len(self._rows), self.params.live_series
        new = self._rows.missing(series) if count + len(series) > limit else 0
        full = count + new > limit
        if day == self._pruned_day and not full:
            return
        self._pruned_day = day
        weight = self.bank.weight()
        if not full and np.count_nonzero(weight) > USED_MIN * count:
            return
        always = {self._rows.of[key] for key in self._episodes.running}
        rows_max = max(min(limit - new, round(ROOM_KEPT * limit)), 0) if full else count
        kept = self._rows.heaviest(weight, rows_max, always)
        self._drops.series += int(np.count_nonzero(weight)) - int(np.count_nonzero(weight[kept]))
        if len(kept) < count:
            self._rows.keep(kept)
            self._counting.keep(kept, count)
            self.bank.keep(kept)
