"""A worker as tests run it: ``run_worker.py CONFIG FOLDER``, more settings from the environment.

It notes in ``FOLDER/events`` which units it has loaded and which work, and if ``FOLDER/crash``
names a step of a round, it ends there, by SIGKILL, as a crash would. On SIGUSR1 it says what each
of its tasks waits for.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

from streams.errors import SurgewatchError
from streams.kafka import unit
from streams.kafka.log import log
from streams.kafka.worker import run
from streams.settings import load

STAGES = ("ingest", "detect", "correlate")
SNAPSHOT_WORK = "TEST_SNAPSHOT_WORK"
"""Environment variable: seconds of work after which a snapshot is due."""


class Crash(NamedTuple):
    """Where to crash: at a step of a unit, or of any (``""``), when it comes the n-th time."""

    step: str
    unit: str
    calls: int


class Notes(logging.Handler):
    """Notes what becomes of units, and crashes where it is told to.

    Args:
        folder: where notes and plans are; all workers of a test share it.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self._plan = folder / "crash"
        self._calls = 0
        self._loaded: set[str] = set()
        self._file = os.open(folder / "events", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def note(self, what: str, name: str) -> None:
        """Write a line, whole, since others write to the file too."""
        event = {"at": time.time(), "pid": os.getpid(), "what": what, "unit": name}
        os.write(self._file, json.dumps(event).encode() + b"\n")

    def emit(self, record: logging.LogRecord) -> None:
        """See what a worker says of its units."""
        name, _, said = record.getMessage().partition(": ")
        if said.startswith(("goes on", "starts anew")):
            self._loaded.add(name)
            self.note("loaded", name)
        elif said == "given up":
            self.note("given up", name)

    def step(self, name: str, step: str) -> None:
        """A unit has come to a step of its round."""
        if step == "round has ended" and name in self._loaded:
            self._loaded.discard(name)
            self.note("works", name)
        try:
            plan = Crash(*json.loads(self._plan.read_text()))
        except FileNotFoundError:
            self._calls = 0
            return
        if step != plan.step or plan.unit not in {"", name}:
            return
        self._calls += 1
        if self._calls < plan.calls:
            return
        try:
            self._plan.rename(self._folder / f"crashed-{os.getpid()}")
        except FileNotFoundError:  # another worker has
            return
        self.note("crashes", name)
        os.kill(os.getpid(), signal.SIGKILL)


def show_tasks(*_: object) -> None:
    """Say where every task is."""
    for task in asyncio.all_tasks():
        sys.stderr.write(f"-- {task!r}\n")
        waits: Any = task.get_coro()
        while (frame := getattr(waits, "cr_frame", None)) is not None:
            sys.stderr.write(f"     {frame.f_code.co_filename}:{frame.f_lineno}\n")
            waits = waits.cr_await
    sys.stderr.flush()


def main() -> None:
    """Run it until it is told to stop."""
    config, folder = map(Path, sys.argv[1:])
    environ = dict(os.environ)
    unit.SNAPSHOT_WORK = float(environ.pop(SNAPSHOT_WORK, unit.SNAPSHOT_WORK))
    signal.signal(signal.SIGUSR1, show_tasks)
    notes = Notes(folder)
    log.addHandler(notes)
    try:
        run(load(config, environ), STAGES, notes.step)
    except SurgewatchError as error:
        sys.exit(f"surgewatch: {error}")


if __name__ == "__main__":
    main()
