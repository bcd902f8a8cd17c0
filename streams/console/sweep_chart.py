"""A sweep's trade-off, drawn: for each value of a setting what it costs and what it brings."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from streams.console import phrases
from streams.console.backtest import sweep_delay
from streams.console.text import html_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from streams.backtest import Trial

_PLOT = 70
_HEAD = 34
_FOOT = 24
_LEFT, _RIGHT = 6.0, 94.0
_VALUE_CHARS = 14


def sweep_chart(trials: Sequence[Trial]) -> str:
    """Draw what a sweep found, one small chart above the other, over the values of the setting.

    Args:
        trials: one a value, in the order to draw them.

    Returns:
        An ``<svg>`` element; charts of what is not known are left out.
    """
    panels = [
        (name, values) for name, values in _panels(trials) if any(v is not None for v in values)
    ]
    height = _PLOT + _HEAD
    total = height * len(panels) + _FOOT
    label = "What each value of the setting gives"
    parts = [
        f'<svg class="chart" role="img" width="100%" height="{total}" aria-label="{label}">',
    ]
    for number, (name, values) in enumerate(panels):
        parts += _panel(name, values, number * height)
    for place, trial in zip(_places(len(trials)), trials, strict=True):
        value = html_text(trial.name, _VALUE_CHARS)
        parts.append(f'<text class="tick centre" x="{place:.2f}%" y="{total - 6}">{value}</text>')
    return "".join([*parts, "</svg>"])


def _panels(trials: Sequence[Trial]) -> Iterable[tuple[str, list[float | None]]]:
    assessments = [trial.assessment for trial in trials]
    is_known = assessments[0].is_known
    yield "incidents a week", [a.per_week(len(a.judged)) for a in assessments]
    if is_known:
        yield "false a week", [a.per_week(a.count("false")) for a in assessments]
    if assessments[0].waves:
        yield "waves missed", [float(len(a.missed)) for a in assessments]
    since = "start" if assessments[0].waves else "onset"
    yield f"median minutes from {since} to detection", [sweep_delay(trial) for trial in trials]


def _places(count: int) -> list[float]:
    """Where each value stands, as a percentage of the width."""
    if count == 1:
        return [(_LEFT + _RIGHT) / 2]
    return [_LEFT + (_RIGHT - _LEFT) * i / (count - 1) for i in range(count)]


def _panel(name: str, values: list[float | None], top: int) -> Iterable[str]:
    known = [value for value in values if value is not None]
    base = min(0.0, *known)  # a delay may be negative: ahead of the onset that a label holds
    most = max(0.0, *known)
    if most == base:
        most = 1.0
    bottom = top + _HEAD + _PLOT

    def y(value: float) -> float:
        return bottom - _PLOT * (value - base) / (most - base)

    yield f'<text class="mark" x="0" y="{top + 14}">{name}</text>'
    yield f'<line class="base" x1="0" x2="100%" y1="{y(0.0):.1f}" y2="{y(0.0):.1f}"/>'
    points = [
        (place, y(value), value)
        for place, value in zip(_places(len(values)), values, strict=True)
        if value is not None
    ]
    for before, after in itertools.pairwise(points):
        yield (
            f'<line class="curve" x1="{before[0]:.2f}%" x2="{after[0]:.2f}%" '
            f'y1="{before[1]:.1f}" y2="{after[1]:.1f}"/>'
        )
    for place, at, value in points:
        yield f'<circle class="dot" cx="{place:.2f}%" cy="{at:.1f}" r="3"/>'
        yield (
            f'<text class="tick centre" x="{place:.2f}%" y="{at - 7:.1f}">'
            f"{phrases.count(value)}</text>"
        )
