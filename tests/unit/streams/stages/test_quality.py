"""Rejects and wrong clocks are told when they begin, and when they end."""

from __future__ import annotations

from streams.events import Closed, Intake
from streams.stages.quality import Quality
from tests.unit.streams.stages.test_detect import DAY, FIRST, HOUR, feed, notices, quiet, stage

MINUTE_MS = 60_000


def look(quality: Quality, hour: int, posts: int, **rejected: int) -> list[tuple[str, str]]:
    """What is told at the first bucket of an hour, of these counts so far."""
    bucket = hour * 60
    assert quality.due(bucket, bucket + 59) == [bucket]
    told = quality.notices(bucket, Intake(posts=posts, rejected=dict(rejected)))
    assert quality.due(bucket + 1, bucket + 59) == []
    assert quality.due(bucket + 59, bucket + 121) == [bucket + 60, bucket + 120]
    return [(notice.kind, notice.status) for notice in told]


def test_many_rejects_are_told_while_they_last() -> None:
    """From 100 an hour and a twentieth of the posts on; once at each end."""
    quality = Quality(MINUTE_MS)
    assert look(quality, 0, 500_000, not_json=400_000) == [], "what was before counts for nothing"
    assert look(quality, 1, 501_000, not_json=400_099) == [], "99 are too few"
    assert look(quality, 2, 504_000, not_json=400_200) == [], "and 101 of 3,000 too small a share"
    assert look(quality, 3, 505_000, not_json=400_310) == [("rejects", "open")]
    assert look(quality, 4, 506_000, not_json=400_420) == []
    assert look(quality, 5, 507_000, not_json=400_420) == [("rejects", "closed")]


def test_wrong_clocks_are_told_for_less() -> None:
    """A hundredth of the posts: they may well be a whole source."""
    quality = Quality(MINUTE_MS)
    assert look(quality, 0, 0) == []
    assert look(quality, 1, 2_000, future=10, out_of_range=10) == [("clock", "open")]
    assert look(quality, 2, 4_000, future=10, out_of_range=10) == [("clock", "closed")]


def test_posts_that_nobody_confirms_are_a_wrong_clock() -> None:
    """They wait, and are rejected at the log's end, when nobody needs to be told any more."""
    quality = Quality(MINUTE_MS)
    quality.notices(0, Intake())
    (notice,) = quality.notices(60, Intake(posts=2_000, held=30, rejected={"future": 4}))
    assert (notice.kind, notice.status) == ("clock", "open")
    assert notice.details == {"rejected": 4.0, "posts": 2_000.0, "share": 0.017, "held": 30.0}
    # One who waited is rejected: no news. What is confirmed after all takes nothing back.
    (notice,) = quality.notices(120, Intake(posts=4_000, held=29, rejected={"future": 5}))
    assert (notice.kind, notice.status) == ("clock", "closed")
    assert notice.details["rejected"] == notice.details["share"] == 0.0
    assert quality.notices(180, Intake(posts=6_000, rejected={"future": 5})) == []


def test_of_both_both_are_told() -> None:
    """What a clock spoils is rejected, too."""
    quality = Quality(MINUTE_MS)
    look(quality, 0, 0)
    assert look(quality, 1, 1_000, future=100) == [("rejects", "open"), ("clock", "open")]


def test_figures_and_times_are_told() -> None:
    """Since the hour before, and how much."""
    quality = Quality(MINUTE_MS)
    quality.notices(0, Intake())
    (notice,) = quality.notices(60, Intake(posts=1_000, rejected={"empty": 250}))
    assert (notice.bucket, notice.since) == (60, 0)
    assert notice.details == {"rejected": 250.0, "posts": 1_000.0, "share": 0.25}


def test_a_source_of_hardly_anything_but_rejects_is_told() -> None:
    """Within the hour, though no foreign post closes a bucket."""
    detect, end = stage(), FIRST + DAY
    feed(detect, quiet(1))
    outcomes = detect.closed(Closed(0, end - 1, Intake(posts=1_000)))
    for hour in range(1, 4):
        intake = Intake(posts=1_000 + 200 * hour, rejected={"not_json": 190 * hour})
        for bucket in range(HOUR):
            outcomes += detect.closed(Closed(0, end + (hour - 1) * HOUR + bucket, intake))
    told = [(n.kind, n.status, n.bucket) for n in notices(outcomes) if n.kind == "rejects"]
    assert told == [("rejects", "open", end)]
