"""PagerDuty, Events API v2: https://developer.pagerduty.com/docs/events-api-v2-overview."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from detectors.incident import SEVERITIES
from streams.notify import Reason
from streams.sinks import texts
from streams.sinks.http import Poster

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.notify import Notification

URL = "https://events.pagerduty.com/v2/enqueue"
SUMMARY_CHARS = 1_024
KEY_CHARS = 255
PAYLOAD_BYTES = 512 * 1_024
"""Limits of the API."""


class PagerDuty:
    """Triggers and resolves; its ``dedup_key`` is the incident's id.

    Args:
        routing_key: of the service's integration.
        url: of the events API.
    """

    batch_max = 1
    resend_s = None

    def __init__(self, routing_key: str, url: str = URL) -> None:
        self._routing_key = routing_key
        self._url = url
        self._poster = Poster("PagerDuty", routing_key)

    async def deliver(self, batch: Sequence[Notification]) -> None:
        """See ``Sink.deliver``. Reminders page nobody: they go to the other destinations."""
        for notification in batch:
            if notification.reason is Reason.REMINDER:
                continue
            event = event_of(notification, self._routing_key)
            await self._poster.post(self._url, event, {"Content-Type": "application/json"})

    async def close(self) -> None:
        """See ``Sink.close``."""
        await self._poster.close()


def event_of(notification: Notification, routing_key: str) -> bytes:
    """The event as JSON, within the limits of the API."""
    event: dict[str, Any] = {
        "routing_key": routing_key,
        "event_action": "trigger" if notification.firing else "resolve",
        "dedup_key": key_of(notification),
    }
    if notification.firing:
        event |= {
            "client": "surgewatch",
            "payload": _payload(notification),
            "links": [{"href": url, "text": name} for name, url in texts.links(notification)],
        }
        if notification.url:
            event["client_url"] = notification.url
    body = orjson.dumps(event)
    if len(body) > PAYLOAD_BYTES:
        event["payload"]["custom_details"] = {"cut": "what there is to tell is too long"}
        body = orjson.dumps(event)
    return body


def key_of(notification: Notification) -> str:
    """The key by which PagerDuty knows it again; of a replay another one."""
    prefix = "replay/" if notification.replay else ""
    return f"{prefix}{notification.key}"[:KEY_CHARS]


def _payload(notification: Notification) -> dict[str, Any]:
    alert = notification.newest.alert
    severity = str(alert.data.get("severity", "warning"))
    return {
        "summary": texts.title(notification)[:SUMMARY_CHARS],
        "source": alert.source,
        "severity": severity if severity in SEVERITIES else "warning",
        "timestamp": alert.time,
        "component": str(alert.data.get("level") or "pipeline"),
        "group": notification.route,
        "class": alert.type,
        "custom_details": {"text": texts.body(notification), "incident": notification.key},
    }
