"""Counters of a unit as a worker tells them: from when it took the unit over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.observe.names import PIPELINE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.kafka.machines import Machine
    from streams.observe.names import Figure


class Counted:
    """What a machine counts from now on, while its unit is this worker's.

    What it had counted before comes with its state, and is a little less than it was when its
    worker crashed: to a scraper it would look like a counter that began anew, and its whole value
    like the increase since.

    Args:
        machine: of the unit, as it was loaded.
    """

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._before = {_key(figure): figure.value for figure in machine.figures()}

    def figures(self) -> Iterator[Figure]:
        """What there is to tell, counters as of then."""
        for figure in self._machine.figures():
            if figure.name in PIPELINE:
                yield figure._replace(value=figure.value - self._before.get(_key(figure), 0))
            else:
                yield figure


def _key(figure: Figure) -> tuple[str, ...]:
    return (figure.name, *figure.labels.values())
