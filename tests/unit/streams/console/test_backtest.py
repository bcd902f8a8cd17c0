"""What came of a backtest, on the terminal and as a page."""

from __future__ import annotations

import copy
import dataclasses
import io
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from streams.backtest import Backtest, Knowledge, Known, Trial, assess, compare
from streams.backtest.overlap import extent
from streams.codec import epoch_ms
from streams.console.backtest import CHANGES_SHOWN, INCIDENTS_SHOWN, print_backtest
from streams.console.quality import NOTES_SHOWN
from streams.console.report_backtest import ROWS_LISTED, backtest_html, write_backtest
from streams.console.sweep_chart import sweep_chart
from streams.console.timeline import SeriesAccumulator
from tests.unit.streams.console.test_report import Page

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from streams.summary import Summary

Alert = dict[str, Any]
Poisoned = "Callable[[str], tuple[list[Alert], Summary]]"
START, END = "2025-01-13T02:00:00Z", "2025-01-15T00:00:00Z"


def known(name: str, verdict: str, series: str, *, label: bool = False, day: int = 13) -> Known:
    """What is known of one series, on a day and the one after."""
    first, last = (f"2025-01-{d:02d}T02:00:00Z" for d in (day, day + 1))
    span = extent([series], epoch_ms(first), epoch_ms(last))
    return Known(name, verdict, span, (series,), f"file, line {len(name)}", label)


KNOWLEDGE = Knowledge(
    [known("flood", "true", "pair/US/tiktokrefugee"), known("quiet-wave", "true", "region/BR")],
    [known("in-old", "false", "region/FR", label=True), known("in-else", "true", "all", day=1)],
)


def trial(name: str, summary: Summary, knowledge: Knowledge = KNOWLEDGE) -> Trial:
    """A configuration with the outcome of a replay."""
    assessment = assess(summary, 1.0, knowledge)
    return Trial(name, f"{name}.toml", "0123456789abcdef", summary, assessment)


def backtest(
    first: Summary, second: Summary | None = None, knowledge: Knowledge = KNOWLEDGE
) -> Backtest:
    """One or two configurations; with two, a sweep as well."""
    sides = [trial("A", first, knowledge)]
    if second is None:
        return Backtest(sides[0], None, [], [], None, [], [])
    sides.append(trial("B", second, knowledge))
    changes = compare(first.incidents, second.incidents, epoch_ms(END))
    sweep = [trial(value, one, knowledge) for value, one in (("1m", first), ("5m", second))]
    differences = [("time.bucket", '"1m"', '"5m"')]
    return Backtest(*sides, differences, changes, "time.bucket", sweep, [KNOWLEDGE.labels[0]])


def other(summary: Summary, **changes: Any) -> Summary:
    """The same replay with its incident changed, and another one."""
    (data,) = summary.incidents
    changed = data | {"detected_at": "2025-01-13T02:51:00Z"} | changes
    new = copy.deepcopy(data) | {"incident_id": "in-00000000000000ff", "users": 42}
    new |= {"level": "hashtag", "region": None, "hashtag": "dogs", "severity": "info"}
    new["series"] = [{"series": "hashtag/dogs"}]
    return dataclasses.replace(summary, incidents=[changed, new])


def printed(found: Backtest, width: int = 100) -> str:
    """What a terminal gets, its lines joined by single spaces."""
    out = io.StringIO()
    print_backtest(found, Console(file=out, width=width))
    return out.getvalue()


def page(found: Backtest, title: str = "Backtest") -> Page:
    """The page."""
    return Page(backtest_html(found, rows=SeriesAccumulator(), title=title))


BOTH = (
    "time.bucket",
    "1 new, 1 later",
    "later by 30 min",
    "#tiktokrefugee from US",
    "true: flood",
    "#dogs",
    "Missed by A",
    "quiet-wave (users from BR, 2025-01-13 02:00 to 2025-01-14 02:00)",
    "in-old (users from FR, 2025-01-13 02:00 to 2025-01-14 02:00): the logs hold no foreign post",
    "1 of a time that was not judged: in-else (file, line 7)",
    "1 of 2",
    "33%",
    "51 min",
    "1.5",
)


def test_two_configurations_are_shown(summary: Summary) -> None:
    """Terminal and page say how they differ, what changed and was right, what the sweep gave."""
    found = backtest(summary, other(summary))
    text, shown = " ".join(printed(found).split()), page(found)
    for part in BOTH[:-3]:
        assert part in text, part
        assert part in shown.text, part
    assert "precision 100% 50%" in text
    assert "median delay 21 min 51 min" in text
    assert "A 2025-01-13 02:21, 61,044 users; B 2025-01-13 02:51, 61,044 users" in text
    assert "1m 2.3 0 1 21 min" in text
    assert "5m 4.7 1 1 51 min" in text
    assert "Sweep of time.bucket" in shown.text
    assert shown.elements["circle"] == 8
    assert shown.open == []


def test_one_configuration_lists_its_incidents(summary: Summary) -> None:
    """Alone, each incident is listed with what it was."""
    found = backtest(summary)
    for text in (" ".join(printed(found).split()), page(found).text):
        assert "From A to B" not in text
        assert "#tiktokrefugee from US" in text
        assert "true: flood" in text


def test_without_knowledge_nothing_is_called_false(summary: Summary) -> None:
    """Without truth and labels there are incidents and a rate, no false ones and no precision."""
    found = backtest(summary, other(summary), Knowledge())
    text = printed(found)
    assert "false incident a week" in text
    assert not re.search(r"^(false|precision|waves)", text, re.MULTILINE)
    assert "median delay after onset" in text
    assert "give a truth file or labels" in page(found).text
    assert page(found).elements["circle"] == 4


def test_nothing_found_and_nothing_judged(summary: Summary) -> None:
    """A log that cannot be judged is told as such, with the remedy."""
    short = dataclasses.replace(summary, incidents=[], judged_from=None)
    found = backtest(short, short)
    for text in (printed(found), page(found).text):
        assert "shorter than the warm-up" in " ".join(text.split())
    assert "Neither A nor B finds anything" in printed(backtest(short, short))


def test_long_lists_are_cut_and_counted(summary: Summary) -> None:
    """Changes, incidents, missed waves and notes are limited; what is left out is counted."""
    (data,) = summary.incidents
    many = []
    for number in range(ROWS_LISTED + 5):
        one = data | {
            "incident_id": f"in-{number:016x}",
            "series": [{"series": f"region/{number}"}],
        }
        many.append(one | {"level": "hashtag", "region": None, "hashtag": f"t{number}"})
    crowded = dataclasses.replace(summary, incidents=many)
    waves = [known(f"w{number}", "true", f"hashtag/w{number}") for number in range(NOTES_SHOWN + 3)]
    found = backtest(dataclasses.replace(summary, incidents=[]), crowded, Knowledge(waves))
    text = printed(found)
    assert f"{len(many) - CHANGES_SHOWN:,} more changes are not listed" in text
    assert "3 more were missed" in text
    assert f"{len(many) - INCIDENTS_SHOWN:,} more are not" in printed(backtest(crowded))
    assert "5 more are not listed" in page(found).text
    assert "3 more were missed" in page(found).text


def poisoned_backtest(made: tuple[list[Alert], Summary], text: str) -> Backtest:
    """A backtest in which every foreign string is ``text``."""
    summary = made[1]
    (data,) = {d["incident_id"]: d for d in summary.incidents}.values()
    kept = data | {"level": "hashtag", "hashtag": text or "x", "series": []}
    found = dataclasses.replace(summary, incidents=[kept | {"incident_id": "in-1"}])
    span = extent(["region/US"], epoch_ms(START), epoch_ms(END))
    wave = Known(text, "true", span, (f"hashtag/{text}",), text, is_label=False)
    first = dataclasses.replace(trial("A", found, Knowledge([wave])), source=text)
    second = dataclasses.replace(trial("B", found, Knowledge([wave])), source=text, name="B")
    sweep = [dataclasses.replace(first, name=text)]
    changes = compare(found.incidents, [], epoch_ms(END))
    return Backtest(first, second, [(text, text, text)], changes, text, sweep, [wave])


@settings(max_examples=25, deadline=None)
@given(text=st.text(st.characters(exclude_categories=()), min_size=1, max_size=50))
def test_hostile_text_stays_text(poisoned: Any, text: str) -> None:
    """Whatever tags, ids, paths and values hold, a page has the elements of a harmless one."""
    harmless = page(poisoned_backtest(poisoned("tag"), "tag"), "tag")
    hostile = page(poisoned_backtest(poisoned(text), text), text)
    assert hostile.elements - harmless.elements == Counter()
    assert hostile.attributes - harmless.attributes == Counter()
    assert hostile.open == []
    shown = printed(poisoned_backtest(poisoned(text), text))
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2066-\u2069]", shown)


def test_what_nobody_has_labelled_is_not_called_good(summary: Summary) -> None:
    """With labels of some incidents only, the rest is counted beside them, and has no rate."""
    labelled = known("in-x", "true", "pair/US/tiktokrefugee", label=True)
    data = copy.deepcopy(summary.incidents[0])
    data |= {"incident_id": "in-0000000000000001", "hashtag": "other", "region": "JP"}
    for member in data["series"]:
        member["series"] = "pair/JP/other"
    more = other(summary, incidents=[summary.incidents[0], data])
    knowledge = Knowledge(None, [labelled])
    text = printed(backtest(more, None, knowledge), 140)
    assert re.search(r"false +0 that are known", text)
    assert re.search(r"precision +100%, of the 1 that are labelled", text)
    text = printed(backtest(more, more, knowledge), 140)
    assert re.search(r"value +incidents a week +false +not labelled +missed", text)


@pytest.mark.parametrize("values", [["1"], ["1", "2", "3"]])
def test_sweep_chart_of_any_length(summary: Summary, values: Sequence[str]) -> None:
    """One value is a dot, several are a curve; what has no delay has no dot."""
    trials = [trial(value, summary) for value in values]
    empty = trial("9", dataclasses.replace(summary, incidents=[]))
    drawn = sweep_chart([*trials, empty])
    assert drawn.count("<circle") == 4 * len(trials) + 3
    assert "waves missed" in drawn


def test_sweep_chart_of_delays_ahead_of_an_onset(summary: Summary) -> None:
    """Found before the onset that a label holds, by every value alike, is below the line of 0."""
    late = Knowledge(None, [known("in-a", "true", "pair/US/tiktokrefugee", label=True)])
    one = trial("1", summary, late)
    (wave,) = one.assessment.waves
    assessment = dataclasses.replace(
        one.assessment, waves=[dataclasses.replace(wave, delay_minutes=-5.0)]
    )
    drawn = sweep_chart([dataclasses.replace(one, assessment=assessment)] * 2)
    zero = [float(y) for y in re.findall(r'class="base"[^>]* y1="([0-9.]+)"', drawn)][-1]
    dots = [float(y) for y in re.findall(r'<circle[^>]* cy="([0-9.]+)"', drawn)][-2:]
    assert all(dot > zero for dot in dots)


def test_the_file_is_the_page(summary: Summary, tmp_path: Path) -> None:
    """What is written is the page, and the same each time."""
    found = backtest(summary, other(summary))
    path = tmp_path / "report.html"
    write_backtest(path, found, rows=SeriesAccumulator(), title="T")
    assert path.read_text("utf-8") == backtest_html(found, rows=SeriesAccumulator(), title="T")
