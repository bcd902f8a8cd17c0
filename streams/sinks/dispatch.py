"""From what is due to what was delivered: a task a route, each with its own patience."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter, deque
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_exponential_jitter

from streams.console.text import visible
from streams.notify import Outcome
from streams.sinks.protocol import DeliveryError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence

    from streams.notify import Book, Notification, Told
    from streams.observe.names import DeliveryMetrics
    from streams.settings import Route
    from streams.sinks.protocol import Sink

log = logging.getLogger("surgewatch.notify")

LOOK_S = 30.0
"""The clock of the machine may have been set: it is looked again after so long at most."""
END_S = 12.0
"""So long a delivery may go on when the process is to end: longer than an attempt may take."""
_NAMED_MAX, _NAMED_CHARS = 5, 300
WAIT_FIRST_S, WAIT_MAX_S, WAIT_JITTER_S = 1.0, 60.0, 1.0


class Journal(Protocol):
    """Where it is written down what became of notifications."""

    async def write(self, told: Sequence[Told]) -> None:
        """Write down; when it returns, it is kept."""

    async def bury(self, dead: Sequence[tuple[Notification, str]], told: Sequence[Told]) -> None:
        """Keep what could not be delivered, with the reason, and write it down; both or neither."""


class Dispatcher:
    """Delivers what a book says is due.

    A failed attempt is followed by another look into the book: what has changed meanwhile goes
    with it, and what is over need not be told to begin. Of what waits, that is tried which was
    tried least, so that one that a destination cannot bear keeps back no other. Routes do not wait
    for each other.

    Args:
        book: what is due.
        sinks: by name of the route.
        journal: where it is written down.
        metrics: what is counted.
        give_up_s: what is due for longer is buried.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        book: Book,
        sinks: Mapping[str, Sink],
        journal: Journal,
        metrics: DeliveryMetrics,
        *,
        give_up_s: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._book = book
        self._sinks = sinks
        self._journal = journal
        self._metrics = metrics
        self._give_up_s = give_up_s
        self._clock = clock
        self._routes = {route.name: route for route in book.notify.routes}
        self._news = {name: asyncio.Event() for name in self._routes}
        self._due_since: dict[tuple[str, str], float] = {}
        self._tries: Counter[tuple[str, str]] = Counter()
        self._alone: set[tuple[str, str]] = set()
        self._left_out = 0, 0
        for name in self._routes:
            # As of when somebody asks: a destination may have us wait for an hour.
            metrics.waiting.labels(name).set_function(partial(self._waiting, name))
            metrics.oldest.labels(name).set_function(partial(self._oldest, name))

    def wake(self) -> None:
        """Something has come into the book."""
        self._count_left_out()
        for news in self._news.values():
            news.set()

    async def run(self) -> None:
        """Deliver until cancelled."""
        self._count_left_out()
        try:
            async with asyncio.TaskGroup() as tasks:
                for route in self._routes.values():
                    tasks.create_task(self._serve(route))
        finally:
            # What is due is another's now.
            self._due_since.clear()

    def _count_left_out(self) -> None:
        before, self._left_out = self._left_out, (self._book.counts.unreadable, self._book.dropped)
        self._metrics.unreadable.inc(self._left_out[0] - before[0])
        self._metrics.dropped.inc(self._left_out[1] - before[1])

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)

    async def _serve(self, route: Route) -> None:
        sink = self._sinks[route.name]
        resend_at = 0.0
        while True:
            self._news[route.name].clear()
            if await self._deliver(route, sink):
                continue
            if sink.resend_s is not None and self._clock() >= resend_at:
                resend_at = self._clock() + sink.resend_s
                await self._resend(route, sink)
            wait = LOOK_S
            if sink.resend_s is not None:
                wait = min(wait, resend_at - self._clock())
            later = self._book.next_ms(self._now_ms(), route.name)
            if later is not None:
                wait = min(wait, later / 1000 - self._clock())
            try:
                async with asyncio.timeout(max(wait, 0.01)):
                    await self._news[route.name].wait()
            except TimeoutError:
                pass

    def due(self, name: str) -> list[Notification]:
        """What a route is to be told now: first what is overdue, then what was tried least."""
        now = self._clock()
        found = self._book.due(self._now_ms(), name).get(name, [])
        places = {(name, one.key) for one in found}
        for place in [p for p in self._due_since if p[0] == name and p not in places]:
            self._forget(place)
        for place in places:
            self._due_since.setdefault(place, now)
        self._metrics.subjects.set(len(self._book.subjects))
        return sorted(
            found, key=lambda one: (not self._is_overdue(one), self._tries[name, one.key])
        )

    def _forget(self, place: tuple[str, str]) -> None:
        self._due_since.pop(place, None)
        self._tries.pop(place, None)
        self._alone.discard(place)

    def _waiting(self, name: str) -> int:
        return sum(place[0] == name for place in self._due_since)

    def _oldest(self, name: str) -> float:
        """Seconds that the oldest of a route has been due; 0 where nothing is."""
        now = self._clock()
        return max(
            (now - since for (n, _), since in self._due_since.items() if n == name), default=0
        )

    async def _deliver(self, route: Route, sink: Sink) -> bool:
        """Deliver one batch, however many attempts it takes; False where nothing is due."""
        batch: list[Notification] = []

        def give_up(_: RetryCallState) -> bool:
            return any(map(self._is_overdue, batch))

        retrying = AsyncRetrying(
            retry=retry_if_exception(_is_worth_it),
            wait=_wait,
            stop=give_up,
            before_sleep=lambda state: self._say(route, batch, state),
            reraise=True,
        )
        try:
            async for attempt in retrying:
                with attempt:
                    batch = self._batch(route, sink)
                    self._tries.update((one.route, one.key) for one in batch)
                    if batch:
                        await _to_its_end(self._tell(route, sink, batch))
        except DeliveryError as error:
            if len(batch) > 1 and not error.retry:
                # One of them is what it refuses: which, is seen when each is sent by itself.
                self._alone.update((one.route, one.key) for one in batch)
                return True
            # What has come a moment ago, and only goes with it, is not given up with it.
            dead = [one for one in batch if not error.retry or self._is_overdue(one)]
            self._count(route, Outcome.DEAD, len(dead))
            log.error(  # noqa: TRY400 - where in our code says nothing
                "route %s: given up: %s: %s; dead letters, see surgewatch redeliver",
                route.name,
                _named(dead),
                error.reason,
                extra=_fields(route, dead),
            )
            told = self._record(dead, Outcome.DEAD)
            await self._journal.bury([(one, error.reason) for one in dead], told)
        return bool(batch)

    def _batch(self, route: Route, sink: Sink) -> list[Notification]:
        """What is told together next: what is told alone waits for its turn as all others do."""
        found = self.due(route.name)
        if found and (route.name, found[0].key) in self._alone:
            return found[:1]
        together = [one for one in found if (route.name, one.key) not in self._alone]
        return together[: sink.batch_max]

    async def _tell(self, route: Route, sink: Sink, batch: Sequence[Notification]) -> None:
        """Deliver a batch, and write that down."""
        await self._attempt(route, sink, batch)
        self._count(route, Outcome.DELIVERED, len(batch))
        for one in batch:
            log.info(
                "route %s: told %s: %s",
                route.name,
                _named([one]),
                one.reason.value,
                extra=_fields(route, [one]),
            )
        await self._journal.write(self._record(batch, Outcome.DELIVERED))

    def _is_overdue(self, one: Notification) -> bool:
        """Has it been due for so long that it is given up?"""
        now = self._clock()
        return now - self._due_since.get((one.route, one.key), now) >= self._give_up_s

    async def _attempt(self, route: Route, sink: Sink, batch: Sequence[Notification]) -> None:
        began = time.perf_counter()
        try:
            await sink.deliver(batch)
        except DeliveryError:
            self._metrics.attempts_failed.labels(route.name, route.to).inc()
            raise
        finally:
            spent = time.perf_counter() - began
            self._metrics.seconds.labels(route.name, route.to).observe(spent)

    async def _resend(self, route: Route, sink: Sink) -> None:
        """Tell a destination that forgets what still fires; it is tried again next time."""
        known = self._book.refresh(route.name, self._now_ms())
        size = sink.batch_max
        left = deque(known[start : start + size] for start in range(0, len(known), size))
        while left:
            batch = left.popleft()
            try:
                await self._attempt(route, sink, batch)
            except DeliveryError as error:
                log.warning("route %s: not told again: %s", route.name, error.reason)
                if error.retry:
                    return
                # Too large, or one of them is at fault: the others would be taken for over.
                left.extend([one] for one in batch if len(batch) > 1)

    def _record(self, batch: Sequence[Notification], outcome: Outcome) -> list[Told]:
        now_ms = self._now_ms()
        for one in batch:
            self._forget((one.route, one.key))
        return [self._book.record(one, outcome, now_ms) for one in batch]

    def _count(self, route: Route, outcome: Outcome, count: int) -> None:
        self._metrics.deliveries.labels(route.name, route.to, outcome.value).inc(count)

    def _say(self, route: Route, batch: Sequence[Notification], state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        wait = state.next_action.sleep if state.next_action else 0.0
        log.warning(
            "route %s: not told: %s: %s; again in %.0f s, %d wait",
            route.name,
            _named(batch),
            error,
            wait,
            self._waiting(route.name),
            extra=_fields(route, batch),
        )


def _named(batch: Sequence[Notification]) -> str:
    """Which they are, for the log: keys and, of incidents, their severity."""
    named = []
    for one in batch[:_NAMED_MAX]:
        severity = one.newest.alert.data.get("severity")
        named.append(f"{one.key} ({severity})" if isinstance(severity, str) else one.key)
    more = len(batch) - len(named)
    return visible(", ".join(named) + (f" and {more} more" if more else ""), _NAMED_CHARS)


def _fields(route: Route, batch: Sequence[Notification]) -> dict[str, Any]:
    """What a JSON line says besides."""
    return {"route": route.name, "keys": [visible(one.key) for one in batch[:_NAMED_MAX]]}


async def _to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Do it, also when cancelled meanwhile: a chat that was told would be told again after that."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        done, _ = await asyncio.wait({task}, timeout=END_S)
        task.cancel()
        for ended in done:
            if error := ended.exception():
                log.warning("ended amid a delivery: %s", error)
        raise


_backoff = wait_exponential_jitter(initial=WAIT_FIRST_S, max=WAIT_MAX_S, jitter=WAIT_JITTER_S)


def _wait(state: RetryCallState) -> float:
    """Longer each time, with jitter; no shorter than the destination asked for."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after_s if isinstance(error, DeliveryError) else None
    return max(_backoff(state), asked or 0.0)


def _is_worth_it(error: BaseException) -> bool:
    return isinstance(error, DeliveryError) and error.retry
