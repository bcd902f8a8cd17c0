"""Is a process well, and is it ready?"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

PULSE_S_MAX = 120.0
"""Whoever has not done its round for so long hangs."""


@dataclass(slots=True)
class Health:
    """What a process knows of its own state.

    Attributes:
        why_not_ready: what it waits for; "" when it does its work.
        clock: seconds that only grow.
    """

    why_not_ready: str = "it is starting"
    clock: Callable[[], float] = time.monotonic
    _pulse: float = field(init=False)

    def __post_init__(self) -> None:
        """Count from now."""
        self._pulse = self.clock()

    def beat(self) -> None:
        """A round has been done."""
        self._pulse = self.clock()

    def ready(self) -> None:
        """It does its work."""
        self.why_not_ready = ""
        self.beat()

    @property
    def why_not_well(self) -> str:
        """What is wrong, "" for nothing."""
        silent = self.clock() - self._pulse
        return f"no round has ended for {silent:.0f} s" if silent > PULSE_S_MAX else ""
