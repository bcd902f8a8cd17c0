"""Somebody who listens, and notifications of a real replay."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.streams.sinks.told import told_of_a_wave

if TYPE_CHECKING:
    from streams.notify import Notification


@pytest.fixture(scope="session")
def wave() -> list[Notification]:
    """What a route is told of a simulated wave, from its opening to its end."""
    return told_of_a_wave()
