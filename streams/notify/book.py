"""What is true now of incidents, operators and routes; and what each route is to be told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from streams.codec import decode_alert, decode_said, encode_alert, epoch_ms, rfc3339
from streams.errors import RecordError
from streams.events import Alert
from streams.notify.decide import Verdict, decide
from streams.notify.operators import Operators
from streams.notify.records import Event, Notification, Outcome, Reason, Told
from streams.notify.subjects import Subject, subject_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.said import Silence
    from streams.settings import Notify, Route

SUBJECTS_MAX = 2_000
TOLD_MAX = 200_000
FORGET_EVERY_MS = 10_000
RESOLVED_MS = 5 * 60_000
"""So long what is over stays known, for destinations that must be told more than once."""
REMINDER = "surgewatch.ops.reminder.v1"


@dataclass(slots=True)
class Counts:
    """What could not be used, or was dropped by a limit.

    Attributes:
        unreadable: records that are not what their topic promises.
        dropped: incidents that were too many.
    """

    unreadable: int = 0
    dropped: int = 0


@dataclass(slots=True)
class Book:
    """All that decides what is told.

    Feed it alerts, what operators say, and what was told; in any order across the three, each in
    its own. Ask ``due`` what to deliver, and ``record`` what became of it.

    Args:
        notify: routes, and what holds for all.
        source: the CloudEvents source of reminders.

    Attributes:
        subjects: what there is to tell of, by key.
        operators: what operators said.
        counts: what was left out.
    """

    notify: Notify
    source: str
    subjects: dict[str, Subject] = field(default_factory=dict)
    operators: Operators = field(default_factory=Operators)
    counts: Counts = field(default_factory=Counts)
    _told: dict[tuple[str, str], Told] = field(default_factory=dict)
    _held: set[tuple[str, str]] = field(default_factory=set)
    _forgot_ms: int = 0

    @property
    def dropped(self) -> int:
        """Incidents, acknowledgements and silences that limits kept out."""
        return self.counts.dropped + self.operators.dropped

    # -- what comes in ---------------------------------------------------------------------------

    def alert(self, raw: bytes, offset: int, now_ms: int) -> None:
        """Take in an alert."""
        try:
            later = subject_of(decode_alert(raw), raw, offset, now_ms)
        except RecordError:
            self.counts.unreadable += 1
            return
        if later is None:
            return
        known = self.subjects.get(later.key)
        if known is not None:
            known.follow(later)
        else:
            self._make_room()
            self.subjects[later.key] = later

    def _make_room(self) -> None:
        if len(self.subjects) < SUBJECTS_MAX:
            return
        over = (key for key, subject in self.subjects.items() if not subject.firing)
        self._drop(next(over, next(iter(self.subjects))))
        self.counts.dropped += 1

    def said(self, raw: bytes, now_ms: int) -> None:
        """Take in what an operator said."""
        try:
            said = decode_said(raw)
        except RecordError:
            self.counts.unreadable += 1
            return
        if said is not None:
            self.operators.take(said, now_ms - self.notify.max_age_ms)

    def told(self, raw: bytes) -> None:
        """Take in what a route was told."""
        try:
            told = _decode_told(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            self.counts.unreadable += 1
            return
        self._remember(told)

    def _remember(self, told: Told) -> None:
        place = told.route, told.key
        if place not in self._told and len(self._told) >= TOLD_MAX:
            del self._told[next(iter(self._told))]
        self._told[place] = told

    # -- what goes out ---------------------------------------------------------------------------

    def due(self, now_ms: int, name: str | None = None) -> dict[str, list[Notification]]:
        """What each route, or the one of that name, is to be told now, the oldest first."""
        found: dict[str, list[Notification]] = {}
        for route in self._routes(name):
            wanted = [*self._due_of(route, now_ms), *self._reminders(route, now_ms)]
            if wanted:
                found[route.name] = wanted
        # Each route asks by itself, and this looks at all of them.
        if abs(now_ms - self._forgot_ms) >= FORGET_EVERY_MS:
            self.forget(now_ms)
        return found

    def _routes(self, name: str | None) -> Iterator[Route]:
        return (route for route in self.notify.routes if name is None or route.name == name)

    def next_ms(self, now_ms: int, name: str | None = None) -> int | None:
        """When something may become due, of a route or of all, although nothing comes in.

        Returns:
            None for never. What is due already counts as soon, so who fails one route asks for
            another by its name.
        """
        times = [
            again
            for route in self._routes(name)
            for subject in self.subjects.values()
            if (again := self.verdict(subject, route, now_ms).again_ms) is not None
        ]
        for route in self._routes(name):
            if route.pipeline:
                times += [self._remind_ms(route, s) for s in self.operators.in_force(now_ms)]
        return max(min(times), now_ms + 1) if times else None

    def verdict(self, subject: Subject, route: Route, now_ms: int) -> Verdict:
        """Decide on one subject and route."""
        told = self._told.get((route.name, subject.key))
        return decide(subject, told, route, self.operators, now_ms, self.notify.max_age_ms)

    def _due_of(self, route: Route, now_ms: int) -> Iterator[Notification]:
        found = [(one, self.verdict(one, route, now_ms)) for one in self.subjects.values()]
        self._held |= {(route.name, subject.key) for subject, verdict in found if verdict.held}
        if not any(verdict.is_due for _, verdict in found):
            return
        for subject, verdict in found:
            reason = verdict.reason
            if reason is Reason.OPENED and (route.name, subject.key) in self._held:
                reason = Reason.RELEASED
            if reason is not None:
                yield self._notification(route, subject, reason)

    def _notification(self, route: Route, subject: Subject, reason: Reason) -> Notification:
        told = self._told.get((route.name, subject.key))
        return Notification(
            route=route.name,
            key=subject.key,
            firing=subject.firing,
            reason=reason,
            events=subject.since(-1 if told is None else told.offset),
            opened=subject.events[0],
            told=told,
            runbook=route.runbook,
            url=self._url(subject),
        )

    def _url(self, subject: Subject) -> str:
        base = self.notify.console_url.rstrip("/")
        if not base:
            return ""
        return base if subject.pipeline else f"{base}/incidents/{subject.key}"

    def refresh(self, name: str, now_ms: int) -> list[Notification]:
        """What a route must go on saying to a destination that forgets.

        Returns:
            What it was told and still fires, as it was told: news that somebody's silence keeps
            back must not come this way. And what it was told to be over in the last minutes.
        """
        found = []
        for route in self._routes(name):
            for subject in self.subjects.values():
                told = self._told.get((name, subject.key))
                if told is None or told.outcome is not Outcome.DELIVERED:
                    continue
                fires = told.firing and subject.firing and subject.lasting
                over = not told.firing and now_ms - told.at_ms <= RESOLVED_MS
                if fires or over:
                    again = self._notification(route, subject, Reason.REPEATED)
                    as_told = _as_told(subject, told)
                    found.append(msgspec.structs.replace(again, events=(as_told,)))
        return found

    def record(self, notification: Notification, outcome: Outcome, now_ms: int) -> Told:
        """Note what became of a notification.

        Returns:
            What is to be written down, and given to ``told`` by whoever comes after.
        """
        data = notification.newest.alert.data
        told = Told(
            route=notification.route,
            key=notification.key,
            offset=notification.newest.offset,
            firing=notification.firing,
            severity=str(data.get("severity", "")),
            users=float(data.get("users") or 0.0),
            at_ms=now_ms,
            outcome=outcome,
        )
        self._remember(told)
        self._held.discard((told.route, told.key))
        return told

    # -- silences that somebody forgot -----------------------------------------------------------

    def _remind_ms(self, route: Route, silence: Silence) -> int:
        """When a route is next reminded of a silence."""
        told = self._told.get((route.name, f"silence/{silence.silence_id}"))
        last_ms = epoch_ms(silence.since) if told is None else told.at_ms
        return last_ms + self.notify.remind_after_ms

    def _reminders(self, route: Route, now_ms: int) -> Iterator[Notification]:
        if not route.pipeline:
            return
        for silence in self.operators.in_force(now_ms):
            if now_ms >= self._remind_ms(route, silence):
                alert = reminder(silence, self.source, now_ms)
                event = Event(alert, encode_alert(alert), -1)
                yield Notification(
                    route=route.name,
                    key=alert.subject,
                    firing=True,
                    reason=Reason.REMINDER,
                    events=(event,),
                    opened=event,
                    told=self._told.get((route.name, alert.subject)),
                    runbook=route.runbook,
                    url=self.notify.console_url.rstrip("/"),
                )

    # -- forgetting ------------------------------------------------------------------------------

    def forget(self, now_ms: int) -> None:
        """Forget what is over and told, a while after; for when all three topics were read."""
        self._forgot_ms = now_ms
        self.operators.forget(now_ms - self.notify.max_age_ms)
        for key, subject in list(self.subjects.items()):
            if all(self._is_done(subject, route, now_ms) for route in self.notify.routes):
                self._drop(key)

    def _is_done(self, subject: Subject, route: Route, now_ms: int) -> bool:
        told = self._told.get((route.name, subject.key))
        if told is not None and now_ms - told.at_ms <= RESOLVED_MS:
            return False
        return self.verdict(subject, route, now_ms).done

    def _drop(self, key: str) -> None:
        del self.subjects[key]
        for route in self.notify.routes:
            self._told.pop((route.name, key), None)
            self._held.discard((route.name, key))


def _as_told(subject: Subject, told: Told) -> Event:
    """The alert that was told, or, where that many came later that it is forgotten, its like."""
    event = subject.at(told.offset)
    if event.offset == told.offset or not told.severity:
        return event
    data = event.alert.data | {"severity": told.severity, "users": told.users}
    return msgspec.structs.replace(event, alert=msgspec.structs.replace(event.alert, data=data))


_decode_told = msgspec.json.Decoder(Told).decode
_encode_told = msgspec.json.Encoder().encode


def told_key(told: Told) -> str:
    """Under which name the newest word to a route on an incident is kept."""
    return f"{told.route}/{told.key}"


def encode_told(told: Told) -> bytes:
    """Write down what a route was told."""
    return _encode_told(told)


def reminder(silence: Silence, source: str, now_ms: int) -> Alert:
    """What says that a silence still holds."""
    key, at = f"silence/{silence.silence_id}", rfc3339(now_ms // 1000 * 1000)
    return Alert(
        id=f"{key}/{at}",
        type=REMINDER,
        source=source,
        subject=key,
        time=at,
        data={
            "status": "open",
            "summary": "A silence still holds",
            "matchers": list(map(str, silence.matchers)),
            "from": silence.since,
            "until": silence.until,
            "by": silence.by,
            "note": silence.note,
        },
    )
