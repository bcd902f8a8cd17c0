"""Acknowledge, silence, and a page that shows it: commands against a real broker."""

from __future__ import annotations

import asyncio
import json
import re
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import pytest

from streams.kafka.topics import Topics, create
from tests.harness import violations
from tests.kafka.reader import records, running, send
from tests.kafka.test_labels import ALERTS, INCIDENT, encoded
from tests.stack.process import free_port

if TYPE_CHECKING:
    from pathlib import Path

    from streams.settings import Settings
    from tests.harness import Command

WAIT_S = 60.0


@pytest.fixture
def topics(settings: Settings) -> Topics:
    """The topics, made, with the alerts of one incident."""
    asyncio.run(create(settings, 1))
    topics = Topics.of(settings)
    asyncio.run(send(settings, topics.alerts, *(encoded(alert) for alert in ALERTS)))
    return topics


def test_ack_and_unack(
    surgewatch: Command, topics: Topics, settings: Settings, config: Path
) -> None:
    """Who, why and how large it was; the newest word stands under the incident's key."""
    users = next(a for a in ALERTS if a["type"].endswith("closed.v1"))["data"]["users"]
    ran = surgewatch("ack", INCIDENT, "--by", "ann", "--note", "mine", "--config", config)
    assert ran.code == 0
    assert f"{INCIDENT}: acknowledged, by ann; it is over" in ran.text
    ran = surgewatch("unack", INCIDENT, "--by", "ben", "--config", config)
    assert ran.code == 0
    assert ran.text.startswith(
        f"{INCIDENT}: no longer acknowledged, by ben; it is over; ann had it"
    )
    ran = surgewatch("unack", INCIDENT[:10], "--by", "ben", "--config", config)
    assert (ran.code, ran.message) == (2, f"surgewatch: {INCIDENT}: nobody has it in hand")
    written = asyncio.run(records(settings, topics.ops))[0]
    assert {record.key for record in written} == {f"ack/{INCIDENT}".encode()}
    said = [json.loads(record.value) for record in written]
    assert violations("ack", said) == []
    assert [one["data"]["withdrawn"] for one in said] == [False, True]
    assert said[0]["data"]["users"] == users
    ran = surgewatch("ack", INCIDENT[:-1] + "0", "--by", "ann", "--config", config)
    assert ran.code == 2
    assert f"did you mean {INCIDENT}?" in ran.message


def test_silences(surgewatch: Command, topics: Topics, settings: Settings, config: Path) -> None:
    """They say what they keep back of what goes on, and are listed until they are ended."""
    where = ("--by", "ann", "--config", config)
    opened = next(alert for alert in ALERTS if alert["type"].endswith("opened.v1"))
    asyncio.run(send(settings, topics.alerts, encoded(opened, "in-00000000000000ff")))
    ran = surgewatch("silence", "region=NZ", "--for", "90s", "--note", "x", *where)
    assert "keeps back 0 of the 5 incidents and troubles that go on" in ran.text
    ran = surgewatch(
        "silence", "region=US", "hashtag=tiktok*", "--for", "2h", "--note", "x", *where
    )
    assert ran.code == 0
    said = r"(s-[0-9a-f]{8}): region=US, hashtag=tiktok\*, until 20..-..-..T..:..:..Z, by ann"
    found = re.match(said, ran.text)
    assert found is not None
    assert "keeps back 1 of the 5" in ran.text
    listed = surgewatch("silences", "--config", config)
    assert "region=US, hashtag=tiktok*" in listed.text
    assert found[1] in listed.text
    written = asyncio.run(records(settings, Topics.of(settings).ops))[0]
    assert violations("silence", [json.loads(record.value) for record in written]) == []
    assert surgewatch("unsilence", found[1], *where).code == 0
    assert found[1] not in surgewatch("silences", "--config", config).text
    ran = surgewatch("unsilence", found[1], *where)
    assert ran.code == 2
    assert "no silence in force has this id" in ran.message


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["region=US", "--note", "x"], "say how long"),
        (
            ["region=US", "--for", "2h", "--until", "2030-01-01T00:00:00Z", "--note", "x"],
            "one of them",
        ),
        (["region=US", "--until", "2020-01-01T00:00:00Z", "--note", "x"], "be over already"),
        (["region=US", "--for", "0m", "--note", "x"], "be over already"),
        (["incident=in-bee852e2", "--for", "2h", "--note", "x"], "its beginning and *"),
        (["level=pair", "level=region", "--for", "2h", "--note", "x"], "make two silences"),
        (["region=US", "--for", "2 hours", "--note", "x"], "not a duration"),
        (["region=US", "--for", "31d", "--note", "x"], "within the next 30 days"),
        (["region=US", "--until", "2090-01-01T00:00:00Z", "--note", "x"], "within the next 30"),
        (["region=US", "--until", "soon", "--note", "x"], "not a time"),
        (["region=US", "--for", "2h", "--note", " "], "say why"),
        (["country=US", "--for", "2h", "--note", "x"], "FIELD of region, hashtag"),
        (["region", "--for", "2h", "--note", "x"], "write FIELD=PATTERN"),
        (["severity=warn", "--for", "2h", "--note", "x"], "info, warning, critical"),
        (["region=USA", "--for", "2h", "--note", "x"], "an ISO 3166 code"),
        (["type=stalled", "--for", "2h", "--note", "x"], "surgewatch.pipeline.stalled.v1"),
    ],
)
def test_what_is_no_silence_is_refused(
    surgewatch: Command, config: Path, arguments: list[str], says: str
) -> None:
    """Before Kafka is asked for anything."""
    ran = surgewatch("silence", *arguments, "--by", "ann", "--config", config)
    assert ran.code == 2
    assert says in ran.message


def ask(port: int, path: str) -> tuple[int, str]:
    """Status and text; 0 where nobody answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            assert "default-src 'none'" in answer.read(2000).decode() or path.startswith("/-")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except OSError:
        return 0, ""


def test_the_console_shows_it(
    surgewatch: Command, topics: Topics, settings: Settings, config: Path
) -> None:
    """What goes on, who has it in hand, and one incident with all there is to know."""
    port = free_port()
    going_on = encoded(ALERTS[0], "in-00000000000000ff")
    asyncio.run(send(settings, topics.alerts, going_on))
    surgewatch("ack", "in-00000000000000ff", "--by", "ann<b>", "--config", config)
    with config.open("a") as file:
        file.write(f'[console]\nlisten = "127.0.0.1:{port}"\n')
    with running("console", "--config", config) as process:
        deadline = time.monotonic() + WAIT_S
        text = ""
        while "ann" not in text or "in-00000000000000ff" not in text:
            assert time.monotonic() < deadline, text
            text = ask(port, "/")[1]
            time.sleep(0.1)
        assert "One incident goes on." in text
        assert "<b>" not in text.replace("<b>GAP", "").replace("<b>STALLED", "").split("ann")[1][:9]
        assert ask(port, "/-/ready") == (200, "ok\n")
        status, page = ask(port, f"/incidents/{INCIDENT}")
        assert status == 200
        assert INCIDENT in page
        assert ask(port, "/incidents/in-0")[0] == 404
        process.terminate()
        assert process.wait(WAIT_S) == 0
