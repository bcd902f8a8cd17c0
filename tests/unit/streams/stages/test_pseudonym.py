"""User ids become keyed hashes."""

from __future__ import annotations

from hashlib import blake2b

from hypothesis import given
from hypothesis import strategies as st

from streams.stages.pseudonym import Pseudonyms

KEY = b"an operator's secret"


def test_hash_is_the_keyed_blake2b() -> None:
    """The hash is 63 bits of keyed BLAKE2b: whoever has the key can derive it elsewhere."""
    digest = blake2b("用户 1".encode(), digest_size=8, key=KEY).digest()
    assert Pseudonyms(KEY)["用户 1"] == int.from_bytes(digest, "big") >> 1


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40))
def test_key_makes_the_hash(user: str) -> None:
    """The same key gives the same hash, another key another one."""
    assert Pseudonyms(KEY)[user] == Pseudonyms(KEY)[user] == Pseudonyms(KEY).hash(user)
    assert Pseudonyms(KEY)[user] != Pseudonyms(b"another secret")[user]
    assert 0 <= Pseudonyms(KEY)[user] < 1 << 63


def test_memory_is_bounded() -> None:
    """Only recent ids are remembered, and forgetting changes no hash."""
    names = Pseudonyms(KEY)
    first = names["0"]
    for i in range(70_000):
        names[str(i)]
        assert len(names) <= 65_536
    assert names["0"] == first


def test_hashes_are_uniform() -> None:
    """A hash serves as a random sample number: half of consecutive ids lie in the lower half."""
    names = Pseudonyms(KEY)
    low = sum(names.hash(f"u{i}") < 1 << 62 for i in range(10_000))
    assert 4_800 < low < 5_200
