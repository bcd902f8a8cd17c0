"""CloudEvents over HTTP, signed: whoever has the key knows that they are ours, and of when."""

from __future__ import annotations

import hashlib
import hmac
import time
from typing import TYPE_CHECKING

from streams.notify import Reason
from streams.sinks.http import Poster

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streams.notify import Notification

SIGNATURE = "X-Surgewatch-Signature"
BATCH_TYPE = "application/cloudevents-batch+json; charset=utf-8"
"""CloudEvents 1.0, HTTP protocol binding, batched content mode."""


class Webhook:
    """One request a notification: the alerts that the route was not told, oldest first.

    Args:
        url: where to.
        key: what signs.
        clock: seconds since 1970, for the signature.
    """

    batch_max = 1
    resend_s = None

    def __init__(self, url: str, key: bytes, clock: Callable[[], float] = time.time) -> None:
        self._url = url
        self._key = key
        self._clock = clock
        self._poster = Poster("webhook", key.decode("utf-8", "replace"))

    async def deliver(self, batch: Sequence[Notification]) -> None:
        """See ``Sink.deliver``."""
        for notification in batch:
            body = b"[" + b",".join(event.raw for event in notification.events) + b"]"
            headers = {
                "Content-Type": BATCH_TYPE,
                SIGNATURE: signature(self._key, int(self._clock()), body),
                "X-Surgewatch-Route": notification.route,
                "X-Surgewatch-Reason": notification.reason.value,
                "X-Surgewatch-Replay": "true" if notification.replay else "false",
                # The same for the same news, however often it is sent.
                "Idempotency-Key": idempotency_key(notification),
            }
            await self._poster.post(self._url, body, headers)

    async def close(self) -> None:
        """See ``Sink.close``."""
        await self._poster.close()


def signature(key: bytes, at: int, body: bytes) -> str:
    """The header's value: time, and HMAC-SHA256 over the time, a dot, and the body.

    >>> signature(b"secret", 1736728800, b"[]")[:17]
    't=1736728800,v1=d'
    """
    digest = hmac.new(key, f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def idempotency_key(notification: Notification) -> str:
    """Names what is told: route, reason, and the newest alert; digits and letters only.

    What is said once more on purpose is named after what was said before it, too: another time it
    has another key.
    """
    parts = [notification.route, notification.reason.value, notification.newest.alert.id]
    if notification.reason is Reason.REMINDER:
        # Its id is of the attempt.
        parts[2] = notification.key
    if notification.reason in (Reason.REPEATED, Reason.REMINDER):
        parts.append("" if notification.told is None else str(notification.told.at_ms))
    if notification.replay:
        parts.append("replay")
    told = "\n".join(parts)
    return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:32]
