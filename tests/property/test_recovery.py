"""Machines that crash anywhere, and are rebuilt, say what they would have said, once.

The topics are lists and the broker is a promise: what a round has said, and its place, are there
together or not at all. Against a real broker that promise is tested in ``tests/kafka``.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from streams.codec import PostDecoder
from streams.kafka.ground import Ground
from streams.kafka.layout import units
from streams.kafka.snapshot import seal, unseal
from streams.kafka.topics import Topics
from streams.stages.spread import EVERY, Spread
from tests.harness import confirmed, replay
from tests.kafka.digest import differences, flat
from tests.property.small_worlds import generator, lingering, seeds, simulated, sparse

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from streams.kafka.ground import Spec
    from streams.kafka.machines import Machine, Message
    from streams.settings import Settings
    from tests.property.small_worlds import SmallWorld

Place = tuple[str, int]
"""Topic and partition."""


class Record(NamedTuple):
    """A message in a topic."""

    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


@dataclass
class Broker:
    """Topics as lists."""

    topics: dict[Place, list[Record]] = field(default_factory=lambda: defaultdict(list))

    def append(self, message: Message) -> None:
        """Append a message."""
        partition = self.topics[message.topic, message.partition]
        partition.append(Record(len(partition), message.key, message.value, message.headers))


@dataclass
class Unit:
    """A unit, with what it has kept: a snapshot, the positions of then, and of its last round."""

    spec: Spec
    settings: Settings
    partitions: int
    broker: Broker
    machine: Machine = field(init=False)
    positions: dict[int, int] = field(init=False)
    said: list[Message] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Start anew."""
        self.machine = self.spec.make(self.settings, self.partitions)
        self.positions = dict.fromkeys(self.spec.inputs, 0)
        self._key = self.settings.users.key.reveal()
        self._keep_snapshot()
        self._committed = dict(self.positions)

    def _keep_snapshot(self) -> None:
        self._snapshot = seal(self.machine.state(), self._key)
        self._snapshot_positions = dict(self.positions)

    def kept_now(self) -> Any:
        """The state as it would be kept now."""
        return unseal(seal(self.machine.state(), self._key), self._key)

    def left(self, partition: int) -> int:
        """Messages left to read."""
        there = len(self.broker.topics[self.spec.topic, partition])
        return there - self.positions[partition]

    def take(self, partition: int, count: int) -> None:
        """Work on some messages."""
        start = self.positions[partition]
        records = self.broker.topics[self.spec.topic, partition][start : start + count]
        self.said += self.machine.take(partition, records)
        self.positions[partition] = start + len(records)

    def round(self, rng: random.Random) -> None:
        """Commit what was said, and perhaps a snapshot."""
        if rng.random() < 0.7:
            self.said += self.machine.early(self.positions)
        if rng.random() < 0.2:
            self._keep_snapshot()
        for message in self.said:
            self.broker.append(message)
        self.said = []
        self._committed = dict(self.positions)

    def crash(self) -> None:
        """Lose everything that was not kept, and be rebuilt from what was."""
        self.said = []
        self.machine = self.spec.make(self.settings, self.partitions)
        self.machine.restore(unseal(self._snapshot, self._key))
        for partition, end in sorted(self._committed.items()):
            start = self._snapshot_positions[partition]
            records = self.broker.topics[self.spec.topic, partition][start:end]
            if records:
                self.machine.take(partition, records)
        self.positions = dict(self._committed)


def spread(world: SmallWorld, broker: Broker, topics: Topics, partitions: int) -> None:
    """Put a world's log into the posts topic, as ``surgewatch publish`` does."""
    time, limits = world.settings.time, world.settings.limits
    decoder = PostDecoder(record_bytes=limits.record_bytes, earliest_ms=time.earliest_ms)
    lines = world.log.splitlines()
    batch = decoder.decode_records(lines, source="log", positions=range(len(lines)))
    way = Spread(partitions, time.max_jump_ms, limits.held_posts)
    placed = [*way.take(zip(lines, batch, strict=True)), *way.end()]
    for partition, line in placed:
        for number in range(partitions) if partition == EVERY else (partition,):
            there = broker.topics[topics.posts, number]
            there.append(Record(len(there), None, line, ()))


def run(world: SmallWorld, partitions: int, rng: random.Random, crashes: float) -> Any:
    """Let units work in any order; gives the alerts and the units' last states."""
    topics, broker = Topics.of(world.settings), Broker()
    ground = Ground(world.settings, topics, {}, partitions)
    spread(world, broker, topics, partitions)
    running = [Unit(spec, world.settings, partitions, broker) for spec in units(ground)]
    while todo := [(u, p) for u in running for p in u.spec.inputs if u.left(p) or u.said]:
        unit, partition = rng.choice(todo)
        unit.take(partition, 1 + rng.randrange(40))
        if rng.random() < 0.5:
            unit.round(rng)
        if rng.random() < crashes:
            unit.crash()
    alerts = [record.value for record in broker.topics[topics.alerts, 0] if record.value]
    return alerts, {unit.spec.name: flat(unit.kept_now()) for unit in running}


@pytest.mark.parametrize(
    "make", [sparse, simulated, lingering], ids=["sparse", "simulated", "lingering"]
)
@pytest.mark.parametrize("seed", seeds(2))
def test_crashes_change_nothing(make: Callable[[int], SmallWorld], seed: int) -> None:
    """Whatever crashes when: the alerts of the replay, in its order, and the states of a run."""
    rng = generator(seed)
    world = make(seed)
    partitions = rng.choice((1, 2, 3))
    alerts, states = run(world, partitions, rng, crashes=0.1)
    assert confirmed(alerts) == confirmed(replay(world.log, world.settings).lines)
    _, golden = run(world, partitions, rng, crashes=0.0)
    for name, state in states.items():
        assert differences(_confirmed(state), _confirmed(golden[name])) == [], name


def _confirmed(state: dict[str, str]) -> dict[str, str]:
    """A state without what was only told early, or depends on when."""
    early = ("_promised", "_told", "seen")
    return {path: leaf for path, leaf in state.items() if not any(e in path for e in early)}
