"""Dead letters, sent again."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.errors import UsageError
from streams.kafka.connect import client_options, connected
from streams.kafka.deadletters import ROUTE, as_it_is_now, notifications, subject_in
from streams.kafka.reading import read
from streams.kafka.topics import Topics, partitions_of
from streams.sinks import DeliveryError, make_sink

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from streams.notify import Event
    from streams.settings import Route, Settings

WAIT_MS = 1_000


@dataclass(slots=True)
class Done:
    """What became of them.

    Attributes:
        found: notifications that were dead letters.
        delivered: of those.
        unusable: records that are of no route that there is, or cannot be read.
        failed: what was not delivered and why, a line each.
    """

    found: int = 0
    delivered: int = 0
    unusable: int = 0
    failed: list[str] = field(default_factory=list)


async def redeliver(settings: Settings, environ: Mapping[str, str], route: str | None) -> Done:
    """Send the dead letters of a route, or of all, that were not sent again before.

    What has changed since is told as it is now, and what has ended as that: whoever was told of its
    end would not be told of it again.

    How far each route has come is a group's committed offset, which moves past what was delivered
    and stops before the first that was not.

    Raises:
        UsageError: there is no such route.
        BrokerError: Kafka cannot be reached, or there is no such topic.
        SettingsError: the secret of a route is missing.
    """
    routes = {one.name: one for one in settings.notify.routes}
    if route is not None and route not in routes:
        names = ", ".join(routes) or "there is none"
        raise UsageError(f"--route {route}: no such route: {names}")
    topic = Topics.of(settings).deadletters
    await partitions_of(settings, topic)
    done = Done()
    for one in routes.values() if route is None else [routes[route]]:
        await _of_route(settings, environ, one, done)
    return done


async def _of_route(
    settings: Settings, environ: Mapping[str, str], route: Route, done: Done
) -> None:
    place = TopicPartition(Topics.of(settings).deadletters, 0)
    consumer = AIOKafkaConsumer(
        **client_options(settings),
        group_id=f"{settings.kafka.app}-redeliver-{route.name}",
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    async with connected(consumer, settings):
        consumer.assign([place])
        records = await _left(consumer, place)
        mine = [one for one in records if (ROUTE, route.name.encode()) in one.headers]
        found, unusable = notifications(mine, route)
        done.found += len(found)
        done.unusable += unusable
        newest = await _newest(settings, {one.key for one in found})
        sink = make_sink(route, environ)
        kept: list[int] = []
        try:
            for one in found:
                try:
                    await sink.deliver([as_it_is_now(one, newest.get(one.key))])
                    done.delivered += 1
                except DeliveryError as error:
                    done.failed.append(f"{route.name}: {one.key}: {error.reason}")
                    kept += [event.offset for event in one.events]
        finally:
            await asyncio.shield(sink.close())
        end = await consumer.position(place)
        await consumer.commit({place: min([end, *kept])})


async def _newest(settings: Settings, keys: set[str]) -> dict[str, Event]:
    """The newest alert of each of these that the alerts topic still has."""
    found: dict[str, Event] = {}
    if not keys:
        return found

    def take(_: int, records: Sequence[Any]) -> None:
        for record in records:
            subject = subject_in(record.value or b"", record.offset)
            if subject is not None and subject.key in keys:
                found[subject.key] = subject.newest

    await read(settings, Topics.of(settings).alerts, take, partitions=1, follow=False)
    return found


async def _left(consumer: AIOKafkaConsumer, place: TopicPartition) -> list[Any]:
    """What lies between what was sent again before and the end."""
    end = (await consumer.end_offsets([place]))[place]
    records: list[Any] = []
    while await consumer.position(place) < end:
        for some in (await consumer.getmany(place, timeout_ms=WAIT_MS)).values():
            records += some
    return records
