"""Strings that came from posts, made harmless for a terminal or an HTML page.

A hashtag can hold an ANSI escape, a right-to-left override or a tag of HTML. Whatever is shown to
a person passes through here first; nothing else in the console writes foreign text.
"""

from __future__ import annotations

import html
import unicodedata

DISPLAY_CHARACTERS = 60
"""How much of a foreign string is shown unless the caller says otherwise."""

_REPLACED = frozenset({"Cc", "Cf", "Cn", "Cs", "Zl", "Zp"})
"""Control, format (bidi and zero-width), unassigned, surrogate, line and paragraph separator."""

_BLANK_LETTERS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and symbols that show as nothing, so that two different tags would look the same."""

_MARKS_IN_A_ROW = 4
"""More combining marks than any script stacks on one letter; beyond, they cover other lines."""


def visible(text: str, limit: int = DISPLAY_CHARACTERS) -> str:
    r"""Return ``text`` on one line, without control or bidi characters, cut to ``limit``.

    What can't be shown is replaced by its code point, so that it is seen rather than lost.

    Args:
        text: any string, lone surrogates included.
        limit: most characters of the result; a cut result ends in an ellipsis.

    >>> visible("\x1b[31mred")
    '‹U+001B›[31mred'
    >>> visible("x" * 100, limit=5)
    'xxxx…'
    """
    shown: list[str] = []
    length = 0
    marks = 0
    for char in text:
        category = unicodedata.category(char)
        marks = marks + 1 if category[0] == "M" else 0
        if category in _REPLACED or char in _BLANK_LETTERS or marks > _MARKS_IN_A_ROW:
            piece = f"‹U+{ord(char):04X}›"
        else:
            piece = char
        shown.append(piece)
        length += len(piece)
        if length > limit:
            return "".join(shown)[: max(0, limit - 1)] + "…"
    return "".join(shown)


def html_text(text: str, limit: int = DISPLAY_CHARACTERS) -> str:
    """Return ``text`` for HTML content or a quoted attribute: visible, cut, escaped.

    >>> html_text('<script>"')
    '&lt;script&gt;&quot;'
    """
    return html.escape(visible(text, limit), quote=True)


def html_isolated(text: str, limit: int = DISPLAY_CHARACTERS) -> str:
    """Return ``text`` for HTML content, its writing direction kept from its surroundings.

    >>> html_isolated("a&b")
    '<bdi>a&amp;b</bdi>'
    """
    return f"<bdi>{html_text(text, limit)}</bdi>"
