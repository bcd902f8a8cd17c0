"""Stage three: episodes become incidents, incidents become alerts."""

from __future__ import annotations

from typing import Any

from detectors.episode import State
from detectors.incident import (
    Incident,
    Member,
    Severity,
    belongs,
    incident_id,
    judge,
    name_cause,
    rank,
)
from detectors.series import ALL
from streams.codec.confirmed import COUNTS
from streams.events import Alert, EarlyOutcome, EpisodeRecord, Notice, Outcome, Point
from streams.stages.follow_up import FollowUps
from streams.stages.telling import Case, CorrelateParams, Promise, Teller, Track

_STATE = ("_cases", "_missing", "_outcome", "_promised")
"""Besides the incidents that are over."""


class Correlate:
    """The stage; give it each outcome in order and take the alerts."""

    def __init__(self, params: CorrelateParams) -> None:
        self.params = params
        self._teller = Teller(params)
        self._cases: list[Case] = []
        self._missing = 0
        self._outcome: Outcome | None = None
        self._promised: dict[str, Promise] = {}
        self._follow_ups = FollowUps(params)

    def outcome(self, outcome: Outcome) -> list[Alert]:
        """Take a bucket; alerts come in the order in which they were decided."""
        alerts = [alert for notice in outcome.notices for alert in self.notice(notice)]
        changed: dict[int, Case] = {}
        opened: list[EpisodeRecord] = []
        for record in outcome.episodes:
            case = self._case_of(record)
            if case is None:
                opened.append(record)
            else:
                self._update(case, record)
                changed[id(case)] = case
        members = {record.series: _member(record) for record in opened}
        for record in sorted(opened, key=lambda r: rank(members[r.series])):
            case = self._join(outcome, record, members[record.series])
            changed[id(case)] = case
        for case in self._cases:
            if id(case) in changed:
                alerts += self._tell(case, outcome)
        alerts += self._settle(outcome.bucket)
        alerts += self._follow_ups.alerts(outcome.follow_ups, self._cases, outcome.bucket)
        for case in self._cases:
            if not case.incident.open:
                self._follow_ups.end(case, outcome.bucket)
        self._cases = [case for case in self._cases if case.incident.open]
        if outcome.intake:  # what only gives notice of a partition knows nothing of the counts
            self._outcome = outcome
        return alerts

    def early(self, early: EarlyOutcome) -> list[Alert]:
        """Take what an open bucket would say; gives provisional alerts of incidents to come."""
        members = {record.series: _member(record) for record in early.episodes}
        cases: list[Case] = []
        for record in sorted(early.episodes, key=lambda r: rank(members[r.series])):
            member = members[record.series]
            if any(belongs(member, case.incident) for case in self._cases):
                continue
            if member.key == ALL and self._promised:
                # It will belong to what was promised first, and links nothing.
                continue
            case = next((c for c in cases if belongs(member, c.incident)), None)
            if case is None:
                case = self._new_case(record)
                cases.append(case)
            self._add(case, record, member)
        return [alert for case in cases for alert in self._promise(case, early)]

    def _promise(self, case: Case, early: EarlyOutcome) -> list[Alert]:
        series = frozenset(case.incident.members)
        told = any(promise.series & series for promise in self._promised.values())
        if told or case.incident.id in self._promised:
            return []
        incident = case.incident
        incident.cause = name_cause(incident)
        intake = dict.fromkeys(COUNTS, 0) if self._outcome is None else self._outcome.intake
        case.intake_before, case.missing_before = dict(intake), self._missing
        outcome = Outcome(early.bucket, [], early.all_per_hour, [], [], intake)
        incident.severity = self._severity(case, outcome)
        alert = self._teller.provisional(case, outcome)
        self._promised[incident.id] = Promise(early.bucket, incident.cause, series)
        return [alert]

    def _settle(self, bucket: int) -> list[Alert]:
        """Withdraw what was promised of buckets that have closed, unless it came true."""
        due = [name for name, promise in self._promised.items() if promise.bucket <= bucket]
        true = {case.incident.id for case in self._cases}
        alerts = []
        for name in due:
            promise = self._promised.pop(name)
            if name not in true:
                alerts.append(self._teller.withdrawn(name, promise, bucket))
        return alerts

    def ongoing(self) -> list[dict[str, Any]]:
        """What an update of each open incident would say now."""
        if self._outcome is None:
            return []
        outcome, missing = self._outcome, self._missing
        return [self._teller.data(case, "updated", outcome, missing) for case in self._cases]

    def notice(self, notice: Notice) -> list[Alert]:
        """The alert of something that another part of the pipeline noticed."""
        if notice.kind == "gap" and notice.status == "closed":
            self._missing += notice.bucket - notice.since
        return [self._teller.notice(notice)]

    # -- state -----------------------------------------------------------------------------------

    def severities(self) -> list[str]:
        """Of each incident that goes on, its severity."""
        return [case.incident.severity for case in self._cases if case.incident.open]

    def state(self) -> dict[str, Any]:
        """All that was learned from the outcomes so far; not to be changed."""
        return {"_ended": self._follow_ups.ended} | {name: getattr(self, name) for name in _STATE}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from the state of another stage, under this one's own settings."""
        self._follow_ups.ended = state["_ended"]
        for name in _STATE:
            setattr(self, name, state[name])

    # -- grouping --------------------------------------------------------------------------------

    def _case_of(self, record: EpisodeRecord) -> Case | None:
        for case in self._cases:
            member = case.incident.members.get(record.series)
            if member is not None and member.open and member.opened == record.opened:
                return case
        return None

    def _update(self, case: Case, record: EpisodeRecord) -> None:
        member, track = case.incident.members[record.series], case.tracks[record.series]
        track.record = record
        member.excess, member.users = record.excess, record.users
        member.open = record.state != State.QUIET
        if record.crowd is not None:
            track.crowd = record.crowd
            member.regions, member.hashtags = record.crowd.regions, record.crowd.hashtags
        track.curve.add(_point(record))

    def _join(self, outcome: Outcome, record: EpisodeRecord, member: Member) -> Case:
        """Put a new episode into the oldest incident it belongs to, or into one of its own."""
        case = next((c for c in self._cases if belongs(member, c.incident)), None)
        if case is None:
            case = self._new_case(record)
            case.intake_before = dict(outcome.intake)
            case.missing_before = self._missing
            self._cases.append(case)
        self._add(case, record, member)
        return case

    def _new_case(self, record: EpisodeRecord) -> Case:
        start = (record.bucket + 1) * self.params.bucket_ms
        return Case(Incident(incident_id(start, record.series), record.bucket, record.series))

    def _add(self, case: Case, record: EpisodeRecord, member: Member) -> None:
        """Make an episode part of a case."""
        assert record.crowd is not None
        # A series that comes back into the same incident goes on where its old episode ended.
        case.incident.members[record.series] = member
        track = Track(record, record.crowd)
        for point in [*(record.before or []), _point(record)]:
            track.curve.add(point)
        case.tracks[record.series] = track

    # -- telling ---------------------------------------------------------------------------------

    def _tell(self, case: Case, outcome: Outcome) -> list[Alert]:
        """The alerts that this bucket's change of an incident is worth."""
        incident = case.incident
        incident.cause = name_cause(incident)
        record = case.cause
        incident.severity = self._severity(case, outcome)
        kinds: list[str] = []
        if case.sequence == 0:
            kinds.append("opened")
        elif (
            incident.cause != case.told_cause
            or incident.severity != case.told_severity
            or case.extent.users >= 2.0 * case.told_users
        ):
            kinds.append("updated")
        if record.state == State.OPEN:
            case.peak_told = False
        elif record.state == State.PEAKED and not case.peak_told:
            case.peak_told, case.peak_bucket = True, record.peak_bucket
            kinds.append("peaked")
        if not incident.open:
            kinds = [kind for kind in kinds if kind == "opened"] + ["closed"]
        return [self._teller.incident(case, kind, outcome, self._missing) for kind in kinds]

    def _severity(self, case: Case, outcome: Outcome) -> Severity:
        record = case.cause
        hour = 3_600_000 / self.params.bucket_ms
        excess = record.last_hour - record.band_expected * hour
        return judge(case.incident.severity, excess, outcome.all_per_hour)


def _member(record: EpisodeRecord) -> Member:
    assert record.crowd is not None
    return Member(
        key=record.series,
        opened=record.opened,
        excess=record.excess,
        users=record.users,
        regions=record.crowd.regions,
        hashtags=record.crowd.hashtags,
        open=record.state != State.QUIET,
    )


def _point(record: EpisodeRecord) -> Point:
    return Point(
        record.series,
        record.bucket,
        record.fresh,
        record.band_expected,
        record.band_upper,
        record.score,
        record.threshold,
        open=True,
    )
