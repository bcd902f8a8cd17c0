"""From what is due to what was delivered, without Kafka: a book, a clock, a bad destination."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry

from streams.notify import Book, book
from streams.observe.names import DeliveryMetrics
from streams.settings import Notify, Route
from streams.sinks import DeliveryError, dispatch
from streams.sinks.dispatch import Dispatcher
from tests.unit.streams.notify.made import T0, incident

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from streams.notify import Notification, Told

ROUTE = Route("chat", "apprise", secret_env="X", group_window_ms=0)
OLD, NEW = "in-00000000000000aa", "in-00000000000000bb"
GIVE_UP_S = 3_600.0


class World:
    """A clock, a destination that fails so often, and what was written down."""

    batch_max = 20
    resend_s: float | None = None

    def __init__(self, *failures: DeliveryError) -> None:
        self.now = T0 / 1000
        self.failures = list(failures)
        self.delivered: list[list[str]] = []
        self.told, self.buried = asyncio.Event(), asyncio.Event()
        self.dead: list[str] = []
        self.book = Book(Notify(routes=(ROUTE,)), "surgewatch")
        self.registry = CollectorRegistry()
        self.failed = asyncio.Event()

    async def deliver(self, batch: Sequence[Notification]) -> None:
        """Half an hour passes at each failure; meanwhile another incident begins."""
        if self.failures:
            self.failed.set()
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
        self.buried.set()

    def begin(self, name: str, offset: int) -> None:
        """An incident begins."""
        now_ms = int(self.now * 1000)
        self.book.alert(incident("opened", now_ms, incident_id=name), offset, now_ms)

    def figure(self, name: str, **labels: str) -> float | None:
        """What a scraper reads now."""
        return self.registry.get_sample_value(f"surgewatch_{name}", labels)

    def waits(self) -> tuple[float | None, float | None]:
        """How much a scraper reads to wait, and for how long."""
        return (
            self.figure("notifications_waiting", route="chat"),
            self.figure("notifications_oldest_seconds", route="chat"),
        )

    async def run(self) -> None:
        """Dispatch until something was delivered."""
        async with self.at_work(), asyncio.timeout(20):
            await self.told.wait()

    @contextlib.asynccontextmanager
    async def at_work(self) -> AsyncIterator[Dispatcher]:
        """Dispatch meanwhile."""
        metrics = DeliveryMetrics(self.registry)
        dispatcher = Dispatcher(
            self.book, {"chat": self}, self, metrics, give_up_s=GIVE_UP_S, clock=lambda: self.now
        )
        task = asyncio.create_task(dispatcher.run())
        yield dispatcher
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


class Picky(World):
    """It takes one at a time, and chokes on the oldest."""

    batch_max = 1

    async def deliver(self, batch: Sequence[Notification]) -> None:
        """All but the oldest."""
        await asyncio.sleep(0)
        if batch[0].key == OLD:
            raise DeliveryError("answered 500", retry=True)
        await super().deliver(batch)


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


async def test_what_is_refused_is_given_up_at_once(caplog: pytest.LogCaptureFixture) -> None:
    """The log says which, and what to do."""
    world = World(DeliveryError("bad", retry=False))
    world.begin(OLD, 0)
    await world.run()
    assert world.dead == [OLD]
    assert world.delivered == [[NEW]]
    (said,) = [one for one in caplog.records if one.levelname == "ERROR"]
    assert said.getMessage() == (
        f"route chat: given up: {OLD} (warning): bad; dead letters, see surgewatch redeliver"
    )
    assert (said.__dict__["route"], said.__dict__["keys"]) == ("chat", [OLD])


async def test_what_is_refused_takes_no_other_with_it() -> None:
    """Of a batch that is refused each is sent by itself, and only the one at fault is given up."""

    class Strict(World):
        async def deliver(self, batch: Sequence[Notification]) -> None:
            if any(one.key == OLD for one in batch):
                raise DeliveryError("answered 400", retry=False)
            await super().deliver(batch)

    world = Strict()
    for offset, name in enumerate((NEW, OLD)):
        world.begin(name, offset)
    async with world.at_work(), asyncio.timeout(20):
        await world.told.wait()
        await world.buried.wait()
    assert world.delivered == [[NEW]]
    assert world.dead == [OLD]


async def test_who_is_sent_alone_keeps_back_no_other() -> None:
    """Once refused with others, it is answered 500 by itself; what begins then is told."""
    new = asyncio.Event()

    class Sick(World):
        async def deliver(self, batch: Sequence[Notification]) -> None:
            await asyncio.sleep(0)
            if len(batch) > 1:
                raise DeliveryError("answered 400", retry=False)
            if batch[0].key == OLD:
                self.begin(NEW, 1)
                raise DeliveryError("answered 500", retry=True)
            if batch[0].key == NEW:
                new.set()
            await super().deliver(batch)

    world = Sick()
    for offset, name in enumerate((OLD, "in-00000000000000cc")):
        world.begin(name, offset)
    async with world.at_work(), asyncio.timeout(2):
        await new.wait()
    assert world.dead == []


async def test_what_is_refused_together_is_told_again_one_by_one() -> None:
    """A proxy takes no large body: what still fires must not be taken for over."""
    again = asyncio.Event()

    class Small(World):
        resend_s = 60.0

        async def deliver(self, batch: Sequence[Notification]) -> None:
            if len(batch) > 1:
                raise DeliveryError("answered 413", retry=False)
            await super().deliver(batch)
            if len(self.delivered) == 4:
                again.set()

    world = Small()
    for offset, name in enumerate((OLD, NEW)):
        world.begin(name, offset)
    async with world.at_work(), asyncio.timeout(2):
        await again.wait()
    assert world.delivered == [[OLD], [NEW]] * 2
    assert world.dead == []


async def test_the_log_says_which_page_waits(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever reads it in the night must know whether it is a critical one."""
    world = World(DeliveryError("answered 500", retry=True))
    world.begin(OLD, 0)
    await world.run()
    (said,) = [one for one in caplog.records if one.levelname == "WARNING"]
    assert f"route chat: not told: {OLD} (warning): answered 500; again in" in said.getMessage()


async def test_what_a_destination_cannot_bear_keeps_back_no_other() -> None:
    """Somebody's hashtag makes it answer 500; whoever comes after must not wait for an hour."""
    world = Picky()
    world.begin(OLD, 0)
    world.begin(NEW, 1)
    await world.run()
    assert world.delivered == [[NEW]]
    assert world.dead == []


async def test_how_long_it_has_been_due_is_told_as_of_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked to wait for an hour, a notifier tries nothing; whoever watches it must see that."""
    monkeypatch.setattr(dispatch, "_wait", lambda _: 3_600.0)
    world = World(DeliveryError("busy", retry=True, retry_after_s=3_600.0))
    world.begin(OLD, 0)
    async with world.at_work(), asyncio.timeout(20):
        await world.failed.wait()
        world.now = T0 / 1000 + 400
        assert world.waits() == (1, 400)
    assert world.waits() == (0, 0), "another's turn"


class Slow(World):
    """It has what it was sent, and says so later."""

    def __init__(self) -> None:
        super().__init__()
        self.has_it = asyncio.Event()

    async def deliver(self, batch: Sequence[Notification]) -> None:
        """Take a while to answer."""
        self.has_it.set()
        await asyncio.sleep(0.05)
        await super().deliver(batch)


async def test_what_is_being_delivered_at_the_end_is_written_down() -> None:
    """Else each restart might tell a chat twice, which knows no keys."""
    world = Slow()
    world.begin(OLD, 0)
    async with world.at_work(), asyncio.timeout(20):
        await world.has_it.wait()
    assert world.told.is_set()


async def test_what_is_left_out_is_counted_before_and_after_it_begins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever watches sees that somebody may not have been told."""
    monkeypatch.setattr(book, "SUBJECTS_MAX", 1)
    world = World()
    world.begin(OLD, 0)
    world.begin(NEW, 1)
    world.book.said(b"nonsense", T0)
    async with world.at_work() as dispatcher, asyncio.timeout(20):
        await world.told.wait()
        figures = ("notify_dropped_records_total", "notify_unreadable_records_total")
        assert [world.figure(name) for name in figures] == [1, 1]
        world.begin(OLD, 2)
        world.book.said(b"nonsense", T0)
        dispatcher.wake()
        assert [world.figure(name) for name in figures] == [2, 2]
