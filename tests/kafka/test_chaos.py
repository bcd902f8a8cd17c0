"""Whatever happens to workers and broker, what comes out is what would have come out anyway.

``SURGEWATCH_CHAOS_FAULTS`` says how many faults, ``SURGEWATCH_CHAOS_SEED`` which; without it they
are others each time, and the seed is printed.
"""

from __future__ import annotations

import contextlib
import gc
import random
import secrets
import signal
import time
from typing import TYPE_CHECKING

import pytest

from streams.simulate import simulate
from tests.harness import confirmed, joined, replay
from tests.kafka.digest import differences
from tests.kafka.faults import Chaos, plan
from tests.kafka.live import Workers
from tests.kafka.pipeline import Pipeline

if TYPE_CHECKING:
    from pathlib import Path

    from streams.simulate.simulation import Simulation
    from tests.broker import Broker
    from tests.conftest import ChaosAsked

PARTITIONS, WORKERS = 3, 2
SESSION_S = 6.0
RATE, SEED = 0.3, 3
FAULT_S = 8.0
"""What a fault takes, about: the log is published so slowly that it lasts until all are over."""
FEW_FAULTS = 30
SNAPSHOT_WORK = 0.3
"""Seconds: more snapshots, so that more goes wrong around them."""

SETTINGS = (
    f'session_timeout = "{SESSION_S:.0f}s"\n'
    # An outage would make partitions idle, and markers are inputs: the golden run has none.
    'idle_after = "1h"\n'
    '[time]\nbucket = "5m"\n[detection]\nwarmup = "6h"\n'
)


def undisturbed(pipeline: Pipeline, log: bytes) -> int:
    """Work on a log with one worker to which nothing happens; how many records it has."""
    pipeline.create()
    with Workers(pipeline.config, pipeline.folder, 1) as workers:
        published = pipeline.publish(log).done()
        pipeline.wait(workers)
        workers.stop()
    return published


def shaken(pipeline: Pipeline, chaos: Chaos, faults: list[str], world: Simulation) -> int:
    """Publish a log so slowly that it lasts until all faults are over; how many records it has."""
    seconds = FAULT_S * (len(faults) + 1)
    began = time.monotonic()
    speed = (world.end_ms - world.start_ms) / 1000 / seconds
    publication = pipeline.publish(b"".join(world.blocks()), speed)
    time.sleep(FAULT_S)
    for number, kind in enumerate(faults, 1):
        chaos.strike(kind)
        per_fault = (time.monotonic() - began) / number
        publication.last(world.end_ms, per_fault * (len(faults) + 1 - number))
    publication.rush()
    published = publication.done()
    pipeline.wait(chaos.workers)
    chaos.workers.stop()
    return published


@pytest.mark.timeout(0)  # as long as faults are asked for
# During outages aiokafka loses connections, of the publisher that runs in this process.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_chaos(
    chaos: ChaosAsked,
    broker: Broker,
    tmp_path: Path,
    prefix: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """No alert is lost, none comes twice, and state is what it would be without any fault."""

    def say(line: str) -> None:
        """A long run is watched; what a short one did is shown when it fails."""
        with capsys.disabled() if chaos.faults > FEW_FAULTS else contextlib.nullcontext():
            print(line, flush=True)  # noqa: T201

    seed = secrets.randbelow(1_000_000) if chaos.seed is None else chaos.seed
    say(f"SURGEWATCH_CHAOS_SEED={seed} SURGEWATCH_CHAOS_FAULTS={chaos.faults}")
    days = 2.0 if chaos.faults <= FEW_FAULTS else 7.0
    world = simulate("kitchen_sink", days=days, rate=RATE, seed=SEED)
    golden, other = (
        Pipeline(tmp_path / name, broker.bootstrap, f"{prefix}.{name}", PARTITIONS, SETTINGS)
        for name in ("golden", "shaken")
    )
    published = undisturbed(golden, b"".join(world.blocks()))
    # Of the partitions, since some posts of this log come later than is allowed.
    parts = {f"{n}.jsonl": joined(golden.posts(n)) for n in range(PARTITIONS)}
    expected = confirmed(replay(parts, golden.settings).lines)
    assert len(expected) > 10
    assert confirmed(golden.alerts()) == expected

    other.create()
    faults = plan(chaos.faults, random.Random(seed))  # noqa: S311 - to be had again
    with Workers(other.config, other.folder, WORKERS, SNAPSHOT_WORK) as workers:
        striker = Chaos(workers, broker, SESSION_S, random.Random(seed + 1), say)  # noqa: S311
        try:
            assert shaken(other, striker, faults, world) == published
        except BaseException:
            say(workers.said())
            raise
    with capsys.disabled():
        print(f"\nseed {seed}, {striker.report()}")  # noqa: T201

    assert confirmed(other.alerts()) == expected
    assert striker.stuck == []
    assert not [worker.number for worker in workers.all if "fetches were lost" in worker.said]
    before, after = golden.left(), other.left()
    for unit, state in before.states.items():
        assert differences(state, after.states[unit]) == [], unit
    intake = after.intake
    counted = intake.home + intake.foreign + intake.late + intake.duplicate
    assert counted + sum(intake.rejected.values()) == intake.posts == published
    gc.collect()  # while the warnings about those connections are ignored


def test_zombie_is_fenced(tmp_path: Path, bootstrap: str, prefix: str) -> None:
    """A worker that wakes up after another has taken over writes nothing more, and says why."""
    log = b"".join(simulate("hostile", days=1.0, rate=RATE, seed=SEED).blocks())
    pipeline = Pipeline(tmp_path, bootstrap, prefix, 1, SETTINGS)
    pipeline.create()
    with Workers(pipeline.config, pipeline.folder, 1) as workers:
        publication = pipeline.publish(log, 86_400 / 30)
        owner = workers.all[0]
        units = set(pipeline.units)
        assert workers.wait_for(units, "works", 0.0, 60.0), workers.said()
        owner.wanted = False
        owner.send(signal.SIGSTOP)
        paused = time.time()
        workers.add()
        assert workers.wait_for(units, "works", paused, 60.0), workers.said()
        owner.send(signal.SIGCONT)
        assert owner.ended(30.0), workers.said()
        owner.bury()
        (death,) = owner.deaths
        assert (death.code, death.said.partition("surgewatch ")[2]) == (
            1,
            "worker stops: another worker has taken over what this one was working on",
        )
        publication.rush()
        publication.done()
        pipeline.wait(workers)
        workers.stop()
    assert confirmed(pipeline.alerts()) == confirmed(replay(log, pipeline.settings).lines)
