"""What each command does: open files, drive the work, show what came of it."""

from __future__ import annotations

import contextlib
import gzip
import os
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, BinaryIO, cast

import orjson
import zstandard
from rich.console import Console

from streams import settings as settings_module
from streams.codec import encode_alert, encode_reject
from streams.codec.points import point_record
from streams.console.progress import ReplayProgress
from streams.console.report import write_report
from streams.console.summary import print_incidents, print_summary
from streams.errors import UsageError
from streams.replay import Replay, open_logs
from streams.series_file import SeriesWriter, open_series
from streams.simulate import simulate as make_simulation

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping

    from streams.events import Alert, Point, Reject
    from streams.settings import Settings
    from streams.summary import Summary

PIPE_COLUMNS = 100_000
"""Lines for a file or another program are as long as they are."""

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
    _check_outputs({"--out": args.out, "--truth": args.truth})
    world = make_simulation(args.scenario, days=args.days, rate=args.rate, seed=args.seed)
    with _open_output(args.out) as out:
        for block in world.blocks():
            out.write(block)
    if args.truth:
        with _open_output(args.truth) as out:
            out.writelines(world.truth_lines())


def replay(args: argparse.Namespace, environ: Mapping[str, str]) -> None:
    """Replay logs into alerts, and whatever else was asked for."""
    settings = settings_module.load(args.config, environ)
    shown = _console(environ, stderr="-" in {args.out, args.rejects})
    _replay(
        settings,
        args.logs,
        shown,
        out=args.out,
        series=args.series,
        rejects=args.rejects,
        report=args.report,
    )


def demo(args: argparse.Namespace, environ: Mapping[str, str]) -> None:
    """Simulate the week of January 2025, replay it, show what an operator would have seen."""
    directory: Path = args.dir
    directory.mkdir(parents=True, exist_ok=True)
    log = directory / "posts.jsonl.zst"
    shown = _console(environ)
    shown.print("Simulating 8 to 15 January 2025, two posts a second …", highlight=False)
    world = make_simulation(DEMO_SCENARIO, days=DEMO_DAYS, rate=DEMO_RATE, seed=DEMO_SEED)
    with _open_output(str(log)) as out:
        for block in world.blocks():
            out.write(block)
    shown.print("Replaying it, as it would have come in …\n", highlight=False)
    report = directory / "report.html"
    _replay(
        settings_module.load(None, environ),
        [str(log)],
        shown,
        out=str(directory / "alerts.jsonl"),
        series=None,
        rejects=str(directory / "rejects.jsonl"),
        report=str(report),
    )
    alerts = directory / "alerts.jsonl"
    shown.print(f"\nOpen {report} in a browser; the alerts are in {alerts}.", soft_wrap=True)


def _console(environ: Mapping[str, str], *, stderr: bool = False) -> Console:
    """What people read: wrapped on a terminal, or as COLUMNS says; to a pipe a line is a line."""
    console = Console(stderr=stderr)
    if not (console.is_terminal or environ.get("COLUMNS")):
        console.width = PIPE_COLUMNS
    return console


def _replay(
    settings: Settings,
    paths: list[str],
    shown: Console,
    *,
    out: str | None,
    series: str | None,
    rejects: str | None,
    report: str | None,
) -> Summary:
    """Replay, write the files, print what an operator would have seen and the summary."""
    started = time.monotonic()
    outputs = {"--out": out, "--series": series, "--rejects": rejects, "--report": report}
    _check_logs(paths, outputs)
    _check_outputs(outputs)
    Replay(settings, [], on_reject=lambda _: None)  # a wrong detector shows before files are made
    with contextlib.ExitStack() as stack:
        logs = open_logs(paths, settings, stack)
        sinks = _Sinks(stack, settings, out=out, series=series, rejects=rejects, report=report)
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
        )
        for alert in run.run():
            sinks.alert(alert)
        summary = run.summary(time.monotonic() - started)
        if report:
            title = "Foreign-user surges in " + ", ".join(Path(path).name for path in paths)
            write_report(
                report, summary=summary, alerts=sinks.alerts, series=sinks.points(), title=title
            )
    print_incidents(sinks.alerts, shown)
    print_summary(summary, shown)
    return summary


def _check_logs(paths: list[str], outputs: Mapping[str, str | None]) -> None:
    """Refuse an output that is a log: opening it would empty the log before it is read.

    Raises:
        UsageError: an output is one of the logs, or standard input is to be read twice.
    """
    if paths.count("-") > 1:
        raise UsageError("-: standard input can be read once; give it once, or give files")
    for output in outputs.values():
        if not output or not Path(output).is_file():
            continue
        if any(Path(path).is_file() and Path(output).samefile(path) for path in paths):
            raise UsageError(f"{output}: is a log to be read; name another output")


def _check_outputs(outputs: Mapping[str, str | None]) -> None:
    """Refuse, before any work, what would be lost at its end.

    Raises:
        UsageError: two outputs are one file, or an output cannot be written.
    """
    seen: dict[Path, str] = {}
    for option, output in outputs.items():
        if not output:
            continue
        path = Path(output)
        if output == "-":
            if option == "--report":
                raise UsageError("--report -: a report cannot go to standard output; name a file")
        elif why := _unwritable(path):
            raise UsageError(f"{option} {output}: cannot be written: {why}")
        if output != "-" and path.exists() and not path.is_file():
            continue  # a device such as /dev/null takes whatever comes
        place = path if output == "-" else path.resolve()
        if place in seen:
            raise UsageError(f"{seen[place]} and {option} are both {output}; name two places")
        seen[place] = option


def _unwritable(path: Path) -> str | None:
    """Why a file cannot be written, or None; nothing is made or emptied to find out."""
    if path.is_dir():
        return "it is a directory"
    if path.exists():
        return None if os.access(path, os.W_OK) else "no permission"
    if not path.parent.is_dir():
        return "there is no such directory"
    return None if os.access(path.parent, os.W_OK) else "no permission in its directory"


class _Sinks:
    """Where a replay's records go; closed by the stack that is given."""

    def __init__(
        self,
        stack: contextlib.ExitStack,
        settings: Settings,
        *,
        out: str | None,
        series: str | None,
        rejects: str | None,
        report: str | None,
    ) -> None:
        self.alerts: list[dict[str, Any]] = []
        self._bucket_ms = settings.time.bucket_ms
        self._out = stack.enter_context(_open_output(out)) if out else None
        self._rejects = stack.enter_context(_open_output(rejects)) if rejects else None
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


@contextlib.contextmanager
def _open_output(path: str) -> Iterator[BinaryIO]:
    """A file to write bytes to, compressed as its name says; ``-`` is standard output."""
    if path == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    try:
        raw = Path(path).open("wb")  # noqa: SIM115 - closed below, after its wrapper
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from error
    with raw:
        if path.endswith(".gz"):
            # No name and no time in the header: same arguments, same bytes.
            with gzip.GzipFile(
                filename="", mode="wb", fileobj=raw, mtime=0, compresslevel=6
            ) as out:
                yield cast("BinaryIO", out)
        elif path.endswith(".zst"):
            with zstandard.ZstdCompressor().stream_writer(raw) as out:
                yield cast("BinaryIO", out)
        else:
            yield raw
