"""What operators do: be told, say who has what in hand, ask for quiet."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import signal
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING

from streams import settings as settings_module
from streams.codec import FIELDS, epoch_ms, rfc3339
from streams.codec.ops import MATCHERS_MAX, PATTERN_CHARS, SILENCE_MS_MAX
from streams.console.lines import print_table
from streams.console.screen import screen
from streams.console.text import visible
from streams.errors import BrokerError, RecordError, UsageError
from streams.files import check_inputs, read_lines
from streams.kafka import ops, redeliver, topics
from streams.notify import replayed
from streams.notify.operators import VALUES, fits_all, fits_some_key, matches
from streams.observe import set_up_logs
from streams.said import Ack, Matcher, Silence
from streams.sinks import DeliveryError, make_sinks, texts

if TYPE_CHECKING:
    import argparse
    from collections.abc import Coroutine, Iterator, Mapping, Sequence
    from typing import Any

    from streams.notify import Notification
    from streams.settings import Settings

_NAMED_MAX = 20
"""Values that an error names; of more it shows none."""
_MATCHERS_CHARS = 120


def _settings(args: argparse.Namespace, environ: Mapping[str, str]) -> Settings:
    return settings_module.load_for_kafka(args.config, environ, args.bootstrap)


# -- notify ----------------------------------------------------------------------------------------


def notify(args: argparse.Namespace, environ: Mapping[str, str]) -> None:
    """Deliver alerts as they come, or those of a replay."""
    settings = _settings(args, environ)
    if args.deliver and args.alerts is None:
        raise UsageError("--deliver: say which alerts with --from; those of Kafka are delivered")
    if args.alerts is not None:
        check_inputs([], [args.config, args.alerts], {})
        _notify_from(args, settings, environ)
        return
    set_up_logs(settings.log)
    # Imported here: ack and silence need no metrics and no server, which take a tenth of a second.
    from streams.kafka.notifier import Notifier  # noqa: PLC0415

    _run_until_told(Notifier(settings, environ).run())


def console(args: argparse.Namespace, environ: Mapping[str, str]) -> None:
    """Serve the page of operations, until told to stop."""
    settings = _settings(args, environ)
    set_up_logs(settings.log)
    from streams.web import ConsoleServer  # noqa: PLC0415 - see notify

    _run_until_told(ConsoleServer(settings).run())


def _run_until_told(work: Coroutine[Any, Any, None]) -> None:
    """Run until SIGTERM or Ctrl-C, and let go of everything in order."""

    async def run() -> None:
        task = asyncio.ensure_future(work)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, task.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await task

    asyncio.run(run())


def _notify_from(args: argparse.Namespace, settings: Settings, environ: Mapping[str, str]) -> None:
    """Show what the routes would be told of a file of alerts; deliver it if asked to."""
    settings_module.require_routes(settings.notify)
    lines = enumerate(read_lines(args.alerts), 1)
    numbered = [(number, line) for number, line in lines if line.strip()]
    found, unreadable = replayed(settings.notify, numbered, settings.alerts.source)
    if numbered and unreadable == len(numbered):
        raise UsageError(
            f"{args.alerts}: none of its {unreadable:,} lines is an alert; give what replay --out "
            "has written"
        )
    if unreadable:
        sys.stderr.write(f"{args.alerts}: {unreadable:,} lines are no alerts, and are left out\n")
    if not args.deliver:
        for one in found:
            over = "" if one.firing else ", over"
            sys.stdout.write(f"{one.route}: {texts.title(one)} ({one.reason.value}{over})\n")
        for route in settings.notify.routes:
            if not any(one.route == route.name for one in found):
                sys.stdout.write(f"{route.name}: nothing\n")
        told = "notification" if len(found) == 1 else "notifications"
        sys.stderr.write(f"{len(found):,} {told}, none delivered: give --deliver for that\n")
        return
    asyncio.run(_deliver_all(found, settings, environ))


async def _deliver_all(
    found: Sequence[Notification], settings: Settings, environ: Mapping[str, str]
) -> None:
    """Deliver once, one after the other.

    Raises:
        BrokerError: some could not be delivered; the message says which.
    """
    sinks = make_sinks(settings.notify.routes, environ)
    failed = []
    try:
        for one in found:
            try:
                await sinks[one.route].deliver([one])
            except DeliveryError as error:
                failed.append(f"{one.route}: {one.key}: {error.reason}")
    finally:
        await asyncio.gather(*(sink.close() for sink in sinks.values()))
    sys.stdout.write(f"delivered {len(found) - len(failed):,} of {len(found):,}, as a replay\n")
    if failed:
        times = Counter(failed)
        lines = [f"{line} ({n:,} times)" if n > 1 else line for line, n in times.items()]
        raise BrokerError("\n  - ".join(("not delivered:", *lines)))


def redeliver_letters(args: argparse.Namespace, environ: Mapping[str, str]) -> None:
    """Send dead letters again, once."""
    settings = _settings(args, environ)
    settings_module.require_routes(settings.notify)
    done = asyncio.run(redeliver.redeliver(settings, environ, args.route))
    sys.stdout.write(f"delivered {done.delivered:,} of {done.found:,}\n")
    if done.unusable:
        sys.stderr.write(
            f"{done.unusable:,} dead letters are of no route that there is, or cannot be read\n"
        )
    if done.failed:
        raise BrokerError(
            "\n  - ".join(("not delivered; they stay for another time:", *done.failed))
        )


# -- acknowledgements ------------------------------------------------------------------------------


def ack(args: argparse.Namespace, environ: Mapping[str, str]) -> None:
    """Say that somebody has an incident in hand, or no longer."""
    settings = _settings(args, environ)
    finder = asyncio.run(ops.find(settings, args.incident))
    told = finder.found(topics.Topics.of(settings).alerts)
    before = asyncio.run(ops.operators(settings, _now_ms()))[0].acks.get(told.incident_id)
    withdrawn = args.command == "unack"
    if withdrawn and before is None:
        raise UsageError(f"{told.incident_id}: nobody has it in hand")
    said = Ack(told.incident_id, args.by, args.note, _now(), told.users, withdrawn)
    asyncio.run(ops.put(settings, said))
    what = "no longer acknowledged" if withdrawn else "acknowledged"
    over = "; it is over" if told.status == "closed" else ""
    instead = ""
    if before is not None and before.by != args.by:
        instead = f"; {visible(before.by)} had it in hand since {before.at}"
    sys.stdout.write(f"{told.incident_id}: {what}, by {visible(args.by)}{over}{instead}\n")
    if not withdrawn and not over:
        sys.stdout.write(f"told again when it has more than {2 * told.users:,} users\n")


# -- silences --------------------------------------------------------------------------------------


def silence(args: argparse.Namespace, environ: Mapping[str, str]) -> None:
    """Keep back what fits, for a while."""
    settings = _settings(args, environ)
    now_ms = _now_ms()
    until_ms = _until(args, now_ms)
    if not args.note.strip():
        raise UsageError("--note: say why, for whoever wonders where the alerts are")
    given = tuple(_matchers(args.matchers))
    _require_possible(given)
    said = Silence(
        silence_id=f"s-{secrets.token_hex(4)}",
        matchers=given,
        since=rfc3339(now_ms),
        until=rfc3339(until_ms),
        by=args.by,
        note=args.note,
        at=rfc3339(now_ms),
    )
    subjects = asyncio.run(ops.going_on(settings, now_ms))
    asyncio.run(ops.put(settings, said))
    kept = sum(fits_all(given, subject) for subject in subjects)
    what = visible(", ".join(map(str, given)), _MATCHERS_CHARS)
    sys.stdout.write(
        f"{said.silence_id}: {what}, until {said.until}, by {visible(said.by)}\n"
        f"keeps back {kept:,} of the {len(subjects):,} incidents and troubles that go on\n"
    )


def _until(args: argparse.Namespace, now_ms: int) -> int:
    """When a silence is to end.

    Raises:
        UsageError: it is not said, or not within thirty days.
    """
    if args.duration_ms is not None and args.until is not None:
        raise UsageError("--for and --until: one of them says how long; give one")
    if args.duration_ms is None and args.until is None:
        raise UsageError("say how long: --for 2h, or --until 2025-01-13T08:00:00Z")
    if args.duration_ms is not None:
        until_ms = now_ms + int(args.duration_ms)
    else:
        try:
            until_ms = epoch_ms(args.until)
        except RecordError:
            raise UsageError(
                f"--until {args.until}: not a time, as in 2025-01-13T08:00:00Z"
            ) from None
    if until_ms <= now_ms:
        raise UsageError(f"a silence until {rfc3339(until_ms)} would be over already")
    if until_ms > now_ms + SILENCE_MS_MAX:
        raise UsageError(
            f"a silence until {rfc3339(until_ms)} does not end within the next 30 days; what is to "
            "be quiet for good belongs into a route (notify.routes)"
        )
    return until_ms


def _matchers(given: Sequence[str]) -> Iterator[Matcher]:
    """Conditions as they are written: FIELD=PATTERN.

    Raises:
        UsageError: one is not of that form, or can fit nothing.
    """
    if len(given) > MATCHERS_MAX:
        raise UsageError(f"{len(given)} matchers; at most {MATCHERS_MAX}")
    for text in given:
        field, _, pattern = text.partition("=")
        if field not in FIELDS or not 0 < len(pattern) <= PATTERN_CHARS:
            raise UsageError(
                f"{visible(text)}: write FIELD=PATTERN, with FIELD of {', '.join(FIELDS)}, as in "
                "region=US or hashtag=tiktok*"
            )
        known = VALUES.get(field, ())
        if known and not any(matches(pattern, value) for value in known):
            those = ", ".join(known) if len(known) <= _NAMED_MAX else "an ISO 3166 code, as in US"
            raise UsageError(
                f"{visible(text)}: that fits no {field}, and would keep nothing back; it is {those}"
            )
        if field == "incident" and not fits_some_key(pattern):
            raise UsageError(
                f"{visible(text)}: no incident has this id; give all of it, or its beginning and *"
            )
        yield Matcher(field, pattern)


def _require_possible(given: Sequence[Matcher]) -> None:
    """Refuse conditions on one value that no value meets.

    Raises:
        UsageError: all of one field can fit nothing together.
    """
    for field in ("level", "severity", "type"):
        patterns = [matcher.pattern for matcher in given if matcher.field == field]
        if not any(all(matches(p, value) for p in patterns) for value in VALUES[field]):
            both = " and ".join(f"{field}={visible(pattern)}" for pattern in patterns)
            raise UsageError(f"{both}: all must fit, and nothing has two; make two silences")


def unsilence(args: argparse.Namespace, environ: Mapping[str, str]) -> None:
    """End a silence before its time."""
    settings = _settings(args, environ)
    found, _ = asyncio.run(ops.operators(settings, _now_ms()))
    known = found.silences.get(args.silence)
    if known is None:
        names = ", ".join(found.silences) or "there is none"
        raise UsageError(f"{visible(args.silence)}: no silence in force has this id: {names}")
    ended = Silence(
        known.silence_id,
        known.matchers,
        known.since,
        known.until,
        args.by,
        known.note,
        _now(),
        ended=True,
    )
    asyncio.run(ops.put(settings, ended))
    sys.stdout.write(f"{known.silence_id}: ended, by {visible(args.by)}\n")


def silences(args: argparse.Namespace, environ: Mapping[str, str]) -> None:
    """Print the silences in force."""
    settings = _settings(args, environ)
    now_ms = _now_ms()
    found, strange = asyncio.run(ops.operators(settings, now_ms))
    rows = [
        (
            one.silence_id,
            visible(", ".join(map(str, one.matchers)), _MATCHERS_CHARS),
            one.until,
            visible(one.by),
            visible(one.note, 120),
        )
        for one in found.in_force(now_ms)
    ]
    if rows:
        heads = [(name, "left") for name in ("silence", "keeps back", "until", "by", "why")]
        print_table(heads, rows, screen(environ))
    else:
        sys.stdout.write("no silence is in force\n")
    if strange:
        sys.stderr.write(f"{strange:,} records are nothing that operators say\n")


def _now() -> str:
    return rfc3339(_now_ms())


def _now_ms() -> int:
    return int(time.time()) * 1000
