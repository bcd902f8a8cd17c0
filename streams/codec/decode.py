"""Bytes to posts: the first step of the hot path, near msgspec's own speed.

A line that holds exactly the mapped fields is read by one call, since every check is part of its
type: nothing is skipped, so nothing can hide in what is skipped. Where a log turns out to carry
other fields too, a second type skips them, and the whole chunk is searched at once for what
msgspec would let pass in them: invalid UTF-8 and deep nesting. Whatever fails is looked at again
by itself; `diagnose` names the reason.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, TypeVar

import msgspec

from streams.codec.diagnose import RAW_BYTES, TICK, explain, is_harmless, require_text
from streams.codec.fields import FieldMap, RawPost, post_type
from streams.codec.timestamps import EARLIEST_MS, LATEST_MS, EventTimes, epoch_ms
from streams.errors import RecordError
from streams.events import Reject, Tick

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RECORD_BYTES = 1_048_576

PostItem = tuple[int, str, str, RawPost]
"""Event time (ms), region (``ZZ`` unknown), language (``""`` unknown), and the rest."""

_FAILURES = (msgspec.MsgspecError, RecordError, UnicodeDecodeError, RecursionError)
_CACHED = 8192
_CACHED_CHARS = 64  # longer text is not worth remembering, and would let input fill memory
_SUBTAG_CHARS = range(2, 9)

K = TypeVar("K")
V = TypeVar("V")


class _Remembered(dict[K, V]):
    """What a function returned for its last few thousand arguments; a hit stays in C."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[[K], V]) -> None:
        super().__init__()
        self._function = function

    def __missing__(self, key: K) -> V:
        value = self._function(key)
        if isinstance(key, str) and len(key) > _CACHED_CHARS:
            return value
        if len(self) >= _CACHED:
            self.clear()
        self[key] = value
        return value


class _TickBody(msgspec.Struct, gc=False):
    event_time: str | int | float


class _TickLine(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    surgewatch_tick: _TickBody


class PostDecoder:
    """Reads records of one source; holds no state but memories of equal inputs.

    Args:
        fields: where the source keeps each field.
        record_bytes: longest record that is read.
        earliest_ms: first event time that is taken, ms since 1970 UTC.
        latest_ms: last event time that is taken.
    """

    def __init__(
        self,
        fields: FieldMap = FieldMap(),  # noqa: B008 - immutable
        *,
        record_bytes: int = RECORD_BYTES,
        earliest_ms: int = EARLIEST_MS,
        latest_ms: int = LATEST_MS,
    ) -> None:
        self._fields = fields
        self._record_bytes = record_bytes
        self._decode_strict = msgspec.json.Decoder(post_type(fields, strict=True)).decode
        self._decode_loose = msgspec.json.Decoder(post_type(fields, strict=False)).decode
        self._decode_tick = msgspec.json.Decoder(_TickLine).decode
        self._has_other_fields = False
        self._times = EventTimes(earliest_ms, latest_ms)
        self._regions: _Remembered[str | None, str] = _Remembered(region_code)
        self._languages: _Remembered[str | None, str] = _Remembered(primary_language)

    def decode_chunk(self, chunk: bytes, *, source: str = "", first_line: int = 1) -> Batch:
        """Read whole lines; iterate over what is returned for one item a line, in order.

        Args:
            chunk: lines, each ended by a newline; the last one may lack it.
            source: name of the log, for rejects.
            first_line: number of the chunk's first line in the log, for rejects.
        """
        decode: Callable[[bytes], RawPost]
        if len(chunk) > self._record_bytes and max(map(len, BytesIO(chunk))) > self._record_bytes:
            decode = self._decode_measured
        elif self._has_other_fields and is_harmless(chunk):
            decode = self._decode_loose
        else:
            decode = self._decode_strict
        return Batch(self, chunk, decode, source, first_line)

    def decode_one(self, line: bytes) -> PostItem | Tick:
        """Read one record.

        Raises:
            RecordError: it cannot be used; the reason is one of ``REJECT_REASONS``.
        """
        try:
            return self._item(self._decode_measured(line))
        except _FAILURES as error:
            return self._look_again(line, error)

    def _item(self, post: RawPost) -> PostItem:
        return (
            self._times[post.created_at],
            self._regions[post.region],
            self._languages[post.lang],
            post,
        )

    def _decode_measured(self, line: bytes) -> RawPost:
        size = len(line) - line.endswith(b"\n")
        if size > self._record_bytes:
            raise RecordError("too_large", f"{size} bytes, {self._record_bytes} are allowed")
        return self._decode_strict(line)

    def _look_again(self, line: bytes, error: Exception) -> PostItem | Tick:
        """Read a line that the fast path did not take, or say why it is of no use."""
        if isinstance(error, RecordError):
            raise error
        require_text(line)
        try:
            item = self._item(self._decode_loose(line))
        except _FAILURES as loose_error:
            if isinstance(loose_error, RecordError):
                raise
            error = loose_error
        else:
            self._has_other_fields = True
            return item
        if TICK in line:
            try:
                return Tick(self._times[self._decode_tick(line).surgewatch_tick.event_time])
            except msgspec.MsgspecError:
                pass
        raise explain(line, self._fields, error) from None


class Batch:
    """The items of one chunk, decoded as they are iterated over, once.

    Each line gives exactly one item: a ``PostItem`` (a tuple, the only one among the three
    types), a ``Tick`` or a ``Reject``.
    """

    __slots__ = ("_chunk", "_decode", "_decoder", "_ended", "_source", "_started", "_walk")

    def __init__(
        self,
        decoder: PostDecoder,
        chunk: bytes,
        decode: Callable[[bytes], RawPost],
        source: str,
        first_line: int,
    ) -> None:
        self._decoder = decoder
        self._chunk = chunk
        self._walk = BytesIO(chunk)
        self._decode = decode
        self._source = source
        self._started = first_line  # number of the line that starts at byte `_ended`
        self._ended = 0

    @property
    def position(self) -> int:
        """The line number of the item that was returned last."""
        # Lines are counted only where somebody asks, from where the last one who asked left off.
        start = self._start()
        self._started += self._chunk.count(b"\n", self._ended, start)
        self._ended = start
        return self._started

    @property
    def raw(self) -> bytes:
        """The first bytes (at most 4 KiB) of the line of the item that was returned last."""
        start = self._start()
        return self._chunk[start : min(self._walk.tell(), start + RAW_BYTES)].rstrip(b"\n")

    def _start(self) -> int:
        return self._chunk.rfind(b"\n", 0, max(self._walk.tell() - 1, 0)) + 1

    def __iter__(self) -> Iterator[PostItem | Tick | Reject]:
        """Decode what is left."""
        # The loop is the product's hottest: no call but the decoder's, no line number, and lines
        # made one by one, which is a tenth faster than splitting the chunk (they stay in cache).
        decode = self._decode
        times, regions = self._decoder._times, self._decoder._regions  # noqa: SLF001 - one unit
        languages = self._decoder._languages  # noqa: SLF001
        for line in self._walk:
            try:
                post = decode(line)
                item = (
                    times[post.created_at],
                    regions[post.region],
                    languages[post.lang],
                    post,
                )
            except _FAILURES as error:
                yield self._slow(line, error)
            else:
                yield item

    def _slow(self, line: bytes, error: Exception) -> PostItem | Tick | Reject:
        try:
            return self._decoder._look_again(line.removesuffix(b"\n"), error)  # noqa: SLF001 - one unit
        except RecordError as refusal:
            return Reject(refusal.reason, refusal.detail, self._source, self.position, self.raw)


def region_code(region: str | None) -> str:
    """Return the region as two upper-case ASCII letters, ``ZZ`` for anything else.

    >>> region_code("us"), region_code("Mars"), region_code(None)
    ('US', 'ZZ', 'ZZ')
    """
    if region is not None and len(region) == 2 and region.isascii() and region.isalpha():  # noqa: PLR2004
        return region.upper()
    return "ZZ"


def primary_language(lang: str | None) -> str:
    """Return the primary language subtag in lower case, ``""`` where there is none.

    ``und`` is how BCP 47 writes that there is none.

    >>> primary_language("zh-Hant-TW"), primary_language("EN_us"), primary_language("und")
    ('zh', 'en', '')
    """
    if lang is None:
        return ""
    subtag = lang.replace("_", "-").partition("-")[0]
    if len(subtag) not in _SUBTAG_CHARS or not (subtag.isascii() and subtag.isalpha()):
        return ""
    subtag = subtag.lower()
    return "" if subtag == "und" else subtag


def account_created_ms(value: str | float | None) -> int | None:
    """Return when an account was made, ms since 1970 UTC; None when absent or unreadable.

    An unreadable time of an account rejects no post: the post is then of an account of unknown
    age. (A value that is neither text nor a number is refused as ``wrong_type`` when decoding.)
    """
    if value is None:
        return None
    try:
        return epoch_ms(value)
    except RecordError:
        return None
