"""Time lines as inline SVG: observed against the usual band, without scripts or styles of its own.

Shapes stretch with the page; text does not: shapes live in an inner SVG without a fixed aspect
ratio, labels in the outer one at percentages of its width. So a chart reads the same on a phone.
Classes are styled by the report's sheet; every string passed in must already be safe for HTML.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from streams.console.phrases import count, duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from streams.console.timeline import Step

_MINUTE_MS = 60_000
_DAY_MINUTES = 1440
_TICK_MINUTES = (
    *(1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720),
    *(_DAY_MINUTES * days for days in (1, 2, 4, 7, 14, 30, 61, 91, 182, 365, 730)),
)
_YEAR_SHOWN_MINUTES = 300 * _DAY_MINUTES
_TICKS = 8
_X = 1000.0
_ROW = 15
_AXIS = 22
_RIGHT_HALF = 0.6
_SMALLEST = 1e-9
_BAND_REACH = 2.0


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment to point at: a vertical line with a label (HTML-safe)."""

    at_ms: int
    label: str
    css: str = "mark"


@dataclass(frozen=True, slots=True)
class Lane:
    """A bar under the time axis; on a phone only its number is shown. Strings are HTML-safe."""

    start_ms: int
    end_ms: int
    number: int
    label: str
    css: str


@dataclass(frozen=True, slots=True)
class Axis:
    """Event time from ``start_ms`` to ``end_ms``, drawn from left to right."""

    start_ms: int
    end_ms: int

    def share(self, at_ms: float) -> float:
        """Where a moment lies, 0 at the left edge and 1 at the right."""
        span = max(1, self.end_ms - self.start_ms)
        return min(1.0, max(0.0, (at_ms - self.start_ms) / span))

    def holds(self, at_ms: int) -> bool:
        """Whether a moment lies on the axis."""
        return self.start_ms <= at_ms <= self.end_ms


def time_chart(
    steps: Sequence[Step],
    axis: Axis,
    *,
    label: str,
    height: int = 200,
    marks: Sequence[Mark] = (),
    lanes: Sequence[Lane] = (),
    gaps: bool = False,
    learning_until_ms: int = 0,
) -> str:
    """Draw observed against expected and the usual band.

    Args:
        steps: in order of time, all of one length.
        axis: the stretch of time to show.
        label: what it shows, HTML-safe, for those who can't see it.
        height: of the plot itself, in pixels.
        marks: moments to point at.
        lanes: stretches to show below the time axis.
        gaps: whether to shade what has no steps as missing data.
        learning_until_ms: what is before is shaded, and nothing there is shown as above the band:
            what is usual was not known yet.

    Returns:
        An ``<svg>`` element.
    """
    shown = [step for step in steps if step.end_ms > axis.start_ms and step.at_ms < axis.end_ms]
    top = _nice(_reach(shown))
    head = _ROW * len(marks) + 6
    total = head + height + _AXIS + _ROW * len(lanes)
    parts = [
        f'<svg class="chart" role="img" width="100%" height="{total}" aria-label="{label}">',
        (
            f'<svg class="plot" y="{head}" width="100%" height="{height}" '
            f'viewBox="0 0 {_X:g} {height}" preserveAspectRatio="none">'
        ),
        *_learning(axis, learning_until_ms, height),
        *_shapes(shown, axis, top, height, gaps, learning_until_ms),
        "</svg>",
        *_value_axis(top, head, height),
        *_time_axis(axis, head + height),
        *_marks(marks, axis, head, height),
        *_lanes(lanes, axis, head + height + _AXIS),
        "</svg>",
    ]
    return "".join(parts)


def sparkline(steps: Sequence[Step], axis: Axis, *, label: str, height: int = 28) -> str:
    """Draw observed against the usual band, small, without axes. ``label`` is HTML-safe."""
    top = _reach(steps) or 1.0
    shapes = "".join(_shapes(steps, axis, top, height, gaps=False))
    return (
        f'<svg class="plot spark" role="img" aria-label="{label}" width="100%" height="{height}" '
        f'viewBox="0 0 {_X:g} {height}" preserveAspectRatio="none">{shapes}</svg>'
    )


def share_bar(share: float) -> str:
    """Draw a share of one as a bar."""
    return (
        '<svg class="bar" width="100%" height="8" aria-hidden="true">'
        f'<rect class="rest" width="100%" height="8" rx="2"/>'
        f'<rect class="part" width="{100 * min(1.0, max(0.0, share)):.1f}%" height="8" rx="2"/>'
        "</svg>"
    )


def _reach(steps: Sequence[Step]) -> float:
    """The value that the axis must reach: a band far above the curve is cut, not the curve."""
    observed = max((step.observed for step in steps), default=1.0)
    upper = max((step.upper for step in steps), default=1.0)
    return max(observed, min(upper, _BAND_REACH * observed)) if observed > 0 else upper


def _learning(axis: Axis, until_ms: int, height: int) -> Iterable[str]:
    width = axis.share(until_ms) * _X
    if width > 0:
        yield f'<rect class="learning" width="{width:.1f}" height="{height}"/>'


def _shapes(
    steps: Sequence[Step],
    axis: Axis,
    top: float,
    height: int,
    gaps: bool,
    learning_until_ms: int = 0,
) -> Iterable[str]:
    def x(step: Step) -> str:
        return f"{axis.share((step.at_ms + step.end_ms) / 2) * _X:.1f}"

    def y(value: float) -> str:
        return f"{height * (1 - min(1.0, value / top)):.1f}"

    if gaps:
        for start, end in _holes(steps, axis):
            left = axis.share(start) * _X
            width = axis.share(end) * _X - left
            yield f'<rect class="hole" x="{left:.1f}" width="{width:.1f}" height="{height}"/>'
    for run in _runs(steps):
        upper = [(x(step), y(step.upper)) for step in run]
        floor = [(x(run[-1]), f"{height}"), (x(run[0]), f"{height}")]
        yield f'<path class="band" d="{_path(upper + floor)}Z"/>'
        above = [
            (x(step), y(max(step.observed, step.upper)))
            if step.at_ms >= learning_until_ms
            else (x(step), y(step.upper))
            for step in run
        ]
        if above != upper:
            yield f'<path class="excess" d="{_path(above + upper[::-1])}Z"/>'
        yield f'<path class="expected" d="{_path([(x(step), y(step.expected)) for step in run])}"/>'
        yield f'<path class="observed" d="{_path([(x(step), y(step.observed)) for step in run])}"/>'


def _path(points: Sequence[tuple[str, str]]) -> str:
    if len(points) == 1:  # a lone step would draw nothing: a short dash shows it is there
        return f"M{points[0][0]} {points[0][1]}h1"
    return "M" + "L".join(f"{x} {y}" for x, y in points)


def _runs(steps: Sequence[Step]) -> Iterable[list[Step]]:
    """Split where steps are missing, so that a line never bridges absent data."""
    run: list[Step] = []
    for step in steps:
        # Half a step of tolerance: history and rows need not be aligned to each other.
        if run and step.at_ms > run[-1].end_ms + step.minutes * _MINUTE_MS / 2:
            yield run
            run = []
        run.append(step)
    if run:
        yield run


def _holes(steps: Sequence[Step], axis: Axis) -> Iterable[tuple[int, int]]:
    runs = list(_runs(steps))
    for before, after in itertools.pairwise(runs):
        yield max(before[-1].end_ms, axis.start_ms), after[0].at_ms


def _value_axis(top: float, head: int, height: int) -> Iterable[str]:
    for part in (0.5, 1.0):
        y = head + height * (1 - part)
        yield f'<line class="grid" x1="0" x2="100%" y1="{y:g}" y2="{y:g}"/>'
        yield f'<text class="until" x="100%" y="{y + 12:g}">{count(top * part)}</text>'


def _time_axis(axis: Axis, bottom: int) -> Iterable[str]:
    yield f'<line class="base" x1="0" x2="100%" y1="{bottom}" y2="{bottom}"/>'
    minutes = (axis.end_ms - axis.start_ms) / _MINUTE_MS
    step = next((tick for tick in _TICK_MINUTES if minutes / tick <= _TICKS), _TICK_MINUTES[-1])
    step_ms = step * _MINUTE_MS
    written = "%d %b %H:%M" if step < _DAY_MINUTES else "%d %b"
    if minutes > _YEAR_SHOWN_MINUTES:
        written = "%Y-%m-%d"
    first = -(-axis.start_ms // step_ms) * step_ms
    for number, at_ms in enumerate(range(first, axis.end_ms + 1, step_ms)):
        at = datetime.fromtimestamp(at_ms / 1000, UTC)
        text = f"{at:{written}}"
        share = axis.share(at_ms)
        css = "tick odd" if number % 2 else "tick"
        x = f"{share * 100:.2f}%"
        yield f'<line class="{css}" x1="{x}" x2="{x}" y1="{bottom}" y2="{bottom + 4}"/>'
        yield f'<text class="{css} {_anchor(share)}" x="{x}" y="{bottom + 16}">{text}</text>'


def _anchor(share: float) -> str:
    """Labels near an edge are set inwards, so that they are never cut off."""
    if share < 0.07:  # noqa: PLR2004
        return "from"
    return "until" if share > 0.93 else "centre"  # noqa: PLR2004


def _marks(marks: Sequence[Mark], axis: Axis, head: int, height: int) -> Iterable[str]:
    for row, mark in enumerate(marks):
        if not axis.holds(mark.at_ms):
            continue
        share = axis.share(mark.at_ms)
        x = f"{share * 100:.2f}%"
        y = _ROW * (row + 1)
        side, shift = ("until", -5) if share > _RIGHT_HALF else ("from", 5)
        yield (
            f'<line class="{mark.css}" x1="{x}" x2="{x}" y1="{y - 10}" y2="{head + height}"/>'
            f'<text class="{mark.css} {side}" x="{x}" y="{y}" dx="{shift}">{mark.label}</text>'
        )


def _lanes(lanes: Sequence[Lane], axis: Axis, top: int) -> Iterable[str]:
    for row, lane in enumerate(lanes):
        left, right = axis.share(lane.start_ms), axis.share(lane.end_ms)
        y = top + row * _ROW
        width = max(0.004, right - left)
        yield (
            f'<rect class="lane {lane.css}" x="{left * 100:.2f}%" y="{y + 2}" '
            f'width="{width * 100:.2f}%" height="{_ROW - 5}" rx="3"/>'
        )
        # The label stands right of a bar that ends early, left of one that begins late, else in it.
        if right <= _RIGHT_HALF:
            share, side, shift = right, "from", 6
        elif left >= 1 - _RIGHT_HALF:
            share, side, shift = left, "until", -6
        else:
            share, side, shift = left, "from inside", 8
        yield (
            f'<text class="lane {side}" x="{share * 100:.2f}%" y="{y + 10}" dx="{shift}">'
            f'{lane.number}<tspan class="wide">. {lane.label}</tspan></text>'
        )


def _nice(value: float) -> float:
    """The least round number from ``value`` on, so that the axis reads well."""
    if value < _SMALLEST:
        return 1.0
    unit = 10.0 ** math.floor(math.log10(value))
    return next(unit * step for step in (1, 2, 3, 4, 5, 6, 8, 10, 20) if unit * step >= value)


def legend(minutes: float, *, gaps: bool = False, learning: bool = False) -> str:
    """Explain the lines of a chart whose steps are ``minutes`` long."""
    hole = '<span class="key hole"></span>no data' if gaps else ""
    if learning:
        hole += '<span class="key learning"></span>learning what is usual, no alerts yet'
    return (
        '<p class="legend"><span class="key observed"></span>new foreign users per '
        f'{duration(minutes)} <span class="key expected"></span>expected '
        '<span class="key band"></span>usual range <span class="key excess"></span>above it '
        f"{hole}</p>"
    )
