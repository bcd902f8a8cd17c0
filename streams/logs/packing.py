"""Bytes out of a file that may be compressed, piece by piece, until its end or its damage."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, BinaryIO

import zstandard

if TYPE_CHECKING:
    from collections.abc import Iterator

_READ_BYTES = 65_536
_PIECE_BYTES = 262_144
_GZIP = b"\x1f\x8b"
_GZIP_WBITS = 31
_ZSTD = b"\x28\xb5\x2f\xfd"
_ZSTD_FEED_BYTES = 1024  # four bytes may stand for a block of 128 KiB: at most 32 MiB a call
_ZSTD_WINDOW_BYTES = 1 << 27  # what the zstd command takes without --long


class DamagedError(Exception):
    """Compressed data ends too early or makes no sense; what came before it is good."""


class Unpacker:
    """Reads a file that is plain, gzip or zstd, told by its first bytes.

    Args:
        file: the file, from which ``head`` has been read already.
        head: its first bytes, at least four unless it is shorter.
    """

    def __init__(self, file: BinaryIO, head: bytes) -> None:
        self._file = file
        self._head = head
        self.consumed = 0
        """Bytes of the file taken so far, compressed as they are."""

    def pieces(self) -> Iterator[bytes]:
        """Return the content, in pieces of at most a quarter of a megabyte.

        Up to damage every byte is returned, of corrupt zstd all but the last block or so.

        Raises:
            DamagedError: the compressed data is cut off or corrupt.
            OSError: the file cannot be read.
        """
        if self._head.startswith(_GZIP):
            return self._gunzip()
        if self._head.startswith(_ZSTD):
            return self._unzstd()
        return self._plain()

    def _read(self, size: int) -> bytes:
        if self._head:
            data, self._head = self._head, b""
        else:
            # read1 takes what a pipe has now; a plain read would wait for all of it
            data = getattr(self._file, "read1", self._file.read)(size)
        self.consumed += len(data)
        return data

    def _plain(self) -> Iterator[bytes]:
        while piece := self._read(_PIECE_BYTES):
            yield piece

    def _gunzip(self) -> Iterator[bytes]:
        engine = zlib.decompressobj(_GZIP_WBITS)
        packed, inside = b"", False
        while packed or (packed := self._read(_READ_BYTES)):
            if not inside:
                packed = packed.lstrip(b"\0")  # members may be padded with zeros, as on tape
                if not packed:
                    continue
                inside = True
            before = engine.copy()
            try:
                piece = engine.decompress(packed, _PIECE_BYTES)
            except zlib.error as error:
                yield from _until_error(before, packed)
                raise DamagedError(f"corrupt gzip data: {error}") from None
            if piece:
                yield piece
            packed = engine.unconsumed_tail
            if engine.eof:
                packed = engine.unused_data
                engine, inside = zlib.decompressobj(_GZIP_WBITS), False
        if inside:
            yield engine.flush()
            raise DamagedError("the gzip data ends in the middle")

    def _unzstd(self) -> Iterator[bytes]:
        factory = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES)
        engine, inside = factory.decompressobj(), False
        while block := self._read(_READ_BYTES):
            for start in range(0, len(block), _ZSTD_FEED_BYTES):
                packed = block[start : start + _ZSTD_FEED_BYTES]
                while packed:
                    inside = True
                    try:
                        piece = engine.decompress(packed)
                    except zstandard.ZstdError as error:
                        raise DamagedError(f"corrupt zstd data: {error}") from None
                    for begin in range(0, len(piece), _PIECE_BYTES):
                        yield piece[begin : begin + _PIECE_BYTES]
                    packed = b""
                    if engine.eof:
                        packed = engine.unused_data
                        engine, inside = factory.decompressobj(), False
        if inside:
            raise DamagedError("the zstd data ends in the middle")


def _until_error(engine: zlib._Decompress, packed: bytes) -> Iterator[bytes]:
    """Yield what comes before the error in ``packed``; a call that fails gives nothing."""
    for offset in range(len(packed)):
        try:
            yield engine.decompress(packed[offset : offset + 1])
        except zlib.error:
            return
