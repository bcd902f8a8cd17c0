"""What operators have said, as far as it decides who is told: acknowledgements and silences."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import msgspec

from detectors.incident import SEVERITIES
from streams.codec import epoch_ms
from streams.codec.labels import CONFIRMED, INCIDENT_ID
from streams.codec.regions import REGIONS
from streams.errors import RecordError
from streams.notify.subjects import LASTING, PIPELINE, TOLD_ONCE, subject_of
from streams.said import Ack, Silence
from streams.settings.notify import LEVELS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from streams.events import Alert
    from streams.notify.subjects import Subject
    from streams.said import Matcher

ACKS_MAX = 10_000
SILENCES_MAX = 1_000
VALUES = {
    "region": tuple(sorted(REGIONS | {"ZZ"})),
    "level": LEVELS,
    "severity": SEVERITIES,
    "type": (*sorted(CONFIRMED), *(f"{PIPELINE}{kind}.v1" for kind in sorted(LASTING | TOLD_ONCE))),
}
"""Of the fields of a silence whose values are all known, those."""


@dataclass(slots=True)
class Operators:
    """The newest word on every incident and every silence.

    Attributes:
        acks: by incident; those that were withdrawn are not in it.
        silences: by name; one that was ended before its time lasts until it was.
        dropped: what limits kept out.
    """

    acks: dict[str, Ack] = field(default_factory=dict)
    silences: dict[str, Silence] = field(default_factory=dict)
    dropped: int = 0

    def take(self, said: Ack | Silence, since_ms: int) -> None:
        """Take in what an operator said; what is newest of a key counts.

        Args:
            said: by an operator.
            since_ms: silences that were over by then are left out.
        """
        if isinstance(said, Ack):
            self._take_ack(said)
        else:
            self._take_silence(said, since_ms)

    def _take_ack(self, said: Ack) -> None:
        self.acks.pop(said.incident_id, None)
        if said.withdrawn:
            return
        if len(self.acks) >= ACKS_MAX:
            del self.acks[next(iter(self.acks))]  # its incident is over
            self.dropped += 1
        self.acks[said.incident_id] = said

    def _take_silence(self, said: Silence, since_ms: int) -> None:
        self.silences.pop(said.silence_id, None)
        self.forget(since_ms)
        if said.ended and epoch_ms(said.at) < epoch_ms(said.until):
            said = msgspec.structs.replace(said, until=said.at)
        if epoch_ms(said.until) <= since_ms:
            return
        if len(self.silences) >= SILENCES_MAX:
            del self.silences[min(self.silences.values(), key=_ends_ms).silence_id]
            self.dropped += 1
        self.silences[said.silence_id] = said

    def forget(self, since_ms: int) -> None:
        """Forget silences that were over by then."""
        for name in [n for n, s in self.silences.items() if _ends_ms(s) <= since_ms]:
            del self.silences[name]

    def in_force(self, now_ms: int) -> Iterator[Silence]:
        """The silences that hold now."""
        for silence in self.silences.values():
            if epoch_ms(silence.since) <= now_ms < _ends_ms(silence):
                yield silence

    def silence_of(self, subject: Subject, from_ms: int, now_ms: int) -> Silence | None:
        """A silence that kept a subject back at some time from then to now.

        Returns:
            Of several the one that ends last.
        """
        fitting = [
            silence
            for silence in self.silences.values()
            if epoch_ms(silence.since) <= now_ms
            and from_ms < _ends_ms(silence)
            and fits_all(silence.matchers, subject)
        ]
        return max(fitting, key=_ends_ms, default=None)


def fits_some_key(pattern: str) -> bool:
    """Might a pattern fit the id of an incident, or the key of a trouble of the pipeline?

    >>> [fits_some_key(p) for p in ("in-9e28*", "in-9e28", "pipeline/gap/2025-01-13T00:00:00Z")]
    [True, False, True]
    >>> fits_some_key("IN-9E2810C0FFEE0000"), matches("IN-9E2810C0FFEE0000", "in-9e2810c0ffee0000")
    (True, True)
    """
    key = pattern.casefold()
    is_open = "*" in key or "?" in key
    return is_open or re.fullmatch(INCIDENT_ID, key) is not None or key.startswith("pipeline/")


def in_hand(alert: Alert, raw: bytes, operators: Operators, now_ms: int) -> str:
    """Who has what an alert tells of in hand, or that a silence keeps it back; "" for neither."""
    try:
        subject = subject_of(alert, raw, 0, now_ms)
    except RecordError:  # of another version: the notifier does not know it, either
        return ""
    if subject is None:
        return ""
    ack = operators.acks.get(subject.key)
    silenced = operators.silence_of(subject, now_ms, now_ms) is not None
    return ", ".join([*([ack.by] if ack else []), *(["silenced"] if silenced else [])])


def _ends_ms(silence: Silence) -> int:
    return epoch_ms(silence.until)


def fits(matcher: Matcher, subject: Subject) -> bool:
    """Does a condition of a silence hold for a subject?"""
    values = {
        "region": subject.regions,
        "hashtag": subject.hashtags,
        "level": {subject.level},
        "severity": {subject.severity},
        "incident": {subject.key},
        "type": {subject.newest.alert.type},
    }[matcher.field]
    return any(matches(matcher.pattern, value) for value in values if value)


def fits_all(matchers: Iterable[Matcher], subject: Subject) -> bool:
    """Do all conditions of a silence hold for a subject?"""
    return all(fits(matcher, subject) for matcher in matchers)


def matches(pattern: str, value: str) -> bool:
    """Does a value fit a pattern, in which ``*`` and ``?`` stand for anything?

    >>> matches("#TikTok*", "tiktokrefugee"), matches("us", "US"), matches("cat", "cats")
    (True, True, False)
    """
    # fnmatch's brackets are none of ours.
    plain = pattern.removeprefix("#").casefold().replace("[", "[[]")
    return fnmatchcase(value.casefold(), plain)
