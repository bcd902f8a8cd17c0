"""Stage two: merge partials, close buckets, count fresh users, score, learn, follow episodes.

A bucket closes when every source partition has closed it. Buckets close in order, one at a time,
so neither the order in which partials arrive nor how many come at once can matter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from detectors.bank import NO_ROWS, NO_USERS, ModelBank
from streams.events import (
    Closed,
    Early,
    EarlyOutcome,
    EpisodeRecord,
    FollowUp,
    Notice,
    Outcome,
    Partials,
    Point,
)
from streams.stages.age import Age
from streams.stages.counting import Counting
from streams.stages.drops import Drops, Failures
from streams.stages.early import EarlyWatch, Parts
from streams.stages.episodes import Episodes
from streams.stages.gather import Gathering
from streams.stages.lookback import Lookback
from streams.stages.makeup import makeup
from streams.stages.merge import Table, merge
from streams.stages.points import points_of
from streams.stages.quality import Quality
from streams.stages.rows import Rows
from streams.stages.silence import Silence

if TYPE_CHECKING:
    from detectors.bank import Bank, FloatArray, IntArray, Scores
    from streams.stages.detect_params import DetectParams

LOOKBACK_HOURS = 12.0

_STATE = (
    "_rows",
    "_counting",
    "_lookback",
    "_episodes",
    "sources",
    "_last",
    "age",
    "_silence",
    "_drops",
    "_failures",
    "_quality",
    "_pruned_day",
    "_ready_from",
    "bank",
)


class Detect:
    """The stage; feed it ``partials`` and ``closed``, and take the outcomes.

    Args:
        params: see there.
        bank: the detector.
        partitions: the source partitions that a bucket waits for.

    Attributes:
        age: when the log began, and may be judged.
        sources: what the source partitions have brought of buckets that have not closed.
    """

    def __init__(self, params: DetectParams, bank: Bank, partitions: list[int]) -> None:
        self.params = params
        self.bank = bank
        self._models = bank if isinstance(bank, ModelBank) else None
        self._minutes = params.bucket_ms / 60_000
        self._per_hour = max(1, round(60 / self._minutes))
        self._rows = Rows()
        self._counting = Counting(self._rows, params.fresh_for, params.fresh_users)
        hours = round(LOOKBACK_HOURS * 60 / self._minutes)
        self._lookback = Lookback(hours, params.history_rows)
        self._episodes = Episodes(self._minutes, params.close_after)
        self.sources = Gathering(partitions)
        self._last = 0
        # Until every regular user has been counted once, all of them look fresh.
        settle = min(params.fresh_for, params.warmup // 4)
        self.age = Age(self._minutes, settle, params.warmup)
        self._silence = Silence(self._minutes, self._per_hour)
        self._drops = Drops(params.bucket_ms)
        self._failures = Failures(params.bucket_ms)
        self._quality = Quality(params.bucket_ms)
        self._pruned_day = -1
        self._ready_from = -1 if bank.is_ready else None
        parts = Parts(self._rows, self._counting, self._lookback, self._episodes, bank)
        self._early = EarlyWatch(parts, hours, params.fresh_for)
        bank.resize(self._rows.parents[:1], self._rows.countries[:1])

    def join(self, partition: int) -> None:
        """Wait for one more source partition, from the next bucket on."""
        self.sources.join(partition, None if self.age.first is None else self._last)

    @property
    def judged_from_ms(self) -> int | None:
        """Event time from which on an alarm was possible; None if there is none yet."""
        warm, ready = self.age.judged_from, self._ready_from
        if warm is None or ready is None or max(warm, ready) > self._last:
            return None
        return max(warm, ready) * self.params.bucket_ms

    @property
    def last(self) -> int:
        """The last bucket that has closed."""
        return self._last

    @property
    def rows_live(self) -> int:
        """Series that are watched now."""
        return len(self._rows)

    # -- state -----------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """All that was learned from the records so far; not to be changed."""
        return {name: getattr(self, name) for name in _STATE}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from the state of another stage, under this one's own settings."""
        for name in _STATE:
            if name not in {"_counting", "_lookback", "_episodes", "age", "bank"}:
                setattr(self, name, state[name])
        self._counting.restore(state["_counting"], self._rows)
        self._lookback.restore(state["_lookback"])
        self._episodes.restore(state["_episodes"])
        self.age.restore(state["age"])
        self.bank.restore(state["bank"])
        self._early.parts = Parts(
            self._rows, self._counting, self._lookback, self._episodes, self.bank
        )

    # -- input -----------------------------------------------------------------------------------

    def partials(self, partials: Partials) -> None:
        """Take a partial; a repeat, or one of a bucket that has closed, changes nothing."""
        self.sources.add(partials)

    def closed(self, marker: Closed) -> list[Outcome]:
        """Take a marker, and close what every partition has closed."""
        through = self.sources.close(marker)
        if through is None:
            return []
        outcomes = self._close_through(through)
        self.sources.forget(self._last)
        return outcomes

    def early(self, early: Early) -> None:
        """Take posts of an open bucket; nothing confirmed will depend on it."""
        self._early.add(early.partials)

    def look_early(self) -> EarlyOutcome | None:
        """What would be said if the open buckets closed now; None if nothing."""
        return self._early.look() if self.has_early else None

    @property
    def has_early(self) -> bool:
        """Whether ``look_early`` might give something."""
        warm = self.age.first is not None and self.age.is_warm(self._last + 1)
        return warm and self._early.has_news

    def _close_through(self, through: int) -> list[Outcome]:
        outcomes: list[Outcome] = []
        self._early.close(through)
        for bucket in self.sources.buckets(through):
            if self.age.first is None:
                self.age.begin(bucket)
                self._last = bucket - 1
            self._close_empty(self._last + 1, bucket - 1, outcomes)
            self._close(bucket, self.sources.take(bucket), outcomes)
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
        bucket, silence = first, self._silence
        silence.begin(first)
        if silence.is_early(self.age):
            return
        while bucket <= last:
            # An hour at a time, since the odds of silence are the same within an hour.
            end = last
            if not silence.missing:
                hour = bucket // self._per_hour
                end = min(last, (hour + 1) * self._per_hour - 1)
                if self._episodes.running:
                    end = bucket
                    self._judge(bucket, NO_ROWS, NO_USERS, None, outcomes)
            if (due := self._episodes.cohorts.next_due) is not None:
                end = max(bucket, min(end, due))
            told = self._look_at_input(bucket, end)
            outcomes += [self._outcome(one.bucket, [], [], [one]) for one in told]
            end, notice = silence.skip(bucket, end, self.bank, self._episodes)
            if notice is not None:
                outcomes.append(self._outcome(notice.bucket, [], [], [notice]))
            self._follow_up(end, outcomes)
            bucket = end + 1

    def _look_at_input(self, first: int, last: int) -> list[Notice]:
        """What is to be told of rejects and clocks, be there foreign posts or not."""
        return [
            notice
            for bucket in self._quality.due(first, last)
            for notice in self._quality.notices(bucket, self.sources.intake(bucket))
        ]

    # -- a bucket with foreign posts --------------------------------------------------------------

    def _close(self, bucket: int, partials: list[Partials], outcomes: list[Outcome]) -> None:
        notices = self._silence.end(bucket, self.age, self.bank)
        table = merge(partials, self.params.rows_per_series)
        self._make_room(bucket, table.series)
        known = len(self._rows)
        rows = self._rows.take(table.series)
        if len(self._rows) > known:
            live = slice(len(self._rows))
            self.bank.resize(self._rows.parents[live], self._rows.countries[live])
        fresh = self._counting.count(bucket, table, rows)
        self._lookback.add(bucket, table, fresh)
        self.age.count(fresh)
        self._episodes.see(bucket, table)
        in_ingest = self.sources.series_dropped(bucket)
        self._drops.cohorts = self._episodes.cohorts.dropped
        notices += self._drops.notices(bucket, in_ingest, len(self._rows))
        notices += self._look_at_input(bucket, bucket)
        if self.age.is_settled(bucket):
            if self._ready_from is None and self.bank.is_ready:
                self._ready_from = bucket
            if self._models is not None and len(wanted := self._models.wanted()):
                self._models.describe(bucket, makeup(table, rows, wanted))
            some = fresh.nonzero()[0]
            scored, counts = self._judge(bucket, rows[some], fresh[some], table, outcomes, notices)
            self.bank.learn_many(bucket, scored, counts)
            if self._models is not None:
                failed = self._models.take_failures()
                if told := self._failures.notices(bucket, failed, self._rows.keys):
                    outcomes.append(self._outcome(bucket, [], [], told))
        elif notices:
            outcomes.append(self._outcome(bucket, [], [], notices))
        self._follow_up(bucket, outcomes)

    def _follow_up(self, bucket: int, outcomes: list[Outcome]) -> None:
        """Tell of past waves what is to be told with a bucket."""
        if told := self._episodes.cohorts.due(bucket):
            outcome = self._outcome(bucket, [], [], [])
            follow_ups = [FollowUp(*one) for one in told]
            outcomes.append(msgspec.structs.replace(outcome, follow_ups=follow_ups))

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
            ahead = self._episodes.ahead(bucket, scored[at], self.bank).tolist()
            recent = self.bank.score_many(
                bucket, scored[at], counts[at], exact[at], self._episodes.longest(keys)
            ).score
            for key, i, score, usual in zip(keys, at.tolist(), recent.tolist(), ahead, strict=True):
                verdict = (
                    float(scores.observed[i]),
                    float(scores.expected[i]),
                    float(scores.upper[i]),
                    int(scores.window[i]),
                )
                record = self._episodes.follow(
                    points[key], verdict, score, before.get(key), usual, silent=table is None
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
        rows = {key: self._rows.of[key] for key in keys}
        return points_of(bucket, rows, scored, counts, scores, self.bank, self._episodes.running)

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
        intake = self.sources.intake(bucket)
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
        day, count = bucket * self.params.bucket_ms // 86_400_000, len(self._rows)
        tidy, self._pruned_day = day != self._pruned_day, day
        always = {self._rows.of[key] for key in self._episodes.running}
        limit = self.params.live_series
        kept, dropped = self._rows.room(series, limit, self.bank.weight, always, tidy=tidy)
        self._drops.series += dropped
        if len(kept) < count:
            self._rows.keep(kept)
            self._counting.keep(kept, count)
            self.bank.keep(kept)
