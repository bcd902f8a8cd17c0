"""Bytes ↔ records; the only home of field names."""

from streams.codec.alerts import decode_alert
from streams.codec.decode import (
    RECORD_BYTES,
    Batch,
    Decoded,
    Piece,
    PostDecoder,
    PostItem,
    account_created_ms,
    first_bytes,
    primary_language,
    region_code,
)
from streams.codec.diagnose import RAW_BYTES
from streams.codec.encode import encode_alert, encode_post, encode_reject, encode_tick
from streams.codec.fields import HASHTAGS_MAX, ID_CHARS, REQUIRED, FieldMap, PlainPost, RawPost
from streams.codec.labels import (
    VERDICTS,
    Told,
    decode_label,
    decode_told,
    decode_truth,
    encode_label,
    label_key,
)
from streams.codec.memory import Remembered
from streams.codec.ops import (
    FIELDS,
    ack_key,
    decode_said,
    encode_ack,
    encode_silence,
    silence_key,
)
from streams.codec.timestamps import EARLIEST_MS, LATEST_MS, epoch_ms, rfc3339

__all__ = [
    "EARLIEST_MS",
    "FIELDS",
    "HASHTAGS_MAX",
    "ID_CHARS",
    "LATEST_MS",
    "RAW_BYTES",
    "RECORD_BYTES",
    "REQUIRED",
    "VERDICTS",
    "Batch",
    "Decoded",
    "FieldMap",
    "Piece",
    "PlainPost",
    "PostDecoder",
    "PostItem",
    "RawPost",
    "Remembered",
    "Told",
    "account_created_ms",
    "ack_key",
    "decode_alert",
    "decode_label",
    "decode_said",
    "decode_told",
    "decode_truth",
    "encode_ack",
    "encode_alert",
    "encode_label",
    "encode_post",
    "encode_reject",
    "encode_silence",
    "encode_tick",
    "epoch_ms",
    "first_bytes",
    "label_key",
    "primary_language",
    "region_code",
    "rfc3339",
    "silence_key",
]
