"""The worker for who starts it the Faust way: ``faust -A streams.kafka.faust_app worker``.

Settings come from the file that ``SURGEWATCH_CONFIG`` names, if it is set, and the environment, as
for ``surgewatch worker``, which needs none of this.
"""

from __future__ import annotations

import asyncio
import functools
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from streams.errors import SurgewatchError
from streams.kafka.worker import prepare
from streams.settings import load

if TYPE_CHECKING:
    from streams.kafka.app import SurgeApp

CONFIG = "SURGEWATCH_CONFIG"
STAGES = ("ingest", "detect", "correlate")


@functools.cache
def make() -> SurgeApp:
    """The application, once everything it needs has been found; ends the process otherwise."""
    environ = dict(os.environ)
    config = environ.pop(CONFIG, "")
    try:
        app = prepare(load(Path(config) if config else None, environ), STAGES)
    except SurgewatchError as error:
        sys.exit(f"surgewatch: {error}")
    # Looking for the topics took the loop that Faust would take.
    asyncio.set_event_loop(asyncio.new_event_loop())
    return app


def __getattr__(name: str) -> SurgeApp:
    """``app``, made when Faust asks for it: an import alone should not need a broker."""
    if name == "app":
        return make()
    raise AttributeError(name)
