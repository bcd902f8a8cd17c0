"""What one replay did, as a record: made by the replay, shown by the console."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streams.events import Intake


@dataclass(frozen=True)
class Summary:
    """The outcome of one replay.

    Attributes:
        posts: records read, whatever became of them.
        intake: the same records, counted by what became of them.
        incidents: ``data`` of each incident in order of ``detected_at``: that of its last alert
            if it has ended, else what an alert would say at the end of the logs.
        pipeline: the last ``data`` of each pipeline alert, in order of ``from``.
        first_event: earliest event time that was counted, RFC 3339 in UTC; None without posts.
        last_event: latest event time that was counted, RFC 3339 in UTC; None without posts.
        seconds: how long the replay took, in seconds of the machine's clock.
        bytes_read: size of the logs as stored (compressed bytes of a compressed log).
        logs: names of the logs, as the user gave them.
        strange_regions: how many records named a region that is no ISO 3166 code, by its name; of
            more than a few names, ``""`` for all others.
        follow_ups: ``data`` of what was told of incidents that were over, in order of time.
        judged_from: event time from which on an alert was possible, RFC 3339 in UTC; None if the
            logs ended before.
        missing_minutes: of event time since then in which data were missing.
    """

    posts: int
    intake: Intake
    incidents: list[dict[str, Any]]
    pipeline: list[dict[str, Any]]
    first_event: str | None
    last_event: str | None
    seconds: float
    bytes_read: int
    logs: list[str]
    judged_from: str | None = None
    missing_minutes: float = 0.0
    strange_regions: dict[str, int] = field(default_factory=dict)
    follow_ups: list[dict[str, Any]] = field(default_factory=list)
