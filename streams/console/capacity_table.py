"""The capacity sheet as rows of words, the same on the terminal and in the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from detectors.crowd import OTHER
from streams.console.capacity import NOT_GIVEN, Range, Sheet
from streams.console.phrases import count, percent
from streams.console.text import visible

if TYPE_CHECKING:
    from streams.settings import Capacity

HEADS = (
    ("language", "w"),
    ("share", "n"),
    ("posts an hour", "n"),
    ("moderators", "n"),
    ("translators", "n"),
)
"""Heading and class of each column."""


def title_of(staff: Capacity) -> str:
    """What the sheet rests on."""
    are = "is" if len(staff.languages_read) == 1 else "are"
    read = f"; {', '.join(staff.languages_read)} {are} read" if staff.languages_read else ""
    return (
        "for the posts that the wave adds: as forecast, and in brackets at its upper end; at "
        f"{count(staff.moderator_posts_per_hour)} posts an hour a moderator and "
        f"{count(staff.translator_posts_per_hour)} a translator{read} (settings: [capacity])"
    )


def rows_of(sheet: Sheet) -> list[tuple[str, ...]]:
    """Cells of the sheet, a row a language and one for all; safe for a terminal."""
    names = {OTHER: "others", NOT_GIVEN: "not given"}
    rows: list[tuple[str, ...]] = [
        (
            names.get(need.language, visible(need.language, 20)),
            percent(need.share),
            _range(need.posts),
            _range(need.moderators),
            "–" if need.translators is None else _range(need.translators),
        )
        for need in sheet.needs
    ]
    if len(rows) == 1:
        return rows
    total = (sheet.posts, sheet.moderators, sheet.translators)
    return [*rows, ("all", "", *(_range(one) for one in total))]


def _range(value: Range) -> str:
    return f"{_short(value.middle)} ({_short(value.upper)})"


def _short(value: float) -> str:
    """People and posts to a tenth below ten: half a person is half a shift."""
    return count(value) if value >= 0.05 else "0"  # noqa: PLR2004
