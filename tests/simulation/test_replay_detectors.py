"""Other detectors than the scan over simulated logs, from the configuration to the alerts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
import pytest

from streams.simulate import Origin, Tag, Wave, compose
from tests.harness import Json, configured, confirmed, replay, violations

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness import Command

TREES = {"name": "river.anomaly.HalfSpaceTrees", "n_trees": 3, "height": 4, "window_size": 100}
FRAGILE = '''"""Fails in every series that had a dozen fresh users in a bucket."""
from river import base


class Fragile(base.AnomalyDetector):
    def learn_one(self, x):
        if x["fresh"] > 2.5:
            raise RuntimeError("\\x1b[2Jtoo much")

    def score_one(self, x):
        return x["fresh"]
'''


def log() -> bytes:
    """Six days with a wave from FR in the last."""
    wave = Wave(
        name="wave",
        at=0.88,
        origins=(Origin("FR"),),
        tags=(Tag("nuitdeslanternes", 0.95),),
        strength=3.0,
        doubling_minutes=10.0,
        half_life_hours=1.5,
    )
    return b"".join(compose([wave], days=6.0, rate=0.2, seed=4).blocks())


def settings(detector: str, detectors: list[object]) -> Json:
    return {
        "detection": {"detector": detector, "parameters": {"detectors": detectors}},
        "time": {"bucket": "15m"},
        "limits": {"watched_series": 12},
    }


@pytest.mark.parametrize("how", ["any", "weighted"])
def test_combined_detectors_do_not_ask_how_posts_came(how: str) -> None:
    """A log dealt out to two partitions gives the confirmed alerts of the log, and the wave."""
    lines = log().splitlines(keepends=True)
    chosen = configured(**settings(how, ["scan", TREES]))
    whole = replay(b"".join(lines), chosen)
    halves = {"a.jsonl": b"".join(lines[::2]), "b.jsonl": b"".join(lines[1::2])}
    split = replay(halves, chosen)
    assert confirmed(split.lines) == confirmed(whole.lines)
    assert violations("alert", whole.alerts) == []
    opened = whole.of_type("incident.opened")
    assert any(alert["data"]["hashtag"] == "nuitdeslanternes" for alert in whole.alerts)
    assert all(alert["data"]["threshold"] <= 1.0 <= alert["data"]["score"] for alert in opened)


def test_failing_detector_is_told(
    surgewatch: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An installed detector that fails takes its series out, not the run, and is told."""
    info = tmp_path / "fragile-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: fragile\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[surgewatch.detectors]\nfragile.It = fragile:Fragile\n")
    (tmp_path / "fragile.py").write_text(FRAGILE)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "log.jsonl").write_bytes(log())
    config, alerts = tmp_path / "c.toml", tmp_path / "alerts.jsonl"
    config.write_text(
        '[detection]\ndetector = "any"\nparameters.detectors = ["scan", "fragile.It"]\n'
        '[time]\nbucket = "15m"\n'
    )
    ran = surgewatch("replay", tmp_path / "log.jsonl", "--config", config, "--out", alerts)
    assert ran.code == 0
    found = [orjson.loads(line) for line in alerts.read_bytes().splitlines()]
    assert violations("alert", found) == []
    told = [a for a in found if a["type"] == "surgewatch.pipeline.detector.v1"]
    assert told
    assert told[0]["data"]["details"]["series_failed"] >= 1
    assert ": RuntimeError:  [2Jtoo much" in told[0]["data"]["details"]["message"]
    assert any(a["type"] == "surgewatch.incident.opened.v1" for a in found), "the scan goes on"
    said = ran.text + ran.message
    assert "The detector failed in some series, which are no longer judged; the first" in said
    assert "\x1b" not in said
