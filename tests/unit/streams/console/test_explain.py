"""One incident explained on a terminal and as a page."""

from __future__ import annotations

import io
import re
import unicodedata
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from streams.console import reasons
from streams.console.explain import explanation_html, print_explanation, story_of
from streams.settings import Capacity
from tests.unit.streams.console.test_report import Page

if TYPE_CHECKING:
    from streams.summary import Summary

Alert = dict[str, Any]
Poisoned = Callable[[str], "tuple[list[Alert], Summary]"]
STAFF = Capacity(moderator_posts_per_hour=100.0)


def ours(alerts: list[Alert], *kinds: str) -> list[Alert]:
    """The alerts of the one incident, of these kinds."""
    return [
        one
        for one in alerts
        if one.get("correlationid") and (not kinds or one["type"].split(".")[2] in kinds)
    ]


def shown(alerts: list[Alert], width: int = 80, *, color: bool = False) -> str:
    """What a terminal gets."""
    out = io.StringIO()
    system = "standard" if color else None
    console = Console(file=out, width=width, force_terminal=color, color_system=system)  # type: ignore[arg-type]
    story = story_of(alerts)
    assert story is not None
    print_explanation(story, STAFF, console)
    return out.getvalue()


def test_it_answers_why_who_how_fast_and_whether(alerts: list[Alert]) -> None:
    """All that the latest alert and the ones before it tell is there, in words."""
    text = re.sub(r"\s+", " ", shown(ours(alerts, "opened", "updated")))
    for part in (
        "CRITICAL #tiktokrefugee from US (still open)",
        "in-0123456789abcdef",
        "detected 2025-01-13 02:21, 7 min after its onset (2025-01-13 02:14)",
        "412 new users in 5 min, where 38 are usual",
        "with up to 71 new users in 5 min it would have stayed silent: 341 fewer (margin 340)",
        "score 96.4, an alarm from 11.8 on",
        "#tiktokrefugee from US 374 68% 2025-01-13 02:21",
        "other 55 10%",
        "US 71%, GB 9%, others",
        "en 97%, es 3%",
        "83% of its users have a new account",
        "1.4 posts a user, 3% of the posts by the five most active users: many people, no bot",
        "doubles every 34 min",
        "new users next hour 620 (330 to 1,200), next 6 h 2,900 (700 to 9,800)",
        "in brackets 80% ranges; of those in 6 h, 2 are usual",
        "People needed, next hour",
        "100 posts an hour a moderator",
        "2 sent twice since its beginning",
        "2025-01-13 02:21 opened critical; 412 users; 412 new users in 5 min, where 38 are",
        "usual; next hour 120 to 760 new users",
    ):
        assert part in text, part


def test_what_is_over(alerts: list[Alert]) -> None:
    """A closed incident has no forecast and no sheet, but what came after it."""
    text = re.sub(r"\s+", " ", shown(ours(alerts)))
    assert "(over)" in text
    assert "forecast none: nothing more of it is expected" in text
    assert "People needed" not in text
    assert "stayed of its newcomers 12% after 1 day" in text
    assert "followup of 9,213 newcomers 12% (1,142) still posted 1 day after it was over" in text
    for kind in ("opened", "updated", "peaked", "closed"):
        assert re.search(rf"2025-01-1\d \d\d:\d\d {kind}", text), kind


def test_what_is_only_promised(alerts: list[Alert]) -> None:
    """A provisional alert is explained as far as it goes; a withdrawal alone tells nothing."""
    promise = {**alerts[0], "type": "surgewatch.incident.provisional.v1"}
    promise["data"] = {**promise["data"], "status": "provisional", "forecast": None}
    taken_back = {**promise, "type": "surgewatch.incident.withdrawn.v1"}
    taken_back["data"] = {"status": "withdrawn", "incident_id": "x", "config_fingerprint": "y"}
    assert "(not confirmed yet)" in shown([promise, taken_back])
    assert "(still open)" in shown([promise, *ours(alerts, "opened")])
    assert story_of([taken_back]) is None
    assert story_of(ours(alerts, "followup")) is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"top_users_share": 0.6, "posts": 900, "users": 340}, "this looks like a bot flood"),
        ({"posts_per_user": 25.0, "top_users_share": 0.05}, "look at a few accounts"),
        ({"posts": 12, "users": 9}, "too few posts to tell"),
        ({}, "many people, no bot flood"),
    ],
)
def test_a_bot_flood_is_named(alerts: list[Alert], changes: Alert, words: str) -> None:
    """Few accounts with most of the posts are said in words, in both forms."""
    alert = ours(alerts, "opened")[0]
    alert = {**alert, "data": {**alert["data"], **changes}}
    assert words in re.sub(r"\s+", " ", shown([alert]))
    story = story_of([alert])
    assert story is not None
    assert words in explanation_html(story, STAFF)


@pytest.mark.parametrize(
    ("observed", "upper", "words"),
    [
        (6.0, 5.94, "with up to 5 new users in 5 min it would have stayed silent: 1 fewer"),
        (6.0, 6.0, "with up to 5 new users in 5 min it would have stayed silent: 1 fewer"),
        (7.0, 6.0001, "with up to 6 new users"),
        (400.0, 71.5, "with up to 71 new users in 5 min it would have stayed silent: 329 fewer"),
    ],
)
def test_silence_is_the_largest_number_below_the_limit(
    alerts: list[Alert], observed: float, upper: float, words: str
) -> None:
    """An alarm is raised from the limit on, so a whole number below it would have been silent."""
    data = {**alerts[0]["data"], "observed": observed, "upper": upper, "margin": observed - upper}
    assert words in reasons.silence(data)


def test_a_score_below_its_threshold_is_no_alarm(alerts: list[Alert]) -> None:
    """A later alert may rest on an alarm that is over: nothing is said of a margin then."""
    data = {**alerts[0]["data"], "score": 3.0, "upper": 0.0, "margin": 412.0}
    assert reasons.silence(data).startswith("no alarm by itself any more: score 3.0")


@pytest.mark.parametrize("width", [60, 80, 132])
def test_lines_fit(alerts: list[Alert], width: int) -> None:
    """No line is wider than the terminal, tables and chart included."""
    lines = shown(ours(alerts), width).splitlines()
    assert max(map(cell_len, lines)) <= width
    assert any("█" in line for line in lines)


def test_a_terminal_without_unicode(alerts: list[Alert]) -> None:
    """The chart is drawn in ASCII where nothing else can be shown."""
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="backslashreplace")
    story = story_of(ours(alerts, "opened"))
    assert story is not None
    print_explanation(story, STAFF, Console(file=out, width=80))
    out.flush()
    buffer = out.buffer
    assert isinstance(buffer, io.BytesIO)
    assert b"#" in buffer.getvalue()
    assert b"\\u2588" not in buffer.getvalue()


def test_the_page_is_one(alerts: list[Alert]) -> None:
    """Cause, chart, forecast, people needed and the alerts' time line are on it."""
    story = story_of(ours(alerts, "opened", "updated", "followup"))
    assert story is not None
    page = Page(explanation_html(story, STAFF))
    assert page.open == []
    assert page.elements["svg"] > 1
    for part in (
        "#tiktokrefugee from US",
        "next hour 620 (330 to 1,200)",
        "People needed",
        "moderators",
        "it would have stayed silent",
        "Alerts sent (2)",
        "12% after 1 day",
        "many people, no bot flood",
    ):
        assert part in page.text, part


@settings(max_examples=25, deadline=None)
@given(text=st.text(st.characters(exclude_categories=()), min_size=1, max_size=50))
def test_hostile_text_is_harmless(poisoned: Poisoned, text: str) -> None:
    """No control character reaches a terminal, no element a page, whatever a post held."""
    alerts = [one for one in poisoned(text)[0] if one.get("correlationid")]
    for char in set(shown(alerts)) - {"\n"}:
        assert unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Zl", "Zp"}
    story, harmless = (
        story_of(alerts),
        story_of([one for one in poisoned("tag")[0] if one.get("correlationid")]),
    )
    assert story is not None
    assert harmless is not None
    page, other = (Page(explanation_html(one, STAFF)) for one in (story, harmless))
    assert not page.elements - other.elements
    assert page.open == []
