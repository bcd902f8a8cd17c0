"""The words of an alert: everything that is known of an incident, as CloudEvents data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from detectors.crowd import OTHER
from detectors.episode import State
from detectors.forecast import CONFIDENCE
from detectors.incident import Incident, rank
from detectors.series import hashtag_key, is_mixed_script, parse_key
from streams.codec import rfc3339
from streams.events import Alert, CrowdRecord, EpisodeRecord, Notice, Outcome
from streams.stages.curve import Curve
from streams.stages.troubles import summary

if TYPE_CHECKING:
    from collections.abc import Iterable

TOP = 20
INCIDENT = "surgewatch.incident.{}.v1"
PIPELINE = "surgewatch.pipeline.{}.v1"


@dataclass(frozen=True, slots=True)
class CorrelateParams:
    """What shapes the correlate stage.

    Attributes:
        bucket_ms: length of a bucket.
        source: the CloudEvents source, the same live and in replay.
        fingerprint: of the configuration.
    """

    bucket_ms: int
    source: str
    fingerprint: str


@dataclass
class Track:
    """What is kept of one episode besides what makes incidents: its newest record, its curve."""

    record: EpisodeRecord
    crowd: CrowdRecord
    curve: Curve = field(default_factory=Curve)


@dataclass
class Case:
    """An incident with all it needs to be told."""

    incident: Incident
    tracks: dict[str, Track] = field(default_factory=dict)
    sequence: int = 0
    told_users: float = 0.0
    told_cause: str = ""
    told_severity: str = ""
    peak_told: bool = False
    peak_bucket: int | None = None
    told_onset: int | None = None
    intake_before: dict[str, int] = field(default_factory=dict)
    missing_before: int = 0
    followed_up: list[int] = field(default_factory=list)

    @property
    def cause(self) -> EpisodeRecord:
        """The newest record of the series that the incident is named after."""
        return self.tracks[self.incident.cause].record

    @property
    def extent(self) -> EpisodeRecord:
        """The newest record of the series that holds the whole wave.

        Of a pair that is its hashtag, if that rose too: whoever came under it from elsewhere is
        part of the wave. A region also holds those who come every day.
        """
        _, region, hashtag = parse_key(self.incident.cause)
        if region is not None and hashtag is not None:
            whole = self.tracks.get(hashtag_key(hashtag))
            if whole is not None and whole.record.users >= self.cause.users:
                return whole.record
        return self.cause


@dataclass(frozen=True, slots=True)
class Promise:
    """A provisional alert that was sent: of which bucket, under which cause, with which series."""

    bucket: int
    cause: str
    series: frozenset[str]


class Teller:
    """Writes alerts; changes nothing but the case's count of what was told.

    Args:
        params: see there.
    """

    def __init__(self, params: CorrelateParams) -> None:
        self.params = params

    def incident(self, case: Case, kind: str, outcome: Outcome, missing: int) -> Alert:
        """An alert of an incident: ``opened``, ``updated``, ``peaked`` or ``closed``.

        ``missing`` counts the buckets of missing data that the whole log has had so far.
        """
        incident = case.incident
        case.sequence += 1
        case.told_users, case.told_onset = case.extent.users, self._onset(case)
        case.told_cause, case.told_severity = incident.cause, incident.severity
        time = self._end(outcome.bucket)
        return Alert(
            id=f"{incident.id}-{case.sequence}",
            type=INCIDENT.format(kind),
            source=self.params.source,
            subject=incident.cause,
            time=time,
            sequence=case.sequence,
            correlationid=incident.id,
            data=self.data(case, kind, outcome, missing),
        )

    def provisional(self, case: Case, outcome: Outcome) -> Alert:
        """An alert of an incident that would open if its bucket closed now; it has no number."""
        incident = case.incident
        return Alert(
            id=f"{incident.id}-provisional",
            type=INCIDENT.format("provisional"),
            source=self.params.source,
            subject=incident.cause,
            time=self._end(outcome.bucket),
            correlationid=incident.id,
            data=self.data(case, "provisional", outcome, case.missing_before),
        )

    def withdrawn(self, incident_id: str, promise: Promise, bucket: int) -> Alert:
        """Takes a provisional alert back."""
        level, region, hashtag = parse_key(promise.cause)
        return Alert(
            id=f"{incident_id}-withdrawn",
            type=INCIDENT.format("withdrawn"),
            source=self.params.source,
            subject=promise.cause,
            time=self._end(bucket),
            correlationid=incident_id,
            data={
                "incident_id": incident_id,
                "status": "withdrawn",
                "level": level,
                "region": region,
                "hashtag": hashtag,
                "summary": "The bucket has closed, and no incident was opened under this id",
                "config_fingerprint": self.params.fingerprint,
            },
        )

    def data(self, case: Case, kind: str, outcome: Outcome, missing: int) -> dict[str, Any]:
        """What an alert of this kind would say of an incident now."""
        incident, record = case.incident, case.cause
        own = {"closed": "closed", "peaked": "peaked", "provisional": "provisional"}
        status = own.get(kind, record.state)
        if status == State.QUIET:
            status = "peaked"
        return {
            "incident_id": incident.id,
            "status": status,
            "severity": incident.severity,
            **self._cause(case),
            "onset_at": self._start(self._onset(case)),
            "detected_at": self._end(incident.opened),
            "peak_at": None if case.peak_bucket is None else self._end(case.peak_bucket),
            "closed_at": self._end(outcome.bucket) if kind == "closed" else None,
            **self._figures(record),
            "forecast": _forecast(case.extent),
            **_people(case),
            "series": self._members(case),
            "history": self._history(case.tracks[incident.cause].curve),
            "data_quality": self._quality(case, case.extent, outcome, missing),
            "config_fingerprint": self.params.fingerprint,
        }

    def _onset(self, case: Case) -> int:
        """What an alert has said of the onset is not taken back when the cause gets narrower."""
        now = min(case.cause.onset, case.extent.onset)
        return now if case.told_onset is None else min(now, case.told_onset)

    def _cause(self, case: Case) -> dict[str, Any]:
        level, region, hashtag = parse_key(case.incident.cause)
        return {
            "level": level,
            "region": region,
            "hashtag": hashtag,
            "mixed_script": hashtag is not None and is_mixed_script(hashtag),
        }

    def _figures(self, record: EpisodeRecord) -> dict[str, Any]:
        minutes = self.params.bucket_ms / 60_000
        growth = record.doubling_minutes
        return {
            "observed": rounded(record.observed),
            "expected": rounded(record.expected),
            "upper": rounded(record.upper),
            "window_minutes": rounded(record.window * minutes),
            # A detector may find no evidence at all, minus infinity, which JSON has not.
            "score": rounded(max(record.score, 0.0)),
            "threshold": rounded(record.threshold),
            "margin": rounded(record.observed - record.upper),
            "peak_per_hour": rounded(record.peak),
            "doubling_minutes": None if growth is None else rounded(growth),
        }

    def _members(self, case: Case) -> list[dict[str, Any]]:
        members = sorted(case.incident.members.values(), key=rank)
        largest = max(max(member.excess for member in members), 1e-9)
        listed: list[dict[str, Any]] = [
            {
                "series": member.key,
                "excess": rounded(member.excess),
                "share": share_of(member.excess / largest),
                "opened_at": self._end(member.opened),
                "open": member.open,
            }
            for member in members[:TOP]
        ]
        if rest := members[TOP:]:
            # Series overlap, so the largest of the rest says more than their sum.
            most = max(member.excess for member in rest)
            listed.append(
                {
                    "series": OTHER,
                    "excess": rounded(most),
                    "share": share_of(most / largest),
                    "opened_at": self._end(min(member.opened for member in rest)),
                    "open": any(member.open for member in rest),
                    "count": len(rest),
                }
            )
        return listed

    def _history(self, curve: Curve) -> list[dict[str, Any]]:
        minutes = self.params.bucket_ms / 60_000
        return [
            {
                "at": self._start(step.first),
                "minutes": rounded(step.buckets * minutes),
                "observed": rounded(step.observed),
                "expected": rounded(step.expected),
                "upper": rounded(curve.upper(step)),
            }
            for step in curve.steps
        ]

    def _quality(
        self, case: Case, record: EpisodeRecord, outcome: Outcome, missing: int
    ) -> dict[str, Any]:
        minutes = self.params.bucket_ms / 60_000
        since = {
            name: count - case.intake_before.get(name, 0) for name, count in outcome.intake.items()
        }
        return {
            **since,
            "sampled": record.sampled,
            "missing_minutes": rounded((missing - case.missing_before) * minutes),
        }

    def notice(self, notice: Notice) -> Alert:
        """An alert about the pipeline itself."""
        closed = notice.status == "closed"
        name = f"pipeline-{notice.kind}-{notice.since}-{notice.status}-{notice.bucket}"
        if (partition := notice.details.get("partition")) is not None:
            name += f"-{partition:.0f}"
        details: dict[str, Any] = {each: rounded(value) for each, value in notice.details.items()}
        if notice.message:
            details["message"] = notice.message
        return Alert(
            id=name,
            type=PIPELINE.format(notice.kind),
            source=self.params.source,
            subject=f"pipeline/{notice.kind}",
            time=self._end(notice.bucket),
            data={
                "status": notice.status,
                "summary": summary(notice),
                "from": self._start(notice.since),
                "until": self._start(notice.bucket) if closed else None,
                "details": details,
            },
        )

    def _start(self, bucket: int) -> str:
        return rfc3339(bucket * self.params.bucket_ms)

    def _end(self, bucket: int) -> str:
        return rfc3339((bucket + 1) * self.params.bucket_ms)


def _forecast(record: EpisodeRecord) -> dict[str, Any] | None:
    if not record.forecast:
        return None
    horizons = [
        {
            "hours": one.hours,
            "users": rounded(one.users),
            "lower": rounded(one.lower),
            "upper": rounded(one.upper),
            "expected": rounded(one.expected),
        }
        for one in record.forecast
    ]
    return {"series": record.series, "confidence": CONFIDENCE, "horizons": horizons}


def _people(case: Case) -> dict[str, Any]:
    """Distinct users and posts since the onset, and how they are made up."""
    record = case.extent
    crowd = case.tracks[record.series].crowd
    # Users may be estimated from a sample, but each has written a post.
    users = max(min(record.users, record.posts), 1.0)
    _, region, hashtag = parse_key(record.series)
    tracks = case.tracks.values()
    regions, hashtags = crowd.regions, crowd.hashtags
    if region is not None:
        # The cause is of one region; others that rose with it are members of their own.
        regions = _named("region", record.series, tracks, region, users)
    if hashtag is not None:
        hashtags = _named("hashtag", record.series, tracks, hashtag, users)
    everywhere = max(sum(count for _, count in regions), users)
    share = crowd.newcomer_share
    return {
        "users": round(users),
        "posts": round(record.posts),
        "posts_per_user": rounded(record.posts / users),
        "top_users_share": share_of(crowd.top_users_share),
        "newcomer_share": None if share is None else share_of(share),
        "regions": _listed("region", regions, everywhere),
        "hashtags": _listed("hashtag", hashtags, users),
        "languages": _listed("language", crowd.languages, users),
    }


def _named(
    level: str, cause: str, tracks: Iterable[Track], own: str, users: float
) -> list[tuple[str, float]]:
    """The cause's own region or hashtag first, then the incident's other ones of that level."""
    others = []
    for track in tracks:
        series = parse_key(track.record.series)
        if track.record.series != cause and series.level == level:
            name = series.region if level == "region" else series.hashtag
            if name is not None and name != own:
                others.append((name, float(track.record.users)))
    others.sort(key=lambda item: (-item[1], item[0]))
    listed = [(own, users), *others[: TOP - 1]]
    if rest := others[TOP - 1 :]:
        # Users have several hashtags but one region, mostly.
        counts = [count for _, count in rest]
        listed.append((OTHER, sum(counts) if level == "region" else max(counts)))
    return listed


def _listed(name: str, parts: list[tuple[str, float]], whole: float) -> list[dict[str, Any]]:
    return [
        {name: part, "users": round(count), "share": share_of(count / whole)}
        for part, count in parts
    ]


def share_of(value: float) -> float:
    """A share of something, in [0, 1], to four places."""
    return round(min(max(value, 0.0), 1.0), 4)


def rounded(value: float) -> float:
    """Five significant digits: what a person reads, and the same on every processor."""
    return float(f"{value:.5g}")
