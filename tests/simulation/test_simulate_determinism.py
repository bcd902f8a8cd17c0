"""The same arguments give the same bytes."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import pytest

from streams.simulate import SCENARIOS, Simulation, simulate

# Made with NumPy 1.26 and 2.4, with and without vector instructions. A change of the simulator
# changes it; a change of NumPy must not: then benchmarks of two machines compare different worlds.
DIGEST = "228573efeffb1c63489f06281d49e570a00f8ecbe41399b8d42dd73f1ac1e7a9"


def digest(simulation: Simulation) -> str:
    """SHA-256 of the log and the truth."""
    whole = hashlib.sha256()
    for block in simulation.blocks():
        whole.update(block)
    for line in simulation.truth_lines():
        whole.update(line)
    return whole.hexdigest()


def small(scenario: str = "kitchen_sink", seed: int = 11) -> Simulation:
    """A small world."""
    return simulate(scenario, days=0.8, rate=0.03, seed=seed)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_same_arguments_same_bytes(scenario: str) -> None:
    """Two simulations of the same arguments are equal."""
    assert digest(small(scenario)) == digest(small(scenario))


def test_reading_twice() -> None:
    """One simulation can be read again, with the same result."""
    world = small()
    assert digest(world) == digest(world)


def test_another_seed_gives_another_world() -> None:
    """The seed matters."""
    assert digest(small()) != digest(small(seed=12))


def test_known_bytes() -> None:
    """The bytes are those that other machines and versions of NumPy made."""
    assert digest(small()) == DIGEST


@pytest.mark.parametrize("hash_seed", ["0", "4242"])
def test_hash_seed(hash_seed: str) -> None:
    """Another process with another hash seed gives the same bytes."""
    code = (
        "import sys, streams.simulate as s\n"
        "w = s.simulate('kitchen_sink', days=0.8, rate=0.03, seed=11)\n"
        "for part in (w.blocks(), w.truth_lines()):\n"
        "    for piece in part: sys.stdout.buffer.write(piece)\n"
    )
    environment = {
        **os.environ,
        "PYTHONHASHSEED": hash_seed,
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, env=environment
    )
    assert hashlib.sha256(run.stdout).hexdigest() == digest(small())


@pytest.mark.parametrize("scenario", ["quiet", "kitchen_sink"])
def test_lines_are_the_blocks(scenario: str) -> None:
    """Line by line or block by block, it is the same log, and every line ends."""
    world = small(scenario)
    lines = list(world.lines())
    assert b"".join(lines) == b"".join(world.blocks())
    assert all(line.endswith(b"\n") and b"\n" not in line[:-1] for line in lines)


def test_parts_do_not_disturb_the_background() -> None:
    """What a scenario adds leaves the usual traffic as it is: a quiet world is within it."""

    def contents(scenario: str) -> set[bytes]:
        world = simulate(scenario, days=1.5, rate=0.1, seed=3)
        return {line.partition(b",")[2] for line in world.lines()}

    assert contents("quiet") < contents("overnight_flood")
