"""One incident explained, from its alerts alone: on a terminal, or as a page."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from rich.text import Text

from streams.codec.confirmed import EARLY
from streams.console import capacity, phrases, reasons
from streams.console.capacity_table import HEADS, rows_of, title_of
from streams.console.chart import Moment, draw
from streams.console.digest import Story, read_alerts
from streams.console.lines import (
    SEVERITY_STYLES,
    print_caution,
    print_facts,
    print_hanging,
    print_table,
)
from streams.console.page import page
from streams.console.report_incident import cause, incident_section
from streams.console.text import visible
from streams.console.timeline import SeriesAccumulator

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from streams.settings import Capacity


def story_of(alerts: Sequence[Mapping[str, Any]]) -> Story | None:
    """Fold the alerts of one incident; None if they tell nothing but that a promise was withdrawn.

    An incident that has only been promised is told as far as the promise says it.
    """
    confirmed = [alert for alert in alerts if alert["type"] not in EARLY]
    stories = read_alerts(confirmed).stories or read_alerts(alerts, early=True).stories
    return next(iter(stories.values()), None)


def print_explanation(story: Story, staff: Capacity, console: Console) -> None:
    """Print all that is known of an incident.

    Args:
        story: its alerts.
        staff: what the operator's people can do.
        console: where to; its width, colours and character set are respected.
    """
    data = story.data
    _print_title(story, console)
    _print_chart(story, console)
    _section("Why it fired", console)
    print_facts(_why(story), console)
    _section("What it is made of", console)
    note = (
        "A user counts in each of these series, and again when seen hours later "
        "(detection.fresh_for), so they can be more than the users; shares are of the largest."
    )
    print_hanging(Text("  "), Text(note, style="dim"), console)
    print_table(
        [("series", "left"), ("above usual", "right"), ("share", "right"), ("opened", "left")],
        [
            (
                phrases.series_name(member["series"]),
                phrases.people(member["excess"]),
                phrases.percent(member["share"]),
                phrases.moment(member.get("opened_at")),
            )
            for member in data["series"]
        ],
        console,
    )
    console.print()
    print_facts(_who(data), console)
    _section("How fast, and what comes", console)
    print_facts(_growth(story), console)
    _print_capacity(data, staff, console)
    _section("Can it be trusted?", console)
    print_facts([("data", reasons.data_quality(data))], console)
    for reservation in phrases.reservations(data):
        print_caution(reservation, console)
    _section("Alerts", console)
    _print_alerts(story, console)


def _section(title: str, console: Console) -> None:
    console.print()
    console.print(Text(title, style="bold"))


def _print_title(story: Story, console: Console) -> None:
    data = story.data
    severity = visible(str(data["severity"]), 10)
    prefix = Text(f"{severity.upper()}  ", style=SEVERITY_STYLES.get(severity, "bold"))
    words = Text(phrases.cause(data), style="bold")
    status = phrases.STATUS_WORDS.get(data["status"], "unknown")
    words.append(f"  ({status})", style="not bold")
    print_hanging(prefix, words, console)
    print_facts(
        [
            ("incident", visible(data["incident_id"])),
            ("as of", f"{phrases.moment(story.last_time)} UTC, its latest alert"),
            ("size", f"{data['users']:,} foreign users, {data['posts']:,} posts"),
        ],
        console,
    )


def _print_chart(story: Story, console: Console) -> None:
    data = story.data
    moments = [
        Moment(phrases.epoch_ms(at), letter, label)
        for at, letter, label in (
            (data["onset_at"], "o", "onset"),
            (data["detected_at"], "d", "detected"),
            (data["peak_at"], "p", "end of the busiest hour"),
            (data["closed_at"], "c", "over"),
        )
        if at is not None
    ]
    ascii_only = not console.encoding.startswith("utf")
    console.print()
    drawing = draw(story.history(), moments, console.width - 1, ascii_only=ascii_only)
    for line in drawing.lines:
        console.print(line, soft_wrap=True, highlight=False)
    for note in drawing.notes:
        print_hanging(Text(" " * drawing.margin), note, console)


def _why(story: Story) -> list[tuple[str, str]]:
    first, data = story.first, story.data
    found = [
        ("detected", f"{phrases.moment(first['detected_at'])}, {_after(first)}"),
        ("because", phrases.window(first)),
        ("silence", reasons.silence(first)),
        ("evidence", reasons.evidence(first)),
    ]
    if story.sent_total > 1:
        found.append(("latest", f"{phrases.window(data)}; {reasons.evidence(data)}"))
    return found


def _after(data: phrases.Data) -> str:
    return f"{phrases.detection_delay(data)} after its onset ({phrases.moment(data['onset_at'])})"


def _who(data: phrases.Data) -> list[tuple[str, str]]:
    return [
        ("came from", phrases.ranking(data["regions"], "region")),
        ("tags", phrases.hashtags(data)),
        ("languages", phrases.ranking(data["languages"], "language")),
        ("newcomers", phrases.newcomers(data)),
        ("concentration", reasons.concentration(data)),
    ]


def _growth(story: Story) -> list[tuple[str, str]]:
    data = story.data
    found = [
        ("peak", phrases.peak(data)),
        ("growth", phrases.growth(data) or "not measurable yet"),
        ("forecast", reasons.forecast(data) or "none: nothing more of it is expected"),
    ]
    if stayed := phrases.stayed(story.follow_ups):
        found.append(("stayed", f"of its newcomers {stayed}"))
    return found


def _print_capacity(data: phrases.Data, staff: Capacity, console: Console) -> None:
    for sheet in capacity.sheets(data, staff):
        _section(f"People needed, {reasons.ahead(sheet.hours)}", console)
        print_hanging(Text("  "), Text(title_of(staff), style="dim"), console)
        columns = [(name, "left" if css == "w" else "right") for name, css in HEADS]
        print_table(columns, rows_of(sheet), console)


def _print_alerts(story: Story, console: Console) -> None:
    for one in story.sent:
        prefix = Text(f"  {phrases.moment(one.time)}  ")
        prefix.append(f"{one.kind:<11}  ", style="bold")
        parts = [visible(one.severity, 10), f"{one.users:,} users", one.headline]
        if one.outlook:
            parts.append(one.outlook)
        print_hanging(prefix, Text("; ".join(part for part in parts if part)), console)
    unlisted = story.sent_total - len(story.sent)
    if unlisted:
        console.print(Text(f"  {unlisted:,} later alerts are not listed."))
    for data in story.follow_ups:
        prefix = Text(f"  {phrases.moment(data['until'])}  ")
        prefix.append(f"{'followup':<11}  ", style="bold")
        print_hanging(prefix, Text(phrases.follow_up(data)), console)


def explanation_html(story: Story, staff: Capacity) -> str:
    """The same as a self-contained page."""
    name = f"{phrases.cause(story.data)}, {visible(story.data['incident_id'])}"
    of_when = f"From its alerts alone, the latest of {phrases.moment(story.last_time)}."
    header = (
        f"<header><h1>{cause(story.data)}</h1>"
        f"<p class='soft'>{of_when} All times are UTC, event time.</p></header>"
    )
    section = incident_section(1, story, SeriesAccumulator(), story.end_ms, staff)
    return page(escape(name), [header, section])
