"""What operators say of incidents, besides labels: who has one, and what is to be kept back."""

from __future__ import annotations

import msgspec


class Ack(msgspec.Struct, frozen=True):
    """Somebody has an incident in hand, or no longer.

    Attributes:
        incident_id: of the incident.
        by: who says so.
        note: why, may be empty.
        at: when, RFC 3339.
        users: distinct users that it had then; past twice as many it is told again.
        withdrawn: is it taken back?
    """

    incident_id: str
    by: str
    note: str
    at: str
    users: int
    withdrawn: bool = False


class Matcher(msgspec.Struct, frozen=True):
    """One condition of a silence.

    Attributes:
        field: ``region``, ``hashtag``, ``level``, ``severity``, ``incident`` or ``type``.
        pattern: ``*`` stands for any characters, ``?`` for one.
    """

    field: str
    pattern: str

    def __str__(self) -> str:
        """As operators write it."""
        return f"{self.field}={self.pattern}"


class Silence(msgspec.Struct, frozen=True):
    """What is not to be told for a while.

    Attributes:
        silence_id: its name.
        matchers: all must fit.
        since: from when on, RFC 3339.
        until: until when, RFC 3339.
        by: who says so.
        note: why.
        at: when it was said, RFC 3339.
        ended: was it ended before its time?
    """

    silence_id: str
    matchers: tuple[Matcher, ...]
    since: str
    until: str
    by: str
    note: str
    at: str
    ended: bool = False
