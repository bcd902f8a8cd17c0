"""The key of the user hash, in a wrapper that no message, log or rendering can read by accident."""

from __future__ import annotations

import hashlib

from streams.settings.kinds import Kind, Refusal

DEVELOPMENT_KEY = b"surgewatch-development-key-not-secret"
"""The published key used when none is configured: anyone can recompute its hashes."""

KEY_BYTES_MIN = 16
KEY_BYTES_MAX = 64
"""The longest key that BLAKE2b takes."""


class Secret:
    """A key that shows itself only to ``reveal``."""

    # Not a dataclass: asdict() of the settings would take it apart.
    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        self._key = key

    def reveal(self) -> bytes:
        """Return the key itself, 16 to 64 bytes; for the keyed hash and nothing else."""
        return self._key

    @property
    def is_development_key(self) -> bool:
        """Whether this is the published key."""
        return self._key == DEVELOPMENT_KEY

    @property
    def digest(self) -> str:
        """Four hex digits that tell two keys apart, for the fingerprint.

        Fingerprints are in every alert, so a long digest would let anybody test guesses of a
        weak key. Sixteen bits can't confirm a guess, and miss one change of key in 65,536.
        """
        return hashlib.blake2b(
            b"fingerprint", key=self._key, digest_size=2, person=b"surgewatch"
        ).hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __repr__(self) -> str:
        return "Secret(development key)" if self.is_development_key else "Secret(set)"


def _check(value: object) -> Secret:
    if not isinstance(value, bytes):
        raise Refusal("not a key")
    if not KEY_BYTES_MIN <= len(value) <= KEY_BYTES_MAX:
        raise Refusal(f"holds {len(value)} bytes")
    return Secret(value)


def _render(value: Secret) -> str:
    return "development key" if value.is_development_key else "set"


SECRET_KEY = Kind(
    unit="secret",
    allowed=f"{KEY_BYTES_MIN} to {KEY_BYTES_MAX} bytes",
    # also a variable that is not UTF-8 is a key
    from_text=lambda text: text.encode("utf-8", "surrogateescape"),
    check=_check,
    render=_render,
)
"""The kind of the key: bytes, which TOML can't give; rendered only as whether it is set."""
