"""The alerts do not depend on the process, nor on how the bytes of a log are packed."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import orjson
import pytest
import zstandard

from tests.property.small_worlds import sparse

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.harness import Command, Json

WORLD = sparse(5)
CONFIG = """
[time]
bucket = "5m"
[detection]
warmup = "0s"
[alerts]
min_users = 2
false_incidents_per_week = 10_000
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration under which a small log holds many incidents."""
    path = tmp_path / "surgewatch.toml"
    path.write_text(CONFIG)
    return path


def replayed(hash_seed: str, logs: list[Path], config: Path) -> bytes:
    """Alerts as a process with this hash seed writes them."""
    env = {name: value for name, value in os.environ.items() if "SURGEWATCH" not in name}
    args = ["replay", *map(str, logs), "--config", str(config), "--out", "-"]
    done = subprocess.run(
        [sys.executable, "-m", "streams.cli", *args],
        env=env | {"PYTHONHASHSEED": hash_seed},
        capture_output=True,
        check=True,
    )
    return done.stdout


def test_hash_seed_and_order_of_arguments(tmp_path: Path, config: Path) -> None:
    """Processes with different hash seeds and orders of logs write the same bytes."""
    logs = []
    for name, data in WORLD.split("user", 3).items():
        logs.append(tmp_path / name)
        logs[-1].write_bytes(data)
    first = replayed("0", logs, config)
    assert b"surgewatch.incident.opened.v1" in first
    assert replayed("1", logs[::-1], config) == first
    assert replayed("4294967295", [logs[1], logs[2], logs[0]], config) == first


def parquet(log: bytes) -> bytes:
    """The same posts as rows of a Parquet file."""
    pa = pytest.importorskip("pyarrow")
    parquet_module = pytest.importorskip("pyarrow.parquet")
    rows: list[Json] = [orjson.loads(line) for line in log.splitlines()]
    out = io.BytesIO()
    parquet_module.write_table(pa.Table.from_pylist(rows), out)
    return out.getvalue()


def zstd_frames(log: bytes) -> bytes:
    """Two zstd frames, cut in the middle of a line."""
    packer = zstandard.ZstdCompressor()
    return packer.compress(log[:1_001]) + packer.compress(log[1_001:])


PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "gzip members": lambda log: gzip.compress(log[:777]) + gzip.compress(log[777:]),
    "zstd": zstandard.ZstdCompressor().compress,
    "zstd frames": zstd_frames,
    "no last line end": lambda log: log.removesuffix(b"\n"),
    "carriage returns": lambda log: log.replace(b"\n", b"\r\n"),
    "byte order mark": lambda log: b"\xef\xbb\xbf" + log,
    "parquet": parquet,
}


@pytest.mark.parametrize("packing", PACKINGS)
def test_packing(packing: str, tmp_path: Path, config: Path, surgewatch: Command) -> None:
    """However its bytes are packed, a log gives the same alerts and no rejects."""
    plain, packed = tmp_path / "plain", tmp_path / "packed"
    plain.write_bytes(WORLD.log)
    packed.write_bytes(PACKINGS[packing](WORLD.log))
    rejects = tmp_path / "rejects.jsonl"
    expected = surgewatch("replay", plain, "--config", config, "--out", "-")
    assert b"surgewatch.incident.opened.v1" in expected.out
    ran = surgewatch("replay", packed, "--config", config, "--out", "-", "--rejects", rejects)
    assert (ran.code, ran.out) == (0, expected.out)
    assert rejects.read_bytes() == b""


def test_standard_input(tmp_path: Path, config: Path) -> None:
    """A log through a pipe, packed or not, gives the same alerts as the file."""
    log = tmp_path / "posts.jsonl"
    log.write_bytes(WORLD.log)
    expected = replayed("0", [log], config)
    assert b"surgewatch.incident.opened.v1" in expected
    for data in (WORLD.log, zstandard.ZstdCompressor().compress(WORLD.log)):
        done = subprocess.run(
            [sys.executable, "-m", "streams.cli", "replay", "-", "--config", config, "--out", "-"],
            input=data,
            capture_output=True,
            check=True,
        )
        assert done.stdout == expected
