"""Recorded logs as what is published: their lines, and what event time they cover."""

from __future__ import annotations

import itertools
from statistics import median_low
from typing import TYPE_CHECKING, Any, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.codec import PostDecoder, rfc3339
from streams.codec.shift import MINUTE_MS, TimeShift
from streams.errors import RecordError, UsageError
from streams.events import Reject, Tick
from streams.kafka.connect import client_options, connected
from streams.kafka.topics import Topics, partitions_of
from streams.replay import field_map
from streams.stages.interleave import interleave
from streams.stages.spread import Spread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from streams.logs import Log
    from streams.settings import Settings
    from streams.stages.spread import Record

_LOOK_BACK = 100
_POLL_MS = 200


class Stretch(NamedTuple):
    """Event time that a log as a whole believes in, ms: the first, and the end."""

    first_ms: int
    end_ms: int

    def offset_ms(self, at_ms: int, speed: float | None) -> int:
        """How far to move it, the sending of which begins at ``at_ms``, as late as can be.

        None of it may be in the future when it is sent. Sent as fast as it goes it ends at
        ``at_ms``, at the speed of time or slower it begins there, and at a higher speed it ends
        when it will have been sent. Whole minutes, rounded into the past.
        """
        lasts_ms = 0.0 if speed is None else (self.end_ms - self.first_ms) / speed
        earliest = min(at_ms + lasts_ms - self.end_ms, at_ms - self.first_ms)
        return int(earliest // MINUTE_MS * MINUTE_MS)


class Source:
    """The lines of logs, several as one by event time.

    Args:
        settings: all of them.
        logs: open logs.
        offset_ms: how far all times are moved, whole minutes.
        on_chunk: called after each chunk of a log.

    Attributes:
        consumed: bytes read of each log.
        unreadable: records that could not be had of the logs.
    """

    def __init__(
        self,
        settings: Settings,
        logs: Sequence[Log],
        offset_ms: int = 0,
        on_chunk: Callable[[], None] = lambda: None,
    ) -> None:
        self.consumed = [0] * len(logs)
        self.unreadable = 0
        self._settings = settings
        self._logs = logs
        self._on_chunk = on_chunk
        self._shift = TimeShift(field_map(settings), offset_ms) if offset_ms else None
        self._decoder = make_decoder(settings)

    def records(self) -> Iterator[Record]:
        """Each line, and what it holds."""
        logs = [self._lines(number) for number in range(len(self._logs))]
        if len(logs) == 1:
            return logs[0]
        return interleave(logs, self._settings.time.max_jump_ms, self._settings.limits.held_posts)

    def _lines(self, number: int) -> Iterator[Record]:
        log = self._logs[number]
        for chunk in log.chunks():
            if isinstance(chunk, Reject):
                self.unreadable += 1
                continue
            batch = self._decoder.decode_chunk(chunk.data, source=log.name)
            for piece in batch.pieces():
                for line, item in zip(piece.lines, piece.items, strict=True):
                    record = line.removesuffix(b"\n"), item
                    yield record if self._shift is None else self._moved(self._shift, *record)
            self.consumed[number] = chunk.consumed
            self._on_chunk()

    def _moved(self, shift: TimeShift, line: bytes, item: Any) -> Record:
        if isinstance(item, Reject):
            return line, item
        moved = shift.line(line)
        try:
            return moved, self._decoder.decode_one(moved)
        except RecordError as error:  # its time is no longer one that is taken
            return moved, Reject(error.reason, error.detail, "", 0, moved)


def make_decoder(settings: Settings) -> PostDecoder:
    """What reads the lines of logs and of the posts topic."""
    return PostDecoder(
        field_map(settings),
        record_bytes=settings.limits.record_bytes,
        earliest_ms=settings.time.earliest_ms,
    )


def stretch_of(settings: Settings, logs: Sequence[Log]) -> Stretch | None:
    """Read logs to their end for the event time that they cover; None if they hold no post.

    A single post of another time, such as one dated 2099, is no part of it, as in a replay.
    """
    spread = Spread(1, settings.time.max_jump_ms, settings.limits.held_posts)
    first: int | None = None
    for _ in itertools.chain(spread.take(Source(settings, logs).records()), spread.end()):
        if first is None:
            first = spread.clock_ms
    end = spread.clock_ms
    return None if first is None or end is None else Stretch(first, end)


async def refuse_late(settings: Settings, first_ms: int) -> None:
    """Refuse to publish what the posts topic's event time has passed: it would be late.

    Args:
        settings: all of them.
        first_ms: where a log begins.

    Raises:
        UsageError: posts or markers of a later time are at the end of the topic.
        BrokerError: Kafka cannot be reached, or there is no such topic.
    """
    topic = Topics.of(settings).posts
    reached = await _reached(settings, topic)
    if reached is not None and reached > first_ms + settings.time.allowed_lateness_ms:
        raise UsageError(
            f"{topic} has reached {rfc3339(reached)}, and the log would begin at "
            f"{rfc3339(first_ms)}: its posts would come too late to count. Publish onto fresh "
            "topics (another kafka.prefix), or later, at --speed 1x"
        )


async def _reached(settings: Settings, topic: str) -> int | None:
    """Event time at the end of a topic: in the middle of each partition's last records, the latest.

    The middle, since one of them may be dated anywhere.
    """
    decoder = make_decoder(settings)
    places = [TopicPartition(topic, n) for n in range(await partitions_of(settings, topic))]
    times: dict[TopicPartition, list[int]] = {}
    async with connected(AIOKafkaConsumer(**client_options(settings)), settings) as consumer:
        consumer.assign(places)
        begins, ends = await consumer.beginning_offsets(places), await consumer.end_offsets(places)
        for place in places:
            consumer.seek(place, max(begins[place], ends[place] - _LOOK_BACK))
        while any([await consumer.position(place) < ends[place] for place in places]):
            for place, records in (await consumer.getmany(timeout_ms=_POLL_MS)).items():
                for record in records:
                    try:
                        item = decoder.decode_one(record.value or b"")
                    except RecordError:
                        continue
                    time_ms = item.event_time_ms if isinstance(item, Tick) else item[0]
                    times.setdefault(place, []).append(time_ms)
    return max(map(median_low, times.values()), default=None)
