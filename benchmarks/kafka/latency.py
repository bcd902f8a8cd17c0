"""From the post that starts a wave to the alert that a consumer reads, under a steady load.

A day of sparse history is published first, so that what is usual is known. Then home and known
foreign users write at a steady rate, event time running like a clock, and again and again a small
wave of new users comes in, each under a hashtag and from a region of its own: each is an incident
of its own. All posts of a wave are written at once, so the one that pushes its series over the
limit is among them, whichever it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

from benchmarks.kafka.pipeline import Pipeline, settled
from benchmarks.kafka.processes import cpu_seconds
from benchmarks.kafka.workload import (
    FOREIGN,
    MINUTE_MS,
    START_MS,
    Feeder,
    marker,
    producer,
    time_text,
)
from streams.codec.regions import REGIONS as REGION_CODES

if TYPE_CHECKING:
    from pathlib import Path

    from aiokafka import AIOKafkaProducer

REGIONS = sorted(REGION_CODES - {"CN", "ZZ"})
USUAL, OTHERS = REGIONS[:40], REGIONS[40:]
TAGS = 200
NEW_A_MINUTE = 30
KNOWN_HOURS = 5
"""Less than ``detection.fresh_for``: who has written in them is not fresh."""
HOME_USERS = 400_000
TICK_S = 0.01
QUIET_S = 5.0
"""Of steady load before the first wave."""
AFTER_S = 20.0
"""That a confirmed alert may take beyond the time that its bucket stays open."""
PROVISIONAL, OPENED = "surgewatch.incident.provisional.v1", "surgewatch.incident.opened.v1"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured, and under what."""

    posts_a_second: int = 10_000
    waves: int = 60
    wave_users: int = 30
    bucket_s: int = 60
    lateness_s: int = 120
    warmup_h: int = 24

    @property
    def config(self) -> str:
        """The settings of the worker."""
        return (
            f'[time]\nbucket = "{self.bucket_s}s"\nallowed_lateness = "{self.lateness_s}s"\n'
            f'max_jump = "{max(self.lateness_s, self.bucket_s)}s"\n'
            f'[detection]\nwarmup = "{self.warmup_h}h"\n'
        )


@dataclass
class Told:
    """Seconds from each wave to its alerts, and how the load was kept up.

    ``after_close`` is what a confirmed alert took once event time had passed its bucket and the
    allowed lateness.
    """

    provisional: list[float] = field(default_factory=list)
    confirmed: list[float] = field(default_factory=list)
    after_close: list[float] = field(default_factory=list)
    posts_a_second: float = 0.0
    worker_cpu_share: float = 0.0


def quantile(values: list[float], share: float) -> float:
    """The smallest value that so large a share does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class World:
    """Who writes; event time begins at START_MS."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._rng = random.Random(1)  # noqa: S311 - not for secrets
        self._number = 0
        self.live_ms = START_MS + (plan.warmup_h + 2) * 60 * MINUTE_MS
        self._known: list[tuple[str, str, str]] = []

    def _post(self, ms: int, user: str, region: str, tag: str) -> bytes:
        self._number += 1
        lang, tags = ("zh", "") if region == "CN" else ("en", f'"{tag}"')
        return (
            f'{{"post_id":"{self._number:020x}","created_at":"{time_text(ms)}",'
            f'"user_id":"{user}","region":"{region}","hashtags":[{tags}],"lang":"{lang}",'
            f'"account_created_at":"2024-11-03T10:00:00Z"}}'
        ).encode()

    def _newcomer(self) -> tuple[str, str, str]:
        person = (
            f"n{self._number}",
            self._rng.choice(USUAL),
            f"tag{int(self._rng.paretovariate(1.0)) % TAGS}",
        )
        self._known.append(person)
        return person

    async def history(self, feeder: Feeder) -> None:
        """Write what was before."""
        step = MINUTE_MS // NEW_A_MINUTE
        since = self.live_ms - KNOWN_HOURS * 60 * MINUTE_MS
        for ms in range(START_MS, self.live_ms, step):
            if ms < since:
                self._known.clear()
            await feeder.put(0, self._post(ms, *self._newcomer()))
        await feeder.put(0, marker(self.live_ms))
        await feeder.flush()

    def steady(self, ms: int) -> bytes:
        """One post of the steady load."""
        rng = self._rng
        if rng.random() >= FOREIGN:
            return self._post(ms, f"h{rng.randrange(HOME_USERS):06d}", "CN", "")
        if rng.random() < NEW_A_MINUTE / 60 / (FOREIGN * self.plan.posts_a_second):
            return self._post(ms, *self._newcomer())
        return self._post(ms, *rng.choice(self._known))

    def wave(self, number: int, ms: int) -> list[bytes]:
        """The posts of a wave."""
        region = OTHERS[number % len(OTHERS)]
        people = range(self.plan.wave_users)
        return [self._post(ms, f"w{number}x{i}", region, tag_of(number)) for i in people]


def tag_of(number: int) -> str:
    """A wave's hashtag."""
    return f"wave{number:04d}"


class Run:
    """The load, the waves, and who waits for their alerts."""

    def __init__(self, plan: Plan, world: World, topic: str) -> None:
        self.plan = plan
        self.world = world
        self._topic = topic
        self._began = 0.0
        self._waves: dict[int, float] = {}
        self._seen: dict[str, dict[int, float]] = {PROVISIONAL: {}, OPENED: {}}
        self._complete = {kind: asyncio.Event() for kind in self._seen}
        self._sent = 0
        self._over = False

    def _event_ms(self, now: float) -> int:
        return self.world.live_ms + int((now - self._began) * 1000)

    async def load(self, sender: AIOKafkaProducer) -> None:
        """Write at a steady rate, and the waves when their time has come."""
        rng = random.Random(2)  # noqa: S311 - not for secrets
        starts = [QUIET_S + number + rng.random() for number in range(self.plan.waves)]
        self._began = time.monotonic()
        number = 0
        while not self._over:
            now = time.monotonic()
            ms, due = self._event_ms(now), int((now - self._began) * self.plan.posts_a_second)
            feeder = Feeder(sender, self._topic)
            for _ in range(due - self._sent):
                await feeder.put(0, self.world.steady(ms))
            self._sent = due
            if number < len(starts) and now - self._began >= starts[number]:
                self._waves[number] = time.monotonic()
                for post in self.world.wave(number, ms):
                    await feeder.put(0, post)
                number += 1
            await feeder.push()
            await asyncio.sleep(max(0.0, now + TICK_S - time.monotonic()))

    async def read(self, options: dict[str, Any], alerts: str) -> None:
        """Note when each wave's alerts are read."""
        consumer = AIOKafkaConsumer(**options, isolation_level="read_committed")
        await consumer.start()
        try:
            consumer.assign([TopicPartition(alerts, 0)])
            await consumer.seek_to_end()
            while not self._over:
                for records in (await consumer.getmany(timeout_ms=50)).values():
                    now = time.monotonic()
                    for record in records:
                        self._note(record.value, now)
        finally:
            await consumer.stop()

    def _note(self, value: bytes, now: float) -> None:
        alert = orjson.loads(value)
        seen = self._seen.get(alert["type"])
        if seen is None:
            return
        # By its members: the lists of regions and hashtags are those of a whole crowd.
        tags = {member.get("hashtag") for member in alert["data"]["series"]}
        for number in self._waves:
            if tag_of(number) in tags:
                seen.setdefault(number, now)
        if len(seen) == self.plan.waves:
            self._complete[alert["type"]].set()

    async def until_all(self, kind: str, limit_s: float) -> None:
        """Wait for the alerts of a kind of all waves, or no longer than that."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._complete[kind].wait(), limit_s)

    def end(self) -> None:
        """Write and read no more."""
        self._over = True

    def told(self) -> Told:
        """What has come of it."""
        seen = self._seen
        told = Told(posts_a_second=self._sent / (time.monotonic() - self._began))
        told.provisional = [t - self._waves[n] for n, t in seen[PROVISIONAL].items()]
        told.confirmed = [t - self._waves[n] for n, t in seen[OPENED].items()]
        size = self.plan.bucket_s * 1000
        for number, at in seen[OPENED].items():
            ms = self._event_ms(self._waves[number])
            closes = (ms // size + 1) * size + self.plan.lateness_s * 1000
            told.after_close.append(at - self._began - (closes - self.world.live_ms) / 1000)
        return told


async def latency(bootstrap: str, directory: Path, name: str, plan: Plan) -> Told:
    """Measure how long the alerts of waves take; see the module."""
    pipeline = Pipeline(bootstrap, directory, name, plan.config)
    world = World(plan)
    run = Run(plan, world, pipeline.topics.posts)
    async with producer(bootstrap) as sender:
        await world.history(Feeder(sender, pipeline.topics.posts))
        worker = pipeline.start()
        try:
            await settled([worker], 1)
            last = world.live_ms // 1000 // plan.bucket_s
            await pipeline.outcome_of(last - plan.lateness_s // plan.bucket_s - 2, [worker])
            cpu = cpu_seconds(worker.pid)
            began = time.monotonic()
            tasks = [
                asyncio.create_task(run.load(sender)),
                asyncio.create_task(run.read(pipeline.options, pipeline.topics.alerts)),
            ]
            await run.until_all(PROVISIONAL, QUIET_S + plan.waves + AFTER_S)
            await run.until_all(OPENED, plan.bucket_s + plan.lateness_s + AFTER_S)
            told = run.told()
            told.worker_cpu_share = (cpu_seconds(worker.pid) - cpu) / (time.monotonic() - began)
            run.end()
            await asyncio.gather(*tasks)
        finally:
            with contextlib.suppress(Exception):
                worker.stop()
    return told
