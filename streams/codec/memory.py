"""A bounded memory of what a function has returned."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

K = TypeVar("K")
V = TypeVar("V")


class Remembered(dict[K, V]):
    """What a function returned for its last few thousand arguments; a hit stays in C.

    Args:
        function: of one argument; what it raises is passed on and not remembered.
        entries_max: arguments that are remembered; with one more, all are forgotten.
        chars_max: longer text is not worth remembering, and would let input fill memory.
    """

    __slots__ = ("_chars_max", "_entries_max", "_function")

    def __init__(
        self, function: Callable[[K], V], entries_max: int = 8192, chars_max: int = 64
    ) -> None:
        super().__init__()
        self._function = function
        self._entries_max = entries_max
        self._chars_max = chars_max

    def __missing__(self, key: K) -> V:
        value = self._function(key)
        if isinstance(key, str) and len(key) > self._chars_max:
            return value
        if len(self) >= self._entries_max:
            self.clear()
        self[key] = value
        return value
