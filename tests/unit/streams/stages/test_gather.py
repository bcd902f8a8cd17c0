"""What sources bring waits for the slowest, and is forgotten in time."""

from __future__ import annotations

from streams.events import Closed, Intake
from streams.stages.gather import Gathering
from tests.unit.streams.stages.test_detect import FIRST, partial

POST = (1, "US", "")


def test_the_slowest_decides() -> None:
    """Nothing is closed before each has closed something, then what all have closed."""
    sources = Gathering([0, 1])
    assert sources.close(Closed(0, FIRST + 5, Intake())) is None
    assert sources.close(Closed(1, FIRST + 2, Intake())) == FIRST + 2
    assert sources.close(Closed(1, FIRST + 1, Intake())) is None, "a repeat says nothing new"
    assert sources.close(Closed(1, FIRST + 9, Intake())) == FIRST + 5


def test_what_waits_is_counted() -> None:
    """Rows and markers of each partition, until its bucket has closed everywhere."""
    sources = Gathering([0, 1])
    for bucket in range(FIRST, FIRST + 3):
        sources.add(partial(bucket, [(0, POST), (1, POST)], 0))
        sources.add(partial(bucket, [(0, POST), (1, POST)], 0))
        sources.close(Closed(0, bucket, Intake()))
    rows = sources.waiting[0] - 3
    assert rows > 0
    assert sources.waiting[1] == 0
    through = sources.close(Closed(1, FIRST + 2, Intake()))
    assert through is not None
    for bucket in sources.buckets(through):
        sources.take(bucket)
    sources.forget(through)
    assert sources.waiting == {0: 1, 1: 1}, "the newest marker of each stays"


def test_closed_buckets_take_nothing() -> None:
    """A repeat of a bucket that its partition has closed is dropped, and counted nowhere."""
    sources = Gathering([0])
    sources.close(Closed(0, FIRST, Intake(posts=1)))
    sources.add(partial(FIRST, [(0, POST)], 0))
    assert sources.buckets(FIRST) == []
    assert sources.intake(FIRST).late == 0


def test_a_partition_that_joins() -> None:
    """It is waited for from the next bucket on; what it brings of earlier ones is late."""
    sources = Gathering([0])
    sources.close(Closed(0, FIRST + 3, Intake(posts=4)))
    sources.join(1, FIRST + 3)
    sources.join(1, FIRST + 9)
    assert sources.slowest == FIRST + 3
    assert sources.close(Closed(0, FIRST + 6, Intake(posts=5))) == FIRST + 3
    sources.add(partial(FIRST + 3, [(0, POST), (1, POST)], 1))
    sources.add(partial(FIRST + 4, [(0, POST)], 1))
    assert sources.buckets(FIRST + 9) == [FIRST + 4]
    assert sources.intake(FIRST + 4).late == 2
    assert sources.close(Closed(1, FIRST + 8, Intake(posts=2))) == FIRST + 6
