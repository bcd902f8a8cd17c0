"""The commands. Parsing, files and terminals live here; the work is done elsewhere."""

from __future__ import annotations

import argparse
import gc
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from streams.arguments import STAGES, count, moment, speed, stages
from streams.cli_ops import add_operators, add_silences
from streams.cli_parts import add_config, add_kafka, add_said, login, with_kafka
from streams.errors import SurgewatchError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def build_parser() -> argparse.ArgumentParser:
    """The command line, for ``main`` and for the documentation."""
    # Imported here because it takes half a second, in which Ctrl-C is to be answered as later.
    from streams import commands  # noqa: PLC0415
    from streams.simulate import SCENARIOS  # noqa: PLC0415

    parser = argparse.ArgumentParser(
        prog="surgewatch",
        description="Finds sudden waves of foreign users in a social app's posts.",
    )
    parser.add_argument("--version", action="version", version=commands.version())
    sub = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    replay = sub.add_parser("replay", help="find the surges in recorded logs")
    _add_replay(replay)
    replay.set_defaults(run=commands.replay)
    simulate = sub.add_parser("simulate", help="write a log of an invented world")
    _add_simulate(simulate, SCENARIOS)
    simulate.set_defaults(run=commands.simulate)
    _add_backtest(sub.add_parser("backtest", help="try one or two configurations on recorded logs"))
    calibrate = sub.add_parser("calibrate", help="compare the budget with a quiet history")
    _add_calibrate(calibrate)
    demo = sub.add_parser("demo", help="simulate the week of January 2025 and replay it")
    demo.add_argument(
        "--dir",
        type=Path,
        default=Path("surgewatch-demo"),
        help="where log, alerts and report go (default: %(default)s)",
    )
    demo.set_defaults(run=commands.demo)
    _add_explain(sub.add_parser("explain", help="say all that the alerts tell of one incident"))
    config = sub.add_parser("config", help="look at the configuration")
    config_sub = config.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, run, text in (
        ("check", commands.config_check, "say whether the configuration is valid"),
        ("show", commands.config_show, "print the configuration in effect, as TOML"),
    ):
        action = config_sub.add_parser(name, help=text)
        add_config(action)
        action.set_defaults(run=run)
    _add_topics(sub.add_parser("topics", help="make or check the topics in Kafka"))
    worker = sub.add_parser("worker", help="find surges in the posts of Kafka, as they come")
    add_kafka(worker)
    worker.add_argument(
        "--stages",
        type=stages,
        default=STAGES,
        metavar="STAGE,…",
        help=f"what it does, of {', '.join(STAGES)} (default: all)",
    )
    worker.set_defaults(run=with_kafka("worker"))
    verify = sub.add_parser("verify", help="compare what workers found with a replay of the log")
    verify.add_argument("logs", nargs="+", metavar="LOG", help="what was published, and no more")
    add_kafka(verify)
    verify.set_defaults(run=with_kafka("verify"))
    _add_publish(sub.add_parser("publish", help="send recorded logs to the posts topic"))
    _add_labels(
        sub.add_parser("label", help="say whether an incident was true, false or expected"),
        sub.add_parser("labels", help="print the labels of Kafka, one a line"),
    )
    add_operators(sub)
    add_silences(sub)
    _add_reading(
        sub.add_parser("alerts", help="show the alerts of Kafka"),
        sub.add_parser("record", help="write the posts topic, its markers included, to files"),
    )
    return parser


def _add_explain(parser: argparse.ArgumentParser) -> None:
    from streams import commands  # noqa: PLC0415 - see build_parser

    parser.add_argument(
        "alerts",
        type=Path,
        metavar="ALERTS.jsonl",
        help="written by replay or alerts --json; - for standard input",
    )
    parser.add_argument(
        "incident", metavar="INCIDENT_ID", help="its beginning is enough, where it is unambiguous"
    )
    add_config(parser)
    parser.add_argument("--report", metavar="FILE.html", help="a page to look at")
    parser.set_defaults(run=commands.explain)


def _add_topics(parser: argparse.ArgumentParser) -> None:
    sub = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    create = sub.add_parser("create", help="make the topics that are missing")
    check = sub.add_parser("check", help="say what is wrong with the topics")
    for action in (create, check):
        add_kafka(action)
        action.add_argument(
            "--partitions",
            type=count,
            metavar="N",
            help="of posts and tallies (default: as many as there are, or 4)",
        )
    create.add_argument(
        "--replication",
        type=count,
        metavar="N",
        help="replicas of each partition (default: 3, or as many as there are brokers)",
    )
    create.set_defaults(run=with_kafka("topics_create"))
    check.set_defaults(run=with_kafka("topics_check"))


def _add_publish(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "logs",
        nargs="+",
        metavar="LOG",
        help="as for replay; several logs are sent as one, by event time",
    )
    parser.add_argument(
        "--speed",
        type=speed,
        default=None,
        metavar="1x|60x|max",
        help="how fast event time passes (default: max)",
    )
    parser.add_argument(
        "--shift-to",
        type=moment,
        metavar="now|TIME",
        help="move all times alike, by whole minutes, so that nothing is later than when it is "
        "sent; with --speed max the log ends at that time, with 1x it begins then; the hour of day "
        "is not kept",
    )
    add_kafka(parser)
    parser.set_defaults(run=with_kafka("publish"))


def _add_reading(alerts: argparse.ArgumentParser, record: argparse.ArgumentParser) -> None:
    record.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="where one file a partition is made, for replay",
    )
    alerts.description = (
        "Prints what is going on and what was, the newest state of each incident; with --follow "
        "each alert as it comes."
    )
    alerts.add_argument(
        "--since",
        type=moment,
        metavar="TIME|2h",
        help="only alerts of that event time or later, such as 2025-01-13T02:00:00Z, or of the "
        "last 2h; the table also has what still goes on",
    )
    alerts.add_argument(
        "--json", action="store_true", help="the alerts as they are, one a line, for programs"
    )
    for parser, name in ((alerts, "alerts"), (record, "record")):
        parser.add_argument(
            "--follow", action="store_true", help="go on at the end, until interrupted"
        )
        add_kafka(parser)
        parser.set_defaults(run=with_kafka(name))


def _add_replay(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "logs",
        nargs="+",
        metavar="LOG",
        help="JSON lines (plain, gzip, zstd) or Parquet; - for standard input; "
        "several logs are read as partitions",
    )
    add_config(parser)
    _add_known(parser)
    parser.add_argument("--out", metavar="ALERTS.jsonl", help="alerts; - for standard output")
    parser.add_argument(
        "--series", metavar="SERIES", help="observed and expected, as .jsonl or .parquet"
    )
    parser.add_argument("--rejects", metavar="FILE", help="records that could not be used, and why")
    parser.add_argument("--report", metavar="REPORT.html", help="a page to look at")


def _add_logs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("logs", nargs="+", metavar="LOG", help="as for replay")


def _add_known(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--truth", type=Path, metavar="FILE", help="what really happened, as simulate writes it"
    )
    parser.add_argument(
        "--labels", type=Path, metavar="FILE", help="what operators said of incidents (label)"
    )


def _add_backtest(parser: argparse.ArgumentParser) -> None:
    from streams import commands_backtest  # noqa: PLC0415 - see build_parser

    _add_logs(parser)
    add_config(parser)
    parser.add_argument(
        "--against", type=Path, metavar="FILE", help="a second configuration, to compare with"
    )
    _add_known(parser)
    parser.add_argument(
        "--sweep",
        metavar="KEY=V1,V2,…",
        help="try these values of one setting, such as alerts.false_incidents_per_week=0.5,1,2",
    )
    parser.add_argument("--report", metavar="REPORT.html", help="a page to look at")
    parser.set_defaults(run=commands_backtest.backtest)


def _add_calibrate(parser: argparse.ArgumentParser) -> None:
    from streams import commands_backtest  # noqa: PLC0415 - see build_parser

    _add_logs(parser)
    add_config(parser)
    parser.add_argument(
        "--labels",
        type=Path,
        metavar="FILE",
        help="what operators said of incidents: true and expected ones are not false",
    )
    parser.add_argument(
        "--out", metavar="FILE", help="write the recommended setting, as TOML; - for stdout"
    )
    parser.set_defaults(run=commands_backtest.calibrate_budget)


def _add_labels(label: argparse.ArgumentParser, labels: argparse.ArgumentParser) -> None:
    label.description = (
        "Says what an incident was. With --alerts and --labels the label goes to a file, otherwise "
        "to Kafka, where the incident is looked up in the alerts topic."
    )
    label.add_argument("incident", metavar="INCIDENT_ID", help="as in its alerts: in-…")
    label.add_argument(
        "verdict",
        choices=("true", "false", "expected"),
        help="expected: it was real, but nothing to be woken for",
    )
    label.add_argument("--alerts", type=Path, metavar="ALERTS.jsonl", help="that tell of it")
    label.add_argument("--labels", type=Path, metavar="FILE", help="JSON lines to append to")
    add_said(label, "why")
    add_kafka(label)
    label.set_defaults(run=_label)
    add_kafka(labels)
    labels.set_defaults(run=with_kafka("labels"))


def _label(args: argparse.Namespace, environ: Mapping[str, str]) -> None:
    """A label, with who says it and when; into a file or to Kafka."""
    args.by = args.by or login()
    args.at = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    in_files = [args.alerts is not None, args.labels is not None]
    if any(in_files) and (args.bootstrap is not None or not all(in_files)):
        raise UsageError(
            "give --alerts and --labels for a label in a file, or neither for one in Kafka"
        )
    if all(in_files):
        from streams import commands_backtest  # noqa: PLC0415 - see build_parser

        commands_backtest.label(args, environ)
    else:
        with_kafka("label")(args, environ)


def _add_simulate(parser: argparse.ArgumentParser, scenarios: Mapping[str, str]) -> None:
    lines = "\n".join(f"  {name:16} {text}" for name, text in scenarios.items())
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = f"scenarios:\n{lines}"
    parser.add_argument("--scenario", required=True, metavar="NAME", help="see below")
    parser.add_argument("--days", type=float, default=7.0, help="length (default: %(default)s)")
    parser.add_argument(
        "--rate", type=float, default=1.0, help="mean posts a second (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=1, help="default: %(default)s")
    parser.add_argument(
        "--out", required=True, metavar="LOG", help=".jsonl, .jsonl.gz, .jsonl.zst, or -"
    )
    parser.add_argument("--truth", metavar="FILE", help="what the world really held")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit code is 0 done, 2 wrong use or configuration, 1 anything else."""
    try:
        return _run(argv)
    except KeyboardInterrupt:
        sys.stderr.write("surgewatch: interrupted\n")
        return 1


def _run(argv: Sequence[str] | None) -> int:
    parser = build_parser()
    # Records are short-lived and hold no cycles; a collector that runs often costs a third of
    # the replay's speed.
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    args = parser.parse_args(argv)
    try:
        args.run(args, os.environ)
    except SurgewatchError as error:
        _complain(str(error))
        return error.exit_code
    except BrokenPipeError:
        # The reader of our output has gone; Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _complain(f"{where}{error.strerror or error}")
        return 1
    return 0


def _complain(message: str) -> None:
    from rich.console import Console  # noqa: PLC0415 - as above

    console = Console(stderr=True)
    console.print(f"surgewatch: {message}", markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
