"""Foreign text, made harmless."""

from __future__ import annotations

import unicodedata
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.console.text import html_isolated, html_text, visible

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=80)


class Elements(HTMLParser):
    """Collects what a browser would make elements, comments or declarations of."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element, and its attributes if it has any."""
        self.found.append(tag if not attrs else f"{tag} {attrs}")

    def handle_data(self, data: str) -> None:
        """Collect the text that would be shown."""
        self.text += data

    def handle_comment(self, data: str) -> None:
        """Note a comment: text that would vanish."""
        self.found.append(f"comment {data}")

    def handle_decl(self, decl: str) -> None:
        """Note a declaration."""
        self.found.append(f"declaration {decl}")


@given(ANY_TEXT, st.integers(1, 100))
def test_visible_has_no_control_or_bidi_character(text: str, limit: int) -> None:
    """Whatever the text, what is shown holds no invisible character and keeps to the limit."""
    shown = visible(text, limit)
    assert len(shown) <= limit
    assert {unicodedata.category(char) for char in shown}.isdisjoint(
        {"Cc", "Cf", "Cs", "Cn", "Zl", "Zp"}
    )
    shown.encode("utf-8")


@given(ANY_TEXT)
def test_html_text_makes_no_element(text: str) -> None:
    """Whatever the text, a parser reads back the visible text and not one element."""
    parser = Elements()
    parser.feed(html_text(text, 1000))
    parser.close()
    assert parser.found == []
    assert parser.text == visible(text, 1000)


@given(ANY_TEXT)
def test_html_isolated_is_one_bdi(text: str) -> None:
    """Whatever the text, isolation adds exactly one element around it."""
    parser = Elements()
    parser.feed(html_isolated(text))
    parser.close()
    assert parser.found == ["bdi"]


@given(st.text(st.characters(categories=["L", "N", "P", "S"]), max_size=40))
def test_ordinary_text_is_untouched(text: str) -> None:
    """Letters, digits and signs of any script are shown as they are."""
    blank = set("\u115f\u1160\u2800\u3164\uffa0")
    if blank.isdisjoint(text):
        assert visible(text, 40) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\u202eb", "a‹U+202E›b"),
        ("a\u200bb", "a‹U+200B›b"),
        ("\x1b]0;title\x07", "‹U+001B›]0;title‹U+0007›"),
        ("two\nlines", "two‹U+000A›lines"),
        ("\ud800", "‹U+D800›"),
        ("\u3164", "‹U+3164›"),
        ("e\u0301", "e\u0301"),
        ("小红书", "小红书"),
    ],
)
def test_what_is_invisible_is_named(text: str, shown: str) -> None:
    """An invisible character is shown by its code point, never dropped; accents stay."""
    assert visible(text) == shown


def test_stacked_marks_are_cut() -> None:
    """A hundred accents on one letter do not cover the lines above."""
    shown = visible("a" + "\u0301" * 100)
    assert shown.count("\u0301") <= 4


def test_long_text_is_cut_quickly() -> None:
    """Of a text of ten million characters only the beginning is looked at."""
    assert visible("x" * 10_000_000, 10) == "x" * 9 + "…"
