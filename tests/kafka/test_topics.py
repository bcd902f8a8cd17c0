"""The topics are made as they must be, and what is wrong with them is found."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic

from streams.errors import BrokerError, UsageError
from streams.kafka.connect import client_options, connected
from streams.kafka.topics import (
    Findings,
    Topics,
    TopicSpec,
    _Cluster,
    create,
    examine,
    owns_posts,
    specs,
)
from streams.settings import Settings, load

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.harness import Command

JANUARY_2025_MS = 1_736_730_000_000


def operators(config: Path, topic: str) -> Settings:
    """Settings with a posts topic that is not ours."""
    return load(config, {"SURGEWATCH_KAFKA_POSTS_TOPIC": topic})


async def make(settings: Settings, *topics: NewTopic) -> None:
    """Make topics as somebody else would."""
    async with connected(AIOKafkaAdminClient(**client_options(settings)), settings) as admin:
        await admin.create_topics(topics)
        await _Cluster(admin).wait_for([TopicSpec(one.name, 1, {}) for one in topics])


async def grow(settings: Settings, topic: str, partitions: int) -> None:
    """Give a topic more partitions as somebody else would."""
    async with connected(AIOKafkaAdminClient(**client_options(settings)), settings) as admin:
        await admin.create_partitions({topic: NewPartitions(partitions)})
        await _Cluster(admin).wait_for([TopicSpec(topic, partitions, {})])


async def check(settings: Settings) -> list[str]:
    """What is wrong with the topics."""
    return (await examine(settings)).problems


def test_names() -> None:
    """Names follow the prefix; only the posts may come from a topic of another name."""
    settings = Settings()
    topics = Topics.of(settings)
    assert (topics.posts, topics.state) == ("surge.posts.v1", "surge.state.v1")
    assert owns_posts(settings)
    named = load(None, {"SURGEWATCH_KAFKA_POSTS_TOPIC": "app_posts"})
    assert Topics.of(named).posts == "app_posts"
    assert not owns_posts(named)
    assert {spec.name for spec in specs(named, 1)} == set(_names(topics)) - {topics.posts}


def _names(topics: Topics) -> list[str]:
    return [getattr(topics, name) for name in topics.__slots__]


async def test_create_and_check(settings: Settings) -> None:
    """What is created passes the check; creating again does nothing."""
    problems = await check(settings)
    count = len(dataclasses.fields(Topics))
    assert len(problems) == count
    assert problems[0].endswith("posts.v1: does not exist; surgewatch topics create makes it")
    done = await create(settings, 3)
    assert len(done) == count
    assert f"{Topics.of(settings).state}: created, partitions: 5" in done
    assert await examine(settings) == Findings([], [], 3)
    assert await create(settings) == []
    assert await create(settings, 3) == []


async def test_more_partitions(settings: Settings) -> None:
    """More partitions are added where they are needed and said, fewer are refused."""
    topics = Topics.of(settings)
    await create(settings, 1)
    assert await create(settings, 3) == [
        f"{topics.posts}: grown from 1 to 3 partitions",
        f"{topics.tallies}: grown from 1 to 3 partitions",
        f"{topics.state}: grown from 3 to 5 partitions",
    ]
    assert await check(settings) == []
    with pytest.raises(UsageError, match=r"^--partitions 2: .*has 3, and Kafka drops none"):
        await create(settings, 2)
    assert len((await examine(settings, 4)).problems) == 3


async def test_partitions_added_by_others(settings: Settings) -> None:
    """Partitions that somebody added to the posts are noticed, and followed when asked."""
    topics = Topics.of(settings)
    await create(settings, 1)
    await grow(settings, topics.posts, 2)
    assert await check(settings) == [
        f"{topics.tallies}: partitions: 1; 2 are needed",
        f"{topics.state}: partitions: 3; 4 are needed",
    ]
    await create(settings)
    assert await check(settings) == []


async def test_posts_topic_of_the_operator(config: Path, prefix: str) -> None:
    """A posts topic of one's own is neither made nor changed, and gives the number."""
    settings = operators(config, f"{prefix}-own")
    with pytest.raises(BrokerError, match=r"-own: does not exist; it is not surgewatch's own"):
        await create(settings)
    assert "-own: does not exist" in (await check(settings))[0]
    await make(settings, NewTopic(f"{prefix}-own", 2, 1))
    with pytest.raises(UsageError, match=r"^--partitions 3: .*-own has 2, and is not"):
        await create(settings, 3)
    done = await create(settings)
    assert f"{Topics.of(settings).state}: created, partitions: 4" in done
    problems, warnings, _ = await examine(settings)
    assert problems == []
    assert len(warnings) == 1
    assert "those of a log of January 2025 would be deleted at once" in warnings[0]
    assert (await examine(settings, 3)).problems[0] == f"{prefix}-own: has 2 partitions, not 3"


@pytest.mark.parametrize(
    ("kind", "partitions", "configs", "problems"),
    [
        (
            "posts",
            4,
            {"message.timestamp.type": "CreateTime", "max.message.bytes": "2097152"},
            [
                "message.timestamp.type = CreateTime; LogAppendTime is needed",
                "retention.ms = 604800000 by the records' own stamps",
            ],
        ),
        (
            "rejects",
            1,
            {"max.message.bytes": "1000"},
            ["max.message.bytes = 1000; 2097152 is needed"],
        ),
        (
            "state",
            6,
            {"cleanup.policy": "delete", "max.message.bytes": "2097152"},
            ["cleanup.policy = delete; compact is needed"],
        ),
        (
            "alerts",
            2,
            {"cleanup.policy": "compact"},
            ["partitions: 2; 1 are needed", "cleanup.policy = compact; delete is needed"],
        ),
    ],
)
async def test_wrong_topics_are_found(
    settings: Settings, kind: str, partitions: int, configs: dict[str, str], problems: list[str]
) -> None:
    """A topic that was made otherwise is left alone, and what is wrong with it is told."""
    name = getattr(Topics.of(settings), kind)
    defaults = {"message.timestamp.type": "LogAppendTime"}
    await make(settings, NewTopic(name, partitions, 1, topic_configs=defaults | configs))
    await create(settings)
    found = await check(settings)
    assert len(found) == len(problems)
    for line, problem in zip(found, problems, strict=True):
        assert line.startswith(f"{name}: {problem}")


async def test_a_log_of_january_2025_is_taken(settings: Settings) -> None:
    """A megabyte with a stamp of January 2025 is taken, and stamped anew."""
    topics = Topics.of(settings)
    await create(settings, 1)
    options = client_options(settings)
    async with connected(AIOKafkaProducer(max_request_size=2 << 20, **options), settings) as out:
        sent = await out.send_and_wait(topics.posts, b"x" * (1 << 20), timestamp_ms=JANUARY_2025_MS)
    async with connected(AIOKafkaConsumer(**options), settings) as consumer:
        partition = TopicPartition(topics.posts, 0)
        consumer.assign([partition])
        consumer.seek(partition, sent.offset)
        record = await consumer.getone()
    assert len(record.value) == 1 << 20
    assert abs(record.timestamp / 1000 - time.time()) < 600


@pytest.fixture
def topics_command(surgewatch: Command, config: Path) -> Callable[..., Any]:
    """Runs ``surgewatch topics``."""

    def run(action: str, *options: str) -> Any:
        return surgewatch("topics", action, "--config", config, *options)

    return run


def test_commands(topics_command: Callable[..., Any], prefix: str) -> None:
    """The commands say what they did and found; the exit code is 1 while something is wrong."""
    before = topics_command("check")
    assert (before.code, before.out) == (1, b"")
    assert "surgewatch: the topics are not as needed:" in before.message
    assert f" - {prefix}.alerts.v1: does not exist" in before.message
    made = topics_command("create", "--partitions", "2", "--replication", "1")
    assert made.code == 0
    assert f"{prefix}.posts.v1: created, partitions: 2" in made.text
    assert made.text.endswith("the topics are as needed")
    after = topics_command("check")
    assert (after.code, after.text, after.err) == (0, "the topics are as needed", "")
    assert topics_command("check", "--partitions", "3").code == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--partitions", "0"], "'0' is not a whole number from 1 to 1,000"),
        (["--partitions", "many"], "'many' is not a whole number"),
        (["--bootstrap", "nowhere"], 'kafka.bootstrap = "nowhere" (option --bootstrap): not a'),
    ],
)
def test_wrong_use(topics_command: Callable[..., Any], options: list[str], message: str) -> None:
    """What the command line gets wrong is refused before anything is asked of Kafka."""
    result = topics_command("create", *options)
    assert result.code == 2
    assert message in result.message


def test_no_broker(topics_command: Callable[..., Any]) -> None:
    """A broker that is not there is one readable line."""
    result = topics_command("check", "--bootstrap", "localhost:9")
    assert result.code == 1
    assert result.message.startswith("surgewatch: Kafka at localhost:9 cannot be used: ")
    assert result.err.count("\n") == 1


def test_too_many_replicas(topics_command: Callable[..., Any]) -> None:
    """What Kafka refuses is told in its own words."""
    result = topics_command("create", "--replication", "9")
    assert result.code == 1
    assert "replication factor" in result.message.lower()
