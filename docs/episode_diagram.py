"""Draws the life cycle of an episode from its transition table into docs/architecture.md.

    python docs/episode_diagram.py

A test fails while the drawing differs from the table.
"""

from __future__ import annotations

import re
from pathlib import Path

from detectors.episode import TRANSITIONS, State

DOCUMENT = Path(__file__).with_name("architecture.md")
BLOCK = re.compile(r"(?<=<!-- episode: generated -->\n).*?(?=<!-- episode: end -->)", re.DOTALL)


def diagram() -> str:
    """The table as a Mermaid state diagram; a series begins quiet, and so does it end."""
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {State.QUIET}"]
    lines += [f"    {old} --> {new}: {sign}" for (old, sign), new in TRANSITIONS.items()]
    return "\n".join([*lines, "```", ""])


def drawn(text: str) -> str:
    """A document with the drawing in its place.

    Raises:
        ValueError: the document has no place for it.
    """
    new, count = BLOCK.subn(lambda _: diagram(), text)
    if count != 1:
        raise ValueError("the document must have one pair of episode marks")
    return new


if __name__ == "__main__":
    DOCUMENT.write_text(drawn(DOCUMENT.read_text("utf-8")), "utf-8")
