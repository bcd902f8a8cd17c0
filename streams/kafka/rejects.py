"""What could not be used, in the form in which Kafka Connect keeps dead letters."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streams.events import Reject
    from streams.kafka.frames import Headers

PREFIX = "__connect.errors."


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
