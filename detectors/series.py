"""What is counted: series and their keys, hashtags in canonical form, buckets.

A series is one of four levels, written as a key that is safe in files and topics::

    all   region/US   hashtag/tiktokrefugee   pair/US/tiktokrefugee

A region is two ASCII letters, so that a key with any character in its hashtag still reads back.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from hashlib import blake2b
from typing import Literal, NamedTuple

Level = Literal["all", "region", "hashtag", "pair"]

ALL = "all"
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS

# Unicode's default-ignorable characters that are letters or marks, so that their category alone
# does not give them away; they render as nothing and would split one hashtag into many.
_INVISIBLE = frozenset(
    chr(code)
    for first, last in (
        (0x034F, 0x034F),
        (0x115F, 0x1160),
        (0x17B4, 0x17B5),
        (0x180B, 0x180F),
        (0x3164, 0x3164),
        (0xFE00, 0xFE0F),
        (0xFFA0, 0xFFA0),
        (0xE0100, 0xE01EF),
    )
    for code in range(first, last + 1)
)
_LETTERS_MAX = 20_000
_DROPPED_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Cn", "Zs", "Zl", "Zp"})
_CONFUSABLE_SCRIPTS = ("LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC")


class Series(NamedTuple):
    """A series, read back from its key."""

    level: Level
    region: str | None
    hashtag: str | None

    @property
    def key(self) -> str:
        """The series as text."""
        parts = (self.level, self.region, self.hashtag)
        return "/".join(part for part in parts if part is not None)


def region_key(region: str) -> str:
    """Key of a region's series.

    >>> region_key("US")
    'region/US'
    """
    return f"region/{region}"


def hashtag_key(hashtag: str) -> str:
    """Key of a canonical hashtag's series."""
    return f"hashtag/{hashtag}"


def pair_key(region: str, hashtag: str) -> str:
    """Key of the series of one hashtag in one region."""
    return f"pair/{region}/{hashtag}"


@lru_cache(maxsize=16_384)
def parse_key(key: str) -> Series:
    """Read a key back; a ``ValueError`` names the key that is none.

    >>> parse_key("pair/US/a/b")
    Series(level='pair', region='US', hashtag='a/b')
    """
    if key == ALL:
        return Series("all", None, None)
    level, _, rest = key.partition("/")
    if level == "region" and rest:
        return Series("region", rest, None)
    if level == "hashtag" and rest:
        return Series("hashtag", None, rest)
    region, _, hashtag = rest.partition("/")
    if level == "pair" and region and hashtag:
        return Series("pair", region, hashtag)
    raise ValueError(f"not a series key: {key!r}")


def stable_hash(text: str) -> int:
    """A 63-bit hash that is the same on every machine and in every process.

    Python's own ``hash`` is seeded anew in each process and would send a series to another
    partition after a restart.
    """
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


class _Visible(dict[int, int | None]):
    """A table for ``str.translate`` that drops what is not seen; remembers the usual letters."""

    def __missing__(self, code: int) -> int | None:
        c = chr(code)
        dropped = unicodedata.category(c) in _DROPPED_CATEGORIES or c in _INVISIBLE
        if len(self) < _LETTERS_MAX:
            self[code] = None if dropped else code
        return None if dropped else code


_visible_table = _Visible()


def _visible(text: str) -> str:
    return text.translate(_visible_table)


@lru_cache(maxsize=16_384)
def canonical_hashtag(raw: str, length_max: int = 100) -> str | None:
    r"""The form in which a hashtag is counted, or None when nothing visible is left of it.

    The cap on length comes first, so that a long string costs nothing; then Unicode's
    compatibility form (NFKC) and case folding, without control, zero-width and space characters.
    Scripts are not merged: 小红书 and 小紅書 stay two hashtags, and so does a Cyrillic look-alike.

    >>> canonical_hashtag("#ＴｉｋＴｏｋ\u200bRefugee")
    'tiktokrefugee'
    >>> canonical_hashtag("\u202e") is None
    True
    """
    cut = raw[:length_max]
    if cut.isascii() and cut.isalnum():
        return cut.lower()
    text = cut
    # Folding can undo the composition and composing can bring up foldable letters; three rounds
    # reach a fixed point on all of Unicode (a property test looks for exceptions).
    for _ in range(3):
        before, text = text, unicodedata.normalize("NFKC", _visible(text)).casefold()
        if text == before:
            break
    text = unicodedata.normalize("NFKC", _visible(text)).lstrip("#")
    return text[:length_max] or None


@lru_cache(maxsize=16_384)
def is_mixed_script(hashtag: str) -> bool:
    """Does a hashtag mix scripts whose letters look alike, as a forged one does?

    >>> is_mixed_script("tiktоkrefugee"), is_mixed_script("tiktokrefugee")
    (True, False)
    """
    found = {
        script
        for c in hashtag
        if c.isalpha()
        for script in _CONFUSABLE_SCRIPTS
        if unicodedata.name(c, "").startswith(script)
    }
    return len(found) > 1
