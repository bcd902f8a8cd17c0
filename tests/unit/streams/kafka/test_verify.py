"""What is said where live alerts and those of a replay part."""

from __future__ import annotations

from streams.kafka.verify import BEFORE_CHARS, around, difference


def test_the_first_difference_is_found_and_shown() -> None:
    """Alerts have thousands of characters: it is shown from shortly before the place."""
    same, mine, other = b"x" * 1_000, b'"time": 1', b'"time": 2'
    assert difference([same], [same]) is None
    found = difference([same, same + mine], [same, same + other])
    assert found is not None
    assert found.number == 2
    shown = around(found)
    assert shown[0].endswith('"time": 1')
    assert shown[1].endswith('"time": 2')
    assert max(map(len, shown)) == BEFORE_CHARS + 1


def test_an_alert_that_is_not_there_is_none() -> None:
    """Live or replayed."""
    found = difference([b"a"], [])
    assert found is not None
    assert around(found) == ("a", "none")
