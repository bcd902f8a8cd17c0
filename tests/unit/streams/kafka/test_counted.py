"""Counters as a scraper sees them, over the lives of a worker."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

from streams.kafka.counted import Counted
from streams.kafka.machines import IngestMachine, Machine
from streams.kafka.topics import Topics
from streams.settings import Settings
from tests.harness import post


def taken(machine: IngestMachine, first: int, count: int) -> None:
    """Let it take posts of so many users, and a line that is none."""
    values = [post(n, 1_736_500_000_000 + n, f"u{n}", "US") for n in range(first, first + count)]
    messages = [
        SimpleNamespace(offset=first + n, key=None, value=value, headers=())
        for n, value in enumerate([*values, b"nonsense"])
    ]
    machine.take(0, messages)


def told(counted: Counted) -> dict[tuple[str, str], float]:
    """What is told, by name and reason."""
    return {(f.name, f.labels.get("reason", "")): f.value for f in counted.figures()}


def made() -> IngestMachine:
    """A machine that knows nothing yet."""
    return IngestMachine(Settings(), Topics.of(Settings()), 0)


def test_counters_begin_with_the_worker() -> None:
    """What a state brings along has been told by whoever counted it; levels are as they are."""
    before = made()
    taken(before, 0, 4)
    machine = made()
    machine.restore(before.state())
    counted = Counted(cast("Machine", machine))
    assert told(counted)["surgewatch_posts", ""] == 0
    assert told(counted)["surgewatch_rejected_posts", "not_json"] == 0
    assert told(counted)["surgewatch_held_posts", ""] == 4, "four users confirm no time"
    taken(machine, 4, 2)
    assert told(counted)["surgewatch_posts", ""] == 3
    assert told(counted)["surgewatch_foreign_posts", ""] == 6
    assert told(counted)["surgewatch_rejected_posts", "not_json"] == 1
    assert told(counted)["surgewatch_held_posts", ""] == 0
