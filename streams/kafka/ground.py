"""What the units of a worker share, and what each of them is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from streams.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.kafka.machines import Machine, Message
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
        step: called with a unit's name and each step of its rounds; tests crash there.
        closed: called with the mean seconds that buckets took, and how many they were.
    """

    settings: Settings
    topics: Topics
    options: dict[str, Any]
    partitions: int
    step: Callable[[str, str], None] = lambda *_: None
    closed: Callable[[float, int], None] = lambda *_: None

    def require_partitions(self, found: int) -> None:
        """Refuse a posts topic that has other partitions than when the worker started.

        Raises:
            StateError: it has.
        """
        if found != self.partitions:
            raise StateError(
                f"{self.topics.posts} has {found} partitions now, and the pipeline counts "
                f'{self.partitions}: run "surgewatch topics create --partitions {found}", then '
                "start the workers again"
            )


@dataclass
class Spec:
    """What a unit is.

    Attributes:
        name: of the unit.
        topic: of its input.
        inputs: partitions of it.
        state_partition: its partition of the state topic.
        make: its machine under some settings, for a number of source partitions.
        watch: what looks at its machine by the clock, if anything.
    """

    name: str
    topic: str
    inputs: list[int]
    state_partition: int
    make: Callable[[Settings, int], Machine]
    watch: Callable[[Ground], Watch] | None = None


class Watch(Protocol):
    """Looks at a machine now and then, while its unit is this worker's."""

    async def start(self) -> None:
        """Connect."""

    async def stop(self) -> None:
        """Disconnect."""

    async def look(self, machine: Any) -> list[Message]:
        """Look once; what is to be said."""
