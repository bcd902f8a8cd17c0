"""The commands that try configurations on recorded logs, and the one that says what was right."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from rich.console import Console

from streams import settings as settings_module
from streams.backtest import (
    Backtest,
    Finder,
    Trial,
    assess,
    calibrate,
    compare,
    read_labels,
    settings_to_try,
)
from streams.codec import encode_label, epoch_ms
from streams.codec.points import point_record
from streams.console import verdict
from streams.console.backtest import print_backtest
from streams.console.calibration import print_calibration, toml_of
from streams.console.progress import ReplayProgress
from streams.console.report_backtest import write_backtest
from streams.console.screen import screen
from streams.console.text import visible
from streams.console.timeline import SeriesAccumulator
from streams.errors import LogError, UsageError
from streams.files import (
    PACKED,
    append_line,
    check_inputs,
    check_outputs,
    open_output,
    read_knowledge,
    read_lines,
)
from streams.pipeline import read_alike
from streams.replay import Replay, Replays, open_logs

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from streams.events import Point
    from streams.settings import Settings
    from streams.summary import Summary

VALUES_MAX = 12
"""Of a sweep: each has a detector of its own in memory."""

_DEFAULTS = "the defaults"
_EXAMPLE = "--sweep alerts.false_incidents_per_week=0.5,1,2"


class _Came(NamedTuple):
    """What came of several replays: a summary each, and which of the watched series were seen."""

    summaries: list[Summary]
    seen: frozenset[str]


def backtest(args: argparse.Namespace, environ: Mapping[str, str]) -> None:
    """Replay logs under one or two configurations, and under a sweep; show what differs."""
    first = settings_module.load(args.config, environ)
    second = None if args.against is None else settings_module.load(args.against, environ)
    sweep = [] if args.sweep is None else _sweep(args, environ)
    outputs = {"--report": args.report}
    check_inputs(args.logs, [args.config, args.against, args.truth, args.labels], outputs)
    check_outputs(outputs)
    knowledge = read_knowledge(args.truth, args.labels)
    rows = SeriesAccumulator() if args.report else None
    sides = [first] if second is None else [first, second]
    came = _replay_all([*sides, *(each for _, each in sweep)], args.logs, knowledge.series, rows)

    def trial(number: int, name: str, source: str, settings: Settings) -> Trial:
        summary = came.summaries[number]
        assessment = assess(summary, settings.alerts.false_incidents_per_week, knowledge)
        return Trial(name, source, settings.fingerprint, summary, assessment)

    files = (args.config, args.against)
    trials = [
        trial(number, "AB"[number], str(files[number] or _DEFAULTS), settings)
        for number, settings in enumerate(sides)
    ]
    swept = [
        trial(len(sides) + number, value, args.sweep.partition("=")[0], settings)
        for number, (value, settings) in enumerate(sweep)
    ]
    one, other = came.summaries[0], came.summaries[len(sides) - 1]
    end_ms = 0 if one.last_event is None else epoch_ms(one.last_event)
    found = Backtest(
        first=trials[0],
        second=trials[1] if second is not None else None,
        differences=[] if second is None else settings_module.differences(first, second),
        changes=[] if second is None else compare(one.incidents, other.incidents, end_ms),
        swept=args.sweep and args.sweep.partition("=")[0],
        sweep=swept,
        unknown=knowledge.unknown(came.seen),
    )
    if rows is not None:
        title = "Backtest on " + ", ".join(Path(path).name for path in args.logs)
        write_backtest(args.report, found, rows=rows, title=title)
    print_backtest(found, screen(environ))


def calibrate_budget(args: argparse.Namespace, environ: Mapping[str, str]) -> None:
    """Compare the budget with what a history shows under it.

    Raises:
        LogError: nothing of the history can be judged.
    """
    settings = settings_module.load(args.config, environ)
    outputs = {"--out": args.out}
    check_inputs(args.logs, [args.config, args.labels], outputs)
    check_outputs(outputs)
    knowledge = read_knowledge(None, args.labels)
    budget = settings.alerts.false_incidents_per_week
    tried = settings_to_try(budget, settings_module.FALSE_INCIDENTS_MAX)
    several = [
        dataclasses.replace(
            settings, alerts=dataclasses.replace(settings.alerts, false_incidents_per_week=value)
        )
        for value in tried
    ]
    came = _replay_all(several, args.logs, knowledge.series, None)
    own = came.summaries[tried.index(budget)]
    if own.judged_from is None:
        said = (verdict.headline(own, own.incidents), verdict.remedy(own))
        raise LogError(" ".join(part for part in said if part))
    assessments = [
        assess(summary, value, knowledge)
        for summary, value in zip(came.summaries, tried, strict=True)
    ]
    found = calibrate(budget, assessments)
    if args.out:
        with open_output(args.out) as out:
            out.write(toml_of(found).encode())
    print_calibration(
        found,
        own,
        assessments[tried.index(budget)],
        knowledge.unknown(came.seen),
        screen(environ, stderr=args.out == "-"),
    )


def label(args: argparse.Namespace, environ: Mapping[str, str]) -> None:
    """Append to a file what an incident was."""
    settings = settings_module.load(args.config, environ)
    labels: Path = args.labels
    check_inputs([], [args.config, args.alerts], {"--labels": str(labels)})
    check_outputs({"--labels": str(labels)})
    if labels.suffix in PACKED:
        raise UsageError(f"--labels {labels}: labels are appended, so their file is not packed")
    if labels.exists():  # a label would be lost among what is none
        read_labels(read_lines(labels), str(labels))
    finder = Finder(args.incident)
    for number, line in enumerate(read_lines(args.alerts), 1):
        if line.strip():
            finder.take(line, f"{args.alerts}, line {number}")
    said = finder.label(
        args.verdict, at=args.at, by=args.by, note=args.note, where=str(args.alerts)
    )
    append_line(labels, encode_label(said, settings.alerts.source))
    sys.stdout.write(f"{said.incident_id}: {said.verdict}, by {visible(said.by)}, in {labels}\n")


def _sweep(args: argparse.Namespace, environ: Mapping[str, str]) -> list[tuple[str, Settings]]:
    """The values that a setting is to take, and the configuration with each.

    Raises:
        UsageError: the option is not of its form, or the setting shapes no alerts.
        SettingsError: there is no such setting, or a value is not allowed.
    """
    name, _, text = args.sweep.partition("=")
    values = _split(text)
    if not name or not all(values):
        raise UsageError(f"--sweep {args.sweep}: write KEY=V1,V2,… as in {_EXAMPLE}")
    if len(values) > VALUES_MAX:
        raise UsageError(f"--sweep {name}: {len(values)} values; at most {VALUES_MAX} at a time")
    swept = [
        (value, settings_module.load(args.config, environ, {name: value}, option="--sweep"))
        for value in values
    ]
    if not settings_module.shapes_alerts(name):
        raise UsageError(f"--sweep {name}: shapes no alerts, so that every value gives the same")
    return swept


def _split(text: str) -> list[str]:
    """Values with commas between, where commas within brackets and quotes are part of a value.

    >>> _split('1m, 5m'), _split('["CN"],["CN","HK"]')
    (['1m', '5m'], ['["CN"]', '["CN","HK"]'])
    """
    values, depth, quoted = [""], 0, False
    for char in text:
        quoted ^= char == '"'
        if not quoted:
            depth += (char in "[{") - (char in "]}")
        if char == "," and not quoted and not depth:
            values.append("")
        else:
            values[-1] += char
    return [value.strip() for value in values]


def _replay_all(
    several: Sequence[Settings],
    paths: Sequence[str],
    watch: Iterable[str],
    rows: SeriesAccumulator | None,
) -> _Came:
    """Replay logs under several settings; a log is read once for all that read its lines alike.

    Args:
        several: the settings.
        paths: of the logs.
        watch: series of which to tell whether the logs hold them.
        rows: takes the points of the first settings, if they are wanted.

    Raises:
        UsageError: standard input would have to be read twice.
        SettingsError: the name or parameters of a detector are unknown.
    """
    groups: list[list[Settings]] = []
    for settings in several:
        Replay(settings, [], on_reject=lambda _: None)  # what is wrong shows before the work
        group = next((group for group in groups if read_alike(group[0], settings)), None)
        if group is None:
            groups.append([settings])
        elif settings not in group:
            group.append(settings)
    if "-" in paths and len(groups) > 1:
        raise UsageError(
            "-: standard input can be read once, and these configurations read lines differently "
            "(input.fields, limits.record_bytes or time.earliest): save it to a file"
        )
    summaries: dict[Settings, Summary] = {}
    seen: frozenset[str] = frozenset()
    for turn, group in enumerate(groups):
        title = "replay" if len(groups) == 1 else f"replay {turn + 1} of {len(groups)}"
        run, seconds = _replay_group(group, paths, watch, None if turn else rows, title)
        summaries.update(zip(group, run.summaries(seconds), strict=True))
        seen |= run.seen
    return _Came([summaries[settings] for settings in several], seen)


def _replay_group(
    several: Sequence[Settings],
    paths: Sequence[str],
    watch: Iterable[str],
    rows: SeriesAccumulator | None,
    title: str,
) -> tuple[Replays, float]:
    """Replay logs under settings that read lines alike; also returns the seconds it took."""
    started = time.monotonic()
    on_point: Callable[[Point], None] | None = None
    if rows is not None:
        bucket_ms = several[0].time.bucket_ms

        def on_point(point: Point) -> None:
            rows.add(point_record(point, bucket_ms))

    with contextlib.ExitStack() as stack:
        logs = open_logs(paths, several[0], stack)
        sizes = [log.size for log in logs]
        total = None if None in sizes else sum(size or 0 for size in sizes)
        progress = stack.enter_context(
            ReplayProgress(Console(stderr=True), total, time.monotonic, title)
        )
        run = Replays(
            several,
            logs,
            on_reject=lambda _: None,
            on_point=on_point,
            on_progress=lambda read, posts, ms: progress.update(
                bytes_read=read, posts=posts, event_time_ms=ms
            ),
            watch=watch,
        )
        for _ in run.run():
            pass  # what an alert says last is in the summary
    return run, time.monotonic() - started
