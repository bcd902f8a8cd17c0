"""Records of any length in messages of bounded length."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import StateError
from streams.kafka.frames import Assembler, frames


@given(st.lists(st.binary(max_size=50), max_size=8), st.integers(1, 12), st.data())
def test_records_come_back(records: list[bytes], size: int, data: st.DataObject) -> None:
    """In order, each whole, wherever the assembler was kept and taken up again."""
    sent = [frame for record in records for frame in frames(record, size)]
    assert all(len(value) <= size for value, _ in sent)
    assembler, back = Assembler(), []
    for value, headers in sent:
        if data.draw(st.booleans()):
            assembler = pickle.loads(pickle.dumps(assembler))  # noqa: S301 - our own
        record = assembler.add(value, [*headers, ("other", b"1/1")])
        if record is not None:
            back.append(record)
    assert back == records


def test_a_missing_frame_is_an_error() -> None:
    """Nothing is put together from what does not follow."""
    first, _, third = frames(b"abc", 1)
    assembler = Assembler()
    assert assembler.add(*first) is None
    with pytest.raises(StateError, match="frame 3 of 3 follows frame 1"):
        assembler.add(*third)
    with pytest.raises(StateError):
        assembler.add(b"x", ())
