"""The command line, run in this process; and what the environment says to the tests alone."""

from __future__ import annotations

import gc
import logging
import os
from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import settings

from streams.cli import main
from tests.harness import Ran
from tests.receiver import Receiver

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from tests.harness import Command


# A busy machine is no reason to fail: speed belongs into benchmarks.
settings.register_profile("surgewatch", deadline=None, print_blob=True)
settings.register_profile("thorough", deadline=None, print_blob=True, max_examples=3000)
settings.load_profile("surgewatch")

FAULTS = 12
"""Each kind of them once."""


class ChaosAsked(NamedTuple):
    """How many faults, and the seed that says which; None for any."""

    faults: int
    seed: int | None


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A server on this machine that plays whoever is told."""
    receiver = Receiver()
    await receiver.start()
    yield receiver
    await receiver.stop()


@pytest.fixture(scope="session", autouse=True)
def chaos() -> Iterator[ChaosAsked]:
    """What is asked of the chaos test; taken out of the environment like ``given_bootstrap``."""
    names = ("SURGEWATCH_CHAOS_FAULTS", "SURGEWATCH_CHAOS_SEED")
    faults, seed = (os.environ.get(name) for name in names)
    with pytest.MonkeyPatch.context() as patch:
        for name in names:
            patch.delenv(name, raising=False)
        yield ChaosAsked(int(faults or FAULTS), int(seed) if seed else None)


@pytest.fixture(scope="session", autouse=True)
def given_bootstrap() -> Iterator[str | None]:
    """A broker that the tests are to use instead of their own, as ``host:port``.

    Taken out of the environment, where commands that tests start would refuse it as no setting.
    """
    given = os.environ.get("SURGEWATCH_TEST_BOOTSTRAP")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SURGEWATCH_TEST_BOOTSTRAP", raising=False)
        yield given or None


@pytest.fixture
def surgewatch(
    capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Command]:
    """A function that runs ``surgewatch`` with arguments, under no settings of the environment.

    Nor is its output wrapped as wide as the terminal of whoever runs the tests.
    """
    monkeypatch.delenv("COLUMNS", raising=False)
    for name in [name for name in os.environ if name.startswith("SURGEWATCH_")]:
        monkeypatch.delenv(name)

    def run(*args: str | Path) -> Ran:
        try:
            code = main([str(arg) for arg in args])
        except SystemExit as ended:  # argparse ends the process itself
            code = ended.code if isinstance(ended.code, int) else 1
        captured = capsysbinary.readouterr()
        return Ran(code, captured.out, captured.err.decode())

    threshold, root = gc.get_threshold(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield run
    gc.set_threshold(*threshold)
    gc.unfreeze()
    # A command that logs does so to what stands for standard error in this test alone: the next
    # warning of a library would find that closed.
    root.handlers[:] = handlers
    root.setLevel(level)
