"""A real HTTP server that writes down what it is sent, and answers as it is told."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Mapping


class Request(NamedTuple):
    """One request."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return orjson.loads(self.body)


class Answer(NamedTuple):
    """How a request is answered: after some seconds, with a status, or not at all."""

    status: int = 202
    headers: Mapping[str, str] = {}
    body: str = ""
    after_s: float = 0.0
    drop: bool = False


@dataclass
class Receiver:
    """Listens on a free port of this machine.

    Attributes:
        requests: that came, those that were answered badly among them.
        accepted: those that were answered well.
        answers: to the next requests; afterwards 202.
    """

    requests: list[Request] = field(default_factory=list)
    accepted: list[Request] = field(default_factory=list)
    answers: deque[Answer] = field(default_factory=deque)
    port: int = 0
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Listen."""
        app = web.Application(client_max_size=64 << 20)
        app.router.add_route("*", "/{path:.*}", self._take)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop."""
        await self._runner.cleanup()

    async def has(self, count: int) -> None:
        """Wait for so many requests."""
        async with self._news:
            await self._news.wait_for(lambda: len(self.requests) >= count)

    async def _take(self, request: web.Request) -> web.StreamResponse:
        came = Request(request.path_qs, dict(request.headers), await request.read())
        async with self._news:
            self.requests.append(came)
            self._news.notify_all()
        answer = self.answers.popleft() if self.answers else Answer()
        await asyncio.sleep(answer.after_s)
        if answer.drop:
            assert request.transport is not None
            request.transport.abort()
        elif answer.status < 300:
            self.accepted.append(came)
        return web.Response(status=answer.status, headers=dict(answer.headers), text=answer.body)
