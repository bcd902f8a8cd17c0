"""The series file: observed and expected of each bucket, as JSON lines or Parquet."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from streams.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

_BATCH = 10_000


class SeriesWriter(Protocol):
    """Takes the rows of a series file one by one."""

    def write(self, row: dict[str, Any]) -> None:
        """Append a row (see ``schemas/series.schema.json``)."""


class _JsonLines:
    def __init__(self, file: Any) -> None:
        self._file = file

    def write(self, row: dict[str, Any]) -> None:
        self._file.write(orjson.dumps(row) + b"\n")


class _Parquet:
    def __init__(self, path: str) -> None:
        try:
            import pyarrow as pa  # noqa: PLC0415 - an extra
            from pyarrow import parquet  # noqa: PLC0415
        except ImportError as error:
            raise UsageError(
                f"{path}: Parquet needs the extra: pip install 'surgewatch[parquet]'"
            ) from error
        number = pa.float64()
        self._schema = pa.schema(
            [("series", pa.string()), ("at", pa.string())]
            + [
                (n, number)
                for n in ("minutes", "observed", "expected", "upper", "score", "threshold")
            ]
            + [("open", pa.bool_())]
        )
        self._table = pa.Table
        self._writer = parquet.ParquetWriter(path, self._schema)
        self._rows: list[dict[str, Any]] = []

    def write(self, row: dict[str, Any]) -> None:
        self._rows.append(row)
        if len(self._rows) >= _BATCH:
            self._flush()

    def _flush(self) -> None:
        self._writer.write_table(self._table.from_pylist(self._rows, schema=self._schema))
        self._rows = []

    def close(self) -> None:
        self._flush()
        self._writer.close()


@contextlib.contextmanager
def open_series(path: str) -> Iterator[SeriesWriter]:
    """Open a series file; the name says which kind.

    Raises:
        UsageError: neither .jsonl nor .parquet, or the Parquet extra is absent.
        OSError: the file cannot be written.
    """
    if path.endswith(".parquet"):
        writer = _Parquet(path)
        try:
            yield writer
        finally:
            writer.close()
    elif path.endswith(".jsonl"):
        with Path(path).open("wb") as file:
            yield _JsonLines(file)
    else:
        raise UsageError(f"--series {path}: the name must end in .jsonl or .parquet")
