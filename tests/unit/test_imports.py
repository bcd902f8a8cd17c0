"""The architecture's contracts hold, and each of them can fail."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("detectors", "streams")
POST_FIELDS = {"post_id", "user_id", "account_created_at", "surgewatch_tick"}
FIELD_HOMES = (
    "streams/codec/",
    "streams/settings/sections.py",  # the default names, which a source may change
    "streams/simulate/",  # writes logs as a foreign system would
)
VIOLATIONS = {
    "layers": [
        ("streams/stages/watermark.py", "from streams.settings import Settings"),
        ("streams/codec/decode.py", "from streams.logs import open_log"),
        ("streams/console/text.py", "from streams.replay import Replay"),
        ("streams/replay.py", "from streams.kafka.topics import Topics"),
        ("streams/commands.py", "from streams import commands_kafka"),
        ("streams/backtest/assess.py", "from streams.settings import Settings"),
        ("streams/attic.py", "import math"),
    ],
    "stages": [("streams/stages/ingest.py", "import streams.stages.detect")],
    "detectors": [("detectors/ratio.py", "from streams.errors import SurgewatchError")],
    "acyclic": [
        ("detectors/ratio.py", "import detectors.scan"),
        ("streams/codec/timestamps.py", "import streams.codec.decode"),
    ],
    "pure-detectors": [("detectors/episode.py", "import time")],
    "pure-stages": [
        ("streams/stages/merge.py", "import asyncio"),
        ("streams/backtest/compare.py", "import time"),
    ],
    "terminal": [
        ("streams/settings/loading.py", "import rich"),
        ("streams/kafka/topics.py", "from streams.console import progress"),
    ],
    "kafka": [
        ("streams/replay.py", "from aiokafka import AIOKafkaConsumer"),
        ("streams/commands_kafka.py", "import faust"),
    ],
}
"""Contract to planted imports, each of which it must refuse."""


def _contracts() -> set[str]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        config = tomllib.load(file)
    return {contract["id"] for contract in config["tool"]["importlinter"]["contracts"]}


def test_only_one_module_may_know_kafka() -> None:
    """The contract that keeps Faust and aiokafka in streams.kafka names all other modules."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        contracts = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    (sources,) = [one["source_modules"] for one in contracts if one["id"] == "kafka"]
    modules = {
        f"streams.{path.stem}"
        for path in (ROOT / "streams").iterdir()
        if not path.stem.startswith("__")
    }
    assert set(sources) == {"detectors", *modules} - {"streams.kafka"}


def _lint(directory: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [command, "--no-cache", "--no-logo", *options],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for package in PACKAGES:
        shutil.copytree(
            ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_contracts_hold(copy: Path) -> None:
    """A copy of the code keeps every contract, so what fails below is what was planted."""
    result = _lint(copy)
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"Contracts: {len(_contracts())} kept, 0 broken" in result.stdout


def test_every_contract_is_tried() -> None:
    """No contract of pyproject.toml is without a planted violation."""
    assert _contracts() == set(VIOLATIONS)


@pytest.mark.parametrize(
    ("contract", "path", "planted"),
    [(name, *one) for name, some in VIOLATIONS.items() for one in some],
)
def test_violation_is_caught(copy: Path, contract: str, path: str, planted: str) -> None:
    """An import against the architecture breaks the contract that forbids it."""
    file = copy / path
    before = file.read_text() if file.exists() else ""
    file.write_text(f"{before}\n{planted}  # planted\n")
    result = _lint(copy, "--contract", contract)
    assert result.returncode != 0, result.stdout
    assert "0 kept, 1 broken" in result.stdout


def _outside_imports(path: Path) -> set[str]:
    """Top-level names of what a file imports from elsewhere than our packages."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add((node.module or "").partition(".")[0])
    return names - set(PACKAGES) - sys.stdlib_module_names


@pytest.mark.parametrize("path", sorted((ROOT / "detectors").rglob("*.py")), ids=lambda p: p.name)
def test_detectors_stand_on_few_libraries(path: Path) -> None:
    """A detector imports nothing but River, NumPy, holidays and the standard library."""
    assert _outside_imports(path) <= {"holidays", "numpy", "river"}


def test_what_is_imported_is_declared() -> None:
    """Every distribution that the code imports is a dependency or an extra of ours."""
    owners = metadata.packages_distributions()
    declared = {
        _canonical(requirement)
        for requirement in metadata.requires("surgewatch") or []
        if "extra == 'dev'" not in requirement.replace('"', "'")
    }
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            for name in _outside_imports(path):
                mine = {_canonical(owner) for owner in owners.get(name, [])}
                assert mine & declared, f"{path} imports {name}, which is not declared"


def _canonical(requirement: str) -> str:
    """The name at the start of a requirement, in one spelling."""
    name = requirement
    for end in ";[<>=!~ ":
        name = name.partition(end)[0]
    return name.lower().replace("_", "-")


def _strings(path: Path) -> set[str]:
    """A file's string constants that are not docstrings."""
    tree = ast.parse(path.read_text())
    texts = [
        node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)
    ]  # a string that stands alone is documentation
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in texts
    }


@pytest.mark.parametrize("package", PACKAGES)
def test_field_names_live_in_the_codec(package: str) -> None:
    """No other file spells the name of a field that only posts have."""
    for path in (ROOT / package).rglob("*.py"):
        relative = path.relative_to(ROOT).as_posix()
        if not relative.startswith(FIELD_HOMES):
            assert not _strings(path) & POST_FIELDS, relative
