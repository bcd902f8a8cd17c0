"""The self-contained HTML report."""

from __future__ import annotations

import base64
import copy
import dataclasses
import hashlib
import io
import re
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.console.report import INCIDENTS_DRAWN, INCIDENTS_LISTED, report_html, write_report
from streams.events import Intake
from streams.summary import Summary

if TYPE_CHECKING:
    from pathlib import Path

Alert = dict[str, Any]
Poisoned = Callable[[str], tuple[list[Alert], Summary]]
Rows = Callable[[int], Iterator[dict[str, Any]]]
VOID = {"meta"}


class Page(HTMLParser):
    """Reads a page as a browser would: elements, attributes, text; checks that tags are closed."""

    def __init__(self, document: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: Counter[str] = Counter()
        self.attributes: Counter[str] = Counter()
        self.text = ""
        self.open: list[str] = []
        self.feed(document)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Count an element and its attributes."""
        self.elements[tag] += 1
        self.attributes.update(name for name, _ in attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Count an element that closes itself."""
        self.elements[tag] += 1
        self.attributes.update(name for name, _ in attrs)

    def handle_endtag(self, tag: str) -> None:
        """Close the innermost element, which must be the one named."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Collect text."""
        self.text += data


def html(alerts: list[Alert], summary: Summary, series: Any = (), title: str = "Replay") -> str:
    """The report of these alerts."""
    return report_html(summary=summary, alerts=alerts, series=series, title=title)


def numbered(alert: Alert, number: int) -> Alert:
    """The same alert of another incident."""
    name = f"in-{number:016x}"
    return {**alert, "data": {**alert["data"], "incident_id": name}}


def test_report_answers_the_operators_questions(
    alerts: list[Alert], summary: Summary, rows: Rows
) -> None:
    """Cause, origin, times, size, growth, data quality and fingerprint are all on the page."""
    page = Page(html(alerts, summary, rows(4000)))
    for part in (
        "1 surge of foreign users, over: #tiktokrefugee from US, 61,044 users",
        "932 new users in the busiest hour, to 2025-01-13 18:00",
        "Judged from 2025-01-13 00:00 to 2025-01-16 00:00",
        "#tiktokrefugee from US",
        "61,044 foreign users since 2025-01-13 02:14 UTC",
        "2025-01-13 02:21 (after 7 min)",
        "2025-01-13 18:00",
        "2025-01-15 04:00",
        "83% of its users have a new account",
        "no foreign posts for 40 min; nothing was judged",
        "critical: in an hour it brought",
        "the line is not JSON",
        "89abcdef01234567",
        "Regions over the whole log",
    ):
        assert part in page.text, part
    assert page.open == []


def test_charts_come_from_rows_and_from_history(
    alerts: list[Alert], summary: Summary, rows: Rows
) -> None:
    """With series rows the overview is drawn; without them an incident still has its history."""
    with_rows = Page(html(alerts, summary, rows(4000)))
    without = Page(html(alerts, summary))
    assert "All foreign users, and when" in with_rows.text
    assert "All foreign users, and when" not in without.text
    assert "new foreign users per 5 min" in without.text


def test_nothing_is_requested_or_run(alerts: list[Alert], summary: Summary, rows: Rows) -> None:
    """No script, link, image, inline style or address; the policy allows the one style sheet."""
    document = html(alerts, summary, rows(2000))
    page = Page(document)
    assert not {"script", "link", "img", "iframe", "object", "form", "base"} & set(page.elements)
    assert not {"src", "style"} & set(page.attributes)
    assert not [name for name in page.attributes if name.startswith("on")]
    assert set(re.findall(r'href="(.)', document)) == {"#"}
    assert "://" not in document
    assert "url(" not in document
    (style,) = re.findall(r"<style>(.*?)</style>", document, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{digest}'" in document


@settings(max_examples=25, deadline=None)
@given(text=st.text(st.characters(exclude_categories=()), min_size=1, max_size=50))
def test_hostile_text_adds_no_element(poisoned: Poisoned, text: str) -> None:
    """Whatever a post held, the page has the elements and attributes of a harmless one."""
    harmless = Page(html(*poisoned("tag"), title="tag"))
    hostile = Page(html(*poisoned(text), title=text))
    # "other" and an empty language are words of the format, so they change the wording only.
    assert hostile.elements - harmless.elements == Counter()
    assert hostile.attributes - harmless.attributes == Counter()
    assert hostile.open == []


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "</style><script>alert(1)</script>",
        '" onload="alert(1)',
        "]]>--><!--",
        "\x1b[2J\u202eevil\u2066\u200b",
        "&lt;b&gt;&#x202e;",
    ],
)
def test_known_attacks_are_shown_as_text(poisoned: Poisoned, text: str) -> None:
    """Attacks appear as visible text: no element, no control or bidi character in the file."""
    document = html(*poisoned(text), title=text)
    page = Page(document)
    assert page.elements["script"] == 0
    assert not [name for name in page.attributes if name.startswith("on")]
    assert not re.search("[\x00-\x09\x0b-\x1f\u200b\u202a-\u202e\u2066-\u2069]", document)


def test_long_strings_are_cut(poisoned: Poisoned) -> None:
    """A hashtag of ten thousand characters does not fill the page."""
    document = html(*poisoned("x" * 10_000), title="x" * 10_000)
    assert max(len(run) for run in re.findall("x+", document)) < 300


def test_size_does_not_follow_the_log(alerts: list[Alert], summary: Summary, rows: Rows) -> None:
    """Ten times the rows give a page of about the same size, in bounded memory."""
    short = html(alerts, summary, rows(2000))
    tracemalloc.start()
    long = html(alerts, summary, rows(20_000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(long) < 3 * len(short)
    assert len(long) < 200_000
    assert peak < 5_000_000


def test_many_incidents_are_cut_and_counted(alerts: list[Alert], summary: Summary) -> None:
    """Charts and table rows are limited; what is left out is counted on the page."""
    many = [numbered(alerts[0], number) for number in range(INCIDENTS_LISTED + 5)]
    page = Page(html(many, summary))
    assert page.elements["section"] == INCIDENTS_DRAWN
    assert "5 more are in the alerts" in page.text
    assert f"{INCIDENTS_LISTED + 5} surges of foreign users" in page.text


def test_most_urgent_comes_first(alerts: list[Alert], summary: Summary) -> None:
    """Severity, then size, decides the order, whatever came first."""
    small = numbered(alerts[0], 1)
    small["data"]["severity"] = "info"
    big = numbered(alerts[1], 2)
    big["data"].update(level="hashtag", region=None)
    page = Page(html([small, big], summary))
    assert page.text.index("1. #tiktokrefugee") < page.text.index("2. #tiktokrefugee from US")


def test_largest_is_named_when_all_are_over(alerts: list[Alert], summary: Summary) -> None:
    """With nothing going on nothing is urgent: the largest is named, though another was worse."""
    worse, larger = numbered(alerts[3], 1), numbered(alerts[3], 2)
    worse["data"].update(users=10)
    larger["data"].update(severity="info", region="GB")
    page = Page(html([worse, larger], summary))
    assert "2 surges of foreign users, all over. Largest: #tiktokrefugee from GB" in page.text
    assert "Most urgent" not in page.text


def test_a_surge_without_a_common_hashtag(alerts: list[Alert], summary: Summary) -> None:
    """A wave from a region under everybody's own hashtags lists none of them."""
    alert = numbered(alerts[0], 1)
    alert["data"].update(level="region", hashtag=None)
    alert["data"]["hashtags"] = [{"hashtag": f"own{n}", "users": 2, "share": 0.1} for n in range(9)]
    page = Page(html([alert], summary))
    assert "no common hashtag" in page.text
    assert "own1" not in page.text


def test_small_hashtags_are_not_listed(alerts: list[Alert], summary: Summary) -> None:
    """Of a hashtag's companions five are listed, and none that hardly anybody used."""
    alert = numbered(alerts[0], 1)
    shares = [1.0, 0.5, 0.4, 0.3, 0.2, 0.1, 0.01]
    alert["data"]["hashtags"] = [
        {"hashtag": f"tag{n}", "users": 2, "share": share} for n, share in enumerate(shares)
    ]
    text = Page(html([alert], summary)).text
    assert [n for n in range(7) if f"#tag{n}" in text] == [0, 1, 2, 3, 4]


def test_chart_ends_with_its_data(alerts: list[Alert], summary: Summary, rows: Rows) -> None:
    """A series that was back to normal long before the surge was over leaves no blank axis."""
    page = Page(html(alerts, summary, rows(4000)))
    assert "Drawn to 2025-01-14 02:00" in page.text
    assert "at least to 2025-01-15 04:00" in page.text
    closed = copy.deepcopy(alerts[3])
    closed["data"].update(closed_at="2025-01-14T02:10:00Z")
    short = dataclasses.replace(summary, incidents=[closed["data"]])
    assert "Drawn to" not in Page(html([*alerts[:3], closed], short, rows(4000))).text


def test_learning_is_marked(alerts: list[Alert], summary: Summary, rows: Rows) -> None:
    """The time before alerts were possible is shaded and explained; without any it is all of it."""
    assert "learning what is usual" in Page(html(alerts, summary, rows(4000))).text
    never = dataclasses.replace(summary, incidents=[], judged_from=None)
    assert '<rect class="learning" width="1000.0"' in html([], never, rows(500))


def test_every_cell_knows_its_column(alerts: list[Alert], summary: Summary) -> None:
    """On a phone the table of surges is shown as cards, each figure beside its column's name."""
    document = html(alerts, summary)
    (table,) = re.findall(r'<table class="stacks">.*?</table>', document, re.DOTALL)
    assert '<td class="n" data-name="Users">61,044</td>' in table
    assert 'data-name="Over">2025-01-15 04:00' in table


def test_quiet_log(summary: Summary, rows: Rows) -> None:
    """Without incidents the page says so and still shows traffic and data quality."""
    quiet = dataclasses.replace(summary, incidents=[], pipeline=[])
    page = Page(html([], quiet, rows(100)))
    assert "No surge of foreign users found; judged from 2025-01-13" in page.text
    assert "No gap, stall or overload was reported." in page.text


def test_log_without_posts(summary: Summary) -> None:
    """A log of nothing gives a page that says so, not an error."""
    empty = dataclasses.replace(
        summary, posts=0, first_event=None, last_event=None, seconds=0.0, incidents=[], pipeline=[]
    )
    page = Page(html([], empty))
    assert "no usable post" in page.text
    assert "Nothing could be judged: the log is empty." in page.text
    assert "No surge" not in page.text


def test_unusable_log_says_what_to_do(summary: Summary) -> None:
    """A page about a log that was rejected gives no all-clear but the reason and a remedy."""
    intake = Intake(posts=5000, rejected={"missing_field": 5000})
    lost = dataclasses.replace(
        summary, posts=5000, intake=intake, incidents=[], pipeline=[], judged_from=None
    )
    page = Page(html([], lost))
    assert "Nothing could be judged: all 5,000 records were rejected" in page.text
    assert "[input.fields]" in page.text
    assert "100% (5,000) of the records were rejected" in page.text


def test_an_open_incident_is_as_of_the_end(alerts: list[Alert], summary: Summary) -> None:
    """Where a surge has gone on since its last alert, the page has the summary's newer figures."""
    newer = {**alerts[1]["data"], "users": 1601}
    page = Page(html(alerts[:2], dataclasses.replace(summary, incidents=[newer])))
    assert "1,601 foreign users since 2025-01-13 02:14 UTC" in page.text


def test_written_file_is_the_same_every_time(
    alerts: list[Alert], summary: Summary, tmp_path: Path, rows: Rows
) -> None:
    """Path and open file get the same bytes, and a second run too: no clock, no chance."""
    out = io.StringIO()
    write_report(out, summary=summary, alerts=alerts, series=rows(500), title="T")
    path = tmp_path / "report.html"
    write_report(path, summary=summary, alerts=iter(alerts), series=rows(500), title="T")
    assert path.read_bytes() == out.getvalue().encode("utf-8")
