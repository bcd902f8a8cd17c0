"""What a history says of the budget, on a terminal and as a configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from streams.console import quality, verdict
from streams.console.lines import print_facts, print_hanging
from streams.console.text import visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from streams.backtest import Assessment, Calibration, Known
    from streams.summary import Summary

_PATH_CHARS = 120


def print_calibration(
    calibration: Calibration,
    summary: Summary,
    assessment: Assessment,
    unknown: Sequence[Known],
    console: Console,
) -> None:
    """Print expected against observed, and what other settings would have given.

    Args:
        calibration: what came of it.
        summary: of the replay under the settings as they are.
        assessment: of that replay.
        unknown: labels of series that the history does not hold.
        console: where to.
    """
    step = calibration.configured
    logs = ", ".join(visible(log, _PATH_CHARS) for log in summary.logs[:3])
    told = "all incidents, for want of labels"
    if calibration.has_labels:
        told = "what no label calls true or expected"
    observed = quality.figure(step.per_week)
    low, high = (quality.figure(end) for end in step.interval)
    print_facts(
        [
            ("history", f"{logs}; {quality.weeks(calibration.weeks)} judged"),
            ("judged", f"{verdict.judged(summary)} UTC"),
            ("expected", f"{quality.budget(calibration.budget)}, as configured"),
            ("observed", f"{observed} a week (95%: {low} to {high}): {step.false:,}, {told}"),
        ],
        console,
    )
    console.print()
    print_hanging(Text(), Text(conclusion(calibration), style="bold"), console)
    console.print()
    console.print(_table(calibration))
    print_hanging(
        Text(),
        Text(
            "Chosen on the same history that it is measured on, a setting does somewhat better "
            "than it will: look again with a later one."
        ),
        console,
    )
    for line in quality.notes(assessment, unknown):
        print_hanging(Text("  "), Text(line), console)


def conclusion(calibration: Calibration) -> str:
    """Return what the history says of the budget, and what to do."""
    step = calibration.configured
    wanted = quality.figure(calibration.budget)
    if calibration.outcome == "holds":
        low, high = (quality.figure(end) for end in step.interval)
        return (
            f"The budget holds as far as this history can tell: from {low} to {high} a week would "
            f"look like it. Keep {calibration.budget:g}."
        )
    observed = quality.figure(step.per_week)
    if calibration.outcome == "above":
        said = f"{observed} a week are significantly more than the {wanted} that are acceptable"
        real = (
            ""
            if calibration.has_labels
            else (" If some of them were real, label them first (surgewatch label).")
        )
        if calibration.fits is None:
            return (
                f"{said}, and so are those of every setting tried: is this history quiet? "
                f"{calibration.recommended:g} is the nearest.{real}"
            )
        return f"{said}: set {calibration.recommended:g}.{real}"
    return (
        f"{observed} a week are significantly fewer than the {wanted} that are acceptable: "
        f"{_lower(calibration)}"
    )


def _lower(calibration: Calibration) -> str:
    if calibration.recommended == calibration.budget:
        return f"the next larger setting tried would be too many, so keep {calibration.budget:g}."
    return f"set {calibration.recommended:g} to be told more, and earlier."


def _table(calibration: Calibration) -> Table:
    found = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    for column in ("setting", "incidents", "false", "false a week", "95%"):
        found.add_column(column, justify="right")
    found.add_column("")
    for step in calibration.steps:
        low, high = (quality.figure(end) for end in step.interval)
        marks = []
        if step.setting == calibration.budget:
            marks.append("as it is")
        if step.setting == calibration.recommended != calibration.budget:
            marks.append("recommended")
        found.add_row(
            f"{step.setting:g}",
            f"{step.incidents:,}",
            f"{step.false:,}",
            quality.figure(step.per_week),
            f"{low} to {high}",
            ", ".join(marks),
        )
    return found


def toml_of(calibration: Calibration) -> str:
    """Return the recommended setting as TOML, with what it rests on."""
    step = calibration.configured
    low, high = (quality.figure(end) for end in step.interval)
    return (
        f"# surgewatch calibrate: {quality.weeks(calibration.weeks)} of history, "
        f"{calibration.budget:g} a week wanted,\n"
        f"# {quality.figure(step.per_week)} observed under that setting (95%: {low} to {high}).\n"
        f"[alerts]\nfalse_incidents_per_week = {calibration.recommended!r}\n"
    )
