"""The terminal that a command writes to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    from collections.abc import Mapping

PIPE_COLUMNS = 100_000
"""Lines for a file or another program are as long as they are."""


def screen(environ: Mapping[str, str], *, stderr: bool = False) -> Console:
    """What people read: wrapped on a terminal, or as COLUMNS says; to a pipe a line is a line."""
    console = Console(stderr=stderr)
    if not (console.is_terminal or environ.get("COLUMNS")):
        console.width = PIPE_COLUMNS
    return console
