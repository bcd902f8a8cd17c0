"""What values of options mean, and what is refused."""

from __future__ import annotations

import argparse
import time

import pytest

from streams.arguments import moment, words


def test_moments() -> None:
    """A time as posts write it, how long ago, or now."""
    assert moment("2025-01-13T02:00:00Z") == 1_736_733_600_000
    assert moment("2025-01-13T10:00:00.25+08:00") == 1_736_733_600_250
    now = time.time() * 1000
    for text, ago in (("now", 0), ("90s", 90_000), ("30m", 1_800_000), ("2h", 7_200_000)):
        assert moment(text) == pytest.approx(now - ago, abs=60_000)


@pytest.mark.parametrize(
    "text", ["", "2", "2w", "-2h", "1736733600", "2025-01-13", "2025-01-13T02:00:00", "tomorrow"]
)
def test_what_is_no_moment(text: str) -> None:
    """A time without an offset is not guessed at, and the message says what is allowed."""
    with pytest.raises(argparse.ArgumentTypeError, match=r"as in 2025-01-13T02:00:00Z, nor now"):
        moment(text)


def test_words() -> None:
    """What a record cannot hold is refused before it is written, or nobody could read it."""
    read = words(3)
    assert (read(""), read("小红书")) == ("", "小红书")
    with pytest.raises(argparse.ArgumentTypeError, match="4 characters; at most 3"):
        read("four")
    with pytest.raises(argparse.ArgumentTypeError, match="not UTF-8"):
        read("a\udcff")
