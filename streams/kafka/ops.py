"""What operators say of incidents, on a compacted topic: the newest of each stays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaProducer

from streams.backtest import Finder
from streams.codec import (
    ack_key,
    decode_alert,
    decode_label,
    decode_said,
    encode_ack,
    encode_label,
    encode_silence,
    label_key,
    silence_key,
)
from streams.errors import RecordError
from streams.kafka.connect import client_options, connected
from streams.kafka.reading import read
from streams.kafka.topics import Topics, partitions_of
from streams.notify.operators import Operators
from streams.notify.subjects import subject_of
from streams.said import Ack, Silence

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import BinaryIO

    from streams.events import Label
    from streams.notify.subjects import Subject
    from streams.settings import Settings


async def find(settings: Settings, incident_id: str) -> Finder:
    """Look for an incident among the alerts.

    Raises:
        BrokerError: Kafka cannot be reached, or there is no such topic.
        UsageError: what is among the alerts is none.
    """
    topic, finder = Topics.of(settings).alerts, Finder(incident_id)

    def take(_: int, records: Sequence[Any]) -> None:
        for record in records:
            if record.value is not None:
                finder.take(record.value, f"{topic}, offset {record.offset}")

    count = await partitions_of(settings, topic)
    await read(settings, topic, take, partitions=count, follow=False)
    return finder


async def put(settings: Settings, said: Label | Ack | Silence) -> None:
    """Write what an operator says; returns when Kafka has it.

    Raises:
        BrokerError: Kafka cannot be reached or refuses, or there is no such topic.
    """
    topic = Topics.of(settings).ops
    await partitions_of(settings, topic)  # a producer would have a broker make what is missing
    producer = AIOKafkaProducer(**client_options(settings), enable_idempotence=True)
    async with connected(producer, settings):
        key, value = _encoded(said, settings.alerts.source)
        await producer.send_and_wait(topic, value, key=key.encode())


def _encoded(said: Label | Ack | Silence, source: str) -> tuple[str, bytes]:
    """Key and value of a record."""
    if isinstance(said, Ack):
        return ack_key(said.incident_id), encode_ack(said, source)
    if isinstance(said, Silence):
        return silence_key(said.silence_id), encode_silence(said, source)
    return label_key(said.incident_id), encode_label(said, source)


async def operators(settings: Settings, now_ms: int) -> tuple[Operators, int]:
    """What operators have said of incidents and silences, and how many records said nothing.

    Raises:
        BrokerError: Kafka cannot be reached, or there is no such topic.
    """
    topic, found = Topics.of(settings).ops, Operators()
    strange = 0

    def take(_: int, records: Sequence[Any]) -> None:
        nonlocal strange
        for record in records:
            try:
                said = None if record.value is None else decode_said(record.value)
            except RecordError:
                strange += 1
            else:
                if said is not None:
                    found.take(said, now_ms)

    count = await partitions_of(settings, topic)
    await read(settings, topic, take, partitions=count, follow=False)
    return found, strange


async def going_on(settings: Settings, now_ms: int) -> list[Subject]:
    """The incidents and troubles of the pipeline that go on.

    Raises:
        BrokerError: Kafka cannot be reached, or there is no such topic.
    """
    topic = Topics.of(settings).alerts
    found: dict[str, Subject] = {}

    def take(_: int, records: Sequence[Any]) -> None:
        for record in records:
            raw = record.value or b""
            try:
                subject = subject_of(decode_alert(raw), raw, record.offset, now_ms)
            except RecordError:
                continue
            if subject is not None:
                found.setdefault(subject.key, subject).follow(subject)
                if not subject.firing or not subject.lasting:
                    del found[subject.key]

    count = await partitions_of(settings, topic)
    await read(settings, topic, take, partitions=count, follow=False)
    return list(found.values())


async def labels(settings: Settings, out: BinaryIO) -> int:
    """Write the newest label of each incident, one a line, the oldest first.

    Returns:
        How many records were neither a label nor anything else that operators say.

    Raises:
        BrokerError: Kafka cannot be reached, or there is no such topic.
    """
    topic = Topics.of(settings).ops
    found: dict[bytes, bytes] = {}
    strange = 0

    def take(_: int, records: Sequence[Any]) -> None:
        nonlocal strange
        for record in records:
            key = record.key or b""
            found.pop(key, None)
            if record.value is None:
                continue
            try:
                if decode_label(record.value) is not None:
                    found[key] = record.value
            except RecordError:
                strange += 1

    count = await partitions_of(settings, topic)
    await read(settings, topic, take, partitions=count, follow=False)
    out.writelines(value.replace(b"\n", b" ") + b"\n" for value in found.values())
    out.flush()
    return strange
