"""How fast is a replay, how much memory does it need? Prints a table in Markdown.

Speed is compared, within one run and in interleaved rounds, with floors: msgspec decoding the
same bytes into a struct, and Python sets taking the foreign users of each series and bucket, with
and without reading the event time. Ratios are what counts; absolute figures drift with the machine.

    python benchmarks/bench_replay.py [rounds]
"""

from __future__ import annotations

import gc
import io
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections import defaultdict
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from detectors.series import hashtag_key
from detectors.users import WHOLE
from streams.codec import encode_post, rfc3339
from streams.codec.regions import REGIONS as REGION_CODES
from streams.events import Closed, Intake, Partials
from streams.logs import LineLog
from streams.pipeline import make_detect
from streams.replay import Replay
from streams.settings import Settings, from_table
from streams.simulate import JunkTags, compose
from streams.simulate.scenarios import parts

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.stages.detect import Detect

CHUNK_BYTES = 262_144
START_MS = 1_736_726_400_000
MINUTE_MS, DAY_MS = 60_000, 86_400_000
POSTS_A_SECOND = 100
REGIONS = sorted(REGION_CODES - {"CN"})[:40]
SPARSE_DAYS, SPARSE_POSTS_A_DAY = 300, 350
SERIES = 100_000
JUNK_TAGS = 1_000_000
MIB = 1 << 20
_PEAK = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
# A process is said to have needed what its parent did when it was forked, so its parent is small.


class BarePost(msgspec.Struct, gc=False):
    """The fields of a post without any check beyond their types."""

    post_id: str
    created_at: str
    user_id: str
    region: str | None = None
    hashtags: list[str] | None = None
    lang: str | None = None
    account_created_at: str | None = None


def busy_log(posts: int, foreign: float) -> bytes:
    """A log of a busy hour: 100 posts a second, of which ``foreign`` are."""
    rng = random.Random(1)  # noqa: S311 - not for secrets
    tags = [f"tag{number}" for number in range(5_000)]
    weights = [1.0 / (number + 10) for number in range(len(tags))]
    lines = []
    for number in range(posts):
        abroad = rng.random() < foreign
        region = rng.choice(REGIONS) if abroad else "CN"
        post = {
            "post_id": f"{number:020x}",
            "created_at": rfc3339(START_MS + number * 1000 // POSTS_A_SECOND),
            "user_id": f"u{int(rng.paretovariate(0.7)) % 400_000:06d}",
            "region": region,
            "hashtags": rng.choices(tags, weights, k=rng.choice((0, 0, 1, 1, 2, 3))),
            "lang": "en" if abroad else "zh",
            "account_created_at": "2024-11-03T10:00:00Z",
        }
        lines.append(encode_post(post))
    return b"\n".join(lines) + b"\n"


def sparse_log() -> bytes:
    """Ten months of 350 posts a day, all foreign, by day and night, from forty regions."""
    rng = np.random.default_rng(1)
    count = SPARSE_DAYS * SPARSE_POSTS_A_DAY
    hour = rng.normal(15.0, 5.0, count) % 24.0
    times = np.sort(rng.integers(SPARSE_DAYS, size=count) * DAY_MS + (hour * 3.6e6).astype(int))
    users = rng.zipf(1.3, count) % 50_000
    regions = (rng.zipf(1.5, count) - 1) % len(REGIONS)
    tags = rng.zipf(1.2, (count, 2)) % 20_000
    lines = [
        encode_post(
            {
                "post_id": f"p{number:08d}",
                "created_at": rfc3339(START_MS + int(ms)),
                "user_id": f"u{user}",
                "region": REGIONS[region],
                "hashtags": [f"tag{tag}" for tag in some],
                "lang": "en",
            }
        )
        for number, (ms, user, region, some) in enumerate(
            zip(times.tolist(), users.tolist(), regions.tolist(), tags.tolist(), strict=True)
        )
    ]
    return b"\n".join(lines) + b"\n"


def floor(data: bytes, *, timed: bool) -> None:
    """Decode, and add foreign users to sets.

    With ``timed`` the event time is read, as counting by event time must; without, its first
    characters name the bucket, which no real log allows: no pipeline in Python can be faster.
    """
    decoder = msgspec.json.Decoder(BarePost)
    buckets: dict[str | int, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    start = 0
    while start < len(data):
        end = data.rfind(b"\n", start, start + CHUNK_BYTES) + 1
        for post in decoder.decode_lines(data[start:end]):
            bucket: str | int = post.created_at[:16]
            if timed:
                bucket = int(datetime.fromisoformat(post.created_at).timestamp()) // 60
            region = post.region
            if region == "CN" or post.lang == "zh":
                continue
            series, user = buckets[bucket], post.user_id
            series["all"].add(user)
            series[f"region/{region}"].add(user)
            for tag in post.hashtags or ():
                series[f"hashtag/{tag}"].add(user)
                series[f"pair/{region}/{tag}"].add(user)
        start = end


def replayed(data: bytes, settings: Settings) -> None:
    """Replay a log from memory, with everything but files."""
    log = LineLog("log.jsonl", len(data), io.BytesIO(data), b"", settings.limits.record_bytes)
    for _ in Replay(settings, [log], on_reject=lambda _: None).run():
        pass


def cpu_seconds(work: Callable[[], None]) -> float:
    """Processor time of one call; our commands set the collector as it is set here."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)
    begun = time.process_time()
    work()
    return time.process_time() - begun


def speed(posts: int, foreign: float, rounds: int) -> list[tuple[str, str]]:
    """Posts a second of the floors and the replay, and the ratio of the replay to each floor."""
    data = busy_log(posts, foreign)
    # A short warm-up, so that the detector judges most of the hour instead of waiting for it. The
    # log begins at full height, which must not be taken for a surge.
    settings = from_table({"detection": {"warmup": "10m"}, "alerts": {"min_users": 1_000_000}})
    ways: dict[str, Callable[[], None]] = {
        "floor: decode and sets": lambda: floor(data, timed=False),
        "floor: decode, read the time, and sets": lambda: floor(data, timed=True),
        "replay": lambda: replayed(data, settings),
    }
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            spent[name].append(cpu_seconds(way))
    log = f"{foreign:.0%} foreign, {len(data) / posts:.0f} bytes a post"
    rows = []
    for name, seconds in spent.items():
        ratios = [a / b for a, b in zip(seconds, spent["replay"], strict=True)]
        told = (
            "" if name == "replay" else f", of which the replay has {statistics.median(ratios):.2f}"
        )
        rows.append((f"{name}, {log}", f"{posts / statistics.median(seconds):,.0f} posts/s{told}"))
    return rows


def many_series(bucket: int, first: int, count: int) -> Partials:
    """A bucket in which ``count`` hashtags, from number ``first`` on, have one user each."""
    users = np.sort(np.random.default_rng(bucket).integers(WHOLE, size=count))
    keys = ["all", *sorted(hashtag_key(f"t{number:07d}") for number in range(first, first + count))]
    user = np.concatenate([users, users])
    return Partials(
        partition=0,
        bucket=bucket,
        series=keys,
        ends=np.concatenate([[count], count + 1 + np.arange(count)]),
        theta=np.full(len(keys), WHOLE, dtype=np.int64),
        user=user,
        post=user,
        lang=np.zeros(len(user), dtype=np.int16),
        flags=np.zeros(len(user), dtype=np.uint8),
        langs=["en"],
    )


class Crowded:
    """A detect stage that watches 100,000 series."""

    def __init__(self) -> None:
        settings = from_table(
            {"limits": {"live_series": 2 * SERIES}, "detection": {"warmup": "10m"}}
        )
        self.detect: Detect = make_detect(settings, [0], points=False)
        self.bucket = START_MS // MINUTE_MS

    def close(self, first: int, count: int) -> float:
        """Close a bucket in which ``count`` series are touched; milliseconds it took."""
        partials = many_series(self.bucket, first, count)
        begun = time.process_time()
        self.detect.partials(partials)
        self.detect.closed(Closed(0, self.bucket, Intake()))
        self.bucket += 1
        return (time.process_time() - begun) * 1e3

    def fill(self) -> None:
        """Bring all series to life, ten thousand a bucket."""
        for first in range(0, SERIES, SERIES // 10):
            self.close(first, SERIES // 10)


def closing() -> list[tuple[str, str]]:
    """Time to close a bucket with 100,000 live series, by how many of them it touches."""
    crowded = Crowded()
    crowded.fill()
    rows = []
    for touched in (100, 10_000, SERIES):
        starts = range(0, SERIES, max(SERIES // 10, 1)) if touched < SERIES else range(3)
        spent = [crowded.close(first, touched) for first in starts]
        name = f"close a bucket with {SERIES:,} live series, {touched:,} of them touched"
        rows.append((name, f"{statistics.median(spent):.1f} ms"))
    # An hour is learned two hours after its end, with the first bucket of a new one.
    slowest = max(crowded.close(0, 1) for _ in range(4 * 60))
    rows.append(("… the first of an hour, which learns a past one", f"{slowest:.1f} ms"))
    assert crowded.detect.rows_live >= SERIES
    return rows


def bytes_a_series() -> float:
    """Memory that a series holds once it has fallen quiet, in bytes."""
    tracemalloc.start()
    crowded = Crowded()
    crowded.close(0, 1)
    before = tracemalloc.get_traced_memory()[0]
    crowded.fill()
    for _ in range(13 * 60):
        crowded.close(0, 1)
    gc.collect()
    held = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return held / crowded.detect.rows_live


def sparse() -> tuple[int, float]:
    """Posts of a sparse log of ten months, and seconds of a replay at one-minute buckets."""
    data = sparse_log()
    settings = from_table({"origin": {"home_regions": [], "home_languages": []}})
    return data.count(b"\n"), cpu_seconds(lambda: replayed(data, settings))


def junk_flood() -> tuple[int, float, str]:
    """Posts, peak memory (MiB) and verdict of a replay through a million junk hashtags."""
    script = Path(sys.executable).with_name("surgewatch")
    usual = [
        replace(part, tags=JUNK_TAGS) if isinstance(part, JunkTags) else part
        for part in parts("junk_tags", 2.0)
    ]
    with tempfile.TemporaryDirectory() as directory:
        log, alerts = Path(directory, "log.jsonl"), Path(directory, "alerts.jsonl")
        posts = 0
        with log.open("wb") as out:
            for block in compose(usual, days=2.0, rate=1.0, seed=1).blocks():
                out.write(block)
                posts += block.count(b"\n")
        command: list[str | Path] = [script, "replay", log, "--out", alerts]
        peak = subprocess.run(
            [sys.executable, "-c", _PEAK, *command], check=True, capture_output=True, text=True
        ).stdout
        found = b'"nuitdeslanternes"' in alerts.read_bytes()
    return posts, int(peak) * 1024 / MIB, "found" if found else "MISSED"


def main(rounds: int = 5) -> None:
    """Measure everything and print the table."""
    rows: list[tuple[str, str]] = []
    for posts, foreign in ((300_000, 0.12), (120_000, 1.0)):
        rows += speed(posts, foreign, rounds)
    rows += closing()
    rows.append(("memory of a quiet series", f"{bytes_a_series():,.0f} bytes"))
    posts, seconds = sparse()
    rows.append((f"{SPARSE_DAYS} days of {posts:,} foreign posts, 1 m buckets", f"{seconds:.1f} s"))
    posts, peak, found = junk_flood()
    name = f"peak memory, {JUNK_TAGS:,} junk hashtags in an hour, {posts:,} posts"
    rows.append((name, f"{peak:.0f} MiB, the wave among them {found}"))
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} cores, {rounds} rounds, medians\n")
    print("| what | figure |\n| --- | --- |")
    for what, figure in rows:
        print(f"| {what} | {figure} |")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
