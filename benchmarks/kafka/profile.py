"""Where a worker's time goes: samples of its stacks, sorted by what they were doing."""

from __future__ import annotations

import signal
from collections import Counter
from typing import TYPE_CHECKING

from benchmarks.kafka.peers import PeerError, install
from benchmarks.kafka.pipeline import settled
from benchmarks.kafka.workload import gate
from tests.broker import Child

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.kafka.pipeline import Pipeline
    from benchmarks.kafka.workload import Log

SAMPLES_A_SECOND = 250
LIMIT_S = 60

# The first part of a frame's text that is found counts, from the innermost frame outwards.
PARTS = (
    ("streams/kafka/snapshot", "snapshots: pickle, compress, sign"),
    ("streams/codec/decode", "decoding and checking posts (msgspec inside)"),
    ("streams/codec/timestamps", "decoding and checking posts (msgspec inside)"),
    ("streams/codec/memory", "decoding and checking posts (msgspec inside)"),
    ("encode_tally", "tallies to bytes and back"),
    ("decode_tally", "tallies to bytes and back"),
    ("streams/stages/ingest", "counting: who is foreign, hashtags, open buckets"),
    ("streams/stages/cells", "counting: who is foreign, hashtags, open buckets"),
    ("streams/stages/pseudonym", "counting: who is foreign, hashtags, open buckets"),
    ("streams/stages/watermark", "counting: who is foreign, hashtags, open buckets"),
    ("streams/stages/correlate", "correlate"),
    ("streams/stages/", "detect: merge, fresh users, scores, learning"),
    ("detectors/", "detect: merge, fresh users, scores, learning"),
    ("streams/kafka/machines", "machines: lists of values and offsets"),
    ("aiokafka/consumer", "reading: aiokafka's fetcher and records"),
    ("aiokafka/record", "reading: aiokafka's fetcher and records"),
    ("aiokafka/producer", "rounds: aiokafka's producer"),
    ("aiokafka/", "aiokafka's connections"),
    ("streams/kafka/", "the worker's own loops"),
    ("faust/", "Faust and mode"),
    ("mode/", "Faust and mode"),
    ("asyncio/", "asyncio"),
)
OTHER = "other"
IDLE = ("Selector.select (", "_worker (")
"""Innermost frames of threads that wait."""


def part_of(stack: list[str]) -> str:
    """What a stack, outermost frame first, was doing."""
    for frame in reversed(stack):
        for text, part in PARTS:
            if text in frame:
                return part
    return OTHER


def shares(collapsed: str) -> list[tuple[str, float]]:
    """Parts and their share of all samples, the largest first."""
    counts: Counter[str] = Counter()
    for line in collapsed.splitlines():
        stack, _, number = line.rpartition(" ")
        if any(idle in stack.rpartition(";")[2] for idle in IDLE):
            continue
        counts[part_of(stack.split(";"))] += int(number)
    total = sum(counts.values()) or 1
    return [(part, count / total) for part, count in counts.most_common()]


async def profile(pipeline: Pipeline, log: Log, last_bucket: int, directory: Path) -> str:
    """Stacks of a worker that does its whole job with a log, as py-spy collapses them.

    Raises:
        PeerError: py-spy cannot be had, or may not look into processes here.
    """
    spy = install("py-spy") / "py-spy"
    bootstrap, posts = pipeline.options["bootstrap_servers"], pipeline.topics.posts
    stacks = directory / "stacks.txt"
    async with gate(bootstrap, log, posts, 1) as open_gate:
        worker = pipeline.start()
        try:
            await settled([worker], 1)
            rate = ("--rate", str(SAMPLES_A_SECOND), "--format", "raw")
            command = [spy, "record", "--pid", str(worker.pid), *rate, "--output", stacks]
            recorder = Child(command, directory / "py-spy.log")
            await open_gate()
            await pipeline.outcome_of(last_bucket, [worker])
            recorder.send(signal.SIGINT)
            recorder.ended(LIMIT_S)
        finally:
            worker.stop()
    if not stacks.exists():
        raise PeerError((directory / "py-spy.log").read_text("utf-8").strip()[-200:])
    return stacks.read_text("utf-8")
