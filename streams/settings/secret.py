"""Secrets, in a wrapper that no message, log or rendering can read by accident."""

from __future__ import annotations

import hashlib

from streams.settings.kinds import Kind, Refusal

DEVELOPMENT_KEY = b"surgewatch-development-key-not-secret"
"""The published key used when none is configured: anyone can recompute its hashes."""

KEY_BYTES_MIN = 16
KEY_BYTES_MAX = 64
"""The longest key that BLAKE2b takes."""


PASSWORD_BYTES_MAX = 1_024


class Secret:
    """A key or password that shows itself only to ``reveal``; an empty one is not set."""

    # Not a dataclass: asdict() of the settings would take it apart.
    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        self._key = key

    def reveal(self) -> bytes:
        """Return the secret itself, for what it was made for and nothing else."""
        return self._key

    @property
    def is_development_key(self) -> bool:
        """Whether this is the published key."""
        return self._key == DEVELOPMENT_KEY

    @property
    def digest(self) -> str:
        """Four hex digits that tell two keys of the user hash apart, for the fingerprint.

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
        return f"Secret({_render(self)})"


def _check(value: object) -> Secret:
    if not isinstance(value, bytes):
        raise Refusal("not a key")
    if not KEY_BYTES_MIN <= len(value) <= KEY_BYTES_MAX:
        raise Refusal(f"holds {len(value)} bytes")
    return Secret(value)


def _render(value: Secret) -> str:
    if value.is_development_key:
        return "development key"
    return "set" if value.reveal() else "not set"


def _check_password(value: object) -> Secret:
    if not isinstance(value, bytes):
        raise Refusal("not a password")
    if not 0 < len(value) <= PASSWORD_BYTES_MAX:
        raise Refusal(f"holds {len(value):,} bytes")
    try:
        value.decode()
    except UnicodeDecodeError:
        raise Refusal("not UTF-8") from None
    return Secret(value)


SECRET_KEY = Kind(
    unit="secret",
    allowed=f"{KEY_BYTES_MIN} to {KEY_BYTES_MAX} bytes",
    # also a variable that is not UTF-8 is a key
    from_text=lambda text: text.encode("utf-8", "surrogateescape"),
    check=_check,
    render=_render,
    hidden=True,
)
"""The kind of the key: bytes, which TOML can't give; rendered only as whether it is set."""

PASSWORD = Kind(
    unit="secret",
    allowed=f"1 to {PASSWORD_BYTES_MAX:,} bytes of UTF-8",
    from_text=lambda text: text.encode("utf-8", "surrogateescape"),
    check=_check_password,
    render=_render,
    hidden=True,
)
"""The kind of a password; otherwise like the key."""
