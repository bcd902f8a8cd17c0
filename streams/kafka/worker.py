"""Starting a worker: look at what is there, build the application, hand it to Faust."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import TYPE_CHECKING, Any

import faust
from yarl import URL

from streams.errors import SettingsError, StateError
from streams.kafka import topics as topics_module
from streams.kafka.app import SurgeApp, make_app
from streams.kafka.connect import client_options, quiet_aiokafka
from streams.kafka.ground import Ground
from streams.kafka.log import log
from streams.kafka.meters import Meters
from streams.kafka.topics import Topics
from streams.observe import set_up_logs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streams.settings import Settings

STOP_SECONDS = 20.0
"""A worker that was told to stop and has not by then is stuck: it is ended like one that crashed,
which loses nothing."""


def run(
    settings: Settings, stages: Sequence[str], step: Callable[[str, str], None] = lambda *_: None
) -> None:
    """Run a worker until it is told to stop.

    Args:
        settings: all of them.
        stages: which it runs, of ingest, detect and correlate.
        step: called with a unit's name and each step of its rounds; tests crash there.

    Raises:
        SettingsError: there is no key for users but the published one.
        StateError: the topics are not as needed.
        BrokerError: Kafka cannot be reached.
    """
    app = prepare(settings, stages, step)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    worker = _Worker(app, loop=loop)
    kafka = settings.kafka
    log.info("worker of %s starts: %s, topics %s.*", kafka.app, ", ".join(stages), kafka.prefix)
    worker.execute_from_commandline()


def prepare(
    settings: Settings, stages: Sequence[str], step: Callable[[str, str], None] = lambda *_: None
) -> SurgeApp:
    """The application of a worker, once everything it needs has been found; see ``run``."""
    if settings.users.key.is_development_key:
        raise SettingsError(
            "users.key: a worker needs a key of its own, since anybody can undo hashes made with "
            "the published one: set SURGEWATCH_USERS_KEY or users.key_file to 16 to 64 secret bytes"
        )
    set_up_logs(settings.log)
    quiet_aiokafka()
    findings = asyncio.run(topics_module.examine(settings))
    if findings.problems:
        raise StateError(
            "\n  - ".join(
                ("the topics are not as needed (surgewatch topics create):", *findings.problems)
            )
        )
    meters = Meters(settings)
    ground = Ground(
        settings,
        Topics.of(settings),
        client_options(settings),
        findings.partitions,
        step,
        meters.times.closed,
    )
    app = make_app(ground, stages, _broker(settings), meters)
    # Also for Faust's own command line, which makes the worker itself.
    app.conf.Worker = _Worker  # type: ignore[assignment]
    return app


def _broker(settings: Settings) -> dict[str, Any]:
    """How Faust connects."""
    kafka = settings.kafka
    options = client_options(settings)
    broker: dict[str, Any] = {
        "broker": [URL(f"kafka://{address}") for address in kafka.bootstrap.split(",")]
    }
    context = options["ssl_context"]
    if kafka.sasl_mechanism:
        broker["broker_credentials"] = faust.SASLCredentials(
            mechanism=kafka.sasl_mechanism,
            username=kafka.sasl_username,
            password=options["sasl_plain_password"],
            ssl_context=context,
        )
    elif context is not None:
        broker["broker_credentials"] = faust.SSLCredentials(context=context)
    return broker


class _Worker(faust.Worker):
    """Faust's worker, which ends for certain, draws nothing on the terminal and serves no web."""

    def __init__(self, app: SurgeApp, **options: Any) -> None:
        app.conf.web_enabled = False
        plain = {"quiet": True, "redirect_stdouts": False, "override_logging": False}
        super().__init__(app, **(options | plain))
        self.spinner = None

    async def on_stop(self) -> None:
        """Stop, or be ended."""
        timer = threading.Timer(STOP_SECONDS, os._exit, (1,))
        timer.daemon = True
        timer.start()
        await super().on_stop()
