"""Health, logs, and the server that tells of them."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from typing import TYPE_CHECKING

import aiohttp
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from streams.observe import Health, Monitor, set_up_logs
from streams.observe.health import PULSE_S_MAX
from streams.observe.names import DeliveryMetrics, new_registry
from streams.settings import Log, Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Clock:
    """Seconds that stand still."""

    now = 0.0

    def __call__(self) -> float:
        """What it shows."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> Health:
    return Health(clock)


@pytest.fixture
async def monitor(health: Health) -> AsyncIterator[Monitor]:
    """One on a free port."""
    registry = new_registry(Settings())
    DeliveryMetrics(registry).deliveries.labels("oncall", "pagerduty", "delivered").inc()
    monitor = Monitor("127.0.0.1:0", registry, health)
    await monitor.start()
    yield monitor
    await monitor.stop()


async def get(monitor: Monitor, path: str, **headers: str) -> tuple[int, str, str]:
    """Status, content type and text."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{monitor.port}{path}", headers=headers) as answer,
    ):
        return answer.status, answer.headers["Content-Type"], await answer.text()


async def test_probes_say_why_not(monitor: Monitor, health: Health, clock: Clock) -> None:
    assert await get(monitor, "/-/healthy") == (200, "text/plain; charset=utf-8", "ok\n")
    assert (await get(monitor, "/-/ready"))[::2] == (503, "it is starting\n")
    health.waits_for = ""
    assert (await get(monitor, "/-/ready"))[0] == 200
    clock.now += PULSE_S_MAX + 1
    for path in ("/-/healthy", "/-/ready"):
        assert (await get(monitor, path))[::2] == (503, "no round has ended for 121 s\n")
    health.beat()
    assert (await get(monitor, "/-/healthy"))[0] == 200


async def test_metrics_are_openmetrics(monitor: Monitor) -> None:
    status, kind, text = await get(monitor, "/metrics", Accept="application/openmetrics-text")
    assert status == 200
    assert kind.startswith("application/openmetrics-text")
    families = {family.name: family for family in text_string_to_metric_families(text)}
    (sample,) = [s for s in families["surgewatch_deliveries"].samples if s.name.endswith("_total")]
    assert sample.labels == {"route": "oncall", "destination": "pagerduty", "outcome": "delivered"}
    assert set(families["surgewatch_build"].samples[0].labels) == {"version", "config"}


async def test_plain_text_for_who_asks_for_nothing(monitor: Monitor) -> None:
    status, kind, _ = await get(monitor, "/metrics")
    assert status == 200
    assert kind.startswith("text/plain")


async def test_nowhere_and_a_taken_port(health: Health, caplog: pytest.LogCaptureFixture) -> None:
    quiet = Monitor("", new_registry(Settings()), health)
    await quiet.start()
    assert quiet.port is None
    await quiet.stop()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        monitor = Monitor(listen, new_registry(Settings()), health)
        await monitor.start()
        assert monitor.port is None
    assert "going on without metrics" in caplog.text
    await asyncio.sleep(0)


@pytest.fixture
def _logging() -> object:
    """What a test does to the log is undone."""
    root, ours = logging.getLogger(), logging.getLogger("surgewatch")
    handlers, level, our_level = root.handlers[:], root.level, ours.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    ours.setLevel(our_level)


@pytest.mark.usefixtures("_logging")
def test_lines_of_the_log_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs(Log(format="json", level="info"))
    logging.getLogger("surgewatch").info("detect: %s", "starts\nanew", extra={"unit": "detect"})
    logging.getLogger("surgewatch").debug("not this")
    logging.getLogger("aiokafka").info("nor this")
    logging.getLogger("aiokafka").warning("but this")
    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert first["message"] == "detect: starts\nanew"
    assert (first["level"], first["logger"], first["unit"]) == ("INFO", "surgewatch", "detect")
    assert first["time"].endswith("Z")
    assert (second["logger"], second["message"]) == ("aiokafka", "but this")


@pytest.mark.usefixtures("_logging")
def test_lines_of_the_log_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs(Log(level="warning"))
    logging.getLogger("surgewatch").info("not this")
    logging.getLogger("surgewatch").warning("this")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(" WARNING this")
