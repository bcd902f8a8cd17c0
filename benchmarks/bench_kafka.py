"""How fast is surgewatch on a real broker, beside what else reads Kafka in Python?

Starts a broker of its own, installs the peers into environments of their own, lets everybody read
the same posts in interleaved rounds, and then measures latency, memory and restart of a worker.
Prints Markdown and puts it into docs/performance.md, which says what each row is.

    python -m benchmarks.bench_kafka [--posts N] [--rounds N] [--short]
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.kafka import report, workload
from benchmarks.kafka.crowd import crowd
from benchmarks.kafka.latency import Plan, latency
from benchmarks.kafka.peers import PEERS, PeerError, install, run
from benchmarks.kafka.pipeline import Pipeline, whole_job
from benchmarks.kafka.profile import profile, shares
from tests.broker import Broker, unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.kafka.peers import Figures

POSTS, ROUNDS, SERIES = 1_000_000, 3, 100_000
SHORT_POSTS, SHORT_SERIES = 100_000, 10_000
SHORT_PLAN = Plan(waves=5, bucket_s=10, lateness_s=5, warmup_h=2)
# The log begins at full height, which must not be taken for a surge; without a wait the detector
# judges nearly all of it.
CONFIG = '[detection]\nwarmup = "2m"\n[alerts]\nmin_users = 1000000\n'
PEERS_TOPIC = "bench.posts"


class Bench:
    """One run: its broker, its log, and what has been measured so far."""

    def __init__(self, broker: Broker, directory: Path, posts: int, rounds: int) -> None:
        self.bootstrap = broker.bootstrap
        self.directory = directory
        _say(f"making {posts:,} posts")
        self.log = workload.posts(posts)
        self.last_bucket = workload.last_bucket(posts)
        mean = sum(len(value) for _, _, value in self.log) / posts
        self.results = report.Results(posts, mean, rounds)

    def peers(self) -> None:
        """Install the peers, and give them their topic."""
        for peer in PEERS:
            row = self.results.rows[peer.script] = report.Row(peer.what)
            _say(f"installing what {peer.what} needs")
            try:
                install(peer.environment)
            except PeerError as error:
                row.failed = f"not installed: {error}"
        asyncio.run(self._fill())

    async def _fill(self) -> None:
        await workload.create_topic(self.bootstrap, PEERS_TOPIC)
        async with workload.producer(self.bootstrap) as sender:
            await workload.fill(sender, self.log, PEERS_TOPIC, 1)

    def round(self, number: int, *, with_peers: bool) -> None:
        """Let everybody read the log once."""
        for peer in PEERS if with_peers else ():
            row = self.results.rows[peer.script]
            if not row.failed:
                posts = max(1, round(len(self.log) * peer.share))
                self._once(row, lambda p=peer, n=posts: run(p, self.bootstrap, PEERS_TOPIC, n))
        for workers, name in ((1, report.ONE), (2, report.TWO)):
            row = self.results.rows.setdefault(name, report.Row(report.OURS[name]))
            if not row.failed:
                pipeline = self._pipeline(f"{name}.{number}", workers)
                job = whole_job(pipeline, self.log, self.last_bucket, workers)
                self._once(row, lambda job=job: asyncio.run(job))

    def _once(self, row: report.Row, work: Callable[[], Figures]) -> None:
        try:
            row.rounds.append(work())
        except PeerError as error:
            row.failed = f"failed: {error}"
            _say(f"{row.what}: {row.failed}")
            return
        last = row.rounds[-1]
        _say(f"{row.what}: {last.posts / last.seconds:,.0f} posts/s")

    def _pipeline(self, name: str, partitions: int) -> Pipeline:
        return Pipeline(self.bootstrap, self.directory, name, CONFIG, partitions=partitions)

    def others(self, plan: Plan, series: int) -> None:
        """Measure latency, memory and restart."""
        _say("latency")
        self.results.waves = plan.waves
        self.results.told = asyncio.run(latency(self.bootstrap, self.directory, "latency", plan))
        _say(f"memory with {series:,} series, and restart")
        self.results.crowd = asyncio.run(crowd(self.bootstrap, self.directory, "crowd", series))

    def profile(self) -> None:
        """Look where the time goes."""
        _say("profile")
        pipeline = self._pipeline("profile", 1)
        try:
            stacks = asyncio.run(profile(pipeline, self.log, self.last_bucket, self.directory))
            self.results.profile = shares(stacks)
        except PeerError as error:
            self.results.profile_failed = str(error)


def _say(text: str) -> None:
    print(f"… {text}", file=sys.stderr, flush=True)


def main() -> int:
    """Measure everything, print it, and write it into the document."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--posts", type=int, default=POSTS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument(
        "--short", action="store_true", help="no peers, few posts, nothing written: does it work?"
    )
    args = parser.parse_args()
    if reason := unavailable():
        print(reason, file=sys.stderr)
        return 1
    posts, rounds = (SHORT_POSTS, 1) if args.short else (args.posts, args.rounds)
    with tempfile.TemporaryDirectory(prefix="bench-kafka.") as name:
        broker = Broker(Path(name))
        broker.start()
        try:
            bench = Bench(broker, Path(name), posts, rounds)
            measure(bench, short=args.short)
        finally:
            broker.stop()
    print(text := bench.results.markdown())
    if not args.short:
        report.write(text)
    return complain(bench.results)


def measure(bench: Bench, *, short: bool) -> None:
    """Everything, or without peers and profile."""
    if not short:
        bench.peers()
    for number in range(bench.results.rounds):
        bench.round(number, with_peers=not short)
    bench.others(SHORT_PLAN if short else Plan(), SHORT_SERIES if short else SERIES)
    if not short:
        bench.profile()


def complain(results: report.Results) -> int:
    """1 if something of ours was not measured."""
    assert results.told is not None
    ours = [results.rows[name] for name in report.OURS]
    missing = [f"{row.what}: {row.failed}" for row in ours if row.failed]
    if len(results.told.provisional) < results.waves:
        missing.append("not every wave had its provisional alert")
    if len(results.told.confirmed) < results.waves:
        missing.append("not every wave had its confirmed alert")
    for text in missing:
        print(text, file=sys.stderr)
    return bool(missing)


if __name__ == "__main__":
    sys.exit(main())
