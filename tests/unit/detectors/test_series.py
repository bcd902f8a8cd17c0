"""Keys and canonical hashtags."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from detectors.series import (
    ALL,
    Series,
    canonical_hashtag,
    hashtag_key,
    is_mixed_script,
    pair_key,
    parse_key,
    region_key,
    stable_hash,
)

ANY_TEXT = st.text(st.characters(), max_size=130)
REGIONS = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=2, max_size=2)
ZERO_WIDTH = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u034f\u115f\u1160\u3164\uffa0\ufe0f\U000e0100"
BIDI = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f"


@settings(max_examples=50)
@given(ANY_TEXT)
@example("ΐ" * 60)
@example("ﷺ" * 130)
@example("＃＃" + "İ" * 99)
@example("\u0345\u0308ͅ#a")
def test_canonical_form_is_stable(raw: str) -> None:
    """The canonical form of a canonical hashtag is itself, whatever the text was."""
    tag = canonical_hashtag(raw)
    assert tag is None or canonical_hashtag(tag) == tag


@settings(max_examples=50)
@given(ANY_TEXT, st.integers(1, 120))
def test_canonical_form_is_short_and_visible(raw: str, length_max: int) -> None:
    """No control, format, surrogate or space character is left, and the cap holds."""
    tag = canonical_hashtag(raw, length_max)
    if tag is not None:
        assert 1 <= len(tag) <= length_max
        categories = {unicodedata.category(c) for c in tag}
        assert not categories & {"Cc", "Cf", "Cs", "Cn", "Zs", "Zl", "Zp"}
        assert not set(tag) & set(ZERO_WIDTH + BIDI)
        assert not tag.startswith("#")


@settings(max_examples=50)
@given(st.text(ZERO_WIDTH + BIDI + "\x00\x1b\x7f\x85 \t\n\ud800", max_size=20))
def test_invisible_characters_split_nothing(noise: str) -> None:
    """Invisible characters anywhere in a hashtag lead to the same hashtag; alone, to none."""
    assert canonical_hashtag(noise) is None
    assert canonical_hashtag(noise + "tiktok" + noise + "refugee" + noise) == "tiktokrefugee"


@pytest.mark.parametrize(
    ("raw", "canonical"),
    [
        ("TikTokRefugee", "tiktokrefugee"),
        ("#TikTokRefugee", "tiktokrefugee"),
        ("##ＴｉｋＴｏｋ", "tiktok"),
        ("Straße", "strasse"),
        ("cafe\u0301", "café"),
        ("ﬁne", "fine"),
        ("a/b", "a/b"),
        ("c#", "c#"),
        ("#", None),
        ("", None),
        (" \t\n", None),
    ],
)
def test_canonical_examples(raw: str, canonical: str | None) -> None:
    """Case, width, composition, ligatures and the hash sign in front do not make another tag."""
    assert canonical_hashtag(raw) == canonical


def test_scripts_stay_apart() -> None:
    """Simplified and traditional Chinese stay two hashtags, and so does a Cyrillic look-alike."""
    assert canonical_hashtag("小红书") != canonical_hashtag("小紅書")
    forged = canonical_hashtag("TikT\u043ekRefugee")
    assert forged is not None
    assert forged != canonical_hashtag("TikTokRefugee")
    assert is_mixed_script(forged)


def test_length_counts_before_expansion() -> None:
    """The cap comes before NFKC: what lies beyond it leaves no trace, and it holds after it."""
    assert canonical_hashtag("a" * 100 + "b") == "a" * 100
    expanded = canonical_hashtag("ﷺ" * 1_000_000)
    assert expanded is not None
    assert len(expanded) == 100


@pytest.mark.parametrize(
    ("tag", "mixed"),
    [
        ("tiktokrefugee", False),
        ("tikt\u043ekrefugee", True),
        ("\u03bfmega", True),
        ("москва", False),
        ("ωmega", True),
        ("小红书rednote", False),
        ("2025", False),
        ("café", False),
    ],
)
def test_mixed_scripts(tag: str, mixed: bool) -> None:
    """Latin with Cyrillic or Greek letters is suspicious; Latin with Chinese or digits is not."""
    assert is_mixed_script(tag) is mixed


@settings(max_examples=50)
@given(ANY_TEXT, REGIONS)
@example("a/b//c/", "US")
@example("region/US", "US")
def test_keys_read_back(raw: str, region: str) -> None:
    """Every key of a canonical hashtag, slashes and all, reads back as what it was made of."""
    assert parse_key(region_key(region)) == Series("region", region, None)
    tag = canonical_hashtag(raw)
    if tag is not None:
        assert parse_key(hashtag_key(tag)) == Series("hashtag", None, tag)
        assert parse_key(pair_key(region, tag)) == Series("pair", region, tag)
        for key in (hashtag_key(tag), pair_key(region, tag), region_key(region), ALL):
            assert parse_key(key).key == key


@pytest.mark.parametrize("key", ["", "All", "region/", "hashtag/", "pair/US", "pair//x", "city/x"])
def test_wrong_key_is_named(key: str) -> None:
    """What is no key is refused with its own text in the message."""
    with pytest.raises(ValueError, match="not a series key") as error:
        parse_key(key)
    assert repr(key) in str(error.value)


def test_stable_hash_is_stable() -> None:
    """The hash of a key is a constant of the format: partitions must not move with a release."""
    assert stable_hash("hashtag/tiktokrefugee") == 8249270483456846061
    assert all(0 <= stable_hash(str(i)) < 1 << 63 for i in range(1_000))
