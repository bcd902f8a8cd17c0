"""The Faust application: an agent a stage, each fed by the service that owns the stage's units."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import faust
from aiokafka.errors import KafkaError, ProducerFenced

from streams.errors import SurgewatchError
from streams.kafka.ground import Ground, Spec
from streams.kafka.idle import IdleWatch
from streams.kafka.log import log
from streams.kafka.machines import CorrelateMachine, DetectMachine, IngestMachine
from streams.kafka.service import Fetch, StageService

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

FETCHES_WAITING = 2


class SurgeApp(faust.App):
    """A Faust application that also runs the services of its stages."""

    stage_services: list[StageService]

    async def on_started(self) -> None:
        """Start the stages once Faust itself has."""
        for service in self.stage_services:
            await self.add_runtime_dependency(service)
        await super().on_started()


def make_app(ground: Ground, stages: Sequence[str], broker: dict[str, Any]) -> SurgeApp:
    """The application of a worker.

    Args:
        ground: what the units share.
        stages: which it runs.
        broker: how Faust connects.
    """
    kafka = ground.settings.kafka
    app = SurgeApp(
        f"{kafka.app}-worker",
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        autodiscover=False,
        store="memory://",
        stream_wait_empty=False,
        consumer_auto_offset_reset="latest",
        broker_session_timeout=kafka.session_timeout_ms / 1000,
        broker_heartbeat_interval=max(kafka.session_timeout_ms / 3000, 0.5),
        **broker,
    )
    app.stage_services = [_stage(app, ground, stage) for stage in stages]
    operators = app.topic(ground.topics.ops, value_serializer="raw", key_serializer="raw")

    @app.agent(operators, name="surgewatch.operators")
    async def listen(commands: Any) -> None:
        # Faust starts only with a topic to subscribe to. Operators' commands are for notifiers and
        # consoles; a worker has nothing to do for them.
        async for _ in commands:
            pass

    return app


def _stage(app: SurgeApp, ground: Ground, stage: str) -> StageService:
    channel: Any = app.channel(maxsize=FETCHES_WAITING)

    async def feed(fetch: Fetch) -> None:
        await channel.send(value=fetch)

    group_topic, spec = _layout(ground)[stage]
    service = StageService(ground, stage, group_topic, spec, feed, fatal)

    @app.agent(channel, name=f"surgewatch.{stage}")
    async def work(fetches: Any) -> None:
        async for fetch in fetches:
            try:
                await service.work(fetch)
            except Exception as error:  # noqa: BLE001 - crash only
                fatal(error)

    return service


def _layout(ground: Ground) -> dict[str, tuple[str, Callable[[int], Spec]]]:
    """For each stage the topic whose partitions stand for its units, and what a unit is."""
    topics, partitions = ground.topics, ground.partitions
    return {
        "ingest": (
            topics.posts,
            lambda number: Spec(
                name=f"ingest-{number}",
                topic=topics.posts,
                inputs=[number],
                state_partition=number + 2,
                make=lambda settings, _: IngestMachine(settings, topics, number),
            ),
        ),
        # One unit each: who owns the only partition of the episodes.
        "detect": (
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
        "correlate": (
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


def fatal(error: BaseException) -> None:
    """End the process at once and say why: a supervisor starts it again, from committed state."""
    if isinstance(error, ProducerFenced):
        why = "another worker has taken over what this one was working on"
    elif isinstance(error, SurgewatchError):
        why = str(error)
    elif isinstance(error, KafkaError):
        why = f"Kafka: {error!r}"
    else:
        log.critical("an unexpected error", exc_info=error)
        why = repr(error)
    log.critical("surgewatch worker stops: %s", why)
    sys.stderr.flush()
    os._exit(1)
