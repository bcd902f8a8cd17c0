"""Whatever happens to workers and broker, what comes out is what would have come out anyway.

``SURGEWATCH_CHAOS_FAULTS`` says how many faults, ``SURGEWATCH_CHAOS_SEED`` which; without it they
are others each time, and the seed is printed.
"""

from __future__ import annotations

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
    seed = secrets.randbelow(1_000_000) if chaos.seed is None else chaos.seed
    print(f"SURGEWATCH_CHAOS_SEED={seed} SURGEWATCH_CHAOS_FAULTS={chaos.faults}")  # noqa: T201
    days = 2.0 if chaos.faults <= FEW_FAULTS else 7.0
    world = simulate("kitchen_sink", days=days, rate=RATE, seed=SEED)
    log = b"".join(world.blocks())
    bootstrap = broker.bootstrap

    golden = Pipeline(tmp_path / "golden", bootstrap, f"{prefix}.golden", PARTITIONS, SETTINGS)
    golden.create()
    with Workers(golden.config, golden.folder, 1) as workers:
        published = golden.publish(log).done()
        golden.wait(workers)
        workers.stop()
    # Of the partitions, since some posts of this log come later than is allowed.
    parts = {f"{n}.jsonl": joined(golden.posts(n)) for n in range(PARTITIONS)}
    expected = confirmed(replay(parts, golden.settings).lines)
    assert len(expected) > 10
    assert confirmed(golden.alerts()) == expected

    shaken = Pipeline(tmp_path / "shaken", bootstrap, f"{prefix}.shaken", PARTITIONS, SETTINGS)
    shaken.create()
    faults = plan(chaos.faults, random.Random(seed))  # noqa: S311 - to be had again
    with Workers(shaken.config, shaken.folder, WORKERS, SNAPSHOT_WORK) as workers:
        struck = Chaos(workers, broker, SESSION_S, random.Random(seed + 1))  # noqa: S311
        began = time.monotonic()
        publication = shaken.publish(log, days * 86_400 / (FAULT_S * (len(faults) + 1)))
        try:
            time.sleep(5.0)
            for number, kind in enumerate(faults, 1):
                struck.strike(kind)
                per_fault = (time.monotonic() - began) / number
                publication.last(world.end_ms, per_fault * (len(faults) + 1 - number))
            publication.rush()
            assert publication.done() == published
            shaken.wait(workers)
            workers.stop()
        except BaseException:
            print(workers.said())  # noqa: T201
            raise
        deaths = sorted(death for worker in workers.all for death in worker.deaths)
    with capsys.disabled():
        print(f"\nseed {seed}, {len(faults)} faults, {struck.report()}")  # noqa: T201
        for death in deaths:
            if death.code not in {0, -signal.SIGKILL}:
                at = time.strftime("%H:%M:%S", time.localtime(death.at))
                print(at, death.pid, death.code, death.said[:200])  # noqa: T201

    assert confirmed(shaken.alerts()) == expected
    assert not [worker.number for worker in workers.all if "fetches were lost" in worker.said]
    before, after = golden.left(), shaken.left()
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
