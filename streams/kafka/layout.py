"""Which units a pipeline has: one for each source partition, one to detect, one to correlate."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from streams.kafka.ground import Spec
from streams.kafka.idle import IdleWatch
from streams.kafka.machines import CorrelateMachine, DetectMachine, IngestMachine

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.kafka.ground import Ground


class Stage(NamedTuple):
    """A stage: the topic whose partitions stand for its units, and what the unit of each is."""

    group_topic: str
    spec: Callable[[int], Spec]


def stages(ground: Ground) -> dict[str, Stage]:
    """The stages by name, in the order in which records go through them."""
    topics, partitions = ground.topics, ground.partitions

    def ingest(number: int) -> Spec:
        # The group knows of more partitions as soon as there are some.
        ground.require_partitions(max(number + 1, partitions))
        return Spec(
            name=f"ingest-{number}",
            topic=topics.posts,
            inputs=[number],
            state_partition=number + 2,
            make=lambda settings, _: IngestMachine(settings, topics, number),
        )

    return {
        "ingest": Stage(topics.posts, ingest),
        # One unit each: who owns the only partition of the episodes.
        "detect": Stage(
            topics.episodes,
            lambda _: Spec(
                name="detect",
                topic=topics.tallies,
                inputs=list(range(partitions)),
                state_partition=1,
                make=lambda settings, count: DetectMachine(settings, topics, count),
                watch=IdleWatch,
            ),
        ),
        "correlate": Stage(
            topics.episodes,
            lambda _: Spec(
                name="correlate",
                topic=topics.episodes,
                inputs=[0],
                state_partition=0,
                make=lambda settings, _: CorrelateMachine(settings, topics),
            ),
        ),
    }


def units(ground: Ground) -> list[Spec]:
    """All units of a pipeline, in the order in which records go through them."""
    found = stages(ground)
    return [
        *(found["ingest"].spec(number) for number in range(ground.partitions)),
        found["detect"].spec(0),
        found["correlate"].spec(0),
    ]
