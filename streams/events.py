"""The records that travel between stages, and later between topics.

Every record is complete in itself: it names its source partition, bucket and series, so that a
repeat can be recognised wherever it arrives.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from detectors.forecast import Horizon  # noqa: TC001 - msgspec reads it from here

I64 = NDArray[np.int64]
I16 = NDArray[np.int16]
U8 = NDArray[np.uint8]


class Post(msgspec.Struct, frozen=True, gc=False):
    """One post, decoded and validated, not yet judged foreign or home.

    Attributes:
        post_id: the source's own id.
        created_at_ms: event time, milliseconds since 1970 UTC.
        user_id: the source's own id; never leaves ingest except in rejects.
        region: ISO 3166 alpha-2 in upper case, ``ZZ`` when unknown.
        hashtags: as posted, not yet canonical; at most ``limits`` many.
        lang: primary language subtag in lower case, ``""`` when the post has none.
        account_created_at_ms: when the account was made, or None.
    """

    post_id: str
    created_at_ms: int
    user_id: str
    region: str
    hashtags: list[str]
    lang: str
    account_created_at_ms: int | None


class Tick(msgspec.Struct, frozen=True, gc=False):
    """A marker in the posts topic: event time has reached ``event_time_ms`` elsewhere.

    With ``end`` the log has ended there: nobody is left to confirm what is still held.
    """

    event_time_ms: int
    end: bool = False


class Reject(msgspec.Struct, frozen=True, gc=False):
    """One input record that was not counted, and why.

    Attributes:
        reason: one of ``streams.errors.REJECT_REASONS``.
        detail: for a person: what was wrong, where in the record.
        source: name of the log or topic.
        position: line number (from 1), row number or offset in the source.
        raw: the record's first bytes (at most 4 KiB).
    """

    reason: str
    detail: str
    source: str
    position: int
    raw: bytes


class Intake(msgspec.Struct):
    """What became of the input of one source partition, counted; every post is in one count.

    ``posts = home + foreign + late + duplicate + held + sum(rejected.values())``, where ``held``
    are those that wait now for others to confirm their time.
    """

    posts: int = 0
    home: int = 0
    foreign: int = 0
    late: int = 0
    duplicate: int = 0
    rejected: dict[str, int] = msgspec.field(default_factory=dict)
    hashtags_dropped: int = 0
    series_dropped: int = 0
    held: int = 0

    def reject(self, reason: str) -> None:
        """Count one rejected record."""
        self.posts += 1
        self.rejected[reason] = self.rejected.get(reason, 0) + 1

    def snapshot(self) -> Intake:
        """A copy that later counting does not change."""
        return msgspec.structs.replace(self, rejected=dict(self.rejected))

    def add(self, other: Intake) -> None:
        """Add the counts of another source."""
        self.posts += other.posts
        self.home += other.home
        self.foreign += other.foreign
        self.late += other.late
        self.duplicate += other.duplicate
        self.hashtags_dropped += other.hashtags_dropped
        self.series_dropped += other.series_dropped
        self.held += other.held
        for reason, count in other.rejected.items():
            self.rejected[reason] = self.rejected.get(reason, 0) + count


class Alert(msgspec.Struct, frozen=True):
    """A CloudEvents 1.0 event about an incident or the pipeline; times are RFC 3339, UTC."""

    id: str
    type: str
    source: str
    subject: str
    time: str
    data: dict[str, Any]
    sequence: int | None = None
    correlationid: str | None = None


class Partials(msgspec.Struct, frozen=True, gc=False):
    """What one source partition saw of one bucket: a partial for every series, in columns.

    Attributes:
        partition: source partition.
        bucket: index of the bucket (event time divided by its length).
        series: keys, ascending.
        ends: for each series the end of its rows, shape (series,).
        theta: for each series the sample threshold (``detectors.users``), shape (series,).
        user: users (keyed hashes), a row a post, ascending within a series, shape (rows,).
        post: hashes of (post, user), ascending within a user, shape (rows,).
        lang: index into ``langs``, shape (rows,).
        flags: age bits (``detectors.origin``), shape (rows,).
        langs: languages, ``""`` for none.
    """

    partition: int
    bucket: int
    series: list[str]
    ends: I64
    theta: I64
    user: I64
    post: I64
    lang: I16
    flags: U8
    langs: list[str]


class Closed(msgspec.Struct, frozen=True, gc=False):
    """Marker: a source partition has closed every bucket up to and including ``through``.

    Attributes:
        partition: source partition.
        through: index of the bucket.
        intake: the partition's counts so far; the newest replaces older ones.
    """

    partition: int
    through: int
    intake: Intake


class Early(msgspec.Struct, frozen=True, gc=False):
    """Posts of a bucket that is still open, as partials of those since the last such record.

    Apart from all that is confirmed: what is lost or repeated of them changes no confirmed alert.
    """

    partials: Partials


class Seen(msgspec.Struct, frozen=True, gc=False):
    """Everything before ``position`` in a source partition has been worked on.

    It tells a silent partition from one that nobody reads.
    """

    partition: int
    position: int


class EpisodeRecord(msgspec.Struct, frozen=True):
    """One bucket of a series that is in an episode; all counts are fresh users.

    Attributes:
        series: key of the series.
        opened: bucket that opened the episode; with ``series`` it names the episode.
        bucket: this bucket.
        state: ``open``, ``peaked``, or ``quiet`` in the last record of the episode.
        onset: first bucket of the estimated surge.
        score: of the winning window; ``threshold`` in the same unit.
        observed: over the winning window, like ``expected`` and ``upper``.
        window: length of the winning window in buckets.
        fresh: of this bucket alone, like ``band_expected`` and ``band_upper``.
        last_hour: of the last hour.
        excess: above expectation since the onset.
        peak: of the best hour so far.
        peak_bucket: last bucket of that hour.
        users: distinct users since the onset, like ``posts``.
        doubling_minutes: of the excess, None while it does not grow.
        sampled: are users a sample, scaled up?
        forecast: new users of the coming hours; None when the episode is over, and of early ones.
        crowd: who they are; present at the opening, at changes, when users or posts have grown by
            a fiftieth, and at least once an hour.
        before: at the opening only: the buckets up to it, oldest first.
    """

    series: str
    opened: int
    bucket: int
    state: str
    onset: int
    score: float
    threshold: float
    observed: float
    expected: float
    upper: float
    window: int
    fresh: float
    band_expected: float
    band_upper: float
    last_hour: float
    excess: float
    peak: float
    peak_bucket: int
    users: float
    posts: float
    doubling_minutes: float | None
    sampled: bool
    forecast: list[Horizon] | None = None
    crowd: CrowdRecord | None = None
    before: list[Point] | None = None


class CrowdRecord(msgspec.Struct, frozen=True):
    """Who takes part in an episode; lists are the largest twenty and ``other``."""

    newcomer_share: float | None
    top_users_share: float
    languages: list[tuple[str, float]]
    regions: list[tuple[str, float]]
    hashtags: list[tuple[str, float]]


class Point(msgspec.Struct, frozen=True, gc=False):
    """One bucket of a series, for plots: fresh users and the band they were expected in."""

    series: str
    bucket: int
    observed: float
    expected: float
    upper: float
    score: float
    threshold: float
    open: bool


class Notice(msgspec.Struct, frozen=True, gc=False):
    """Something about the pipeline itself that operations must know.

    Attributes:
        kind: ``gap``, ``stalled``, ``lag``, ``rejects``, ``clock``, ``capped`` or ``detector``.
        status: ``open`` or ``closed``.
        bucket: bucket at whose end it was noticed.
        since: bucket from which it holds.
        details: figures, by name.
        message: words of whatever failed; not ours, so not to be trusted.
    """

    kind: str
    status: str
    bucket: int
    since: int
    details: dict[str, float]
    message: str = ""


class FollowUp(msgspec.Struct, frozen=True, gc=False):
    """How many of an episode's newcomers posted on one of the days after it.

    Attributes: as of ``detectors.retention.Returned``.
    """

    series: str
    opened: int
    day: int
    first: int
    last: int
    newcomers: float
    followed: int
    returned: int
    missing: int


class EarlyOutcome(msgspec.Struct, frozen=True):
    """What the detect stage would say of an open bucket if it closed now.

    Attributes:
        bucket: index of the bucket.
        episodes: as they would open, of series that are in none yet.
        all_per_hour: as in ``Outcome``.
    """

    bucket: int
    episodes: list[EpisodeRecord]
    all_per_hour: float


class Outcome(msgspec.Struct, frozen=True):
    """All that the detect stage says of one bucket.

    Attributes:
        bucket: index of the bucket.
        episodes: records of series in an episode, by key.
        all_per_hour: fresh users an hour expected of ``all`` now, the measure of severity.
        points: for plots, when they are wanted.
        notices: of the pipeline.
        intake: data-quality counts so far, by name.
        follow_ups: of episodes that were over days ago, by series.
    """

    bucket: int
    episodes: list[EpisodeRecord]
    all_per_hour: float
    points: list[Point]
    notices: list[Notice]
    intake: dict[str, int]
    follow_ups: list[FollowUp] = []


class Truth(msgspec.Struct, frozen=True, kw_only=True):
    """What really happened in a log: one wave, or one thing that is none.

    Attributes:
        id: name of the record within its file.
        kind: ``wave`` or ``non_wave``.
        scenario_part: which part of a simulated scenario made it.
        start: first event of it, RFC 3339.
        end: last event of it, RFC 3339, rounded up to a second.
        level: the most specific series that covers it: region, hashtag, pair or all.
        region: its region, where the level has one.
        hashtag: its canonical hashtag, where it has one.
        regions: all its regions, the largest first.
        users: distinct foreign users it really made post.
        peak_at: when most new users are expected to arrive, for waves that peak in their world.
    """

    id: str
    kind: str
    scenario_part: str = ""
    start: str
    end: str
    level: str
    region: str | None = None
    hashtag: str | None = None
    regions: list[str] = []
    users: int = 0
    peak_at: str | None = None


class Label(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator says of an incident; times are RFC 3339, UTC.

    Attributes:
        incident_id: its id under the configuration that had found it.
        verdict: ``true``, ``false``, or ``expected``: real, but nothing to be woken for.
        series: its series, that of the cause first. With its time they tell what it is under
            another configuration, where it has another id.
        since: its onset.
        until: when it was over, or the time of its last alert when it was not.
        at: when this was said.
        by: who said it.
        note: why; may be empty.
    """

    incident_id: str
    verdict: str
    series: list[str]
    since: str
    until: str
    at: str
    by: str
    note: str = ""
