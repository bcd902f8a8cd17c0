"""User ids become keyed hashes at the door."""

from __future__ import annotations

from hashlib import blake2b

_CACHED = 65_536


class Pseudonyms(dict[str, int]):
    """Id to keyed 63-bit hash, remembered for recent ids.

    Keyed (BLAKE2b, RFC 7693), so that nobody without the key can find the user behind a hash by
    hashing known ids, and uniform, so that hashes can serve as random sample numbers.

    Args:
        key: secret of the operator, at most 64 bytes.
    """

    def __init__(self, key: bytes) -> None:
        super().__init__()
        # A copy of the keyed state costs two thirds of hashing the key anew.
        self._keyed = blake2b(digest_size=8, key=key).copy

    def __missing__(self, user_id: str) -> int:
        if len(self) >= _CACHED:
            self.clear()
        value = self.hash(user_id)
        self[user_id] = value
        return value

    def hash(self, text: str) -> int:
        """The hash of an id that is not worth remembering."""
        keyed = self._keyed()
        keyed.update(text.encode())
        return int.from_bytes(keyed.digest(), "big") >> 1
