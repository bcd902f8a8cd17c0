"""Chats and mail by the apprise library: Slack, Teams, Feishu, Lark, DingTalk, WeCom and more.

Texts are plain, and what chats would make mentions, links or styles of is taken from them: a
hashtag is written by whoever wants to.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import apprise

from streams.sinks import texts
from streams.sinks.protocol import DeliveryError
from streams.sinks.webhook import idempotency_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.notify import Notification

BATCH_MAX = 20
MESSAGE_CHARS = 6_000
HAD_MAX = 10_000
"""What was given up may stay among what a URL has: of more than these the oldest are forgotten."""
_OVER = "over"
_TYPES = {
    "critical": apprise.NotifyType.FAILURE,
    "warning": apprise.NotifyType.WARNING,
    "info": apprise.NotifyType.INFO,
    _OVER: apprise.NotifyType.SUCCESS,
}
"""What there is to tell of, the most urgent first."""


class Chat:
    """Sends one message a delivery, however many incidents are in it.

    Args:
        urls: apprise's, which say where and with which login.

    Raises:
        ValueError: one of them is none; the message does not hold it.
    """

    batch_max = BATCH_MAX
    resend_s = None

    def __init__(self, urls: Sequence[str]) -> None:
        # Apprise logs URLs, and what servers answer; what failed is told by its result.
        logging.getLogger("apprise").setLevel(logging.CRITICAL)
        asset = apprise.AppriseAsset(app_id="surgewatch", app_desc="surgewatch", app_url="")
        self._places: list[_Place] = []
        for number, url in enumerate(urls, 1):
            place = _Place(asset)
            if not place.apprise.add(url):
                raise ValueError(f"URL number {number} is none that apprise knows")
            for server in place.apprise:
                # Nobody else is given what is sent, whoever answers there.
                server.redirects = False
                if "overflow=" not in url:
                    # Otherwise a chat refuses what is longer than it takes, however often.
                    server.overflow_mode = apprise.OverflowMode.SPLIT
            self._places.append(place)

    async def deliver(self, batch: Sequence[Notification]) -> None:
        """See ``Sink.deliver``. Where one of several URLs fails, the others are not told again."""
        keys = [idempotency_key(one) for one in batch]
        await asyncio.gather(*(place.deliver(batch, keys) for place in self._places))
        failed = [n for n, place in enumerate(self._places, 1) if not place.has(keys)]
        if failed:
            which = ", ".join(map(str, failed))
            raise DeliveryError(
                f"apprise: not delivered to URL {which} of {len(self._places)}", retry=True
            )
        for place in self._places:
            place.forget(keys)

    async def close(self) -> None:
        """See ``Sink.close``: apprise keeps nothing open."""


class _Place:
    """One URL, and what it has of what another one does not have yet.

    What is due takes turns: what was tried in another batch is not forgotten with that.
    """

    def __init__(self, asset: apprise.AppriseAsset) -> None:
        self.apprise = apprise.Apprise(asset=asset)
        self._had: dict[str, None] = {}

    async def deliver(self, batch: Sequence[Notification], keys: Sequence[str]) -> None:
        """Send what it does not have."""
        rest = [one for one, key in zip(batch, keys, strict=True) if key not in self._had]
        if not rest:
            return
        title, body = message(rest)
        told = await self.apprise.async_notify(
            title=title,
            body=body,
            notify_type=_type(rest),
            body_format=apprise.NotifyFormat.TEXT,
            interpret_escapes=False,
        )
        if told:
            self.remember(keys)

    def remember(self, keys: Sequence[str]) -> None:
        """It has these."""
        self._had |= dict.fromkeys(keys)
        for key in list(self._had)[:-HAD_MAX]:
            del self._had[key]

    def has(self, keys: Sequence[str]) -> bool:
        """Has it all of these?"""
        return all(key in self._had for key in keys)

    def forget(self, keys: Sequence[str]) -> None:
        """All URLs have these: what is told anew is told."""
        for key in keys:
            self._had.pop(key, None)


def message(batch: Sequence[Notification]) -> tuple[str, str]:
    """Title and body of one message about all of them, the most urgent first."""
    batch = sorted(batch, key=_urgency)
    first = texts.title(batch[0])
    title = first if len(batch) == 1 else f"{_counted(batch)}; first: {first}"
    parts: list[str] = []
    room = MESSAGE_CHARS
    for number, notification in enumerate(batch):
        head = [] if len(batch) == 1 else [harmless_line(texts.title(notification))]
        links = [f"{name}: {url}" for name, url in texts.links(notification)]
        said = texts.harmless(texts.facts(notification))
        part = "\n".join([*head, said, *texts.commands(notification), *links])
        if number and len(part) > room:
            parts.append(f"and {len(batch) - number} more")
            break
        parts.append(part)
        room -= len(part)
    return harmless_line(title), "\n\n".join(parts)


def harmless_line(text: str) -> str:
    """One line, harmless."""
    return texts.harmless(" ".join(text.split()))


def _word(one: Notification) -> str:
    """Of what goes on its severity, else that it is over."""
    word = one.newest.alert.data.get("severity", "warning") if one.firing else _OVER
    return word if word in _TYPES else "warning"


def _urgency(one: Notification) -> int:
    return list(_TYPES).index(_word(one))


def _counted(batch: Sequence[Notification]) -> str:
    """How many there are of each kind, the most urgent first."""
    words = [_word(one) for one in batch]
    counts = [f"{words.count(word)} {word}" for word in _TYPES if word in words]
    return f"{len(batch)} alerts: {', '.join(counts)}"


def _type(batch: Sequence[Notification]) -> apprise.NotifyType:
    return _TYPES[_word(min(batch, key=_urgency))]
