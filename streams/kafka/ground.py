"""What the units of a worker share, and what each of them is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.kafka.machines import Machine
    from streams.kafka.topics import Topics
    from streams.settings import Settings


@dataclass(frozen=True)
class Ground:
    """What all units of a worker share.

    Attributes:
        settings: all of them.
        topics: names of the topics.
        options: how to connect.
        partitions: source partitions.
        step: called with the name of each step of a round; tests crash there.
    """

    settings: Settings
    topics: Topics
    options: dict[str, Any]
    partitions: int
    step: Callable[[str], None] = lambda _: None


@dataclass
class Spec:
    """What a unit is: its name, its input, its partition of the state topic, its machine."""

    name: str
    topic: str
    inputs: list[int]
    state_partition: int
    make: Callable[[Settings], Machine]
