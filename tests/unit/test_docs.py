"""What the documents say of the code is so."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from streams.cli import build_parser

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])


def test_episode_diagram_is_drawn_from_the_table() -> None:
    """The life cycle in docs/architecture.md is what the transition table gives, arrow by arrow."""
    script = runpy.run_path(str(ROOT / "docs" / "episode_diagram.py"))
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    assert script["drawn"](text) == text, "run python docs/episode_diagram.py"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_and_named_files_exist(path: Path) -> None:
    """Every relative link leads to a file, and every file of ours that is named exists."""
    text = path.read_text("utf-8")
    links = re.findall(r"\]\(([^)#:\s]+)[^):\s]*\)", text)
    named = re.findall(r"`((?:detectors|streams|tests|docs|benchmarks|schemas)/[^`\s]*)`", text)
    for link in links:
        assert (path.parent / link).exists(), link
    for name in named:
        # Made when it is needed, and in nobody's checkout.
        assert (ROOT / name).exists() or name == "benchmarks/.peers", name


def test_readme_shows_commands_that_exist() -> None:
    """Each surgewatch command that the README gives to copy is understood by the command line."""
    text = (ROOT / "README.md").read_text("utf-8").replace("\\\n", "")
    commands = re.findall(r"^    surgewatch (.+)$", text, re.MULTILINE)
    assert {command.split()[0] for command in commands} >= {"simulate", "replay"}
    for command in commands:
        build_parser().parse_args(command.split())


def test_readme_setup_and_ci_are_the_makefile() -> None:
    """The README's first two commands are targets of the Makefile, and CI runs the second."""
    text = (ROOT / "README.md").read_text("utf-8")
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    commands = re.findall(r"^    make (\w+)$", text, re.MULTILINE)
    assert commands[:2] == ["demo", "test"]
    assert {"demo", "test", "bench", "clean"} <= set(targets)
    last = (ROOT / ".ci" / "run").read_text().splitlines()[-1]
    assert last == "exec make test"
