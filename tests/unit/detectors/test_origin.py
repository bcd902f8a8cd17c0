"""Who is foreign, and who is new."""

from __future__ import annotations

import pytest

from detectors.origin import AGE_KNOWN, NEWCOMER, Origin

DAY = 86_400_000
CHINA = Origin(frozenset({"CN"}), frozenset({"zh"}), 7 * DAY)


@pytest.mark.parametrize(
    ("region", "lang", "foreign"),
    [
        ("US", "en", True),
        ("US", "zh", False),
        ("CN", "en", False),
        ("CN", "zh", False),
        ("CN", "", False),
        ("US", "", True),
        ("ZZ", "", True),
        ("ZZ", "zh", False),
        ("TW", "zh", False),
    ],
)
def test_foreign(region: str, lang: str, foreign: bool) -> None:
    """Foreign takes a foreign region and no home language; an unknown region is not home."""
    assert CHINA.is_foreign(region, lang) is foreign


def test_empty_home_makes_all_foreign() -> None:
    """Without home regions and languages everyone is foreign, also without a language."""
    nowhere = Origin(frozenset(), frozenset(), 7 * DAY)
    assert all(nowhere.is_foreign(r, lang) for r in ("CN", "ZZ") for lang in ("zh", ""))


@pytest.mark.parametrize(
    ("age_ms", "flags"),
    [
        (0, AGE_KNOWN | NEWCOMER),
        (7 * DAY, AGE_KNOWN | NEWCOMER),
        (7 * DAY + 1, AGE_KNOWN),
        (None, 0),
    ],
)
def test_age_flags(age_ms: int | None, flags: int) -> None:
    """A newcomer's account is at most seven days old at the post; an unknown age says nothing."""
    now = 1_736_700_000_000
    assert CHINA.age_flags(None if age_ms is None else now - age_ms, now) == flags
