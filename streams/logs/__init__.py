"""Recorded logs: whole lines out of files and pipes, whatever they are packed in.

Memory is bounded whatever a log holds: no line longer than a record may be, and nothing that a
few compressed bytes claim to be, is ever held whole.
"""

from __future__ import annotations

import os
import stat
import sys
from typing import BinaryIO

from streams.codec import RECORD_BYTES, FieldMap
from streams.errors import LogError
from streams.logs.lines import CHUNK_BYTES, Chunk, LineLog
from streams.logs.parquet import ParquetLog

__all__ = ["CHUNK_BYTES", "Chunk", "LineLog", "Log", "ParquetLog", "open_log"]

Log = LineLog | ParquetLog

_PARQUET = b"PAR1"


def open_log(
    path: str,
    *,
    fields: FieldMap = FieldMap(),  # noqa: B008 - immutable
    record_bytes: int = RECORD_BYTES,
    stdin: BinaryIO | None = None,
) -> Log:
    """Open a recorded log: JSON lines, plain, gzip or zstd, or Parquet, told by its first bytes.

    Args:
        path: a file, or ``-`` for standard input.
        fields: the columns to read; only Parquet needs to know.
        record_bytes: longest line that is delivered, in bytes.
        stdin: what ``-`` means, if not the process's own standard input.

    Raises:
        LogError: the file is missing, a directory, may not be read, or is Parquet and broken.
        UsageError: it is Parquet, and the extra that reads it is not installed.
    """
    file: BinaryIO
    if path == "-":
        name, file, size = "stdin", stdin or sys.stdin.buffer, None
    else:
        name = path
        file, size = _open_file(path)
    try:
        head = file.read(len(_PARQUET))
    except OSError as error:
        raise LogError(f"{name}: cannot be read: {error}") from error
    if head != _PARQUET:
        return LineLog(name, size, file, head, record_bytes)
    file.close()
    if size is None:
        raise LogError(f"{name}: Parquet is read from a file, not from a pipe: save it first")
    return ParquetLog(path, size, fields)


def _open_file(path: str) -> tuple[BinaryIO, int | None]:
    try:
        file = open(path, "rb")  # noqa: SIM115, PTH123 - the log closes it
    except FileNotFoundError:
        raise LogError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise LogError(f"{path}: a directory; name the files in it, such as {path}/*") from None
    except PermissionError:
        raise LogError(f"{path}: may not be read by this user; check its permissions") from None
    except (OSError, ValueError) as error:
        raise LogError(f"{path}: cannot be opened: {error}") from error
    status = os.fstat(file.fileno())
    return file, status.st_size if stat.S_ISREG(status.st_mode) else None
