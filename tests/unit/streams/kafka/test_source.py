"""Logs that are published: what event time they cover, and where it is moved to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.kafka.source import Source, Stretch, stretch_of
from streams.logs import open_log
from streams.settings import Settings
from tests.harness import joined, post

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1_736_726_400_000
MINUTE = 60_000


@given(
    st.integers(0, 2 * 10**12), st.integers(0, 10**10), st.integers(0, 2 * 10**12),
    st.sampled_from([None, 0.5, 1.0, 60.0, 3600.0]), st.floats(0, 1),
)  # fmt: skip
def test_nothing_is_in_the_future(
    first: int, lasts: int, at: int, speed: float | None, share: float
) -> None:
    """Whatever the speed, a post is never later than the moment when it is sent."""
    stretch = Stretch(first, first + lasts)
    offset = stretch.offset_ms(at, speed)
    assert offset % MINUTE == 0
    sent_at = at if speed is None else at + share * lasts / speed
    time = first + (lasts if speed is None else share * lasts) + offset
    assert time <= sent_at + 1
    end_at = at if speed is None else at + lasts / speed
    ahead = min(end_at - (stretch.end_ms + offset), at - (first + offset))
    assert -1 <= ahead < MINUTE + 1


def test_ends_of_the_stretch() -> None:
    """As fast as it goes the log ends at the time that is asked for; at time's speed it begins."""
    stretch = Stretch(NOW, NOW + 60 * MINUTE)
    assert stretch.offset_ms(NOW + 100 * MINUTE + 59_999, None) == 40 * MINUTE
    assert stretch.offset_ms(NOW + 100 * MINUTE, 1.0) == 100 * MINUTE
    assert stretch.offset_ms(NOW + 100 * MINUTE, 60.0) == 41 * MINUTE


def test_a_log_covers_what_it_believes_in(tmp_path: Path) -> None:
    """A post dated 2099 is no end, and one that is alone in 2010 no beginning."""
    lines = [post(i, NOW + i * MINUTE, f"u{i % 9}", "US") for i in range(90)]
    lines.insert(40, post(1000, 4_080_000_000_000, "odd", "US"))
    lines.insert(0, post(1001, 1_280_000_000_000, "odd", "US"))
    path = tmp_path / "log.jsonl"
    path.write_bytes(joined(lines))
    found = stretch_of(Settings(), [open_log(str(path))])
    assert found is not None
    assert found.end_ms == NOW + 89 * MINUTE
    assert NOW <= found.first_ms <= NOW + 10 * MINUTE
    path.write_bytes(b"{\n\n")
    assert stretch_of(Settings(), [open_log(str(path))]) is None


@pytest.mark.parametrize("count", [1, 2])
def test_moved_lines(tmp_path: Path, count: int) -> None:
    """Posts and markers move, what cannot be used stays, of one log as of several."""
    odd = [b"{", b'{"post_id":"p","user_id":"u"}', b'{"surgewatch_tick":{"event_time":1736730000}}']
    lines = [*(post(i, NOW + i, f"u{i % 9}", "US") for i in range(50)), *odd]
    paths = [tmp_path / f"{number}.jsonl" for number in range(count)]
    for number, path in enumerate(paths):
        path.write_bytes(joined(lines[number::count]))
    source = Source(Settings(), [open_log(str(path)) for path in paths], 7 * MINUTE)
    found = [line for line, _ in source.records()]
    wanted = {*odd[:2], b'{"surgewatch_tick":{"event_time":1736730420}}'}
    moved = [line for line in found if line not in wanted]
    assert {*found} >= wanted
    assert sorted(orjson.loads(line)["created_at"] for line in moved) == [
        NOW + 7 * MINUTE + i for i in range(50)
    ]
