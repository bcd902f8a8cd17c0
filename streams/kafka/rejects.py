"""What could not be used, in the form in which Kafka Connect keeps dead letters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.kafka.topics import MESSAGE_BYTES

if TYPE_CHECKING:
    from streams.events import Reject
    from streams.kafka.frames import Headers

PREFIX = "__connect.errors."

VALUE_BYTES_MAX = MESSAGE_BYTES - (64 << 10)
"""What a message of the topic may have, less room for headers: the operator's own topic may have
longer ones."""


def reject_headers(reject: Reject, topic: str, partition: int) -> Headers:
    """Where a record came from and why it was refused, as headers beside its bytes."""
    said = {
        "topic": topic,
        "partition": str(partition),
        "offset": str(reject.position),
        "stage": "ingest",
        "class.name": reject.reason,
        "exception.message": reject.detail,
    }
    return tuple((PREFIX + name, text.encode("utf-8", "replace")) for name, text in said.items())


def rejected_value(reject: Reject, value: bytes | None) -> bytes:
    """A record's bytes; its beginning only if they are no longer there, or too many."""
    return reject.raw if value is None or len(value) > VALUE_BYTES_MAX else value
