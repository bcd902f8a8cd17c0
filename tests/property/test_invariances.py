"""The alerts do not depend on how a log was cut, ordered, repeated or given."""

from __future__ import annotations

import functools
import itertools
from typing import TYPE_CHECKING

import pytest

from tests.harness import Outcome, confirmed, replay
from tests.property.small_worlds import (
    WAYS,
    SmallWorld,
    Way,
    generator,
    lingering,
    seeds,
    simulated,
    sparse,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

COUNTS = (2, 4, 8)


@functools.cache
def whole(seed: int) -> tuple[SmallWorld, Outcome]:
    """A world and the replay of its log as it stands."""
    world = simulated(seed)
    return world, replay(world.log, world.settings)


def same_confirmed(outcome: Outcome, logs: Mapping[str, bytes] | bytes, world: SmallWorld) -> bool:
    """Do other logs of the same world give the same confirmed alerts, byte for byte?"""
    return confirmed(replay(logs, world.settings).lines) == confirmed(outcome.lines)


@pytest.mark.parametrize("seed", seeds(2))
def test_worlds_have_incidents(seed: int) -> None:
    """The worlds that the invariances are tested on hold a wave that is found, and nothing late."""
    generator(seed)
    world, outcome = whole(seed)
    kinds = {alert["type"] for alert in outcome.alerts}
    assert {"surgewatch.incident.opened.v1", "surgewatch.incident.closed.v1"} <= kinds
    intake = outcome.summary.intake
    assert intake.posts == len(world.items)
    assert (intake.late, intake.rejected) == (0, {})


def test_sparse_worlds_have_incidents() -> None:
    """The sparse logs, too, hold incidents of several series, and episodes that join them."""
    worlds = [sparse(seed) for seed in range(4)]
    found = [data for w in worlds for data in replay(w.log, w.settings).incidents]
    assert len(found) > 4
    assert any(len(data["series"]) > 1 for data in found)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("seed", seeds(2))
def test_any_split_gives_the_same(seed: int, way: Way) -> None:
    """A log split over 2, 4 or 8 partitions gives the same confirmed alerts as the whole."""
    rng = generator(seed)
    world, outcome = whole(seed)
    count = rng.choice(COUNTS)
    assert same_confirmed(outcome, world.split(way, count), world)


@pytest.mark.parametrize("seed", seeds(2))
def test_any_shuffle_within_the_lateness_gives_the_same(seed: int) -> None:
    """Posts delayed by up to the allowed lateness give the same confirmed alerts."""
    rng = generator(seed)
    world, outcome = whole(seed)
    assert same_confirmed(outcome, world.shuffled(rng).log, world)


@pytest.mark.parametrize("seed", seeds(2))
def test_every_line_twice_gives_the_same(seed: int) -> None:
    """Every line two times gives the same confirmed alerts, and the copies are counted."""
    generator(seed)
    world, outcome = whole(seed)
    assert same_confirmed(outcome, world.twice().log, world)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("seed", seeds(1))
def test_shuffled_doubled_and_split_gives_the_same(seed: int, way: Way) -> None:
    """Disorder, repeats and a split together, so copies meet in detect, change nothing either."""
    rng = generator(seed)
    world, outcome = whole(seed)
    rearranged = world.shuffled(rng).twice().shuffled(rng)
    assert same_confirmed(outcome, rearranged.split(way, rng.choice(COUNTS)), world)


def test_lingering_worlds_have_follow_ups() -> None:
    """Some of the worlds that the next test compares tell of all three days, and who is back."""
    worlds = [lingering(seed) for seed in range(3, 6)]
    outcomes = [replay(world.log, world.settings) for world in worlds]
    told = [alert["data"] for outcome in outcomes for alert in outcome.of_type("incident.followup")]
    assert {data["day"] for data in told} == {1, 3, 7}
    assert any(data["returned"] for data in told)
    assert any(data["data_quality"]["missing_minutes"] for data in told)


@pytest.mark.parametrize(
    ("make", "seed"),
    [*((sparse, seed) for seed in seeds(12)), *((lingering, seed) for seed in seeds(6))],
)
def test_sparse_logs_on_edge(make: Callable[[int], SmallWorld], seed: int) -> None:
    """Logs with holes, bursts and few users hold the same laws, where every burst is an incident.

    Partitions of such logs hold fewer users than confirm a clock, begin late and end early.
    """
    rng = generator(seed)
    world = make(seed)
    outcome = replay(world.log, world.settings)
    rearranged = world
    if rng.random() < 0.5:
        rearranged = rearranged.twice()
    if rng.random() < 0.5:
        rearranged = rearranged.shuffled(rng)
    assert same_confirmed(outcome, rearranged.split(rng.choice(WAYS), rng.choice(COUNTS)), world)


def test_order_of_arguments() -> None:
    """Every order of three logs gives the same bytes, pipeline alerts and counts included."""
    world = sparse(2)
    logs = world.shuffled(generator(2)).split("region", 3)
    outcomes = [
        replay(dict(order), world.settings).lines for order in itertools.permutations(logs.items())
    ]
    assert outcomes[0]
    assert all(lines == outcomes[0] for lines in outcomes)


def test_repeated_runs() -> None:
    """Two runs in one process give the same bytes in alerts, points and rejects."""
    world = sparse(3)
    first, second = (replay(world.log, world.settings, points=True) for _ in range(2))
    assert first.lines
    assert first.points
    assert (first.lines, first.points, first.rejects) == (
        second.lines,
        second.points,
        second.rejects,
    )


def test_points_do_not_change_alerts() -> None:
    """Asking for a series file does not change what is alarmed."""
    world = sparse(4)
    plain, plotted = (replay(world.log, world.settings, points=wanted) for wanted in (False, True))
    assert plain.lines
    assert plain.lines == plotted.lines
