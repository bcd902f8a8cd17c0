"""The systemd units: known to systemd, confined, and of one piece with the program."""

from __future__ import annotations

import shlex
import subprocess
from configparser import ConfigParser
from pathlib import Path

import pytest

from streams.cli import build_parser
from streams.kafka.worker import STOP_SECONDS
from streams.settings.model import ENTRIES
from tests.stack.process import program

UNITS = sorted((Path(__file__).parents[2] / "deploy" / "systemd").glob("*.service"))
EXPOSURE_MAX = 2.0
"""Of ten, by systemd's own count."""


class _Unit(ConfigParser):
    """Keys keep their case; of one that is given twice the last is kept."""

    def __init__(self, path: Path) -> None:
        super().__init__(strict=False, interpolation=None)
        self.read_string(path.read_text())

    def optionxform(self, optionstr: str) -> str:
        return optionstr


def _said(*command: str | Path) -> tuple[int, str]:
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return ran.returncode, ran.stdout + ran.stderr


def _with_a_program(unit: Path, directory: Path) -> Path:
    """The unit as it is where surgewatch is installed: its program and its document exist."""
    text = unit.read_text().replace("/opt/surgewatch/bin/surgewatch", "/bin/true")
    copy = directory / unit.name
    copy.write_text(text)
    return copy


def test_there_is_one_for_each_process() -> None:
    """Worker, notifier and console."""
    names = [unit.stem for unit in UNITS]
    assert names == ["surgewatch-console", "surgewatch-notifier", "surgewatch-worker"]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_systemd_finds_nothing_wrong(unit: Path, tmp_path: Path) -> None:
    """Every key and value is known to systemd."""
    code, said = _said(program("systemd-analyze"), "verify", _with_a_program(unit, tmp_path))
    assert (code, said) == (0, "")


def test_a_slip_is_seen(tmp_path: Path) -> None:
    """The check does find something: a key that there is none of."""
    copy = _with_a_program(UNITS[0], tmp_path)
    copy.write_text(copy.read_text().replace("NoNewPrivileges", "NoNewPrivilege"))
    _, said = _said(program("systemd-analyze"), "verify", copy)
    assert "'NoNewPrivilege'" in said


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_units_are_confined(unit: Path) -> None:
    """By systemd's own count there is little that a process could do if it were taken over."""
    threshold = f"--threshold={EXPOSURE_MAX * 10:.0f}"
    code, said = _said(program("systemd-analyze"), "security", "--offline=true", threshold, unit)
    if "--offline" in said and code:
        pytest.skip("this systemd is too old to judge a file")
    assert code == 0, said
    service = _Unit(unit)["Service"]
    assert service["DynamicUser"] == "yes"
    assert service["ProtectSystem"] == "strict"
    assert "User" not in service


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_commands_are_understood(unit: Path) -> None:
    """What a unit runs is understood; its secrets are in a file, its variables are settings."""
    service = _Unit(unit)["Service"]
    _, *command = shlex.split(service["ExecStart"])
    build_parser().parse_args(command)
    assert int(service["TimeoutStopSec"]) > STOP_SECONDS
    assert service["Restart"] == "always"
    assert service["EnvironmentFile"].lstrip("-").startswith("/etc/surgewatch/")
    given = service.get("Environment", "").partition("=")[0]
    assert given in {"", *(entry.variable for entry in ENTRIES)}
