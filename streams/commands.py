"""What each command does: open files, drive the work, show what came of it."""

from __future__ import annotations

import contextlib
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import orjson
from rich.console import Console

from streams import settings as settings_module
from streams.backtest import Knowledge, assess
from streams.codec import encode_alert, encode_reject
from streams.codec.points import point_record
from streams.console.explain import explanation_html, print_explanation, story_of
from streams.console.lookup import find_incident
from streams.console.progress import ReplayProgress
from streams.console.quality import print_assessment
from streams.console.report import write_report
from streams.console.screen import screen
from streams.console.summary import print_incidents, print_summary
from streams.errors import UsageError
from streams.files import check_inputs, check_outputs, open_output, read_knowledge, read_lines
from streams.replay import Replay, open_logs
from streams.series_file import SeriesWriter, open_series
from streams.simulate import simulate as make_simulation

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping, Sequence

    from streams.events import Alert, Point, Reject
    from streams.settings import Settings

EXPLAIN_COLUMNS = 120
"""Tables and a chart are read on a screen, also when it is not a terminal that they go to."""

DEMO_SCENARIO, DEMO_DAYS, DEMO_RATE, DEMO_SEED = "january", 8.0, 2.0, 2025


def version() -> str:
    """Name and version of the installed distribution."""
    return f"surgewatch {metadata.version('surgewatch')}"


def config_check(args: argparse.Namespace, environ: Mapping[str, str]) -> None:
    """Say whether the configuration is valid."""
    settings = settings_module.load(args.config, environ)
    Replay(settings, [], on_reject=lambda _: None)
    Console().print(f"configuration is valid, fingerprint {settings.fingerprint}", highlight=False)


def config_show(args: argparse.Namespace, environ: Mapping[str, str]) -> None:
    """Print the configuration in effect."""
    sys.stdout.write(settings_module.render_toml(settings_module.load(args.config, environ)))


def simulate(args: argparse.Namespace, _environ: Mapping[str, str]) -> None:
    """Write a simulated log, and its truth."""
    check_outputs({"--out": args.out, "--truth": args.truth})
    world = make_simulation(args.scenario, days=args.days, rate=args.rate, seed=args.seed)
    with open_output(args.out) as out:
        for block in world.blocks():
            out.write(block)
    if args.truth:
        with open_output(args.truth) as out:
            out.writelines(world.truth_lines())


def replay(args: argparse.Namespace, environ: Mapping[str, str]) -> None:
    """Replay logs into alerts, and whatever else was asked for."""
    settings = settings_module.load(args.config, environ)
    shown = screen(environ, stderr="-" in {args.out, args.rejects})
    wanted = _Outputs(args.out, args.series, args.rejects, args.report)
    wanted.check(args.logs, [args.config, args.truth, args.labels])
    _replay(settings, args.logs, shown, wanted, read_knowledge(args.truth, args.labels))


def demo(args: argparse.Namespace, environ: Mapping[str, str]) -> None:
    """Simulate the week of January 2025, replay it, show what an operator would have seen."""
    directory: Path = args.dir
    directory.mkdir(parents=True, exist_ok=True)
    log = directory / "posts.jsonl.zst"
    shown = screen(environ)
    shown.print("Simulating 8 to 15 January 2025, two posts a second …", highlight=False)
    world = make_simulation(DEMO_SCENARIO, days=DEMO_DAYS, rate=DEMO_RATE, seed=DEMO_SEED)
    with open_output(str(log)) as out:
        for block in world.blocks():
            out.write(block)
    shown.print("Replaying it, as it would have come in …\n", highlight=False)
    alerts, rejects, report = (
        directory / name for name in ("alerts.jsonl", "rejects.jsonl", "report.html")
    )
    wanted = _Outputs(str(alerts), None, str(rejects), str(report))
    wanted.check([str(log)], [])
    _replay(settings_module.load(None, environ), [str(log)], shown, wanted, Knowledge())
    shown.print(f"\nOpen {report} in a browser; the alerts are in {alerts}.", soft_wrap=True)


def explain(args: argparse.Namespace, environ: Mapping[str, str]) -> None:
    """Say of one incident what its alerts hold, and nothing else."""
    staff = settings_module.load(args.config, environ).capacity
    outputs = {"--report": args.report}
    check_inputs([], [args.config, args.alerts], outputs)
    check_outputs(outputs)
    found = find_incident(read_lines(args.alerts), str(args.alerts), args.incident)
    story = story_of(found.alerts)
    if story is None:
        raise UsageError(
            f"{found.incident_id}: {args.alerts} holds nothing of it but a promise that was "
            "withdrawn, or its follow-up"
        )
    shown = screen(environ)
    shown.width = min(shown.width, EXPLAIN_COLUMNS)
    print_explanation(story, staff, shown)
    if args.report:
        Path(args.report).write_text(explanation_html(story, staff), "utf-8", newline="\n")


class _Outputs(NamedTuple):
    """The files that a replay writes, as far as they are wanted."""

    out: str | None
    series: str | None
    rejects: str | None
    report: str | None

    def check(self, logs: Sequence[str], others: Sequence[Path | None]) -> None:
        """Refuse, before any work, what cannot be written or is to be read.

        Raises:
            UsageError: the message names the file.
        """
        outputs = {f"--{name}": path for name, path in self._asdict().items()}
        check_inputs(logs, others, outputs)
        check_outputs(outputs)


def _replay(
    settings: Settings,
    paths: list[str],
    shown: Console,
    wanted: _Outputs,
    knowledge: Knowledge,
) -> None:
    """Replay, write the files, print what an operator would have seen and the summary."""
    started = time.monotonic()
    Replay(settings, [], on_reject=lambda _: None)  # a wrong detector shows before files are made
    with contextlib.ExitStack() as stack:
        logs = open_logs(paths, settings, stack)
        sinks = _Sinks(stack, settings, wanted)
        sizes = [log.size for log in logs]
        total = None if None in sizes else sum(size or 0 for size in sizes)
        progress = stack.enter_context(ReplayProgress(Console(stderr=True), total, time.monotonic))
        run = Replay(
            settings,
            logs,
            on_reject=sinks.reject,
            on_point=sinks.point if sinks.wants_points else None,
            on_progress=lambda read, posts, ms: progress.update(
                bytes_read=read, posts=posts, event_time_ms=ms
            ),
            watch=knowledge.series,
        )
        for alert in run.run():
            sinks.alert(alert)
        summary = run.summary(time.monotonic() - started)
        assessment = assess(summary, settings.alerts.false_incidents_per_week, knowledge)
        unknown = knowledge.unknown(run.seen)
        if wanted.report:
            write_report(
                wanted.report,
                summary=summary,
                alerts=sinks.alerts,
                series=sinks.points(),
                title="Foreign-user surges in " + ", ".join(Path(path).name for path in paths),
                staff=settings.capacity,
                assessment=assessment,
                unknown=unknown,
            )
    print_incidents(sinks.alerts, shown)
    print_summary(summary, shown)
    if knowledge:
        print_assessment(assessment, unknown, shown)


class _Sinks:
    """Where a replay's records go; closed by the stack that is given."""

    def __init__(
        self,
        stack: contextlib.ExitStack,
        settings: Settings,
        wanted: _Outputs,
    ) -> None:
        out, series, rejects, report = wanted
        self.alerts: list[dict[str, Any]] = []
        self._bucket_ms = settings.time.bucket_ms
        self._out = stack.enter_context(open_output(out)) if out else None
        self._rejects = stack.enter_context(open_output(rejects)) if rejects else None
        self._series: SeriesWriter | None = None
        self._spool: IO[bytes] | None = None
        if series:
            self._series = stack.enter_context(open_series(series))
        if report:
            self._spool = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115

    @property
    def wants_points(self) -> bool:
        return self._series is not None or self._spool is not None

    def alert(self, alert: Alert) -> None:
        line = encode_alert(alert)
        self.alerts.append(orjson.loads(line))
        if self._out is not None:
            self._out.write(line + b"\n")

    def reject(self, reject: Reject) -> None:
        if self._rejects is not None:
            self._rejects.write(encode_reject(reject) + b"\n")

    def point(self, point: Point) -> None:
        record = point_record(point, self._bucket_ms)
        if self._series is not None:
            self._series.write(record)
        if self._spool is not None:
            self._spool.write(orjson.dumps(record) + b"\n")

    def points(self) -> Iterator[dict[str, Any]]:
        """The points again, for the report."""
        if self._spool is not None:
            self._spool.seek(0)
            for line in self._spool:
                yield orjson.loads(line)
