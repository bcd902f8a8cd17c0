"""Is a process well, and is it ready?"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

PULSE_S_MAX = 120.0
"""Whoever has not done a round for so long hangs."""
ANSWER_S_MAX = 30.0
"""Whom Kafka has not answered for so long is not ready."""


class Health:
    """What a process knows of its own state.

    Args:
        clock: seconds that only grow.

    Attributes:
        waits_for: what keeps it from its work; "" when it is at it.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.waits_for = "it is starting"
        self._clock = clock
        self._pulse = self._heard = clock()

    def beat(self) -> None:
        """A round has been done."""
        self._pulse = self._clock()

    def heard(self) -> None:
        """Kafka has answered."""
        self._heard = self._clock()

    def why_not_heard(self) -> str:
        """That Kafka does not answer, "" if it does."""
        silent = self._clock() - self._heard
        return f"Kafka has not answered for {silent:.0f} s" if silent > ANSWER_S_MAX else ""

    def why_not_well(self) -> str:
        """What is wrong, "" for nothing."""
        silent = self._clock() - self._pulse
        return f"no round has ended for {silent:.0f} s" if silent > PULSE_S_MAX else ""

    def why_not_ready(self) -> str:
        """Why it is not at its work, "" if it is."""
        return self.why_not_well() or self.waits_for or self.why_not_heard()
