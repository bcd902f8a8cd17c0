"""The tables of docs/detection.md."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.detection.plan import (
    BUDGET,
    CURVE,
    DAYS,
    DEFAULT_BUDGETS,
    JUDGED_FROM_DAYS,
    PEAKS,
    RIVER,
)
from benchmarks.detection.results import figures, methods_of, rows_of, tally_of, weekly
from benchmarks.detection.river_peers import river
from benchmarks.detection.tasks import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.detection.results import Cut, Figures

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "detection.md"
MARKER = "bench-detection"
KEY = DEFAULT, BUDGET


def markers(name: str) -> tuple[str, str]:
    """The lines of docs/detection.md between which a command writes."""
    return f"<!-- {name}: generated -->\n", f"<!-- {name}: end -->\n"


def write(text: str, name: str = MARKER) -> None:
    """Put it between two markers of docs/detection.md."""
    begin, end = markers(name)
    before, _, rest = DOCUMENT.read_text("utf-8").partition(begin)
    _, _, after = rest.partition(end)
    assert after, f"docs/detection.md has lost its markers of {name}"
    DOCUMENT.write_text(f"{before}{begin}\n{text}\n{end}{after}", "utf-8")


def markdown(cuts: Sequence[Cut], command: str) -> str:
    """Everything as Markdown.

    Args:
        cuts: all that was measured.
        command: what was run.
    """
    parts = [
        f"Made by `{command}`.\n",
        _worlds(cuts),
        "### The default\n",
        _default(cuts),
        _by_peak(cuts),
        _plot("recall", "Waves found, by strength"),
    ]
    river_names = {method.name for method in river()}
    shown = [name for name in methods_of(cuts) if name not in river_names]
    if len(shown) > 1:
        parts += ["### Other methods\n", _methods(cuts, [DEFAULT, *shown])]
        parts.append(_plot("delay", "How many of the waves are found by when"))
    theirs = [cut for cut in cuts if (cut.rate, cut.minutes) == RIVER]
    tried = [name for name in methods_of(theirs) if name in river_names]
    if tried:
        text = f"River's detectors, at {RIVER[0]:g} posts/s in buckets of {RIVER[1]:g} minutes:\n"
        parts += [text, _methods(theirs, [DEFAULT, *tried])]
        parts.append(_plot("river", "The same of River's detectors"))
    curve = [cut for cut in cuts if (cut.rate, cut.minutes) == CURVE]
    if curve and rows_of(curve, (DEFAULT, DEFAULT_BUDGETS[0])):
        parts += ["### Other budgets\n", _budgets(curve)]
        parts.append(_plot("budget", "Delay against false incidents a week"))
    return "\n".join(parts)


def _plot(name: str, text: str) -> str:
    """A plot of ``plots.write``."""
    return f"![{text}](img/detection-{name}.svg)\n"


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


def _worlds(cuts: Sequence[Cut]) -> str:
    seeds = "; ".join(f"{cut.rate:g} posts/s, {cut.minutes:g} min: {cut.seeds}" for cut in cuts)
    waves = len(rows_of(cuts, KEY))
    return (
        f"{waves} waves, each cut into buckets as listed. Worlds of {DAYS:g} days, judged from day "
        f"{JUDGED_FROM_DAYS:g} on. Seeds: {seeds}.\n"
    )


def _times(value: float) -> str:
    if math.isnan(value):
        return "–"
    return "missed" if math.isinf(value) else f"{value:.2f}"


def _false(cuts: Sequence[Cut], key: tuple[str, float]) -> str:
    mean, low, high = weekly(tally_of(cuts, key, quiet=True))
    return f"{mean:.2f} ({low:.2f}–{high:.2f})"


def _default(cuts: Sequence[Cut]) -> str:
    head = [
        *("posts/s", "bucket", "waves", "bound finds", "of these found", "bound within 3 h"),
        *("of these found", "delay × bound, median", "90 %", "due within 3 h: median", "90 %"),
        *("incidents a wave", "precision", "false a week, quiet (95 %)", "… beside waves"),
    ]
    lines = []
    for name, some in [*((cut.name, [cut]) for cut in cuts), ("all |", list(cuts))]:
        told = figures(some, KEY)
        lines.append(
            [
                *name.split(" | " if " | " in name else " |"),
                *(str(n) for n in (told.waves, told.bound, told.found, told.due, told.found_due)),
                *map(_times, (told.median, told.most, told.median_due, told.most_due)),
                *(f"{told.incidents:.2f}", f"{told.precision:.2f}", _false(some, KEY)),
                f"{told.beside:.2f}",
            ]
        )
    return table(head, lines)


def _by_peak(cuts: Sequence[Cut]) -> str:
    head = ["peak, new users an hour", "waves", "bound finds", "found", "median delay × bound"]
    lines = []
    for peak in PEAKS:
        rows = [row for row in rows_of(cuts, KEY) if math.isclose(row.signal, peak, rel_tol=0.01)]
        both = [
            row.found[KEY] / row.bound[BUDGET]
            for row in rows
            if math.isfinite(row.bound[BUDGET]) and math.isfinite(row.found[KEY])
        ]
        lines.append(
            [
                f"{peak:g}",
                str(len(rows)),
                str(sum(math.isfinite(row.bound[BUDGET]) for row in rows)),
                str(sum(math.isfinite(row.found[KEY]) for row in rows)),
                _times(sorted(both)[len(both) // 2] if both else math.nan),
            ]
        )
    return table(head, lines)


def _methods(cuts: Sequence[Cut], names: Sequence[str]) -> str:
    head = [
        *("method", "waves", "bound within 3 h", "of these found", "delay × bound, median", "90 %"),
        *("of all that the bound finds", "incidents a wave", "precision", "false beside waves"),
    ]
    lines = []
    for name in names:
        told = figures(cuts, (name, BUDGET))
        strong = "**" if name == DEFAULT else ""
        lines.append([f"{strong}{name}{strong}", *_line(told)])
    return table(head, lines)


def _line(told: Figures) -> list[str]:
    return [
        str(told.waves),
        str(told.due),
        str(told.found_due),
        _times(told.median_due),
        _times(told.most_due),
        f"{told.found} of {told.bound}",
        _times(told.incidents),
        f"{told.precision:.2f}",
        f"{told.beside:.2f}",
    ]


def _budgets(cuts: Sequence[Cut]) -> str:
    head = [
        *("budget, false a week", "measured, quiet (95 %)", "bound within 3 h", "of these found"),
        *("delay × bound, median", "90 %", "incidents a wave"),
    ]
    lines = []
    for budget in DEFAULT_BUDGETS:
        told = figures(cuts, (DEFAULT, budget))
        lines.append(
            [
                f"{budget:g}",
                _false(cuts, (DEFAULT, budget)),
                str(told.due),
                str(told.found_due),
                _times(told.median_due),
                _times(told.most_due),
                _times(told.incidents),
            ]
        )
    return table(head, lines)
