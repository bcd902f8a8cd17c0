"""Open buckets are judged as if they closed now, and nothing confirmed depends on it."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import pytest

from streams.events import Closed, Early, EarlyOutcome, EpisodeRecord, Intake
from tests.kafka.digest import differences, flat
from tests.unit.streams.stages.test_detect import (
    DAY,
    FIRST,
    HOUR,
    World,
    close,
    feed,
    partial,
    quiet,
    records,
    stage,
    wave,
)

if TYPE_CHECKING:
    from streams.stages.detect import Detect

WAVE = FIRST + 2 * DAY + 10
SIZES = (4, 12, 30)
ALARM = WAVE + 1
"""The bucket that raises it when it closes."""


@pytest.fixture(scope="module")
def world() -> World:
    """Two quiet days, then a wave."""
    world = quiet(2.5)
    wave(world, WAVE, SIZES)
    return world


def upto(world: World, bucket: int) -> Detect:
    """A stage that has closed all buckets before one."""
    detect = stage()
    feed(detect, {b: posts for b, posts in world.items() if b < bucket})
    close(detect, bucket - 1)
    return detect


def tell(detect: Detect, world: World, bucket: int, parts: int = 1) -> None:
    """Tell the posts of an open bucket early, in parts."""
    numbered = list(enumerate(world.get(bucket, [])))
    for part in range(parts):
        if mine := numbered[part::parts]:
            detect.early(Early(partial(bucket, mine)))


def looked(detect: Detect) -> dict[str, EpisodeRecord]:
    """What a look says, by series."""
    early = detect.look_early()
    return {} if early is None else {record.series: record for record in early.episodes}


@pytest.mark.parametrize("parts", [1, 3])
def test_as_if_it_closed_now(world: World, parts: int) -> None:
    """All of a bucket told early gives the very figures with which it then closes."""
    bucket = ALARM
    detect = upto(world, bucket)
    tell(detect, world, bucket, parts)
    early = looked(detect)
    assert "hashtag/wave" in early
    feed(detect, {bucket: world[bucket]})
    outcomes = close(detect, bucket)
    opened = {r.series: r for o in outcomes for r in o.episodes if r.opened == bucket}
    assert early.keys() == opened.keys()
    same = ("opened", "onset", "score", "observed", "expected", "window", "fresh")
    # The posts of the bucket itself are chances of a false alarm that the threshold counts.
    near = ("threshold", "upper", "band_upper")
    for series, record in early.items():
        for name in (*same, "band_expected", "excess", "last_hour", "users"):
            assert getattr(record, name) == pytest.approx(getattr(opened[series], name)), name
        for name in near:
            confirmed = getattr(opened[series], name)
            assert getattr(record, name) == pytest.approx(confirmed, rel=0.01), name
        assert [p.observed for p in record.before or []] == [
            p.observed for p in opened[series].before or []
        ]


def test_several_open_buckets(world: World) -> None:
    """The wave is seen although not one of its buckets has closed, and the first is named."""
    detect = upto(world, WAVE)
    for bucket in range(WAVE, WAVE + 3):
        tell(detect, world, bucket)
    early = looked(detect)
    assert early["hashtag/wave"].bucket == ALARM
    one = upto(world, WAVE)
    feed(one, {WAVE: world[WAVE]})
    assert records(close(one, WAVE), "hashtag/wave") == [], "the first alone is no alarm"


def test_repeats_count_once(world: World) -> None:
    """After a restart posts are told again; users are counted once."""
    bucket = ALARM
    once, twice = upto(world, bucket), upto(world, bucket)
    tell(once, world, bucket)
    for parts in (2, 1, 3):
        tell(twice, world, bucket, parts)
    assert looked(once) == looked(twice)


def test_nothing_new_nothing_said(world: World) -> None:
    """A look says what has come since the last one, and nothing of closed buckets."""
    detect = upto(world, ALARM + 1)
    tell(detect, world, ALARM)
    assert detect.look_early() is None, "its bucket has closed"
    fresh = upto(world, ALARM)
    tell(fresh, world, ALARM)
    assert looked(fresh)
    assert fresh.look_early() is None


def test_series_in_an_episode_are_left_out(world: World) -> None:
    """What has been told is followed, not announced."""
    detect = upto(world, WAVE + 3)
    wave(late := {}, WAVE + 3, [50])
    tell(detect, late, WAVE + 3)
    assert "hashtag/wave" not in looked(detect)


def test_quiet_buckets_say_nothing(world: World) -> None:
    """Usual traffic told early is no alarm."""
    bucket = WAVE - HOUR
    detect = upto(world, bucket)
    tell(detect, world, bucket)
    assert detect.look_early() is None


def test_warmup_says_nothing() -> None:
    """Who may not raise an alarm yet raises no early one."""
    young = quiet(0.5)
    wave(young, FIRST + 60, [40])
    detect = upto(young, FIRST + 60)
    tell(detect, young, FIRST + 60)
    assert detect.look_early() is None


def test_known_users_are_not_fresh(world: World) -> None:
    """Who was counted of late is not counted early either."""
    bucket = ALARM
    detect = upto(world, bucket)
    again: World = {bucket: list(world[WAVE])}
    tell(detect, again, bucket)
    assert detect.look_early() is None


def test_confirmed_does_not_depend_on_it(world: World) -> None:
    """With and without early records: the same outcomes, and the same state."""
    plain, told = upto(world, WAVE), upto(world, WAVE)
    for bucket in range(WAVE, WAVE + 5):
        tell(told, world, bucket, 2)
        told.look_early()
        tell(told, world, bucket + 1)
        outcomes = []
        for detect in (plain, told):
            feed(detect, {bucket: world.get(bucket, [])})
            outcomes.append(detect.closed(Closed(0, bucket, Intake())))
        assert outcomes[0] == outcomes[1]
    assert differences(*(flat(pickle.loads(pickle.dumps(d.state()))) for d in (plain, told))) == []  # noqa: S301


def test_what_a_look_gives(world: World) -> None:
    """It names where they come from, which is what links series to an incident."""
    bucket = ALARM
    detect = upto(world, bucket)
    tell(detect, world, bucket)
    early = detect.look_early()
    assert isinstance(early, EarlyOutcome)
    assert early.bucket == bucket
    record = next(r for r in early.episodes if r.series == "hashtag/wave")
    assert record.crowd is not None
    assert record.crowd.regions[0] == ("US", record.users)
