"""Metrics and health over HTTP: for a scraper and for probes, on a port of its own."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from aiohttp import web
from prometheus_client.exposition import choose_encoder

from streams.settings import split_address

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from streams.observe.health import Health

log = logging.getLogger("surgewatch")


class Monitor:
    """Serves ``/metrics``, ``/-/healthy`` and ``/-/ready`` in the loop of its process.

    In that loop, so that a process that hangs answers nothing.

    Args:
        listen: host:port, "" for nowhere.
        registry: the metrics.
        health: what the process knows of itself.

    Attributes:
        port: where it listens, None while it does not.
    """

    def __init__(self, listen: str, registry: CollectorRegistry, health: Health) -> None:
        self._listen = listen
        self._registry = registry
        self._health = health
        self._runner: web.AppRunner | None = None
        self.port: int | None = None

    async def start(self) -> None:
        """Listen; where the address cannot be had it is said, and the process goes on without."""
        if not self._listen:
            return
        app = with_probes(self._health)
        app.router.add_get("/metrics", self._metrics)
        try:
            self._runner = await listening(app, self._listen)
        except OSError as error:
            log.warning(
                'metrics.listen = "%s": cannot listen there: %s; going on without metrics and '
                "health; give each process its own port (SURGEWATCH_METRICS_LISTEN)",
                self._listen,
                error.strerror or error,
            )
            return
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _metrics(self, request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(self._registry), headers={"Content-Type": content_type})


def with_probes(health: Health) -> web.Application:
    """An application that says at ``/-/healthy`` and ``/-/ready`` how its process is."""

    async def healthy(_: web.Request) -> web.Response:
        return _answer(health.why_not_well())

    async def ready(_: web.Request) -> web.Response:
        return _answer(health.why_not_ready())

    app = web.Application()
    app.router.add_get("/-/healthy", healthy)
    app.router.add_get("/-/ready", ready)
    return app


async def listening(app: web.Application, listen: str) -> web.AppRunner:
    """Serve an application at host:port, until its runner is cleaned up.

    Raises:
        OSError: the address cannot be had.
    """
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, *split_address(listen)).start()
    except OSError:
        await runner.cleanup()
        raise
    return runner


def _answer(why_not: str) -> web.Response:
    return web.Response(status=503 if why_not else 200, text=f"{why_not or 'ok'}\n")
