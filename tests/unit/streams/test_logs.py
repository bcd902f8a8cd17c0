import gzip
import io
import os
import random
import stat
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.errors import LogError
from streams.events import Reject
from streams.logs import CHUNK_BYTES, Chunk, open_log


def numbered(count: int) -> list[bytes]:
    """Return different lines that compress badly, about 60 bytes each."""
    rng = random.Random(5)  # noqa: S311 - not for secrets
    return [b"%d %s" % (number, rng.randbytes(25).hex().encode()) for number in range(count)]


LINES = numbered(20_000)
TEXT = b"\n".join(LINES) + b"\n"


def read(path: Path | str, **options: int) -> tuple[list[bytes], list[Reject]]:
    """Return a log's lines and rejects, checking that the line numbers fit."""
    lines: list[bytes] = []
    rejects: list[Reject] = []
    taken = 0
    log = open_log(str(path), **options)  # type: ignore[arg-type]
    for item in log.chunks():
        if isinstance(item, Reject):
            rejects.append(item)
            assert item.position == len(lines) + len(rejects)
        else:
            assert item.first_line == len(lines) + len(rejects) + 1
            assert item.data.endswith(b"\n")
            assert taken <= item.consumed
            taken = item.consumed
            lines += item.data[:-1].split(b"\n")
    if log.size is not None and not rejects:
        assert taken == log.size
    return lines, rejects


def saved(tmp_path: Path, data: bytes) -> Path:
    """Write a log under a name that says nothing of how it is packed."""
    path = tmp_path / "posts.log"
    path.write_bytes(data)
    return path


def zstd(data: bytes) -> bytes:
    """Pack as one zstd frame with a checksum."""
    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


HALF = TEXT.index(b"\n10000 ") - 30  # in the middle of a line
SKIPPABLE = b"\x50\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"notes"


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(TEXT, id="plain"),
        pytest.param(TEXT[:-1], id="plain, no newline at the end"),
        pytest.param(b"\xef\xbb\xbf" + TEXT, id="byte order mark"),
        pytest.param(gzip.compress(TEXT), id="gzip"),
        pytest.param(gzip.compress(TEXT[:-1]), id="gzip, no newline at the end"),
        pytest.param(gzip.compress(b"\xef\xbb\xbf" + TEXT), id="gzip, byte order mark"),
        pytest.param(
            gzip.compress(TEXT[:HALF]) + gzip.compress(b"") + gzip.compress(TEXT[HALF:]),
            id="gzip of three members",
        ),
        pytest.param(gzip.compress(TEXT) + b"\0" * 1000, id="gzip, padded"),
        pytest.param(zstd(TEXT), id="zstd"),
        pytest.param(zstd(TEXT[:HALF]) + zstd(b"") + zstd(TEXT[HALF:]), id="zstd of three frames"),
        pytest.param(zstd(TEXT) + SKIPPABLE, id="zstd, skippable frame"),
    ],
)
def test_whole_logs(tmp_path: Path, data: bytes) -> None:
    """Every way of packing gives the same lines, told by content and not by name."""
    assert read(saved(tmp_path, data)) == (LINES, [])


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstd])
def test_standard_input(pack: Callable[[bytes], bytes]) -> None:
    """``-`` reads standard input, packed or not; its size is unknown."""
    log = open_log("-", stdin=io.BytesIO(pack(TEXT)))
    assert log.name == "stdin"
    assert log.size is None
    chunks = [item for item in log.chunks() if isinstance(item, Chunk)]
    assert b"".join(chunk.data for chunk in chunks) == TEXT


def test_pipe() -> None:
    """A pipe, which has no size and no second reading, gives all its lines."""
    reader, writer = os.pipe()
    with os.fdopen(writer, "wb") as file:
        file.write(TEXT[: HALF % 5000])
    log = open_log(f"/dev/fd/{reader}")
    data = b"".join(item.data for item in log.chunks() if isinstance(item, Chunk))
    os.close(reader)
    assert log.size is None
    assert data == TEXT[: HALF % 5000] + b"\n"


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstd])
def test_empty_log(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    """A log without a byte has no lines and no fault."""
    lines, rejects = read_any(saved(tmp_path, pack(b"")))
    assert (lines, rejects) == ([], [])


def read_any(path: Path) -> tuple[list[bytes], list[Reject]]:
    """Return a log's lines and rejects."""
    lines, rejects = [], []
    for item in open_log(str(path)).chunks():
        if isinstance(item, Reject):
            rejects.append(item)
        else:
            lines += item.data[:-1].split(b"\n")
    return lines, rejects


def test_chunks_are_small(tmp_path: Path) -> None:
    """A chunk holds about a quarter of a megabyte, so that what is made of it stays in cache."""
    for data in (TEXT, gzip.compress(TEXT), zstd(TEXT)):
        sizes = [
            len(item.data)
            for item in open_log(str(saved(tmp_path, data))).chunks()
            if isinstance(item, Chunk)
        ]
        assert max(sizes) <= 2 * CHUNK_BYTES
        assert len(sizes) <= len(TEXT) // CHUNK_BYTES + 2


@pytest.mark.parametrize("pack", [gzip.compress, zstd])
@pytest.mark.parametrize("keep", [0.2, 0.5, 0.999])
def test_truncated(tmp_path: Path, pack: Callable[[bytes], bytes], keep: float) -> None:
    """A cut-off log gives every line that is readable, then one reject at the line it ends in."""
    packed = pack(TEXT)
    lines, rejects = read(saved(tmp_path, packed[: int(len(packed) * keep)]))
    assert lines == LINES[: len(lines)]
    assert len(lines) > (keep - 0.19) * len(LINES)  # zstd gives out whole blocks only
    assert [reject.reason for reject in rejects] == ["truncated"]
    assert "ends in the middle" in rejects[0].detail
    assert LINES[len(lines)].startswith(rejects[0].raw) or not rejects[0].raw


@pytest.mark.parametrize("pack", [gzip.compress, zstd])
def test_corrupt(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    """Corrupt data gives the lines before it and one reject that calls it corrupt."""
    packed = bytearray(pack(TEXT))
    middle = len(packed) // 2
    packed[middle : middle + 2000] = b"\xff" * 2000
    lines, rejects = read(saved(tmp_path, bytes(packed)))
    assert len(lines) > 0.3 * len(LINES)
    assert lines[: len(LINES) // 3] == LINES[: len(LINES) // 3]
    assert [reject.reason for reject in rejects] == ["truncated"]
    assert "corrupt" in rejects[0].detail


def test_wrong_checksum(tmp_path: Path) -> None:
    """A checksum that does not fit is reported after the lines, but for zstd's last block."""
    for packed in (bytearray(gzip.compress(TEXT)), bytearray(zstd(TEXT))):
        packed[-6 if packed[0] == 0x1F else -1] ^= 1
        lines, rejects = read(saved(tmp_path, bytes(packed)))
        assert [reject.reason for reject in rejects] == ["truncated"]
        assert len(lines) > 0.9 * len(LINES)
        assert packed[0] != 0x1F or lines == LINES


@pytest.mark.parametrize("pack", [gzip.compress, zstd])
def test_garbage_after_the_end(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    """Bytes after the last member are reported; the lines before them all count."""
    lines, rejects = read(saved(tmp_path, pack(TEXT) + b"garbage"))
    assert lines == LINES
    assert [reject.reason for reject in rejects] == ["truncated"]


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstd])
def test_long_lines(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    """Lines of 5 MB are skipped and reported by their first 4 KiB, wherever they stand."""
    long = b'{"text": "' + b"x" * 5_000_000
    data = b"\n".join([long, b"one", b"two", long, long, b"three", long])
    lines, rejects = read_any(saved(tmp_path, pack(data)))
    assert lines == [b"one", b"two", b"three"]
    assert [(reject.reason, reject.position) for reject in rejects] == [
        ("too_large", 1),
        ("too_large", 4),
        ("too_large", 5),
        ("too_large", 7),
    ]
    assert all(reject.raw == long[:4096] for reject in rejects)
    assert rejects[0].detail.startswith("5000010 bytes")


@pytest.mark.parametrize("pack", [gzip.compress, zstd])
def test_bomb(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    """A few kilobytes that unpack to 200 MB without a newline never take more than a part."""
    path = saved(tmp_path, pack(b"\0" * 200_000_000 + b"\nend\n"))
    assert path.stat().st_size < 250_000
    tracemalloc.start()
    lines, rejects = read_any(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert lines == [b"end"]
    assert [reject.reason for reject in rejects] == ["too_large"]
    assert peak < 70_000_000


@given(
    st.lists(st.integers(0, 90).map(lambda size: b"x" * size), max_size=40),
    st.integers(1, 40),
    st.integers(8, 80),
    st.booleans(),
)
@settings(max_examples=60)
def test_any_cut(lines: list[bytes], piece: int, limit: int, newline: bool) -> None:
    """However a pipe hands out its bytes, every line is delivered or reported, in order."""
    data = b"\n".join(lines) + (b"\n" if newline and lines else b"")

    class Dribble(io.BytesIO):
        def read1(self, _size: int | None = -1, /) -> bytes:
            return super().read1(piece)

    want = data.split(b"\n")
    if not want[-1]:
        want.pop()
    got: list[bytes] = []
    for item in open_log("-", stdin=Dribble(data), record_bytes=limit).chunks():
        if isinstance(item, Reject):
            assert item.position == len(got) + 1
            got.append(item.raw)
        else:
            assert item.first_line == len(got) + 1
            got += item.data[:-1].split(b"\n")
    assert got == want


def test_unreadable_paths(tmp_path: Path) -> None:
    """What cannot be opened is an error that names the path and the reason."""
    with pytest.raises(LogError, match="no such file"):
        open_log(str(tmp_path / "missing"))
    with pytest.raises(LogError, match="a directory"):
        open_log(str(tmp_path))
    with pytest.raises(LogError, match="cannot be opened"):
        open_log("nul\0byte")
    with pytest.raises(LogError, match="cannot be opened"):
        open_log(str(saved(tmp_path, b"") / "below a file"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_permission_denied(tmp_path: Path) -> None:
    """A file that this user may not read is an error that says so."""
    path = saved(tmp_path, TEXT)
    path.chmod(stat.S_IWUSR)
    with pytest.raises(LogError, match="permissions"):
        open_log(str(path))
