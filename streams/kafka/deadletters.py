"""What could not be delivered: kept with the reason, in the headers of Kafka Connect (KIP-298)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from streams.codec import decode_alert
from streams.errors import RecordError
from streams.notify import Event, Notification, Reason
from streams.notify.book import REMINDER
from streams.notify.subjects import PIPELINE, subject_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from streams.events import Alert
    from streams.kafka.frames import Headers
    from streams.notify.subjects import Subject
    from streams.settings import Route

_PREFIX = "__connect.errors."
ROUTE = f"{_PREFIX}connector.name"
KEY = "surgewatch.key"
REASON = f"{_PREFIX}exception.message"


class Letter(NamedTuple):
    """One alert that could not be delivered to one route."""

    key: bytes
    value: bytes
    headers: Headers


def letters(notification: Notification, reason: str, topic: str) -> Iterator[Letter]:
    """A letter for each alert of a notification.

    Args:
        notification: what could not be delivered.
        reason: why.
        topic: where its alerts are.
    """
    for event in notification.events:
        headers = {
            f"{_PREFIX}topic": topic,
            f"{_PREFIX}partition": "0",
            f"{_PREFIX}offset": str(event.offset),
            ROUTE: notification.route,
            f"{_PREFIX}task.id": "0",
            f"{_PREFIX}stage": "TASK_PUT",
            f"{_PREFIX}class.name": "surgewatch.notify",
            f"{_PREFIX}exception.class.name": "DeliveryError",
            REASON: reason,
            KEY: notification.key,
        }
        yield Letter(
            f"{notification.route}/{notification.key}".encode(),
            event.raw,
            tuple((name, value.encode("utf-8", "replace")) for name, value in headers.items()),
        )


def notifications(records: Sequence[Any], route: Route) -> tuple[list[Notification], int]:
    """Letters of a route read back, one notification for each incident.

    Args:
        records: of the topic, in order.
        route: to which they were to go.

    Returns:
        What is to be delivered, oldest first, and how many records could not be used.
    """
    events: dict[str, list[Event]] = {}
    unusable = 0
    for record in records:
        key = dict(record.headers).get(KEY, b"").decode("utf-8", "replace")
        try:
            alert = decode_alert(record.value or b"")
        except RecordError:
            unusable += 1
            continue
        if not key:
            unusable += 1
            continue
        events.setdefault(key, []).append(Event(alert, record.value, record.offset))
    found = []
    for key, theirs in events.items():
        firing = _is_firing(theirs[-1])
        found.append(
            Notification(
                route=route.name,
                key=key,
                firing=firing,
                reason=_reason(theirs[-1].alert, firing=firing),
                events=tuple(theirs),
                opened=theirs[0],
                runbook=route.runbook,
            )
        )
    return found, unusable


def as_it_is_now(one: Notification, newest: Event | None) -> Notification:
    """The same, with what has come of it since: nobody is to be paged for what is over.

    Args:
        one: read back from letters.
        newest: the newest alert of it, None where none is known.
    """
    if newest is None or not one.firing or newest.alert.id == one.newest.alert.id:
        return one
    now = msgspec.structs.replace(one, events=(*one.events, newest))
    if _is_firing(newest):
        return now
    return msgspec.structs.replace(now, firing=False, reason=Reason.CLOSED)


def _reason(alert: Alert, *, firing: bool) -> Reason:
    """Why it was told, as far as its type says it."""
    if alert.type == REMINDER:
        return Reason.REMINDER
    if not firing:
        return Reason.CLOSED
    return Reason.PIPELINE if alert.type.startswith(PIPELINE) else Reason.OPENED


def subject_in(raw: bytes, offset: int) -> Subject | None:
    """What an alert tells of; None where it tells of nothing that anybody is told, or is none."""
    try:
        return subject_of(decode_alert(raw), raw, offset, 0)
    except RecordError:
        return None


def _is_firing(event: Event) -> bool:
    subject = subject_in(event.raw, event.offset)
    return subject is None or subject.firing
