"""One worker that watches 100,000 series: the memory it needs, and its restart after a crash."""

from __future__ import annotations

import random
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.kafka.pipeline import Pipeline, Worker, settled
from benchmarks.kafka.processes import peak_mib
from benchmarks.kafka.workload import MINUTE_MS, REGIONS, START_MS, Feeder, marker, time_text
from benchmarks.kafka.workload import producer as make_producer
from streams.kafka.rebuild import kept_state
from streams.kafka.store import read_kept

if TYPE_CHECKING:
    from pathlib import Path

DETECT_STATE = 1
"""The partition of the state topic that the detect unit keeps its state in."""
TAGS_A_BUCKET = 9_000
"""Each is a hashtag and a pair: with them just under ``limits.series_per_bucket``."""
ROUNDS = 3
"""How often the tags come, each time with other users."""
HOME_SHARE = 0.88
CONFIG = '[detection]\nwarmup = "5m"\n[alerts]\nmin_users = 1000000\n'
LOADED = re.compile(r"(\S+): goes on after ([\d.]+) s")


@dataclass(frozen=True, slots=True)
class Crowd:
    """What came out.

    Attributes:
        series: that the detect stage watched at the end.
        posts: that were worked on.
        peak_mib: most memory, of the first worker.
        peak_again_mib: of the one that went on.
        load_s: until its slowest unit had its state, as it logged.
        restart_s: from its start as a process until a bucket published meanwhile was committed.
    """

    series: int
    posts: int
    peak_mib: float
    peak_again_mib: float
    load_s: float
    restart_s: float


class Writer:
    """Writes buckets in which some hashtags, out of many, have a user each."""

    def __init__(self, feeder: Feeder, series: int) -> None:
        # Beside hashtags and pairs there are the regions and all.
        self._tags = (series - len(REGIONS) - 1) // 2
        self._feeder = feeder
        self._rng = random.Random(1)  # noqa: S311 - not for secrets
        self.bucket = START_MS // MINUTE_MS
        self.posts = 0

    async def _post(self, region: str, tag: int, foreign: bool) -> None:
        ms = self.bucket * MINUTE_MS + self.posts % MINUTE_MS
        tags, lang = (f'"tag{tag}"', "en") if foreign else ("", "zh")
        value = (
            f'{{"post_id":"{self.posts:020x}","created_at":"{time_text(ms)}",'
            f'"user_id":"u{self.posts}","region":"{region}","hashtags":[{tags}],"lang":"{lang}",'
            f'"account_created_at":"2024-11-03T10:00:00Z"}}'
        )
        self.posts += 1
        await self._feeder.put(0, value.encode())

    async def buckets(self, rounds: int) -> None:
        """Let each tag come so often."""
        for _ in range(rounds):
            for first in range(0, self._tags, TAGS_A_BUCKET):
                for tag in range(first, min(first + TAGS_A_BUCKET, self._tags)):
                    await self._post(REGIONS[tag % len(REGIONS)], tag, foreign=True)
                    while self._rng.random() < HOME_SHARE:
                        await self._post("CN", 0, foreign=False)
                self.bucket += 1
        # Late enough to close the last bucket.
        await self._feeder.put(0, marker((self.bucket + 3) * MINUTE_MS))
        await self._feeder.flush()
        self.bucket += 3


async def crowd(bootstrap: str, directory: Path, name: str, series: int) -> Crowd:
    """Fill a worker, kill it, let another go on."""
    pipeline = Pipeline(bootstrap, directory, name, CONFIG)
    async with make_producer(bootstrap) as sender:
        writer = Writer(Feeder(sender, pipeline.topics.posts), series)
        await writer.buckets(ROUNDS)
        posts = writer.posts
        worker = pipeline.start()
        await settled([worker], 1)
        await pipeline.outcome_of(writer.bucket - 4, [worker])
        peak = peak_mib(worker.pid)
        worker.kill()
        await writer.buckets(1)
        again = pipeline.start()
        try:
            await pipeline.outcome_of(writer.bucket - 4, [again])
            restart_s = time.monotonic() - again.began
            peak_again = peak_mib(again.pid)
        finally:
            # It keeps a snapshot when it is told to stop.
            again.stop()
    watched = await _series(pipeline)
    return Crowd(watched, posts, peak, peak_again, _load_seconds(again), restart_s)


def _load_seconds(worker: Worker) -> float:
    return max(float(seconds) for _, seconds in LOADED.findall(worker.said()))


async def _series(pipeline: Pipeline) -> int:
    """How many series the detect stage's last snapshot holds."""
    kept = await read_kept(pipeline.options, pipeline.topics.state, DETECT_STATE)
    assert kept is not None
    state = kept_state(kept.snapshot, pipeline.settings).machine
    return len(state["stage"]["_rows"])
