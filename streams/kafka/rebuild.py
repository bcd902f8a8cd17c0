"""From what a unit has kept back to the machine it was when its last round was committed."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import tomllib
from typing import TYPE_CHECKING

from streams.errors import SettingsError, StateError
from streams.kafka.log import log
from streams.kafka.snapshot import unseal
from streams.kafka.store import read_range
from streams.settings import from_table, render_toml

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.kafka.ground import Ground, Spec
    from streams.kafka.machines import Machine
    from streams.kafka.store import Kept, Place
    from streams.settings import Settings

START_ANEW = (
    "start anew beside the old state, under new names for kafka.app and kafka.prefix "
    '(docs/operations.md, "Starting anew")'
)


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


def check(place: Place, name: str, ground: Ground) -> None:
    """Refuse what was kept by another pipeline than this one.

    Raises:
        StateError: it was.
    """
    if place.unit != name:
        raise StateError(
            f"{ground.topics.state} holds {place.unit} where {name} belongs: its partitions were "
            f"laid out by another version; {START_ANEW}"
        )
    if place.shape != ground.settings.shape:
        old, new = _settings(place, ground), ground.settings
        changed = ", ".join(new.shape_changes(old)) or "users.key"
        raise StateError(
            f"{name}: what was learned so far was learned with another {changed}; give it its old "
            f"value again, or {START_ANEW}"
        )
    if place.partitions > ground.partitions:
        raise StateError(
            f"{name}: the pipeline was set up for {place.partitions} source partitions, and "
            f"{ground.topics.posts} has {ground.partitions}; {START_ANEW}"
        )


async def rebuild(kept: Kept, spec: Spec, ground: Ground) -> tuple[Machine, bool]:
    """The machine as it was, and whether it goes on under new settings.

    What was said since the snapshot was said under the settings of then, so it is gone through
    again under them; new ones hold from there on.
    """
    place = kept.place
    old = _settings(place, ground)
    machine = spec.make(old, place.partitions)
    with way_out(spec.name):
        machine.restore(unseal(kept.snapshot, ground.settings.users.key.reveal()))
        for partition, end in sorted(place.positions.items()):
            start = place.snapshot_positions[partition]
            if start < end:
                async for messages in read_range(ground.options, spec.topic, partition, start, end):
                    for first in range(0, len(messages), machine.slice):
                        machine.take(partition, messages[first : first + machine.slice])
                        await asyncio.sleep(0)
    same = render_toml(old) == render_toml(ground.settings)
    if same and place.partitions == ground.partitions:
        return machine, False
    state = machine.state()
    machine = spec.make(ground.settings, ground.partitions)
    machine.restore(state)
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


def _settings(place: Place, ground: Ground) -> Settings:
    """The settings of then, with the key and the connection of now."""
    try:
        table = tomllib.loads(place.settings)
        old = from_table({name: table[name] for name in table.keys() - {"users", "kafka"}})
    except (tomllib.TOMLDecodeError, SettingsError) as error:
        raise StateError(
            f"{place.unit}: its settings of then cannot be read: {error}; {START_ANEW}"
        ) from error
    return dataclasses.replace(old, users=ground.settings.users, kafka=ground.settings.kafka)
