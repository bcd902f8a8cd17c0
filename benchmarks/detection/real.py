"""The default on real data, where they are at hand; they are no part of the project.

    SURGEWATCH_REAL_DATA=FOLDER python -m benchmarks.detection.real

Nothing is tuned to them: the settings are the defaults. It prints what is found, how late, and what
is false. What a series of hours holds is said by rules that look ahead, as no detector may: a
*wave* is a day in which six hours on end bring twice what the same hours brought in the week before
(their median); a *leap* is a single hour over three times that and the larger of its neighbours.
The first day is warm-up.
"""

from __future__ import annotations

import contextlib
import csv
import math
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from detectors import SurgeScan
from streams.replay import Replay, open_logs
from streams.settings import from_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from benchmarks.detection.counts import Floats
    from streams.events import Reject

VARIABLE = "SURGEWATCH_REAL_DATA"
HOUR_S = 3_600
DAY = 24
WAVE_HOURS, WAVE_TIMES, LEAP_TIMES = 6, 2.0, 3.0
CALM_HOURS = 6
"""Alarms no further apart are one."""
WEEK = 7 * DAY
SURGE = "DZ", datetime(2021, 9, 28, 17, tzinfo=UTC)
"""The one surge of the posts that is known: its region, and about when it began."""


def folder() -> Path | None:
    """Where the data are, None if nowhere."""
    path = Path(os.environ.get(VARIABLE, Path(__file__).parents[3] / "shared" / "data"))
    return path if path.is_dir() else None


def posts(path: Path) -> Iterator[str]:
    """The posts of 2021 through the whole pipeline, every region and language foreign."""
    settings = from_table({"origin": {"home_regions": [], "home_languages": []}})
    rejects: list[Reject] = []
    with contextlib.ExitStack() as stack:
        run = Replay(settings, open_logs([str(path)], settings, stack), rejects.append)
        for _ in run.run():
            pass
        incidents = run.summary(0.0).incidents
    region, began = SURGE
    others = 0
    for data in incidents:
        told = datetime.fromisoformat(data["detected_at"])
        hours = (told - began).total_seconds() / HOUR_S
        known = data["region"] == region and -1.0 <= hours <= DAY
        others += not known
        late = f", the known surge, {hours:.2f} h late" if known else ""
        series = data["series"][0]["series"]
        yield f"{told:%Y-%m-%d %H:%M} {series}: {data['users']} users{late}"
    yield f"{others} others in 42.3 weeks, real events among them: {others / 42.3:.2f} a week"


def alarms(counts: Floats, first: int, minutes: float) -> list[tuple[int, int, float]]:
    """Runs of alarms in one series: first and last bucket, and the largest score over threshold."""
    scan = SurgeScan(bucket_minutes=minutes, first_bucket=first)
    runs: list[tuple[int, int, float]] = []
    calm = CALM_HOURS * 60 / minutes
    for number, count in enumerate(counts.tolist()):
        verdict = scan.judge_one({"fresh": count})
        if verdict is not None and verdict.score >= verdict.threshold:
            ratio = verdict.score / verdict.threshold
            if runs and number - runs[-1][1] <= calm:
                runs[-1] = runs[-1][0], number, max(runs[-1][2], ratio)
            else:
                runs.append((number, number, ratio))
        scan.learn_one({"fresh": count})
    return runs


def hours_of(path: Path) -> tuple[Floats, int]:
    """Counts by the hour, NaN where there is none, and the first hour since 1970."""
    with path.open(encoding="utf-8") as lines:
        rows = [(int(r["ts"]) // HOUR_S - 1, float(r["new_users"])) for r in csv.DictReader(lines)]
    first = rows[0][0]
    counts = np.full(rows[-1][0] - first + 1, math.nan)
    for hour, count in rows:
        counts[hour - first] = count
    return counts, first


def usual(counts: Floats) -> Floats:
    """For each hour the median of the same hour in the week before, infinite in the first week."""
    before = [counts[[i - DAY * d for d in range(1, 8)]] for i in range(WEEK, len(counts))]
    return np.r_[np.full(WEEK, math.inf), np.nanmedian(before, axis=1)]


def waves(counts: Floats) -> list[tuple[int, int]]:
    """First and last hour of each wave; see the module."""
    over = counts >= WAVE_TIMES * np.maximum(usual(counts), 1.0)
    found: list[tuple[int, int]] = []
    for i in range(len(over) - WAVE_HOURS + 1):
        if over[i : i + WAVE_HOURS].all():
            if found and i - found[-1][1] <= DAY:
                found[-1] = found[-1][0], i + WAVE_HOURS - 1
            else:
                found.append((i, i + WAVE_HOURS - 1))
    return found


def leaps(counts: Floats) -> list[int]:
    """Hours that stand out of their neighbours; see the module."""
    beside = np.fmax(np.r_[math.nan, counts[:-1]], np.r_[counts[1:], math.nan])
    usually = np.where(np.isinf(usual(counts)), 1.0, usual(counts))
    most = np.fmax(np.fmax(beside, usually), 1.0)
    return [int(hour) for hour in np.flatnonzero(counts > LEAP_TIMES * most)]


def signups(path: Path) -> Iterator[str]:
    """The hourly sign-ups: waves, leaps, negative hours, and what else alarms."""
    counts, first = hours_of(path)
    told = [run for run in alarms(counts, first, 60.0) if run[1] >= DAY]
    left = set(range(len(told)))

    def when(hour: int) -> str:
        return f"{datetime.fromtimestamp((first + hour) * HOUR_S, UTC):%Y-%m-%d %H:%M}"

    def take(low: int, high: int) -> list[int]:
        mine = [n for n in sorted(left) if told[n][0] <= high and told[n][1] >= low]
        left.difference_update(mine)
        return mine

    for low, high in waves(counts):
        mine = take(low, high)
        late = f"found {told[mine[0]][0] + 1 - low} h after its start" if mine else "missed"
        yield f"wave from {when(low)} to {when(high)}: {late}"
    single = leaps(counts)
    alarmed = [hour for hour in single if take(hour, hour)]
    yield f"leaps of one hour: {len(single)}, alarms at {len(alarmed)} of them"
    for hour in alarmed:
        yield f"alarm at a leap: {when(hour)}, {counts[hour]:.0f} users"
    negative = [int(hour) for hour in np.flatnonzero(counts < 0)]
    yield f"negative hours: {len(negative)}, alarms at {sum(bool(take(h, h)) for h in negative)}"
    for n in sorted(left):
        low, high, ratio = told[n]
        yield f"else: {when(low)} to {when(high)}, score {ratio:.1f} times the threshold"
    weeks = len(counts) / WEEK
    yield f"{len(told)} alarms in {weeks:.0f} weeks, {len(left)} of them at none of these"


def tweets(paths: Iterable[Path]) -> Iterator[str]:
    """Tweet counts about companies: alarms by series. Nobody has labelled waves in them."""
    for path in sorted(paths):
        with path.open(encoding="utf-8") as lines:
            rows = list(csv.DictReader(lines))
        begun = datetime.fromisoformat(rows[0]["timestamp"]).replace(tzinfo=UTC)
        counts = np.array([float(row["value"]) for row in rows])
        first = int(begun.timestamp()) // 300
        told = [run for run in alarms(counts, first, 5.0) if run[1] >= DAY * 12]
        weeks = len(counts) / (WEEK * 12)
        times = [
            f"{datetime.fromtimestamp((first + low) * 300, UTC):%m-%d %H:%M} ({ratio:.1f})"
            for low, _, ratio in told
        ]
        name = path.stem.removeprefix("Twitter_volume_")
        yield f"{name}: {len(told)} alarms in {weeks:.0f} weeks: {', '.join(times)}"


def main() -> None:
    """Print what the default makes of each."""
    data = folder()
    if data is None:
        print(f"No real data: set {VARIABLE} to their folder.")
        return
    for title, told in (
        ("Posts of 2021", posts(data / "posts-2021.jsonl.gz")),
        ("Hourly sign-ups", signups(data / "signups-hourly.csv")),
        ("Tweets about companies", tweets((data / "nab").glob("*.csv"))),
    ):
        print(f"\n{title}\n")
        for line in told:
            print(f"- {line}", flush=True)


if __name__ == "__main__":
    main()
