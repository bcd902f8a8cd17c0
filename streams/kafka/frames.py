"""Records of any length in messages of bounded length.

A record that is longer than a message may be travels as several frames, one after the other in
one partition and one transaction, each numbered in a header.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

FRAME_BYTES = 700_000
"""Well under the megabyte that brokers take by default."""

HEADER = "surgewatch.frame"

Headers = tuple[tuple[str, bytes], ...]


def frames(record: bytes, frame_bytes: int = FRAME_BYTES) -> Iterator[tuple[bytes, Headers]]:
    """The frames of a record, in order, with their headers; none is needed for a short one."""
    if len(record) <= frame_bytes:
        yield record, ()
        return
    total = -(-len(record) // frame_bytes)
    for number in range(total):
        part = record[number * frame_bytes : (number + 1) * frame_bytes]
        yield part, ((HEADER, b"%d/%d" % (number + 1, total)),)


class Assembler:
    """Puts the frames of one partition together again; may be pickled in between."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def add(self, value: bytes, headers: Sequence[tuple[str, bytes]]) -> bytes | None:
        """Take a message; the record that it completes, or None.

        Raises:
            StateError: a frame is missing, or comes out of turn.
        """
        place = next((text for name, text in headers if name == HEADER), None)
        if place is None:
            number = total = 1
        else:
            number, total = map(int, place.split(b"/"))
        if number != len(self._parts) + 1:
            raise StateError(
                f"frame {number} of {total} follows frame {len(self._parts)}: the topic lacks "
                "messages, or somebody else writes to it"
            )
        self._parts.append(value)
        if number < total:
            return None
        record = self._parts[0] if total == 1 else b"".join(self._parts)
        self._parts = []
        return record
