"""The files that commands read and write: what cannot be, or would be lost, is refused first."""

from __future__ import annotations

import contextlib
import gzip
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

import zstandard

from streams.backtest import Knowledge, read_labels, read_truth
from streams.errors import LogError, UsageError
from streams.events import Reject
from streams.logs import LineLog, open_log

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

LINE_BYTES_MAX = 4 << 20
"""Of a file of labels, truth or alerts."""

PACKED = (".gz", ".zst")
"""How a file's name ends that is written packed."""


def check_inputs(
    logs: Sequence[str], others: Sequence[Path | None], outputs: Mapping[str, str | None]
) -> None:
    """Refuse an output that is also an input: opening it would empty that before it is read.

    Args:
        logs: as given.
        others: what else is read.
        outputs: option to file.

    Raises:
        UsageError: an output is one of the inputs, or standard input is to be read twice.
    """
    paths = [Path(log) for log in logs] + [path for path in others if path is not None]
    if [str(path) for path in paths].count("-") > 1:
        raise UsageError("-: standard input can be read once; give it once, or give files")
    for output in outputs.values():
        if not output or not Path(output).is_file():
            continue
        if any(path.is_file() and Path(output).samefile(path) for path in paths):
            raise UsageError(f"{output}: is to be read; name another output")


def check_outputs(outputs: Mapping[str, str | None]) -> None:
    """Refuse, before any work, what would be lost at its end.

    Raises:
        UsageError: two outputs are one file, or an output cannot be written.
    """
    seen: dict[Path, str] = {}
    for option, output in outputs.items():
        if not output:
            continue
        path = Path(output)
        if output == "-":
            if option == "--report":
                raise UsageError("--report -: a report cannot go to standard output; name a file")
        elif why := _unwritable(path):
            raise UsageError(f"{option} {output}: cannot be written: {why}")
        if output != "-" and path.exists() and not path.is_file():
            continue  # a device such as /dev/null takes whatever comes
        place = path if output == "-" else path.resolve()
        if place in seen:
            raise UsageError(f"{seen[place]} and {option} are both {output}; name two places")
        seen[place] = option


def _unwritable(path: Path) -> str | None:
    """Why a file cannot be written, or None; nothing is made or emptied to find out."""
    if path.is_dir():
        return "it is a directory"
    if path.exists():
        return None if os.access(path, os.W_OK) else "no permission"
    if not path.parent.is_dir():
        return "there is no such directory"
    return None if os.access(path.parent, os.W_OK) else "no permission in its directory"


@contextlib.contextmanager
def open_output(path: str) -> Iterator[BinaryIO]:
    """A file to write bytes to, compressed as its name says; ``-`` is standard output."""
    if path == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    try:
        raw = Path(path).open("wb")  # noqa: SIM115 - closed below, after its wrapper
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from error
    with raw:
        if path.endswith(PACKED[0]):
            # No name and no time in the header: same arguments, same bytes.
            with gzip.GzipFile(
                filename="", mode="wb", fileobj=raw, mtime=0, compresslevel=6
            ) as out:
                yield cast("BinaryIO", out)
        elif path.endswith(PACKED[1]):
            with zstandard.ZstdCompressor().stream_writer(raw) as out:
                yield cast("BinaryIO", out)
        else:
            yield raw


def append_line(path: Path, line: bytes) -> None:
    """Append a line to a file, on a line of its own even where the last one was left unended."""
    with path.open("ab+") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")
        file.write(line + b"\n")


def read_lines(path: Path) -> Iterator[bytes]:
    """The lines of a file, packed or not, without their ends.

    Raises:
        UsageError: it cannot be read, or not as lines; the message says where.
    """
    try:
        with contextlib.closing(open_log(str(path), record_bytes=LINE_BYTES_MAX)) as log:
            if not isinstance(log, LineLog):
                raise UsageError(f"{path}: is Parquet; JSON lines are read here")
            for chunk in log.chunks():
                if isinstance(chunk, Reject):
                    place = f"{path}, line {chunk.position}"
                    raise UsageError(f"{place}: {chunk.reason}: {chunk.detail}")
                yield from chunk.data.split(b"\n")[:-1]
    except LogError as error:
        raise UsageError(str(error)) from error


def read_knowledge(truth: Path | None, labels: Path | None) -> Knowledge:
    """What is known of a log.

    Args:
        truth: a truth file.
        labels: a labels file.

    Raises:
        UsageError: one of them cannot be read; the message names the line.
    """
    return Knowledge(
        None if truth is None else read_truth(read_lines(truth), str(truth)),
        None if labels is None else read_labels(read_lines(labels), str(labels)),
    )
