"""What workers find on Kafka is what a replay of the same log finds, byte for byte."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING

import pytest

from streams.simulate import simulate
from tests.harness import confirmed, joined, replay
from tests.kafka.live import Workers
from tests.kafka.pipeline import Pipeline

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future
    from pathlib import Path

DAYS, RATE, SEED = 1.0, 0.3, 2
SETTINGS = '\n[time]\nbucket = "5m"\n[detection]\nwarmup = "6h"\n'
"""A day is enough to learn from a quarter of it; a fifth of the buckets is a fifth of the work."""

DAY_S = 86_400.0
SHAPES = [(1, 1), (2, 2), (4, 3), (2, 3)]
"""Source partitions and workers. Of three workers on two partitions one has nothing to ingest."""

SCENARIOS = (
    "quiet",
    "january",
    "thin_wave",
    "regional_wave",
    "niche_surge",
    "gap",
    "duplicates",
    "late",
    "poisoned",
    "malformed",
    "junk_tags",
    "hostile",
)
WITHOUT_WAVE = {"quiet", "gap", "duplicates", "late", "poisoned", "malformed"}
AT_ONCE = 2


@cache
def log_of(scenario: str) -> bytes:
    """The log of a world of a day."""
    return b"".join(simulate(scenario, days=DAYS, rate=RATE, seed=SEED).blocks())


def live(pipeline: Pipeline, log: bytes, workers: int, speed: float | None = None) -> list[bytes]:
    """Publish a log while workers run; the confirmed alerts."""
    pipeline.create()
    with Workers(pipeline.config, pipeline.folder, workers) as running:
        pipeline.publish(log, speed).done()
        pipeline.wait(running)
        running.stop()
        assert [death.code for worker in running.all for death in worker.deaths] == [0] * workers
    return confirmed(pipeline.alerts())


@pytest.mark.parametrize(("partitions", "workers"), SHAPES)
def test_any_number_of_partitions_and_workers(
    partitions: int, workers: int, tmp_path: Path, bootstrap: str, prefix: str
) -> None:
    """Neither how posts are split nor who works on them can be seen in the alerts."""
    log = log_of("kitchen_sink")
    pipeline = Pipeline(tmp_path, bootstrap, prefix, partitions, SETTINGS)
    alerts = live(pipeline, log, workers)
    assert len(alerts) > 5
    assert alerts == confirmed(replay(log, pipeline.settings).lines)
    # And what was published, markers and all, is the same log once more.
    parts = {f"{n}.jsonl": joined(pipeline.posts(n)) for n in range(partitions)}
    assert alerts == confirmed(replay(parts, pipeline.settings).lines)


def test_any_speed(tmp_path: Path, bootstrap: str, prefix: str) -> None:
    """Posts that come as they once came, if thousands of times faster, lead to the same alerts."""
    log = log_of("hostile")
    pipeline = Pipeline(tmp_path, bootstrap, prefix, 2, SETTINGS)
    alerts = live(pipeline, log, 2, speed=DAY_S * DAYS / 20)
    assert alerts
    assert alerts == confirmed(replay(log, pipeline.settings).lines)


@pytest.fixture(scope="module")
def found(
    tmp_path_factory: pytest.TempPathFactory, bootstrap: str, prefix_of_module: str
) -> Iterator[dict[str, Future[tuple[list[bytes], list[bytes]]]]]:
    """The alerts of every scenario, live and in replay, some at a time in the background."""

    def find(scenario: str) -> tuple[list[bytes], list[bytes]]:
        name = f"{prefix_of_module}.{scenario.replace('_', '.')}"
        pipeline = Pipeline(tmp_path_factory.mktemp(scenario), bootstrap, name, 2, SETTINGS)
        log = log_of(scenario)
        return live(pipeline, log, 1), confirmed(replay(log, pipeline.settings).lines)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {scenario: pool.submit(find, scenario) for scenario in SCENARIOS}
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_scenario(
    scenario: str, found: dict[str, Future[tuple[list[bytes], list[bytes]]]]
) -> None:
    """The worlds that drive replay drive Kafka: waves, none, and whatever may come in between."""
    alerts, replayed = found[scenario].result()
    assert alerts == replayed
    assert bool(alerts) == (scenario not in WITHOUT_WAVE)


def test_troubles_of_the_input(tmp_path: Path, bootstrap: str, prefix: str) -> None:
    """Rejects and wrong clocks are told alike of the same partitions, to the figure."""
    lines = log_of("poisoned").splitlines(keepends=True)
    third = len(lines) // 3
    spoiled = [b"nonsense\n"] * 400
    log = b"".join([*lines[:third], *spoiled, *lines[third:]])
    pipeline = Pipeline(tmp_path, bootstrap, prefix, 2, SETTINGS)
    live(pipeline, log, 2)
    parts = {f"{n}.jsonl": joined(pipeline.posts(n)) for n in range(2)}
    told, replayed = (
        [line for line in alerts if b"pipeline.rejects" in line or b"pipeline.clock" in line]
        for alerts in (pipeline.alerts(), replay(parts, pipeline.settings).lines)
    )
    assert told == replayed
    types = [json.loads(line)["subject"] for line in told]
    assert sorted(types) == ["pipeline/clock"] * 2 + ["pipeline/rejects"] * 2
