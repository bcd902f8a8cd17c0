"""Pages about quality: what a backtest gave, and the section on it in a replay's report."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streams.console import backtest as words
from streams.console import phrases, quality, verdict
from streams.console.page import definitions, page, table
from streams.console.plot import Axis, Lane, legend, time_chart
from streams.console.report_incident import severity_class
from streams.console.sweep_chart import sweep_chart
from streams.console.text import html_isolated, html_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from streams.backtest import Assessment, Backtest, Change, Known, Trial, Wave
    from streams.console.timeline import SeriesAccumulator

ROWS_LISTED = 200
LANES = 12
_NAME_CHARS = 120

_INCIDENT_COLUMNS = [("", "n"), ("Cause", "w cause"), ("Detected", "t"), ("Users", "n")]
_CHANGE_COLUMNS = [
    *(("", "n"), ("Cause", "w cause"), ("From A to B", "w")),
    *(("Detected by A", "t"), ("Detected by B", "t"), ("Users by A", "n"), ("Users by B", "n")),
]


def quality_section(assessment: Assessment, unknown: Sequence[Known]) -> str:
    """Return the section of a replay's report on what was expected and what was observed.

    Args:
        assessment: of the replay.
        unknown: what is known of series that the log does not hold.
    """
    pairs = [(name.capitalize(), escape(value)) for name, value in quality.facts(assessment)]
    return (
        f'<h2>Expected and observed</h2><div class="card">{definitions("facts", pairs)}'
        f"{_missed(assessment.missed)}{_notes(quality.notes(assessment, unknown))}</div>"
    )


def write_backtest(
    path: Path | str, backtest: Backtest, *, rows: SeriesAccumulator, title: str
) -> None:
    """Write the report of a backtest.

    Args:
        path: where to.
        backtest: what came of it.
        rows: series rows of the first configuration.
        title: of the page.

    Raises:
        OSError: the file can't be written.
    """
    document = backtest_html(backtest, rows=rows, title=title)
    Path(path).write_text(document, encoding="utf-8", newline="\n")


def backtest_html(backtest: Backtest, *, rows: SeriesAccumulator, title: str) -> str:
    """Return the report of a backtest as text; see ``write_backtest``."""
    sections = [
        _header(backtest, title),
        _overview(backtest, rows),
        _figures(backtest),
        _incidents(backtest.first) if backtest.second is None else _changes(backtest),
        _shortfalls(backtest),
        _sweep(backtest),
        _about(backtest),
    ]
    return page(html_text(title, _NAME_CHARS), [section for section in sections if section])


def _header(backtest: Backtest, title: str) -> str:
    summary = backtest.first.summary
    incidents = summary.incidents
    said = verdict.headline(summary, incidents)
    if backtest.second is not None:
        said = words.headline(backtest)
    if remedy := verdict.remedy(summary):
        said = f"{verdict.headline(summary, incidents)} {remedy}"
    judged = f"Judged from {verdict.judged(summary)}. All times are UTC, event time."
    return (
        f"<header><h1>{html_isolated(title, _NAME_CHARS)}</h1><p class='soft'>{judged}</p>"
        f"<p class='verdict'>{escape(said)}</p></header>"
    )


def _overview(backtest: Backtest, rows: SeriesAccumulator) -> str:
    steps, summary = rows.all_steps(), backtest.first.summary
    if not steps or summary.first_event is None or summary.last_event is None:
        return ""
    axis = Axis(phrases.epoch_ms(summary.first_event), phrases.epoch_ms(summary.last_event))
    judged = axis.end_ms
    if summary.judged_from is not None:
        judged = phrases.epoch_ms(summary.judged_from)
    lanes: list[Lane] = []
    if backtest.second is None:
        for number, data in enumerate(summary.incidents[:LANES], 1):
            lanes.append(_lane(number, data, axis, ""))
    for number, change in enumerate(_listed(backtest)[: LANES // 2], 1):
        lanes += [_lane(number, data, axis, "A: ") for data in change.before[:1]]
        lanes += [_lane(number, data, axis, "B: ") for data in change.after[:1]]
    chart = time_chart(
        steps,
        axis,
        label="All foreign users over time",
        lanes=lanes,
        gaps=True,
        height=220,
        learning_until_ms=judged,
    )
    explained = legend(steps[0].minutes, gaps=True, learning=judged > axis.start_ms)
    return (
        f'<h2>All foreign users, as A expects them</h2><div class="card">{explained}{chart}</div>'
    )


def _lane(number: int, data: Mapping[str, Any], axis: Axis, side: str) -> Lane:
    return Lane(
        phrases.epoch_ms(data["onset_at"]),
        phrases.epoch_ms(data["closed_at"]) if data["closed_at"] else axis.end_ms,
        number,
        escape(f"{side}{phrases.cause(data)}"),
        severity_class(data),
    )


def _figures(backtest: Backtest) -> str:
    columns = [("", "w"), *((side.name, "w") for side in backtest.sides)]
    cells = [[escape(cell) for cell in row] for row in words.measures(backtest.sides)]
    configured = [
        (side.name, f"{html_isolated(side.source, _NAME_CHARS)}, <code>{side.fingerprint}</code>")
        for side in backtest.sides
    ]
    differences = ""
    if backtest.differences:
        differences = table(
            [("Setting", "w"), ("A", "w"), ("B", "w")],
            [
                (html_text(name), html_isolated(before, 200), html_isolated(after, 200))
                for name, before, after in backtest.differences
            ],
        )
    return (
        f'<h2>Expected and observed</h2><div class="card">{definitions("facts", configured)}'
        f'{differences}</div><div class="card">{table(columns, cells)}</div>'
    )


def _incidents(side: Trial) -> str:
    judged = side.assessment.judged
    if not judged:
        return ""
    columns, is_known = list(_INCIDENT_COLUMNS), side.assessment.is_known
    if is_known:
        columns.append(("Was", "w"))
    cells = []
    for number, one in enumerate(judged[:ROWS_LISTED], 1):
        data = one.incident
        row = [f"{number}", f"<b>{_cause(data)}</b>", _detected([data]), _users([data])]
        cells.append(row + [escape(quality.verdict(one))] * is_known)
    return _section("Incidents, by detection", columns, cells, len(judged))


def _listed(backtest: Backtest) -> list[Change]:
    """What differs first, then what is the same, each by time."""
    return sorted(backtest.changes, key=lambda change: change.kind == "same")


def _changes(backtest: Backtest) -> str:
    if not backtest.changes:
        return ""
    columns, is_known = list(_CHANGE_COLUMNS), backtest.first.assessment.is_known
    if is_known:
        columns.append(("Was", "w"))
    cells = []
    for number, change in enumerate(_listed(backtest)[:ROWS_LISTED], 1):
        before, after = change.before, change.after
        row = [
            *(f"{number}", f"<b>{_cause(change.foremost)}</b>"),
            escape(words.change_kind(change)),
            *(_detected(before), _detected(after), _users(before), _users(after)),
        ]
        was = [escape(quality.verdict(backtest.verdict(change)))] if is_known else []
        cells.append(row + was)
    return _section("Waves, as A and B saw them", columns, cells, len(backtest.changes))


def _section(title: str, columns: list[tuple[str, str]], cells: list[list[str]], total: int) -> str:
    unlisted = total - len(cells)
    more = f"<p class='soft'>{unlisted:,} more are not listed.</p>" if unlisted > 0 else ""
    return f'<h2>{title}</h2><div class="card">{table(columns, cells, stacks=True)}{more}</div>'


def _cause(data: Mapping[str, Any]) -> str:
    return f"<bdi>{escape(phrases.cause(data))}</bdi>"


def _detected(incidents: Sequence[Mapping[str, Any]]) -> str:
    if not incidents:
        return "–"
    pieces = f", {len(incidents):,} incidents" if len(incidents) > 1 else ""
    return f"{phrases.moment(incidents[0]['detected_at'])}{pieces}"


def _users(incidents: Sequence[Mapping[str, Any]]) -> str:
    return f"{max(data['users'] for data in incidents):,}" if incidents else "–"


def _shortfalls(backtest: Backtest) -> str:
    parts = [
        f"<h4>Missed by {side.name}</h4>{_missed(side.assessment.missed)}"
        for side in backtest.sides
        if side.assessment.missed
    ]
    if told := _notes(quality.notes(backtest.notes_of.assessment, backtest.unknown)):
        parts.append(f"<h4>About what is known</h4>{told}")
    return f'<div class="card">{"".join(parts)}</div>' if parts else ""


def _missed(waves: Sequence[Wave]) -> str:
    shown = "".join(
        f"<p class='caution'>Missed: {escape(quality.missed(wave))}.</p>"
        for wave in waves[: quality.NOTES_SHOWN]
    )
    more = len(waves) - quality.NOTES_SHOWN
    return f"{shown}<p class='soft'>{more:,} more were missed.</p>" if more > 0 else shown


def _notes(lines: Iterable[str]) -> str:
    return "".join(f"<p class='soft'>{escape(line)}</p>" for line in lines)


def _sweep(backtest: Backtest) -> str:
    trials = backtest.sweep
    if not trials:
        return ""
    headings = words.sweep_columns(trials)
    columns = [(heading.capitalize(), "n" if at else "w") for at, heading in enumerate(headings)]
    unknown = words.has_unknown(trials)
    rows = [words.sweep_row(trial, unknown=unknown) for trial in trials]
    cells = [[escape(cell) for cell in row] for row in rows]
    return (
        f"<h2>Sweep of {html_text(backtest.swept or '')}</h2>"
        f'<div class="card">{table(columns, cells)}{sweep_chart(trials)}</div>'
    )


def _about(backtest: Backtest) -> str:
    assessment = backtest.first.assessment
    judged = (
        "Nothing is known by which to tell a false incident from a true one: give a truth file or "
        "labels."
    )
    if assessment.is_known:
        judged = (
            "An incident is <b>true</b> if it tells of a wave of the truth file, in series and "
            "time, or of what a label calls true; <b>false</b> if a label says so, or if a truth "
            "file was given and tells of no such wave; <b>expected</b> if a label calls it real "
            "but nothing to be woken for, which counts neither as false nor as missed."
        )
    logs = ", ".join(html_isolated(name, _NAME_CHARS) for name in backtest.first.summary.logs[:10])
    return (
        "<h2>How to read this</h2><div class='card'>"
        "<p>Incidents have other ids under another configuration, so those that overlap in series "
        f"and time are taken for one wave.</p><p>{judged}</p><p>Ranges are 95% Poisson intervals: "
        "what so many incidents in so long a time can tell of their rate.</p>"
        f"<p class='soft'>Logs: {logs or '–'}.</p></div>"
    )
