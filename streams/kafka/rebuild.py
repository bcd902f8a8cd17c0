"""From what a unit has kept back to the machine it was when its last round was committed."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import tomllib
from typing import TYPE_CHECKING, Any, NamedTuple

from streams.errors import SettingsError, StateError
from streams.kafka.log import log
from streams.kafka.snapshot import seal, unseal
from streams.kafka.store import read_range
from streams.settings import from_table, render_toml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from streams.kafka.ground import Ground, Spec
    from streams.kafka.machines import Machine
    from streams.kafka.store import Kept
    from streams.settings import Settings

START_ANEW = (
    "start anew beside the old state, under new names for kafka.app and kafka.prefix "
    '(docs/operations.md, "Starting anew")'
)


_OF_NOW = frozenset({"users", "kafka", "notify", "console", "metrics", "log"})
"""Sections that say nothing of what was learned: the key, the connection, who is told, ports."""


@contextlib.contextmanager
def way_out(name: str) -> Iterator[None]:
    """Say of a unit's state that cannot be used whose it is, and what to do then.

    Raises:
        StateError: in place of one that says only what is wrong.
    """
    try:
        yield
    except StateError as error:
        raise StateError(f"{name}: {error}; {START_ANEW}") from error


class State(NamedTuple):
    """What a snapshot holds: the settings under which it was taken, as TOML, and the state."""

    settings: str
    machine: Any


def kept_bytes(machine: Machine, settings: Settings) -> bytes:
    """A machine's state, to be kept; at once, since it goes on changing."""
    return seal((render_toml(settings), machine.state()), settings.users.key.reveal())


def kept_state(data: bytes, settings: Settings) -> State:
    """What ``kept_bytes`` wrote.

    Raises:
        StateError: it cannot be used.
    """
    return State(*unseal(data, settings.users.key.reveal()))


def check(kept: Kept, name: str, topic: str, ground: Ground) -> None:
    """Refuse what was kept by another pipeline than this one.

    Raises:
        StateError: it was.
    """
    place = kept.place
    if place.unit != name:
        raise StateError(
            f"{ground.topics.state} holds {place.unit} where {name} belongs: its partitions were "
            f"laid out by another version; {START_ANEW}"
        )
    if place.topic != topic:
        raise StateError(
            f"{name}: has read {place.topic} so far, and is to read {topic} now; name the old "
            f"topic again, or {START_ANEW}"
        )
    if place.shape != ground.settings.shape:
        changed = "users.key"
        with contextlib.suppress(StateError):
            old = _settings(kept_state(kept.snapshot, ground.settings).settings, name, ground)
            changed = ", ".join(ground.settings.shape_changes(old))
        raise StateError(
            f"{name}: what was learned so far was learned with another {changed}; give it its old "
            f"value again, or {START_ANEW}"
        )
    if place.partitions > ground.partitions:
        raise StateError(
            f"{name}: the pipeline was set up for {place.partitions} source partitions, and "
            f"{ground.topics.posts} has {ground.partitions}; {START_ANEW}"
        )


async def rebuild(
    kept: Kept, spec: Spec, ground: Ground, beat: Callable[[], None]
) -> tuple[Machine, bool]:
    """The machine as it was, and whether it goes on under new settings.

    What was said since the snapshot was said under the settings of then, so it is gone through
    again under them; new ones hold from there on. ``beat`` is called whenever it gets on.
    """
    place = kept.place
    with way_out(spec.name):
        state = kept_state(kept.snapshot, ground.settings)
    old = _settings(state.settings, spec.name, ground)
    machine = spec.make(old, place.partitions)
    machine.restore(state.machine)
    with way_out(spec.name):
        for partition, end in sorted(place.positions.items()):
            start = place.snapshot_positions[partition]
            if start < end:
                async for messages in read_range(ground.options, spec.topic, partition, start, end):
                    for first in range(0, len(messages), machine.slice):
                        machine.take(partition, messages[first : first + machine.slice])
                        beat()
                        await asyncio.sleep(0)
    same = render_toml(old) == render_toml(ground.settings)
    if same and place.partitions == ground.partitions:
        return machine, False
    then, machine = machine, spec.make(ground.settings, ground.partitions)
    machine.restore(then.state())
    if not same:
        log.info("%s: new settings hold from here on: %s", spec.name, ground.settings.fingerprint)
    if place.partitions != ground.partitions:
        log.info(
            "%s: %d source partitions from here on, not %d",
            spec.name,
            ground.partitions,
            place.partitions,
        )
    return machine, True


def _settings(text: str, name: str, ground: Ground) -> Settings:
    """The settings of then, with those of now that no stage knows."""
    try:
        table = tomllib.loads(text)
        old = from_table({name: table[name] for name in table.keys() - _OF_NOW})
    except (tomllib.TOMLDecodeError, SettingsError) as error:
        raise StateError(
            f"{name}: its settings of then cannot be read: {error}; {START_ANEW}"
        ) from error
    return dataclasses.replace(old, **{name: getattr(ground.settings, name) for name in _OF_NOW})
