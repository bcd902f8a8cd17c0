"""Bytes to posts: the first step of the hot path, near msgspec's own speed.

A line that holds exactly the mapped fields is read by one call, since every check is part of its
type: nothing is skipped, so nothing can hide in what is skipped. Where a log turns out to carry
other fields too, a second type skips them, and the whole chunk is searched at once for what
msgspec would let pass in them: invalid UTF-8 and deep nesting. Lines are read ``PIECE_LINES``
at a time; if any of them fails, these are read one by one, and what fails is looked at again by
itself; `diagnose` names the reason.
"""

from __future__ import annotations

import sys
from io import BytesIO
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from streams.codec.diagnose import RAW_BYTES, TICK, explain, is_harmless, require_text
from streams.codec.fields import FieldMap, RawPost, post_type
from streams.codec.memory import Remembered
from streams.codec.regions import REGIONS
from streams.codec.timestamps import EARLIEST_MS, LATEST_MS, EventTimes, epoch_ms
from streams.errors import RecordError
from streams.events import Reject, Tick

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

RECORD_BYTES = 1_048_576

PIECE_LINES = 128
"""Lines that are decoded, and looked at, together."""

PostItem = tuple[int, str, str, RawPost]
"""Event time (ms), region (``ZZ`` unknown), language (``""`` unknown), and the rest."""

_FAILURES = (msgspec.MsgspecError, RecordError, UnicodeDecodeError, RecursionError)
_SUBTAG_CHARS = range(2, 9)
UNKNOWN = "ZZ"
STRANGE_MAX = 50
STRANGE_CHARS = 32


class Piece(NamedTuple):
    """Some consecutive lines, decoded.

    Attributes:
        positions: of each in its source: line numbers, or offsets.
        lines: the bytes.
        items: what each line holds.
        span: earliest and latest event time (ms) if all of them are posts, else None.
    """

    positions: Sequence[int]
    lines: list[bytes]
    items: Sequence[PostItem | Tick | Reject]
    span: tuple[int, int] | None


class _TickBody(msgspec.Struct, gc=False):
    event_time: str | int | float
    end: bool = False


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
        self._regions = _Regions()
        self._languages: Remembered[str | None, str] = Remembered(primary_language)

    @property
    def strange_regions(self) -> dict[str, int]:
        """How often records named a region that is no ISO 3166 code; see ``_Regions``."""
        return self._regions.strange

    def decode_chunk(self, chunk: bytes, *, source: str = "", first_line: int = 1) -> Batch:
        """Read whole lines; iterate over what is returned for one item a line, in order.

        Args:
            chunk: lines, each ended by a newline; the last one may lack it.
            source: name of the log, for rejects.
            first_line: number of the chunk's first line in the log, for rejects.
        """
        longest = 0
        if len(chunk) > self._record_bytes:
            longest = max(map(len, BytesIO(chunk)))
        decode = self._way(chunk, longest)
        return Batch(self, BytesIO(chunk), decode, source, range(first_line, sys.maxsize))

    def decode_records(
        self, records: list[bytes], *, source: str = "", positions: Sequence[int]
    ) -> Batch:
        """Read records that come apart, as those of a topic do; otherwise like ``decode_chunk``.

        Args:
            records: one a record; unlike a line, it may hold line breaks.
            source: name of the topic, for rejects.
            positions: offset of each record, for rejects.
        """
        chunk = b"\n".join(records) if self._has_other_fields else b""
        decode = self._way(chunk, max(map(len, records), default=0))
        return Batch(self, iter(records), decode, source, positions)

    def _way(self, chunk: bytes, longest: int) -> Callable[[bytes], RawPost]:
        """The fastest way to read what ``chunk`` holds, whose longest record has a length."""
        if longest > self._record_bytes:
            return self._decode_measured
        if self._has_other_fields and is_harmless(chunk):
            return self._decode_loose
        return self._decode_strict

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
                body = self._decode_tick(line).surgewatch_tick
                return Tick(self._times[body.event_time], body.end)
            except msgspec.MsgspecError:
                pass
        raise explain(line, self._fields, error) from None


class Batch:
    """The lines of one chunk, decoded piece by piece.

    Iterating gives exactly one item a line: a ``PostItem`` (a tuple, the only one among the three
    types), a ``Tick`` or a ``Reject``.
    """

    __slots__ = ("_decode", "_decoder", "_positions", "_records", "_source")

    def __init__(
        self,
        decoder: PostDecoder,
        records: Iterator[bytes],
        decode: Callable[[bytes], RawPost],
        source: str,
        positions: Sequence[int],
    ) -> None:
        self._decoder = decoder
        self._records = records
        self._decode = decode
        self._source = source
        self._positions = positions

    def pieces(self) -> Iterator[Piece]:
        """The lines in pieces of up to ``PIECE_LINES``."""
        start = 0
        while lines := list(islice(self._records, PIECE_LINES)):
            positions = self._positions[start : start + len(lines)]
            yield self._plain(lines, positions) or self._mixed(lines, positions)
            start += len(lines)

    def __iter__(self) -> Iterator[PostItem | Tick | Reject]:
        """One item a line."""
        for piece in self.pieces():
            yield from piece.items

    def _plain(self, lines: list[bytes], positions: Sequence[int]) -> Piece | None:
        """The piece if all its lines are posts; None if any has to be looked at by itself."""
        # The loops are the product's hottest: each does one thing to every post, in C if it can.
        decoder = self._decoder
        regions, languages = decoder._regions, decoder._languages  # noqa: SLF001 - one unit
        try:
            posts = list(map(self._decode, lines))
            times = decoder._times.read([post.created_at for post in posts])  # noqa: SLF001
            region = [regions[post.region] for post in posts]
            lang = [languages[post.lang] for post in posts]
        except _FAILURES:
            return None
        span = (min(times), max(times))
        return Piece(positions, lines, list(zip(times, region, lang, posts, strict=True)), span)

    def _mixed(self, lines: list[bytes], positions: Sequence[int]) -> Piece:
        return Piece(positions, lines, list(map(self._one, lines, positions)), None)

    def _one(self, line: bytes, number: int) -> PostItem | Tick | Reject:
        decoder = self._decoder
        try:
            return decoder._item(self._decode(line))  # noqa: SLF001 - one unit
        except _FAILURES as error:
            try:
                return decoder._look_again(line.removesuffix(b"\n"), error)  # noqa: SLF001
            except RecordError as refusal:
                raw = first_bytes(line)
                return Reject(refusal.reason, refusal.detail, self._source, number, raw)


class Decoded:
    """The lines of one chunk, decoded, for more than one reader of its pieces."""

    __slots__ = ("_pieces",)

    def __init__(self, batch: Batch) -> None:
        self._pieces = list(batch.pieces())

    def pieces(self) -> Iterator[Piece]:
        """The same as those of the batch, as often as asked."""
        return iter(self._pieces)


class _Regions(Remembered[str | None, str]):
    """Regions as codes; what is none is not remembered but counted, each time it comes.

    Attributes:
        strange: how often each came, of the first ``STRANGE_MAX`` of them; ``""`` for the others.
    """

    __slots__ = ("strange",)

    def __init__(self) -> None:
        super().__init__(region_code)
        self.strange: dict[str, int] = {}

    def __missing__(self, key: str | None) -> str:
        code = super().__missing__(key)
        if code == UNKNOWN and key and key.upper() != UNKNOWN:
            self.pop(key, None)
            name = key[:STRANGE_CHARS]
            if name not in self.strange and len(self.strange) >= STRANGE_MAX:
                name = ""
            self.strange[name] = self.strange.get(name, 0) + 1
        return code


def first_bytes(line: bytes) -> bytes:
    """What is kept of a line that is rejected."""
    return line[:RAW_BYTES].rstrip(b"\n")


def region_code(region: str | None) -> str:
    """Return the region as an assigned code in upper case, ``ZZ`` for anything else.

    >>> region_code("us"), region_code("Mars"), region_code("XX"), region_code(None)
    ('US', 'ZZ', 'ZZ', 'ZZ')
    """
    if region is None or len(region) != 2 or not region.isascii():  # noqa: PLR2004
        return UNKNOWN
    code = region.upper()
    return code if code in REGIONS else UNKNOWN


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
