"""backtest, label and calibrate as a user runs them."""

from __future__ import annotations

import getpass
import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import orjson
import pytest

from streams.simulate import simulate
from tests.harness import SCHEMAS, Json, post, violations
from tests.unit.streams.console.test_report import Page

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness import Command, Ran

pytestmark = pytest.mark.usefixtures("here")

DAYS, RATE, SEED = 1.5, 0.1, 3
START_MS = 1_736_294_400_000
EAGER = """\
[time]
bucket = "5m"
[alerts]
false_incidents_per_week = 300
min_users = 3
"""
CALM = EAGER.replace("300", "0.5").replace("min_users = 3", "min_users = 6")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a log that has one wave, its truth, and two configurations."""
    folder = tmp_path_factory.mktemp("world")
    simulation = simulate("hostile", days=DAYS, rate=RATE, seed=SEED)
    (folder / "log.jsonl").write_bytes(b"".join(simulation.blocks()))
    (folder / "truth.jsonl").write_bytes(b"".join(simulation.truth_lines()))
    (folder / "calm.toml").write_text(CALM)
    (folder / "eager.toml").write_text(EAGER)
    return folder


@pytest.fixture
def here(world: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, as the directory of the test."""
    monkeypatch.chdir(world)
    return world


def figures(ran: Ran) -> dict[str, list[str]]:
    """The rows of the table of figures: name to a value for each configuration."""
    assert ran.code == 0, ran.message
    rows = re.findall(r"^([\w ]+?)  +(\S.*)$", ran.out.decode(), re.MULTILINE)
    return {name.strip(): re.split(r"   +", rest.strip()) for name, rest in rows}


def test_two_configurations_against_the_truth(tmp_path: Path, surgewatch: Command) -> None:
    """Both find the wave; the eager one finds it earlier and much else, which is new and false."""
    report = tmp_path / "report.html"
    ran = surgewatch(
        *("backtest", "log.jsonl", "--config", "calm.toml", "--against", "eager.toml"),
        *("--truth", "truth.jsonl", "--report", report),
        *("--sweep", "alerts.false_incidents_per_week=0.5,300"),
    )
    found = figures(ran)
    assert found["waves found"] == ["1 of 1", "1 of 1"]
    assert found["false"][0] == "0"
    assert int(found["false"][1]) > 0
    assert int(found["incidents"][1]) == int(found["false"][1]) + int(found["true"][1])
    assert "earlier by" in ran.text
    assert f"{found['false'][1]} new" in ran.text
    assert "alerts.false_incidents_per_week: 0.5 → 300.0" in ran.text
    assert "alerts.min_users: 6 → 3" in ran.text
    page = Page(report.read_text("utf-8"))
    assert "Waves, as A and B saw them" in page.text
    assert "Sweep of alerts.false_incidents_per_week" in page.text
    assert "script" not in page.elements
    assert page.open == []


def test_a_backtest_finds_what_a_replay_finds(tmp_path: Path, surgewatch: Command) -> None:
    """Incidents of a backtest are those of a replay of the same configuration."""
    alerts = tmp_path / "alerts.jsonl"
    ran = surgewatch("replay", "log.jsonl", "--config", "eager.toml", "--out", alerts)
    assert ran.code == 0
    against = ("--against", "eager.toml")
    found = figures(surgewatch("backtest", "log.jsonl", "--config", "calm.toml", *against))
    assert found["incidents"][1] == f"{len(told_by(alerts))}"


def test_the_same_on_both_sides(surgewatch: Command) -> None:
    """A configuration against itself differs in nothing."""
    ran = surgewatch("backtest", "log.jsonl", "--config", "calm.toml", "--against", "calm.toml")
    assert "From A to B: 1 at the same time." in ran.text
    assert "differ in" not in ran.text


def test_lines_that_are_read_differently(tmp_path: Path, surgewatch: Command) -> None:
    """Where the configurations read lines differently, each gets the log read its own way."""
    short = tmp_path / "short.toml"
    short.write_text("[limits]\nrecord_bytes = 1024\n" + CALM)
    against = ("--config", "calm.toml", "--against", short)
    ran = surgewatch("backtest", "log.jsonl", *against)
    assert ran.code == 0
    assert "limits.record_bytes: 1048576 → 1024" in ran.text
    piped = surgewatch("backtest", "-", *against)
    assert (piped.code, piped.out) == (2, b"")
    assert "save it to a file" in piped.message


def told_by(path: Path) -> dict[str, Json]:
    """The newest data of each incident among alerts."""
    alerts = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    return {a["correlationid"]: a["data"] for a in alerts if "correlationid" in a}


@pytest.mark.parametrize(
    ("option", "value"), [("--note", "x" * 2_001), ("--by", "x" * 201), ("--note", "\udcff")]
)
def test_a_label_that_could_not_be_read_is_not_written(
    tmp_path: Path, surgewatch: Command, option: str, value: str
) -> None:
    """One that is too long would spoil the file that it is appended to."""
    alerts, labels = tmp_path / "a.jsonl", tmp_path / "labels.jsonl"
    told = json.loads((SCHEMAS / "alert.schema.json").read_text("utf-8"))["examples"][0]
    alerts.write_text(json.dumps(told))
    name = told["correlationid"]
    where = ("--alerts", alerts, "--labels", labels)
    ran = surgewatch("label", name, "true", *where, option, value)
    assert ran.code == 2
    assert f"argument {option}: " in ran.message
    assert not labels.exists()
    assert surgewatch("label", name, "true", *where, option, value[:200].strip("\udcff")).code == 0


def test_label_round_trip(tmp_path: Path, surgewatch: Command) -> None:
    """What is labelled under one configuration is known under another, where ids differ."""
    alerts, packed, labels = (tmp_path / n for n in ("a.jsonl", "a.jsonl.zst", "labels.jsonl"))
    for out in (alerts, packed):
        surgewatch("replay", "log.jsonl", "--config", "eager.toml", "--out", out)
    incidents = told_by(alerts)
    for name, data in incidents.items():
        verdict = "true" if data["region"] == "PH" else "false"
        ran = surgewatch(
            *("label", name, verdict, "--alerts", packed, "--labels", labels, "--by", "ann"),
            *("--note", "a\nnote"),
        )
        assert (ran.code, ran.err) == (0, "")
        assert ran.text == f"{name}: {verdict}, by ann, in {labels}"
    written = [json.loads(line) for line in labels.read_text("utf-8").splitlines()]
    assert violations("label", written) == []
    assert [one["data"]["incident_id"] for one in written] == list(incidents)
    assert written[0]["data"]["note"] == "a\nnote"
    found = figures(
        surgewatch(
            *("backtest", "log.jsonl", "--config", "eager.toml", "--against", "calm.toml"),
            *("--labels", labels),
        )
    )
    assert found["false"] == [f"{len(incidents) - 1}", "0"]
    assert found["true"] == ["1", "1"]
    assert found["precision"][1] == "100%"
    assert "not labelled" not in found
    calm = tmp_path / "calm.jsonl"
    surgewatch("replay", "log.jsonl", "--config", "calm.toml", "--out", calm)
    assert set(told_by(calm)).isdisjoint(incidents)


def test_expected_is_neither_false_nor_missed(tmp_path: Path, surgewatch: Command) -> None:
    """Reports of a replay say what labels make of it: precision, and what an expected one was."""
    alerts, labels, report = (tmp_path / n for n in ("a.jsonl", "labels.jsonl", "r.html"))
    surgewatch("replay", "log.jsonl", "--config", "calm.toml", "--out", alerts)
    (name,) = told_by(alerts)
    for verdict, precision in (("false", "0%"), ("expected", "–")):
        ran = surgewatch("label", name, verdict, "--alerts", alerts, "--labels", labels)
        assert ran.code == 0
        again = surgewatch(
            *("replay", "log.jsonl", "--config", "calm.toml", "--labels", labels),
            *("--report", report),
        )
        text = Page(report.read_text("utf-8")).text
        assert f"precision {precision}" in again.text
        assert f"Precision{precision}" in text
        assert "Budget0.5 false incidents a week" in text
        assert "MISSED" not in again.text
    assert len(labels.read_text().splitlines()) == 2


def test_a_report_shows_the_budget(tmp_path: Path, surgewatch: Command) -> None:
    """Without labels the report says what was expected, what was found, and what is not known."""
    report = tmp_path / "r.html"
    ran = surgewatch("replay", "log.jsonl", "--config", "calm.toml", "--report", report)
    text = Page(report.read_text("utf-8")).text
    assert "Budget0.5 false incidents a week" in text
    assert re.search(r"Incidents1 in 12 h judged, 14 \(95%: 0.35 to 78\) a week", text)
    assert "how many of them were false is not known" in text
    assert "Against what is known" not in ran.text


def test_calibrate(here: Path, tmp_path: Path, surgewatch: Command) -> None:
    """It says expected against observed for several settings, and writes only where it is told."""
    before = set(here.iterdir())
    ran = surgewatch("calibrate", "log.jsonl", "--config", "calm.toml", "--out", "-")
    assert ran.code == 0
    for said in (
        "expected 0.5 false incidents a week, as configured",
        "observed 14 a week (95%: 0.35 to 78): 1, all incidents, for want of labels",
        "The budget holds as far as this history can tell",
        "0.5 1 1 14 0.35 to 78 as it is",
    ):
        assert said in ran.message
    assert ran.out.decode().endswith("[alerts]\nfalse_incidents_per_week = 0.5\n")
    assert set(here.iterdir()) == before
    out = tmp_path / "budget.toml"
    ran = surgewatch("calibrate", "log.jsonl", "--config", "eager.toml", "--out", out)
    assert "significantly fewer than the 300 that are acceptable: set 2400" in ran.text
    shown = surgewatch("config", "show", "--config", out)
    assert "false_incidents_per_week = 2400.0" in shown.out.decode()


def test_calibrate_with_labels(tmp_path: Path, surgewatch: Command) -> None:
    """An incident that a label calls true is not taken for a false one."""
    alerts, labels = tmp_path / "a.jsonl", tmp_path / "labels.jsonl"
    surgewatch("replay", "log.jsonl", "--config", "calm.toml", "--out", alerts)
    (name,) = told_by(alerts)
    surgewatch("label", name, "true", "--alerts", alerts, "--labels", labels)
    ran = surgewatch("calibrate", "log.jsonl", "--config", "calm.toml", "--labels", labels)
    assert "observed 0 a week (95%: 0 to 52): 0, what no label calls true or expected" in ran.text


def test_calibrate_needs_a_history(tmp_path: Path, surgewatch: Command) -> None:
    """A log that is shorter than the warm-up calibrates nothing, and says so with exit code 1."""
    log, out = tmp_path / "log.jsonl", tmp_path / "out.toml"
    log.write_bytes(post(1, START_MS, "u", "US") + b"\n")
    ran = surgewatch("calibrate", log, "--out", out)
    assert (ran.code, ran.out) == (1, b"")
    assert "shorter than the warm-up" in ran.message
    assert "Give a longer log" in ran.message
    assert not out.exists()


def test_calibrate_waits_for_its_detector(tmp_path: Path, surgewatch: Command) -> None:
    """What cannot alarm yet has not kept a budget either."""
    config = tmp_path / "river.toml"
    config.write_text(
        '[detection]\ndetector = "river.anomaly.GaussianScorer"\nwarmup = "1d"\n', "utf-8"
    )
    log = tmp_path / "log.jsonl"
    world = ["--scenario", "quiet", "--days", "3", "--rate", "0.2", "--seed", "1"]
    surgewatch("simulate", *world, "--out", log)
    ran = surgewatch("calibrate", log, "--config", config)
    assert ran.code == 1
    assert "Nothing could be judged" in ran.message


WRONG: list[tuple[str, list[str], str]] = [
    ("backtest", ["--config", "none.toml"], "none.toml: cannot be read"),
    ("backtest", ["--against", "none.toml"], "none.toml: cannot be read"),
    ("backtest", ["--truth", "none.jsonl"], "none.jsonl: no such file"),
    ("backtest", ["--truth", "log.jsonl"], "log.jsonl, line 1: wrong_type"),
    ("backtest", ["--labels", "truth.jsonl"], "truth.jsonl, line 1: wrong_type"),
    ("replay", ["--labels", "truth.jsonl"], "truth.jsonl, line 1: wrong_type"),
    ("calibrate", ["--labels", "truth.jsonl"], "truth.jsonl, line 1: wrong_type"),
    ("backtest", ["--report", "truth.jsonl", "--truth", "truth.jsonl"], "is to be read"),
    ("backtest", ["--report", "calm.toml", "--against", "calm.toml"], "is to be read"),
    ("calibrate", ["--out", "calm.toml", "--config", "calm.toml"], "is to be read"),
    ("replay", ["--out", "truth.jsonl", "--truth", "truth.jsonl"], "is to be read"),
    ("backtest", ["--report", "-"], "name a file"),
    ("backtest", ["--report", "missing/r.html"], "there is no such directory"),
    ("backtest", ["--sweep", "alerts.min_users"], "write KEY=V1,V2,…"),
    ("backtest", ["--sweep", "=1,2"], "write KEY=V1,V2,…"),
    ("backtest", ["--sweep", "alerts.min_users=3,,4"], "write KEY=V1,V2,…"),
    ("backtest", ["--sweep", "alerts.min_user=3"], "did you mean alerts.min_users?"),
    ("backtest", ["--sweep", "alerts.min_users=3,x"], '"x" (option --sweep): not a whole number'),
    ("backtest", ["--sweep", "time.bucket=7m"], "does not divide 1h"),
    ("backtest", ["--sweep", "kafka.app=a,b"], "shapes no alerts"),
    ("backtest", ["--sweep", "users.key=0123456789abcdef"], "shapes no alerts"),
    ("backtest", ["--sweep", "alerts.min_users=2" + ",3" * 12], "at most 12 at a time"),
    ("backtest", ["--sweep", "detection.detector=scan,skan"], "there is no detector 'skan'"),
]


@pytest.mark.parametrize(("command", "options", "said"), WRONG)
def test_wrong_use(
    command: str, options: list[str], said: str, here: Path, surgewatch: Command
) -> None:
    """What cannot be is refused with 2 before any work, and says what is wrong; nothing is lost."""
    before = {path: path.read_bytes() for path in here.iterdir()}
    ran = surgewatch(command, "log.jsonl", *options)
    assert (ran.code, ran.out) == (2, b"")
    assert said in ran.message
    assert "Traceback" not in ran.err
    assert {path: path.read_bytes() for path in here.iterdir()} == before


def test_values_with_commas(surgewatch: Command) -> None:
    """A swept value may be a list or a table."""
    ran = surgewatch("backtest", "log.jsonl", "--sweep", 'origin.home_regions=["CN"],["CN","PH"]')
    assert ran.code == 0
    assert '["CN","PH"]' in ran.text


def test_wrong_labels(here: Path, tmp_path: Path, surgewatch: Command) -> None:
    """A label of no incident, in no place, or among other records is refused with 2."""
    alerts, labels = tmp_path / "a.jsonl", tmp_path / "labels.jsonl"
    surgewatch("replay", "log.jsonl", "--config", "calm.toml", "--out", alerts)
    (name,) = told_by(alerts)
    files = ("--alerts", alerts, "--labels", labels)
    slip = name[:-1] + ("0" if name[-1] != "0" else "1")
    for options, said in [
        (("label", slip, "true", *files), f"did you mean {name}?"),
        (("label", name, "perhaps", *files), "invalid choice: 'perhaps'"),
        (("label", name, "true", "--labels", labels), "give --alerts and --labels"),
        (("label", name, "true", *files, "--bootstrap", "localhost:1"), "give --alerts and"),
        (("label", name, "true", "--alerts", labels, "--labels", labels), "no such file"),
        (("label", name, "true", "--alerts", alerts, "--labels", alerts), "is to be read"),
        (("label", name, "true", "--alerts", "truth.jsonl", "--labels", labels), "line 1: "),
        (("label", name, "true", "--alerts", alerts, "--labels", f"{labels}.gz"), "not packed"),
        (("label", name, "true", "--alerts", alerts, "--labels", "truth.jsonl"), "line 1: "),
    ]:
        ran = surgewatch(*options)
        assert (ran.code, ran.out) == (2, b""), options
        assert said in ran.message
    assert not labels.exists()
    assert (here / "truth.jsonl").read_bytes().count(b"\n") == 1


def test_a_label_is_a_line_of_its_own(tmp_path: Path, surgewatch: Command) -> None:
    """A file whose last line was left unended stays readable."""
    alerts, labels = tmp_path / "a.jsonl", tmp_path / "labels.jsonl"
    surgewatch("replay", "log.jsonl", "--config", "calm.toml", "--out", alerts)
    (name,) = told_by(alerts)
    for _ in range(2):
        surgewatch("label", name, "true", "--alerts", alerts, "--labels", labels)
        labels.write_bytes(labels.read_bytes().rstrip(b"\n"))
    assert len(labels.read_bytes().split(b"\n")) == 2


def test_who_says_it(tmp_path: Path, surgewatch: Command) -> None:
    """Without --by a label is by whoever is logged in, and at this moment."""
    alerts, labels = tmp_path / "a.jsonl", tmp_path / "labels.jsonl"
    surgewatch("replay", "log.jsonl", "--config", "calm.toml", "--out", alerts)
    (name,) = told_by(alerts)
    started = datetime.now(UTC).replace(microsecond=0)
    surgewatch("label", name, "true", "--alerts", alerts, "--labels", labels)
    said = json.loads(labels.read_bytes())
    assert said["data"]["by"] == getpass.getuser()
    assert started <= datetime.fromisoformat(said["time"]) <= datetime.now(UTC)


def test_unknown_series_and_ids_are_named(here: Path, tmp_path: Path, surgewatch: Command) -> None:
    """What a truth file or labels tell of another log is said, with file and line."""
    truth, labels = tmp_path / "t.jsonl", tmp_path / "l.jsonl"
    wave = orjson.loads((here / "truth.jsonl").read_bytes())
    other = wave | {"id": "elsewhere", "region": "GL", "hashtag": "neverposted"}
    other["regions"] = ["GL"]
    truth.write_bytes(orjson.dumps(wave) + b"\n\n" + orjson.dumps(other) + b"\n")
    label = json.loads((SCHEMAS / "label.schema.json").read_text("utf-8"))["examples"][0]
    times = {"from": wave["start"], "until": wave["end"]}
    label["data"] |= times | {"series": ["region/GL", "pair/GL/x", "all"], "verdict": "false"}
    labels.write_text(json.dumps(label) + "\n")
    ran = surgewatch(
        *("backtest", "log.jsonl", "--config", "calm.toml", "--truth", truth, "--labels", labels)
    )
    assert ran.code == 0
    assert f"{truth}, line 3: elsewhere (#neverposted from GL" in ran.text
    assert f"{labels}, line 1: in-f763f7587fad1aee (users from GL" in ran.text
    assert "MISSED elsewhere" in ran.text
    assert "1 of 2" in ran.text
