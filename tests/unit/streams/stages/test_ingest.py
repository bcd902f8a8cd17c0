"""Posts of one partition become partials of closed buckets."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.origin import AGE_KNOWN, NEWCOMER, Origin
from streams.codec import PostDecoder
from streams.events import Closed, Partials, Reject
from streams.stages.ingest import Ingest, IngestParams
from streams.stages.pseudonym import Pseudonyms

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
NOW = 1_736_700_000_000 // HOUR * HOUR
CHINA = Origin(frozenset({"CN"}), frozenset({"zh"}), 7 * DAY)
EVERYWHERE = Origin(frozenset(), frozenset(), 7 * DAY)
Out = list[Partials | Closed]


class Partition:
    """An ingest stage with what came out of it."""

    def __init__(self, origin: Origin = CHINA, **changes: int) -> None:
        numbers = {
            "bucket_ms": MINUTE,
            "allowed_lateness_ms": 2 * MINUTE,
            "max_jump_ms": 2 * MINUTE,
            "hashtags_per_post": 30,
            "hashtag_length": 100,
            "held_posts": 1_000,
            "rows_per_series": 1_000,
            "series_per_bucket": 1_000,
        }
        self.rejects: list[Reject] = []
        self.stage = Ingest(
            3, "log", IngestParams(**(numbers | changes)), origin, b"k" * 16, self.rejects.append
        )
        self.decoder = PostDecoder(earliest_ms=0)
        self.out: Out = []

    def feed(self, lines: Iterable[bytes]) -> Partition:
        """Feed lines as one chunk."""
        chunk = b"".join(line + b"\n" for line in lines)
        self.out += self.stage.feed(self.decoder.decode_chunk(chunk, source="log"))
        return self

    def start(self, at: int = NOW) -> Partition:
        """Start the clock by a marker."""
        return self.feed([marker(at)])

    def end(self, at: int | None) -> Partition:
        """End the log."""
        self.out += self.stage.end(at)
        return self

    @property
    def partials(self) -> list[Partials]:
        """The partials that came out, in order."""
        return [one for one in self.out if isinstance(one, Partials)]

    @property
    def through(self) -> int | None:
        """The last bucket that a marker has closed."""
        closed = [one.through for one in self.out if isinstance(one, Closed)]
        return closed[-1] if closed else None


def marker(at: int, **more: Any) -> bytes:
    return orjson.dumps({"surgewatch_tick": {"event_time": at} | more})


def post(
    number: int, at: int, user: object = None, region: str | None = "US", **more: Any
) -> bytes:
    record = {
        "post_id": f"p{number}",
        "created_at": at,
        "user_id": f"u{number if user is None else user}",
        "region": region,
        "hashtags": [],
        "lang": "en",
    }
    return orjson.dumps(record | more)


def plain(one: Partials) -> tuple[Any, ...]:
    columns = (one.ends, one.theta, one.user, one.post, one.lang, one.flags)
    return (one.partition, one.bucket, one.series, one.langs, *(c.tolist() for c in columns))


KINDS = st.sampled_from(["foreign", "home", "late", "future", "again", "broken", "marker"])


@settings(max_examples=60)
@given(st.lists(st.tuples(KINDS, st.integers(0, 400), st.integers(0, 6)), max_size=60))
def test_every_post_is_in_one_count(records: list[tuple[str, int, int]]) -> None:
    """At the end posts = home + foreign + late + duplicate + rejected, whatever came."""
    partition = Partition(held_posts=10)
    lines, last = [], post(0, NOW)
    for number, (kind, seconds, user) in enumerate(records, 1):
        at = NOW + number * 20_000 + seconds * 1_000
        if kind == "late":
            at -= HOUR
        elif kind == "future":
            at += DAY
        line = post(number, at, user, "CN" if kind == "home" else "US")
        line = {"again": last, "broken": b"{", "marker": marker(at)}.get(kind, line)
        last = line if kind in {"foreign", "home"} else last
        lines.append(line)
    partition.feed(lines).end(NOW + 2 * DAY)
    counts = partition.stage.intake
    rejected = sum(counts.rejected.values())
    total = counts.home + counts.foreign + counts.late + counts.duplicate + rejected
    assert counts.posts == total == sum(kind != "marker" for kind, *_ in records)
    assert len(partition.rejects) == rejected
    rows = sum(int(one.ends[0]) for one in partition.partials)
    assert rows == counts.foreign, "and every foreign one is a row of all"


def test_home_and_foreign() -> None:
    """Home posts are counted and leave; an unknown region is ZZ and foreign, unless in Chinese."""
    partition = Partition().start()
    partition.feed(
        [
            post(1, NOW, region="CN"),
            post(2, NOW, region="US", lang="zh-Hant"),
            post(3, NOW, region=None),
            post(4, NOW, region="Mars", lang=None),
            post(5, NOW, region="us"),
            post(6, NOW, region="ZZ", lang="zh"),
        ]
    ).end(NOW)
    assert (partition.stage.intake.home, partition.stage.intake.foreign) == (3, 3)
    (one,) = partition.partials
    assert dict(zip(one.series, one.ends.tolist(), strict=True)) == {
        "all": 3,
        "region/US": 4,
        "region/ZZ": 6,
    }
    assert one.langs == ["", "en"]


@pytest.mark.parametrize(
    ("age_ms", "late"), [(2 * MINUTE, 0), (3 * MINUTE - 1, 0), (3 * MINUTE, 1)]
)
def test_late_begins_at_the_closed_bucket(age_ms: int, late: int) -> None:
    """A post as old as the lateness is counted, one before the last open bucket's start is late."""
    clock = NOW + 3 * MINUTE - 1
    partition = Partition().start().feed([marker(clock), post(1, clock - age_ms)])
    partition.feed([marker(clock + HOUR)])
    assert partition.stage.intake.late == late
    assert partition.stage.intake.foreign == 1 - late
    assert len(partition.partials) == 1 - late


def test_bucket_closes_a_lateness_after_its_end() -> None:
    """A bucket of a minute closes when the clock is two minutes past its end, not before."""
    partition = Partition().start().feed([post(1, NOW + 1)])
    bucket = NOW // MINUTE
    partition.feed([marker(NOW + 3 * MINUTE - 1)])
    assert partition.through == bucket - 1
    partition.feed([marker(NOW + 3 * MINUTE)])
    assert partition.through == bucket
    assert [one.bucket for one in partition.partials] == [bucket]


def test_partial_comes_before_its_marker() -> None:
    """A bucket's partial is out before the marker that says the bucket is closed, in order."""
    partition = Partition().start()
    partition.feed(post(i, NOW + i * 10_000) for i in range(100))
    partition.end(NOW + HOUR)
    closed = -1
    for one in partition.out:
        if isinstance(one, Closed):
            assert one.through > closed
            closed = one.through
        else:
            assert one.bucket > closed
            closed = one.bucket - 1


def test_hashtags_beyond_thirty_are_dropped_and_counted() -> None:
    """Of forty hashtags thirty are counted and ten dropped; repeats and blanks are none."""
    tags = ["#", "T0", "t0", "\u200bt0", *(f"t{i}" for i in range(40)), "T39"]
    partition = Partition().start().feed([post(1, NOW, hashtags=tags)]).end(NOW)
    (one,) = partition.partials
    assert sum(key.startswith("hashtag/") for key in one.series) == 30
    assert {"hashtag/t0", "hashtag/t29", "pair/US/t29"} <= set(one.series)
    assert "hashtag/t30" not in one.series
    assert partition.stage.intake.hashtags_dropped == 11, "ten, and the repeat of a dropped one"


def test_duplicates() -> None:
    """The same post twice in a bucket counts once; another user's of the same id is another."""
    partition = Partition().start()
    partition.feed([post(1, NOW), post(1, NOW + 5), post(1, NOW, user="other")]).end(NOW)
    assert (partition.stage.intake.foreign, partition.stage.intake.duplicate) == (2, 1)
    assert partition.partials[0].ends[0] == 2


@pytest.mark.parametrize(
    ("account", "flags"),
    [
        (NOW - 7 * DAY, AGE_KNOWN | NEWCOMER),
        (NOW - 7 * DAY - 1, AGE_KNOWN),
        ("2025-01-12T00:00:00Z", AGE_KNOWN | NEWCOMER),
        (None, 0),
        ("yesterday", 0),
    ],
)
def test_newcomers(account: object, flags: int) -> None:
    """A post tells whether its account is at most seven days old, or of unknown age."""
    partition = Partition().start().feed([post(1, NOW, account_created_at=account)]).end(NOW)
    assert partition.partials[0].flags.tolist() == [flags, flags]


@settings(max_examples=30)
@given(st.randoms(use_true_random=False), st.integers(20, 120))
def test_order_within_the_lateness_does_not_matter(random: Random, posts: int) -> None:
    """Posts out of order by at most the lateness give the same partials, and none is late."""
    at = [NOW + i * 7_000 for i in range(posts)]
    lines = [
        post(i, at[i], user=i % 11, region=["US", "GB", "CN"][i % 3], hashtags=[f"t{i % 4}"])
        for i in range(posts)
    ]
    # The clock may lead by max_jump; so much less disorder is sure to be in time.
    order = sorted(range(posts), key=lambda i: at[i] + random.uniform(0, 2 * MINUTE))
    shuffled = Partition().start().feed([lines[i] for i in order]).end(at[-1])
    ordered = Partition().start().feed(lines).end(at[-1])
    assert shuffled.stage.intake.late == 0
    assert [plain(p) for p in shuffled.partials] == [plain(p) for p in ordered.partials]


def test_chunks_do_not_matter() -> None:
    """The same lines in one chunk or in many give the same output, markers and counts included."""
    lines = [post(i, NOW + i * 9_000, user=i % 9) for i in range(200)]
    lines[50:50] = [b"{", post(999, NOW + 40 * DAY)]
    whole = Partition().feed(lines).end(NOW + HOUR)
    parts = Partition()
    for i in range(0, len(lines), 7):
        parts.feed(lines[i : i + 7])
    parts.end(NOW + HOUR)
    assert shown(whole.out) == shown(parts.out)
    assert whole.stage.intake == parts.stage.intake


def shown(out: Out) -> list[object]:
    return [plain(one) if isinstance(one, Partials) else one for one in out]


class OneByOne(Partition):
    """A partition whose stage looks at the clock after every single record."""

    def feed(self, lines: Iterable[bytes]) -> OneByOne:
        """Feed lines as one chunk, record by record."""
        batch = self.decoder.decode_chunk(b"".join(line + b"\n" for line in lines), source="log")
        for piece in batch.pieces():
            self.out += self.stage._take_each(piece)
        return self


@settings(max_examples=60)
@given(
    st.lists(st.tuples(KINDS, st.integers(0, 200), st.integers(0, 9)), min_size=1, max_size=400),
    st.sampled_from([100, 2_000, 9_000]),
    st.sampled_from([4, 1_000]),
)
def test_at_once_equals_one_by_one(
    records: list[tuple[str, int, int]], pace_ms: int, limit: int
) -> None:
    """Taking posts at once, where that is done, gives what taking each by itself gives."""
    lines, last = [], post(0, NOW)
    for number, (kind, seconds, user) in enumerate(records, 1):
        at = NOW + number * pace_ms + seconds * 1_000
        at += {"late": -HOUR, "future": DAY}.get(kind, 0)
        region, tags = ("CN", []) if kind == "home" else ("US", [f"t{user}", f"t{seconds}"])
        line = post(number, at, user, region, hashtags=tags)
        line = {"again": last, "broken": b"{", "marker": marker(at)}.get(kind, line)
        last = line if kind in {"foreign", "home"} else last
        lines.append(line)
    limits = {"rows_per_series": 16 * limit, "series_per_bucket": 10 * limit, "held_posts": 20}
    made = [kind(**limits).start().feed(lines).end(NOW + 2 * DAY) for kind in (Partition, OneByOne)]
    assert shown(made[0].out) == shown(made[1].out)
    assert made[0].stage.intake == made[1].stage.intake
    assert made[0].rejects == made[1].rejects


def test_posts_before_a_long_gap_are_not_late() -> None:
    """A sparse partition's posts in order are counted, however far apart the first ones lie."""
    partition = Partition()
    partition.feed(
        [post(0, NOW - 15 * 365 * DAY), *(post(i, NOW + i * 1_000) for i in range(1, 9))]
    )
    partition.end(NOW + 9_000)
    assert (partition.stage.intake.late, partition.stage.intake.foreign) == (0, 9)
    buckets = [(NOW - 15 * 365 * DAY) // MINUTE, NOW // MINUTE]
    assert [one.bucket for one in partition.partials] == buckets


def test_slow_partition_keeps_its_first_posts() -> None:
    """Posts that wait hours for the first five users are counted, none of them is late."""
    partition = Partition()
    partition.feed(post(i, NOW + i * 20 * HOUR, user=i % 2) for i in range(9))
    partition.feed(post(10 + i, NOW + 161 * HOUR + i) for i in range(5))
    partition.end(NOW + 162 * HOUR)
    assert (partition.stage.intake.late, partition.stage.intake.foreign) == (0, 14)
    assert partition.stage.first_ms == NOW


def test_marker_of_the_end() -> None:
    """A marker that says the log has ended does what the end of all logs does."""
    lines = [post(i, NOW + i * 9_000, user=i % 9) for i in range(200)]
    lines.append(post(999, NOW + 40 * DAY))
    ended = Partition().feed(lines).end(NOW + HOUR)
    marked = Partition().feed([*lines, marker(NOW + HOUR, end=True)])
    assert shown(marked.out) == shown(ended.out)
    assert marked.stage.intake == ended.stage.intake
    assert marked.rejects == ended.rejects


def test_log_after_a_marker_of_the_end() -> None:
    """What follows the end of a log is counted like what follows a gap, its own end included."""
    partition = Partition().feed(post(i, NOW + i) for i in range(5))
    partition.feed([marker(NOW + 5, end=True), post(5, NOW - HOUR)])
    partition.feed(post(i, NOW + DAY + i) for i in range(10, 15))
    partition.feed([marker(NOW + DAY + 14, end=True)]).end(NOW + DAY + 14)
    assert (partition.stage.intake.late, partition.stage.intake.foreign) == (1, 10)
    buckets = [NOW // MINUTE, (NOW + DAY) // MINUTE]
    assert [one.bucket for one in partition.partials] == buckets


def test_tiny_log_is_counted_at_its_end() -> None:
    """A log of three users over a month has no clock, and is counted when it ends."""
    partition = Partition().feed(post(i, NOW + i * 10 * DAY, user=i) for i in range(3))
    assert partition.out == []
    partition.end(NOW + 20 * DAY)
    assert partition.stage.intake.foreign == 3
    assert [one.bucket for one in partition.partials] == [
        (NOW + i * 10 * DAY) // MINUTE for i in range(3)
    ]


def test_nothing_beyond_the_end_is_believed() -> None:
    """A held post two minutes past the end of the logs is rejected, not counted and then lost."""
    partition = Partition().start().feed([post(i, NOW + (i + 1) * 3 * MINUTE) for i in range(3)])
    partition.end(NOW + 6 * MINUTE)
    assert partition.stage.intake.foreign == 2
    assert sum(int(one.ends[0]) for one in partition.partials) == 2
    assert partition.stage.intake.rejected == {"future": 1}


def test_future_posts_are_rejected_with_their_place() -> None:
    """What is held when the log ends is rejected as ``future``, with line number and content."""
    far = post(2, NOW + 400 * DAY, region="CN")
    partition = Partition().start().feed([post(1, NOW), far, post(3, NOW)]).end(NOW)
    (reject,) = partition.rejects
    assert (reject.reason, reject.source, reject.position) == ("future", "log", 2)
    assert reject.raw == far
    assert partition.stage.intake.rejected == {"future": 1}
    assert partition.stage.intake.posts == 3


def test_hold_is_bounded_and_what_it_drops_is_told() -> None:
    """Beyond ``held_posts`` the posts furthest ahead are rejected at once; none goes uncounted."""
    partition = Partition(held_posts=50).start()
    partition.feed(post(i, NOW + 400 * DAY + i, user="bot") for i in range(500))
    assert len(partition.stage.mark.held) <= 50
    assert len(partition.rejects) >= 450
    partition.end(NOW)
    assert partition.stage.intake.rejected == {"future": 500}
    assert sorted(reject.position for reject in partition.rejects) == list(range(1, 501))


def test_held_posts_are_released_in_their_buckets() -> None:
    """Posts that waited for a fifth user land in the buckets of their own times."""
    partition = Partition().start()
    lines = [post(i, NOW + HOUR + i * 30_000, region="CN" if i == 2 else "US") for i in range(5)]
    partition.feed(lines).end(NOW + 2 * HOUR)
    assert {one.bucket: int(one.ends[0]) for one in partition.partials} == {
        (NOW + HOUR) // MINUTE: 2,
        (NOW + HOUR) // MINUTE + 1: 1,
        (NOW + HOUR) // MINUTE + 2: 1,
    }
    assert partition.stage.intake.home == 1


def test_flood_of_hashtags_keeps_the_heavy_one() -> None:
    """Under 8,000 junk tags in a bucket the tag of every twentieth post is complete, and told."""
    partition = Partition(series_per_bucket=500, rows_per_series=10_000).start()
    partition.feed(
        post(i, NOW, hashtags=["wave" if i % 20 == 0 else f"junk{i}"]) for i in range(8_000)
    ).end(NOW)
    (one,) = partition.partials
    at = one.series.index("pair/US/wave")
    assert one.ends[at] - one.ends[at - 1] == 400
    assert len(one.series) <= 502
    assert partition.stage.intake.series_dropped > 14_000


def test_huge_hashtags_are_not_remembered() -> None:
    """Forty hashtags of 100 kB each leave less than 1 MB behind in the stage's memories."""
    partition = Partition().start()
    tracemalloc.start()
    partition.feed(post(i, NOW, hashtags=[f"t{i}" + "x" * 100_000]) for i in range(40))
    partition.decoder = PostDecoder(earliest_ms=0)
    left = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert left < 1_000_000
    partition.end(NOW)
    assert all(len(key) <= 110 for key in partition.partials[0].series)


def test_many_languages() -> None:
    """Languages beyond a thousand in a bucket count as unknown; the first keep their names."""
    partition = Partition(EVERYWHERE, rows_per_series=10_000).start()
    codes = [a + b + c for a in "abcdefghijk" for b in "abcdefghij" for c in "abcdefghij"]
    partition.feed(post(i, NOW, lang=code) for i, code in enumerate(codes)).end(NOW)
    (one,) = partition.partials
    assert len(one.langs) == 1_000
    assert {"", codes[0], codes[998]} <= set(one.langs)
    assert codes[999] not in one.langs


def test_no_raw_id_leaves_the_stage() -> None:
    """Partials hold keyed hashes: another key gives other users, the same key the same ones."""
    one, two = Partition(), Partition()
    two.stage._pseudonyms = Pseudonyms(b"z" * 16)
    for partition in (one, two):
        partition.start().feed([post(1, NOW, user="secret")]).end(NOW)
    assert one.partials[0].user.tolist() != two.partials[0].user.tolist()
