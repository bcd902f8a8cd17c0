"""The commands. Parsing, files and terminals live here; the work is done elsewhere."""

from __future__ import annotations

import argparse
import gc
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from streams import commands
from streams.errors import SurgewatchError
from streams.simulate import SCENARIOS

if TYPE_CHECKING:
    from collections.abc import Sequence

EXIT_INTERRUPTED = 130


def build_parser() -> argparse.ArgumentParser:
    """The command line, for ``main`` and for the documentation."""
    parser = argparse.ArgumentParser(
        prog="surgewatch",
        description="Finds sudden waves of foreign users in a social app's posts.",
    )
    parser.add_argument("--version", action="version", version=commands.version())
    sub = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_replay(sub.add_parser("replay", help="find the surges in recorded logs"))
    _add_simulate(sub.add_parser("simulate", help="write a log of an invented world"))
    demo = sub.add_parser("demo", help="simulate the week of January 2025 and replay it")
    demo.add_argument(
        "--dir",
        type=Path,
        default=Path("surgewatch-demo"),
        help="where log, alerts and report go (default: %(default)s)",
    )
    demo.set_defaults(run=commands.demo)
    config = sub.add_parser("config", help="look at the configuration")
    config_sub = config.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, run, text in (
        ("check", commands.config_check, "say whether the configuration is valid"),
        ("show", commands.config_show, "print the configuration in effect, as TOML"),
    ):
        action = config_sub.add_parser(name, help=text)
        _add_config(action)
        action.set_defaults(run=run)
    return parser


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, metavar="FILE", help="TOML file with settings")


def _add_replay(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "logs",
        nargs="+",
        metavar="LOG",
        help="JSON lines (plain, gzip, zstd) or Parquet; - for standard input; "
        "several logs are read as partitions",
    )
    _add_config(parser)
    parser.add_argument("--out", metavar="ALERTS.jsonl", help="alerts; - for standard output")
    parser.add_argument(
        "--series", metavar="SERIES", help="observed and expected, as .jsonl or .parquet"
    )
    parser.add_argument("--rejects", metavar="FILE", help="records that could not be used, and why")
    parser.add_argument("--report", metavar="REPORT.html", help="a page to look at")
    parser.set_defaults(run=commands.replay)


def _add_simulate(parser: argparse.ArgumentParser) -> None:
    lines = "\n".join(f"  {name:16} {text}" for name, text in SCENARIOS.items())
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
    parser.set_defaults(run=commands.simulate)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit code is 0 done, 2 wrong use or configuration, 1 anything else."""
    # Records are short-lived and hold no cycles; a collector that runs often costs a third of
    # the replay's speed.
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    args = build_parser().parse_args(argv)
    messages = Console(stderr=True)
    try:
        args.run(args, os.environ)
    except SurgewatchError as error:
        messages.print(f"surgewatch: {error}", markup=False, highlight=False, soft_wrap=True)
        return error.exit_code
    except KeyboardInterrupt:
        messages.print("surgewatch: interrupted")
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone; Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        messages.print(
            f"surgewatch: {where}{error.strerror or error}", markup=False, soft_wrap=True
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
