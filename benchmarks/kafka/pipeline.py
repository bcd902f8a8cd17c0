"""surgewatch as it is measured: its commands in processes of their own, watched from outside."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaConsumer, TopicPartition

from benchmarks.kafka.peers import Figures, PeerError
from benchmarks.kafka.processes import cpu_seconds, peak_mib
from benchmarks.kafka.workload import gate
from streams import settings as settings_module
from streams.codec.records import decode_outcome
from streams.events import Outcome
from streams.kafka.frames import Assembler
from streams.kafka.topics import Topics
from tests.broker import Child

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmarks.kafka.workload import Log

KEY = "a key for benchmarks only"
UNIT = re.compile(r" (ingest-\d+|detect|correlate): (?:starts anew|goes on|(given up))")
SETTLED_S = 3.0
LIMIT_S = 600
STOP_S = 30


class Worker:
    """A ``surgewatch worker`` process; what it logs is in a file."""

    def __init__(self, command: Sequence[str | Path], log: Path) -> None:
        self.log = log
        self.began = time.monotonic()
        self._child = Child(command, log)
        self.pid = self._child.pid

    def said(self) -> str:
        """Its log so far."""
        return self.log.read_text("utf-8") if self.log.exists() else ""

    def check(self, deadline: float, what: str) -> None:
        """Raise ``PeerError`` if it is no more, or the time is over."""
        if not self._child.alive:
            raise PeerError(f"the worker ended: {self._tail()}")
        if time.monotonic() > deadline:
            raise PeerError(f"{what} within {LIMIT_S} s: {self._tail()}")

    def stop(self) -> None:
        """Tell it to stop; end it if it does not."""
        self._child.send(signal.SIGTERM)
        if not self._child.ended(STOP_S):
            self.kill()

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self._child.send(signal.SIGKILL)
        self._child.ended(STOP_S)

    def _tail(self) -> str:
        return " ".join(self.said().splitlines()[-1:])[:300]


class Pipeline:
    """Topics, groups and workers under a name of their own.

    Args:
        bootstrap: of the broker.
        directory: for its files.
        name: which no other pipeline on the broker has.
        config: TOML, without the section ``[kafka]``.
        posts_topic: one that exists; "" for one of its own.
        partitions: of its own topic.
        kafka: more lines for the section ``[kafka]``.
    """

    def __init__(
        self,
        bootstrap: str,
        directory: Path,
        name: str,
        config: str,
        posts_topic: str = "",
        partitions: int = 1,
        kafka: str = "",
    ) -> None:
        self._directory = directory
        self.name = name
        self._config = directory / f"{name}.toml"
        (directory / "key").write_text(KEY, "utf-8")
        section = {
            "bootstrap": bootstrap,
            "app": name,
            "prefix": name,
            "posts_topic": posts_topic,
        }
        lines = [f'{key} = "{value}"' for key, value in section.items()]
        self._config.write_text(
            "\n".join(['[users]\nkey_file = "key"\n[kafka]', *lines, kafka, config]), "utf-8"
        )
        self.settings = settings_module.load(self._config, {}, {})
        self.topics = Topics.of(self.settings)
        self.options = {"bootstrap_servers": bootstrap}
        count = () if posts_topic else ("--partitions", str(partitions))
        self._run("topics", "create", *count)
        self._started = 0

    def command(self, *words: str) -> list[str]:
        """A command of surgewatch with this pipeline's configuration."""
        run = "from streams.cli import main; main()"
        return [sys.executable, "-c", run, *words, "--config", str(self._config)]

    def _run(self, *words: str) -> None:
        done = subprocess.run(self.command(*words), capture_output=True, text=True, check=False)
        if done.returncode:
            raise PeerError(f"surgewatch {' '.join(words)}: {done.stdout} {done.stderr}")

    def start(self, before: Sequence[str | Path] = ()) -> Worker:
        """Start a worker, by way of another program if one is given."""
        self._started += 1
        log = self._directory / f"{self.name}.{self._started}.log"
        return Worker([*before, *self.command("worker")], log)

    async def outcome_of(self, bucket: int, workers: Sequence[Worker]) -> None:
        """Wait until detect has committed what it says of a bucket."""
        deadline = time.monotonic() + LIMIT_S
        consumer = AIOKafkaConsumer(
            **self.options, isolation_level="read_committed", auto_offset_reset="earliest"
        )
        await consumer.start()
        try:
            consumer.assign([TopicPartition(self.topics.episodes, 0)])
            assembler = Assembler()
            while True:
                for records in (await consumer.getmany(timeout_ms=20)).values():
                    for record in records:
                        data = assembler.add(record.value, record.headers)
                        if data is None:
                            continue
                        outcome = decode_outcome(data)
                        if isinstance(outcome, Outcome) and outcome.bucket >= bucket:
                            return
                for worker in workers:
                    worker.check(deadline, f"bucket {bucket} was not closed")
        finally:
            await consumer.stop()


def owned(log: str) -> set[str]:
    """The units that a worker owns, by its log."""
    units: set[str] = set()
    for unit, gone in UNIT.findall(log):
        if gone:
            units.discard(unit)
        else:
            units.add(unit)
    return units


async def settled(workers: Sequence[Worker], partitions: int) -> None:
    """Wait until the workers share all units, each has a partition, and nothing moves any more."""
    everything = {"detect", "correlate", *(f"ingest-{number}" for number in range(partitions))}
    deadline = time.monotonic() + LIMIT_S
    logs, since = "", time.monotonic()
    while True:
        now = "".join(worker.said() for worker in workers)
        if now != logs:
            logs, since = now, time.monotonic()
        shares = [owned(worker.said()) for worker in workers]
        ready = set().union(*shares) == everything and sum(map(len, shares)) == len(everything)
        ready = ready and all(any(u.startswith("ingest") for u in share) for share in shares)
        if ready and time.monotonic() - since > SETTLED_S:
            return
        for worker in workers:
            worker.check(deadline, "the workers did not settle")
        await asyncio.sleep(0.1)


async def whole_job(pipeline: Pipeline, log: Log, last_bucket: int, workers: int) -> Figures:
    """Let workers do everything with a log, from its appearance to its last bucket's outcome."""
    running: list[Worker] = []
    bootstrap, posts = pipeline.options["bootstrap_servers"], pipeline.topics.posts
    async with gate(bootstrap, log, posts, workers) as open_gate:
        try:
            running += [pipeline.start() for _ in range(workers)]
            await settled(running, workers)
            before = [owned(worker.said()) for worker in running]
            done = asyncio.create_task(pipeline.outcome_of(last_bucket, running))
            begun, cpu = time.monotonic(), sum(cpu_seconds(worker.pid) for worker in running)
            await open_gate()
            await done
            seconds = time.monotonic() - begun
            cpu = sum(cpu_seconds(worker.pid) for worker in running) - cpu
            peak = max(peak_mib(worker.pid) for worker in running)
            if before != [owned(worker.said()) for worker in running]:
                raise PeerError("units moved between workers while it was measured")
        finally:
            for worker in running:
                worker.stop()
    return Figures(len(log), seconds, cpu, peak)
