"""The Faust application: an agent a stage, each fed by the service that owns the stage's units."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING, Any

import faust
from aiokafka.errors import IllegalOperation, KafkaError, ProducerFenced
from mode.utils.queues import FlowControlEvent, ThrowableQueue

from streams.errors import SurgewatchError
from streams.kafka import layout
from streams.kafka.log import log
from streams.kafka.service import Fetch, StageService

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.kafka.ground import Ground
    from streams.kafka.meters import Meters

FETCHES_WAITING = 2

SESSION_S_MAX = 60.0
"""Of Faust's own group, which owns nothing of ours: Faust refuses more than 90."""


SILENT_S = 365 * 24 * 3600.0
"""Faust takes a topic in which nothing comes for a stream that hangs, and says so as an error. It
reads that of operators' words only; whether our own reading goes on, ``Health`` says."""


class SurgeApp(faust.App):
    """A Faust application that also runs the services of its stages."""

    stage_services: list[StageService]
    meters: Meters

    async def on_first_start(self) -> None:
        """Make no folders: nothing of a worker is kept on a disk."""

    def FlowControlQueue(  # noqa: N802 - Faust's name
        self, maxsize: int | None = None, *, clear_on_resume: bool = False, **options: Any
    ) -> ThrowableQueue[Any]:
        """A queue that Faust's own rebalances neither empty nor stop: our groups are apart."""
        del clear_on_resume, options
        return ThrowableQueue(
            maxsize=maxsize or 0, flow_control=FlowControlEvent(initially_suspended=False)
        )

    async def on_started(self) -> None:
        """Start the stages once Faust itself has."""
        await self.meters.monitor.start()
        # At once: each waits for its group, for which brokers take three seconds by default.
        await asyncio.gather(*map(self.add_runtime_dependency, self.stage_services))
        await super().on_started()

    async def on_stop(self) -> None:
        """Tell nothing more."""
        await super().on_stop()
        await self.meters.monitor.stop()


def make_app(
    ground: Ground, stages: Sequence[str], broker: dict[str, Any], meters: Meters
) -> SurgeApp:
    """The application of a worker.

    Args:
        ground: what the units share.
        stages: which it runs.
        broker: how Faust connects.
        meters: what it tells of itself.
    """
    kafka = ground.settings.kafka
    session_s = min(kafka.session_timeout_ms / 1000, SESSION_S_MAX)
    app = SurgeApp(
        f"{kafka.app}-worker",
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        autodiscover=False,
        store="memory://",
        stream_wait_empty=False,
        stream_processing_timeout=SILENT_S,
        consumer_auto_offset_reset="latest",
        broker_session_timeout=session_s,
        broker_heartbeat_interval=max(session_s / 3, 0.5),
        **broker,
    )
    app.meters = meters
    app.stage_services = [_stage(app, ground, stage) for stage in stages]
    meters.watch(app.stage_services)
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
        # Not as one of Faust's events, as send() would: while Faust's own group rebalances, streams
        # drop those, and a fetch that none follows would not be missed.
        await channel.put(fetch)

    group_topic, spec = layout.stages(ground)[stage]
    service = StageService(ground, stage, group_topic, spec, feed, fatal)

    @app.agent(channel, name=f"surgewatch.{stage}")
    async def work(fetches: Any) -> None:
        async for fetch in fetches:
            try:
                await service.work(fetch)
            except Exception as error:  # noqa: BLE001 - crash only
                fatal(error)

    return service


def fatal(error: BaseException) -> None:
    """End the process at once and say why: a supervisor starts it again, from committed state."""
    if isinstance(error, ProducerFenced | IllegalOperation):
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
