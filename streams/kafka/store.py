"""The state topic: what each unit has kept, and where it stands.

A unit has a partition of this topic to itself. Every round writes one ``place`` record; now and
then a snapshot goes before it, in the same transaction. The newest committed place says all that
is needed: which snapshot, and up to where the inputs have been answered since.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.errors import StateError
from streams.kafka.frames import Assembler

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
    from typing import Any

    from streams.kafka.machines import Taken

PLACE = b"place"
SNAPSHOT = b"snapshot"
PLACE_VERSION = 1
_LOOK_BACK = 4
_FETCH = 2_000
_POLL_MS = 200


class Place(msgspec.Struct, frozen=True):
    """Where a unit stands.

    Attributes:
        version: of this record.
        unit: name of the unit, such as ``ingest-0``.
        topic: that its positions are about.
        positions: by input partition, the offset of the first message not answered yet.
        snapshot_at: offset of the snapshot's first frame in this topic.
        frames: how many frames it has.
        snapshot_positions: positions when it was taken.
        shape: fingerprint of the settings that shape what is in it.
        partitions: source partitions of the pipeline.
    """

    version: int
    unit: str
    topic: str
    positions: dict[int, int]
    snapshot_at: int
    frames: int
    snapshot_positions: dict[int, int]
    shape: str
    partitions: int


_decode = msgspec.json.Decoder(Place).decode


@dataclass(frozen=True, slots=True)
class Kept:
    """What a unit has kept: its place, and the snapshot's bytes."""

    place: Place
    snapshot: bytes


async def read_range(
    options: Mapping[str, Any], topic: str, partition: int, start: int, end: int
) -> AsyncGenerator[list[Taken], None]:
    """The committed messages of a partition from offset ``start`` up to, not including, ``end``.

    Raises:
        StateError: the topic no longer holds them.
    """
    tp = TopicPartition(topic, partition)
    async with _reader(options) as consumer:
        consumer.assign([tp])
        first = (await consumer.beginning_offsets([tp]))[tp]
        require(topic, partition, start, first)
        consumer.seek(tp, start)
        while await consumer.position(tp) < end:
            fetched = await consumer.getmany(tp, timeout_ms=_POLL_MS, max_records=_FETCH)
            records = [r for r in fetched.get(tp, []) if r.offset < end]
            if records:
                yield records


def require(topic: str, partition: int, start: int, first: int) -> None:
    """Refuse to begin at an offset that lies before the first that a partition holds.

    Raises:
        StateError: it does.
    """
    if start < first:
        raise StateError(
            f"{topic} partition {partition} begins at offset {first}, but {start} is needed: "
            "the topic's retention has deleted what was not worked on yet"
        )


async def read_kept(options: Mapping[str, Any], topic: str, partition: int) -> Kept | None:
    """What a unit has kept, None if it never ran.

    To be called when nobody else can write to the partition any more.

    Raises:
        StateError: what is there cannot be used.
    """
    found = await _newest_place(options, topic, partition)
    if found is None:
        return None
    place = _read_place(found, topic, partition)
    assembler = Assembler()
    reading = read_range(options, topic, partition, place.snapshot_at, found.offset)
    async with contextlib.aclosing(reading) as read:
        async for messages in read:
            for message in messages:
                if message.key != PLACE:
                    snapshot = assembler.add(message.value or b"", message.headers)
                    if snapshot is not None:
                        return Kept(place, snapshot)
    raise StateError(f"{topic} partition {partition}: the newest snapshot is not complete")


async def newest_place(options: Mapping[str, Any], topic: str, partition: int) -> Place | None:
    """Where a unit stood when it last said so, None if it never ran.

    Raises:
        StateError: what is there cannot be used.
    """
    found = await _newest_place(options, topic, partition)
    return None if found is None else _read_place(found, topic, partition)


def _read_place(message: Taken, topic: str, partition: int) -> Place:
    try:
        place = _decode(message.value or b"")
    except msgspec.MsgspecError as error:
        raise StateError(
            f"{topic} partition {partition}: the newest record is damaged, or of another version: "
            f"{error}"
        ) from error
    if place.version != PLACE_VERSION:
        raise StateError(
            f"{topic} partition {partition}: the newest record is of version {place.version}, this "
            f"program reads {PLACE_VERSION}"
        )
    return place


async def _newest_place(options: Mapping[str, Any], topic: str, partition: int) -> Taken | None:
    """The newest committed place, looked for from the end: the topic may be long."""
    first, end = await bounds(options, topic, partition)
    start, back, found = end, _LOOK_BACK, None
    while found is None and start > first:
        stop, start = start, max(first, end - back)
        back *= 8
        async for messages in read_range(options, topic, partition, start, stop):
            for message in messages:
                found = message if message.key == PLACE else found
    return found


async def bounds(options: Mapping[str, Any], topic: str, partition: int) -> tuple[int, int]:
    """Offset of the first message that a partition holds, and of the next that it will."""
    return (await ranges(options, topic, [partition]))[partition]


async def ranges(
    options: Mapping[str, Any], topic: str, partitions: Sequence[int]
) -> dict[int, tuple[int, int]]:
    """The bounds of some partitions, by partition."""
    tps = [TopicPartition(topic, partition) for partition in partitions]
    async with _reader(options) as consumer:
        firsts = await consumer.beginning_offsets(tps)
        ends = await consumer.end_offsets(tps)
        return {tp.partition: (firsts[tp], ends[tp]) for tp in tps}


@contextlib.asynccontextmanager
async def _reader(options: Mapping[str, Any]) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        **options,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="none",
    )
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()
