"""``surgewatch explain`` as a user runs it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import orjson
import pytest

from streams.simulate import simulate
from tests.harness import replay

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness import Command, Json

ESCAPES = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]")


@pytest.fixture(scope="module")
def lines() -> list[bytes]:
    """The alerts of a world with a wave whose hashtags attack terminals and pages."""
    log = b"".join(simulate("hostile", days=1.5, rate=0.15, seed=3).blocks())
    return replay(log).lines


@pytest.fixture
def alerts(lines: list[bytes], tmp_path: Path) -> Path:
    """The same in a file."""
    path = tmp_path / "alerts.jsonl"
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


def incident(lines: list[bytes]) -> str:
    """The id of the world's wave."""
    of_hashtag: list[Json] = [orjson.loads(line) for line in lines if b"incident.opened" in line]
    name: str = of_hashtag[-1]["correlationid"]
    return name


def test_an_incident_is_explained(
    lines: list[bytes], alerts: Path, tmp_path: Path, surgewatch: Command
) -> None:
    """On the terminal and as a page, harmless, by an abbreviated id, changing no file."""
    page = tmp_path / "incident.html"
    before = alerts.read_bytes()
    ran = surgewatch("explain", alerts, incident(lines)[:8], "--report", page)
    assert (ran.code, ran.err) == (0, "")
    assert alerts.read_bytes() == before
    for part in (incident(lines), "Why it fired", "What it is made of", "Alerts", "opened"):
        assert part in ran.text
    document = page.read_text("utf-8")
    assert document.startswith("<!doctype html>")
    for shown in (ran.out.decode(), document):
        assert ESCAPES.search(shown) is None
    assert "<script>alert" not in document
    assert "[31mred" in document


def test_nothing_is_recomputed(
    lines: list[bytes], alerts: Path, tmp_path: Path, surgewatch: Command
) -> None:
    """What is said is what the alerts say: other figures in the file are other figures shown."""
    changed = tmp_path / "changed.jsonl"
    kept = [orjson.loads(line) for line in lines]
    for alert in kept:
        if "users" in alert["data"]:
            alert["data"]["users"] = 7_777_777
    changed.write_bytes(b"".join(orjson.dumps(alert) + b"\n" for alert in kept))
    assert "7,777,777 foreign users" in surgewatch("explain", changed, incident(lines)).text
    assert "7,777,777" not in surgewatch("explain", alerts, incident(lines)).text


def test_staff_is_configured(
    lines: list[bytes], alerts: Path, tmp_path: Path, surgewatch: Command
) -> None:
    """The people needed follow the operator's figures, which no alert knows of."""
    first = tmp_path / "first.jsonl"
    opened = next(line for line in lines if incident(lines).encode() in line)
    first.write_bytes(opened + b"\n")
    config = tmp_path / "staff.toml"
    config.write_text('[capacity]\nmoderator_posts_per_hour = 7\nlanguages_read = ["tl"]\n')
    ran = surgewatch("explain", first, incident(lines), "--config", config)
    assert "7 posts an hour a moderator" in ran.text
    assert "tl is read" in ran.text
    assert "7 posts an hour" not in surgewatch("explain", first, incident(lines)).text
    assert alerts.exists()


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("in-ffffffffffffffff", "no incident of"),
        ("in", "no incident of"),
        ("\x1b[2J", "no incident of"),
    ],
)
def test_an_unknown_id(alerts: Path, surgewatch: Command, wanted: str, message: str) -> None:
    """Exit code 2, what is in the file instead, and nothing on standard output."""
    ran = surgewatch("explain", alerts, wanted)
    assert ran.code == 2
    assert message in ran.message
    assert "These are in it:" in ran.message
    assert ran.out == b""
    assert ESCAPES.search(ran.err) is None


def test_wrong_files(lines: list[bytes], alerts: Path, tmp_path: Path, surgewatch: Command) -> None:
    """No such file, a log of posts, an unwritable page, the page over the alerts."""
    missing = surgewatch("explain", tmp_path / "none.jsonl", "in-1")
    assert (missing.code, "no such file" in missing.message) == (2, True)
    posts = tmp_path / "posts.jsonl"
    posts.write_bytes(b'{"post_id":"1"}\n')
    log = surgewatch("explain", posts, "in-1")
    assert (log.code, "line 1: no alert" in log.message) == (2, True)
    nowhere = surgewatch("explain", alerts, incident(lines), "--report", tmp_path / "no" / "x.html")
    assert (nowhere.code, "no such directory" in nowhere.message) == (2, True)
    same = surgewatch("explain", alerts, incident(lines), "--report", alerts)
    assert (same.code, "name another output" in same.message) == (2, True)
    assert alerts.read_bytes().count(b"\n") == len(lines)
