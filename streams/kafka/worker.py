"""Starting a worker: look at the topics, build the application, hand it to Faust."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import faust
from yarl import URL

from streams.kafka.app import STAGES, make_app
from streams.kafka.topics import Topics
from streams.kafka.unit import Ground

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streams.settings import Settings


def run(settings: Settings, options: dict[str, Any], partitions: int, stages: Sequence[str] = STAGES, step: Callable[[str], None] = lambda _: None) -> None:
    """Run a worker until it is told to stop."""
    ground = Ground(settings, Topics.of(settings), options, partitions, step)
    broker = {"broker": [URL(f"kafka://{a}") for a in settings.kafka.bootstrap.split(",")]}
    app = make_app(ground, stages, broker)
    faust.Worker(app, loglevel="INFO", redirect_stdouts=False).execute_from_commandline()
