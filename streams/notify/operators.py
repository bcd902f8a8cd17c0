"""What operators have said, as far as it decides who is told: acknowledgements and silences."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from streams.codec import epoch_ms
from streams.said import Ack, Silence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.notify.subjects import Subject
    from streams.said import Matcher

ACKS_MAX = 10_000
SILENCES_MAX = 1_000


@dataclass(slots=True)
class Operators:
    """The newest word on every incident and every silence.

    Attributes:
        acks: by incident; those that were withdrawn are not in it.
        silences: by name; those that were ended or are over are not in it.
        dropped: what limits kept out.
    """

    acks: dict[str, Ack] = field(default_factory=dict)
    silences: dict[str, Silence] = field(default_factory=dict)
    dropped: int = 0

    def take(self, said: Ack | Silence, now_ms: int) -> None:
        """Take in what an operator said; what is newest of a key counts."""
        if isinstance(said, Ack):
            self.acks.pop(said.incident_id, None)
            if not said.withdrawn:
                self._put(self.acks, said.incident_id, said, ACKS_MAX)
        else:
            self.silences.pop(said.silence_id, None)
            self.forget(now_ms)
            if not said.ended and epoch_ms(said.until) > now_ms:
                self._put(self.silences, said.silence_id, said, SILENCES_MAX)

    def _put(self, into: dict[str, Any], key: str, said: Ack | Silence, most: int) -> None:
        if len(into) >= most:
            # The oldest: its incident is over, or nobody has looked at its silence for long.
            del into[next(iter(into))]
            self.dropped += 1
        into[key] = said

    def forget(self, now_ms: int) -> None:
        """Forget silences that are over."""
        for name in [n for n, s in self.silences.items() if epoch_ms(s.until) <= now_ms]:
            del self.silences[name]

    def in_force(self, now_ms: int) -> Iterator[Silence]:
        """The silences that hold now."""
        for silence in self.silences.values():
            if epoch_ms(silence.since) <= now_ms < epoch_ms(silence.until):
                yield silence

    def silence_of(self, subject: Subject, now_ms: int) -> Silence | None:
        """The silence that keeps a subject back now, of several the one that ends last."""
        fitting = [
            silence
            for silence in self.in_force(now_ms)
            if all(fits(matcher, subject) for matcher in silence.matchers)
        ]
        return max(fitting, key=lambda silence: epoch_ms(silence.until), default=None)


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


def matches(pattern: str, value: str) -> bool:
    """Does a value fit a pattern, in which ``*`` and ``?`` stand for anything?

    >>> matches("#TikTok*", "tiktokrefugee"), matches("us", "US"), matches("cat", "cats")
    (True, True, False)
    """
    # fnmatch's brackets are none of ours.
    plain = pattern.removeprefix("#").casefold().replace("[", "[[]")
    return fnmatchcase(value.casefold(), plain)
