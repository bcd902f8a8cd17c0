"""What people read: a line that says what it is, and a body to act on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from streams.codec.labels import INCIDENT_ID
from streams.console import phrases, reasons
from streams.console.text import visible
from streams.notify import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.notify import Notification

TITLE_CHARS = 200
BODY_CHARS = 3_500
_COMMANDS_CHARS = 200
"""Chats cut what is much longer, each elsewhere."""

_LISTED = 5
_TO_DO = {
    "gap": "Look at the source of the posts.",
    "stalled": "Is its worker alive? Do its posts carry their time?",
    "lag": "Are all workers there, and none of them slow? Else add workers.",
    "rejects": "The rejects topic has them with the reason: has the source changed its format?",
    "clock": "Look at the clock of the source, and at its unit of time; event time has not moved.",
    "capped": "Look for a flood of junk tags; or limits.* are too low.",
    "detector": "Another detector or other parameters; the others go on.",
}
"""What somebody who is told of a trouble of the pipeline does first."""
_WHY = {
    Reason.REPEATED: "It still goes on.",
    Reason.GREW: "It was acknowledged, and has more than doubled since.",
    Reason.RELEASED: "A silence or quiet hours kept it back; it still goes on.",
}


def title(notification: Notification) -> str:
    """One line: severity, what, where, how large."""
    try:
        text = _title(notification)
    except phrases.STRANGE:
        text = f"{notification.newest.alert.type} {notification.newest.alert.subject}"
    mark = "[REPLAY] " if notification.replay else ""
    return visible(f"{mark}{text}", TITLE_CHARS)


def _title(notification: Notification) -> str:
    data = notification.newest.alert.data
    if notification.reason is Reason.REMINDER:
        return f"Silence {visible(notification.key.partition('/')[2])} still holds"
    if "incident_id" not in data:
        what = _kind(notification).upper()
        over = "" if notification.firing else "over: "
        return f"PIPELINE {what}: {over}{phrases.disturbance(data)}"
    if notification.firing:
        return f"{str(data['severity']).upper()}: {phrases.cause(data)}, {_users(data)}"
    return f"OVER: {phrases.cause(data)}, {_users(data)} in all"


def _users(data: phrases.Data) -> str:
    return f"{phrases.people(data['users'])} foreign users"


def body(notification: Notification) -> str:
    """What there is to know and to do, a line each; links are not among it."""
    return "\n".join([facts(notification), *commands(notification)])


def facts(notification: Notification) -> str:
    """What there is to know, a line each; most of it was written by strangers."""
    lines = []
    if notification.replay:
        lines.append("REPLAY of a recorded log: this is not happening now.")
    if notification.reason in _WHY:
        lines.append(_WHY[notification.reason])
    try:
        lines += _lines(notification)
    except phrases.STRANGE:
        lines.append(f"It cannot be shown in words; its key is {visible(notification.key, 200)}")
    return "\n".join(lines)[: BODY_CHARS - _COMMANDS_CHARS]


def commands(notification: Notification) -> list[str]:
    """What to run, to be copied: nothing in it was written by a stranger."""
    name = notification.key
    if not re.fullmatch(INCIDENT_ID, name):
        return []
    ack = [f"In hand? surgewatch ack {name}"]
    return [
        *(ack if notification.firing and not notification.replay else []),
        f"Explained: surgewatch alerts --json | surgewatch explain - {name}",
    ]


def links(notification: Notification) -> list[tuple[str, str]]:
    """Where to go on: name and URL, both of the configuration."""
    pairs = [("Run-book", notification.runbook), ("Console", notification.url)]
    return [(name, url) for name, url in pairs if url]


def _lines(notification: Notification) -> Iterator[str]:
    data = notification.newest.alert.data
    if notification.reason is Reason.REMINDER:
        yield f"Silenced: {visible(', '.join(map(str, data['matchers'])), 300)}"
        yield f"By {visible(str(data['by']))}, because: {visible(str(data['note']), 300)}"
        yield f"From {phrases.moment(data['from'])} until {phrases.moment(data['until'])} UTC"
        yield f"To end it: surgewatch unsilence {visible(notification.key.partition('/')[2])}"
    elif "incident_id" in data:
        yield from _incident(data, notification.newest.alert.time)
    else:
        until = f" until {phrases.moment(data['until'])}" if data.get("until") else ""
        yield f"Since {phrases.moment(data['from'])}{until} UTC"
        if notification.firing and (to_do := _TO_DO.get(_kind(notification))):
            yield f"To do: {to_do}"
        for name, value in sorted(data.get("details", {}).items()):
            shown = phrases.count(value) if isinstance(value, int | float) else str(value)
            yield f"{visible(str(name)).replace('_', ' ')}: {visible(shown, 200)}"


def _kind(notification: Notification) -> str:
    return phrases.kind({"type": notification.newest.alert.type})


def _incident(data: phrases.Data, at: str) -> Iterator[str]:
    since = phrases.moment(data["onset_at"])
    if data.get("closed_at"):
        yield f"{_users(data)} from {since} to {phrases.moment(data['closed_at'])} UTC"
    else:
        yield f"{phrases.window(data)}; {_users(data)} since {since} UTC"
        # A repeat may come long after, and figures of then would pass for those of now.
        yield f"As of {phrases.moment(at)} UTC, its latest alert"
    if data["regions"]:
        yield f"From: {phrases.ranking(data['regions'], 'region', most=_LISTED)}"
    if data["hashtags"]:
        yield f"Tags: {phrases.hashtags(data)}"
    if data["languages"]:
        yield f"Languages: {phrases.ranking(data['languages'], 'language', most=_LISTED)}"
    growth = phrases.growth(data)
    if growth:
        yield f"Growth: {growth}"
    ahead = reasons.forecast(data)
    if ahead:
        yield f"Forecast: {ahead}"
    yield f"Newcomers: {phrases.newcomers(data)}"
    if phrases.is_concentrated(data):
        yield f"Who: {reasons.concentration(data)}"
    for reservation in phrases.reservations(data):
        yield f"Mind: {reservation}"
    yield f"Incident: {data['incident_id']}"


_PLAIN = str.maketrans(
    {
        "@": "＠",
        "<": "‹",
        ">": "›",
        "`": "ˋ",
        "*": "∗",
        "_": "＿",
        "~": "∼",
        "[": "［",
        "]": "］",
        "|": "｜",
        "\\": "＼",
    }
)


_HOST_DOT = re.compile(r"(?<=\w)\.(?=[^\W\d])")
"""Chats make a link of whatever looks like the name of a host, without being asked."""


def harmless(text: str) -> str:
    """Take from a text what chats make mentions, links and styles of; it still reads the same.

    A hashtag may hold any of it, and every chat has its own rules of escaping.

    >>> harmless("<!channel> @here *now* http://x evil.example, 2.5 h")
    '‹!channel› ＠here ∗now∗ http:∕∕x evil․example, 2.5 h'
    """
    return _HOST_DOT.sub("․", text.translate(_PLAIN).replace("://", ":∕∕"))
