"""The page of operations over HTTP: alerts and operators' words read from their topics."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from streams.codec import decode_alert, decode_said, epoch_ms, rfc3339
from streams.console import phrases
from streams.console.board import board, require_row
from streams.console.explain import explanation_html, story_of
from streams.errors import RecordError, SurgewatchError
from streams.kafka.reading import read
from streams.kafka.topics import Topics, partitions_of
from streams.notify.operators import Operators
from streams.notify.subjects import LASTING, trouble_key
from streams.observe import Health
from streams.observe.server import listening, with_probes
from streams.settings import split_address

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streams.settings import Settings

log = logging.getLogger("surgewatch.console")

INCIDENTS_MAX = 500
ALERTS_MAX = 60
"""Alerts kept of an incident; of more the first and the latest stay."""
TROUBLES_MAX = 200
BEAT_S = 5.0
_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@dataclass
class Shown:
    """What the page shows: incidents by id, the latest last, and what goes wrong in the pipeline.

    Attributes:
        incidents: alerts of each, oldest first.
        troubles: newest alert of each that goes on.
        operators: what operators said.
        unreadable: records that are not what their topic promises.
    """

    incidents: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    troubles: dict[str, dict[str, Any]] = field(default_factory=dict)
    operators: Operators = field(default_factory=Operators)
    unreadable: int = 0

    def alert(self, raw: bytes) -> None:
        """Take in an alert."""
        try:
            alert = msgspec.structs.asdict(decode_alert(raw))
            if alert["type"].startswith("surgewatch.pipeline."):
                self._trouble(alert)
            elif (name := alert["data"].get("incident_id")) is not None:
                self._incident(str(name), alert)
        except (RecordError, *phrases.STRANGE):
            self.unreadable += 1

    def _trouble(self, alert: dict[str, Any]) -> None:
        data = alert["data"]
        epoch_ms(alert["time"])
        key = trouble_key(alert["subject"], data["from"], data.get("details") or {})
        self.troubles.pop(key, None)
        if data["status"] == "open":
            self.troubles[key] = alert
            if len(self.troubles) > TROUBLES_MAX:
                del self.troubles[next(iter(self.troubles))]

    def _incident(self, name: str, alert: dict[str, Any]) -> None:
        alerts = self.incidents.pop(name, [])
        alerts.append(alert)
        if len(alerts) > ALERTS_MAX:
            del alerts[1]
        self.incidents[name] = alerts
        if len(self.incidents) > INCIDENTS_MAX:
            del self.incidents[next(iter(self.incidents))]

    def said(self, raw: bytes, now_ms: int) -> None:
        """Take in what an operator said."""
        try:
            said = decode_said(raw)
        except RecordError:
            self.unreadable += 1
            return
        if said is not None:
            self.operators.take(said, now_ms)

    def page(self, now_ms: int, deaf: str = "") -> str:
        """The page of all incidents; ``deaf`` says why it is not of now."""
        told: list[phrases.Data] = []
        odd = self.unreadable
        for alerts in self.incidents.values():
            # An alert of another version may not hide all others.
            try:
                story = story_of(alerts)
                if story is not None and "closed_at" in story.data:
                    require_row(story.data)
                    told.append(story.data)
            except (*phrases.STRANGE, OverflowError):
                odd += 1
        return board(
            told,
            # What has no end is told for an hour.
            [a for a in self.troubles.values() if _lasts(a, now_ms)],
            self.operators.acks,
            list(self.operators.in_force(now_ms)),
            rfc3339(now_ms // 1000 * 1000),
            odd,
            deaf,
        )


def _lasts(alert: dict[str, Any], now_ms: int) -> bool:
    lasting = phrases.kind(alert) in LASTING
    return lasting or now_ms - epoch_ms(alert["time"]) < 3_600_000  # noqa: PLR2004 - an hour


class ConsoleServer:
    """Serves the page until it is cancelled.

    Args:
        settings: all of them.
        clock: seconds since 1970.

    Attributes:
        health: what it knows of itself.
        port: where it listens, None while it does not.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._clock = clock
        self._shown = Shown()
        self.health = Health()
        self.port: int | None = None

    async def run(self) -> None:
        """Read and serve.

        Raises:
            SurgewatchError: the address cannot be had.
            BrokerError: Kafka cannot be reached, or there are no such topics.
        """
        runner = await self._listen()
        try:
            topics = Topics.of(self._settings)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._follow(topics.alerts, self._alerts))
                tasks.create_task(self._follow(topics.ops, self._operators))
                tasks.create_task(self._beat())
        except* SurgewatchError as group:
            raise group.exceptions[0] from None
        finally:
            await runner.cleanup()

    async def _follow(self, topic: str, take: Callable[[int, Sequence[Any]], None]) -> None:
        count = await partitions_of(self._settings, topic)
        self.health.waits_for = ""
        heard = self.health.heard
        await read(self._settings, topic, take, partitions=count, follow=True, heard=heard)

    def _alerts(self, _: int, records: Sequence[Any]) -> None:
        for record in records:
            if record.value is not None:
                self._shown.alert(record.value)

    def _operators(self, _: int, records: Sequence[Any]) -> None:
        for record in records:
            if record.value is not None:
                self._shown.said(record.value, self._now_ms())

    async def _beat(self) -> None:
        while True:
            self.health.beat()
            await asyncio.sleep(BEAT_S)

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)

    async def _listen(self) -> web.AppRunner:
        listen = self._settings.console.listen
        if not listen:
            raise SurgewatchError('console.listen = "": the console has nowhere to listen')
        app = with_probes(self.health)
        app.router.add_get("/", self._page)
        app.router.add_get("/incidents/{name}", self._incident)
        try:
            runner = await listening(app, listen)
        except OSError as error:
            raise SurgewatchError(
                f'console.listen = "{listen}": cannot listen there: {error.strerror or error}'
            ) from None
        self.port = runner.addresses[0][1]
        log.info("console is at http://%s:%s/", split_address(listen)[0], self.port)
        return runner

    async def _page(self, _: web.Request) -> web.Response:
        return _html(self._shown.page(self._now_ms(), self.health.why_not_heard()))

    async def _incident(self, request: web.Request) -> web.Response:
        alerts = self._shown.incidents.get(request.match_info["name"])
        story = None if alerts is None else story_of(alerts)
        if story is None:
            return web.Response(status=404, text="no such incident is known here\n")
        return _html(explanation_html(story, self._settings.capacity))


def _html(text: str) -> web.Response:
    body = text.encode("utf-8", "replace")
    return web.Response(body=body, content_type="text/html", charset="utf-8", headers=_HEADERS)
