"""What machines say that no input has led to: source partitions that stand still."""

from __future__ import annotations

import pytest

from streams.codec.records import decode_outcome, encode_tally
from streams.events import Closed, Intake, Outcome
from streams.kafka.machines import DetectMachine
from streams.kafka.topics import Topics
from streams.settings import Settings

START = 28_945_600


class Taken:
    """A message of the tallies."""

    key = None
    headers = ()

    def __init__(self, offset: int, value: bytes) -> None:
        self.offset, self.value = offset, value


def machine(*through: int | None) -> DetectMachine:
    """A machine whose source partitions have closed buckets up to some, counted from START."""
    made = DetectMachine(Settings(), Topics.of(Settings()), len(through))
    for partition, bucket in enumerate(through):
        if bucket is not None:
            closed = encode_tally(Closed(partition, START + bucket, Intake()))
            made.take(partition, [Taken(0, closed)])
    return made


@pytest.mark.parametrize(
    ("through", "told"),
    [((3, 9), START + 3), ((None, 9), START + 9), ((None, None), 0), ((9, 3), START + 3)],
)
def test_stalled(through: tuple[int | None, ...], told: int) -> None:
    """It is told once, and once that it moves, from the same time on, be there a clock or not."""
    stuck = machine(*through)
    assert stuck.tell_moving(0) == []
    (opened,) = stuck.tell_stalled(0, 2.5)
    assert stuck.tell_stalled(0, 3.5) == []
    for partition in (0, 1):
        closed = encode_tally(Closed(partition, START + 20, Intake()))
        stuck.take(partition, [Taken(1, closed)])
    (closed_,) = stuck.tell_moving(0)
    assert stuck.tell_moving(0) == []
    notices = []
    for message in (opened, closed_):
        outcome = decode_outcome(message.value)
        assert isinstance(outcome, Outcome)
        (notice,) = outcome.notices
        assert notice.details["partition"] == 0
        assert notice.since <= notice.bucket == outcome.bucket
        notices.append(notice)
    assert [notice.status for notice in notices] == ["open", "closed"]
    assert notices[0].bucket == told
    assert notices[0].since == notices[1].since
