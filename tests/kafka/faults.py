"""What may happen to workers and their broker, and how long it takes them to get over it."""

from __future__ import annotations

import signal
import statistics
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from random import Random

    from tests.broker import Broker
    from tests.kafka.live import Worker, Workers

STEPS = (
    "round begins",
    "messages are sent",
    "snapshot is sent",
    "place is sent",
    "round has ended",
)
RARE = "snapshot is sent"
OTHERS = ("kill", "rolling restart", "add", "remove", "zombie", "broker stops", "broker is killed")
KINDS = (*STEPS, *OTHERS)
WEIGHTS = (6, 6, 6, 6, 6, 45, 3, 6, 6, 4, 3, 3)
"""How often each happens, beyond once."""

WORKERS_MIN, WORKERS_MAX = 2, 3
DOWN_S = 10.0
RECOVERED_S = 90.0
STOPPED_S = 15.0
"""A worker that has not stopped after 20 seconds ends itself."""
ARMED_S = 10.0
"""A step of a unit that has nothing to say may not come."""


def plan(count: int, random: Random) -> list[str]:
    """So many faults in a random order, each kind of them at least once if there are enough."""
    more = random.choices(KINDS, WEIGHTS, k=max(count - len(KINDS), 0))
    kinds = [*random.sample(KINDS, min(count, len(KINDS))), *more]
    random.shuffle(kinds)
    return kinds


class Recovery(NamedTuple):
    """Seconds from a kill until all units of the worker were loaded again, and made a round."""

    loaded: float
    works: float


@dataclass
class Chaos:
    """Does harm, seeded.

    Attributes:
        recoveries: after kills of a single worker during which nothing else happened.
        say: called with each line of what is done.
        stuck: numbers of workers that did not stop when they were told to.
    """

    workers: Workers
    broker: Broker
    session_s: float
    random: Random
    say: Callable[[str], None]
    recoveries: list[Recovery] = field(default_factory=list)
    stuck: list[int] = field(default_factory=list)
    _struck: int = 0
    _began: float = field(default_factory=time.monotonic)

    def note(self, what: str) -> None:
        """Say what is done, and when."""
        took = time.monotonic() - self._began
        self.say(f"{took:7.1f} s  {time.strftime('%H:%M:%S')}  {what}")

    def strike(self, kind: str) -> None:
        """Do one harm, and as a rule wait until it is overcome."""
        self._struck += 1
        if kind in STEPS:
            self.crash_at(kind)
        elif kind == "kill":
            self.kill()
        elif kind == "rolling restart":
            self.rolling_restart()
        elif kind == "add":
            self.add()
        elif kind == "remove":
            self.remove()
        elif kind == "zombie":
            self.zombie()
        else:
            self.outage(kind)

    def _victim(self) -> Worker:
        while not self.workers.running:
            time.sleep(0.1)
        return self.random.choice(self.workers.running)

    def kill(self) -> None:
        """SIGKILL for a random worker at a random moment."""
        time.sleep(self.random.uniform(0.0, 1.0))
        victim = self._victim()
        units = self.workers.owned(victim.pid)
        at = time.time()
        self.note(f"kill worker {victim.number} with {sorted(units)}")
        victim.send(signal.SIGKILL)
        self._recover(at, units)

    def crash_at(self, step: str) -> None:
        """SIGKILL at a step of a round; the worker itself does it."""
        unit = self.random.choice(["", "ingest-0", "detect", "correlate"])
        before = len(self._crashes())
        self.workers.arm(step, unit, self.random.randint(1, 4))
        if not self.workers.crashed(1.0 if step == RARE else ARMED_S):
            # A unit that is given up makes a round, and keeps a snapshot.
            self.workers.arm(step)
            self._victim().send(signal.SIGTERM)
            if not self.workers.crashed(ARMED_S):
                self.note(f"NOT crashed where {step!r}")
                return
        while len(self._crashes()) == before:
            time.sleep(0.05)
        at, pid, name = self._crashes()[-1]
        units = self.workers.owned(pid)
        self.note(f"crashed where {step!r} of {name} with {sorted(units)}")
        self._recover(at, units)

    def _crashes(self) -> list[tuple[float, int, str]]:
        return [(e.at, e.pid, e.unit) for e in self.workers.events() if e.what == "crashes"]

    def _recover(self, at: float, units: set[str]) -> None:
        """Three times in four wait until it is overcome; else the next fault comes into it."""
        if not units or self.random.random() < 0.25:
            time.sleep(self.random.uniform(0.0, 4.0))
            return
        if not self.workers.wait_for(units, "works", at, RECOVERED_S):
            self.note(f"NOT recovered within {RECOVERED_S} s")
            return
        times: dict[str, list[float]] = {"loaded": [], "works": []}
        for what, found in times.items():
            for unit in units:
                events = [e.at for e in self.workers.events() if (e.what, e.unit) == (what, unit)]
                found.append(min(event for event in events if event > at) - at)
        recovery = Recovery(max(times["loaded"]), max(times["works"]))
        self.note(f"  recovered after {recovery.loaded:.1f} s, a round after {recovery.works:.1f}")
        self.recoveries.append(recovery)

    def rolling_restart(self) -> None:
        """SIGTERM for one worker after the other; the supervisor starts each again."""
        self.note("rolling restart")
        for worker in self.workers.running:
            at = time.time()
            units = self.workers.owned(worker.pid)
            self._stop(worker)
            self.workers.wait_for(units, "loaded", at, RECOVERED_S)

    def _stop(self, worker: Worker) -> None:
        """SIGTERM; a worker that does not stop in time says what it waits for."""
        pid, deadline = worker.pid, time.monotonic() + STOPPED_S
        worker.send(signal.SIGTERM)
        while worker.alive and worker.pid == pid:
            time.sleep(0.1)
            if time.monotonic() > deadline:
                self.stuck.append(worker.number)
                self.note(f"NOT stopped within {STOPPED_S} s: worker {worker.number}")
                worker.send(signal.SIGUSR1)
                return

    def add(self) -> None:
        """One more worker, or one less where there are enough."""
        if len(self.workers.running) >= WORKERS_MAX:
            self.remove()
            return
        self.note(f"add worker {self.workers.add().number}")
        time.sleep(self.random.uniform(1.0, 6.0))

    def remove(self) -> None:
        """A worker is told to stop for good; or one more comes where there are few."""
        if len(self.workers.running) <= WORKERS_MIN:
            self.add()
            return
        victim = self._victim()
        self.note(f"remove worker {victim.number}")
        victim.wanted = False
        self._stop(victim)

    def zombie(self) -> None:
        """SIGSTOP for longer than the session lasts, then SIGCONT: it believes it is the owner."""
        victim = self._victim()
        units = self.workers.owned(victim.pid)
        self.note(f"pause worker {victim.number} with {sorted(units)}")
        at = time.time()
        victim.send(signal.SIGSTOP)
        taken = self.workers.wait_for(units, "loaded", at, 2 * self.session_s + RECOVERED_S)
        self.note(f"  wake it; taken over: {taken}")
        victim.send(signal.SIGCONT)
        time.sleep(self.random.uniform(2.0, 5.0))

    def outage(self, kind: str) -> None:
        """The broker is stopped or killed, and comes back."""
        self.note(kind)
        if kind == "broker stops":
            self.broker.stop()
            time.sleep(DOWN_S)
        else:
            self.broker.kill()
            time.sleep(self.random.uniform(0.0, 3.0))
        self.broker.start()
        self.note("  broker is back")
        time.sleep(self.random.uniform(2.0, 8.0))

    def report(self) -> str:
        """How many faults there were, how long recoveries took, and which workers ended why."""
        return "\n".join((f"{self._struck} faults", *self._times(), *self._deaths()))

    def _times(self) -> Iterator[str]:
        if len(self.recoveries) < 2:
            return
        yield f"{len(self.recoveries)} kills of a single worker, until its units"
        for name in Recovery._fields:
            times = sorted(getattr(recovery, name) for recovery in self.recoveries)
            high = statistics.quantiles(times, n=20, method="inclusive")[-1]
            yield (
                f"  {name:6}: median {statistics.median(times):.1f} s, 95 % within {high:.1f} s, "
                f"all within {times[-1]:.1f} s"
            )

    def _deaths(self) -> Iterator[str]:
        """Those that were neither told to end nor killed."""
        ended = [death for worker in self.workers.all for death in worker.deaths]
        for death in sorted(ended):
            if death.code not in {0, -signal.SIGKILL}:
                at = time.strftime("%H:%M:%S", time.localtime(death.at))
                yield f"{at} process {death.pid} ended with code {death.code}: {death.said[:160]}"
