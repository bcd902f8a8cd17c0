"""Configuration through the command line: what is wrong is named, and nothing runs."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import orjson
import pytest

from streams.settings import Settings, from_table
from streams.simulate import Origin, Tag, Wave, compose
from tests.harness import violations
from tests.property.small_worlds import sparse

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness import Command, Json


WRONG = [
    ('[alerts]\nfalse_incidents_per_week = "many"', ("alerts.false_incidents_per_week", "many")),
    ("[alerts]\nfalse_incidents_per_week = 0", ("= 0", "more than 0")),
    ('[time]\nbucket = "7m"', ("time.bucket", "7m", "dividing an hour")),
    ("[time]\nbucket = 60", ("time.bucket", "60")),
    ('[time]\nbuckets = "1m"', ("time.buckets", "did you mean time.bucket?")),
    ('[tine]\nbucket = "1m"', ("tine", "did you mean [time]?")),
    ('[origin]\nhome_regions = ["China"]', ("origin.home_regions", "China", "ISO 3166")),
    ("[limits]\nlive_series = -1", ("limits.live_series", "-1", "10 to")),
    ('[detection]\ndetector = "scam"', ("detection.detector", "scam", "scan")),
    (
        '[detection]\ndetector = "river.anomaly.HalfSpaceTree"',
        ("river.anomaly.HalfSpaceTree", "river.anomaly.HalfSpaceTrees"),
    ),
    (
        '[detection]\ndetector = "river.anomaly.HalfSpaceTrees"\nparameters = {n_tree = 10}',
        ("detection.parameters", "n_tree", "n_trees"),
    ),
    ("[time\n", ("line 1",)),
]


@pytest.mark.parametrize(("toml", "words"), WRONG, ids=[toml for toml, _ in WRONG])
@pytest.mark.parametrize("command", ["check", "replay"])
def test_wrong_setting(
    command: str, toml: str, words: tuple[str, ...], tmp_path: Path, surgewatch: Command
) -> None:
    """A wrong setting ends with 2 and names key, value and what is allowed; nothing is written."""
    config, log, out = (tmp_path / name for name in ("c.toml", "log.jsonl", "alerts.jsonl"))
    config.write_text(toml)
    log.write_bytes(b"\n")
    args = ("replay", log, "--out", out) if command == "replay" else ("config", "check")
    ran = surgewatch(*args, "--config", config)
    assert (ran.code, ran.out) == (2, b"")
    for word in words:
        assert word in ran.message
    assert "Traceback" not in ran.err
    assert not out.exists()


def test_every_problem_at_once(tmp_path: Path, surgewatch: Command) -> None:
    """One check tells all that is wrong, in file and environment."""
    config = tmp_path / "c.toml"
    config.write_text('[time]\nbucket = "7m"\n[alerts]\nmin_users = 1\n')
    ran = surgewatch("config", "check", "--config", config)
    assert "time.bucket" in ran.message
    assert "alerts.min_users" in ran.message


def test_missing_file(tmp_path: Path, surgewatch: Command) -> None:
    """A configuration file that is not there ends with 2 and is named."""
    ran = surgewatch("config", "check", "--config", tmp_path / "none.toml")
    assert ran.code == 2
    assert "none.toml" in ran.message


def test_check(surgewatch: Command) -> None:
    """A valid configuration ends with 0 and gives the fingerprint that alerts carry."""
    ran = surgewatch("config", "check")
    assert ran.code == 0
    assert Settings().fingerprint in ran.text


def test_show_is_a_configuration_file(
    tmp_path: Path, surgewatch: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is shown is TOML that gives the same settings; the environment is over the file."""
    config = tmp_path / "c.toml"
    config.write_text('[time]\nbucket = "5m"\n[alerts]\nmin_users = 7\n')
    monkeypatch.setenv("SURGEWATCH_TIME_BUCKET", "10m")
    ran = surgewatch("config", "show", "--config", config)
    assert ran.code == 0
    shown = from_table(tomllib.loads(ran.out.decode()))
    assert (shown.time.bucket_ms, shown.alerts.min_users) == (600_000, 7)


def test_the_key_is_never_shown(surgewatch: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """The users' key is in no output of the configuration."""
    monkeypatch.setenv("SURGEWATCH_USERS_KEY", "correct horse battery staple")
    for action in ("show", "check"):
        ran = surgewatch("config", action)
        assert ran.code == 0
        assert "horse" not in ran.text + ran.err


def alerts_of(surgewatch: Command, *args: str | Path) -> list[Json]:
    """The alerts that a replay writes."""
    ran = surgewatch("replay", *args, "--out", "-")
    assert ran.code == 0
    return [orjson.loads(line) for line in ran.out.splitlines()]


def test_another_key_gives_the_same_incidents(
    tmp_path: Path, surgewatch: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The users' key changes the fingerprint and nothing else while nothing is sampled."""
    log, config = tmp_path / "log.jsonl", tmp_path / "c.toml"
    log.write_bytes(sparse(5).log)
    config.write_text('[detection]\nwarmup = "0s"\n[alerts]\nfalse_incidents_per_week = 10_000\n')
    first = alerts_of(surgewatch, log, "--config", config)
    monkeypatch.setenv("SURGEWATCH_USERS_KEY", "correct horse battery staple")
    second = alerts_of(surgewatch, log, "--config", config)
    prints = [
        {a["data"].pop("config_fingerprint", None) for a in alerts} for alerts in (first, second)
    ]
    assert prints[0] != prints[1]
    assert first == second != []


RIVER = """
[detection]
detector = "river.anomaly.{name}"
parameters = {{{parameters}}}
[time]
bucket = "10m"
"""


@pytest.fixture(scope="module")
def river_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sparse week with a wave in its last day: their threshold takes days to be learned."""
    wave = Wave(
        name="wave",
        at=0.85,
        origins=(Origin("BR"),),
        tags=(Tag("fiesta", 0.9),),
        strength=3.0,
        doubling_minutes=20.0,
    )
    path = tmp_path_factory.mktemp("logs") / "week.jsonl"
    path.write_bytes(b"".join(compose([wave], days=8.0, rate=0.05, seed=1).blocks()))
    return path


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("GaussianScorer", ""), ("HalfSpaceTrees", "n_trees = 5, height = 5, seed = 1")],
)
def test_river_detector_by_name(
    name: str, parameters: str, river_log: Path, tmp_path: Path, surgewatch: Command
) -> None:
    """River's detectors run end to end by name and find a wave; what they write is valid."""
    config, series, report = (tmp_path / part for part in ("c.toml", "series.jsonl", "r.html"))
    config.write_text(RIVER.format(name=name, parameters=parameters))
    alerts = alerts_of(
        surgewatch, river_log, "--config", config, "--series", series, "--report", report
    )
    assert violations("alert", alerts) == []
    assert "region/BR" in {alert["subject"] for alert in alerts}
    points = [orjson.loads(line) for line in series.read_bytes().splitlines()]
    assert violations("series", points[::20]) == []
    assert points[0]["threshold"] is None
    assert points[-1]["threshold"] > 0
    assert "BR" in report.read_text("utf-8")
