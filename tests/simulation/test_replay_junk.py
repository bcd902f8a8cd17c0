"""Memory under a flood of junk hashtags: bounded, told, and a true wave is still seen."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import orjson
import pytest

from streams.simulate import JunkTags, Origin, Tag, Wave, compose
from tests.harness import Json, configured, replay, violations

if TYPE_CHECKING:
    from pathlib import Path

MEMORY_MB_MAX = 500
DAYS, AT = 1.5, 0.85
MEASURED = """
import sys
from streams.cli import main
assert main(sys.argv[1:]) == 0
for line in open("/proc/self/status"):
    if line.startswith("VmHWM"):
        print(line, file=sys.stderr)
"""
"""The command, and then the peak of its memory; ``getrusage`` would count the parent's, too."""


def flooded(tags: int) -> bytes:
    """A day and a half with a flood of hashtags used once, and in the same hour a wave from FR."""
    wave = Wave(
        name="wave",
        at=AT,
        origins=(Origin("FR"),),
        tags=(Tag("nuitdeslanternes", 0.95),),
        strength=4.0,
        doubling_minutes=8.0,
        half_life_hours=1.5,
    )
    world = compose([JunkTags(at=AT, tags=tags), wave], days=DAYS, rate=0.3, seed=4)
    return b"".join(world.blocks())


def check_found_and_told(alerts: list[Json]) -> None:
    """The wave is the one incident, its cause is right, and the overflow is reported."""
    opened = [alert for alert in alerts if alert["type"] == "surgewatch.incident.opened.v1"]
    assert len(opened) == 1
    last = [alert for alert in alerts if "incident_id" in alert["data"]][-1]
    assert last["subject"] == "pair/FR/nuitdeslanternes"
    assert last["data"]["data_quality"]["series_dropped"] > 0
    capped = [alert for alert in alerts if alert["type"] == "surgewatch.pipeline.capped.v1"]
    assert capped
    assert all(alert["data"]["details"]["series_dropped"] > 0 for alert in capped)
    assert violations("alert", alerts) == []


def test_flood_over_the_limits() -> None:
    """Twenty times more junk than the limits take is dropped and told; the wave is found."""
    limits = {"live_series": 2_000, "series_per_bucket": 500}
    outcome = replay(flooded(40_000), configured(limits=limits))
    check_found_and_told(outcome.alerts)
    assert outcome.summary.intake.series_dropped > 1_000


def test_flood_within_the_limits_changes_nothing() -> None:
    """Junk below the limits is told nowhere, and the wave's incident has no junk in it."""
    outcome = replay(flooded(5_000))
    assert outcome.of_type("pipeline.capped") == []
    (data,) = outcome.incidents
    assert not [entry for entry in data["hashtags"] if entry["hashtag"].startswith("junk")]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
def test_a_million_junk_hashtags(tmp_path: Path) -> None:
    """A million junk hashtags in an hour: under 500 MB, overflow told, wave found."""
    log, alerts = tmp_path / "junk.jsonl", tmp_path / "alerts.jsonl"
    log.write_bytes(flooded(1_000_000))
    args = ["replay", str(log), "--out", str(alerts)]
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *args], capture_output=True, check=True, text=True
    )
    peak_kib = int(done.stderr.split()[-2])
    print(f"peak {peak_kib} KiB")  # noqa: T201
    assert peak_kib < MEMORY_MB_MAX * 1_000_000 / 1_024
    check_found_and_told([orjson.loads(line) for line in alerts.read_bytes().splitlines()])
