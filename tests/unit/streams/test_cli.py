"""The commands as a user runs them: files in, files out, exit codes, and nothing else on stdout."""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import orjson
import pytest

from streams.simulate import simulate
from tests.harness import joined, violations

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness import Command, Json

START_MS = 1_736_294_400_000
DAYS, RATE, SEED = 1.5, 0.15, 3
ESCAPES = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log with a wave whose hashtags attack terminals and pages."""
    path = tmp_path_factory.mktemp("logs") / "hostile.jsonl"
    path.write_bytes(b"".join(simulate("hostile", days=DAYS, rate=RATE, seed=SEED).blocks()))
    return path


def rows(path: Path) -> list[Json]:
    """The records of a file of JSON lines."""
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def test_replay_writes_everything(hostile: Path, tmp_path: Path, surgewatch: Command) -> None:
    """One run gives alerts, series, rejects and a report, all valid, and a summary."""
    log = tmp_path / "posts.jsonl"
    log.write_bytes(b"not a post\n" + hostile.read_bytes())
    alerts, series = tmp_path / "alerts.jsonl", tmp_path / "series.jsonl"
    rejects, report = tmp_path / "rejects.jsonl", tmp_path / "report.html"
    ran = surgewatch(
        *("replay", log, "--out", alerts, "--series", series),
        *("--rejects", rejects, "--report", report),
    )
    assert ran.code == 0
    for name, path in (("alert", alerts), ("reject", rejects)):
        assert rows(path)
        assert violations(name, rows(path)) == []
    assert violations("series", rows(series)[::20]) == []
    assert {"all", "region/PH", "region/US"} <= {row["series"] for row in rows(series)}
    assert report.read_text("utf-8").startswith("<!doctype html>")
    posts = log.read_bytes().count(b"\n")
    for words in (f"posts {posts:,}", "rejected 1", "not_json 1", "late 0", "peaked", "from PH"):
        assert words.casefold() in ran.text.casefold()


def test_alerts_on_stdout_are_alone(hostile: Path, tmp_path: Path) -> None:
    """With ``--out -`` standard output is the alerts' bytes; the summary goes to stderr."""
    alerts = tmp_path / "alerts.jsonl"
    command = [sys.executable, "-m", "streams.cli", "replay", str(hostile), "--out"]
    env = {name: value for name, value in os.environ.items() if "SURGEWATCH" not in name}
    piped = subprocess.run([*command, "-"], capture_output=True, check=True, env=env)
    filed = subprocess.run([*command, str(alerts)], capture_output=True, check=True, env=env)
    assert piped.stdout
    assert piped.stdout == alerts.read_bytes()
    assert b"foreign" in piped.stderr
    assert b"foreign" in filed.stdout


def test_nothing_hostile_is_shown(hostile: Path, tmp_path: Path, surgewatch: Command) -> None:
    """No escape, bidi or markup of a hashtag reaches a terminal or a page."""
    report = tmp_path / "report.html"
    ran = surgewatch("replay", hostile, "--report", report)
    page = report.read_text("utf-8")
    for shown in (ran.out.decode(), ran.err):
        assert ESCAPES.search(shown) is None
    assert ESCAPES.search(page) is None
    for attack in ("<script>alert", "<img src=x", "]0;owned\x07"):
        assert attack not in page
    # What is left of them is shown, escaped, so the attacks did get that far.
    assert "[31mred" in page
    assert "[31mred" in ran.text


def test_no_user_id_leaves(hostile: Path, tmp_path: Path, surgewatch: Command) -> None:
    """No raw user id of the log is in alerts, series, report or on the terminal."""
    users = set(re.findall(rb'"user_id":"([^"]+)"', hostile.read_bytes()))
    assert len(users) > 500
    alerts, series, report = (tmp_path / name for name in ("a.jsonl", "s.jsonl", "r.html"))
    ran = surgewatch("replay", hostile, "--out", alerts, "--series", series, "--report", report)
    written = [path.read_bytes() for path in (alerts, series, report)]
    for output in (ran.out, ran.err.encode(), *written):
        assert users.isdisjoint(re.findall(rb"u\d{6}[^\"\s<]*", output))
        assert not re.search(rb"u\d{6}", output)


def test_a_reject_keeps_the_raw_line(tmp_path: Path, surgewatch: Command) -> None:
    """Only the rejects hold raw input, so that it can be repaired and sent again."""
    log, rejects = tmp_path / "log.jsonl", tmp_path / "rejects.jsonl"
    log.write_bytes(b'{"user_id":"u123456"}\n')
    assert surgewatch("replay", log, "--rejects", rejects).code == 0
    assert rows(rejects)[0]["raw"] == '{"user_id":"u123456"}'


def test_series_as_parquet(hostile: Path, tmp_path: Path, surgewatch: Command) -> None:
    """The Parquet series file holds the same rows as the one of JSON lines."""
    parquet = pytest.importorskip("pyarrow.parquet")
    as_json, as_parquet = tmp_path / "series.jsonl", tmp_path / "series.parquet"
    assert surgewatch("replay", hostile, "--series", as_json).code == 0
    assert surgewatch("replay", hostile, "--series", as_parquet).code == 0
    assert parquet.read_table(as_parquet).to_pylist() == rows(as_json)


def test_several_logs(hostile: Path, tmp_path: Path, surgewatch: Command) -> None:
    """Two halves of a log, whatever their order, give the incident of the whole."""
    lines = hostile.read_bytes().splitlines()
    first, second = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    first.write_bytes(joined(lines[::2]))
    second.write_bytes(joined(lines[1::2]))
    given = [
        surgewatch("replay", *logs, "--out", "-") for logs in ((first, second), (second, first))
    ]
    assert given[0].out == given[1].out
    whole = surgewatch("replay", hostile, "--out", "-")
    ids = [re.findall(rb'"id":"(in-[^"]+)"', ran.out) for ran in (*given, whole)]
    assert ids[0] == ids[1] == ids[2] != []


@pytest.mark.parametrize(
    "args",
    [
        (),
        ("replay",),
        ("replay", "x", "--colour", "red"),
        ("repaly", "x"),
        ("simulate", "--scenario", "gap"),
        ("simulate", "--scenario", "gap", "--days", "many", "--out", "-"),
        ("config",),
    ],
)
def test_wrong_use(args: tuple[str, ...], surgewatch: Command) -> None:
    """A command line that makes no sense ends with 2, says why on stderr, and writes nothing."""
    ran = surgewatch(*args)
    assert ran.code == 2
    assert ran.out == b""
    assert "usage: surgewatch" in ran.err


def test_rejected_log_is_no_all_clear(tmp_path: Path, surgewatch: Command) -> None:
    """A log of which nothing could be used does not end in words that sound like an all-clear."""
    log = tmp_path / "log.jsonl"
    log.write_bytes(b'{"id":1,"geo":{"country_code":"US"}}\n' * 50)
    ran = surgewatch("replay", log)
    assert ran.code == 0
    assert "Nothing could be judged: all 50 records were rejected" in ran.text
    assert "[input.fields]" in ran.text
    assert "No surge" not in ran.text


def test_lines_wrap_only_where_people_read(
    hostile: Path, surgewatch: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To a pipe each line is whole, so that grep finds it; COLUMNS wraps it all the same."""
    monkeypatch.delenv("COLUMNS", raising=False)
    whole = surgewatch("replay", hostile).out.decode().splitlines()
    monkeypatch.setenv("COLUMNS", "60")
    wrapped = surgewatch("replay", hostile).out.decode().splitlines()
    assert any(re.search(r"new users in .*; \d+ users since .*; from ", line) for line in whole)
    assert max(len(line) for line in wrapped) <= 60 < max(len(line) for line in whole)


def test_missing_log(tmp_path: Path, surgewatch: Command) -> None:
    """A log that is not there ends with 1 and is named; the other outputs are no matter."""
    ran = surgewatch("replay", tmp_path / "none.jsonl", "--out", tmp_path / "alerts.jsonl")
    assert ran.code == 1
    assert "none.jsonl: no such file" in ran.message


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_log(tmp_path: Path, surgewatch: Command) -> None:
    """A log without permission ends with 1 and a remedy."""
    log = tmp_path / "log.jsonl"
    log.write_bytes(b"\n")
    log.chmod(stat.S_IWUSR)
    ran = surgewatch("replay", log)
    assert ran.code == 1
    assert "permissions" in ran.message


def test_a_reader_that_leaves(hostile: Path) -> None:
    """When the reader of ``--out -`` goes away, the command ends with 1 and no traceback."""
    command = [sys.executable, "-m", "streams.cli", "replay", str(hostile), "--out", "-"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        message = process.stderr.read()
        assert process.wait() == 1
    assert b"Traceback" not in message


def test_interrupted(tmp_path: Path) -> None:
    """Ctrl-C in the middle of the work ends with 1 and one line, and no traceback."""
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from streams.cli import main; sys.exit(main())"
    )
    world = ("simulate", "--scenario", "quiet", "--days", "300", "--rate", "10", "--out", "-")
    with subprocess.Popen(
        [sys.executable, "-c", code, *world],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.read(1)
        process.send_signal(signal.SIGINT)
        _, message = process.communicate(timeout=60)
    assert process.returncode == 1
    assert message == b"surgewatch: interrupted\n"


def test_interrupted_while_starting(surgewatch: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while the program is still being loaded is answered in the same way."""

    def pressed() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("streams.cli.build_parser", pressed)
    ran = surgewatch("config", "check")
    assert (ran.code, ran.err) == (1, "surgewatch: interrupted\n")


def test_loading_is_quick() -> None:
    """What runs before Ctrl-C is answered loads none of the large packages."""
    code = "import sys, streams.cli; print(sorted({'numpy', 'rich', 'orjson'} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert ran.stdout == b"[]\n"


def test_simulate_is_repeatable(tmp_path: Path, surgewatch: Command) -> None:
    """The same arguments give the same bytes, compressed too, and the truth is JSON lines."""
    world = (
        "simulate",
        "--scenario",
        "thin_wave",
        "--days",
        "1.5",
        "--rate",
        "0.02",
        "--seed",
        "7",
    )
    for name in ("a.jsonl", "b.jsonl", "a.jsonl.gz", "b.jsonl.gz", "a.jsonl.zst", "b.jsonl.zst"):
        truth = tmp_path / f"{name}.truth"
        assert surgewatch(*world, "--out", tmp_path / name, "--truth", truth).code == 0
        assert [row["kind"] for row in rows(truth)] == ["wave"]
    for name in ("jsonl", "jsonl.gz", "jsonl.zst"):
        assert (tmp_path / f"a.{name}").read_bytes() == (tmp_path / f"b.{name}").read_bytes()
    assert surgewatch(*world, "--out", "-").out == (tmp_path / "a.jsonl").read_bytes()
    other = surgewatch(*world[:-1], "8", "--out", "-").out
    assert other != (tmp_path / "a.jsonl").read_bytes()


def test_unknown_scenario(surgewatch: Command) -> None:
    """An unknown scenario ends with 2 and names those there are."""
    ran = surgewatch("simulate", "--scenario", "tsunami", "--out", "-")
    assert (ran.code, ran.out) == (2, b"")
    assert "tsunami" in ran.message
    assert "overnight_flood" in ran.message


def test_help_names_every_scenario(surgewatch: Command) -> None:
    """The help of simulate lists the scenarios; help and version end with 0."""
    ran = surgewatch("simulate", "--help")
    assert ran.code == 0
    assert "kitchen_sink" in ran.text
    assert surgewatch("--version").text.startswith("surgewatch ")


@pytest.mark.slow
def test_demo(tmp_path: Path, surgewatch: Command) -> None:
    """The demo shows the January flood from the US, and leaves alerts and a report."""
    ran = surgewatch("demo", "--dir", tmp_path / "demo")
    assert ran.code == 0
    assert "#tiktokrefugee" in ran.text
    alerts = rows(tmp_path / "demo" / "alerts.jsonl")
    assert violations("alert", alerts) == []
    assert any(a["subject"] == "pair/US/tiktokrefugee" for a in alerts)
    page = (tmp_path / "demo" / "report.html").read_text("utf-8")
    assert "tiktokrefugee" in page
    assert not re.search(r'(?:src|href)="(?:https?:)?//', page)
