"""The command line of operators: notify, acknowledge, silence."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from streams.arguments import duration, words
from streams.cli_parts import add_by, add_kafka, add_said, login

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping

TEXT_MAX = 1_000
"""Characters of a matcher; how many a pattern may have, is told with what a matcher is."""


def _with_ops(name: str) -> Callable[[argparse.Namespace, Mapping[str, str]], None]:
    """A command of ``commands_ops``, whose clients take a second to import."""

    def run(args: argparse.Namespace, environ: Mapping[str, str]) -> None:
        from streams import commands_ops  # noqa: PLC0415 - see above

        if "by" in args:
            args.by = args.by or login()
        getattr(commands_ops, name)(args, environ)

    return run


def add_operators(sub: Any) -> None:
    """Who is told, and who has what in hand."""
    notify = sub.add_parser("notify", help="deliver alerts to pagers, chats and webhooks")
    notify.description = (
        "Delivers the alerts of Kafka to the routes of the configuration, until told to stop. With "
        "--from it shows what they would be told of recorded alerts; with --deliver it tells them."
    )
    notify.add_argument(
        "--from", dest="alerts", type=Path, metavar="ALERTS.jsonl", help="alerts of a replay"
    )
    notify.add_argument("--deliver", action="store_true", help="deliver those, marked as a replay")
    add_kafka(notify)
    notify.set_defaults(run=_with_ops("notify"))
    again = sub.add_parser("redeliver", help="send again what could not be delivered")
    again.add_argument("--route", metavar="NAME", help="of one route only")
    add_kafka(again)
    again.set_defaults(run=_with_ops("redeliver_letters"))
    console = sub.add_parser("console", help="serve a page of what goes on")
    add_kafka(console)
    console.set_defaults(run=_with_ops("console"))
    for name, text in (
        ("ack", "say that you have an incident in hand"),
        ("unack", "say that nobody has it in hand any more"),
    ):
        parser = sub.add_parser(name, help=text)
        parser.add_argument("incident", metavar="INCIDENT_ID", help="as in its alerts: in-…")
        add_said(parser, "why, or what you do")
        add_kafka(parser)
        parser.set_defaults(run=_with_ops("ack"))


def add_silences(sub: Any) -> None:
    """What is to be quiet."""
    silence = sub.add_parser("silence", help="keep notifications back for a while")
    silence.add_argument(
        "matchers",
        type=words(TEXT_MAX),
        nargs="+",
        metavar="FIELD=PATTERN",
        help="region=US, hashtag=tiktok*, level=pair, severity=warning, incident=in-…, type=…; all "
        "must fit",
    )
    silence.add_argument("--for", dest="duration_ms", type=duration, metavar="2h", help="how long")
    silence.add_argument("--until", metavar="TIME", help="or until when, RFC 3339")
    add_said(silence, "why", required=True)
    add_kafka(silence)
    silence.set_defaults(run=_with_ops("silence"))
    end = sub.add_parser("unsilence", help="end a silence")
    end.add_argument("silence", metavar="SILENCE_ID", help="as silences prints it: s-…")
    add_by(end)
    add_kafka(end)
    end.set_defaults(run=_with_ops("unsilence"))
    listed = sub.add_parser("silences", help="print the silences in force")
    add_kafka(listed)
    listed.set_defaults(run=_with_ops("silences"))
