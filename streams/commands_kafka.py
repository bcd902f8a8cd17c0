"""What each command does that needs Kafka."""

from __future__ import annotations

import asyncio
import contextlib
import math
import sys
import time
from typing import TYPE_CHECKING

from rich.console import Console

from streams import settings as settings_module
from streams.codec import decode_alert, rfc3339
from streams.console.alert_table import AlertTable, Since
from streams.console.progress import ReplayProgress
from streams.console.screen import screen
from streams.console.text import visible
from streams.errors import BrokerError, UsageError
from streams.kafka import ops, reading, topics
from streams.kafka import verify as checks
from streams.kafka.connect import broker_errors, client_options
from streams.kafka.ground import Ground
from streams.kafka.publish import Publisher
from streams.kafka.source import refuse_late, stretch_of
from streams.notify.operators import Operators, in_hand
from streams.replay import open_logs

WAIT_SECONDS = 5.0
_SHOWN_CHARS = 300

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


def publish(args: argparse.Namespace, environ: Mapping[str, str]) -> None:
    """Send recorded logs to the posts topic."""
    settings = _settings(args, environ)
    if args.logs.count("-") > 1:
        raise UsageError("-: standard input can be read once; give it once, or give files")
    offset_ms = 0 if args.shift_to is None else _offset_ms(args, settings)
    started = time.monotonic()
    with contextlib.ExitStack() as stack:
        logs = open_logs(args.logs, settings, stack)
        sizes = [log.size for log in logs]
        total = None if None in sizes else sum(size or 0 for size in sizes)
        progress = stack.enter_context(
            ReplayProgress(Console(stderr=True), total, time.monotonic, "publish")
        )
        publisher = Publisher(
            settings,
            logs,
            args.speed,
            lambda read, posts, ms: progress.update(bytes_read=read, posts=posts, event_time_ms=ms),
            offset_ms,
        )
        try:
            asyncio.run(publisher.run())
        except KeyboardInterrupt:
            rest = "; the last of them may be lost" if publisher.has_lost else ""
            done = _published(publisher, time.monotonic() - started)
            sys.stderr.write(f"{done}, not all{rest}\n")
            raise
    sys.stdout.write(f"{_published(publisher, time.monotonic() - started)}\n")


def _offset_ms(args: argparse.Namespace, settings: Settings) -> int:
    """How far the logs are moved; says so, and refuses where their posts would be late.

    Raises:
        UsageError: a log can be read once only, none holds a post, or the topic is further on.
    """
    if "-" in args.logs:
        raise UsageError("-: with --shift-to a log is read twice; give a file")
    now_ms = round(time.time() * 1000)
    if args.shift_to > now_ms:
        raise UsageError(
            f"--shift-to {rfc3339(args.shift_to)}: in the future; event time would run ahead of "
            "the clock, and real posts would be late until then"
        )
    sys.stderr.write("looking for the log's first and last time\n")
    with contextlib.ExitStack() as stack:
        stretch = stretch_of(settings, open_logs(args.logs, settings, stack))
    if stretch is None:
        raise UsageError(f"{visible(args.logs[0])}: holds no post whose time could be moved")
    offset_ms = stretch.offset_ms(args.shift_to, args.speed)
    before = [rfc3339(one) for one in stretch]
    after = [rfc3339(one + offset_ms) for one in stretch]
    asyncio.run(refuse_late(settings, stretch.first_ms + offset_ms))
    sys.stderr.write(f"{before[0]} to {before[1]} become {after[0]} to {after[1]}\n")
    return offset_ms


def verify(args: argparse.Namespace, environ: Mapping[str, str]) -> None:
    """Say whether the alerts that workers wrote are those of a replay.

    Raises:
        BrokerError: they are not.
    """
    settings = _settings(args, environ)
    with contextlib.ExitStack() as stack:
        logs = open_logs(args.logs, settings, stack)
        sys.stderr.write("replaying\n")
        replayed = checks.replayed(settings, logs)
    live = asyncio.run(_live(settings))
    found = checks.difference(live, replayed)
    if found is None:
        sys.stdout.write(f"{len(live)} confirmed alerts, byte for byte those of the replay\n")
        return
    shown = checks.around(found)
    raise BrokerError(
        f"live {len(live)} confirmed alerts, replay {len(replayed)}; the first that differs is "
        f"number {found.number}, from there on:\n  live:   {visible(shown[0], _SHOWN_CHARS)}\n"
        f"  replay: {visible(shown[1], _SHOWN_CHARS)}\n"
        "A log that was moved (publish --shift-to), or another key or configuration, gives others"
    )


async def _live(settings: Settings) -> list[bytes]:
    findings = await topics.examine(settings)
    if findings.problems:
        raise BrokerError("\n  - ".join(("the topics are not as needed:", *findings.problems)))
    ground = Ground(
        settings, topics.Topics.of(settings), client_options(settings), findings.partitions
    )
    with broker_errors(settings):
        return await checks.live(ground, _Waiting().say)


class _Waiting:
    """Says now and then what is waited for."""

    def __init__(self) -> None:
        self._said = -math.inf

    def say(self, left: int) -> None:
        """So many messages are left to read."""
        if time.monotonic() - self._said >= WAIT_SECONDS:
            self._said = time.monotonic()
            sys.stderr.write(f"waiting for the workers: {left:,} messages left to read\n")


def _published(publisher: Publisher, seconds: float) -> str:
    unreadable = f", {publisher.unreadable:,} could not be read" if publisher.unreadable else ""
    return (
        f"published {publisher.posts:,} posts and {publisher.markers:,} markers to "
        f"{publisher.topic}, partitions: {publisher.partitions}, in {seconds:,.1f} s{unreadable}"
    )


def alerts(args: argparse.Namespace, environ: Mapping[str, str]) -> None:
    """Print the alerts, as a table or as they are."""
    settings = _settings(args, environ)
    if not (args.json or args.follow):
        _print_table(settings, args.since, environ)
        return
    table = AlertTable(screen(environ), follow=True)
    since = Since(args.since, _write_lines if args.json else table.take)
    asyncio.run(reading.alerts(settings, since.take, follow=args.follow))
    if since.newest is not None and not since.kept:
        sys.stderr.write(f"no alerts since then; the newest is of {visible(since.newest)}\n")
    if table.unreadable:
        sys.stderr.write(f"{table.unreadable:,} records were no alerts, and are left out\n")


def _print_table(settings: Settings, since_ms: int | None, environ: Mapping[str, str]) -> None:
    """Print what goes on and what has been, and who has it in hand."""
    table = AlertTable(screen(environ), follow=False, since_ms=since_ms)
    asyncio.run(reading.alerts(settings, table.take, follow=False))
    now_ms = int(time.time() * 1000)
    try:
        operators, _ = asyncio.run(ops.operators(settings, now_ms))
    except BrokerError as error:  # who reads alerts need not have the right to that topic
        sys.stderr.write(f"who has what in hand is not known: {error}\n")
        operators = Operators()
    table.end(lambda line: in_hand(decode_alert(line), line, operators, now_ms))
    if not (table.printed or table.unreadable):
        older = f"; the newest is of {table.left_out} UTC" if table.left_out else ""
        when = "since then, and nothing goes on" if older else "yet"
        sys.stderr.write(f"no alerts {when}{older}\n")
    if table.unreadable:
        sys.stderr.write(f"{table.unreadable:,} records were no alerts, and are left out\n")


def _write_lines(lines: list[bytes]) -> None:
    sys.stdout.buffer.writelines(line + b"\n" for line in lines)
    sys.stdout.buffer.flush()


def label(args: argparse.Namespace, environ: Mapping[str, str]) -> None:
    """Write to Kafka what an incident was."""
    settings = _settings(args, environ)
    finder = asyncio.run(ops.find(settings, args.incident))
    topics_of = topics.Topics.of(settings)
    said = finder.label(
        args.verdict, at=args.at, by=args.by, note=args.note, where=topics_of.alerts
    )
    asyncio.run(ops.put(settings, said))
    by = visible(said.by)
    sys.stdout.write(f"{said.incident_id}: {said.verdict}, by {by}, in {topics_of.ops}\n")


def labels(args: argparse.Namespace, environ: Mapping[str, str]) -> None:
    """Print the labels that are in Kafka."""
    strange = asyncio.run(ops.labels(_settings(args, environ), sys.stdout.buffer))
    if strange:
        sys.stderr.write(f"{strange:,} records were no labels, and are left out\n")


def record(args: argparse.Namespace, environ: Mapping[str, str]) -> None:
    """Write the posts topic to files."""
    recorder = reading.Recorder(_settings(args, environ), args.out)
    try:
        asyncio.run(recorder.run(follow=args.follow))
    finally:
        if recorder.files:
            sys.stdout.write(
                f"recorded {recorder.records:,} records of {recorder.topic}, "
                f"files in {args.out}: {recorder.files}\n"
            )


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
    return settings_module.load_for_kafka(args.config, environ, args.bootstrap)
