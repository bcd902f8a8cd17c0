"""What came of a backtest, on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from streams.console import phrases, quality, verdict
from streams.console.lines import print_facts, print_hanging
from streams.console.text import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.console import Console

    from streams.backtest import Assessment, Backtest, Change, Trial

CHANGES_SHOWN = 50
INCIDENTS_SHOWN = 50
_PATH_CHARS = 120
_BAR = 20


def print_backtest(backtest: Backtest, console: Console) -> None:
    """Print a backtest: the configurations, their figures, what has changed, the sweep.

    Args:
        backtest: what came of it.
        console: where to; its width and colours are respected.
    """
    first = backtest.first
    summary = first.summary
    logs = ", ".join(visible(log, _PATH_CHARS) for log in summary.logs[:3])
    more = len(summary.logs) - 3
    print_facts(
        [
            ("log", f"{logs} and {more} more" if more > 0 else logs),
            ("posts", f"{summary.posts:,} in {summary.seconds:,.1f} s"),
            ("judged", f"{verdict.judged(summary)} UTC"),
            *((side.name, configuration(side)) for side in backtest.sides),
            *(("  differ in", difference(*one)) for one in backtest.differences),
        ],
        console,
    )
    if remedy := verdict.remedy(summary):
        console.print()
        headline = verdict.headline(summary, summary.incidents)
        print_hanging(Text(), Text(f"{headline} {remedy}", style="bold"), console)
    console.print()
    console.print(_figures(backtest.sides))
    if backtest.second is None:
        _print_incidents(first, console)
    else:
        _print_changes(backtest, console)
    for side in backtest.sides:
        if side.assessment.missed:
            console.print()
            console.print(Text(f"Missed by {side.name}", style="bold"))
            quality.print_missed(side.assessment.missed, console)
    lines = quality.notes(backtest.notes_of.assessment, backtest.unknown)
    if lines:
        console.print()
        console.print(Text("About what is known", style="bold"))
        quality.print_notes(lines, console)
    if backtest.sweep:
        console.print()
        title = f"{visible(backtest.swept or '')}, each value instead of A's"
        console.print(Text(title, style="bold"))
        console.print(_sweep(backtest.sweep))


def configuration(side: Trial) -> str:
    """Return where a configuration is from, and its fingerprint."""
    return f"{visible(side.source, _PATH_CHARS)}, fingerprint {side.fingerprint}"


def difference(name: str, before: str, after: str) -> str:
    """Return one setting that differs."""
    return f"{visible(name)}: {visible(before, _PATH_CHARS)} → {visible(after, _PATH_CHARS)}"


_Measure = tuple[str, "Callable[[Assessment], str]"]
_MEASURES: list[_Measure] = [
    ("budget", lambda a: quality.budget(a.budget)),
    ("incidents", lambda a: f"{len(a.judged):,}"),
    ("  a week", lambda a: quality.weekly(len(a.judged), a)),
]
_KNOWN_MEASURES: list[_Measure] = [
    ("false", quality.false_count),
    ("  a week", quality.false_rate),
    ("true", lambda a: f"{a.count('true'):,}"),
    (quality.VERDICTS["expected"], lambda a: f"{a.count('expected'):,}"),
    (quality.VERDICTS["unknown"], lambda a: f"{a.count('unknown'):,}"),
    ("precision", quality.precision),
    ("waves found", quality.found),
    ("median delay", lambda a: quality.delay(a.delay_minutes)),
]
_RARE = (quality.VERDICTS["expected"], quality.VERDICTS["unknown"])
"""Told only where there are any."""


def measures(sides: Sequence[Trial]) -> list[list[str]]:
    """Return the figures of configurations: rows of a name and a value for each."""
    assessments = [side.assessment for side in sides]
    wanted = _MEASURES + (_KNOWN_MEASURES if assessments[0].is_known else [])
    rows = [[name, *map(show, assessments)] for name, show in wanted]
    return [row for row in rows if row[0] not in _RARE or set(row[1:]) != {"0"}]


def _figures(sides: Sequence[Trial]) -> Table:
    found = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    found.add_column("", style="dim")
    for side in sides:
        found.add_column(Text(side.name))
    for row in measures(sides):
        found.add_row(*map(Text, row))
    return found


def _print_incidents(side: Trial, console: Console) -> None:
    judged = side.assessment.judged
    if not judged:
        return
    console.print()
    console.print(Text("Incidents, by detection. Times are UTC.", style="bold"))
    for one in judged[:INCIDENTS_SHOWN]:
        data = one.incident
        words = f"{phrases.cause(data)}, {data['users']:,} users"
        if side.assessment.is_known:
            words += f"; {quality.verdict(one)}"
        print_hanging(Text(f"  {phrases.moment(data['detected_at'])}  "), Text(words), console)
    if (more := len(judged) - INCIDENTS_SHOWN) > 0:
        console.print(Text(f"  {more:,} more are not listed."))


def headline(backtest: Backtest) -> str:
    """Return in a sentence how the second configuration differs from the first."""
    if not backtest.changes:
        return "Neither A nor B finds anything."
    counts = [
        (backtest.count(kind), words)
        for kind, words in (
            ("new", "new"),
            ("gone", "gone"),
            ("earlier", "earlier"),
            ("later", "later"),
            ("same", "at the same time"),
        )
    ]
    told = ", ".join(f"{count:,} {words}" for count, words in counts if count)
    return f"From A to B: {told}."


def change_kind(change: Change) -> str:
    """Return what has become of a wave."""
    if not change.shift_minutes:
        return change.kind
    return f"{change.kind} by {phrases.duration(abs(change.shift_minutes))}"


def change_facts(backtest: Backtest, change: Change) -> str:
    """Return when each side detected a wave, in how many pieces, and how large it was."""
    told = []
    for side, incidents in zip(backtest.sides, (change.before, change.after), strict=True):
        if incidents:
            pieces = f" in {len(incidents):,} incidents" if len(incidents) > 1 else ""
            users = max(data["users"] for data in incidents)
            at = phrases.moment(incidents[0]["detected_at"])
            told.append(f"{side.name} {at}{pieces}, {users:,} users")
    return "; ".join(told)


def _print_changes(backtest: Backtest, console: Console) -> None:
    console.print()
    console.print(Text(f"{headline(backtest)} Times are UTC.", style="bold"))
    listed = [change for change in backtest.changes if change.kind != "same"]
    for change in listed[:CHANGES_SHOWN]:
        title = Text(f"  {change_kind(change)}  ", style="bold")
        words = Text(phrases.cause(change.foremost))
        if backtest.first.assessment.is_known:
            words.append(f"; {quality.verdict(backtest.verdict(change))}")
        words.append(f"\n{change_facts(backtest, change)}", style="dim")
        print_hanging(title, words, console)
    if (more := len(listed) - CHANGES_SHOWN) > 0:
        console.print(Text(f"  {more:,} more changes are not listed."))


def sweep_delay(trial: Trial) -> float | None:
    """Return what the sweep shows as delay, in minutes: from waves' starts, else from onsets."""
    assessment = trial.assessment
    return assessment.delay_minutes if assessment.waves else assessment.onset_delay_minutes


def has_unknown(trials: Sequence[Trial]) -> bool:
    """Return whether any value has incidents that nobody has said anything of."""
    return any(t.assessment.is_known and t.assessment.count("unknown") for t in trials)


def sweep_row(trial: Trial, *, unknown: bool) -> list[str]:
    """Return a sweep's figures for one value.

    Args:
        trial: of the value.
        unknown: is there a column of what is not labelled?
    """
    assessment = trial.assessment
    rate = assessment.per_week(len(assessment.judged))
    is_known = assessment.is_known
    return [
        visible(trial.name),
        "–" if rate is None else quality.figure(rate),
        f"{assessment.count('false'):,}" if is_known else "–",
        *([f"{assessment.count('unknown'):,}"] if unknown else []),
        f"{len(assessment.missed):,}" if is_known else "–",
        quality.delay(sweep_delay(trial)),
    ]


def sweep_columns(trials: Sequence[Trial]) -> list[str]:
    """Return the headings of a sweep's figures."""
    since = "start" if trials[0].assessment.waves else "onset"
    unknown = [quality.VERDICTS["unknown"]] if has_unknown(trials) else []
    return ["value", "incidents a week", "false", *unknown, "missed", f"median delay after {since}"]


def _sweep(trials: Sequence[Trial]) -> Table:
    found = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    for number, column in enumerate(sweep_columns(trials)):
        found.add_column(Text(column), justify="right" if number else "left")
    found.add_column(Text("delay"))
    delays = [sweep_delay(trial) or 0.0 for trial in trials]
    most = max(*delays, 1e-9)
    unknown = has_unknown(trials)
    for trial, minutes in zip(trials, delays, strict=True):
        bar = "█" * max(round(_BAR * minutes / most), int(minutes > 0))
        found.add_row(*map(Text, sweep_row(trial, unknown=unknown)), Text(bar))
    return found
