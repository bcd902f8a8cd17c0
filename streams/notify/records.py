"""What is delivered, and what is remembered of deliveries."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from streams.events import Alert  # noqa: TC001 - msgspec reads it from here


class Reason(StrEnum):
    """Why somebody is told."""

    OPENED = "opened"
    UPDATED = "updated"
    CLOSED = "closed"
    REPEATED = "repeated"
    """Nothing is new, but it still goes on."""
    GREW = "grew"
    """It was acknowledged, and has more than doubled since."""
    RELEASED = "released"
    """A silence or quiet hours kept it back, and have ended."""
    PIPELINE = "pipeline"
    """Not an incident: something is wrong with the data or with us."""
    REMINDER = "reminder"
    """A silence that somebody may have forgotten."""


class Outcome(StrEnum):
    """What became of a notification."""

    DELIVERED = "delivered"
    DEAD = "dead"
    """It could not be delivered, and is on the topic of dead letters."""


class Event(msgspec.Struct, frozen=True):
    """An alert as it stands on its topic.

    Attributes:
        alert: decoded.
        raw: its bytes, a CloudEvents 1.0 JSON object.
        offset: its place in the topic; line number from 0 in a file.
    """

    alert: Alert
    raw: bytes
    offset: int


class Told(msgspec.Struct, frozen=True):
    """What a route has been told last of one incident; the newest stays on a compacted topic.

    Attributes:
        route: its name.
        key: see ``Notification``.
        offset: of the newest alert that was told.
        firing: was it told to go on?
        severity: as told.
        users: as told.
        at_ms: when, by the clock of the notifier.
        outcome: what became of it.
    """

    route: str
    key: str
    offset: int
    firing: bool
    severity: str
    users: float
    at_ms: int
    outcome: Outcome


class Notification(msgspec.Struct, frozen=True):
    """What one destination is told of one incident, or of one trouble of the pipeline.

    Attributes:
        route: name of the route.
        key: by which the destination knows it again: the incident's id, or the pipeline alert's.
        firing: does it go on? False when it is over.
        reason: why it is told now.
        events: the alerts that this route has not been told, oldest first; when there is none of
            these, the newest. Never empty.
        opened: the first alert that is known of it.
        told: what this route was told of it last, None for nothing or for nobody knows.
        runbook: link of the route, "" for none.
        url: where the console shows it, "" for none.
        replay: it is not happening now: a recorded log was asked to be delivered.
    """

    route: str
    key: str
    firing: bool
    reason: Reason
    events: tuple[Event, ...]
    opened: Event
    told: Told | None = None
    runbook: str = ""
    url: str = ""
    replay: bool = False

    @property
    def newest(self) -> Event:
        """The latest that is known of it."""
        return self.events[-1]
