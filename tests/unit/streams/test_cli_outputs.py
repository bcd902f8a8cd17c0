"""Inputs and outputs that cannot be, or would destroy each other, are refused before any work."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from tests.harness import post

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness import Command

START_MS = 1_736_294_400_000


@pytest.mark.parametrize(
    ("option", "path"),
    [
        ("--out", "missing/alerts.jsonl"),
        ("--rejects", "missing/rejects.jsonl"),
        ("--series", "missing/series.jsonl"),
        ("--report", "missing/report.html"),
        ("--report", "."),
        ("--report", "log.jsonl/report.html"),
        ("--series", "series.csv"),
    ],
)
def test_output_that_cannot_be(option: str, path: str, tmp_path: Path, surgewatch: Command) -> None:
    """An output that cannot be written is told by its name, with exit code 2, before any work."""
    log, alerts = tmp_path / "log.jsonl", tmp_path / "kept.jsonl"
    log.write_bytes(post(1, START_MS, "u", "US") + b"\n")
    alerts.write_bytes(b"from yesterday")
    others = () if option == "--out" else ("--out", alerts)
    ran = surgewatch("replay", log, option, f"{tmp_path}/{path}", *others)
    assert ran.code == 2
    assert path in ran.message
    assert "Traceback" not in ran.err
    assert ran.out == b""
    assert path == "series.csv" or alerts.read_bytes() == b"from yesterday"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_output_without_permission(tmp_path: Path, surgewatch: Command) -> None:
    """A report that may not be written is refused with 2 before the replay, not after it."""
    log, shut = tmp_path / "log.jsonl", tmp_path / "shut"
    log.write_bytes(b"\n")
    shut.mkdir(mode=stat.S_IRUSR | stat.S_IXUSR)
    ran = surgewatch("replay", log, "--report", shut / "report.html")
    assert ran.code == 2
    assert "no permission" in ran.message


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("same.jsonl", "same.jsonl"),
        ("same.jsonl", "./sub/../same.jsonl"),
        ("same.jsonl", "link.jsonl"),
        ("-", "-"),
    ],
)
@pytest.mark.parametrize("command", ["replay", "simulate"])
def test_two_outputs_are_never_one(
    command: str,
    first: str,
    second: str,
    tmp_path: Path,
    surgewatch: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two outputs that would overwrite or mix with each other are refused with 2, however named."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "log.jsonl").write_bytes(post(1, START_MS, "u", "US") + b"\n")
    (tmp_path / "sub").mkdir()
    (tmp_path / "link.jsonl").symlink_to("same.jsonl")
    if command == "replay":
        ran = surgewatch("replay", "log.jsonl", "--out", first, "--rejects", second)
    else:
        ran = surgewatch("simulate", "--scenario", "gap", "--out", first, "--truth", second)
    assert (ran.code, ran.out) == (2, b"")
    assert "--out and --" in ran.message
    assert not (tmp_path / "same.jsonl").exists()


def test_outputs_may_share_a_device(tmp_path: Path, surgewatch: Command) -> None:
    """What is thrown away may be thrown away together."""
    log = tmp_path / "log.jsonl"
    log.write_bytes(b"\n")
    assert surgewatch("replay", log, "--out", os.devnull, "--rejects", os.devnull).code == 0


def test_standard_input_is_one_log(surgewatch: Command) -> None:
    """Standard input given twice is refused with 2: two readers would each get some of it."""
    ran = surgewatch("replay", "-", "-")
    assert ran.code == 2
    assert "standard input" in ran.message


@pytest.mark.parametrize("command", ["replay", "backtest", "calibrate"])
def test_standard_input_is_a_log_or_labels(command: str, surgewatch: Command) -> None:
    """Standard input as log and as labels is refused with 2: the log would be read as labels."""
    ran = surgewatch(command, "-", "--labels", "-")
    assert ran.code == 2
    assert "standard input" in ran.message


def test_a_report_is_a_file(tmp_path: Path, surgewatch: Command) -> None:
    """A report to standard output is refused with 2 rather than written to a file named -."""
    log = tmp_path / "log.jsonl"
    log.write_bytes(b"\n")
    assert surgewatch("replay", log, "--report", "-").code == 2


@pytest.mark.parametrize("option", ["--out", "--rejects", "--report", "--series"])
def test_an_output_is_never_a_log(option: str, tmp_path: Path, surgewatch: Command) -> None:
    """Naming a log as an output is refused before anything of it is lost."""
    log = tmp_path / "log.jsonl"
    content = post(1, START_MS, "u", "US") + b"\n"
    log.write_bytes(content)
    ran = surgewatch("replay", log, option, log)
    assert (ran.code, log.read_bytes()) == (2, content)
