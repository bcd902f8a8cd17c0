"""What each command does that needs Kafka."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from streams import settings as settings_module
from streams.errors import BrokerError
from streams.kafka import topics

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from streams.settings import Settings


def topics_create(args: argparse.Namespace, environ: Mapping[str, str]) -> None:
    """Make the topics that are missing, then look at all of them."""
    settings = _settings(args, environ)
    done = asyncio.run(topics.create(settings, args.partitions, args.replication))
    for line in done:
        sys.stdout.write(f"{line}\n")
    _report(asyncio.run(topics.examine(settings, args.partitions)))


def topics_check(args: argparse.Namespace, environ: Mapping[str, str]) -> None:
    """Say what is wrong with the topics."""
    _report(asyncio.run(topics.examine(_settings(args, environ), args.partitions)))


def worker(args: argparse.Namespace, environ: Mapping[str, str]) -> None:
    """Run stages until told to stop."""
    # Imported here because Faust takes a second.
    from streams.kafka.worker import run  # noqa: PLC0415

    run(_settings(args, environ), args.stages)


def _report(findings: topics.Findings) -> None:
    """Print what was found.

    Raises:
        BrokerError: something is wrong.
    """
    for line in findings.warnings:
        sys.stdout.write(f"note: {line}\n")
    if findings.problems:
        raise BrokerError("\n  - ".join(("the topics are not as needed:", *findings.problems)))
    sys.stdout.write("the topics are as needed\n")


def _settings(args: argparse.Namespace, environ: Mapping[str, str]) -> Settings:
    options = {} if args.bootstrap is None else {"kafka.bootstrap": args.bootstrap}
    return settings_module.load(args.config, environ, options)
