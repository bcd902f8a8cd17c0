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
        app = web.Application()
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/-/healthy", self._healthy)
        app.router.add_get("/-/ready", self._ready)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        host, port = split_address(self._listen)
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError as error:
            await self.stop()
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

    async def _healthy(self, _: web.Request) -> web.Response:
        return _answer(self._health.why_not_well())

    async def _ready(self, _: web.Request) -> web.Response:
        return _answer(self._health.why_not_ready())


def _answer(why_not: str) -> web.Response:
    return web.Response(status=503 if why_not else 200, text=f"{why_not or 'ok'}\n")
