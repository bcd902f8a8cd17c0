"""What was measured, as Markdown, and where it goes in docs/performance.md."""

from __future__ import annotations

import os
import re
import statistics
import sys
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.kafka.latency import quantile
from benchmarks.kafka.peers import packages
from benchmarks.kafka.processes import processor

if TYPE_CHECKING:
    from benchmarks.kafka.crowd import Crowd
    from benchmarks.kafka.latency import Told
    from benchmarks.kafka.peers import Figures

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- bench-kafka: generated -->\n", "<!-- bench-kafka: end -->\n"
PLAIN_FAUST = "faust_agent"
ONE, TWO = "surgewatch-1", "surgewatch-2"
OURS = {
    ONE: "**surgewatch, one worker, all stages**",
    TWO: "**surgewatch, two workers on two partitions**",
}


@dataclass
class Row:
    """A contestant: its rounds, or why there are none."""

    what: str
    rounds: list[Figures] = field(default_factory=list)
    failed: str = ""

    @property
    def rate(self) -> float:
        """Posts a second, the median of the rounds."""
        return statistics.median(one.posts / one.seconds for one in self.rounds)

    @property
    def cpu_us(self) -> float:
        """Processor time a post in microseconds, the median."""
        return statistics.median(one.cpu / one.posts * 1e6 for one in self.rounds)

    @property
    def peak_mib(self) -> float:
        """The most memory of one process in any round."""
        return max(one.peak_mib for one in self.rounds)


@dataclass
class Results:
    """All that a run has measured; what was left out is None or empty."""

    posts: int
    bytes_a_post: float
    rounds: int
    rows: dict[str, Row] = field(default_factory=dict)
    told: Told | None = None
    waves: int = 0
    crowd: Crowd | None = None
    profile: list[tuple[str, float]] = field(default_factory=list)
    profile_failed: str = ""

    def markdown(self) -> str:
        """Everything as Markdown."""
        parts = [_machine(self), _speed(self), _asked(self)]
        if self.profile or self.profile_failed:
            parts.append(_profile(self))
        return "\n".join(parts)


def write(text: str) -> None:
    """Put it between the markers of docs/performance.md."""
    before, _, rest = DOCUMENT.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    assert after, "docs/performance.md has lost its markers"
    DOCUMENT.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", "utf-8")


def _machine(results: Results) -> str:
    kafka = re.search(r"<version>(4[\d.]+)</version>", (ROOT / "tests/pom.xml").read_text("utf-8"))
    pins = [pin for name in ("bytewax", "pathway", "quixstreams") for pin in packages(name)]
    peers = ", ".join(re.sub(r"\[.*\]", "", pin).replace("==", " ") for pin in pins[:1] + pins[2:])
    return (
        f"{processor()}, {os.cpu_count()} cores for everything, broker and harness too; Python "
        f"{sys.version.split()[0]}, Kafka {kafka[1] if kafka else '?'}, "
        f"aiokafka {version('aiokafka')}, faust-streaming {version('faust-streaming')}, {peers}. "
        f"{results.posts:,} posts of {results.bytes_a_post:.0f} bytes; interleaved rounds: "
        f"{results.rounds}, medians, in brackets the slowest and the fastest.\n"
    )


def _speed(results: Results) -> str:
    lines = ["| what | posts/s | CPU µs a post | peak memory, MiB |", "| --- | --- | --- | --- |"]
    for row in results.rows.values():
        if row.failed:
            lines.append(f"| {row.what} | {row.failed} | – | – |")
            continue
        rates = [one.posts / one.seconds for one in row.rounds]
        spread = f" ({min(rates):,.0f}–{max(rates):,.0f})" if len(rates) > 1 else ""
        lines.append(
            f"| {row.what} | {row.rate:,.0f}{spread} | {row.cpu_us:.1f} | {row.peak_mib:,.0f} |"
        )
    return "\n".join(lines) + "\n"


def _asked(results: Results) -> str:
    lines = ["| what | asked | measured |", "| --- | --- | --- |"]
    rows = [*_asked_speed(results), *_asked_latency(results), *_asked_memory(results)]
    return "\n".join([*lines, *(f"| {a} | {b} | {c} |" for a, b, c in rows)]) + "\n"


def _asked_speed(results: Results) -> list[tuple[str, str, str]]:
    one, two = results.rows[ONE], results.rows[TWO]
    rows = []
    if not one.failed:
        rows.append(("one worker, the whole job", "150,000 posts/s", f"{one.rate:,.0f} posts/s"))
    plain = results.rows.get(PLAIN_FAUST)
    if plain and not plain.failed and not one.failed:
        times = f"{one.rate / plain.rate:.1f} times"
        rows.append(("… against a plain Faust agent", "10 times", times))
    windowed = [
        row for name, row in results.rows.items() if name.endswith("_window") and not row.failed
    ]
    if windowed and not one.failed:
        best = max(windowed, key=lambda row: row.rate)
        name = best.what.partition(",")[0]
        ratio = f"{one.rate / best.rate:.2f} times {name}"
        rows.append(("… against the fastest peer's windowed count", "ahead", ratio))
    if not one.failed and not two.failed:
        ratio = f"{two.cpu_us / one.cpu_us:.2f} times"
        rows.append(("CPU a post, two workers against one", "at most 1.15 times", ratio))
    return rows


def _asked_latency(results: Results) -> list[tuple[str, str, str]]:
    told = results.told
    if told is None:
        return []
    load = f"at {told.posts_a_second:,.0f} posts/s"
    rows = []
    for what, asked, seconds in (
        (f"post to provisional alert, {load}", "p50 0.5 s, p99 1 s", told.provisional),
        ("end of a bucket's time to confirmed alert", "–", told.after_close),
        ("post to confirmed alert", "–", told.confirmed),
    ):
        figures = "none was read"
        if seconds:
            figures = (
                f"p50 {quantile(seconds, 0.5):.2f} s, p99 {quantile(seconds, 0.99):.2f} s; "
                f"{len(seconds)} of {results.waves} waves"
            )
        rows.append((what, asked, figures))
    rows.append((f"… share of a core that the worker needs {load}", "–", _cores(told)))
    return rows


def _cores(told: Told) -> str:
    return f"{told.worker_cpu_share:.0%}"


def _asked_memory(results: Results) -> list[tuple[str, str, str]]:
    crowd = results.crowd
    if crowd is None:
        return []
    live = f"{crowd.series:,} live series"
    megabytes = max(crowd.peak_mib, crowd.peak_again_mib) * 1.048576
    return [
        (f"peak memory with {live}", "400 MB", f"{megabytes:.0f} MB"),
        (f"restart after kill -9 with {live}, to the next commit", "10 s", _seconds(crowd)),
    ]


def _seconds(crowd: Crowd) -> str:
    return f"{crowd.restart_s:.1f} s, of which loading {crowd.load_s:.1f} s"


def _profile(results: Results) -> str:
    if results.profile_failed:
        return f"No profile: {results.profile_failed}\n"
    lines = ["| what the worker does | share of its time |", "| --- | --- |"]
    lines += [f"| {part} | {share:.1%} |" for part, share in results.profile]
    return "\n".join(lines) + "\n"
