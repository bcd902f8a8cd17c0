"""Observed against the usual band in characters, as wide as the terminal allows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from rich.text import Text

from streams.codec import rfc3339
from streams.console.phrases import count, duration, moment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.console.timeline import Step

ROWS = 10
COLUMNS_MAX = 120
_LABEL_MIN = 8
_REPEAT_MAX = 4
_EIGHTHS = " ▁▂▃▄▅▆▇"
_BAND_REACH = 2.0


class Glyphs(NamedTuple):
    """The characters of a chart."""

    above: str
    within: str
    edge: str
    base: str
    hole: str
    parts: str


UNICODE = Glyphs("█", "▒", "─", "─", " ", _EIGHTHS)
ASCII = Glyphs("#", ":", "-", "_", " ", "        ")


@dataclass
class Column:
    """What one column of characters stands for: consecutive steps, as their sums."""

    steps: int = 0
    observed: float = 0.0
    expected: float = 0.0
    margin2: float = 0.0

    @property
    def upper(self) -> float:
        """Upper edge of the usual range; independent margins add up in quadrature."""
        return self.expected + math.sqrt(self.margin2)


class Moment(NamedTuple):
    """A moment to point at, by a letter under the chart."""

    at_ms: int
    letter: str
    label: str


class Drawing(NamedTuple):
    """A chart as it is printed.

    Attributes:
        lines: the plot, none wider than was asked for.
        margin: characters left of it.
        notes: to be wrapped below it, what the signs mean.
    """

    lines: list[Text]
    margin: int
    notes: list[Text]


@dataclass
class Chart:
    """A chart and the time that it covers.

    Attributes:
        columns: from left to right; one without steps is a hole in the data.
        repeat: characters each of them takes.
        start_ms: event time of the left edge.
        column_ms: event time of a column.
    """

    columns: list[Column]
    repeat: int
    start_ms: int
    column_ms: int

    @property
    def top(self) -> float:
        """Value of the upper edge; a band far above the curve is cut, not the curve."""
        observed = max((column.observed for column in self.columns), default=0.0)
        upper = max((column.upper for column in self.columns), default=0.0)
        return max(observed, min(upper, _BAND_REACH * observed) if observed else upper, 1e-9)


def fold(steps: Sequence[Step], width: int) -> Chart:
    """Fold steps, in order and of one length, into at most ``width`` columns.

    >>> from streams.console.timeline import Step
    >>> chart = fold([Step(60_000 * n, 1.0, 2.0, 1.0, 2.0) for n in range(10)], 5)
    >>> [column.observed for column in chart.columns]
    [4.0, 4.0, 4.0, 4.0, 4.0]
    """
    if not steps:
        return Chart([], 1, 0, 1)
    start = steps[0].at_ms
    step_ms = max(1, min(round(step.minutes * 60_000) for step in steps))
    end = max(step.end_ms for step in steps)
    total = max(1, -(-(end - start) // step_ms))
    column_ms = -(-total // max(1, width)) * step_ms
    columns = [Column() for _ in range(-(-(end - start) // column_ms) or 1)]
    for step in steps:
        # A step that is longer than a column is spread over those that it covers.
        length_ms = max(1, step.end_ms - step.at_ms)
        margin2 = max(step.upper - step.expected, 0.0) ** 2
        first, last = ((at - start) // column_ms for at in (step.at_ms, step.at_ms + length_ms - 1))
        for place in range(max(0, first), min(last, len(columns) - 1) + 1):
            left = start + place * column_ms
            covered = min(step.at_ms + length_ms, left + column_ms) - max(step.at_ms, left)
            share, column = covered / length_ms, columns[place]
            column.steps += 1
            column.observed += step.observed * share
            column.expected += step.expected * share
            column.margin2 += margin2 * share
    repeat = max(1, min(_REPEAT_MAX, width // len(columns)))
    return Chart(columns, repeat, start, column_ms)


def draw(
    steps: Sequence[Step], moments: Sequence[Moment], width: int, *, ascii_only: bool = False
) -> Drawing:
    """Draw steps as lines of at most ``width`` characters: bars, axis, times, moments.

    Args:
        steps: in order of time.
        moments: to point at below the axis, as far as they lie on it.
        width: of the terminal.
        ascii_only: can it show nothing else?
    """
    glyphs = ASCII if ascii_only else UNICODE
    # The labels are not wider than the sum of all, which is known before folding.
    margin = max(_LABEL_MIN, len(count(sum(step.observed + step.upper for step in steps))) + 2)
    chart = fold(steps, max(10, min(width, COLUMNS_MAX) - margin))
    if not chart.columns:
        return Drawing([], margin, [])
    top, unit = chart.top, chart.top / ROWS
    lines = []
    for row in reversed(range(ROWS)):
        label = {ROWS - 1: count(top), ROWS // 2 - 1: count(top / 2)}.get(row, "")
        line = Text(f"{label:>{margin - 2}}  ", style="dim")
        for column in chart.columns:
            line.append_text(_cell(column, row * unit, unit, chart.repeat, glyphs))
        lines.append(line)
    base = Text(f"{'0':>{margin - 2}}  ", style="dim")
    for column in chart.columns:
        base.append((glyphs.base if column.steps else glyphs.hole) * chart.repeat)
    minutes = chart.column_ms / 60_000
    key = f"{glyphs.above} above the usual range  {glyphs.within} within it  {glyphs.edge} its edge"
    letters, meanings = _moments(chart, moments)
    lines += [base, *(Text(" " * margin).append_text(line) for line in (_times(chart), letters))]
    notes = (meanings, key, f"new users in {duration(minutes)} each")
    return Drawing(lines, margin, [Text(note, style="dim") for note in notes if note])


def _cell(column: Column, low: float, unit: float, repeat: int, glyphs: Glyphs) -> Text:
    """One character of a column, from ``low`` to ``low + unit``."""
    filled = (column.observed - low) / unit
    above = low + unit / 2 >= column.upper
    style = "red" if above else "blue"
    if filled >= 1.0 - 1e-6:
        return Text((glyphs.above if above else glyphs.within) * repeat, style=style)
    if column.steps and low <= column.upper < low + unit and filled < 0.5:  # noqa: PLR2004
        return Text(glyphs.edge * repeat, style="dim")
    part = glyphs.parts[max(0, min(7, int(filled * 8)))]
    return Text(part * repeat, style=style)


def _times(chart: Chart) -> Text:
    """The first and the last moment, as far left and right as they are."""
    width = len(chart.columns) * chart.repeat
    first, last = (
        moment(rfc3339(at))
        for at in (chart.start_ms, chart.start_ms + len(chart.columns) * chart.column_ms)
    )
    room = width - len(first) - len(last)
    return Text(first if room < 1 else f"{first}{' ' * room}{last}", style="dim")


def _moments(chart: Chart, moments: Sequence[Moment]) -> tuple[Text, str]:
    """A line of letters under the columns they belong to, and what they mean."""
    letters = [" "] * (len(chart.columns) * chart.repeat)
    shown = []
    for one in moments:
        place = (one.at_ms - chart.start_ms) // chart.column_ms * chart.repeat
        if 0 <= place <= len(letters):
            place = min(place, len(letters) - 1)
            while place < len(letters) - 1 and letters[place] != " ":
                place += 1
            letters[place] = one.letter
            shown.append(f"{one.letter} {one.label}")
    return Text("".join(letters).rstrip(), style="bold"), "  ".join(shown)
