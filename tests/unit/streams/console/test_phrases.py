"""Numbers, times and incidents in words."""

from __future__ import annotations

from typing import Any

import pytest

from streams.console import phrases

Alert = dict[str, Any]


@pytest.mark.parametrize(
    ("share", "users", "warned"),
    [(0.61, 340, True), (0.03, 40_000, False), (0.45, 11, False), (0.45, 23, True)],
)
def test_concentration_is_a_hint_only_beyond_arithmetic(
    alerts: list[Alert], share: float, users: int, warned: bool
) -> None:
    """Five users with most of the posts are named, unless there are few users anyway."""
    data = {**alerts[0]["data"], "top_users_share": share, "users": users}
    assert any("bots" in text for text in phrases.reservations(data)) is warned


def test_reservations_name_every_weakness(alerts: list[Alert]) -> None:
    """Missing data, sampling, dropped series and look-alikes are each said; clean data are not."""
    data = alerts[0]["data"]
    assert phrases.reservations(data) == []
    quality = {
        **data["data_quality"],
        "missing_minutes": 40,
        "sampled": True,
        "series_dropped": 52_114,
    }
    said = "\n".join(phrases.reservations({**data, "mixed_script": True, "data_quality": quality}))
    for part in ("40 min", "sample", "52,114", "look-alike"):
        assert part in said


def test_peak_compares_steps_by_rate(alerts: list[Alert]) -> None:
    """A long step with more users does not hide a short one with a higher rate."""
    step = {"at": "2025-01-13T02:00:00Z", "minutes": 60, "observed": 100, "expected": 1, "upper": 2}
    high = {**step, "at": "2025-01-13T03:00:00Z", "minutes": 5, "observed": 90}
    words = phrases.peak({**alerts[0]["data"], "history": [step, high]})
    assert words.startswith("90 fresh users in 5 min at 2025-01-13 03:00")


def test_peak_without_history_is_the_winning_window(alerts: list[Alert]) -> None:
    """An incident without history still says how far it was above what was expected."""
    words = phrases.peak({**alerts[0]["data"], "history": []})
    assert words == "412 fresh users in 5 min, where 38 were expected"


@pytest.mark.parametrize(
    ("status", "doubling", "words"),
    [("open", 34, "doubles every 34 min"), ("peaked", None, "not growing"), ("closed", 5, "over")],
)
def test_growth(alerts: list[Alert], status: str, doubling: float | None, words: str) -> None:
    """Growth is a doubling time while there is one, and nothing grows once it is over."""
    data = {**alerts[0]["data"], "status": status, "doubling_minutes": doubling}
    assert phrases.growth(data) == words


def test_moment_is_utc() -> None:
    """A time with an offset is shown in UTC, as the headings promise."""
    assert phrases.moment("2025-01-13T02:21:00+08:00") == "2025-01-12 18:21"


def test_ranking_keeps_other_apart(alerts: list[Alert]) -> None:
    """What lies beyond the top 20 is never shown as if it were a region named other."""
    assert phrases.ranking(alerts[0]["data"]["regions"], "region") == "US 71%, GB 9%, others"
