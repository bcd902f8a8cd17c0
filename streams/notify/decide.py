"""Should a route be told of a subject now, and why? Why not, otherwise, and when to look again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from detectors.incident import RANK
from streams.codec import epoch_ms, rfc3339
from streams.notify.operators import matches
from streams.notify.quiet import quiet_until
from streams.notify.records import Outcome, Reason
from streams.notify.subjects import PEAKED

if TYPE_CHECKING:
    from streams.notify.operators import Operators
    from streams.notify.records import Told
    from streams.notify.subjects import Subject
    from streams.settings import Route

GREW = 2.0
"""An acknowledged incident is told again when it has more than so many times the users."""
GIVEN_UP_MS = 15 * 60_000
"""What was given up is tried again after so long, if it still goes on."""
ENDLESS_MS = 24 * 3_600_000
"""What has no end is not told any more after so long: no night is longer."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is decided.

    Attributes:
        reason: why it is told; None if it is not.
        why_not: why it is not told now, for a person; "" if it is.
        again_ms: when to look again if nothing happens before; None for then only.
        done: nothing will be told of it any more.
        held: it is only kept back for a while.
    """

    reason: Reason | None = None
    why_not: str = ""
    again_ms: int | None = None
    done: bool = False
    held: bool = False

    @property
    def is_due(self) -> bool:
        """Is it to be told now, whatever else is?"""
        return self.reason is not None and not self.why_not


def concern(route: Route, subject: Subject) -> str:
    """Why a subject is no concern of a route; "" if it is one."""
    if subject.pipeline:
        return "" if route.pipeline else "the route takes no alerts of the pipeline"
    if RANK[subject.severity] < RANK[route.severity_min]:
        return f"{subject.severity} is less than {route.severity_min}"
    if route.levels and subject.level not in route.levels:
        return f"level {subject.level} is none of the route's"
    if route.regions and not subject.regions & set(route.regions):
        return "it is in none of the route's regions"
    if route.hashtags and not any(
        matches(pattern, name) for pattern in route.hashtags for name in subject.hashtags
    ):
        return "no hashtag of it is the route's"
    return ""


def decide(
    subject: Subject,
    told: Told | None,
    route: Route,
    operators: Operators,
    now_ms: int,
    max_age_ms: int,
) -> Verdict:
    """Decide what a route is to be told of a subject.

    Whoever was told that it goes on is told when it is over, whatever keeps other news back: what
    was raised must be resolved. Nobody is told of the end of what he was never told of, unless it
    came and went since he was last reached, and nothing kept it back when it went.

    Args:
        subject: as it is now.
        told: what the route was told of it last, None for nothing.
        route: the route.
        operators: what operators said.
        now_ms: the time, milliseconds since 1970 UTC.
        max_age_ms: what is over and older than that is not told any more.
    """
    if told is not None and told.firing:
        if not subject.firing:
            return Verdict(Reason.CLOSED)
        if not subject.lasting:
            return Verdict(why_not="it is told once", done=True)
        return _goes_on(subject, told, route, operators, now_ms)
    if told is not None and not subject.firing:
        return Verdict(why_not="its end was told", done=True)
    if why_not := concern(route, subject):
        return Verdict(why_not=why_not, done=not (subject.firing and subject.lasting))
    return _is_new(subject, route, operators, now_ms, max_age_ms)


def _is_new(
    subject: Subject, route: Route, operators: Operators, now_ms: int, max_age_ms: int
) -> Verdict:
    """Decide on what the route was never told of."""
    if not (subject.firing and subject.lasting):
        oldest_ms = now_ms - (ENDLESS_MS if subject.firing else max_age_ms)
        if subject.newest_ms < oldest_ms:
            return Verdict(why_not="over, and too long ago", done=True)
    ack = operators.acks.get(subject.key)
    if ack is not None and subject.users <= GREW * max(ack.users, 1.0):
        why_not = f"acknowledged by {ack.by}"
        return Verdict(why_not=why_not, done=not subject.firing, held=subject.firing)
    # What ended while it was kept back is not told when it might be: nor after a restart.
    from_ms = now_ms if subject.firing else min(subject.newest_ms, now_ms)
    held = _kept_back(subject, route, operators, from_ms, now_ms)
    if held is not None:
        return held if subject.firing else Verdict(why_not=f"over, and {held.why_not}", done=True)
    reason = Reason.OPENED if subject.firing else Reason.CLOSED
    if subject.pipeline:
        reason = Reason.PIPELINE
    elif ack is not None and subject.firing:
        reason = Reason.GREW
    together_ms = subject.seen_ms + route.group_window_ms
    if now_ms < together_ms:
        # It goes along with whatever goes before.
        return Verdict(reason, why_not="waits for what comes with it", again_ms=together_ms)
    return Verdict(reason)


def _goes_on(
    subject: Subject, told: Told, route: Route, operators: Operators, now_ms: int
) -> Verdict:
    """Decide on what was told before, and goes on."""
    news = [
        event
        for event in subject.events
        if event.offset > told.offset and event.alert.type != PEAKED
    ]
    every_ms = route.repeat_ms
    if told.outcome is Outcome.DEAD:
        # Nobody has heard of it, and the destination may be back.
        every_ms = min(every_ms or GIVEN_UP_MS, GIVEN_UP_MS)
    repeat_ms = told.at_ms + every_ms if every_ms else None
    is_due = repeat_ms is not None and now_ms >= repeat_ms
    if not news and not is_due:
        return Verdict(why_not="told already", again_ms=repeat_ms)
    ack = operators.acks.get(subject.key)
    if ack is not None:
        # Told since, it is measured against what was told then.
        known = told.users if told.at_ms > epoch_ms(ack.at) else ack.users
        if subject.users <= GREW * max(known, 1.0):
            return Verdict(why_not=f"acknowledged by {ack.by}", held=True)
    held = _kept_back(subject, route, operators, now_ms, now_ms)
    if held is not None:
        return held
    if not news:
        return Verdict(Reason.REPEATED)
    return Verdict(Reason.UPDATED if ack is None else Reason.GREW)


def _kept_back(
    subject: Subject, route: Route, operators: Operators, from_ms: int, now_ms: int
) -> Verdict | None:
    """By a silence that held some time from then to now, or quiet hours at either end of that."""
    silence = operators.silence_of(subject, from_ms, now_ms)
    if silence is not None:
        until = epoch_ms(silence.until)
        why = f"silenced by {silence.by} until {silence.until} ({silence.silence_id})"
        return Verdict(why_not=why, again_ms=until, held=True)
    if RANK[subject.severity] < RANK[route.quiet_severity_min]:
        for at_ms in (now_ms, from_ms):
            until_ms = quiet_until(route.quiet_hours, route.time_zone, at_ms)
            if until_ms is not None:
                why = f"quiet hours until {rfc3339(until_ms // 1000 * 1000)}"
                return Verdict(why_not=why, again_ms=until_ms, held=True)
    return None
