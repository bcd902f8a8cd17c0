"""The self-contained HTML report of a replay: for whoever is on call, and for the analyst after.

One file, no scripts, no outside requests. Its size depends on the number of incidents, up to a
limit, never on the length of the log.
"""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from streams.console import phrases, verdict
from streams.console.digest import Digest, Story, read_alerts
from streams.console.page import definitions, page, table
from streams.console.plot import Axis, Lane, legend, sparkline, time_chart
from streams.console.report_backtest import quality_section
from streams.console.report_incident import badges, cause, incident_section, severity_class
from streams.console.text import html_isolated, html_text
from streams.console.timeline import SeriesAccumulator
from streams.errors import REJECT_REASONS
from streams.settings import Capacity

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from streams.backtest import Assessment, Known
    from streams.summary import Summary

INCIDENTS_DRAWN = 20
INCIDENTS_LISTED = 200
LANES = 12
REGIONS_LISTED = 20
PIPELINE_LISTED = 50


def write_report(
    path_or_file: Path | str | TextIO,
    *,
    summary: Summary,
    alerts: Iterable[Mapping[str, Any]],
    series: Iterable[Mapping[str, Any]],
    title: str,
    staff: Capacity = Capacity(),  # noqa: B008 - immutable
    assessment: Assessment | None = None,
    unknown: Sequence[Known] = (),
) -> None:
    """Write the report.

    Args:
        path_or_file: where to; a file must be open for text, UTF-8.
        summary: the outcome of the replay.
        alerts: CloudEvents as in the alert schema, in order of time; read once, before ``series``.
        series: rows as in the series schema, in any order; read once, never held.
        title: of the page.
        staff: what the operator's people can do.
        assessment: of the replay, against its budget and what is known of the log.
        unknown: what is known of series that the log does not hold.

    Raises:
        OSError: the file can't be written.
    """
    document = report_html(
        summary=summary,
        alerts=alerts,
        series=series,
        title=title,
        staff=staff,
        assessment=assessment,
        unknown=unknown,
    )
    if isinstance(path_or_file, (str, Path)):
        Path(path_or_file).write_text(document, encoding="utf-8", newline="\n")
    else:
        path_or_file.write(document)


def report_html(
    *,
    summary: Summary,
    alerts: Iterable[Mapping[str, Any]],
    series: Iterable[Mapping[str, Any]],
    title: str,
    staff: Capacity = Capacity(),  # noqa: B008 - immutable
    assessment: Assessment | None = None,
    unknown: Sequence[Known] = (),
) -> str:
    """Return the report as text; see ``write_report``."""
    digest = read_alerts(alerts)
    digest.refresh(summary.incidents)
    stories = digest.ranked()
    log_end_ms = _log_end_ms(summary, stories)
    drawn = stories[:INCIDENTS_DRAWN]
    rows = SeriesAccumulator(story.window(log_end_ms) for story in drawn)
    for row in series:
        rows.add(row)
    axis = _axis(summary, rows, log_end_ms)
    judged_ms = _judged_ms(summary, stories, axis)
    sections = [
        _header(summary, digest, title),
        _overview(stories, rows, axis, judged_ms),
        _incident_table(stories),
        "" if assessment is None else quality_section(assessment, unknown),
        *(
            incident_section(number, story, rows, log_end_ms, staff)
            for number, story in enumerate(drawn, 1)
        ),
        _regions(rows, axis),
        _data_quality(summary, digest),
        _about(summary, digest),
    ]
    return page(html_text(title, 120), [section for section in sections if section])


def _log_end_ms(summary: Summary, stories: list[Story]) -> int:
    if summary.last_event is not None:
        return phrases.epoch_ms(summary.last_event)
    return max((story.end_ms for story in stories), default=0)


def _axis(summary: Summary, rows: SeriesAccumulator, log_end_ms: int) -> Axis:
    steps = rows.all_steps()
    if summary.first_event is not None:
        return Axis(phrases.epoch_ms(summary.first_event), log_end_ms)
    if steps:
        return Axis(steps[0].at_ms, steps[-1].end_ms)
    return Axis(0, max(1, log_end_ms))


def _judged_ms(summary: Summary, stories: list[Story], axis: Axis) -> int:
    """From when alerts were possible; the axis' end when they never were."""
    if summary.judged_from is not None:
        return phrases.epoch_ms(summary.judged_from)
    return axis.start_ms if stories else axis.end_ms


def _header(summary: Summary, digest: Digest, title: str) -> str:
    intake = summary.intake
    span = "The log holds no usable post."
    judged = f"Judged from {verdict.judged(summary)}. " if summary.judged_from else ""
    if summary.first_event is not None and summary.last_event is not None:
        length = phrases.minutes_between(summary.first_event, summary.last_event)
        span = (
            f"Posts from {phrases.moment(summary.first_event)} to "
            f"{phrases.moment(summary.last_event)} ({phrases.duration(length)}). "
            f"{judged}All times are UTC, event time."
        )
    stories = digest.ranked()
    largest = max((story.data["users"] for story in stories), default=0)
    rejected = sum(intake.rejected.values())
    figures = [
        ("Surges", f"{len(stories):,}"),
        ("Largest", f"{largest:,}<small>foreign users</small>"),
        ("Posts", f"{summary.posts:,}<small>{_rate(summary)}</small>"),
        ("Foreign", f"{intake.foreign:,}<small>{_part(intake.foreign, summary.posts)}</small>"),
        ("Rejected", f"{rejected:,}<small>{_part(rejected, summary.posts)}</small>"),
        ("Late", f"{intake.late:,}<small>{_part(intake.late, summary.posts)}</small>"),
    ]
    return (
        f"<header><h1>{html_isolated(title, 120)}</h1><p class='soft'>{span}</p>"
        f"{_verdict(summary, stories)}{definitions('figures', figures)}</header>"
    )


def _verdict(summary: Summary, stories: list[Story]) -> str:
    incidents = [story.data for story in stories]
    said = escape(verdict.headline(summary, incidents))
    if not incidents:
        remedy = verdict.remedy(summary)
        what = f"<p>{escape(remedy)}</p>" if remedy else ""
        return f"<p class='verdict'>{said}</p>{what}"
    rank, data = verdict.foremost(incidents)
    facts = [f"{data['users']:,} users", phrases.peak(data)]
    if data["closed_at"] is None and (growth := phrases.growth(data)):
        facts.append(growth)
    joint = f"{said} {rank}" if rank else f"{said.removesuffix('.')}: "
    return f"<p class='verdict'>{joint}{cause(data)}, {escape(', '.join(facts))}.</p>"


def _rate(summary: Summary) -> str:
    if summary.seconds <= 0:
        return "read"
    return f"read at {summary.posts / summary.seconds:,.0f}/s"


def _part(part: int, whole: int) -> str:
    return f"{phrases.percent(part / whole)} of posts" if whole else "of none"


def _overview(stories: list[Story], rows: SeriesAccumulator, axis: Axis, judged_ms: int) -> str:
    steps = rows.all_steps()
    if not steps:
        return ""
    by_onset = sorted(enumerate(stories[:LANES], 1), key=lambda item: str(item[1].data["onset_at"]))
    lanes = [
        Lane(
            phrases.epoch_ms(story.data["onset_at"]),
            story.end_ms if story.data["closed_at"] else axis.end_ms,
            number,
            escape(phrases.cause(story.data)),
            severity_class(story.data),
        )
        for number, story in by_onset
    ]
    chart = time_chart(
        steps,
        axis,
        label="All foreign users over time",
        lanes=lanes,
        gaps=True,
        height=220,
        learning_until_ms=judged_ms,
    )
    explained = legend(steps[0].minutes, gaps=True, learning=judged_ms > axis.start_ms)
    return (
        "<h2>All foreign users, and when the surges were</h2>"
        f'<div class="card">{explained}{chart}</div>'
    )


def _incident_table(stories: list[Story]) -> str:
    if not stories:
        return ""
    columns = [
        *(("", "n"), ("Cause", "w cause"), ("State", "w"), ("From", "w"), ("Onset", "t")),
        *(("Detected", "t"), ("Over", "t"), ("Users", "n"), ("New accounts", "n")),
    ]
    rows = []
    for number, story in enumerate(stories[:INCIDENTS_LISTED], 1):
        data = story.data
        link = f'<a href="#incident-{number}">{number}</a>'
        share = data["newcomer_share"]
        rows.append(
            (
                link if number <= INCIDENTS_DRAWN else f"{number}",
                f"<b>{cause(data)}</b>",
                f'<span class="title">{badges(data)}</span>',
                escape(phrases.ranking(data["regions"], "region", most=2)),
                phrases.moment(data["onset_at"]),
                f"after {phrases.detection_delay(data)}",
                phrases.moment(data["closed_at"]),
                f"{data['users']:,}",
                "–" if share is None else phrases.percent(share),
            )
        )
    unlisted = len(stories) - INCIDENTS_LISTED
    more = f"<p class='soft'>{unlisted:,} more are in the alerts.</p>" if unlisted > 0 else ""
    return f'<h2>Surges</h2><div class="card">{table(columns, rows, stacks=True)}{more}</div>'


def _regions(rows: SeriesAccumulator, axis: Axis) -> str:
    totals = rows.top_regions(REGIONS_LISTED)
    if not totals:
        return ""
    body = []
    for total in totals:
        highest = max(total.steps, key=lambda step: step.observed)
        label = f"New users from {html_text(total.region)} over time"
        body.append(
            (
                html_isolated(total.region),
                phrases.people(total.fresh_users),
                f"{phrases.people(highest.observed)} in {phrases.duration(highest.minutes)}",
                sparkline(total.steps, axis, label=label),
            )
        )
    columns = [("Region", "w"), ("New users", "n"), ("Busiest", "t"), ("Over time", "b wide")]
    more = rows.regions - len(totals)
    note = f"<p class='soft'>{more:,} smaller regions are not listed.</p>" if more > 0 else ""
    return (
        f'<h2>Regions over the whole log</h2><div class="card">{table(columns, body)}{note}</div>'
    )


def _data_quality(summary: Summary, digest: Digest) -> str:
    intake = summary.intake
    facts = [
        ("Posts", f"{summary.posts:,}"),
        ("Home", f"{intake.home:,}"),
        ("Foreign", f"{intake.foreign:,}"),
        ("Late, not counted", f"{intake.late:,}"),
        ("Duplicates, not counted", f"{intake.duplicate:,}"),
        ("Rejected", f"{sum(intake.rejected.values()):,}"),
        ("Hashtags dropped", f"{intake.hashtags_dropped:,}"),
        ("Series not watched", f"{intake.series_dropped:,}"),
    ]
    rejects = ""
    if intake.rejected:
        ranked = sorted(intake.rejected.items(), key=lambda item: (-item[1], item[0]))
        rejects = table(
            [("Rejected because", "w"), ("Records", "n"), ("Meaning", "w")],
            [
                (html_text(reason), f"{n:,}", escape(REJECT_REASONS.get(reason, "")))
                for reason, n in ranked
            ],
        )
    notes = "".join(f"<p class='caution'>{escape(note)}.</p>" for note in verdict.notes(summary))
    return (
        "<h2>Can the data be trusted?</h2>"
        f'<div class="card">{notes}{definitions("facts", facts)}{rejects}{_pipeline(digest)}</div>'
    )


def _pipeline(digest: Digest) -> str:
    alerts = list(digest.pipeline.values())
    if not alerts:
        return "<p>No gap, stall or overload was reported.</p>"
    rows = [
        (
            html_text(phrases.kind(alert)),
            phrases.moment(alert["data"]["from"]),
            phrases.moment(alert["data"]["until"]),
            html_isolated(phrases.disturbance(alert["data"]), 300),
        )
        for alert in alerts[:PIPELINE_LISTED]
    ]
    unlisted = len(alerts) - PIPELINE_LISTED
    more = f"<p class='soft'>{unlisted:,} more are in the alerts.</p>" if unlisted > 0 else ""
    columns = [("Disturbance", "w"), ("From", "t"), ("Until", "t"), ("What", "w")]
    return table(columns, rows) + more


def _about(summary: Summary, digest: Digest) -> str:
    logs = ", ".join(html_isolated(name, 120) for name in summary.logs[:10]) or "–"
    more = len(summary.logs) - 10
    severities = "; ".join(
        f"<b>{name}</b>: {escape(meaning)}" for name, meaning in phrases.SEVERITIES.items()
    )
    fingerprint = digest.fingerprint
    config = f"<code>{html_text(fingerprint)}</code>" if fingerprint else "– (no incident)"
    return (
        "<h2>How to read this</h2><div class='card'>"
        "<p>A foreign user is <b>new</b> somewhere (in a region, under a hashtag) when not counted "
        "there for some hours (six unless configured), so a bot with a thousand posts counts once. "
        "The <b>usual range</b> is what one step of a chart may show by chance.</p>"
        f"<p>Severity: {severities}. It never falls while a surge goes on.</p>"
        f"<p class='soft'>Logs: {logs}{f' and {more:,} more' if more > 0 else ''}. "
        f"{summary.bytes_read:,} bytes read. Configuration fingerprint: {config}.</p></div>"
    )
