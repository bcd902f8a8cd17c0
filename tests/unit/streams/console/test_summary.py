"""The summary and the feed on a terminal."""

from __future__ import annotations

import dataclasses
import io
import re
import unicodedata
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from streams.console.summary import INCIDENTS_SHOWN, print_incidents, print_summary
from streams.events import Intake
from streams.summary import Summary

Alert = dict[str, Any]
Poisoned = Callable[[str], tuple[list[Alert], Summary]]
HOSTILE = "\x1b[31mred\u202e\u200b<script>[bold]\r\n" + "x" * 10_000


def shown(alerts: list[Alert] | None, summary: Summary | None, *, color: bool = False) -> str:
    """What an 80 column terminal gets."""
    out = io.StringIO()
    system = "standard" if color else None
    console = Console(file=out, width=80, force_terminal=color, color_system=system)  # type: ignore[arg-type]
    if alerts is not None:
        print_incidents(alerts, console)
    if summary is not None:
        print_summary(summary, console)
    return out.getvalue()


def test_summary_answers_the_operators_questions(summary: Summary) -> None:
    """What came, from where, under which tag, since when, how big, how fast, is it over."""
    text = re.sub(r"\s+", " ", shown(None, summary))
    for part in (
        "120,000",
        "19,000 (16%)",
        "12: not_json 10, future 2",
        "late 3",
        "duplicates 985",
        "1 surge of foreign users, over.",
        "CRITICAL #tiktokrefugee from US (over)",
        "US 71%, GB 9%, others",
        "2025-01-13 02:14 (onset)",
        "2025-01-13 02:21, 7 min after onset",
        "judged 2025-01-13 00:00 to 2025-01-16 00:00",
        "closed 2025-01-15 04:00",
        "61,044 foreign users, 88,031 posts",
        "peak 932 new users in the busiest hour, to 2025-01-13 18:00",
        "83% of its users have a new account",
        "no foreign posts for 40 min; nothing was judged",
    ):
        assert part in text, part


def test_open_incident_shows_doubling(alerts: list[Alert], summary: Summary) -> None:
    """An incident that is still open says how fast it grows, and the headline that it goes on."""
    text = shown(None, dataclasses.replace(summary, incidents=[alerts[1]["data"]]))
    assert "doubles every 34 min" in text
    assert "not over at the end of the log" in text


def test_nothing_found_is_said(summary: Summary) -> None:
    """A quiet log says so in words, also when it had no post at all."""
    quiet = dataclasses.replace(summary, incidents=[], pipeline=[])
    assert "No surge of foreign users found; judged from 2025-01-13" in shown(None, quiet)
    empty = Summary(0, Intake(), [], [], None, None, 0.0, 0, [])
    assert "no usable post" in shown(None, empty)
    assert "No surge" not in shown(None, empty)


def test_concentration_is_warned_of(summary: Summary) -> None:
    """When five users wrote most posts, the incident's block says to check for bots."""
    data = {**summary.incidents[0], "top_users_share": 0.7}
    assert "check for" in shown(None, dataclasses.replace(summary, incidents=[data]))


def test_unusable_log_says_what_to_do(summary: Summary) -> None:
    """When every record was rejected, the end of the output is a remedy, not an all-clear."""
    intake = Intake(posts=5000, rejected={"missing_field": 5000})
    text = shown(
        None,
        dataclasses.replace(
            summary, posts=5000, intake=intake, incidents=[], pipeline=[], judged_from=None
        ),
    )
    assert "Nothing could be judged: all 5,000 records were rejected" in text
    assert "[input.fields]" in text
    assert "About the data" in text


def test_open_incidents_come_first(alerts: list[Alert], summary: Summary) -> None:
    """What goes on is printed before what is over, however severe that was."""
    going = {**alerts[0]["data"], "severity": "info", "users": 9}
    over = summary.incidents[0]
    text = shown(None, dataclasses.replace(summary, incidents=[over, going]))
    assert text.index("INFO  #tiktokrefugee") < text.index("CRITICAL  #tiktokrefugee")


def test_unknown_growth_is_not_told(alerts: list[Alert]) -> None:
    """An alert whose growth is not measured yet says nothing of growth, and never 'not growing'."""
    text = shown([{**alerts[1], "data": {**alerts[1]["data"], "doubling_minutes": None}}], None)
    assert "830 users since 2025-01-13 02:14; 412 new users in 5 min" in re.sub(r"\s+", " ", text)


def test_many_incidents_are_cut_and_counted(summary: Summary) -> None:
    """Beyond the limit incidents are counted, not printed."""
    many = dataclasses.replace(summary, incidents=summary.incidents * (INCIDENTS_SHOWN + 7))
    text = shown(None, many)
    assert text.count("CRITICAL") == INCIDENTS_SHOWN
    assert "7 more incidents" in text


def test_feed_tells_the_story_in_order(alerts: list[Alert]) -> None:
    """Every alert is one entry with its time and what happened, in the order given."""
    text = shown(alerts, None)
    entries = re.findall(r"^(\d{4}-\d\d-\d\d \d\d:\d\d)  (\w+)", text, re.MULTILINE)
    assert entries == [
        ("2025-01-13 02:21", "OPENED"),
        ("2025-01-13 02:55", "UPDATED"),
        ("2025-01-13 19:30", "PEAKED"),
        ("2025-01-15 04:00", "CLOSED"),
        ("2025-01-14 05:40", "GAP"),
        ("2025-01-14 06:00", "STALLED"),
        ("2025-01-14 07:00", "CAPPED"),
        ("2025-01-14 07:01", "DETECTOR"),
        ("2025-01-17 04:00", "FOLLOWUP"),
        ("2025-01-14 06:30", "LAG"),
        ("2025-01-14 06:40", "REJECTS"),
        ("2025-01-14 06:50", "CLOCK"),
    ]
    assert "830 users since 2025-01-13 02:14" in text
    assert "over after 2 d 1 h" in text


def test_feed_reads_alerts_one_by_one(alerts: list[Alert]) -> None:
    """An alert is printed before the next one is asked for, so a long file is never held."""
    out = io.StringIO()

    def source() -> Any:
        yield alerts[0]
        assert "OPENED" in out.getvalue()
        yield alerts[3]

    print_incidents(source(), Console(file=out, width=80))
    assert "CLOSED" in out.getvalue()


def test_lines_fit_80_columns(poisoned: Poisoned, alerts: list[Alert], summary: Summary) -> None:
    """No line is wider than 80 cells or ends in blanks, not even with hostile or wide text."""
    for text in (HOSTILE, "小红书" * 100):
        bad_alerts, bad_summary = poisoned(text)
        whole = shown(alerts, summary) + shown(bad_alerts, bad_summary)
        assert max(cell_len(line) for line in whole.splitlines()) <= 80
        assert all(line == line.rstrip() for line in whole.splitlines())


@settings(max_examples=40, deadline=None)
@given(text=st.text(st.characters(exclude_categories=()), max_size=60))
def test_terminal_gets_no_control_character(poisoned: Poisoned, text: str) -> None:
    """Whatever a post held, the terminal gets newlines of ours and no other control or bidi."""
    alerts, summary = poisoned(text)
    for char in set(shown(alerts, summary)) - {"\n"}:
        assert unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Zl", "Zp"}


def test_colour_adds_only_our_escapes(poisoned: Poisoned) -> None:
    """On a colour terminal all escapes are the program's own styles, and the text is the same."""
    alerts, summary = poisoned(HOSTILE)
    coloured = shown(alerts, summary, color=True)
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == shown(alerts, summary)


def test_markup_in_text_is_not_obeyed(poisoned: Poisoned) -> None:
    """Rich's own markup in a hashtag is shown, not obeyed."""
    alerts, summary = poisoned("[bold red]x[/]")
    assert "#[bold red]x[/] from US" in shown(alerts, summary)
