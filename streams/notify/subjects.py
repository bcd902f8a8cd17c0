"""What there is to tell of: incidents and troubles of the pipeline, folded from their alerts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta

from detectors.crowd import OTHER
from streams.codec import epoch_ms
from streams.codec.labels import CONFIRMED, IncidentId
from streams.errors import RecordError
from streams.notify.records import Event

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streams.events import Alert

PEAKED = "surgewatch.incident.peaked.v1"
PIPELINE = "surgewatch.pipeline."
LASTING = frozenset({"gap", "stalled", "lag", "rejects", "clock"})
"""Troubles of the pipeline whose end is told."""
TOLD_ONCE = frozenset({"capped", "detector"})
"""Those that have no end."""
EVENTS_MAX = 50
"""Alerts kept of one subject; of more the first and the latest stay."""


class _Named(msgspec.Struct):
    """A region or hashtag of an incident."""

    region: str | None = None
    hashtag: str | None = None


class _Incident(msgspec.Struct):
    """What is needed of an incident's ``data``."""

    incident_id: IncidentId
    status: Literal["open", "peaked", "closed"]
    severity: Literal["info", "warning", "critical"]
    level: Literal["all", "region", "hashtag", "pair"]
    users: Annotated[float, Meta(ge=0)]
    region: str | None = None
    hashtag: str | None = None
    regions: list[_Named] = []
    hashtags: list[_Named] = []


class _Trouble(msgspec.Struct):
    """What is needed of a pipeline alert's ``data``."""

    status: Literal["open", "closed"]
    since: str = msgspec.field(name="from")
    details: dict[str, float | str] = {}


@dataclass(slots=True)
class Subject:
    """An incident, or a trouble of the pipeline, as it is now.

    Attributes:
        key: by which destinations know it.
        pipeline: is it a trouble of the pipeline?
        firing: does it go on?
        lasting: will its end be told?
        severity: of ``info``, ``warning``, ``critical``; a trouble of the pipeline is a warning.
        users: distinct since onset; 0 of the pipeline's.
        level: of the cause; "" of the pipeline's.
        regions: all that it names.
        hashtags: likewise.
        seen_ms: when the notifier first saw it.
        newest_ms: event time of its newest alert.
        events: its alerts, oldest first.
    """

    key: str
    pipeline: bool
    firing: bool
    lasting: bool
    severity: str
    users: float
    level: str
    regions: frozenset[str]
    hashtags: frozenset[str]
    seen_ms: int
    newest_ms: int
    events: list[Event] = field(default_factory=list)

    @property
    def newest(self) -> Event:
        """Its newest alert."""
        return self.events[-1]

    def since(self, offset: int) -> tuple[Event, ...]:
        """Its alerts after ``offset``; where there is none, the newest."""
        return tuple(e for e in self.events if e.offset > offset) or (self.newest,)

    def at(self, offset: int) -> Event:
        """Its newest alert at ``offset`` or before; the first where none is kept."""
        known = [event for event in self.events if event.offset <= offset]
        return known[-1] if known else self.events[0]

    def follow(self, later: Subject) -> None:
        """Take in a later alert of the same subject; one that is known already changes nothing."""
        if later.newest.offset <= self.newest.offset:
            return
        self.firing, self.severity, self.users = later.firing, later.severity, later.users
        self.level, self.newest_ms = later.level, later.newest_ms
        self.regions |= later.regions
        self.hashtags |= later.hashtags
        self.events.append(later.newest)
        if len(self.events) > EVENTS_MAX:
            del self.events[1]


def subject_of(alert: Alert, raw: bytes, offset: int, now_ms: int) -> Subject | None:
    """What an alert tells of; None if it is of no kind that anybody is told.

    Raises:
        RecordError: its data are not as its type promises.
    """
    event = Event(alert, raw, offset)
    try:
        # A promise and a follow-up page nobody.
        if alert.type in CONFIRMED:
            return _incident(event, now_ms)
        if alert.type.startswith(PIPELINE):
            return _trouble(event, now_ms)
    except msgspec.ValidationError as error:
        raise RecordError("wrong_type", str(error)) from None
    return None


def _incident(event: Event, now_ms: int) -> Subject:
    data = msgspec.convert(event.alert.data, _Incident)
    regions = {data.region, *(named.region for named in data.regions)} - {None, OTHER}
    hashtags = {data.hashtag, *(named.hashtag for named in data.hashtags)} - {None, OTHER}
    return Subject(
        key=data.incident_id,
        pipeline=False,
        firing=data.status != "closed",
        lasting=True,
        severity=data.severity,
        users=data.users,
        level=data.level,
        regions=frozenset(name for name in regions if name is not None),
        hashtags=frozenset(name for name in hashtags if name is not None),
        seen_ms=now_ms,
        newest_ms=epoch_ms(event.alert.time),
        events=[event],
    )


def trouble_key(subject: str, since: str, details: Mapping[str, object]) -> str:
    """By what a trouble of the pipeline is known from its beginning to its end.

    >>> trouble_key("pipeline/stalled", "2025-01-14T05:12:00Z", {"partition": 2.0})
    'pipeline/stalled/2/2025-01-14T05:12:00Z'
    """
    partition = details.get("partition")
    where = f"{subject}/{partition:g}" if isinstance(partition, int | float) else subject
    return f"{where}/{since}"


def _trouble(event: Event, now_ms: int) -> Subject:
    kind = event.alert.type.removeprefix(PIPELINE).removesuffix(".v1")
    data = msgspec.convert(event.alert.data, _Trouble)
    return Subject(
        key=trouble_key(f"pipeline/{kind}", data.since, data.details),
        pipeline=True,
        firing=data.status == "open",
        lasting=kind in LASTING,
        severity="warning",
        users=0.0,
        level="",
        regions=frozenset(),
        hashtags=frozenset(),
        seen_ms=now_ms,
        newest_ms=epoch_ms(event.alert.time),
        events=[event],
    )
