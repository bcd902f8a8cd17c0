"""Parquet logs: rows become the same JSON lines that other logs hold, and share their decoder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from streams.codec import REQUIRED, FieldMap
from streams.errors import LogError, UsageError
from streams.events import Reject
from streams.logs.lines import Chunk

if TYPE_CHECKING:
    from collections.abc import Iterator

_BATCH_ROWS = 1024

_NOT_UTF8 = b"\xff"  # stands for text that is not: no JSON line can hold it, so it is rejected


class ParquetLog:
    """A Parquet file; positions are row numbers from 1.

    Columns are found by the mapped names, either as they are or as members of struct columns.
    Time columns may be timestamps (UTC where they name no zone), dates, text or numbers.
    """

    def __init__(self, path: str, size: int, fields: FieldMap) -> None:
        try:
            import pyarrow  # noqa: ICN001, PLC0415 - an extra
            import pyarrow.compute  # noqa: PLC0415
            import pyarrow.parquet  # noqa: PLC0415
        except ImportError:
            raise UsageError(
                f"{path}: reading Parquet needs pyarrow: install surgewatch[parquet]"
            ) from None
        self.name = path
        self.size = size
        self._arrow: Any = pyarrow
        try:
            self._file = pyarrow.parquet.ParquetFile(path)
        except (pyarrow.ArrowException, OSError) as error:
            raise LogError(f"{path}: not a readable Parquet file: {error}") from error
        self._columns = self._find(fields)

    def _find(self, fields: FieldMap) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
        """Return the path in the record and the path in the schema of each field that is there."""
        schema = self._file.schema_arrow
        found: list[tuple[tuple[str, ...], tuple[str, ...]]] = []
        for name, path in fields.paths():
            dotted = ".".join(path)
            if dotted in schema.names:
                found.append((path, (dotted,)))
            elif self._holds(schema, path):
                found.append((path, path))
            elif name in REQUIRED:
                names = ", ".join(schema.names[:20])
                raise LogError(f"{self.name}: no column {dotted!a}; it has: {names}")
        return found

    def _holds(self, schema: Any, path: tuple[str, ...]) -> bool:
        if path[0] not in schema.names:
            return False
        kind = schema.field(path[0]).type
        for step in path[1:]:
            if not self._arrow.types.is_struct(kind) or kind.get_field_index(step) < 0:
                return False
            kind = kind.field(step).type
        return True

    def chunks(self) -> Iterator[Chunk | Reject]:
        """Read the rows once, in order, and close the file.

        A file that proves corrupt on the way gives a last reject, ``truncated``.
        """
        row, rows = 1, self._file.metadata.num_rows
        names = [".".join(place) for _, place in self._columns]
        try:
            for batch in self._file.iter_batches(batch_size=_BATCH_ROWS, columns=names):
                data = self._lines(batch)
                consumed = self.size * (row - 1 + batch.num_rows) // max(rows, 1)
                yield Chunk(data, row, consumed)
                row += batch.num_rows
        except (self._arrow.ArrowException, OSError) as error:
            yield Reject("truncated", f"corrupt Parquet data: {error}", self.name, row, b"")
        finally:
            self.close()

    def close(self) -> None:
        """Close the file; ``chunks`` does so at its end."""
        self._file.close()

    def _lines(self, batch: Any) -> bytes:
        columns = [(path, self._values(batch, place)) for path, place in self._columns]
        lines = []
        for row in range(batch.num_rows):
            record: dict[str, Any] = {}
            for path, values in columns:
                target = record
                for step in path[:-1]:
                    target = target.setdefault(step, {})
                target[path[-1]] = values[row]
            lines.append(_line(record))
        return b"".join(lines)

    def _values(self, batch: Any, place: tuple[str, ...]) -> list[Any]:
        arrow = self._arrow
        column = batch.column(place[0])
        if len(place) > 1:
            column = arrow.compute.struct_field(column, list(place[1:]))
        if arrow.types.is_timestamp(column.type) or arrow.types.is_date(column.type):
            column = column.cast(arrow.timestamp("ms"), safe=False).cast(arrow.int64())
        try:
            values: list[Any] = column.to_pylist()
        except UnicodeDecodeError:
            values = [_value(scalar) for scalar in column]
        return values


def _value(scalar: Any) -> Any:
    try:
        return scalar.as_py()
    except UnicodeDecodeError:
        return _NOT_UTF8


def _line(record: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(record, default=_plain, option=orjson.OPT_APPEND_NEWLINE)
    except orjson.JSONEncodeError as error:
        if isinstance(error.__cause__, UnicodeDecodeError):
            return _NOT_UTF8 + b"\n"
        raise


def _plain(value: Any) -> Any:
    """Turn what JSON lacks into what the decoder judges: old writers leave text as bytes."""
    if isinstance(value, bytes):
        return value.decode()
    return [type(value).__name__]  # a list is of the wrong type in every field but hashtags
