"""A replay's alerts, folded into one story an incident."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from streams.codec.confirmed import EARLY
from streams.console import phrases, reasons
from streams.console.timeline import Step, Window
from streams.stages.follow_up import FOLLOW_UP

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SENT_KEPT = 30
"""Alerts listed of one incident; an incident that sends more is listed by its first ones."""

_MINUTE_MS = 60_000
_LEAD_MINUTES_MIN = 120
_LEAD_SHARE = 0.4
_PIECES_MAX = 1000


@dataclass(frozen=True, slots=True)
class Sent:
    """One alert as it went out: when, what it said, what was known then and what was to come."""

    time: str
    kind: str
    severity: str
    users: int
    headline: str
    outlook: str | None


@dataclass(slots=True)
class Story:
    """One incident: its cause series, first and latest data, and the alerts that told of it."""

    series: str
    first: phrases.Data
    data: phrases.Data
    last_time: str
    sent: list[Sent] = field(default_factory=list)
    sent_total: int = 0
    follow_ups: list[phrases.Data] = field(default_factory=list)

    @property
    def end_ms(self) -> int:
        """When it closed, or the last alert about it."""
        return phrases.epoch_ms(self.data["closed_at"] or self.last_time)

    def window(self, log_end_ms: int) -> Window:
        """The stretch to draw: the incident with some time before and after."""
        start = phrases.epoch_ms(self.data["onset_at"])
        end = self.end_ms if self.data["closed_at"] else max(self.end_ms, log_end_ms)
        lead = max(_LEAD_MINUTES_MIN * _MINUTE_MS, round((end - start) * _LEAD_SHARE))
        return Window(self.series, start - lead, end + lead // 2)

    def history(self) -> list[Step]:
        """The history that the last alert carried."""
        return [
            Step(
                phrases.epoch_ms(step["at"]),
                step["minutes"],
                step["observed"],
                step["expected"],
                step["upper"],
            )
            for step in self.data["history"]
        ]


@dataclass(slots=True)
class Digest:
    """Everything the report says about alerts.

    Attributes:
        stories: incident id to story, in order of first alert.
        pipeline: the last alert about each disturbance of the pipeline, in order of appearance.
        fingerprint: the configuration's, from any incident; None when there was none.
    """

    stories: dict[str, Story] = field(default_factory=dict)
    pipeline: dict[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    fingerprint: str | None = None

    def refresh(self, incidents: Iterable[phrases.Data]) -> None:
        """Take newer data of incidents: one that is still open has gone on since its last alert."""
        for data in incidents:
            if (story := self.stories.get(data["incident_id"])) is not None:
                story.data = data

    def ranked(self) -> list[Story]:
        """The stories, most urgent first."""
        return sorted(self.stories.values(), key=lambda story: phrases.urgency(story.data))


def read_alerts(alerts: Iterable[Mapping[str, Any]], *, early: bool = False) -> Digest:
    """Fold alerts (see the alert schema), in order of time; each is read once.

    Args:
        alerts: of a file or a replay.
        early: are provisional alerts to be told, too?
    """
    digest = Digest()
    for alert in alerts:
        data = alert["data"]
        if str(alert["type"]).startswith("surgewatch.pipeline."):
            digest.pipeline[alert["subject"], data["from"]] = alert
            continue
        if alert["type"] in EARLY and not (early and "severity" in data):
            continue
        digest.fingerprint = data["config_fingerprint"]
        story = digest.stories.get(data["incident_id"])
        if data["status"] == FOLLOW_UP:
            if story is not None:
                story.follow_ups.append(data)
            continue
        if story is None:
            story = Story(alert["subject"], data, data, alert["time"])
            digest.stories[data["incident_id"]] = story
        story.series, story.data, story.last_time = alert["subject"], data, alert["time"]
        story.sent_total += 1
        if len(story.sent) < SENT_KEPT:
            story.sent.append(
                Sent(
                    alert["time"],
                    phrases.kind(alert),
                    data["severity"],
                    data["users"],
                    phrases.window(data),
                    reasons.next_hour(data),
                )
            )
    return digest


def incident_steps(history: list[Step], rows: list[Step]) -> list[Step]:
    """Join what an alert carried with the finer series rows, all in one step length.

    Rows win where they are; history fills in before and after, where a pair or a hashtag that was
    not yet (or no longer) in an episode has no rows. A few rows of a long history are left out.
    """
    width = rows[0].minutes if rows else math.inf
    if sum(step.minutes for step in history) > _PIECES_MAX * width or not rows:
        return history
    first, last = rows[0].at_ms, rows[-1].end_ms
    pieces = [piece for step in history for piece in step.split(width)]
    before = [piece for piece in pieces if piece.at_ms < first]
    after = [piece for piece in pieces if piece.at_ms >= last]
    return before + rows + after
