"""What the documents say of the code is so."""

from __future__ import annotations

import doctest
import re
import runpy
import shlex
from pathlib import Path

import pytest

from detectors import names, river_row
from streams.cli import build_parser
from streams.kafka.meters import WorkerCollector
from streams.observe.names import CloseTimes, DeliveryMetrics, new_registry
from streams.settings import Settings

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
        build_parser().parse_args(shlex.split(command))


def test_readme_setup_and_ci_are_the_makefile() -> None:
    """The README's first two commands are targets of the Makefile, and CI runs the second."""
    text = (ROOT / "README.md").read_text("utf-8")
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    commands = re.findall(r"^    make (\w+)$", text, re.MULTILINE)
    assert commands[:2] == ["demo", "test"]
    assert {"demo", "test", "bench", "clean"} <= set(targets)
    last = (ROOT / ".ci" / "run").read_text().splitlines()[-1]
    assert last == "exec make test"


def test_notebook_does_what_it_says() -> None:
    """Every example of the page runs, in order, as a reader would type them."""
    page = ROOT / "docs" / "notebook.md"
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    failed, tried = doctest.testfile(str(page), module_relative=False, optionflags=flags)
    assert (failed, tried > 30) == (0, True)


def test_every_detector_is_in_the_catalogue() -> None:
    """The table of docs/detectors.md names each detector that can be chosen, and no other."""
    page = (ROOT / "docs" / "detectors.md").read_text("utf-8")
    table = page.partition("## By name")[2].partition("River's detectors watch")[0]
    assert re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE) == names()


def test_every_feature_is_in_the_catalogue() -> None:
    """The features of docs/detectors.md are those that the code documents."""
    page = (ROOT / "docs" / "detectors.md").read_text("utf-8")
    table = page.partition("## Features")[2].partition("## Combinations")[0]
    listed = re.findall(r"^``(\w+)`` +[SU]", river_row.__doc__ or "", re.MULTILINE)
    assert listed
    assert re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE) == listed


def test_every_metric_is_explained() -> None:
    """docs/operations.md names each metric that there is, and no other."""
    registry = new_registry(Settings())
    DeliveryMetrics(registry)
    CloseTimes(registry)
    registry.register(WorkerCollector([]))
    families = [f for f in registry.collect() if f.name.startswith("surgewatch_")]
    suffix = {"counter": "_total", "info": "_info"}
    there = {family.name + suffix.get(family.type, "") for family in families}
    page = (ROOT / "docs" / "operations.md").read_text("utf-8")
    told = page.partition("## Metrics")[2].partition("\n## ")[0]
    named = set(re.findall(r"`(surgewatch_\w+)`", told))
    short = {f"surgewatch{name}" for name in re.findall(r"`(_\w+)`", told)}
    assert named | short == there
