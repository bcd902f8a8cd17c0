"""From what is due to what was delivered, without Kafka: a book, a clock, a bad destination."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry

from streams.notify import Book
from streams.observe.names import DeliveryMetrics
from streams.settings import Notify, Route
from streams.sinks import DeliveryError, dispatch
from streams.sinks.dispatch import Dispatcher
from tests.unit.streams.notify.made import T0, incident

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.notify import Notification, Told

ROUTE = Route("chat", "apprise", secret_env="X", group_window_ms=0)
OLD, NEW = "in-00000000000000aa", "in-00000000000000bb"
GIVE_UP_S = 3_600.0


class World:
    """A clock, a destination that fails so often, and what was written down."""

    batch_max = 20
    resend_s = None

    def __init__(self, *failures: DeliveryError) -> None:
        self.now = T0 / 1000
        self.failures = list(failures)
        self.delivered: list[list[str]] = []
        self.told = asyncio.Event()
        self.dead: list[str] = []
        self.book = Book(Notify(routes=(ROUTE,)), "surgewatch")

    async def deliver(self, batch: Sequence[Notification]) -> None:
        """Half an hour passes at each failure; meanwhile another incident begins."""
        if self.failures:
            self.now += GIVE_UP_S / 2
            self.begin(NEW, 1)
            raise self.failures.pop(0)
        self.delivered.append([one.key for one in batch])

    async def close(self) -> None:
        """Nothing to let go of."""

    async def write(self, told: Sequence[Told]) -> None:
        """What was delivered is written down, that and no more."""
        assert [one.key for one in told] == self.delivered[-1]
        self.told.set()

    async def bury(self, dead: Sequence[tuple[Notification, str]], told: Sequence[Told]) -> None:
        """Keep which."""
        assert [one.key for one, _ in dead] == [one.key for one in told]
        self.dead += [one.key for one, _ in dead]

    def begin(self, name: str, offset: int) -> None:
        """An incident begins."""
        now_ms = int(self.now * 1000)
        self.book.alert(incident("opened", now_ms, incident_id=name), offset, now_ms)

    async def run(self) -> None:
        """Dispatch until something was delivered."""
        metrics = DeliveryMetrics(CollectorRegistry())
        dispatcher = Dispatcher(
            self.book, {"chat": self}, self, metrics, give_up_s=GIVE_UP_S, clock=lambda: self.now
        )
        task = asyncio.create_task(dispatcher.run())
        async with asyncio.timeout(20):
            await self.told.wait()
        task.cancel()


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "_wait", lambda _: 0.0)


async def test_what_has_just_come_is_not_given_up_with_what_waited_for_long() -> None:
    """A destination that is back after an hour is told of what began in its last minute."""
    world = World(*[DeliveryError("down", retry=True)] * 2)
    world.begin(OLD, 0)
    await world.run()
    assert world.dead == [OLD]
    assert world.delivered == [[NEW]]


async def test_what_is_refused_is_given_up_at_once() -> None:
    world = World(DeliveryError("bad", retry=False))
    world.begin(OLD, 0)
    await world.run()
    assert world.dead == [OLD]
    assert world.delivered == [[NEW]]
