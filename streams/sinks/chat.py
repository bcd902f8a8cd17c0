"""Chats and mail by the apprise library: Slack, Teams, Feishu, Lark, DingTalk, WeCom and more.

Texts are plain, and what chats would make mentions, links or styles of is taken from them: a
hashtag is written by whoever wants to.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import apprise

from streams.sinks import texts
from streams.sinks.protocol import DeliveryError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.notify import Notification

BATCH_MAX = 20
MESSAGE_CHARS = 6_000
_TYPES = {
    "critical": apprise.NotifyType.FAILURE,
    "warning": apprise.NotifyType.WARNING,
    "info": apprise.NotifyType.INFO,
}


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
        self._apprise = apprise.Apprise(asset=asset)
        for number, url in enumerate(urls, 1):
            if not self._apprise.add(url):
                raise ValueError(f"URL number {number} is none that apprise knows")

    async def deliver(self, batch: Sequence[Notification]) -> None:
        """See ``Sink.deliver``. Where one of several URLs fails, all are told again."""
        title, body = message(batch)
        told = await self._apprise.async_notify(
            title=title,
            body=body,
            notify_type=_type(batch),
            body_format=apprise.NotifyFormat.TEXT,
            interpret_escapes=False,
        )
        if not told:
            raise DeliveryError("apprise: not delivered to every URL", retry=True)

    async def close(self) -> None:
        """See ``Sink.close``: apprise keeps nothing open."""


def message(batch: Sequence[Notification]) -> tuple[str, str]:
    """Title and body of one message about all of them."""
    first = texts.title(batch[0])
    title = first if len(batch) == 1 else f"{len(batch)} alerts, first: {first}"
    parts: list[str] = []
    room = MESSAGE_CHARS
    for number, notification in enumerate(batch):
        head = [] if len(batch) == 1 else [harmless_line(texts.title(notification))]
        links = [f"{name}: {url}" for name, url in texts.links(notification)]
        part = "\n".join([*head, texts.harmless(texts.body(notification)), *links])
        if number and len(part) > room:
            parts.append(f"and {len(batch) - number} more")
            break
        parts.append(part)
        room -= len(part)
    return harmless_line(title), "\n\n".join(parts)


def harmless_line(text: str) -> str:
    """One line, harmless."""
    return texts.harmless(" ".join(text.split()))


def _type(batch: Sequence[Notification]) -> apprise.NotifyType:
    firing = [one.newest.alert.data.get("severity", "warning") for one in batch if one.firing]
    for severity, kind in _TYPES.items():
        if severity in firing:
            return kind
    return apprise.NotifyType.SUCCESS
