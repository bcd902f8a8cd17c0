"""Lines of a terminal: what is wrapped keeps to its column."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

SEVERITY_STYLES = {"critical": "bold red", "warning": "bold yellow", "info": "bold cyan"}
NAME_COLUMNS = 13
_FIRST_COLUMNS_MIN = 8


def print_hanging(prefix: Text, body: Text, console: Console) -> None:
    """Print ``body`` right of ``prefix``, its further lines indented as far."""
    indent = prefix.cell_len
    for line in body.wrap(console, max(20, console.width - indent), overflow="fold"):
        line.rstrip()
        console.print(Text.assemble(prefix, line), soft_wrap=True, highlight=False)
        prefix = Text(" " * indent)


def print_facts(rows: Iterable[tuple[str, str]], console: Console) -> None:
    """Print named values, one below the other."""
    for name, value in rows:
        prefix = Text(f"  {name:<{NAME_COLUMNS}} ", style="dim")
        print_hanging(prefix, Text(value), console)


def print_caution(text: str, console: Console) -> None:
    """Print what speaks against taking figures at face value."""
    print_hanging(Text(f"  {'CAUTION':<{NAME_COLUMNS}} ", style="bold yellow"), Text(text), console)


def print_table(
    columns: Iterable[tuple[str, str]], rows: Iterable[Iterable[str]], console: Console
) -> None:
    """Print a table without lines; the first column takes what the others leave, and is cut.

    Where not even that fits, each row is a paragraph of its own.

    Args:
        columns: heading and justification (``left`` or ``right``) of each.
        rows: cells.
        console: where to.
    """
    heads = list(columns)
    cells = [[name for name, _ in heads], *(list(row) for row in rows)]
    widths = [max(Text(row[i]).cell_len for row in cells) for i in range(len(heads))]
    rest = sum(widths[1:]) + 2 * len(widths)
    if rest + _FIRST_COLUMNS_MIN > console.width:
        for row in cells[1:]:
            pairs = zip(cells[0][1:], row[1:], strict=True)
            told = ", ".join(f"{name} {cell}" for name, cell in pairs if cell)
            print_hanging(Text("  "), Text(f"{row[0]}: {told}"), console)
        return
    widths[0] = max(_FIRST_COLUMNS_MIN, min(widths[0], console.width - rest))
    for number, row in enumerate(cells):
        line = Text("  ", style="dim" if number == 0 else "")
        for i, (cell, width) in enumerate(zip(row, widths, strict=True)):
            text = Text(cell)
            text.truncate(width, overflow="ellipsis")
            text.align("right" if heads[i][1] == "right" else "left", width)
            line.append_text(text)
            line.append("  ")
        line.rstrip()
        console.print(line, soft_wrap=True, highlight=False)
