"""The notifier: alerts and what operators say in, deliveries out, one process at a time.

It holds no state but what is on topics: alerts, operators' words, and what each route was told
last. One that starts reads these from their beginning, so a crash loses nothing; what was delivered
and not yet written down is delivered again under the same key.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from streams.kafka import answers, deadletters
from streams.kafka.connect import broker_errors, client_options, start, stop
from streams.kafka.topics import Topics, partitions_of
from streams.kafka.turn import Member, member_of, taken_over
from streams.notify import Book, encode_told, told_key
from streams.observe import Health, Monitor
from streams.observe.names import DeliveryMetrics, new_registry
from streams.settings import require_routes
from streams.sinks import make_sinks
from streams.sinks.dispatch import Dispatcher

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence

    from streams.notify import Notification, Told
    from streams.settings import Settings

log = logging.getLogger("surgewatch.notify")

WAIT_MS = 500
BEAT_S = 5.0
TRANSACTION_TIMEOUT_MS = 60_000


class Notifier:
    """Delivers alerts until it is cancelled.

    Args:
        settings: all of them.
        environ: where routes' secrets are.
        clock: seconds since 1970.

    Attributes:
        health: what it knows of itself.
        monitor: its metrics and health over HTTP.

    Raises:
        SettingsError: there is no route, or a secret of one is missing.
    """

    def __init__(
        self,
        settings: Settings,
        environ: Mapping[str, str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        require_routes(settings.notify)
        self._settings = settings
        self._clock = clock
        self._topics = Topics.of(settings)
        self._sinks = make_sinks(settings.notify.routes, environ)
        self.health = Health()
        registry = new_registry(settings)
        self._metrics = DeliveryMetrics(registry)
        self.monitor = Monitor(settings.metrics.listen, registry, self.health)

    async def run(self) -> None:
        """Wait for its turn, deliver while it has it.

        Raises:
            BrokerError: Kafka cannot be reached, or another notifier has taken over.
        """
        await self.monitor.start()
        try:
            for topic in (self._topics.alerts, self._topics.ops, self._topics.notified):
                await partitions_of(self._settings, topic)
            async with member_of(self._settings, self._topics.alerts, self._clock) as member:
                while True:
                    self.health.waits_for = "another notifier is at work"
                    await self._until_elected(member)
                    await self._until_lost(member)
        finally:
            await asyncio.gather(*(sink.close() for sink in self._sinks.values()))
            await self.monitor.stop()

    async def _until_elected(self, member: Member) -> None:
        said = False
        while not member.elected.is_set():
            self.health.beat()
            try:
                await asyncio.wait_for(member.elected.wait(), BEAT_S)
            except TimeoutError:
                if not said:
                    log.info("another notifier is at work: this one stands by")
                said = True

    async def _until_lost(self, member: Member) -> None:
        """Work until another is to."""
        work = asyncio.create_task(self._work())
        lost = asyncio.create_task(member.lost.wait())
        try:
            await asyncio.wait({work, lost}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (work, lost):
                task.cancel()
            ended = await asyncio.gather(work, return_exceptions=True)
        error = ended[0]
        if error is not None and not isinstance(error, asyncio.CancelledError):
            raise error
        log.warning("another notifier takes over: this one delivers nothing any more")

    async def _work(self) -> None:
        """One turn: read what is there, then deliver."""
        self.health.waits_for = "it reads what is there"
        book = Book(self._settings.notify, self._settings.alerts.source)
        with taken_over(), broker_errors(self._settings):
            async with _journal(self._settings, self._topics) as journal:
                feed = _Feed(self._settings, self._topics, book, self._clock)
                await feed.start()
                try:
                    await feed.catch_up(self.health.beat)
                    log.info(
                        "notifier is at work for %s; %d open",
                        ", ".join(self._sinks),
                        sum(subject.firing for subject in book.subjects.values()),
                    )
                    self.health.waits_for = ""
                    dispatcher = Dispatcher(
                        book,
                        self._sinks,
                        journal,
                        self._metrics,
                        give_up_s=self._settings.notify.give_up_after_ms / 1000,
                        clock=self._clock,
                    )
                    async with asyncio.TaskGroup() as tasks:
                        tasks.create_task(dispatcher.run())
                        tasks.create_task(self._follow(feed, dispatcher))
                        tasks.create_task(feed.ask(self.health.heard))
                finally:
                    await feed.stop()

    async def _follow(self, feed: _Feed, dispatcher: Dispatcher) -> None:
        while True:
            if await feed.read():
                dispatcher.wake()
            self.health.beat()


class _Feed:
    """Reads the three topics into a book, each from its beginning."""

    def __init__(
        self, settings: Settings, topics: Topics, book: Book, clock: Callable[[], float]
    ) -> None:
        self._settings = settings
        self._book = book
        self._clock = clock
        self._alerts = TopicPartition(topics.alerts, 0)
        self._ops = TopicPartition(topics.ops, 0)
        self._notified = TopicPartition(topics.notified, 0)

    async def start(self) -> None:
        """Connect."""
        options = client_options(self._settings)
        self._consumer = AIOKafkaConsumer(
            **options,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )
        await start(self._consumer, self._settings)

    async def stop(self) -> None:
        """Disconnect."""
        await stop(self._consumer)

    async def catch_up(self, beat: Callable[[], None]) -> None:
        """Read up to where the topics end now; what was told first, since that decides the rest."""
        reached: dict[TopicPartition, int] = {}
        for places in ([self._notified, self._ops], [self._alerts]):
            self._consumer.assign(places)
            await self._consumer.seek_to_beginning(*places)
            ends = await self._consumer.end_offsets(places)
            for place in places:
                while await self._consumer.position(place) < ends[place]:
                    await self.read()
                    beat()
                    if place == self._alerts:
                        # What is long over need not be in memory with all that came after it.
                        self._book.forget(int(self._clock() * 1000))
                reached[place] = await self._consumer.position(place)
        # What routes are told from now on, the book knows by itself. What operators had taken back
        # must not be read again: it would hold until that is, too.
        going_on = [self._alerts, self._ops]
        self._consumer.assign(going_on)
        for place in going_on:
            self._consumer.seek(place, reached[place])

    async def ask(self, heard: Callable[[], None]) -> None:
        """Call ``heard`` whenever Kafka answers, until cancelled."""
        await answers.ask(self._consumer, [self._alerts], heard)

    async def read(self) -> bool:
        """Read a little; was there anything?"""
        found = await self._consumer.getmany(timeout_ms=WAIT_MS)
        for place, records in found.items():
            for record in records:
                if record.value is not None:
                    self._take(place, record)
        return bool(found)

    def _take(self, place: TopicPartition, record: Any) -> None:
        now_ms = int(self._clock() * 1000)
        if place == self._alerts:
            self._book.alert(record.value, record.offset, now_ms)
        elif place == self._ops:
            self._book.said(record.value, now_ms)
        else:
            self._book.told(record.value)


class _KafkaJournal:
    """Writes what was told, and what could not be, in transactions.

    Its transactional id is every notifier's: who starts fences who was at work before.
    """

    def __init__(self, producer: AIOKafkaProducer, topics: Topics) -> None:
        self._producer = producer
        self._topics = topics
        self._one = asyncio.Lock()

    async def write(self, told: Sequence[Told]) -> None:
        """See ``Journal``."""
        await self._send([], told)

    async def bury(self, dead: Sequence[tuple[Notification, str]], told: Sequence[Told]) -> None:
        """See ``Journal``."""
        letters = [
            letter
            for notification, reason in dead
            for letter in deadletters.letters(notification, reason, self._topics.alerts)
        ]
        await self._send(letters, told)

    async def _send(self, letters: Iterable[deadletters.Letter], told: Iterable[Told]) -> None:
        async with self._one, self._producer.transaction():
            waiting = [
                await self._producer.send(
                    self._topics.deadletters,
                    letter.value,
                    letter.key,
                    headers=list(letter.headers),
                )
                for letter in letters
            ]
            for one in told:
                key = told_key(one).encode()
                waiting.append(
                    await self._producer.send(self._topics.notified, encode_told(one), key)
                )
            for sent in waiting:
                await sent


@contextlib.asynccontextmanager
async def _journal(settings: Settings, topics: Topics) -> AsyncIterator[_KafkaJournal]:
    producer = AIOKafkaProducer(
        **client_options(settings),
        transactional_id=f"{settings.kafka.app}-notifier",
        transaction_timeout_ms=TRANSACTION_TIMEOUT_MS,
    )
    try:
        await start(producer, settings)
        yield _KafkaJournal(producer, topics)
    finally:
        await stop(producer)
