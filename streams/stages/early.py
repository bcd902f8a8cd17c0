"""Open buckets: who is fresh in them so far, and which series are over their limits already.

Fresh users only grow within a bucket, so what is over its limit before the bucket closes is
reported early. All of this stands beside the confirmed state and never enters it: early partials
may be lost or come twice, and nothing confirmed depends on when they were looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from detectors.series import parse_key, stable_hash
from detectors.users import FreshMemory, precision
from streams.events import CrowdRecord, EarlyOutcome, EpisodeRecord
from streams.stages.episodes import begin, past_points
from streams.stages.merge import merge

if TYPE_CHECKING:
    from collections.abc import Iterable

    from detectors.bank import Bank, FloatArray, Verdict
    from streams.events import Partials
    from streams.stages.counting import Counting
    from streams.stages.episodes import Episodes
    from streams.stages.lookback import Lookback
    from streams.stages.rows import Rows

ENTRIES_MAX = 1_000_000
"""Users times series of the open buckets; what comes beyond it waits for its bucket to close."""
KEPT_BUCKETS = 240
"""So many buckets later an open bucket has closed, as a rule."""
LOOKED_AT_MAX = 100
"""Series that are judged at a time: the largest of those that might be over their limits."""
PARTS = 20


class Parts(NamedTuple):
    """What of the detect stage is looked at, and never changed."""

    rows: Rows
    counting: Counting
    lookback: Lookback
    episodes: Episodes
    bank: Bank


class EarlyWatch:
    """Counts the fresh users of open buckets, and judges the series that they touch.

    Args:
        parts: of the detect stage.
        windows: longest window of the detector, in buckets.
        rows_max: rows of a series that are kept of one record.
    """

    def __init__(self, parts: Parts, windows: int, rows_max: int) -> None:
        self.parts = parts
        self._windows = windows
        self._rows_max = rows_max
        self._memory = FreshMemory(KEPT_BUCKETS, ENTRIES_MAX)
        self._counts: dict[int, dict[str, float]] = {}
        self._touched: set[str] = set()
        self._closed = -1

    def add(self, partials: Partials) -> None:
        """Count posts of an open bucket that were not counted early before."""
        bucket = partials.bucket
        if bucket <= self._closed or self._memory.over_limit(max(self._closed, 0)):
            return
        rows = self.parts.rows
        table = merge([partials], self._rows_max)
        of = [rows.of.get(key, -1) for key in table.series]
        theta = table.theta.copy()
        hashes = np.empty(len(of), dtype=np.int64)
        for i, (key, row) in enumerate(zip(table.series, of, strict=True)):
            hashes[i] = rows.hashes[row] if row >= 0 else stable_hash(key)
            theta[i] = min(theta[i], rows.theta[row]) if row >= 0 else theta[i]
        index, user = table.index, table.user
        followed = user < theta[index]
        followed[1:] &= (index[1:] != index[:-1]) | (user[1:] != user[:-1])
        index, keys = index[followed], (user ^ hashes[index])[followed]
        unknown = ~self.parts.counting.known(keys, bucket)
        index, keys = index[unknown], keys[unknown]
        new = self._memory.admit([0] * len(keys), keys.tolist(), max(self._closed, 0))
        fresh = np.bincount(index[np.frombuffer(new, dtype=np.bool_)], minlength=len(of))
        counts = fresh / precision(theta)
        book = self._counts.setdefault(bucket, {})
        for i in np.flatnonzero(fresh).tolist():
            key = table.series[i]
            book[key] = book.get(key, 0.0) + float(counts[i])
            self._touched.add(key)

    def close(self, through: int) -> None:
        """Forget buckets that have closed."""
        self._closed = max(self._closed, through)
        for bucket in [b for b in self._counts if b <= through]:
            del self._counts[bucket]

    @property
    def has_news(self) -> bool:
        """Whether there are series that were touched since the last look."""
        return bool(self._touched and self._counts)

    def look(self) -> EarlyOutcome | None:
        """What would be over its limit if the open buckets closed now; None if nothing is."""
        touched, self._touched = self._touched, set()
        if not touched or not self._counts:
            return None
        rows, running = self.parts.rows, self.parts.episodes.running
        keys = sorted(touched - running.keys())
        at = np.array([rows.of.get(key, len(rows)) for key in keys], dtype=np.int64)
        fresh = np.array([sum(b.get(key, 0.0) for b in self._counts.values()) for key in keys])
        over = self.parts.bank.preview(max(self._counts), at, fresh)
        found = sorted(np.flatnonzero(over).tolist(), key=lambda i: (-fresh[i], keys[i]))
        judged = (self._judge(keys[i], int(at[i])) for i in found[:LOOKED_AT_MAX])
        records = [record for record in judged if record is not None]
        self._touched |= {keys[i] for i in found[LOOKED_AT_MAX:]}
        if not records:
            return None
        first = min(record.bucket for record in records)
        # One bucket at a time: the next look is for those of the next.
        self._touched |= {record.series for record in records if record.bucket != first}
        expected, _ = self.parts.bank.band(
            np.array([first], dtype=np.int64), np.zeros(1, dtype=np.int64)
        )
        per_hour = float(expected[0]) * self.parts.episodes.hour
        return EarlyOutcome(first, [r for r in records if r.bucket == first], per_hour)

    def _judge(self, key: str, row: int) -> EpisodeRecord | None:
        """A series as of the first open bucket at which it would raise an alarm."""
        share = 1.0
        if row < len(self.parts.rows):
            share = float(precision(self.parts.rows.theta[row : row + 1])[0])
        for bucket in sorted(self._counts):
            fresh = self._fresh(key, bucket - self._windows + 1, bucket)
            verdict = self.parts.bank.judge(bucket, row, fresh, share)
            if verdict is not None:
                return self._record(key, row, bucket, fresh, verdict, sampled=share < 1.0)
        return None

    def _fresh(self, key: str, first: int, last: int) -> FloatArray:
        """Fresh users of each bucket so far, be it closed or open."""
        fresh = self.parts.lookback.counts(key, first, last)
        for bucket, book in self._counts.items():
            if first <= bucket <= last:
                fresh[bucket - first] += book.get(key, 0.0)
        return fresh

    def _record(
        self, key: str, row: int, bucket: int, fresh: FloatArray, verdict: Verdict, *, sampled: bool
    ) -> EpisodeRecord:
        """The series as the first record of its episode would show it."""
        episodes, bank = self.parts.episodes, self.parts.bank
        past = past_points(key, row, bucket, fresh, verdict.window, bank)
        episode = begin(past, verdict.window, verdict.expected, episodes)
        last = past[-1]
        episode.observe(bucket, last.observed, last.expected)
        users = float(sum(p.observed for p in past if p.bucket >= episode.onset))
        return EpisodeRecord(
            series=key,
            opened=bucket,
            bucket=bucket,
            state=episode.state.value,
            onset=episode.onset,
            score=verdict.score,
            threshold=verdict.threshold,
            observed=verdict.observed,
            expected=verdict.expected,
            upper=verdict.upper,
            window=verdict.window,
            fresh=last.observed,
            band_expected=last.expected,
            band_upper=last.upper,
            last_hour=episode.last_hour,
            excess=episode.excess,
            peak=episode.peak,
            peak_bucket=episode.peak_bucket,
            users=users,
            # Posts are not counted early; each user has written at least one.
            posts=users,
            doubling_minutes=episode.doubling_minutes(episodes.bucket_minutes),
            sampled=sampled,
            crowd=self._crowd(key, episode.onset, bucket),
            before=past[:-1],
        )

    def _crowd(self, key: str, onset: int, bucket: int) -> CrowdRecord:
        """Where they come from, and under which hashtags, of the parts that open buckets show."""
        level, region, hashtag = parse_key(key)
        shown = {name for book in self._counts.values() for name in book}
        regions: dict[str, str] = {}
        hashtags: dict[str, str] = {}
        for name in shown:
            part = parse_key(name)
            if level == "all":
                is_part = part.level in {"region", "hashtag"}
            else:
                same = part.region == region if level == "region" else part.hashtag == hashtag
                is_part = part.level == "pair" and level != "pair" and same
            if is_part and (level == "hashtag" or part.level == "region"):
                regions[name] = part.region or ""
            elif is_part:
                hashtags[name] = part.hashtag or ""
        return CrowdRecord(
            newcomer_share=None,
            top_users_share=0.0,
            languages=[],
            regions=self._largest(regions, onset, bucket),
            hashtags=self._largest(hashtags, onset, bucket),
        )

    def _largest(self, parts: dict[str, str], onset: int, bucket: int) -> list[tuple[str, float]]:
        early = {key: sum(b.get(key, 0.0) for b in self._counts.values()) for key in parts}
        largest = sorted(parts, key=lambda key: (-early[key], key))[:PARTS]
        counted: Iterable[tuple[str, float]] = (
            (parts[key], float(self._fresh(key, onset, bucket).sum())) for key in largest
        )
        return sorted(counted, key=lambda part: (-part[1], part[0]))
