"""Are the alerts that workers wrote those of a replay of the same log?"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, NamedTuple

from streams.codec import encode_alert
from streams.codec.confirmed import confirmed
from streams.errors import BrokerError
from streams.kafka.layout import units
from streams.kafka.store import bounds, newest_place, ranges, read_range
from streams.replay import Replay

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from streams.kafka.ground import Ground
    from streams.logs import Log
    from streams.settings import Settings

STANDSTILL_SECONDS = 60.0
"""So long a unit may not move that has something left to read: a takeover takes a tenth of it."""
_LOOK_SECONDS = 0.5
BEFORE_CHARS = 60
"""What is shown of two alerts before they part."""


class Difference(NamedTuple):
    """The first confirmed alert that differs; None where there is none."""

    number: int
    live: bytes | None
    replayed: bytes | None


def replayed(settings: Settings, logs: Sequence[Log]) -> list[bytes]:
    """The confirmed alerts of a replay."""
    run = Replay(settings, logs, on_reject=lambda _: None)
    return _confirmed(encode_alert(alert) for alert in run.run())


async def live(ground: Ground, on_wait: Callable[[int], None]) -> list[bytes]:
    """The confirmed alerts that workers have written, once they have read all there is.

    Raises:
        BrokerError: they stand still.
    """
    await caught_up(ground, on_wait)
    topic = ground.topics.alerts
    first, end = await bounds(ground.options, topic, 0)
    alerts: list[bytes] = []
    async for messages in read_range(ground.options, topic, 0, first, end):
        alerts += [message.value for message in messages if message.value is not None]
    return _confirmed(alerts)


def difference(live: Sequence[bytes], replayed: Sequence[bytes]) -> Difference | None:
    """Where two lists of alerts part, None if they are the same."""
    for number in range(max(len(live), len(replayed))):
        mine = live[number] if number < len(live) else None
        other = replayed[number] if number < len(replayed) else None
        if mine != other:
            return Difference(number + 1, mine, other)
    return None


def around(found: Difference) -> tuple[str, str]:
    """The two alerts from shortly before where they part; ``none`` for one that is not there."""
    mine, other = ((line or b"none").decode("utf-8", "replace") for line in found[1:])
    pairs = enumerate(zip(mine, other, strict=False))
    part = next((at for at, (a, b) in pairs if a != b), min(len(mine), len(other)))
    start = max(part - BEFORE_CHARS, 0)
    return mine[start:], other[start:]


async def caught_up(ground: Ground, on_wait: Callable[[int], None]) -> None:
    """Wait until all units have read all there is, and said what it led to.

    Args:
        ground: of the pipeline.
        on_wait: called each time with how many messages are left to read.

    Raises:
        BrokerError: one that has something left to read stands still.
    """
    last: dict[str, int] | None = None
    moved = time.monotonic()
    while True:
        left = await lags(ground)
        if not any(left.values()) and left == last:
            return
        on_wait(sum(left.values()))
        if left != last:
            moved = time.monotonic()
        elif time.monotonic() - moved > STANDSTILL_SECONDS:
            behind = ", ".join(f"{unit} ({n})" for unit, n in left.items() if n)
            raise BrokerError(
                f"the workers stand still, with messages left to read by {behind}: are they "
                "running, with all stages?"
            )
        last = left
        await asyncio.sleep(_LOOK_SECONDS)


async def lags(ground: Ground) -> dict[str, int]:
    """By unit, how many offsets of its input it has not answered yet; 1 if it never ran."""
    left: dict[str, int] = {}
    for unit in units(ground):
        place = await newest_place(ground.options, ground.topics.state, unit.state_partition)
        held = await ranges(ground.options, unit.topic, unit.inputs)
        left[unit.name] = 1
        if place is not None:
            left[unit.name] = sum(
                end - place.positions.get(number, 0) for number, (_, end) in held.items()
            )
    return left


def _confirmed(alerts: Iterable[bytes]) -> list[bytes]:
    return [line for alert in alerts if (line := confirmed(alert)) is not None]
