"""The notifier on a real broker: what it tells, whom, once, and what a kill -9 changes of that."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import secrets
import signal
import subprocess
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from aiokafka import AIOKafkaProducer

from streams.codec import rfc3339
from streams.kafka.connect import client_options, start, stop
from streams.kafka.topics import Topics, create
from streams.settings import load
from tests.harness import violations
from tests.kafka.reader import SURGEWATCH, records, send
from tests.kafka.test_metrics import ask, scrape, total
from tests.receiver import Answer, Receiver
from tests.stack.process import free_port
from tests.unit.streams.notify.made import ack, incident, silence, trouble

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from streams.settings import Settings
    from tests.broker import Broker
    from tests.harness import Command

KEY = "0123456789abcdef0123"
WAIT_S = 60.0
RUNS = 20
HOUR_MS = 3_600_000


@pytest.fixture
async def notify(config: Path, receiver: Receiver) -> Settings:
    """Settings with two routes, to PagerDuty and to a webhook, and the topics."""
    with config.open("a") as file:
        file.write(
            'session_timeout = "2s"\n[notify]\nmax_age = "1h"\n'
            'give_up_after = "1m"\n'
            '[[notify.routes]]\nname = "pager"\nto = "pagerduty"\n'
            f'url = "{receiver.url}/pager"\nsecret_env = "TEST_KEY"\n'
            'group_window = "0s"\nrepeat = "never"\npipeline = false\n'
            '[[notify.routes]]\nname = "hook"\nto = "webhook"\n'
            f'url = "{receiver.url}/hook"\nsecret_env = "TEST_KEY"\n'
            'group_window = "0s"\nrepeat = "never"\n'
        )
    settings = load(config, {})
    await create(settings, 1)
    return settings


class Notifier:
    """``surgewatch notify``, or another command, in a process of its own."""

    def __init__(self, config: Path, program: str = SURGEWATCH, command: str = "notify") -> None:
        self._config = config
        self._program = program
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._log = config.with_suffix(".log")

    def start(self) -> None:
        """Start it."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", self._program, self._command, "--config", str(self._config)],
                env=os.environ | {"TEST_KEY": KEY},
                stdout=log,
                stderr=log,
            )

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it, by a signal; its exit code."""
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(WAIT_S)

    @property
    def said(self) -> str:
        """Its log."""
        return self._log.read_text()

    @property
    def is_running(self) -> bool:
        """Has it not ended?"""
        return self._process is not None and self._process.poll() is None


@pytest.fixture
def notifier(config: Path) -> Iterator[Notifier]:
    """One that does not outlive the test."""
    notifier = Notifier(config)
    yield notifier
    if notifier.is_running:
        notifier.end(signal.SIGKILL)


async def until(condition: Callable[[], bool], notifier: Notifier) -> None:
    """Wait until it holds."""
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, notifier.said
        await asyncio.sleep(0.02)


def paged(receiver: Receiver) -> list[tuple[str, str]]:
    """Actions and keys that PagerDuty took."""
    return [
        (request.json["event_action"], request.json["dedup_key"])
        for request in receiver.accepted
        if request.path == "/pager"
    ]


def hooked(receiver: Receiver) -> list[str]:
    """Ids of alerts that the webhook took."""
    return [event["id"] for r in receiver.accepted if r.path == "/hook" for event in r.json]


def name_of(number: int) -> str:
    return f"in-{number:016x}"


def told(kind: str, number: int, users: int = 10, **data: Any) -> bytes:
    """An alert of now."""
    now_ms = int(time.time()) * 1000
    return incident(kind, now_ms, users, incident_id=name_of(number), **data)


async def test_alerts_are_delivered_in_order_and_troubles_too(
    notify: Settings, notifier: Notifier, receiver: Receiver
) -> None:
    """Opened, closed; a trouble of the pipeline only where it is wanted; SIGTERM is answered."""
    topics = Topics.of(notify)
    notifier.start()
    now_ms = int(time.time()) * 1000
    await send(notify, topics.alerts, told("opened", 1), trouble("gap", "open", now_ms, now_ms))
    await until(lambda: len(receiver.accepted) == 3, notifier)
    await send(notify, topics.alerts, told("closed", 1, 30))
    await until(lambda: len(receiver.accepted) == 5, notifier)
    assert paged(receiver) == [("trigger", name_of(1)), ("resolve", name_of(1))]
    hooks = [r for r in receiver.accepted if r.path == "/hook"]
    assert [r.headers["X-Surgewatch-Reason"] for r in hooks] == ["opened", "pipeline", "closed"]
    assert notifier.end() == 0
    written = (await records(notify, topics.notified))[0]
    assert {r.key for r in written} >= {f"pager/{name_of(1)}".encode()}
    assert violations("notified", [orjson.loads(r.value) for r in written]) == []


async def test_what_was_there_before_is_read_once(
    notify: Settings, notifier: Notifier, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What operators had taken back does not hold again while the notifier is at work."""
    topics, port = Topics.of(notify), free_port()
    monkeypatch.setenv("SURGEWATCH_METRICS_LISTEN", f"127.0.0.1:{port}")
    await send(notify, topics.ops, b"junk")
    await send(notify, topics.alerts, b"junk", told("opened", 1))
    notifier.start()
    await until(lambda: len(receiver.accepted) == 2, notifier)
    await send(notify, topics.alerts, told("opened", 2))
    await until(lambda: len(receiver.accepted) == 4, notifier)
    await asyncio.sleep(1)  # it counts after each look at the topics
    families = await asyncio.to_thread(scrape, port)
    assert total(families, "surgewatch_notify_unreadable_records") == 2


async def test_bad_answers_are_outlived(
    notify: Settings, notifier: Notifier, receiver: Receiver
) -> None:
    """429 with Retry-After, 500, slow and dropped answers: told once each in the end."""
    receiver.answers += [
        Answer(429, {"Retry-After": "1"}),
        Answer(500),
        Answer(drop=True),
        Answer(503),
        Answer(after_s=0.5),
        Answer(drop=True),
    ]
    notifier.start()
    await send(notify, Topics.of(notify).alerts, *(told("opened", n) for n in range(3)))
    await until(lambda: len(receiver.accepted) >= 6, notifier)
    await asyncio.sleep(0.5)
    assert Counter(paged(receiver)) == {("trigger", name_of(n)): 1 for n in range(3)}
    assert len(set(hooked(receiver))) == len(hooked(receiver)) == 3


async def test_what_is_refused_becomes_a_dead_letter_and_can_be_sent_again(
    notify: Settings,
    notifier: Notifier,
    receiver: Receiver,
    surgewatch: Command,
    config: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A 400 is not tried again soon; other alerts go on; redeliver sends it once."""
    topics = Topics.of(notify)
    receiver.answers += [Answer(400, body="no such key"), Answer(400, body="no such key")]
    notifier.start()
    await send(notify, topics.alerts, told("opened", 1))
    await until(lambda: len(receiver.requests) == 2, notifier)
    await send(notify, topics.alerts, told("opened", 2))
    await until(lambda: len(receiver.accepted) == 2, notifier)
    notifier.end()
    letters = (await records(notify, topics.deadletters))[0]
    assert {r.key for r in letters} == {f"{r}/{name_of(1)}".encode() for r in ("pager", "hook")}
    for letter in letters:
        headers = {name: value.decode() for name, value in letter.headers}
        assert headers["__connect.errors.topic"] == topics.alerts
        assert headers["__connect.errors.offset"] == "0"
        assert "answered 400: no such key" in headers["__connect.errors.exception.message"]
        assert KEY not in str(headers)
        assert orjson.loads(letter.value)["correlationid"] == name_of(1)
    monkeypatch.setenv("TEST_KEY", KEY)
    for expected in ("delivered 2 of 2", "delivered 0 of 0"):
        ran = await asyncio.to_thread(surgewatch, "redeliver", "--config", config)
        assert (ran.code, ran.text) == (0, expected)
    assert ("trigger", name_of(1)) in paged(receiver)
    receiver.answers += [Answer(400), Answer(400)]
    ran = await asyncio.to_thread(surgewatch, "redeliver", "--config", config, "--route", "no")
    assert ran.code == 2
    assert "no such route: pager, hook" in ran.err


async def test_a_dead_letter_of_what_is_over_is_sent_as_that(
    notify: Settings,
    notifier: Notifier,
    receiver: Receiver,
    surgewatch: Command,
    config: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its beginning alone would page somebody, and nothing would resolve it any more."""
    topics = Topics.of(notify)
    receiver.answers += [Answer(400), Answer(400)]
    notifier.start()
    await send(notify, topics.alerts, told("opened", 1))
    await until(lambda: len(receiver.requests) == 2, notifier)
    await send(notify, topics.alerts, told("closed", 1))
    await until(lambda: len(receiver.accepted) == 2, notifier)
    notifier.end()
    monkeypatch.setenv("TEST_KEY", KEY)
    ran = await asyncio.to_thread(surgewatch, "redeliver", "--config", config)
    assert (ran.code, ran.text) == (0, "delivered 2 of 2")
    assert paged(receiver) == [("resolve", name_of(1))] * 2
    kinds = [event["type"].split(".")[2] for event in receiver.accepted[-1].json]
    assert kinds == ["opened", "closed"], "whoever keeps books has both"


async def test_operators_words_keep_news_back(
    notify: Settings, notifier: Notifier, receiver: Receiver
) -> None:
    """A silence and an acknowledgement that are on the topic decide, also after a restart."""
    topics = Topics.of(notify)
    now_ms = int(time.time()) * 1000
    quiet = silence(now_ms - 1000, now_ms + HOUR_MS, ("incident", name_of(1)))
    await send(notify, topics.ops, quiet, ack(now_ms, 10, name=name_of(2)), b"nonsense")
    await send(notify, topics.alerts, *(told("opened", n) for n in (1, 2, 3)))
    notifier.start()
    await until(lambda: len(receiver.accepted) >= 2, notifier)
    await send(notify, topics.alerts, told("updated", 2, 21))
    await until(lambda: len(receiver.accepted) >= 4, notifier)
    await asyncio.sleep(0.5)
    assert sorted(set(paged(receiver))) == [("trigger", name_of(2)), ("trigger", name_of(3))]


async def test_of_two_notifiers_one_delivers(
    notify: Settings, notifier: Notifier, receiver: Receiver, config: Path
) -> None:
    """Others wait, whoever they are, and take over when the first is killed."""
    others = [Notifier(config) for _ in range(3)]
    notifier.start()
    try:
        await send(notify, Topics.of(notify).alerts, told("opened", 1))
        await until(lambda: len(receiver.accepted) >= 2, notifier)
        for other in others:
            other.start()
        # Each writes to the same file. Some get ids that sort before the first one's.
        await until(lambda: notifier.said.count("this one stands by") == len(others), notifier)
        assert "takes over" not in notifier.said
        assert len(receiver.accepted) == 2
        notifier.end(signal.SIGKILL)
        await send(notify, Topics.of(notify).alerts, told("closed", 1))
        await until(lambda: len(receiver.accepted) >= 4, notifier)
        assert paged(receiver) == [("trigger", name_of(1)), ("resolve", name_of(1))]
    finally:
        for other in others:
            other.end(signal.SIGKILL)


async def test_that_kafka_does_not_answer_is_seen(
    notify: Settings, broker: Broker, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the notifier's probes and the console's; its page says that it is not of now."""
    assert notify
    ports = free_port(), free_port()
    monkeypatch.setenv("SURGEWATCH_METRICS_LISTEN", f"127.0.0.1:{ports[0]}")
    monkeypatch.setenv("SURGEWATCH_CONSOLE_LISTEN", f"127.0.0.1:{ports[1]}")
    soon = (
        "from streams.kafka import answers\nfrom streams.observe import health\n"
        f"answers.LOOK_S, health.ANSWER_S_MAX = 0.2, 1.0\n{SURGEWATCH}"
    )
    notifier, console = Notifier(config, soon), Notifier(config, soon, "console")

    async def ready(status: int) -> None:
        for port in ports:
            found = 0
            while found != status:
                found = (await asyncio.to_thread(ask, port, "/-/ready"))[0]
                await asyncio.sleep(0.05)

    notifier.start()
    console.start()
    try:
        async with asyncio.timeout(2 * WAIT_S):
            await ready(200)
            broker.pause()
            await ready(503)
            assert "Kafka has not answered for" in (await asyncio.to_thread(ask, ports[1], "/"))[1]
            broker.resume()
            await ready(200)
        assert "not answered" not in (await asyncio.to_thread(ask, ports[1], "/"))[1]
    finally:
        broker.resume()
        notifier.end(signal.SIGKILL)
        console.end(signal.SIGKILL)


async def test_one_that_was_taken_over_from_says_so_and_ends(
    notify: Settings, notifier: Notifier
) -> None:
    """Paused for long, it comes back while another is at work: a line for whoever reads the log."""
    topics = Topics.of(notify)
    notifier.start()
    await send(notify, topics.alerts, told("opened", 1))
    while len((await records(notify, topics.notified))[0]) < 2:
        assert notifier.is_running, notifier.said
        await asyncio.sleep(0.1)
    other = AIOKafkaProducer(
        **client_options(notify), transactional_id=f"{notify.kafka.app}-notifier"
    )
    await start(other, notify)
    await stop(other)
    await send(notify, topics.alerts, told("closed", 1))
    await until(lambda: not notifier.is_running, notifier)
    assert notifier.end() == 1
    assert "surgewatch: another notifier has taken over" in notifier.said
    assert "ExceptionGroup" not in notifier.said


@pytest.mark.slow
async def test_kills_lose_nothing_and_page_nobody_twice(
    notify: Settings, notifier: Notifier, receiver: Receiver
) -> None:
    """Killed at random points: every open and close arrives, repeats have the same key."""
    seed = int(os.environ.get("SURGEWATCH_TEST_SEED") or secrets.randbelow(1_000_000))
    print(f"SURGEWATCH_TEST_SEED={seed}")  # noqa: T201 - shown when it fails
    rng = random.Random(seed)  # noqa: S311 - no secret
    topics = Topics.of(notify)
    for run in range(RUNS):
        before = len(receiver.requests)
        receiver.answers.extend(
            rng.choice([Answer(), Answer(500), Answer(after_s=0.05), Answer(drop=True)])
            for _ in range(rng.randrange(3))
        )
        notifier.start()
        await send(notify, topics.alerts, told("opened", run))
        # Now and then before it has joined, mostly amid its deliveries, or right after them.
        wanted = rng.randrange(4)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(15.0):
                await receiver.has(before + wanted)
        await asyncio.sleep(rng.random() * 0.05)
        if rng.random() < 0.5:
            await send(notify, topics.alerts, told("closed", run))
        notifier.end(signal.SIGKILL)
    receiver.answers.clear()
    closed = [told("closed", run) for run in range(RUNS)]
    await send(notify, topics.alerts, *closed)
    notifier.start()
    opened, over = (
        {("trigger", name_of(n)) for n in range(RUNS)},
        {("resolve", name_of(n)) for n in range(RUNS)},
    )

    def arrived(kind: str) -> set[str]:
        """Incidents of which the webhook took such an alert."""
        return {name[:19] for name in hooked(receiver) if f"-{kind}-" in name}

    await until(lambda: over <= set(paged(receiver)), notifier)
    await until(lambda: arrived("closed") == {name_of(n) for n in range(RUNS)}, notifier)
    assert arrived("opened") == arrived("closed"), "every opening arrives"
    for action in paged(receiver):
        assert action in opened | over
    first_over = {}
    for place, (action, key) in enumerate(paged(receiver)):
        if action == "resolve":
            first_over.setdefault(key, place)
    for place, (action, key) in enumerate(paged(receiver)):
        assert action == "resolve" or place < first_over[key], "nobody is paged after the end"


@pytest.mark.usefixtures("notify")
async def test_a_recorded_log_is_delivered_on_request_only(
    receiver: Receiver,
    surgewatch: Command,
    config: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is shown, and with --deliver told, marked as a replay; no broker is needed."""
    monkeypatch.setenv("TEST_KEY", KEY)
    file = tmp_path / "alerts.jsonl"
    file.write_bytes(b"\n".join([told("opened", 1), b"nonsense", told("closed", 1)]) + b"\n")
    ran = await asyncio.to_thread(
        surgewatch, "notify", "--config", config, "--from", file, "--bootstrap", "nowhere:1"
    )
    assert ran.code == 0
    assert ran.text.count("[REPLAY]") == 4
    assert receiver.requests == []
    ran = await asyncio.to_thread(
        surgewatch, "notify", "--config", config, "--from", file, "--deliver"
    )
    assert (ran.code, ran.text) == (0, "delivered 4 of 4, as a replay")
    assert paged(receiver) == [
        ("trigger", f"replay/{name_of(1)}"),
        ("resolve", f"replay/{name_of(1)}"),
    ]
    hooks = [r for r in receiver.accepted if r.path == "/hook"]
    assert {r.headers["X-Surgewatch-Replay"] for r in hooks} == {"true"}
    assert json.loads(hooks[0].body)[0]["correlationid"] == name_of(1)
    assert rfc3339(0)


def test_no_route_and_no_secret_are_said(surgewatch: Command, config: Path) -> None:
    """A notifier that could tell nobody does not start."""
    ran = surgewatch("notify", "--config", config)
    assert ran.code == 2
    assert "notify.routes: there is none" in ran.err
    with config.open("a") as file:
        file.write('[[notify.routes]]\nname = "a"\nto = "pagerduty"\nsecret_env = "NOT_THERE"\n')
    ran = surgewatch("notify", "--config", config)
    assert ran.code == 2
    assert "NOT_THERE: the environment variable is not set" in ran.err
