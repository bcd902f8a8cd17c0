"""Kept states are checked when they come back."""

from __future__ import annotations

import random
from hashlib import blake2b

import msgspec
import numpy as np
import pytest

from streams.errors import StateError
from streams.kafka import snapshot
from streams.kafka.ground import Ground
from streams.kafka.layout import units
from streams.kafka.snapshot import STATE_VERSION, seal, unseal
from streams.kafka.topics import Topics
from streams.settings import Settings
from tests.property.small_worlds import lingering, sparse
from tests.property.test_recovery import Broker, Unit, spread

KEY = b"0123456789abcdef"


def test_a_state_comes_back() -> None:
    """As it was, arrays and all."""
    state = {"counts": np.arange(5), "names": ["a", "b"]}
    back = unseal(seal(state, KEY), KEY)
    assert back["counts"].tolist() == [0, 1, 2, 3, 4]
    assert back["names"] == ["a", "b"]


@pytest.mark.parametrize("place", [0, 20, 30, 60, -1])
def test_damage_is_noticed(place: int) -> None:
    """Be it in the head, the signature or the body; nothing is unpickled."""
    data = bytearray(seal(["state"], KEY))
    data[place] ^= 1
    with pytest.raises(StateError):
        unseal(bytes(data), KEY)


def test_another_key_is_noticed() -> None:
    """Only who knows the key could have written what is unpickled."""
    with pytest.raises(StateError, match=r"another users\.key"):
        unseal(seal(["state"], KEY), b"another key of 16 bytes")


def test_another_version_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A state of other classes is refused before it is looked at."""
    monkeypatch.setattr(snapshot, "STATE_VERSION", STATE_VERSION + 1)
    data = seal(["state"], KEY)
    monkeypatch.undo()
    with pytest.raises(StateError, match=f"state version {STATE_VERSION + 1}"):
        unseal(data, KEY)


def _shapes(value: object, shapes: dict[str, tuple[str, ...]], seen: dict[int, object]) -> None:
    """The attributes of each class of ours within a value."""
    if id(value) in seen or isinstance(value, (np.ndarray, str, bytes, int, float)):
        return
    seen[id(value)] = value  # kept, so that its id is not given again
    parts: list[object] = []
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        parts = list(value)
        shapes[type(value).__name__] = value._fields
    elif isinstance(value, dict):
        parts = [*value, *value.values()]
        if stage := {"bank", "_cases", "mark"} & value.keys():
            shapes[f"stage with {min(stage)}"] = tuple(sorted(value))
    elif isinstance(value, msgspec.Struct):
        parts = [getattr(value, name) for name in value.__struct_fields__]
        shapes[type(value).__name__] = value.__struct_fields__
    elif hasattr(value, "__dict__"):
        parts = list(vars(value).values())
        shapes[type(value).__name__] = tuple(sorted(vars(value)))
    elif hasattr(value, "__slots__"):
        shapes[type(value).__name__] = tuple(value.__slots__)
        parts = [getattr(value, name) for name in value.__slots__]
    elif hasattr(value, "__iter__"):
        parts = list(value)
    for part in parts:
        _shapes(part, shapes, seen)


SHAPES = (1, "ed48df6dafe5344b")


def test_attributes_belong_to_a_version() -> None:
    """Whoever changes what is kept raises STATE_VERSION, and pins the new shapes here.

    A state of the old shapes would be unpickled without complaint, and fail later or be wrong.
    """
    shapes: dict[str, tuple[str, ...]] = {}
    rng = random.Random(1)  # noqa: S311 - not for secrets
    for world in (sparse(9), lingering(3)):
        topics, broker = Topics.of(Settings()), Broker()
        ground = Ground(world.settings, topics, {}, 1)
        spread(world, broker, topics, 1)
        for spec in units(ground):
            unit = Unit(spec, world.settings, 1, broker)
            while unit.left(spec.inputs[0]):
                unit.take(spec.inputs[0], 50)
                _shapes(unit.kept_now(), shapes, {})
                unit.round(rng)
    text = "\n".join(f"{name}: {', '.join(names)}" for name, names in sorted(shapes.items()))
    print(text)  # noqa: T201 - for whoever has to find what has changed
    known = {"OpenBucket", "Episode", "Crowd", "Track", "Held", "ScanBank", "Cohort", "Ended"}
    known |= {"stage with bank", "stage with _cases", "stage with mark"}
    assert known <= shapes.keys()
    digest = blake2b(text.encode(), digest_size=8).hexdigest()
    assert (STATE_VERSION, digest) == SHAPES
