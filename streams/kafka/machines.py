"""The three stages as machines: messages in, messages out, and a state that can be kept.

A machine knows bytes, topics and partitions but no broker, clock or network. What it gives is a
function of the messages it took, partition by partition: fed the same again from a kept state, it
gives the same again. That is what recovery rests on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from detectors.incident import SEVERITIES
from streams.codec import PostDecoder, encode_alert
from streams.codec.points import point_record
from streams.codec.records import decode_outcome, decode_tally, encode_outcome, encode_tally
from streams.errors import REJECT_REASONS
from streams.events import Closed, Early, EarlyOutcome, Notice, Outcome, Seen
from streams.kafka.frames import Assembler, Headers, frames
from streams.kafka.log import said
from streams.kafka.rejects import reject_headers, rejected_value
from streams.observe.names import Figure
from streams.pipeline import make_correlate, make_detect, make_ingest
from streams.replay import field_map

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from streams.codec.records import Tally
    from streams.events import Reject
    from streams.kafka.topics import Topics
    from streams.settings import Settings

OPENED = "surgewatch.incident.opened.v1"

AHEAD_MAX = 500_000
"""Rows (some ten million bytes) of a source partition that may wait for slower ones."""


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
    """A message to be sent.

    Attributes:
        said: what the log says of it once it is committed, "" for nothing.
    """

    topic: str
    value: bytes
    partition: int = 0
    key: bytes | None = None
    headers: Headers = ()
    said: str = ""


class Machine(Protocol):
    """One stage, or one partition of it.

    Attributes:
        slice: messages that are worked on at a time: some tens of milliseconds.
    """

    slice: int

    def take(self, partition: int, messages: Sequence[Taken]) -> list[Message]:
        """Take messages of one input partition in their order, and give what they lead to."""

    def early(self, positions: Mapping[int, int]) -> list[Message]:
        """What can be said of what is not complete yet; nothing confirmed depends on it.

        Args:
            positions: by input partition, the offset up to which all was taken.
        """

    def has_early(self) -> bool:
        """Whether ``early`` has something to say that should not wait for a quiet round."""

    def ahead(self, partition: int) -> bool:
        """Is an input partition so far ahead of others that no more of it should be read?"""

    def state(self) -> Any:
        """All that was learned so far; to be written at once, since it goes on changing."""

    def restore(self, state: Any) -> None:
        """Go on from a kept state."""

    def figures(self) -> Iterable[Figure]:
        """What it counts, for metrics."""


class IngestMachine:
    """Posts of one source partition to tallies of the same number; rejects to their topic."""

    def __init__(self, settings: Settings, topics: Topics, partition: int) -> None:
        self.partition = partition
        self.slice = 4_000
        self._topics = topics
        self._decoder = PostDecoder(
            field_map(settings),
            record_bytes=settings.limits.record_bytes,
            earliest_ms=settings.time.earliest_ms,
        )
        self._rejects: list[Reject] = []
        self._foreign_told = 0
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

    def early(self, positions: Mapping[int, int]) -> list[Message]:
        """See ``Machine``."""
        self._foreign_told = self.stage.intake.foreign
        seen = Seen(self.partition, positions[self.partition])
        return self._tallies([*self.stage.early(), seen])

    def has_early(self) -> bool:
        """See ``Machine``."""
        return self.stage.intake.foreign != self._foreign_told

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
                rejected_value(reject, values.get(reject.position)),
                headers=reject_headers(reject, self._topics.posts, self.partition),
            )
            for reject in rejects
        ]

    def ahead(self, partition: int) -> bool:  # noqa: ARG002
        """See ``Machine``: it waits for nobody."""
        return False

    def state(self) -> Any:
        """See ``Machine``."""
        return self.stage.state()

    def restore(self, state: Any) -> None:
        """See ``Machine``."""
        self.stage.restore(state)

    def figures(self) -> Iterable[Figure]:
        """See ``Machine``."""
        intake, labels = self.stage.intake, {"partition": str(self.partition)}
        yield Figure("surgewatch_posts", intake.posts, labels)
        yield Figure("surgewatch_foreign_posts", intake.foreign, labels)
        yield Figure("surgewatch_home_posts", intake.home, labels)
        yield Figure("surgewatch_late_posts", intake.late, labels)
        yield Figure("surgewatch_duplicate_posts", intake.duplicate, labels)
        yield Figure("surgewatch_held_posts", intake.held, labels)
        yield Figure("surgewatch_hashtags_dropped", intake.hashtags_dropped, labels)
        yield Figure("surgewatch_series_dropped", intake.series_dropped, labels)
        for reason in REJECT_REASONS:
            count = intake.rejected.get(reason, 0)
            yield Figure("surgewatch_rejected_posts", count, labels | {"reason": reason})


class DetectMachine:
    """Tallies of all source partitions to outcomes and points.

    Attributes:
        seen: by source partition, the offset of posts up to which all was worked on.
        stalled: source partitions that were told as stalled, and the bucket since when.
        lagging: source partitions that were told as lagging, likewise.
        buckets: closed since this machine was made.
    """

    def __init__(self, settings: Settings, topics: Topics, partitions: int) -> None:
        self.slice = 50
        self._topics = topics
        self._bucket_ms = settings.time.bucket_ms
        self.stage = make_detect(settings, list(range(partitions)), points=True)
        self._assemblers = [Assembler() for _ in range(partitions)]
        self.seen: dict[int, int] = {}
        self.stalled: dict[int, int] = {}
        self.lagging: dict[int, int] = {}
        self.buckets = 0

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
                    self.buckets += 1
                    out += self._told(outcome)
            elif isinstance(record, Early):
                self.stage.early(record)
            elif isinstance(record, Seen):
                self.seen[partition] = record.position
            else:
                self.stage.partials(record)
        return out

    def early(self, positions: Mapping[int, int]) -> list[Message]:  # noqa: ARG002
        """See ``Machine``."""
        outcome = self.stage.look_early()
        return [] if outcome is None else self._outcome(outcome)

    def has_early(self) -> bool:
        """See ``Machine``."""
        return self.stage.has_early

    def _outcome(self, outcome: Outcome | EarlyOutcome) -> list[Message]:
        record = encode_outcome(outcome)
        return [Message(self._topics.episodes, v, headers=headers) for v, headers in frames(record)]

    def _told(self, outcome: Outcome) -> Iterable[Message]:
        yield from self._outcome(outcome)
        for point in outcome.points:
            row = orjson.dumps(point_record(point, self._bucket_ms))
            yield Message(self._topics.series, row, key=point.series.encode())

    def ahead(self, partition: int) -> bool:
        """See ``Machine``."""
        through = self.stage.sources.through
        mine, slowest = (
            through[partition],
            min(through.values(), key=lambda t: -1 if t is None else t),
        )
        return mine != slowest and self.stage.sources.waiting[partition] > AHEAD_MAX

    def state(self) -> Any:
        """See ``Machine``."""
        return {
            "stage": self.stage.state(),
            "assemblers": self._assemblers,
            "seen": self.seen,
            "stalled": self.stalled,
            "lagging": self.lagging,
        }

    def restore(self, state: Any) -> None:
        """See ``Machine``; source partitions that are new since then are waited for from here."""
        self.stage.restore(state["stage"])
        self._assemblers[: len(state["assemblers"])] = state["assemblers"]
        self.seen, self.stalled = state["seen"], state["stalled"]
        self.lagging = state["lagging"]
        for partition in range(len(self._assemblers)):
            self.stage.join(partition)

    def figures(self) -> Iterable[Figure]:
        """See ``Machine``."""
        yield Figure("surgewatch_live_series", self.stage.rows_live)
        for partition, through in self.stage.sources.through.items():
            if through is not None:
                reached_s = (through + 1) * self._bucket_ms / 1000
                labels = {"partition": str(partition)}
                yield Figure("surgewatch_event_time_seconds", reached_s, labels)

    def tell_stalled(self, partition: int, minutes: float) -> list[Message]:
        """Say that event time stands still in a source partition while posts arrive."""
        if partition in self.stalled:
            return []
        through, last = self.stage.sources.through[partition], self._last
        # What is told ends with the last bucket that has closed, so it begins there at the latest.
        self.stalled[partition] = last if through is None else min(through + 1, last)
        return self._notice("stalled", partition, self.stalled[partition], minutes=minutes)

    def tell_moving(self, partition: int) -> list[Message]:
        """Say that a source partition goes on that was told as stalled."""
        if partition not in self.stalled:
            return []
        return self._over("stalled", partition, self.stalled.pop(partition))

    def tell_lagging(self, partition: int, records: int) -> list[Message]:
        """Say that ever more is left to work on of a source partition."""
        if partition in self.lagging:
            return []
        self.lagging[partition] = self._last
        return self._notice("lag", partition, self._last, records=float(records))

    def tell_caught_up(self, partition: int) -> list[Message]:
        """Say that no more is left of a source partition that was told as lagging."""
        if partition not in self.lagging:
            return []
        return self._over("lag", partition, self.lagging.pop(partition))

    @property
    def _last(self) -> int:
        """The last bucket that has closed; or which one could, if not for a silent partition."""
        known = [through for through in self.stage.sources.through.values() if through is not None]
        return max(self.stage.last, min(known, default=0))

    def _notice(self, kind: str, partition: int, since: int, **details: float) -> list[Message]:
        given = {"partition": float(partition)} | details
        return self._tell(Notice(kind, "open", self._last, since, given))

    def _over(self, kind: str, partition: int, since: int) -> list[Message]:
        given = {"partition": float(partition)}
        return self._tell(Notice(kind, "closed", self._last, since, given))

    def _tell(self, notice: Notice) -> list[Message]:
        return self._outcome(Outcome(notice.bucket, [], 0.0, [], [notice], {}))


class CorrelateMachine:
    """Outcomes to alerts."""

    def __init__(self, settings: Settings, topics: Topics) -> None:
        self.slice = 50
        self._topics = topics
        self.stage = make_correlate(settings)
        self._assembler = Assembler()
        self._opened = dict.fromkeys(SEVERITIES, 0)

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
                for alert in alerts:
                    if alert.type == OPENED:
                        self._opened[alert.data["severity"]] += 1
            topic = self._topics.alerts
            for alert in alerts:
                key, line = alert.id.encode(), said(alert)
                out.append(Message(topic, encode_alert(alert), key=key, said=line))
        return out

    def early(self, positions: Mapping[int, int]) -> list[Message]:  # noqa: ARG002
        """See ``Machine``: what is early of it comes from detect."""
        return []

    def has_early(self) -> bool:
        """See ``Machine``."""
        return False

    def ahead(self, partition: int) -> bool:  # noqa: ARG002
        """See ``Machine``: it waits for nobody."""
        return False

    def state(self) -> Any:
        """See ``Machine``."""
        return self.stage.state(), self._assembler

    def restore(self, state: Any) -> None:
        """See ``Machine``."""
        stage, self._assembler = state
        self.stage.restore(stage)

    def figures(self) -> Iterable[Figure]:
        """See ``Machine``."""
        going_on = self.stage.severities()
        for severity in SEVERITIES:
            labels = {"severity": severity}
            yield Figure("surgewatch_incidents_open", going_on.count(severity), labels)
            yield Figure("surgewatch_incidents", self._opened[severity], labels)
