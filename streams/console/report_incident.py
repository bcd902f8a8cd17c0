"""One incident in the report: what came, since when, how big, how fast, is it over, trust."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from detectors.crowd import OTHER
from streams.codec import rfc3339
from streams.console import capacity, phrases, reasons
from streams.console.capacity_table import HEADS, rows_of, title_of
from streams.console.digest import Story, incident_steps
from streams.console.page import definitions, table
from streams.console.plot import Axis, Mark, legend, share_bar, time_chart
from streams.console.text import html_isolated, html_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.console.timeline import SeriesAccumulator
    from streams.settings import Capacity

_SEVERITIES = frozenset({"critical", "warning", "info"})
_BLANK_SHARE_MAX = 0.05
_STATUSES = frozenset(phrases.STATUS_WORDS)


def severity_class(data: phrases.Data) -> str:
    """Return the style class of a severity; an unknown one gets the mildest."""
    severity = str(data["severity"])
    return severity if severity in _SEVERITIES else "info"


def badges(data: phrases.Data) -> str:
    """Return severity and status as labels."""
    status = str(data["status"])
    css = status if status in _STATUSES else "open"
    words = phrases.STATUS_WORDS.get(status, status)
    return (
        f'<span class="badge {severity_class(data)}">{html_text(str(data["severity"]))}</span>'
        f'<span class="badge {css}">{html_text(words)}</span>'
    )


def cause(data: phrases.Data) -> str:
    """Return an incident's cause as HTML."""
    return f"<bdi>{escape(phrases.cause(data))}</bdi>"


def incident_section(
    number: int, story: Story, rows: SeriesAccumulator, log_end_ms: int, staff: Capacity
) -> str:
    """Return the card of one incident.

    Args:
        number: its place in the report, from 1.
        story: what its alerts told.
        rows: series rows, whose windows include ``story.window(log_end_ms)``.
        log_end_ms: event time of the end of the log, milliseconds since 1970 UTC.
        staff: what the operator's people can do.
    """
    data = story.data
    cautions = "".join(
        f'<p class="caution">{escape(text)}</p>' for text in phrases.reservations(data)
    )
    return "\n".join(
        [
            f'<section class="card {severity_class(data)}" id="incident-{number}">',
            f'<div class="title"><h3>{number}. {cause(data)}</h3>{badges(data)}</div>',
            f"<p>{_lead(data)}</p>{cautions}",
            _chart(story, rows, log_end_ms),
            definitions("facts", _facts(story)),
            '<div class="three">',
            _shares("Region", data["regions"], "region"),
            _tags(data),
            _shares("Language", data["languages"], "language"),
            "</div>",
            _capacity(data, staff),
            _details(story),
            "</section>",
        ]
    )


def _lead(data: phrases.Data) -> str:
    users = f"<b>{data['users']:,} foreign users</b>"
    since = f"since {phrases.moment(data['onset_at'])} UTC"
    return f"{users} {since}. {escape(phrases.peak(data))}."


def _chart(story: Story, rows: SeriesAccumulator, log_end_ms: int) -> str:
    data = story.data
    window = story.window(log_end_ms)
    steps = incident_steps(story.history(), rows.window_steps(window))
    if not steps:
        return '<p class="soft">No series data to draw.</p>'
    # Time for which there are no data says nothing: draw from the first step to the last.
    start = max(window.start_ms, min(steps[0].at_ms, phrases.epoch_ms(data["onset_at"])))
    end, note = _drawn_to(story, start, min(window.end_ms, steps[-1].end_ms))
    axis = Axis(start, end)
    moments = [
        ("onset", data["onset_at"]),
        ("detected", data["detected_at"]),
        ("end of the busiest hour", data["peak_at"]),
        ("over", data["closed_at"]),
    ]
    marks = [Mark(phrases.epoch_ms(at), name) for name, at in moments if at is not None]
    label = escape(f"New users of {phrases.cause(data)} over time")
    return (
        legend(steps[0].minutes)
        + '<p class="legend">A step within the usual range would not alarm by itself; several '
        "such steps together do, because a surge is judged over several lengths of time at once."
        f"{note}</p>" + time_chart(steps, axis, label=label, marks=marks)
    )


def _drawn_to(story: Story, start_ms: int, last_ms: int) -> tuple[int, str]:
    """Where the chart ends, and why if that is long before the last that is known of the surge."""
    if story.end_ms - last_ms <= _BLANK_SHARE_MAX * (story.end_ms - start_ms):
        return max(last_ms, story.end_ms), ""
    last = phrases.moment(rfc3339(last_ms))
    return last_ms, (
        f" Drawn to {last}, when this was back to normal; other parts of the surge went on, at "
        f"least to {phrases.moment(rfc3339(story.end_ms))}."
    )


def _facts(story: Story) -> list[tuple[str, str]]:
    data = story.data
    facts = [
        ("Onset (estimated)", phrases.moment(data["onset_at"])),
        (
            "Detected",
            f"{phrases.moment(data['detected_at'])} (after {phrases.detection_delay(data)})",
        ),
        ("Peak", phrases.peak(data)),
        ("Over", phrases.moment(data["closed_at"])),
        ("Growth", phrases.growth(data) or "not measurable yet"),
        ("Forecast", escape(reasons.forecast(data) or "–")),
        ("New accounts", escape(phrases.newcomers(data))),
        ("Posts", f"{data['posts']:,}"),
        ("Concentration", escape(reasons.concentration(data))),
    ]
    if stayed := phrases.stayed(story.follow_ups):
        facts.append(("Newcomers who stayed", stayed))
    return facts


def _tags(data: phrases.Data) -> str:
    """The hashtags that say something of the surge."""
    if not phrases.has_common_hashtag(data):
        return "<div><h4>Tag</h4><p class='soft'>no common hashtag</p></div>"
    listed = [
        item
        for item in data["hashtags"]
        if item["hashtag"] != OTHER and item["share"] >= phrases.TAG_SHARE_MIN
    ]
    return _shares("Tag", listed[: phrases.TAGS_LISTED], "hashtag", "#")


def _shares(title: str, items: Sequence[phrases.Data], name: str, prefix: str = "") -> str:
    rows = []
    for item in items:
        other = item[name] == OTHER
        shown = "others" if other else f"{prefix}{html_isolated(item[name], 40)}"
        rows.append(
            (
                shown if item[name] else "not given",
                f"{item['users']:,}",
                phrases.percent(item["share"]),
                share_bar(item["share"]),
            )
        )
    if not rows:
        return f"<div><h4>{title}</h4><p class='soft'>none</p></div>"
    columns = [(title, "w"), ("Users", "n"), ("Share", "n"), ("", "b")]
    return f"<div>{table(columns, rows)}</div>"


def _capacity(data: phrases.Data, staff: Capacity) -> str:
    """The people needed over each horizon of the forecast; nothing without one."""
    sheets = capacity.sheets(data, staff)
    if not sheets:
        return ""
    tables = "".join(
        f"<div><h4>{escape(reasons.ahead(sheet.hours).capitalize())}</h4>"
        f"{table(HEADS, [tuple(map(escape, row)) for row in rows_of(sheet)])}</div>"
        for sheet in sheets
    )
    return (
        f'<h4>People needed</h4><p class="soft">{escape(title_of(staff))}</p>'
        f'<div class="three">{tables}</div>'
    )


def _details(story: Story) -> str:
    data = story.data
    members = table(
        [
            ("Series", "w"),
            ("Above usual", "n"),
            ("Share", "n"),
            ("Opened", "t"),
            ("Now", "w"),
        ],
        [
            (
                f"<bdi>{escape(phrases.series_name(member['series']))}</bdi>",
                phrases.people(member["excess"]),
                phrases.percent(member["share"]),
                phrases.moment(member.get("opened_at")),
                {True: "raised", False: "back to normal"}.get(member.get("open"), "–"),
            )
            for member in data["series"]
        ],
    )
    sent = table(
        [
            *(("Alert at", "t"), ("What", "w"), ("Severity", "w"), ("Users", "n")),
            *(("Signal", "w"), ("Forecast", "w")),
        ],
        [
            (
                phrases.moment(one.time),
                html_text(one.kind),
                html_text(one.severity),
                f"{one.users:,}",
                escape(one.headline),
                escape(one.outlook or "–"),
            )
            for one in story.sent
        ],
    )
    unlisted = story.sent_total - len(story.sent)
    more = f"<p class='soft'>{unlisted:,} later alerts are not listed.</p>" if unlisted else ""
    first = story.first
    evidence = (
        f"Opened by {escape(phrases.window(first))}; {escape(reasons.silence(first))}; "
        f"{escape(reasons.evidence(first))}. Latest decision: {escape(phrases.window(data))}; "
        f"{escape(reasons.evidence(data))}. Data: "
        f"{escape(reasons.data_quality(data))}. Id <code>{html_text(data['incident_id'])}</code>."
    )
    return (
        f"<details><summary>Alerts sent ({story.sent_total:,}), member series, evidence</summary>"
        f"<p>{evidence}</p>{sent}{more}{members}</details>"
    )
