"""Logs of lines: cutting what was unpacked into chunks of whole lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from streams.codec import RAW_BYTES
from streams.errors import LogError
from streams.events import Reject
from streams.logs.packing import DamagedError, Unpacker

if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK_BYTES = 262_144
"""About how much a chunk holds: small enough to stay in the processor's cache."""

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Chunk:
    """Whole lines of a log.

    Attributes:
        data: the lines, each ended by a newline.
        first_line: number of the first of them, from 1.
        consumed: bytes of the file read so far, compressed as they are.
    """

    data: bytes
    first_line: int
    consumed: int


class LineLog:
    """A log of lines; ``name`` for messages, ``size`` in bytes as stored (None for a pipe)."""

    def __init__(
        self, name: str, size: int | None, file: BinaryIO, head: bytes, record_bytes: int
    ) -> None:
        self.name = name
        self.size = size
        self._file = file
        self._unpacker = Unpacker(file, head)
        self._cutter = _Cutter(name, record_bytes)

    def chunks(self) -> Iterator[Chunk | Reject]:
        """Read the log once, in order, and close it.

        A line that is longer than a record by less than two chunks may be delivered all the same;
        the decoder refuses it. What cannot be delivered as lines comes as rejects: ``too_large``
        for a line that was skipped, ``truncated`` where compressed data ends too early or is
        corrupt (its ``raw`` is the line in which that happened, as far as it was readable).

        Raises:
            LogError: the file cannot be read any further.
        """
        unpacker, cutter = self._unpacker, self._cutter
        damage = None
        try:
            for piece in unpacker.pieces():
                yield from cutter.add(piece, unpacker.consumed)
        except DamagedError as error:
            damage = str(error)
        except OSError as error:
            raise LogError(f"{self.name}: cannot be read any further: {error}") from error
        finally:
            self.close()
        yield from cutter.end(damage, unpacker.consumed)

    def close(self) -> None:
        """Close the file; ``chunks`` does so at its end."""
        self._file.close()


class _Cutter:
    """Gathers pieces, and gives out whole lines once there are enough of them."""

    def __init__(self, source: str, record_bytes: int) -> None:
        self._source = source
        self._record_bytes = record_bytes
        self._line = 1  # number of the line that `_parts` begin with
        self._parts: list[bytes] = []
        self._held = 0
        self._due = CHUNK_BYTES
        self._skipping: bytes | None = None  # first bytes of a line that is too long to hold
        self._skipped = 0

    def add(self, piece: bytes, consumed: int) -> Iterator[Chunk | Reject]:
        if self._skipping is not None:
            end = piece.find(b"\n")
            if end < 0:
                self._skipped += len(piece)
                return
            self._skipped += end
            yield self._too_large(self._skipping)
            piece = piece[end + 1 :]
        self._parts.append(piece)
        self._held += len(piece)
        if self._held >= self._due:
            yield from self._cut(consumed)

    def end(self, damage: str | None, consumed: int) -> Iterator[Chunk | Reject]:
        """Give out the rest; of damaged data, the last line is only a part of one."""
        if self._skipping is not None:
            yield self._too_large(self._skipping)
        yield from self._cut(consumed)
        rest = b"".join(self._parts)
        if self._skipping is not None:
            yield self._too_large(self._skipping)
        elif rest and damage is None:
            yield Chunk(rest + b"\n", self._line, consumed)
        if damage is not None:
            yield Reject("truncated", damage, self._source, self._line, rest[:RAW_BYTES])

    def _cut(self, consumed: int) -> Iterator[Chunk | Reject]:
        data = b"".join(self._parts)
        if self._line == 1:
            data = data.removeprefix(_BOM)
        end = data.rfind(b"\n") + 1
        rest = data[end:]
        if end:
            lines = data[:end]
            yield Chunk(lines, self._line, consumed)
            self._line += lines.count(b"\n")
        self._parts, self._held = [rest], len(rest)
        # Looking for a newline again only after as much again keeps long lines linear.
        self._due = self._held + CHUNK_BYTES
        if self._held > self._record_bytes:
            self._skipping, self._skipped = rest[:RAW_BYTES], self._held
            self._parts, self._held, self._due = [], 0, CHUNK_BYTES

    def _too_large(self, raw: bytes) -> Reject:
        detail = f"{self._skipped} bytes, {self._record_bytes} are allowed"
        reject = Reject("too_large", detail, self._source, self._line, raw)
        self._line += 1
        self._skipping = None
        return reject
