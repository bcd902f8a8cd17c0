"""The open episodes of the detect stage: opening, following, recording, closing them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from detectors.crowd import Crowd
from detectors.episode import Episode, Sign, State
from detectors.forecast import HOURS
from detectors.ratio import log_likelihood_ratio
from detectors.retention import Cohort, Cohorts
from detectors.series import hashtag_key, pair_key, parse_key
from detectors.users import WHOLE
from streams.events import CrowdRecord, EpisodeRecord, Point

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from detectors.bank import Bank, FloatArray, IntArray, Scores
    from streams.stages.lookback import Lookback
    from streams.stages.merge import Table

BEFORE_POINTS = 40
"""Points of a series' past that an alert's plot starts with."""

PARTS_A_BUCKET = 2_000
"""Parts of a bucket that are looked at for who takes part: the regions and largest hashtags."""

TELL_GROWN = 1.02
"""Who takes part is told again when there are so many more of them: what an alert says of them
must fit its number of users."""


@dataclass
class Running:
    """An open episode of a row, with the people in it."""

    episode: Episode
    crowd: Crowd = field(default_factory=Crowd)
    told_users: float = 0.0
    told_posts: float = 0.0
    told_bucket: int = 0


class Episodes:
    """Open episodes by series key.

    Args:
        bucket_minutes: length of a bucket.
        close_after: buckets of calm that end an episode.

    Attributes:
        cohorts: the newcomers of episodes that are over.
    """

    def __init__(self, bucket_minutes: float, close_after: int) -> None:
        self.bucket_minutes = bucket_minutes
        self.hour = max(1, round(60.0 / bucket_minutes))
        self.close_after = close_after
        self.running: dict[str, Running] = {}
        self.cohorts = Cohorts()

    def restore(self, other: Episodes) -> None:
        """Take over another's episodes and cohorts, under this one's own settings."""
        self.running, self.cohorts = other.running, other.cohorts

    def longest(self, keys: list[str]) -> IntArray:
        """The longest window over which calm is judged, for each series in an episode."""
        return np.array(
            [max(self.running[key].episode.window, self.hour) for key in keys], dtype=np.int64
        )

    def ahead(self, bucket: int, rows: IntArray, bank: Bank) -> FloatArray:
        """Users that are usual in each of the next hours after a bucket, shape (rows, hours)."""
        # The middle of each coming hour stands for it.
        hours = bucket + 1 + self.hour // 2 + self.hour * np.arange(HOURS[-1])
        expected, _ = bank.band(np.tile(hours, len(rows)), np.repeat(rows, len(hours)))
        return np.asarray(expected.reshape(len(rows), len(hours)) * self.hour)

    def add_crowd(self, table: Table, only: set[str] | None = None) -> None:
        """Add a bucket's posts to the crowds of the series in an episode.

        Args:
            table: the bucket.
            only: keys of the episodes that are to take it in; None for all.
        """
        for key, running in self.running.items():
            if only is not None and key not in only:
                continue
            crowd, i = running.crowd, table.find(key)
            if i is None:
                continue
            rows = table.rows_of(i)
            langs = [table.langs[j] for j in table.lang[rows].tolist()]
            users, flags = table.user[rows].tolist(), table.flags[rows].tolist()
            crowd.add(users, langs, flags, int(table.theta[i]))
            parts = list(_parts(table, key))
            if len(parts) > PARTS_A_BUCKET:
                sizes = np.diff(table.ends, prepend=0)[[part for part, _ in parts]]
                sizes[[name.startswith("region/") for _, name in parts]] += len(table.user)
                parts = [parts[j] for j in np.argsort(-sizes, kind="stable")[:PARTS_A_BUCKET]]
            for part, name in parts:
                crowd.add_part(name, table.user[table.rows_of(part)].tolist())

    def see(self, bucket: int, table: Table) -> None:
        """Take note of who posts, for the follow-up of past waves."""
        if len(self.cohorts):  # ``all`` comes first
            users = table.user[table.rows_of(0)].tolist()
            self.cohorts.see(bucket, users, int(table.theta[0]))

    def open(
        self, bucket: int, found: list[tuple[str, int, Scores, int]], lookback: Lookback, bank: Bank
    ) -> dict[str, list[Point]]:
        """Open episodes and bring them up to ``bucket`` from the past.

        Args:
            bucket: the bucket that raised the alarms; the lookback ends with it.
            found: for each its series, row, and the place of its verdict: ``scores``, index.
            lookback: the past.
            bank: asked for the bands of past buckets.

        Returns:
            The points before each alarm, oldest first, without ``bucket`` itself.
        """
        before: dict[str, list[Point]] = {}
        first_onset = bucket
        for key, row, scores, i in found:
            window = int(scores.window[i])
            fresh = lookback.counts(key, bucket - reach(window) + 1, bucket)
            points = past_points(key, row, bucket, fresh, window, bank)
            episode = begin(points, window, float(scores.expected[i]), self)
            self.running[key] = Running(episode)
            before[key] = points[:-1]
            first_onset = min(first_onset, episode.onset)
        # The bucket itself is added with those of all open episodes.
        for past in lookback.since(first_onset):
            if past.bucket < bucket:
                keys = {k for k, *_ in found if self.running[k].episode.onset <= past.bucket}
                self.add_crowd(past.table, keys)
        return before

    def take_back(self, buckets: int) -> None:
        """The newest ``buckets`` buckets were no silence but a hole in the data."""
        for running in self.running.values():
            running.episode.take_back(buckets)

    def follow(
        self,
        point: Point,
        verdict: tuple[float, float, float, int],
        recent_score: float,
        before: list[Point] | None,
        ahead: Sequence[float],
        *,
        silent: bool,
    ) -> EpisodeRecord:
        """Take in one bucket of a series in an episode, and record it.

        Args:
            point: the bucket of the series, with the score and threshold of the winning window.
            verdict: observed, expected, upper and length of the winning window.
            recent_score: the score over windows no longer than the episode's own.
            before: at the opening, what came before.
            ahead: users that are usual in each of the next hours.
            silent: was there no foreign post at all in the bucket?
        """
        running = self.running[point.series]
        episode = running.episode
        episode.observe(point.bucket, point.observed, point.expected)
        sign = Sign.NONE
        if before is None:
            sign = episode.sign(recent_score, point.threshold, silent=silent)
        moved = episode.move(sign)
        crowd = running.crowd
        users = crowd.users
        tell = _is_to_tell(running, point.bucket, before is not None or moved, self.hour)
        observed, expected, upper, window = verdict
        over = episode.state is State.QUIET
        record = EpisodeRecord(
            series=point.series,
            opened=episode.opened,
            bucket=point.bucket,
            state=episode.state.value,
            onset=episode.onset,
            score=point.score,
            threshold=point.threshold,
            observed=observed,
            expected=expected,
            upper=upper,
            window=window,
            fresh=point.observed,
            band_expected=point.expected,
            band_upper=point.upper,
            last_hour=episode.last_hour,
            excess=episode.excess,
            peak=episode.peak,
            peak_bucket=episode.peak_bucket,
            users=users,
            posts=crowd.posts,
            doubling_minutes=episode.doubling_minutes(self.bucket_minutes),
            sampled=crowd.theta < WHOLE,
            forecast=None if over else episode.forecast(point.bucket, users, ahead),
            crowd=_crowd_record(crowd) if tell else None,
            before=before,
        )
        if over:
            self._end(point.series, point.bucket)
        return record

    def _end(self, series: str, bucket: int) -> None:
        """An episode is over: from now on its newcomers are followed."""
        running = self.running.pop(series)
        users, theta = running.crowd.newcomer_sample()
        self.cohorts.add(
            Cohort(
                series=series,
                opened=running.episode.opened,
                closed=bucket,
                newcomers=running.crowd.newcomers,
                users=users,
                theta=theta,
                day_buckets=24 * self.hour,
            )
        )


def _is_to_tell(running: Running, bucket: int, news: bool, hour: int) -> bool:
    """Is it told with a bucket who takes part? If so it is noted what is told.

    Args:
        running: the episode.
        bucket: the bucket.
        news: has the episode just opened or moved?
        hour: buckets in an hour.
    """
    crowd = running.crowd
    due = (
        news
        or crowd.users >= TELL_GROWN * running.told_users
        or crowd.posts >= TELL_GROWN * running.told_posts
        or bucket - running.told_bucket >= hour
    )
    if due:
        running.told_users, running.told_posts = crowd.users, crowd.posts
        running.told_bucket = bucket
    return due


def reach(window: int) -> int:
    """How many buckets, up to the alarm's, an episode with this winning window is told from."""
    return max(window + BEFORE_POINTS // 2, BEFORE_POINTS)


def past_points(
    key: str, row: int, bucket: int, fresh: FloatArray, window: int, bank: Bank
) -> list[Point]:
    """The buckets that an episode is told from, oldest first, ``bucket`` the last.

    Args:
        key: the series.
        row: its row.
        bucket: that of the alarm.
        fresh: fresh users of the buckets up to it, at least ``reach(window)`` many.
        window: the winning window, in buckets.
        bank: asked for the bands.
    """
    count = reach(window)
    buckets = np.arange(bucket - count + 1, bucket + 1)
    expected, upper = bank.band(buckets, np.full(count, row, dtype=np.int64))
    columns = (buckets, fresh[-count:], expected, upper)
    return [
        Point(key, at, observed, mean, limit, 0, 0, open=False)
        for at, observed, mean, limit in zip(*(c.tolist() for c in columns), strict=True)
    ]


def begin(past: list[Point], window: int, expected: float, episodes: Episodes) -> Episode:
    """The episode that the last of these buckets opens, brought up to the one before it.

    Args:
        past: see ``past_points``.
        window: the winning window, in buckets.
        expected: of the winning window.
        episodes: whose hour and calm it is to have.
    """
    fresh = np.array([point.observed for point in past])
    onset = past[0].bucket + _onset(fresh, window, expected)
    episode = Episode(past[-1].bucket, onset, window, episodes.hour, episodes.close_after)
    for point in past[onset - past[0].bucket : -1]:
        episode.observe(point.bucket, point.observed, point.expected)
    return episode


def _parts(table: Table, key: str) -> Iterator[tuple[int, str]]:
    """The series of a bucket that are parts of a series, and the names of the parts."""
    level, _, hashtag = parse_key(key)
    if level == "all":
        for i in (*table.span("hashtag/"), *table.span("region/")):
            yield i, table.series[i]
    elif level == "region":
        pairs = f"{key.replace('region', 'pair', 1)}/"
        for i in table.span(pairs):
            yield i, hashtag_key(table.series[i].removeprefix(pairs))
    elif level == "hashtag":
        for of_region in table.span("region/"):
            name = table.series[of_region]
            i = table.find(pair_key(name.removeprefix("region/"), hashtag or ""))
            if i is not None:
                yield i, name


def _crowd_record(crowd: Crowd) -> CrowdRecord:
    return CrowdRecord(
        newcomer_share=crowd.newcomer_share,
        top_users_share=crowd.top_users_share,
        languages=crowd.languages(),
        regions=crowd.parts("region/"),
        hashtags=crowd.parts("hashtag/"),
    )


def _onset(fresh: FloatArray, window: int, expected: float) -> int:
    """Index of the most likely first bucket of a surge that lasts to the end of ``fresh``.

    The start with the largest likelihood ratio, among those not before the winning window, at an
    even expectation: the maximum-likelihood change point.
    """
    first = max(len(fresh) - window, 0)
    counts = np.cumsum(fresh[first:][::-1])[::-1]
    lengths = np.arange(len(counts), 0, -1)
    means = np.maximum(expected, 1e-6) * lengths / window
    ratio = log_likelihood_ratio(counts, means, np.full(1, 1e-6))
    return first + int(np.argmax(ratio))
