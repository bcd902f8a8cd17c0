"""Rows become the lines of the log format."""

from __future__ import annotations

import json

import pytest

from streams.simulate.posts import blank, by_time, lines, stamp, user_name
from streams.simulate.regions import INDEX, LANGUAGE_TAGS
from streams.simulate.vocabulary import BORN_BASE, Vocabulary
from streams.simulate.world import START_MS


def test_line() -> None:
    """A full row becomes one JSON object with every field of the format."""
    vocabulary = Vocabulary()
    posts = blank(1)
    posts["time"] = START_MS + 61_007
    posts["serial"] = 12
    posts["user"] = 34
    posts["region"] = INDEX["US"]
    posts["lang"] = LANGUAGE_TAGS.index("en-US")
    posts["account"] = START_MS // 1000 - 1
    posts["tags"][0, :3] = [vocabulary.number("food"), vocabulary.number('"\x1b'), BORN_BASE + 255]
    assert json.loads(lines(posts, vocabulary)[0]) == {
        "post_id": "p00000012",
        "created_at": "2025-01-08T00:01:01.007Z",
        "user_id": "u000034",
        "region": "US",
        "hashtags": ["food", '"\x1b', "tinyff"],
        "lang": "en-US",
        "account_created_at": "2025-01-07T23:59:59Z",
    }


def test_line_of_a_blank_row() -> None:
    """What a row does not say is null or an empty list."""
    posts = blank(1)
    posts["time"] = START_MS
    posts["region"] = INDEX[""]
    post = json.loads(lines(posts, Vocabulary())[0])
    assert (post["region"], post["lang"], post["account_created_at"]) == (None, None, None)
    assert post["hashtags"] == []


def test_vocabulary_keeps_numbers() -> None:
    """A new hashtag gets one number, and existing ones keep theirs."""
    vocabulary = Vocabulary()
    food = vocabulary.number("food")
    new = vocabulary.number("somethingnew")
    assert vocabulary.number("somethingnew") == new != food == vocabulary.number("food")


def test_by_time_is_stable() -> None:
    """Rows are ordered by event time, and those of one moment keep their order."""
    first, second = blank(2), blank(1)
    first["time"] = [5, 3]
    second["time"] = 3
    second["user"] = 9
    assert by_time([first, second])["user"].tolist() == [0, 9, 0]
    assert len(by_time([])) == 0


@pytest.mark.parametrize(
    ("time_ms", "text"),
    [
        (START_MS, "2025-01-08T00:00:00Z"),
        (START_MS + 50, "2025-01-08T00:00:00.050Z"),
        (0, "1970-01-01T00:00:00Z"),
    ],
)
def test_stamp(time_ms: int, text: str) -> None:
    """Times are RFC 3339 in UTC, with milliseconds only where there are any."""
    assert stamp(time_ms) == text


def test_users_are_obviously_simulated() -> None:
    """A user id is a number after a letter, nothing like a real id."""
    assert user_name(123) == "u000123"
