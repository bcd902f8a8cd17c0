"""What is shipped works: the wheel is built, installed by itself and run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 180


def _run(*command: str | Path, cwd: Path) -> str:
    """Run a command that must succeed, away from the checkout; returns its standard output."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "SURGEWATCH_"))}
    result = subprocess.run(
        command,
        cwd=cwd,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the wheel and the source distribution."""
    directory = tmp_path_factory.mktemp("dist")
    _run(sys.executable, "-m", "hatchling", "build", "-d", directory, cwd=ROOT)
    return directory


@pytest.fixture(scope="module")
def installed(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Commands of an environment that holds the wheel and not the checkout.

    The dependencies are those of the environment the tests run in, put on its path, so that no
    network is needed; an editable install among them is not seen, since it hangs on a ``.pth``
    file, which only a site directory's own are read of.
    """
    home = tmp_path_factory.mktemp("installed")
    venv.create(home, with_pip=False, symlinks=True)
    python = home / "bin" / "python"
    (wheel,) = dist.glob("*.whl")
    _run(
        *(sys.executable, "-m", "pip", "--python", python, "install", "--quiet"),
        *("--no-index", "--no-deps", "--disable-pip-version-check", wheel),
        cwd=home,
    )
    (site,) = (home / "lib").glob("python*/site-packages")
    ours = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (site / "dependencies.pth").write_text("\n".join(sorted(ours)) + "\n")
    return home / "bin"


def test_wheel_holds_the_packages_and_nothing_else(dist: Path) -> None:
    """Every module of the checkout is in the wheel, and no test, document or log is."""
    (wheel,) = dist.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        licences = [name for name in archive.namelist() if name.endswith("/LICENSE")]
    expected = {
        path.relative_to(ROOT).as_posix()
        for package in ("detectors", "streams")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert names == expected
    assert licences


def test_source_distribution_is_whole(dist: Path) -> None:
    """What a packager needs is in the source distribution, and nothing from outside it."""
    (archive,) = dist.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        names = {name.partition("/")[2] for name in tar.getnames()}
    for needed in ("pyproject.toml", "LICENSE", "README.md", "CHANGELOG.md", "streams/cli.py"):
        assert needed in names
    tops = {name.partition("/")[0] for name in names}
    assert tops <= {
        *("detectors", "streams", "schemas", "docs", "LICENSE", "README.md", "CHANGELOG.md"),
        *("pyproject.toml", "PKG-INFO", ".gitignore"),
    }


def test_installed_command_knows_its_version(installed: Path, tmp_path: Path) -> None:
    """The installed command runs from its own site-packages and names its version."""
    where = _run(
        *(installed / "python", "-c", "import streams, detectors; print(streams.__file__)"),
        cwd=tmp_path,
    )
    assert where.startswith(str(installed.parent))
    assert _run(installed / "surgewatch", "--version", cwd=tmp_path).startswith("surgewatch 0.")


def test_installed_command_finds_a_surge(installed: Path, tmp_path: Path) -> None:
    """The installed wheel simulates a small world and finds the wave that its truth names."""
    command = installed / "surgewatch"
    _run(
        *(command, "simulate", "--scenario", "overnight_flood", "--days", "3"),
        *("--rate", "0.1", "--seed", "1", "--out", "log.jsonl.zst", "--truth", "truth.jsonl"),
        cwd=tmp_path,
    )
    _run(command, "replay", "log.jsonl.zst", "--out", "alerts.jsonl", cwd=tmp_path)
    (truth,) = map(json.loads, (tmp_path / "truth.jsonl").read_text().splitlines())
    alerts = [json.loads(line) for line in (tmp_path / "alerts.jsonl").read_text().splitlines()]
    assert truth["hashtag"] in {alert["data"].get("hashtag") for alert in alerts}
