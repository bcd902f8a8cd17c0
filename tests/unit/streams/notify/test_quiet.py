"""Quiet hours, in the zones where people sleep, when clocks change too."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from streams.notify.quiet import parse_hours, quiet_until

BERLIN = "Europe/Berlin"
HOUR = 3_600_000


def at(text: str, fold: int = 0) -> int:
    """A time in Berlin, milliseconds since 1970 UTC."""
    local = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(BERLIN), fold=fold)
    return round(local.timestamp() * 1000)


@pytest.mark.parametrize(
    ("hours", "now", "until"),
    [
        ("22:00-07:00", "2025-01-13T21:59:59.999", None),
        ("22:00-07:00", "2025-01-13T22:00", "2025-01-14T07:00"),
        ("22:00-07:00", "2025-01-14T06:59:59.999", "2025-01-14T07:00"),
        ("22:00-07:00", "2025-01-14T07:00", None),
        ("12:00-13:00", "2025-01-14T12:30", "2025-01-14T13:00"),
        ("12:00-13:00", "2025-01-14T13:00", None),
        ("00:00-23:59", "2025-01-14T00:00", "2025-01-14T23:59"),
        ("", "2025-01-14T00:00", None),
        # The night in which clocks are put forward, and the one in which they are put back.
        ("22:00-07:00", "2025-03-29T23:00", "2025-03-30T07:00"),
        ("22:00-07:00", "2025-10-25T23:00", "2025-10-26T07:00"),
    ],
)
def test_quiet_hours_go_by_the_clock_on_the_wall(hours: str, now: str, until: str | None) -> None:
    assert quiet_until(hours, BERLIN, at(now)) == (None if until is None else at(until))


def test_the_night_in_which_clocks_change_is_shorter_or_longer() -> None:
    usual = at("2025-01-14T07:00") - at("2025-01-13T22:00")
    spring = quiet_until("22:00-07:00", BERLIN, at("2025-03-29T22:00"))
    autumn = quiet_until("22:00-07:00", BERLIN, at("2025-10-25T22:00"))
    assert spring is not None
    assert autumn is not None
    assert spring - at("2025-03-29T22:00") == usual - HOUR
    assert autumn - at("2025-10-25T22:00") == usual + HOUR


def test_an_end_in_the_hour_that_happens_twice_is_never_past() -> None:
    """Or the notifier would look again at once, for half an hour."""
    first, second = at("2025-10-26T02:30"), at("2025-10-26T02:30", fold=1)
    assert quiet_until("22:00-02:30", BERLIN, first - HOUR) == first
    assert quiet_until("22:00-02:30", BERLIN, first) is None
    assert quiet_until("22:00-02:30", BERLIN, second - HOUR // 4) == second
    assert quiet_until("22:00-02:30", BERLIN, second) is None


@pytest.mark.parametrize("text", ["22-7", "22:00", "24:00-07:00", "22:60-07:00", "07:00-07:00", ""])
def test_what_is_no_pair_of_times_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"two times of day|end when they begin"):
        parse_hours(text)
