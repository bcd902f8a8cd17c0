"""The topics: what they are called, how they are made, and what must be true of them."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, for_code

from streams.errors import BrokerError, UsageError
from streams.kafka.connect import client_options, connected

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from streams.settings import Settings

PARTITIONS = 4
"""Of posts, if nobody says: so many workers can read them at a time."""

STATE_EXTRA = 2
"""The state topic has a partition for each of posts, one for detect and one for correlate."""

REPLICATION_MAX = 3
"""Replicas of each partition, if nobody says and there are so many brokers."""

MESSAGE_BYTES = 2 << 20
"""A megabyte, its headers, and what Kafka adds."""

SHOWN_S = 10.0
"""How long brokers may take to show what has been made."""

_JANUARY_2025_MS = 1_736_294_400_000
_KEPT = ("message.timestamp.type", "cleanup.policy", "retention.ms", "max.message.bytes")


@dataclass(frozen=True, slots=True)
class Topics:
    """The names of the topics."""

    posts: str
    tallies: str
    episodes: str
    series: str
    alerts: str
    state: str
    rejects: str
    ops: str
    notified: str
    deadletters: str

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The names that the settings give."""
        names = {item.name: f"{settings.kafka.prefix}.{item.name}.v1" for item in fields(cls)}
        names["posts"] = settings.kafka.posts_topic or names["posts"]
        return cls(**names)


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """One topic as it should be."""

    name: str
    partitions: int
    configs: Mapping[str, str]


class Findings(NamedTuple):
    """What is wrong with the topics, what their operator should know, and how many posts have."""

    problems: list[str]
    warnings: list[str]
    partitions: int


def owns_posts(settings: Settings) -> bool:
    """Whether the posts topic is surgewatch's own, to be made, checked and grown."""
    return Topics.of(settings).posts == f"{settings.kafka.prefix}.posts.v1"


def specs(settings: Settings, partitions: int) -> list[TopicSpec]:
    """Our topics as they should be when posts have so many partitions."""
    topics = Topics.of(settings)
    deleted = {
        "cleanup.policy": "delete",
        "retention.ms": str(settings.kafka.retention_ms),
        "retention.bytes": str(settings.kafka.retention_bytes),
    }
    # Small segments, since the last one is never compacted and a worker that starts reads it all.
    compacted = {
        "cleanup.policy": "compact",
        "segment.bytes": str(64 << 20),
        "min.cleanable.dirty.ratio": "0.1",
    }
    # What was told of an alert is of no use once the alert itself has gone.
    forgotten = {
        "cleanup.policy": "compact,delete",
        "retention.ms": str(2 * settings.kafka.retention_ms),
    }
    large = {"max.message.bytes": str(MESSAGE_BYTES)}
    wanted = [
        (topics.tallies, partitions, deleted),
        (topics.episodes, 1, deleted),
        (topics.series, 1, deleted),
        (topics.alerts, 1, deleted),
        (topics.state, partitions + STATE_EXTRA, compacted | large),
        (topics.rejects, 1, deleted | large),
        (topics.ops, 1, compacted),
        (topics.notified, 1, compacted | forgotten),
        (topics.deadletters, 1, deleted | large),
    ]
    if owns_posts(settings):
        wanted.insert(0, (topics.posts, partitions, deleted | large))
    # By their own stamps, records of January 2025 would be deleted within minutes.
    stamps = {"message.timestamp.type": "LogAppendTime"}
    return [TopicSpec(name, count, stamps | configs) for name, count, configs in wanted]


async def create(
    settings: Settings, partitions: int | None = None, replication: int | None = None
) -> list[str]:
    """Make the topics that do not exist, and more partitions where there are too few.

    Args:
        settings: all of them.
        partitions: of posts and tallies; None for as many as there are, or ``PARTITIONS``.
        replication: replicas of each partition; None for ``REPLICATION_MAX``, or as many as there
            are brokers.

    Returns:
        What was done, a line each.

    Raises:
        UsageError: there are more partitions already, or other ones on a topic that is not ours.
        BrokerError: Kafka cannot be reached or refuses, or the operator's topic does not exist.
    """
    async with connected(AIOKafkaAdminClient(**client_options(settings)), settings) as admin:
        cluster = _Cluster(admin)
        existing = await cluster.partitions()
        count = _partitions_to_make(settings, partitions, existing)
        wanted = specs(settings, count)
        missing = [spec for spec in wanted if spec.name not in existing]
        topics = Topics.of(settings)
        # Posts come last: nobody may read of a partition that the other topics do not have.
        grown = [
            spec
            for spec in reversed(wanted)
            if spec.name in {topics.posts, topics.tallies, topics.state}
            and existing.get(spec.name, count) < spec.partitions
            and spec not in missing
        ]
        await cluster.create(missing, replication or min(REPLICATION_MAX, await cluster.brokers()))
        await cluster.grow(grown)
        await cluster.wait_for([*missing, *grown])
    return [
        *(f"{spec.name}: created, partitions: {spec.partitions}" for spec in missing),
        *(
            f"{spec.name}: grown from {existing[spec.name]} to {spec.partitions} partitions"
            for spec in reversed(grown)
        ),
    ]


def _partitions_to_make(settings: Settings, asked: int | None, existing: Mapping[str, int]) -> int:
    """How many partitions posts and tallies are to have.

    Raises:
        UsageError: so many cannot be had.
        BrokerError: the operator's topic does not exist.
    """
    topics, is_ours = Topics.of(settings), owns_posts(settings)
    posts = existing.get(topics.posts)
    if posts is None and not is_ours:
        raise BrokerError(
            f"{topics.posts}: does not exist; it is not surgewatch's own (kafka.posts_topic): "
            "create it first"
        )
    if asked is None:
        return posts or existing.get(topics.tallies) or PARTITIONS
    if posts is not None and not is_ours and asked != posts:
        raise UsageError(
            f"--partitions {asked}: {topics.posts} has {posts}, and is not surgewatch's own to "
            "change; leave the option out"
        )
    if posts is not None and asked < posts:
        raise UsageError(f"--partitions {asked}: {topics.posts} has {posts}, and Kafka drops none")
    return asked


async def examine(settings: Settings, partitions: int | None = None) -> Findings:
    """Look for what is wrong with the topics.

    Args:
        settings: all of them.
        partitions: how many posts should have; None for as many as there are.

    Raises:
        BrokerError: Kafka cannot be reached or refuses to tell.
    """
    async with connected(AIOKafkaAdminClient(**client_options(settings)), settings) as admin:
        cluster = _Cluster(admin)
        existing = await cluster.partitions()
        posts = Topics.of(settings).posts
        count = partitions or existing.get(posts) or PARTITIONS
        wanted = specs(settings, count)
        found = await cluster.configs({posts, *(spec.name for spec in wanted)} & set(existing))
    problems: list[str] = []
    warnings: list[str] = []
    if not owns_posts(settings):
        if posts not in existing:
            problems.append(f"{posts}: does not exist; it is kafka.posts_topic: create it")
        else:
            warnings += _about_stamps(posts, found[posts])
            if existing[posts] != count:
                problems.append(f"{posts}: has {existing[posts]} partitions, not {count}")
            if found[posts]["cleanup.policy"] != "delete":
                warnings.append(f"{posts}: is compacted: posts with equal keys get lost")
    for spec in wanted:
        if spec.name not in existing:
            problems.append(f"{spec.name}: does not exist; surgewatch topics create makes it")
        else:
            problems += _differences(spec, existing[spec.name], found[spec.name])
    return Findings(problems, warnings, count)


async def partitions_of(settings: Settings, topic: str) -> int:
    """How many partitions a topic has.

    Raises:
        BrokerError: Kafka cannot be reached, or there is no such topic.
    """
    async with connected(AIOKafkaAdminClient(**client_options(settings)), settings) as admin:
        existing = await _Cluster(admin).partitions()
    if topic not in existing:
        is_ours = owns_posts(settings) or topic != Topics.of(settings).posts
        remedy = "surgewatch topics create makes it" if is_ours else "it is kafka.posts_topic"
        raise BrokerError(f"{topic}: does not exist; {remedy}")
    return existing[topic]


def _differences(spec: TopicSpec, partitions: int, found: Mapping[str, str]) -> Iterator[str]:
    if partitions != spec.partitions:
        yield f"{spec.name}: partitions: {partitions}; {spec.partitions} are needed"
    for name in ("message.timestamp.type", "cleanup.policy"):
        if found[name] != spec.configs[name]:
            yield f"{spec.name}: {name} = {found[name]}; {spec.configs[name]} is needed"
    if spec.configs["cleanup.policy"] == "delete":
        yield from _about_stamps(spec.name, found)
    needed = spec.configs.get("max.message.bytes")
    if needed is not None and int(found["max.message.bytes"]) < int(needed):
        yield f"{spec.name}: max.message.bytes = {found['max.message.bytes']}; {needed} is needed"


def _about_stamps(name: str, found: Mapping[str, str]) -> Iterator[str]:
    """Would a post of January 2025 be deleted as soon as it comes?"""
    retention_ms = int(found["retention.ms"])
    age_ms = time.time() * 1000 - _JANUARY_2025_MS
    if found["message.timestamp.type"] != "LogAppendTime" and 0 <= retention_ms < age_ms:
        yield (
            f"{name}: retention.ms = {retention_ms} by the records' own stamps: those of a log of "
            "January 2025 would be deleted at once"
        )


class _Cluster:
    """What is asked of an admin client, with its answers in usable form."""

    def __init__(self, admin: Any) -> None:
        self._admin = admin

    async def brokers(self) -> int:
        """How many there are."""
        return len((await self._admin.describe_cluster())["brokers"])

    async def partitions(self) -> dict[str, int]:
        """All topics and how many partitions each has.

        All of them, since asking for one that does not exist may create it.
        """
        topics = await self._admin.describe_topics()
        return {topic["topic"]: len(topic["partitions"]) for topic in topics}

    async def configs(self, names: Iterable[str]) -> dict[str, dict[str, str]]:
        """What is configured of each topic."""
        asked = dict.fromkeys(_KEPT)
        resources = [ConfigResource(ConfigResourceType.TOPIC, name, asked) for name in names]
        found: dict[str, dict[str, str]] = {}
        for response in await self._admin.describe_configs(resources):
            for code, message, _, name, entries in response.resources:
                if code:
                    raise for_code(code)(f"{name}: {message}")
                found[name] = {entry[0]: entry[1] for entry in entries}
        return found

    async def create(self, wanted: list[TopicSpec], replication: int) -> None:
        """Make topics; one that somebody else has made meanwhile is left alone."""
        topics = [
            NewTopic(spec.name, spec.partitions, replication, topic_configs=dict(spec.configs))
            for spec in wanted
        ]
        if not topics:
            return
        response = await self._admin.create_topics(topics)
        for name, code, message in response.topic_errors:
            if code and code != TopicAlreadyExistsError.errno:
                raise for_code(code)(f"{name}: {message or 'not created'}")

    async def grow(self, wanted: list[TopicSpec]) -> None:
        """Give topics more partitions, one topic after the other."""
        for spec in wanted:
            await self._admin.create_partitions({spec.name: NewPartitions(spec.partitions)})

    async def wait_for(self, wanted: list[TopicSpec]) -> None:
        """Wait until the brokers show topics with all their partitions.

        Raises:
            BrokerError: they do not.
        """
        deadline = time.monotonic() + SHOWN_S
        while True:
            shown = await self.partitions()
            late = [spec.name for spec in wanted if shown.get(spec.name, 0) < spec.partitions]
            if not late:
                return
            if time.monotonic() > deadline:
                raise BrokerError(f"{late[0]}: was made, but is not shown after {SHOWN_S:.0f} s")
            await asyncio.sleep(0.05)
