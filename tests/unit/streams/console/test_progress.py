"""The progress bar of a replay."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from streams.console.progress import ReplayProgress


@pytest.fixture(autouse=True)
def _terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal that can move its cursor, wherever the tests run."""
    monkeypatch.setenv("TERM", "xterm")


class Clock:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """The time it was set to."""
        return self.now


def run(*, terminal: bool, total: int | None = 1_000_000) -> str:
    """What a replay of two seconds writes."""
    out = io.StringIO()
    clock = Clock()
    console = Console(file=out, force_terminal=terminal, width=120, color_system=None)
    with ReplayProgress(console, total, clock) as progress:
        progress.update(bytes_read=0, posts=0, event_time_ms=None)
        clock.now += 2
        progress.update(bytes_read=500_000, posts=300_000, event_time_ms=1_736_734_447_000)
    return out.getvalue()


def test_silent_without_a_terminal() -> None:
    """Not one byte is written when standard error is a file or a pipe."""
    assert run(terminal=False) == ""


def test_shows_bytes_speed_and_event_time() -> None:
    """On a terminal it says how much is read, how fast, and which event time is reached."""
    text = run(terminal=True)
    assert "0.5/1.0 MB" in text
    assert "150,000 posts/s" in text
    assert "2025-01-13 02:14" in text


def test_works_without_a_total() -> None:
    """Standard input has no size: speed and event time are still shown."""
    assert "150,000 posts/s" in run(terminal=True, total=None)
