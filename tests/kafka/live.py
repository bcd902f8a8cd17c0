"""Workers as child processes on a real broker, and what comes of a log that is published to them.

Everything blocks: tests that use this are plain functions, which other threads help.
"""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Self

from tests.broker import ROOT, Child
from tests.kafka.run_worker import SNAPSHOT_WORK

USERS_KEY = "tests-of-live-workers-0123"
KEY_VARIABLE = "SURGEWATCH_USERS_KEY"
SCRIPT = Path(__file__).with_name("run_worker.py")
RESTART_S = 0.5
"""What a supervisor waits before it starts a worker again."""
STOP_S = 60.0


class Event(NamedTuple):
    """A unit was ``loaded`` by a process, ``works`` there, is ``given up`` or ``crashes``."""

    at: float
    pid: int
    what: str
    unit: str


class Death(NamedTuple):
    """A process has ended: when, how, and the last that it said."""

    at: float
    pid: int
    code: int
    said: str


@dataclass
class Worker:
    """One worker, started again whenever it ends while it is ``wanted``."""

    config: Path
    folder: Path
    number: int
    snapshot_work: float
    wanted: bool = False
    deaths: list[Death] = field(default_factory=list)
    _child: Child | None = None
    _said_before: int = 0

    @property
    def log(self) -> Path:
        """What it says."""
        return self.folder / f"worker-{self.number}.log"

    @property
    def said(self) -> str:
        """What it has said so far, over all its lives."""
        return self.log.read_text("utf-8", "replace") if self.log.exists() else ""

    @property
    def pid(self) -> int:
        """Its process id, or that of its last life."""
        return self._child.pid if self._child else -1

    @property
    def alive(self) -> bool:
        """Whether it runs or is paused."""
        return self._child is not None and self._child.alive

    def start(self) -> None:
        """Start it, and again from now on when it has ended."""
        self.wanted = True
        self._said_before = len(self.said)
        self._child = Child(
            [
                "env",
                f"{KEY_VARIABLE}={USERS_KEY}",
                f"{SNAPSHOT_WORK}={self.snapshot_work}",
                f"PYTHONPATH={ROOT}",
                sys.executable,
                SCRIPT,
                self.config,
                self.folder,
            ],
            self.log,
        )

    def send(self, signal_: signal.Signals) -> None:
        """Send it a signal: TERM, KILL, STOP, CONT."""
        if self._child is not None:
            self._child.send(signal_)

    def ended(self, timeout_s: float = STOP_S) -> bool:
        """Wait for its end; False when it has not come in time."""
        return self._child is None or self._child.ended(timeout_s)

    def bury(self) -> None:
        """Note how it has ended."""
        if self._child is None:
            return
        assert self._child.ended(STOP_S)
        lines = self.said[self._said_before :].splitlines()
        code = self._child._process.returncode
        self.deaths.append(Death(time.time(), self.pid, code, lines[-1] if lines else ""))
        self._child = None


class Workers:
    """Some workers of one pipeline and their supervisor, which starts again what has ended.

    Args:
        config: their configuration file; the key of users is ours.
        folder: for their logs, events and plans.
        count: how many to begin with.
        snapshot_work: seconds of work after which a snapshot is due.
    """

    def __init__(self, config: Path, folder: Path, count: int, snapshot_work: float = 2.0) -> None:
        self.config, self.folder = config, folder
        self.all: list[Worker] = []
        self._count = count
        self._snapshot_work = snapshot_work
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._supervisor = threading.Thread(target=self._supervise, daemon=True)

    def __enter__(self) -> Self:
        for _ in range(self._count):
            self.add()
        self._supervisor.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._supervisor.join()
        for worker in self.all:
            worker.send(signal.SIGKILL)
            worker.bury()

    def _supervise(self) -> None:
        since: dict[int, float] = {}
        while not self._over.wait(0.05):
            with self._lock:
                for worker in self.all:
                    if not worker.wanted or worker.alive:
                        since.pop(worker.number, None)
                        continue
                    if worker.number not in since:
                        worker.bury()
                    if time.monotonic() - since.setdefault(worker.number, time.monotonic()) > (
                        RESTART_S
                    ):
                        worker.start()

    @property
    def running(self) -> list[Worker]:
        """Those that live and are wanted."""
        with self._lock:
            return [worker for worker in self.all if worker.wanted and worker.alive]

    def add(self) -> Worker:
        """One more worker."""
        with self._lock:
            worker = Worker(self.config, self.folder, len(self.all), self._snapshot_work)
            self.all.append(worker)
            worker.start()
            return worker

    def remove(self, worker: Worker) -> None:
        """Tell a worker to stop, for good."""
        with self._lock:
            worker.wanted = False
            worker.send(signal.SIGTERM)

    def stop(self) -> None:
        """Tell all to stop, and wait until they have: each writes snapshots first."""
        for worker in self.all:
            self.remove(worker)
        for worker in self.all:
            assert worker.ended(), f"worker {worker.number} does not end:\n{worker.said[-3000:]}"
            worker.bury()

    # -- what they do ----------------------------------------------------------------------------

    def events(self) -> list[Event]:
        """What has become of units so far."""
        file = self.folder / "events"
        if not file.exists():
            return []
        return [Event(**json.loads(line)) for line in file.read_text().splitlines()]

    def owned(self, pid: int) -> set[str]:
        """The units that a process was the last to load."""
        last = {event.unit: event.pid for event in self.events() if event.what == "loaded"}
        return {unit for unit, owner in last.items() if owner == pid}

    def wait_for(self, units: set[str], what: str, after: float, timeout_s: float) -> bool:
        """Wait until each of some units is ``loaded``, or ``works``, after a time."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if units <= {e.unit for e in self.events() if e.what == what and e.at > after}:
                return True
            time.sleep(0.1)
        return False

    def arm(self, step: str, unit: str = "", calls: int = 1) -> None:
        """Let the worker that comes to a step crash there."""
        draft = self.folder / f"crash-{step.replace(' ', '-')}"
        draft.write_text(json.dumps([step, unit, calls]))
        draft.rename(self.folder / "crash")

    def crashed(self, timeout_s: float) -> bool:
        """Wait until one has crashed as told; if none does, none will."""
        plan = self.folder / "crash"
        deadline = time.monotonic() + timeout_s
        while plan.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        with contextlib.suppress(FileNotFoundError):
            plan.unlink()
            return False
        return True

    def said(self) -> str:
        """The ends of all their logs, for a message."""
        return "\n".join(f"-- {w.log.name}\n{w.said[-2500:]}" for w in self.all)
