"""The newcomers of an episode that is over are looked for in the days after it."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import pytest

from detectors.origin import AGE_KNOWN, NEWCOMER
from detectors.series import stable_hash
from streams.codec.records import decode_outcome, encode_outcome
from streams.stages.cells import OpenBucket
from tests.unit.streams.stages.test_detect import (
    DAY,
    FIRST,
    HOUR,
    LANGS,
    close,
    quiet,
    records,
    stage,
    wave,
)

if TYPE_CHECKING:
    from streams.events import FollowUp, Outcome, Partials
    from streams.stages.detect import Detect
    from tests.unit.streams.stages.test_detect import World

START = FIRST + 2 * DAY
SIZES = [5, 10, 20, *[40] * (2 * HOUR - 3)]
LAST = START + 9 * DAY
FIRST_USER = 50_000_000 + START * 1_000


def partial(bucket: int, posts: list[tuple[int, str, str]]) -> Partials:
    """Posts of one bucket; who came with the wave is a newcomer."""
    cells = OpenBucket(10_000, 10_000)
    for number, (user, region, tag) in enumerate(posts):
        who = stable_hash(f"user {user}")
        age = AGE_KNOWN | (NEWCOMER if user >= FIRST_USER else 0)
        row = (who, stable_hash(f"post {bucket} {number}") ^ who, 0, age + 4 * bool(tag))
        cells.add(row, region, [tag] if tag else [])
    return cells.close(0, bucket, LANGS)


def run(detect: Detect, world: World, step: int = 10_000_000) -> list[Outcome]:
    """Feed a world, and close it ``step`` buckets at a time."""
    for bucket, posts in sorted(world.items()):
        detect.partials(partial(bucket, posts))
    outcomes: list[Outcome] = []
    for through in [*range(FIRST - 1, LAST, step), LAST]:
        outcomes += close(detect, through)
    return outcomes


def humped(days: float = 11.5, mean: float = 1.0) -> World:
    """Two quiet days, a wave of two hours, and quiet again; ``mean`` is of regulars a bucket."""
    world = quiet(days, mean=mean)
    wave(world, START, SIZES)
    return world


def ended(outcomes: list[Outcome]) -> int:
    """The bucket that ended the wave's episode."""
    return records(outcomes, "hashtag/wave")[-1].bucket


def follow_ups(outcomes: list[Outcome], series: str = "hashtag/wave") -> list[FollowUp]:
    return [one for outcome in outcomes for one in outcome.follow_ups if one.series == series]


@pytest.fixture(scope="module")
def closed() -> int:
    """When the wave's episode ends, whatever follows days later."""
    return ended(run(stage(), humped(5)))


def returning(closed: int, mean: float = 1.0) -> World:
    """The humped world; of the wave's users 60 are back a day later, then 30, after a week 15.

    They post twice, under another hashtag and from another region than before.
    """
    world = humped(mean=mean)
    for day, count in ((1, 60), (3, 30), (7, 15)):
        at = closed + 1 + day * DAY + 7
        for bucket in (at, at + 30):
            back = [(FIRST_USER + n, "FR", "later") for n in range(count)]
            world.setdefault(bucket, []).extend(back)
    return world


def test_who_comes_back_is_counted(closed: int) -> None:
    """Each window is told with its last bucket, of the wave's newcomers, whatever they post."""
    outcomes = run(stage(), returning(closed))
    told = follow_ups(outcomes)
    assert [(one.day, one.returned) for one in told] == [(1, 60), (3, 30), (7, 15)]
    for one in told:
        assert one.first == closed + 1 + one.day * DAY
        (outcome,) = (o for o in outcomes if one in o.follow_ups)
        assert outcome.bucket == one.last == one.first + DAY - 1
        assert one.newcomers == one.followed == sum(SIZES)
        assert one.opened == records(outcomes, "hashtag/wave")[0].opened
        assert one.missing == 0
        assert decode_outcome(encode_outcome(outcome)) == outcome


@pytest.mark.parametrize("step", [1, 7, 100])
def test_how_many_close_at_once_does_not_matter(closed: int, step: int) -> None:
    """Nor whether anybody posts: the log ends three days after the wave, silence follows."""
    world = {at: posts for at, posts in returning(closed).items() if at < closed + 3 * DAY + 9}
    at_once = run(stage(), world)
    assert len(follow_ups(at_once)) == 3
    assert run(stage(), world, step) == at_once


def test_a_sparse_log_is_told_in_time(closed: int) -> None:
    """Of a log too sparse for silence to be odd, in a bucket in which nobody posts."""
    world = {at: posts[:1] for at, posts in quiet(11.5).items() if at % (6 * HOUR - 1) == 3}
    wave(world, START, SIZES)
    outcomes = run(stage(), world)
    told = follow_ups(outcomes)
    assert [one.day for one in told] == [1, 3, 7]
    assert [one.missing for one in told] == [0, 0, 0]
    silent = [one.last for one in told if one.last not in world]
    assert silent
    assert {o.bucket for o in outcomes if o.follow_ups} >= set(silent)
    assert closed < told[0].first


def test_missing_data_are_told(closed: int) -> None:
    """A hole of eight hours within a window is told with it, and not with the others."""
    world = returning(closed)
    hole = closed + 1 + 3 * DAY + 40
    for bucket in range(hole, hole + 8 * HOUR):
        world.pop(bucket, None)
    assert [one.missing for one in follow_ups(run(stage(), world))] == [0, 8 * HOUR, 0]


def test_a_hole_that_goes_on_for_days(closed: int) -> None:
    """Windows that lie in a hole are told in time, and as missing from end to end."""
    gone = closed + 1 + DAY // 2
    world = {at: posts for at, posts in returning(closed, 4.0).items() if at < gone}
    told = follow_ups(run(stage(), world))
    assert [(one.day, one.returned, one.missing) for one in told] == [
        (1, 0, DAY),
        (3, 0, DAY),
        (7, 0, DAY),
    ]


def test_old_accounts_are_no_newcomers(closed: int) -> None:
    """Regulars who came with the wave are not looked for: of a wave of regulars nothing is told."""
    world = returning(closed)
    for bucket in range(START, START + 2 * HOUR):
        world[bucket] = [(u - FIRST_USER, r, t) if t else (u, r, t) for u, r, t in world[bucket]]
    outcomes = run(stage(), world)
    assert records(outcomes, "hashtag/wave")
    assert follow_ups(outcomes) == []


def test_a_kept_state_goes_on(closed: int) -> None:
    """What another stage has kept between windows gives what the first would have given."""
    world = returning(closed)
    whole = run(stage(), world)
    first, second = stage(), stage()
    for bucket, posts in sorted(world.items()):
        first.partials(partial(bucket, posts))
    outcomes = close(first, closed + 1 + 2 * DAY)
    second.restore(pickle.loads(pickle.dumps(first.state())))  # noqa: S301 - our own
    outcomes += close(second, LAST)
    assert follow_ups(outcomes) == follow_ups(whole)
