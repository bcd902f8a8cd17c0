"""The people that a wave needs, by language."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.console.capacity import NOT_GIVEN, languages, sheets
from streams.console.capacity_table import rows_of, title_of
from streams.settings import Capacity

Alert = dict[str, Any]
STAFF = Capacity(
    moderator_posts_per_hour=100.0, translator_posts_per_hour=50.0, languages_read=("en",)
)


def forecast(users: float, upper: float, expected: float = 0.0) -> dict[str, Any]:
    one = {"hours": 1, "users": users, "lower": 0.0, "upper": upper, "expected": expected}
    return {"horizons": [one, {**one, "hours": 6}]}


def data(**changes: Any) -> dict[str, Any]:
    mix = [{"language": "en", "share": 0.7}, {"language": "es", "share": 0.3}]
    return {"languages": mix, "posts_per_user": 2.0, "forecast": forecast(200.0, 400.0)} | changes


def test_people_are_posts_by_throughput() -> None:
    """Forecast users times posts a user times the language's share, by what a person handles."""
    one, six = sheets(data(), STAFF)
    english, spanish = one.needs
    assert english.posts == pytest.approx((280.0, 560.0))
    assert english.moderators == pytest.approx((2.8, 5.6))
    assert english.translators is None
    assert spanish.moderators == pytest.approx((1.2, 2.4))
    assert spanish.translators == pytest.approx((2.4, 4.8))
    assert (one.posts.middle, one.moderators.middle) == pytest.approx((400.0, 4.0))
    assert one.translators.middle == pytest.approx(2.4)
    # The same users over six hours need a sixth of the people at a time.
    assert six.moderators.middle == pytest.approx(4.0 / 6)


def test_usual_users_need_nobody_new() -> None:
    """Who would have come anyway is not counted, and fewer than usual need nobody."""
    (one, _) = sheets(data(forecast=forecast(200.0, 400.0, expected=150.0)), STAFF)
    assert one.posts == pytest.approx((100.0, 500.0))
    (none, _) = sheets(data(forecast=forecast(100.0, 120.0, expected=150.0)), STAFF)
    assert none.posts == (0.0, 0.0)


def test_nothing_is_forecast_of_what_is_over() -> None:
    """Without a forecast there is no sheet, in alerts of an older version too."""
    assert sheets(data(forecast=None), STAFF) == []
    old = data()
    del old["forecast"]
    assert sheets(old, STAFF) == []


@given(
    st.lists(
        st.tuples(st.sampled_from(["en", "es", "fr", "other"]), st.floats(0, 1)),
        max_size=4,
        unique_by=lambda one: one[0],
    )
)
def test_shares_make_one(drawn: list[tuple[str, float]]) -> None:
    """Users of several languages count once in all, those of none are a row of their own."""
    mix = languages([{"language": name, "share": share} for name, share in drawn])
    assert all(0.0 <= share <= 1.0 for _, share in mix)
    total = sum(share for _, share in mix)
    assert total == pytest.approx(1.0, abs=0.021)  # languages below half a percent are left out
    assert [name for name, _ in mix].count(NOT_GIVEN) <= 1


def test_rows_are_words(alerts: list[Alert]) -> None:
    """Language, share, posts, people in the middle and at the upper end, and a sum."""
    (one, _) = sheets(data(), STAFF)
    rows = rows_of(one)
    assert rows[0] == ("en", "70%", "280 (560)", "2.8 (5.6)", "–")
    assert rows[1][-1] == "2.4 (4.8)"
    assert rows[-1] == ("all", "", "400 (800)", "4 (8)", "2.4 (4.8)")
    for part in ("100 posts an hour a moderator", "50 a translator", "en is read", "[capacity]"):
        assert part in title_of(STAFF)
    assert sheets(alerts[0]["data"], Capacity())[0].needs[0].language == "en"


def test_hostile_languages_are_harmless() -> None:
    """A language is text of a post."""
    mix = [{"language": "\x1b[31m\u202e<b>", "share": 1.0}]
    (one, _) = sheets(data(languages=mix), STAFF)
    assert "\x1b" not in rows_of(one)[0][0]
