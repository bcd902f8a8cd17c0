"""A ``surgewatch worker`` as an operator starts it, which nobody starts again."""

from __future__ import annotations

import re
import signal
import sys
import time
from typing import TYPE_CHECKING, Self

from tests.broker import ROOT, Child
from tests.kafka.live import KEY_VARIABLE, STOP_S, USERS_KEY

if TYPE_CHECKING:
    from pathlib import Path

    from tests.kafka.pipeline import Pipeline

COMMAND = ("-m", "streams.cli", "worker")
START_S = 60.0
WITH_CHANGES = "{}\nfrom streams.cli import main\nraise SystemExit(main())\n"


def changed(statements: str) -> tuple[str, str, str]:
    """A program that is the worker's command after some statements: tests change constants."""
    return "-c", WITH_CHANGES.format(statements), "worker"


class Lone:
    """A worker of a pipeline, from now until the end of the ``with`` statement.

    Args:
        pipeline: whose configuration it has.
        options: more of the command line.
        name: of its log.
        program: what Python runs.
        environ: more of its environment.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        *options: str | Path,
        name: str = "lone",
        program: tuple[str, ...] = COMMAND,
        environ: dict[str, str] | None = None,
    ) -> None:
        self._pipeline = pipeline
        self._log = pipeline.folder / f"{name}.log"
        self._before = len(self._log.read_text("utf-8")) if self._log.exists() else 0
        values = {KEY_VARIABLE: USERS_KEY, "PYTHONPATH": str(ROOT)} | (environ or {})
        given = [f"{key}={value}" for key, value in values.items()]
        if program[-1] == "worker":
            options = ("--config", pipeline.config, *options)
        self._child = Child(["env", *given, sys.executable, *program, *options], self._log)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._child.send(signal.SIGKILL)
        self._child.ended(STOP_S)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._child.pid

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._child.alive

    def said(self) -> str:
        """What it has said in this life."""
        return self._log.read_text("utf-8", "replace")[self._before :]

    def until(self, *patterns: str, timeout_s: float = START_S) -> None:
        """Wait until it has said something that matches each of some patterns."""
        deadline = time.monotonic() + timeout_s
        while not all(re.search(pattern, self.said()) for pattern in patterns):
            assert self.alive, f"has ended:\n{self.said()[-3000:]}"
            assert time.monotonic() < deadline, f"no {patterns}:\n{self.said()[-3000:]}"
            time.sleep(0.05)

    def until_loaded(self, *units: str) -> None:
        """Wait until some units are its own."""
        self.until(*(rf"\b{unit}: (starts anew|goes on)" for unit in units))

    def catch_up(self) -> None:
        """Wait until it, and whoever else there is, has answered all there is."""
        self._pipeline.wait(self, worth_it=lambda: self.alive)

    def code(self, timeout_s: float = STOP_S) -> int:
        """Wait until it has ended by itself; its exit code."""
        assert self._child.ended(timeout_s), f"does not end:\n{self.said()[-3000:]}"
        return self._child._process.returncode

    def stop(self) -> int:
        """Tell it to stop, as a supervisor does; its exit code."""
        self._child.send(signal.SIGTERM)
        return self.code()
