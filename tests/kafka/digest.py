"""A state as plain text, leaf by leaf, so that two of them can be compared.

What was learned is compared, not how it came to lie in memory: neither the order of dictionaries
and sets, nor which parts are one object.
"""

from __future__ import annotations

from collections import deque
from enum import Enum
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SHOWN = 12


def flat(state: Any) -> dict[str, str]:
    """The leaves of a state by their paths."""
    return dict(_leaves(state, ""))


def differences(one: Mapping[str, str], other: Mapping[str, str]) -> list[str]:
    """The first leaves that are not the same."""
    paths = sorted(path for path in one.keys() | other.keys() if one.get(path) != other.get(path))
    return [f"{path}: {one.get(path)} and {other.get(path)}" for path in paths[:SHOWN]]


def _leaves(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, memoryview):
        return  # of what is there already
    if isinstance(value, np.ndarray):
        digest = blake2b(np.ascontiguousarray(value).tobytes(), digest_size=8).hexdigest()
        yield path, f"{value.dtype}{value.shape} {digest}"
        return
    parts = dict(_parts(value))
    kind = type(value).__name__
    if parts or isinstance(value, (dict, list, tuple, deque, set, frozenset)):
        yield f"{path}:", f"{kind} of {len(parts)}"
        for name, part in parts.items():
            yield from _leaves(part, f"{path}/{name}")
    else:
        text = repr(value)
        assert " at 0x" not in text, f"{path}: do not know how to look into {text}"
        yield path, text


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    """What a value consists of, by names that depend on nothing but the value."""
    if isinstance(value, dict):
        yield from ((repr(key), part) for key, part in value.items())
    elif isinstance(value, (set, frozenset)):
        yield from ((repr(part), True) for part in value)
    elif isinstance(value, (list, tuple, deque)):
        yield from ((str(number), part) for number, part in enumerate(value))
    elif isinstance(value, msgspec.Struct):
        yield from ((name, getattr(value, name)) for name in value.__struct_fields__)
    elif type(value).__getstate__ is not object.__getstate__:
        yield from sorted(value.__getstate__().items())
    elif not isinstance(value, (Enum, type)):
        slots = [s for base in type(value).__mro__ for s in getattr(base, "__slots__", ())]
        names = {*slots, *getattr(value, "__dict__", ())} - {"__weakref__", "__dict__"}
        yield from ((name, getattr(value, name)) for name in sorted(names) if hasattr(value, name))
