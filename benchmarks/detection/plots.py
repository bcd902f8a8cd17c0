"""The plots of docs/detection.md, as SVG files of a few kilobytes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.detection.plan import BUDGET, BUDGETS, CURVE, DEFAULT_BUDGETS, PEAKS, RIVER
from benchmarks.detection.results import DUE_HOURS, figures, methods_of, rows_of, tally_of, weekly
from benchmarks.detection.river_peers import river
from benchmarks.detection.tasks import ALONE, DEFAULT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.detection.results import Cut

FOLDER = Path(__file__).parents[2] / "docs" / "img"
WIDTH, HEIGHT = 760, 400
LEFT, RIGHT, TOP, BOTTOM = 60, 250, 30, 50
COLOURS = ("#c0392b", "#2c7fb8", "#41ab5d", "#7a5195", "#ef8a17", "#8c6d46", "#555555", "#17a2a2")
SHOWN = 5
RATIOS = (0.5, 0.7, 1.0, 1.4, 2.0, 3.0, 4.0, 6.0, 8.0)


@dataclass(frozen=True)
class Line:
    """A name, and points in the units of the axes."""

    name: str
    points: list[tuple[float, float]]


@dataclass(frozen=True)
class Axis:
    """An axis: what it says, its ticks, and whether it is logarithmic."""

    label: str
    ticks: tuple[float, ...]
    log: bool = False

    def share(self, value: float) -> float:
        """Where a value lies: 0 at the first tick, 1 at the last."""
        low, high = self.ticks[0], self.ticks[-1]
        if self.log:
            return math.log(value / low) / math.log(high / low)
        return (value - low) / (high - low)


def chart(title: str, across: Axis, up: Axis, lines: Sequence[Line]) -> str:
    """A line chart; points outside the axes are left out."""
    wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def place(x: float, y: float) -> tuple[float, float]:
        return LEFT + wide * across.share(x), TOP + high * (1.0 - up.share(y))

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"',
        f' font-family="sans-serif" font-size="12" role="img"><title>{escape(title)}</title>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text x="{LEFT}" y="18" font-size="14" fill="#222">{escape(title)}</text>',
    ]
    for tick in across.ticks:
        x, _ = place(tick, up.ticks[0])
        out.append(
            f'<path d="M{x:.1f} {TOP}V{TOP + high}" stroke="#ddd"/>'
            f'<text x="{x:.1f}" y="{TOP + high + 16}" text-anchor="middle">{tick:g}</text>'
        )
    for tick in up.ticks:
        _, y = place(across.ticks[0], tick)
        out.append(
            f'<path d="M{LEFT} {y:.1f}H{LEFT + wide}" stroke="#ddd"/>'
            f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>'
        )
    out.append(
        f'<text x="{LEFT + wide / 2}" y="{HEIGHT - 12}" text-anchor="middle">'
        f"{escape(across.label)}</text>"
        f'<text transform="translate(16 {TOP + high / 2}) rotate(-90)" text-anchor="middle">'
        f"{escape(up.label)}</text>"
    )
    for number, line in enumerate(lines):
        colour = COLOURS[number % len(COLOURS)]
        inside = [p for p in line.points if _within(across, p[0]) and _within(up, p[1])]
        dots = [place(*p) for p in inside]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in dots)
        heavy = 2.5 if line.name == DEFAULT else 1.5
        if dots:
            out.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="{heavy}"/>')
        y = TOP + 10 + 20 * number
        out.append(
            f'<path d="M{LEFT + wide + 14} {y}h18" stroke="{colour}" stroke-width="{heavy}"/>'
            f'<text x="{LEFT + wide + 38}" y="{y + 4}">{escape(line.name)}</text>'
        )
    return "\n".join([*out, "</svg>\n"])


def _within(axis: Axis, value: float) -> bool:
    return math.isfinite(value) and axis.ticks[0] <= value <= axis.ticks[-1]


def write(cuts: Sequence[Cut]) -> None:
    """Draw all plots into docs/img."""
    FOLDER.mkdir(exist_ok=True)
    for name, text in drawn(cuts).items():
        (FOLDER / f"detection-{name}.svg").write_text(text, "utf-8")


def drawn(cuts: Sequence[Cut]) -> dict[str, str]:
    """The plots by name."""
    theirs = {method.name for method in river()}
    others = [name for name in methods_of(cuts) if name not in theirs | {ALONE}]
    shown = [DEFAULT, *others[:SHOWN]]
    some = [cut for cut in cuts if (cut.rate, cut.minutes) == CURVE] or list(cuts)
    small = [cut for cut in cuts if (cut.rate, cut.minutes) == RIVER] or list(cuts)
    fastest = [name for name in methods_of(small) if name in theirs]
    share = Axis("share of waves found", (0.0, 0.2, 0.4, 0.6, 0.8, 1.0))
    delay = Axis("delay, multiple of the bound's", RATIOS, log=True)
    peak = Axis("new users an hour at the peak", PEAKS, log=True)
    budget = Axis("false incidents a week", BUDGETS, log=True)
    median = Axis("median delay, multiple of the bound's", (0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4))
    return {
        "delay": chart(
            "Waves that the bound finds within three hours: how many are found by when",
            delay,
            share,
            [Line(name, _by_delay(cuts, name)) for name in shown],
        ),
        "river": chart(
            f"The same, with River's detectors, {RIVER[0]:g} posts/s",
            delay,
            share,
            [Line(name, _by_delay(small, name)) for name in [DEFAULT, *fastest[:SHOWN]]],
        ),
        "recall": chart(
            "Waves found, by strength",
            peak,
            share,
            [
                *(Line(name, _by_peak(cuts, name)) for name in shown),
                Line("the bound", _by_peak(cuts, None)),
            ],
        ),
        "budget": chart(
            f"Delay against false incidents, {CURVE[0]:g} posts/s, {CURVE[1]:g} min",
            budget,
            median,
            [Line(name, _by_budget(some, name)) for name in [DEFAULT, ALONE, *others[:SHOWN]]],
        ),
    }


def _by_delay(cuts: Sequence[Cut], name: str) -> list[tuple[float, float]]:
    """For multiples of the bound's delay the share of due waves that are found by then."""
    rows = [r for r in rows_of(cuts, (name, BUDGET)) if r.bound[BUDGET] <= DUE_HOURS]
    ratio = np.sort([r.found[name, BUDGET] / r.bound[BUDGET] for r in rows])
    wanted = np.geomspace(RATIOS[0], RATIOS[-1], 60)
    found = np.searchsorted(ratio, wanted, side="right") / max(len(ratio), 1)
    return list(zip(wanted.tolist(), found.tolist(), strict=True))


def _by_peak(cuts: Sequence[Cut], name: str | None) -> list[tuple[float, float]]:
    """For each strength the share of waves found, by the bound if there is no name."""
    points = []
    for peak in PEAKS:
        rows = [
            row
            for row in rows_of(cuts, (name or DEFAULT, BUDGET))
            if math.isclose(row.signal, peak, rel_tol=0.01)
        ]
        delays = [row.found[name, BUDGET] if name else row.bound[BUDGET] for row in rows]
        if delays:
            points.append((peak, sum(map(math.isfinite, delays)) / len(delays)))
    return points


def _by_budget(cuts: Sequence[Cut], name: str) -> list[tuple[float, float]]:
    """False incidents a week, measured for the default and else calibrated, and median delays."""
    points = []
    for budget in DEFAULT_BUDGETS if name == DEFAULT else BUDGETS:
        key = name, budget
        if not rows_of(cuts, key):
            continue
        spent = weekly(tally_of(cuts, key, quiet=True))[0] if name == DEFAULT else budget
        points.append((spent, figures(cuts, key).median_due))
    return points
