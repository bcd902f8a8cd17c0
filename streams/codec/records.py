"""Records between stages to bytes and back: what the tallies and episodes topics hold.

One byte of kind, then MessagePack, packed with zstd. Columns travel as little-endian bytes. The
same record gives the same bytes, so a repeat can be known by them.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import zstandard

from detectors.users import WHOLE
from streams.errors import StateError
from streams.events import Closed, Early, EarlyOutcome, Intake, Outcome, Partials, Seen

Tally = Partials | Closed | Early | Seen

_PARTIALS, _CLOSED, _EARLY, _SEEN = b"P", b"C", b"E", b"S"
_OUTCOME, _EARLY_OUTCOME = b"O", b"F"


class _Columns(msgspec.Struct, array_like=True):
    """``Partials`` as they travel; of ``theta`` only what was cut."""

    partition: int
    bucket: int
    series: list[str]
    ends: bytes
    cut: list[tuple[int, int]]
    user: bytes
    post: bytes
    lang: bytes
    flags: bytes
    langs: list[str]


class _Marker(msgspec.Struct, array_like=True):
    """``Closed`` as it travels."""

    partition: int
    through: int
    intake: Intake


_encoder = msgspec.msgpack.Encoder(enc_hook=float)
_columns = msgspec.msgpack.Decoder(_Columns)
_marker = msgspec.msgpack.Decoder(_Marker)
_seen = msgspec.msgpack.Decoder(Seen)
_outcome = msgspec.msgpack.Decoder(Outcome)
_early_outcome = msgspec.msgpack.Decoder(EarlyOutcome)
_pack = zstandard.ZstdCompressor(level=1).compress
_unpack = zstandard.ZstdDecompressor().decompress


def encode_tally(record: Tally) -> bytes:
    """Write what ingest emits."""
    if isinstance(record, Closed):
        marker = _Marker(record.partition, record.through, record.intake)
        return _CLOSED + _pack(_encoder.encode(marker))
    if isinstance(record, Seen):
        return _SEEN + _encoder.encode(record)
    if isinstance(record, Early):
        return _EARLY + _pack(_encoder.encode(_as_columns(record.partials)))
    return _PARTIALS + _pack(_encoder.encode(_as_columns(record)))


def decode_tally(data: bytes) -> Tally:
    """Read what ``encode_tally`` wrote.

    Raises:
        StateError: these are no such bytes.
    """
    kind = data[:1]
    try:
        if kind == _SEEN:
            return _seen.decode(data[1:])
        body = _unpack(data[1:])
        if kind == _CLOSED:
            marker = _marker.decode(body)
            return Closed(marker.partition, marker.through, marker.intake)
        if kind == _PARTIALS:
            return _from_columns(_columns.decode(body))
        if kind == _EARLY:
            return Early(_from_columns(_columns.decode(body)))
    except (msgspec.MsgspecError, zstandard.ZstdError, ValueError) as error:
        raise StateError(f"a tally cannot be read: {error}") from error
    raise StateError(f"a tally of unknown kind {kind!r}: it was written by another version")


def encode_outcome(outcome: Outcome | EarlyOutcome) -> bytes:
    """Write what detect says of a bucket; its points go elsewhere."""
    if isinstance(outcome, EarlyOutcome):
        return _EARLY_OUTCOME + _pack(_encoder.encode(outcome))
    body = msgspec.structs.replace(outcome, points=[])
    return _OUTCOME + _pack(_encoder.encode(body))


def decode_outcome(data: bytes) -> Outcome | EarlyOutcome:
    """Read what ``encode_outcome`` wrote.

    Raises:
        StateError: these are no such bytes.
    """
    kind = data[:1]
    if kind not in {_OUTCOME, _EARLY_OUTCOME}:
        raise StateError(f"an outcome of unknown kind {kind!r}: written by another version")
    decoder = _outcome if kind == _OUTCOME else _early_outcome
    try:
        return decoder.decode(_unpack(data[1:]))
    except (msgspec.MsgspecError, zstandard.ZstdError) as error:
        raise StateError(f"an outcome cannot be read: {error}") from error


def _as_columns(partials: Partials) -> _Columns:
    cut = np.flatnonzero(partials.theta != WHOLE).tolist()
    return _Columns(
        partials.partition,
        partials.bucket,
        partials.series,
        _bytes(partials.ends, "<i8"),
        [(i, int(partials.theta[i])) for i in cut],
        _bytes(partials.user, "<i8"),
        _bytes(partials.post, "<i8"),
        _bytes(partials.lang, "<i2"),
        _bytes(partials.flags, "u1"),
        partials.langs,
    )


def _from_columns(columns: _Columns) -> Partials:
    theta = np.full(len(columns.series), WHOLE, dtype=np.int64)
    for i, value in columns.cut:
        theta[i] = value
    return Partials(
        partition=columns.partition,
        bucket=columns.bucket,
        series=columns.series,
        ends=np.frombuffer(columns.ends, "<i8"),
        theta=theta,
        user=np.frombuffer(columns.user, "<i8"),
        post=np.frombuffer(columns.post, "<i8"),
        lang=np.frombuffer(columns.lang, "<i2"),
        flags=np.frombuffer(columns.flags, "u1"),
        langs=columns.langs,
    )


def _bytes(column: Any, kind: str) -> bytes:
    return np.ascontiguousarray(column, dtype=kind).tobytes()
