"""Prometheus Alertmanager, API v2.

To Alertmanager an alert is its labels: with another label it is another alert. So labels are what
was so when the incident opened, and what changes later stands in annotations. The severity has to
be a label, since routes and inhibitions go by it: when it changes, the alert of the severity that
was told before is told to have ended. One that never fired is not: receivers would be shown it.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson

from detectors.incident import SEVERITIES
from streams.console.phrases import epoch_ms
from streams.notify import Reason
from streams.sinks import texts
from streams.sinks.http import Poster

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from streams.notify import Notification

PATH = "/api/v2/alerts"
BATCH_MAX = 50
RESEND_S = 60.0
"""An Alertmanager that was started anew knows nothing of what fires until it is told."""
FIRES_FOR_S = 1_800.0
"""What is not sent again for so long is over for Alertmanager: longer than we take to come back."""
LABEL_CHARS = 200
ANNOTATION_CHARS = 4_000


class Alertmanager:
    """Fires and resolves alerts.

    Args:
        url: base URL, without ``/api``.
        clock: seconds since 1970.
    """

    batch_max = BATCH_MAX
    resend_s = RESEND_S

    def __init__(self, url: str, clock: Callable[[], float] = time.time) -> None:
        self._url = url.rstrip("/") + PATH
        self._clock = clock
        self._poster = Poster("Alertmanager")

    async def deliver(self, batch: Sequence[Notification]) -> None:
        """See ``Sink.deliver``."""
        now = self._clock()
        alerts = [alert for notification in batch for alert in alerts_of(notification, now)]
        headers = {"Content-Type": "application/json"}
        await self._poster.post(self._url, orjson.dumps(alerts), headers)

    async def close(self) -> None:
        """See ``Sink.close``."""
        await self._poster.close()


def alerts_of(notification: Notification, now: float) -> list[dict[str, Any]]:
    """What Alertmanager is told of one incident: an alert a severity, of which one may fire."""
    data = notification.newest.alert.data
    if notification.reason is Reason.REMINDER:
        labels = {"alertname": "SurgewatchSilence", "severity": "info"}
        return [_alert(notification, _common(notification) | labels, now, firing=True)]
    if "incident_id" not in data:
        return [_alert(notification, _pipeline_labels(notification), now, notification.firing)]
    return [
        _alert(
            notification,
            _incident_labels(notification) | {"severity": severity},
            now,
            notification.firing and severity == _severity(data),
        )
        for severity in _severities(notification)
    ]


def _severities(notification: Notification) -> list[str]:
    """The one it has, and those that may fire there since something was told before."""
    current = _severity(notification.newest.alert.data)
    if notification.told is None and not notification.firing:
        earlier = set(SEVERITIES)
    else:
        # A notifier that died may have told of any of these, and not have written it down.
        earlier = {_severity(event.alert.data) for event in notification.events}
    if notification.told is not None:
        earlier.add(notification.told.severity)
    return [current, *(s for s in SEVERITIES if s in earlier and s != current)]


def _severity(data: Mapping[str, Any]) -> str:
    return str(data.get("severity", "warning"))


def _alert(
    notification: Notification, labels: dict[str, str], now: float, firing: bool
) -> dict[str, Any]:
    data = notification.newest.alert.data
    annotations = {
        "summary": texts.title(notification),
        "description": texts.body(notification),
        "cause": str(notification.newest.alert.subject),
        "users": str(data.get("users", "")),
        "runbook_url": notification.runbook,
    }
    return {
        "labels": {name: _cut(value, LABEL_CHARS) for name, value in labels.items() if value},
        "annotations": {
            name: _cut(value, ANNOTATION_CHARS) for name, value in annotations.items() if value
        },
        "startsAt": _rfc3339(_began(notification, now)),
        "endsAt": _rfc3339(now + FIRES_FOR_S) if firing else _rfc3339(now),
        "generatorURL": notification.url,
    }


def _began(notification: Notification, now: float) -> float:
    """When it began, but not after now: what ends before it begins is refused for good.

    Event time may be ahead of our clock, and a later version may write it otherwise.
    """
    opened = notification.opened.alert
    for said in (opened.data.get("onset_at"), opened.data.get("from"), opened.time):
        try:
            return min(epoch_ms(str(said)) / 1000, now)
        except ValueError:
            continue
    return now


def _incident_labels(notification: Notification) -> dict[str, str]:
    data = notification.opened.alert.data
    return _common(notification) | {
        "alertname": "SurgewatchIncident",
        "level": str(data.get("level") or ""),
        "region": str(data.get("region") or ""),
        "hashtag": str(data.get("hashtag") or ""),
    }


def _pipeline_labels(notification: Notification) -> dict[str, str]:
    kind = notification.newest.alert.type.split(".")[2:3]
    return _common(notification) | {
        "alertname": "SurgewatchPipeline",
        "kind": "".join(kind),
        "severity": "warning",
    }


def _common(notification: Notification) -> dict[str, str]:
    return {
        "incident": notification.key,
        "route": notification.route,
        "source": notification.newest.alert.source,
        "replay": "true" if notification.replay else "",
    }


def _cut(value: str, most: int) -> str:
    """A value that Alertmanager takes: UTF-8 without NUL, not too long."""
    text = value.encode("utf-8", "replace").decode().replace("\x00", "�")
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _rfc3339(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
