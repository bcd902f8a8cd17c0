"""What the parts of the command line share."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import TYPE_CHECKING

from streams.arguments import words
from streams.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping


def add_config(parser: argparse.ArgumentParser) -> None:
    """Where the settings are."""
    parser.add_argument("--config", type=Path, metavar="FILE", help="TOML file with settings")


def add_kafka(parser: argparse.ArgumentParser) -> None:
    """Where Kafka is, over the settings."""
    parser.add_argument("--bootstrap", metavar="HOST:PORT", help="over the setting kafka.bootstrap")
    add_config(parser)


def with_kafka(name: str) -> Callable[[argparse.Namespace, Mapping[str, str]], None]:
    """A command of ``commands_kafka``, whose clients take another half second to import."""

    def run(args: argparse.Namespace, environ: Mapping[str, str]) -> None:
        from streams import commands_kafka  # noqa: PLC0415 - see above

        getattr(commands_kafka, name)(args, environ)

    return run


def add_by(parser: argparse.ArgumentParser) -> None:
    """Who says something."""
    # Imported here because the codec takes a while: see ``streams.cli``.
    from streams.codec.labels import BY_CHARS  # noqa: PLC0415

    text = "who says so (default: the login name)"
    parser.add_argument("--by", type=words(BY_CHARS), metavar="NAME", help=text)


def add_said(parser: argparse.ArgumentParser, why: str, *, required: bool = False) -> None:
    """Who says something, and why."""
    from streams.codec.labels import NOTE_CHARS  # noqa: PLC0415 - see above

    parser.add_argument("--note", type=words(NOTE_CHARS), default="", required=required, help=why)
    add_by(parser)


def login() -> str:
    """Who runs this.

    Raises:
        UsageError: nobody knows.
    """
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        raise UsageError("this user has no name; say who you are with --by NAME") from None
