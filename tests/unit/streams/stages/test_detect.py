"""Merge, close, count, score, learn, follow: the second stage over small worlds."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
import pytest

from detectors.scan import ScanBank
from detectors.series import stable_hash
from streams.events import Closed, EpisodeRecord, Intake, Notice, Outcome, Partials
from streams.stages.cells import OpenBucket
from streams.stages.detect import Detect
from streams.stages.detect_params import DetectParams

if TYPE_CHECKING:
    from collections.abc import Iterable

MINUTES = 10
HOUR = 60 // MINUTES
DAY = 24 * HOUR
FIRST = 2_894_544
LANGS = ["", "en", "es"]
Post = tuple[int, str, str]
"""User, region, hashtag or ""."""
World = dict[int, list[Post]]


def stage(partitions: int = 1, **changes: int) -> Detect:
    numbers = {
        "bucket_ms": MINUTES * 60_000,
        "fresh_for": 6 * HOUR,
        "warmup": DAY,
        "close_after": HOUR,
        "rows_per_series": 10_000,
        "live_series": 10_000,
        "fresh_users": 1_000_000,
        "history_rows": 1_000_000,
    }
    params = DetectParams(**(numbers | changes), points=True)
    bank = ScanBank(
        bucket_minutes=MINUTES,
        false_incidents_per_week=1.0,
        min_users=5,
        fresh_for_buckets=params.fresh_for,
    )
    return Detect(params, bank, list(range(partitions)))


def partial(bucket: int, posts: Iterable[tuple[int, Post]], partition: int = 0) -> Partials:
    """Numbered posts of one bucket as a partial."""
    cells = OpenBucket(10_000, 10_000)
    for number, (user, region, tag) in posts:
        who = stable_hash(f"user {user}")
        row = (who, stable_hash(f"post {bucket} {number}") ^ who, user % 3, 1 + 4 * bool(tag))
        cells.add(row, region, [tag] if tag else [])
    return cells.close(partition, bucket, LANGS)


def feed(detect: Detect, world: World, partitions: int = 1) -> None:
    """Give the stage all partials of a world, posts dealt out to the partitions in turn."""
    for bucket, posts in sorted(world.items()):
        numbered = list(enumerate(posts))
        for partition in range(partitions):
            if mine := numbered[partition::partitions]:
                detect.partials(partial(bucket, mine, partition))


def close(detect: Detect, through: int, partition: int = 0) -> list[Outcome]:
    return detect.closed(Closed(partition, through, Intake()))


def run(detect: Detect, world: World, last: int, step: int = 10_000_000) -> list[Outcome]:
    """Feed a world to one partition, and close it ``step`` buckets at a time."""
    feed(detect, world)
    outcomes: list[Outcome] = []
    for through in [*range(FIRST - 1, last, step), last]:
        outcomes += close(detect, through)
    return outcomes


def quiet(days: float, mean: float = 3.0, seed: int = 1, first: int = FIRST) -> World:
    """New users all the time, from two regions, some with a hashtag; Poisson in number."""
    rng, world = np.random.default_rng(seed), {}
    user = seed * 1_000_000
    for bucket in range(first, first + round(days * DAY)):
        posts = []
        for _ in range(int(rng.poisson(mean))):
            user += 1
            posts.append((user, "US" if user % 3 else "GB", "food" if user % 10 == 0 else ""))
        if posts:
            world[bucket] = posts
    return world


def wave(
    world: World, start: int, sizes: Iterable[int], tag: str = "wave", region: str = "US"
) -> None:
    """Add new users under a tag, so many in each bucket from ``start`` on."""
    user = 50_000_000 + start * 1_000
    for bucket, size in enumerate(sizes, start):
        world.setdefault(bucket, []).extend((user + i, region, tag) for i in range(size))
        user += size


def records(outcomes: list[Outcome], series: str) -> list[EpisodeRecord]:
    return [r for o in outcomes for r in o.episodes if r.series == series]


def notices(outcomes: list[Outcome]) -> list[Notice]:
    return [n for o in outcomes for n in o.notices]


def hump(last: int) -> tuple[World, int]:
    """Two quiet days, a wave of two hours, and quiet until ``last``."""
    world = quiet(2 + last / DAY)
    start = FIRST + 2 * DAY
    wave(world, start, [5, 10, 20, *[40] * (2 * HOUR - 3)])
    return world, start


def test_quiet_world_is_quiet() -> None:
    """Three days of ordinary users open nothing."""
    outcomes = run(stage(), quiet(3), FIRST + 3 * DAY)
    assert [o for o in outcomes if o.episodes or o.notices] == []


@pytest.mark.parametrize(("posts", "before"), [(1, 5_000 * DAY), (6, 30 * DAY), (30, 2 * DAY)])
def test_stray_posts_before_a_log_do_not_age_it(posts: int, before: int) -> None:
    """Posts long before a log use up none of its warm-up, and let nothing look unusual."""
    world = quiet(3)
    world[FIRST - before] = [(n, "US", "") for n in range(posts)]
    detect = stage()
    outcomes = run(detect, world, FIRST + 3 * DAY)
    assert detect.age.first == FIRST - 1
    assert [o for o in outcomes if o.episodes] == []


@pytest.mark.parametrize("after", [HOUR, 3 * HOUR, 5 * HOUR + 3, 6 * HOUR, 6 * HOUR + 1])
def test_outage_in_a_log_s_first_hours_is_no_quiet_time(after: int) -> None:
    """An outage of a day that begins before the log has settled is not learned as quiet."""
    world = {b: p for b, p in quiet(5).items() if not after <= b - FIRST < after + DAY}
    outcomes = run(stage(), world, FIRST + 5 * DAY)
    assert [o for o in outcomes if o.episodes] == []
    assert [n.kind for n in notices(outcomes) if n.status == "closed"] == ["gap"]


def test_a_log_of_a_few_hours_a_day_is_judged() -> None:
    """Posts in four hours of each day: the rest does not count, and a wave is found in the end."""
    world = {b: p for b, p in quiet(14).items() if b % DAY < 4 * HOUR}
    start = FIRST // DAY * DAY + 12 * DAY + HOUR
    wave(world, start, [40] * HOUR)
    outcomes = run(stage(), world, FIRST + 14 * DAY)
    opened = {r.opened for o in outcomes for r in o.episodes if r.series == "hashtag/wave"}
    assert opened
    assert min(opened) - start < HOUR


def test_short_early_silence_is_believed() -> None:
    """A quiet half hour in a sparse log's first hours is no hole: the log goes on."""
    world = {b: p for b, p in quiet(3, mean=0.3).items() if not 2 * HOUR <= b - FIRST < 3 * HOUR}
    detect = stage()
    run(detect, world, FIRST + 3 * DAY)
    assert detect.age.first is not None
    assert detect.age.first <= FIRST + HOUR


def test_wave_lives_its_life() -> None:
    """A wave opens within a quarter of an hour, peaks an hour after its best, ends in calm."""
    world, start = hump(DAY)
    found = records(run(stage(), world, FIRST + 3 * DAY), "pair/US/wave")
    first, last = found[0], found[-1]
    states = [state for state, _ in itertools.groupby(found, lambda r: r.state)]
    assert states == ["open", "peaked", "quiet"]
    assert start <= first.opened <= start + 2
    assert start <= first.onset <= first.opened
    assert {r.opened for r in found} == {first.opened}
    assert [r.bucket for r in found] == list(range(first.bucket, last.bucket + 1))
    assert first.observed >= first.upper >= first.expected
    assert first.score >= first.threshold
    assert last.users == last.posts == 35 + 40 * (2 * HOUR - 3)
    assert last.excess == pytest.approx(last.users, rel=0.05)
    peaked = next(r for r in found if r.state == "peaked")
    assert peaked.bucket - peaked.peak_bucket >= HOUR
    assert start + HOUR < peaked.peak_bucket <= start + 2 * HOUR
    assert found[3].doubling_minutes is not None
    assert found[3].doubling_minutes < 30


def test_wave_lifts_its_hashtag_region_and_all() -> None:
    """The wave's hashtag, region, pair and ``all`` alarm; other series don't."""
    world, start = hump(HOUR * 4)
    outcomes = run(stage(), world, start + 2 * HOUR)
    opened = {r.series for o in outcomes for r in o.episodes}
    assert opened == {"all", "region/US", "hashtag/wave", "pair/US/wave"}


def test_opening_tells_what_came_before() -> None:
    """The first record has who is in it, and the buckets before it; later ones only at changes."""
    world, start = hump(DAY)
    found = records(run(stage(), world, FIRST + 3 * DAY), "region/US")
    first = found[0]
    assert first.opened <= start + 2
    assert first.before is not None
    assert [p.bucket for p in first.before] == list(
        range(first.bucket - len(first.before), first.bucket)
    )
    usual = [p.observed for p in first.before if start - HOUR <= p.bucket < start]
    assert sum(usual) == pytest.approx(2 * HOUR, rel=0.6)
    assert all(r.before is None for r in found[1:])
    assert first.crowd is not None
    assert dict(first.crowd.hashtags)["wave"] >= 5
    told = [r for r in found if r.crowd is not None]
    changes = [r for r, old in zip(found[1:], found, strict=False) if r.state != old.state]
    assert all(r.crowd is not None for r in changes)
    assert max(b.bucket - a.bucket for a, b in itertools.pairwise(told)) <= HOUR
    assert found[-1].crowd is not None
    assert found[-1].crowd.languages[0][0] in {"en", "es"}
    assert found[-1].crowd.newcomer_share == 0.0


def test_users_since_the_onset_are_counted_once() -> None:
    """Users of the buckets before the alarm count from the onset on, and who returns, once."""
    world = quiet(2)
    start = FIRST + 2 * DAY
    crowd = [(70_000_000 + i, "US", "wave") for i in range(200)]
    for i in range(HOUR):
        world.setdefault(start + i, []).extend(crowd[: 4 * (i + 1) ** 2 // 3])
    found = records(run(stage(), world, start + HOUR), "hashtag/wave")
    assert found[0].onset < found[0].opened
    distinct = min(4 * HOUR**2 // 3, 200)
    assert found[-1].users == distinct
    assert found[-1].posts == sum(len(crowd[: 4 * (i + 1) ** 2 // 3]) for i in range(HOUR))


def test_bots_are_few() -> None:
    """Three bots with a thousand posts each open nothing: they are three users."""
    world = quiet(3)
    for i in range(DAY):
        bots = [(90_000_000 + n % 3, "US", "buy") for n in range(30)]
        world.setdefault(FIRST + 2 * DAY + i, []).extend(bots)
    outcomes = run(stage(), world, FIRST + 3 * DAY)
    assert [o for o in outcomes if o.episodes] == []


def test_nothing_alarms_while_warming_up() -> None:
    """In the first day a wave raises no alarm; a day later the same wave does."""
    for start, alarms in ((FIRST + DAY - 2 * HOUR, False), (FIRST + DAY + HOUR, True)):
        world = quiet(2)
        wave(world, start, [50] * HOUR)
        outcomes = run(stage(), world, start + HOUR)
        assert any(o.episodes for o in outcomes) is alarms


def rich_world() -> World:
    """A log with all that happens: quiet, a wave, a hole, its end, a sparse tail."""
    world = quiet(2.5)
    wave(world, FIRST + 2 * DAY + 3, [4, 9, 20, 30, 30, 20, 9, 4])
    for bucket in range(FIRST + 2 * DAY + 60, FIRST + 2 * DAY + 110):
        world.pop(bucket, None)
    # It begins within an hour, and is silent where its first users have settled.
    for bucket in (FIRST, FIRST + 1, *range(FIRST + 3, FIRST + 60)):
        world.pop(bucket, None)
    for bucket in range(FIRST + 40, FIRST + 3 * DAY, 53):
        world.setdefault(bucket, []).append((bucket, "FR", "rare"))
    return world


LAST = FIRST + 3 * DAY


@pytest.fixture(scope="module")
def one_by_one() -> list[Outcome]:
    """The rich world, every bucket closed by itself."""
    return run(stage(), rich_world(), LAST, step=1)


def test_rich_world_is_rich(one_by_one: list[Outcome]) -> None:
    """The world that other tests compare has an episode that closes, and a gap that ends."""
    assert {r.state for r in records(one_by_one, "hashtag/wave")} == {"open", "peaked", "quiet"}
    assert [(n.kind, n.status) for n in notices(one_by_one)][:2] == [
        ("gap", "open"),
        ("gap", "closed"),
    ]


@pytest.mark.parametrize("step", [7, 100, 10_000])
def test_how_many_close_at_once_does_not_matter(one_by_one: list[Outcome], step: int) -> None:
    """Closing seven, a hundred or all buckets at once gives what closing one by one gives."""
    assert run(stage(), rich_world(), LAST, step=step) == one_by_one


@pytest.mark.parametrize("partitions", [2, 4])
def test_partitions_do_not_matter(one_by_one: list[Outcome], partitions: int) -> None:
    """Posts split over partitions that close at their own pace give the same outcomes."""
    rng = np.random.default_rng(partitions)
    detect, outcomes = stage(partitions), []
    feed(detect, rich_world(), partitions)
    for cut in sorted(rng.integers(0, LAST - FIRST, 60).tolist()):
        outcomes += close(detect, FIRST + cut, int(rng.integers(partitions)))
    for partition in range(partitions):
        outcomes += close(detect, LAST, partition)
    assert outcomes == one_by_one


def test_repeats_change_nothing() -> None:
    """Partials and markers that come twice, late or in another order give the same outcomes."""
    world, start = hump(3 * HOUR)
    last = start + 3 * HOUR
    once, twice = stage(), stage()
    outcomes: tuple[list[Outcome], list[Outcome]] = ([], [])
    for bucket in range(FIRST, last):
        mine = [partial(bucket, enumerate(world[bucket]))] if bucket in world else []
        old = [partial(bucket - 9, enumerate(world[bucket - 9]))] if bucket - 9 in world else []
        for one in mine:
            once.partials(one)
        for one in [*old, *mine, *mine, *old]:
            twice.partials(one)
        outcomes[0].extend(close(once, bucket))
        outcomes[1].extend(close(twice, bucket))
        assert close(twice, bucket) == []
        assert close(twice, bucket - 5) == []
    assert outcomes[0] == outcomes[1]
    assert any(o.episodes for o in outcomes[0])


def test_bucket_waits_for_every_partition() -> None:
    """A bucket closes with the slowest partition's marker, also one that never had a post."""
    detect = stage(3)
    feed(detect, quiet(1), partitions=2)
    last = FIRST + DAY - 1
    assert close(detect, last, 0) == close(detect, last, 1) == []
    assert detect.rows_live == 1
    reached = close(detect, FIRST + DAY // 2, 2)
    assert max(o.bucket for o in reached) <= FIRST + DAY // 2
    rest = close(detect, last, 2)
    assert min(o.bucket for o in rest) > FIRST + DAY // 2


def test_late_partial_of_a_closed_bucket_is_dropped() -> None:
    """A partial of a bucket that its partition has closed does not come back as a bucket."""
    detect = stage()
    outcomes = run(detect, quiet(1.5), FIRST + DAY)
    posts: list[Post] = [(i, "US", "late") for i in range(500)]
    detect.partials(partial(FIRST + DAY - 3, enumerate(posts)))
    later = close(detect, FIRST + DAY + HOUR)
    assert outcomes
    assert not any("late" in p.series for o in later for p in o.points)
    assert not any(o.episodes for o in later)
    assert min(o.bucket for o in later) > FIRST + DAY


def with_hole(hours: int, mean: float = 3.0) -> tuple[World, int, int]:
    """Two quiet days with a hole on the second; its first and last bucket."""
    world = quiet(2, mean=mean)
    first = FIRST + DAY + DAY // 2
    last = first + hours * HOUR - 1
    for bucket in range(first, last + 1):
        world.pop(bucket, None)
    while first - 1 not in world:
        first -= 1
    while last + 1 not in world:
        last += 1
    return world, first, last


def test_gap_is_told_and_ends() -> None:
    """A hole of three hours is told when it is too unlikely for chance, and when it is over."""
    world, first, last = with_hole(3)
    detect = stage()
    told = notices(run(detect, world, FIRST + 2 * DAY))
    assert [(n.kind, n.status, n.since) for n in told] == [
        ("gap", "open", first),
        ("gap", "closed", first),
    ]
    assert first < told[0].bucket <= first + HOUR, "36 users an hour do not stay away by chance"
    assert told[1].bucket == last + 1
    assert isinstance(detect.bank, ScanBank)
    assert detect.bank._gap == (first, last), "the detector knows all of it"
    assert told[1].details == {"minutes": float((last - first + 1) * MINUTES)}


def test_return_after_a_gap_is_no_alarm() -> None:
    """Regular users, all fresh again after a hole of seven hours, raise no alarm."""
    rng, world = np.random.default_rng(2), {}
    for bucket in range(FIRST, FIRST + 3 * DAY):
        users = rng.integers(0, 1_500, int(rng.poisson(12.0)))
        world[bucket] = [(int(u), "US" if u % 3 else "GB", "") for u in users]
    first = FIRST + 2 * DAY
    for bucket in range(first, first + 7 * HOUR):
        del world[bucket]
    outcomes = run(stage(), world, FIRST + 3 * DAY)
    assert [n.status for n in notices(outcomes)] == ["open", "closed"]
    assert not any(o.episodes for o in outcomes)


def test_gap_does_not_close_an_episode() -> None:
    """A wave that a hole of four hours interrupts is one episode."""
    world = quiet(2.5)
    start = FIRST + 2 * DAY
    wave(world, start, [30] * (9 * HOUR))
    first = start + 2 * HOUR
    for bucket in range(first, first + 4 * HOUR):
        del world[bucket]
    outcomes = run(stage(), world, start + 9 * HOUR - 1)
    told = notices(outcomes)
    found = records(outcomes, "hashtag/wave")
    assert [n.status for n in told] == ["open", "closed"]
    assert {r.opened for r in found} == {found[0].opened}
    assert all(r.state != "quiet" for r in found)
    inside = [r.bucket for r in found if first <= r.bucket < first + 4 * HOUR]
    assert inside == list(range(first, told[0].bucket + 1)), "until the hole is known to be one"


def test_limit_of_live_series_keeps_the_heaviest() -> None:
    """A flood of tags, one a user, is dropped and told; a true wave is found; regions stay."""
    world = quiet(3)
    for bucket in range(FIRST + DAY, FIRST + 3 * DAY):
        flood = [(80_000_000 + bucket * 10 + i, "US", f"junk{bucket}x{i}") for i in range(4)]
        world.setdefault(bucket, []).extend(flood)
    start = FIRST + 2 * DAY + DAY // 2
    wave(world, start, [20] * HOUR)
    detect = stage(live_series=300)
    outcomes = run(detect, world, FIRST + 3 * DAY - 1)
    assert detect.rows_live <= 300 + 8
    told = [n for n in notices(outcomes) if n.kind == "capped"]
    assert told
    assert min(b.bucket - a.bucket for a, b in itertools.pairwise(told)) >= 1
    hours = [n.bucket // HOUR for n in told]
    assert len(hours) == len(set(hours)), "at most once an hour"
    dropped = sum(n.details["series_dropped"] for n in told)
    assert dropped <= outcomes[-1].intake["series_dropped"] < dropped + 300
    assert dropped > 1_500
    assert start <= records(outcomes, "pair/US/wave")[0].opened <= start + 3


def test_idle_series_are_forgotten_each_day() -> None:
    """Series without users for days lose their row, and nobody is told: nothing was lost."""
    world = quiet(4.5, mean=1.0)
    for i in range(200):
        world.setdefault(FIRST + i, []).append((60_000_000 + i, "US", f"old{i}"))
    detect = stage()
    outcomes = run(detect, world, FIRST + 4 * DAY + HOUR)
    assert detect.rows_live < 50
    assert notices(outcomes) == []


def test_freshness_beyond_its_memory_is_sampled() -> None:
    """With room for 2,000 users of 9,000, counts are estimates: right within a tenth, and told."""
    rng, world = np.random.default_rng(3), {}
    for bucket in range(FIRST, FIRST + 2 * DAY):
        world[bucket] = [(int(u), "US", "") for u in rng.integers(0, 1 << 40, 40)]
    outcomes = run(stage(fresh_users=2_000), world, FIRST + 2 * DAY - 1)
    seen = {p.bucket: p.observed for o in outcomes for p in o.points if p.series == "all"}
    later = [seen[b] for b in range(FIRST + DAY, FIRST + 2 * DAY)]
    assert np.mean(later) == pytest.approx(40.0, rel=0.1)
    assert len(set(later)) > 3
    assert not any(o.episodes for o in outcomes)


def test_points_are_of_all_and_regions() -> None:
    """Every bucket with a post has a point of all and of its regions; of tags only in episodes."""
    world, start = hump(2 * HOUR)
    outcomes = run(stage(), world, start + 2 * HOUR - 1)
    settled = FIRST + 6 * HOUR
    assert [o.bucket for o in outcomes] == sorted(b for b in world if b >= settled)
    for outcome in outcomes:
        series = [p.series for p in outcome.points]
        assert series == sorted(series)
        assert "all" in series
        in_episode = {r.series for r in outcome.episodes}
        regions = {f"region/{region}" for _, region, _ in world[outcome.bucket]}
        assert set(series) == {"all"} | regions | in_episode
        assert {p.series for p in outcome.points if p.open} == in_episode
    counted = {p.bucket: p.observed for o in outcomes for p in o.points if p.series == "all"}
    assert counted == {b: float(len(world[b])) for b in world if b >= settled}


def test_second_wave_is_a_second_episode() -> None:
    """A wave half a day after another under the same tag opens an episode of its own."""
    world, start = hump(DAY)
    wave(world, start + 14 * HOUR, [20] * HOUR)
    found = records(run(stage(), world, FIRST + 3 * DAY), "pair/US/wave")
    opened = sorted({r.opened for r in found})
    assert len(opened) == 2
    assert start + 14 * HOUR <= opened[1] <= start + 14 * HOUR + 2
    second = [r for r in found if r.opened == opened[1]]
    assert second[0].onset >= start + 14 * HOUR, "its windows do not reach into the first"
    assert second[-1].users == 20 * HOUR


def test_intake_is_summed_over_partitions() -> None:
    """Outcomes carry the counts of all partitions as of their bucket, however far those have come.

    Where they stand by now depends on how the partitions were read in turn.
    """
    detect = stage(2)
    feed(detect, quiet(1), 2)
    first = Intake(posts=5, late=2, duplicate=1, rejected={"future": 2})
    detect.closed(Closed(0, FIRST + DAY // 2, first))
    detect.closed(
        Closed(0, FIRST + DAY, Intake(posts=9, late=4, duplicate=1, rejected={"future": 4}))
    )
    outcomes = detect.closed(Closed(1, FIRST + DAY, first))
    assert outcomes[-1].intake == {"late": 6, "duplicates": 2, "rejected": 6, "series_dropped": 0}
    assert outcomes[0].bucket < FIRST + DAY // 2
    assert outcomes[0].intake["late"] == 4


@pytest.mark.parametrize("partitions", [1, 2])
def test_nothing_comes_of_nothing(partitions: int) -> None:
    """Markers without a single foreign post close nothing and fail nowhere."""
    detect = stage(partitions)
    assert close(detect, FIRST) == close(detect, FIRST + 10 * DAY) == []


def test_forgetting_rows_keeps_parents() -> None:
    """Series that stay after others were forgotten still borrow from their own regions."""
    detect = stage(live_series=120)
    regions = ["US", "GB", "MY", "FR", "DE", "BR", "IN", "JP", "KR", "VN"]
    rng, world = np.random.default_rng(1), {}
    for bucket in range(FIRST, FIRST + 4 * DAY):
        region = regions[rng.integers(len(regions))]
        world[bucket] = [(bucket * 10 + i, region, f"tag{bucket // 3}") for i in range(3)]
    run(detect, world, FIRST + 4 * DAY, DAY)
    assert detect.rows_live <= 120, "some were forgotten"
    rows, bank = detect._rows, detect.bank
    assert isinstance(bank, ScanBank)
    for row, key in enumerate(rows.keys):
        if key.startswith("pair/"):
            region = rows.of["region/" + key.split("/")[1]]
            assert bank.baseline._parents[row] == region, key
