"""The budget on counts drawn directly: the table in ``docs/detection.md``.

``python -m benchmarks.detection.quiet_table`` runs all worlds and writes the table.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING

from benchmarks.detection import report
from benchmarks.detection.judge import poisson_interval
from benchmarks.detection.quiet import KINDS, Series, World, run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.detection.quiet import Outcome

MARKER = "bench-quiet"
PROCESSES = 2
WORLDS = (
    *(World(kind, 8, 100, 400.0, 15, 25, 1.0, seed) for seed, kind in enumerate(KINDS, 301)),
    World("weekly", 8, 100, 400.0, 1, 25, 1.0, 305),
    World("weekly", 5, 8, 4_000.0, 15, 50, 1.0, 306),
    World("weekly", 2, 3, 20.0, 15, 50, 1.0, 307),
    World("weekly", 50, 2_000, 10_000.0, 15, 4, 25.0, 308),
)
"""A hundred weeks of some hundred series, other buckets and sizes, and very many series."""


def table(seen: Sequence[tuple[World, Outcome]]) -> str:
    """False incidents a week against the budget, a line a world, in Markdown."""
    lines = []
    for world, outcome in seen:
        count = len(outcome.opened)
        low, high = (end / world.weeks for end in poisson_interval(count))
        levels = ", ".join(f"{n} {level}" for level, n in sorted(outcome.levels.items()))
        lines.append(
            [
                world.kind,
                f"{Series(world.regions, world.tags).rows:,}",
                f"{world.users_an_hour:,.0f}",
                f"{world.bucket_minutes} min",
                str(world.weeks),
                str(world.seed),
                f"{world.budget:g}",
                f"{count / world.weeks:.2f} ({low:.2f}–{high:.2f})",
                f"{high / world.budget:.2f}",
                levels or "–",
            ]
        )
    head = ["rhythm", "series", "users an hour", "bucket", "weeks", "seed", "budget, a week"]
    head += ["false a week (95 %)", "upper end over budget", "opened by"]
    return report.table(head, lines)


def main() -> None:
    """Run the worlds, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--first", type=int, help="so many worlds only, and write nothing")
    options = parser.parse_args()
    worlds = WORLDS[: options.first]
    with ProcessPoolExecutor(PROCESSES) as pool:
        text = table(list(zip(worlds, pool.map(run, worlds), strict=True)))
    print(text)
    if options.first is None:
        report.write(text, MARKER)


if __name__ == "__main__":
    main()
