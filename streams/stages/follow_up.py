"""After the wave: which incidents are over, and the alert of how many of their newcomers stay.

Detect follows the newcomers of every episode, and says of each how many came back; here that of
the one which held a whole wave becomes the incident's. It is for the record: it has no severity,
pages nobody, and has no sequence number, which counts what is told of a wave while it goes on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from detectors.retention import DAYS
from detectors.series import parse_key
from streams.codec import rfc3339
from streams.events import Alert
from streams.stages.telling import INCIDENT, rounded, share_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streams.events import FollowUp
    from streams.stages.telling import Case, CorrelateParams

FOLLOW_UP = "followup"
"""Name of such an alert, and its status."""
ENDED_MAX = 1_000
"""Incidents that are over and remembered; with one more, the oldest is not followed up."""
_DAY_MS = 86_400_000


@dataclass
class Ended:
    """An incident that is over.

    Attributes:
        id: its id.
        cause: the series it is named after.
        bucket: with which it closed.
        told: days that have been told.
    """

    id: str
    cause: str
    bucket: int
    told: list[int] = field(default_factory=list)


class FollowUps:
    """The incidents of the last days, by the episode that held the whole wave.

    Args:
        params: of the stage.
    """

    def __init__(self, params: CorrelateParams) -> None:
        self.params = params
        self.ended: dict[tuple[str, int], Ended] = {}

    def end(self, case: Case, bucket: int) -> None:
        """An incident is over."""
        incident, whole = case.incident, case.extent
        ended = Ended(incident.id, incident.cause, bucket, case.followed_up)
        self.ended[whole.series, whole.opened] = ended
        # A wave's last window ends eight days after its episode, which ended with it or before.
        oldest = bucket - (DAYS[-1] + 1) * _DAY_MS // self.params.bucket_ms
        for key in [key for key, one in self.ended.items() if one.bucket < oldest]:
            del self.ended[key]
        if len(self.ended) > ENDED_MAX:
            del self.ended[next(iter(self.ended))]

    def alerts(self, follow_ups: list[FollowUp], cases: Iterable[Case], bucket: int) -> list[Alert]:
        """The alerts of incidents whose newcomers were looked for.

        Args:
            follow_ups: what the detect stage says of episodes.
            cases: the incidents that are open: one may go on in other series.
            bucket: with which it is told.
        """
        if not follow_ups:
            return []
        known = dict(self.ended)
        for case in cases:
            incident, whole = case.incident, case.extent
            known[whole.series, whole.opened] = Ended(
                incident.id, incident.cause, bucket, case.followed_up
            )
        alerts = []
        for one in follow_ups:
            ended = known.get((one.series, one.opened))
            if ended is not None and one.day not in ended.told:
                ended.told.append(one.day)
                alerts.append(self._alert(ended, one, bucket))
        return alerts

    def _alert(self, ended: Ended, one: FollowUp, bucket: int) -> Alert:
        return Alert(
            id=f"{ended.id}-{FOLLOW_UP}-{one.day}",
            type=INCIDENT.format(FOLLOW_UP),
            source=self.params.source,
            subject=ended.cause,
            time=self._at(bucket + 1),
            correlationid=ended.id,
            data=self._data(ended, one),
        )

    def _data(self, ended: Ended, one: FollowUp) -> dict[str, Any]:
        level, region, hashtag = parse_key(ended.cause)
        share = one.returned / one.followed if one.followed else None
        minutes = self.params.bucket_ms / 60_000
        return {
            "incident_id": ended.id,
            "status": FOLLOW_UP,
            "level": level,
            "region": region,
            "hashtag": hashtag,
            "cohort": one.series,
            "day": one.day,
            "from": self._at(one.first),
            "until": self._at(one.last + 1),
            "newcomers": round(one.newcomers),
            "followed": one.followed,
            "returned": one.returned,
            "share": None if share is None else share_of(share),
            "still_posting": None if share is None else round(share * one.newcomers),
            "data_quality": {
                "sampled": one.followed < round(one.newcomers),
                "missing_minutes": rounded(one.missing * minutes),
            },
            "config_fingerprint": self.params.fingerprint,
        }

    def _at(self, bucket: int) -> str:
        return rfc3339(bucket * self.params.bucket_ms)
