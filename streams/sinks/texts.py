"""What people read: a line that says what it is, and a body to act on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from streams.console import phrases, reasons
from streams.console.text import visible
from streams.notify import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.notify import Notification

TITLE_CHARS = 200
BODY_CHARS = 3_500
"""Chats cut what is much longer, each elsewhere."""

_LISTED = 5
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
        what = phrases.kind({"type": notification.newest.alert.type}).upper()
        over = "" if notification.firing else "over: "
        return f"PIPELINE {what}: {over}{phrases.disturbance(data)}"
    if notification.firing:
        return f"{str(data['severity']).upper()}: {phrases.cause(data)}, {_users(data)}"
    return f"OVER: {phrases.cause(data)}, {_users(data)} in all"


def _users(data: phrases.Data) -> str:
    return f"{phrases.people(data['users'])} foreign users"


def body(notification: Notification) -> str:
    """What there is to know, a line each; links are not among it."""
    lines = []
    if notification.replay:
        lines.append("REPLAY of a recorded log: this is not happening now.")
    if notification.reason in _WHY:
        lines.append(_WHY[notification.reason])
    try:
        lines += _lines(notification)
    except phrases.STRANGE:
        lines.append(f"It cannot be shown in words; its key is {visible(notification.key, 200)}")
    return "\n".join(lines)[:BODY_CHARS]


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
        yield from _incident(data)
        name = visible(str(data["incident_id"]))
        if notification.firing and not notification.replay:
            yield f"In hand? surgewatch ack {name}"
        yield f"Explained: surgewatch alerts --json, piped into surgewatch explain - {name}"
    else:
        yield visible(str(data.get("summary", "")), 300)
        until = f" until {phrases.moment(data['until'])}" if data.get("until") else ""
        yield f"Since {phrases.moment(data['from'])}{until} UTC"
        for name, value in sorted(data.get("details", {}).items()):
            yield f"{visible(str(name))}: {visible(str(value), 200)}"


def _incident(data: phrases.Data) -> Iterator[str]:
    yield f"{phrases.window(data)}; {_users(data)} since {phrases.moment(data['onset_at'])} UTC"
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
    if data.get("closed_at"):
        yield f"Over since {phrases.moment(data['closed_at'])} UTC"
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
