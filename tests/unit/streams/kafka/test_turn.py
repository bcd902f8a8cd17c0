"""Whose turn it is to deliver, by the library's own assignor; no broker is needed for that."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

from aiokafka.cluster import ClusterMetadata
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from aiokafka.protocol.metadata import MetadataResponse_v0

from streams.kafka.turn import keeper

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor

TOPIC = "surge.alerts.v1"
HELD = ConsumerProtocolMemberAssignment(0, [(TOPIC, [0])], b"")
NOTHING = ConsumerProtocolMemberAssignment(0, [], b"")
T0 = 1_736_700_000.0


def chosen(members: Iterable[tuple[str, type[StickyPartitionAssignor]]]) -> list[str]:
    """Who gets the partition, of members in the order in which the broker names them."""
    cluster = ClusterMetadata()
    partition = (0, 0, 0, [0], [0])
    cluster.update_metadata(MetadataResponse_v0([(0, "host", 9092)], [(0, TOPIC, [partition])]))
    said = {name: kind.metadata([TOPIC]) for name, kind in members}
    found = keeper(lambda: T0).assign(cluster, said)
    return [name for name, one in found.items() if one.partitions()]


def test_whoever_delivers_keeps_it() -> None:
    """Whoever joins, in whatever order the broker names them, and after any number of rounds."""
    one, another = keeper(lambda: T0), keeper(lambda: T0 + 9)
    for _ in range(2):
        one.on_assignment(HELD)
        for members in permutations([("m", one), ("a", another), ("z", keeper(lambda: T0))]):
            assert chosen(members) == ["m"]
        another.on_assignment(NOTHING)


def test_who_comes_back_does_not_take_it_away() -> None:
    """Silent for long, it still says that it delivers; who has taken over since keeps it."""
    times = iter([T0, T0 + 900])
    gone, there = keeper(lambda: next(times)), keeper(lambda: T0 + 60)
    gone.on_assignment(HELD)
    there.on_assignment(HELD)
    for members in permutations([("gone", gone), ("there", there)]):
        assert chosen(members) == ["there"]
    gone.on_assignment(NOTHING)
    gone.on_assignment(HELD)
    for members in permutations([("gone", gone), ("there", there)]):
        assert chosen(members) == ["gone"], "it was given it again, later"
