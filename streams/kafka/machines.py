"""The three stages as machines: messages in, messages out, and a state that can be kept.

A machine knows bytes, topics and partitions but no broker, clock or network. What it gives is a
function of the messages it took, partition by partition: fed the same again from a kept state, it
gives the same again. That is what recovery rests on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from streams.codec import PostDecoder, encode_alert
from streams.codec.points import point_record
from streams.codec.records import decode_outcome, decode_tally, encode_outcome, encode_tally
from streams.events import Closed, Early, EarlyOutcome
from streams.kafka.frames import Assembler, Headers, frames
from streams.kafka.rejects import reject_headers
from streams.pipeline import make_correlate, make_detect, make_ingest
from streams.replay import field_map

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from streams.codec.records import Tally
    from streams.events import Outcome, Reject
    from streams.kafka.topics import Topics
    from streams.settings import Settings


class Taken(Protocol):
    """A message as it was read; ``value`` is None in a tombstone."""

    @property
    def offset(self) -> int:
        """Its place in its partition."""

    @property
    def key(self) -> bytes | None:
        """Its key."""

    @property
    def value(self) -> bytes | None:
        """Its bytes."""

    @property
    def headers(self) -> Sequence[tuple[str, bytes]]:
        """Its headers."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message to be sent."""

    topic: str
    value: bytes
    partition: int = 0
    key: bytes | None = None
    headers: Headers = ()


class Machine(Protocol):
    """One stage, or one partition of it."""

    def take(self, partition: int, messages: Sequence[Taken]) -> list[Message]:
        """Take messages of one input partition in their order, and give what they lead to."""

    def early(self) -> list[Message]:
        """What can be said of what is not complete yet; nothing confirmed depends on it."""

    def state(self) -> Any:
        """All that was learned so far; to be written at once, since it goes on changing."""

    def restore(self, state: Any) -> None:
        """Go on from a kept state."""


class IngestMachine:
    """Posts of one source partition to tallies of the same number; rejects to their topic."""

    def __init__(self, settings: Settings, topics: Topics, partition: int) -> None:
        self.partition = partition
        self._topics = topics
        self._decoder = PostDecoder(
            field_map(settings),
            record_bytes=settings.limits.record_bytes,
            earliest_ms=settings.time.earliest_ms,
        )
        self._rejects: list[Reject] = []
        self.stage = make_ingest(settings, partition, topics.posts, self._rejects.append)

    def take(self, partition: int, messages: Sequence[Taken]) -> list[Message]:
        """Take posts; see ``Machine``."""
        assert partition == self.partition
        batch = self._decoder.decode_records(
            [message.value or b"" for message in messages],
            source=self._topics.posts,
            positions=[message.offset for message in messages],
        )
        out = self._tallies(self.stage.feed(batch))
        if self._rejects:
            out += self._refused(messages)
        return out

    def early(self) -> list[Message]:
        """See ``Machine``."""
        return self._tallies(self.stage.early())

    def _tallies(self, records: Iterable[Tally]) -> list[Message]:
        return [
            Message(self._topics.tallies, value, self.partition, None, headers)
            for record in records
            for value, headers in frames(encode_tally(record))
        ]

    def _refused(self, messages: Sequence[Taken]) -> list[Message]:
        values = {message.offset: message.value or b"" for message in messages}
        rejects, self._rejects[:] = list(self._rejects), []
        return [
            Message(
                self._topics.rejects,
                # Of a post that was held until now only its beginning is still there.
                values.get(reject.position, reject.raw),
                headers=reject_headers(reject, self._topics.posts, self.partition),
            )
            for reject in rejects
        ]

    def state(self) -> Any:
        """See ``Machine``."""
        return self.stage.state()

    def restore(self, state: Any) -> None:
        """See ``Machine``."""
        self.stage.restore(state)


class DetectMachine:
    """Tallies of all source partitions to outcomes and points."""

    def __init__(self, settings: Settings, topics: Topics, partitions: int) -> None:
        self._topics = topics
        self._bucket_ms = settings.time.bucket_ms
        self.stage = make_detect(settings, list(range(partitions)), points=True)
        self._assemblers = [Assembler() for _ in range(partitions)]

    def take(self, partition: int, messages: Sequence[Taken]) -> list[Message]:
        """Take tallies; see ``Machine``."""
        out: list[Message] = []
        assembler = self._assemblers[partition]
        for message in messages:
            data = assembler.add(message.value or b"", message.headers)
            if data is None:
                continue
            record = decode_tally(data)
            if isinstance(record, Closed):
                for outcome in self.stage.closed(record):
                    out += self._told(outcome)
            elif isinstance(record, Early):
                self.stage.early(record)
            else:
                self.stage.partials(record)
        return out

    def early(self) -> list[Message]:
        """See ``Machine``."""
        outcome = self.stage.look_early()
        return [] if outcome is None else self._outcome(outcome)

    def _outcome(self, outcome: Outcome | EarlyOutcome) -> list[Message]:
        record = encode_outcome(outcome)
        return [Message(self._topics.episodes, v, headers=headers) for v, headers in frames(record)]

    def _told(self, outcome: Outcome) -> Iterable[Message]:
        yield from self._outcome(outcome)
        for point in outcome.points:
            row = orjson.dumps(point_record(point, self._bucket_ms))
            yield Message(self._topics.series, row, key=point.series.encode())

    def state(self) -> Any:
        """See ``Machine``."""
        return self.stage.state(), self._assemblers

    def restore(self, state: Any) -> None:
        """See ``Machine``."""
        stage, self._assemblers = state
        self.stage.restore(stage)


class CorrelateMachine:
    """Outcomes to alerts."""

    def __init__(self, settings: Settings, topics: Topics) -> None:
        self._topics = topics
        self.stage = make_correlate(settings)
        self._assembler = Assembler()

    def take(self, partition: int, messages: Sequence[Taken]) -> list[Message]:
        """Take outcomes; see ``Machine``."""
        assert partition == 0
        out: list[Message] = []
        for message in messages:
            data = self._assembler.add(message.value or b"", message.headers)
            if data is None:
                continue
            outcome = decode_outcome(data)
            if isinstance(outcome, EarlyOutcome):
                alerts = self.stage.early(outcome)
            else:
                alerts = self.stage.outcome(outcome)
            out += [
                Message(self._topics.alerts, encode_alert(alert), key=alert.id.encode())
                for alert in alerts
            ]
        return out

    def early(self) -> list[Message]:
        """See ``Machine``: what is early of it comes from detect."""
        return []

    def state(self) -> Any:
        """See ``Machine``."""
        return self.stage.state(), self._assembler

    def restore(self, state: Any) -> None:
        """See ``Machine``."""
        stage, self._assembler = state
        self.stage.restore(stage)
