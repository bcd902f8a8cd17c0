"""Lines on a terminal that stay readable when they are wrapped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console


def print_hanging(prefix: Text, body: Text, console: Console) -> None:
    """Print ``body`` right of ``prefix``, its further lines indented as far."""
    indent = prefix.cell_len
    for line in body.wrap(console, max(20, console.width - indent), overflow="fold"):
        line.rstrip()
        console.print(Text.assemble(prefix, line), soft_wrap=True, highlight=False)
        prefix = Text(" " * indent)


def print_facts(rows: Iterable[tuple[str, str]], console: Console) -> None:
    """Print names and values, the values in one column."""
    for name, value in rows:
        print_hanging(Text(f"  {name:<13} ", style="dim"), Text(value), console)
