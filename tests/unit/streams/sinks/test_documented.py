"""What docs/notifications.md shows is what is sent, and its verification snippet verifies."""

from __future__ import annotations

import json
import re
import time
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from streams.codec import decode_alert
from streams.notify import Event, Notification, Reason
from streams.settings import Route, load
from streams.settings.notify import DESTINATIONS
from streams.sinks import alertmanager, http, make_sink
from streams.sinks.chat import BATCH_MAX, MESSAGE_CHARS, Chat, message
from streams.sinks.pagerduty import event_of
from streams.sinks.texts import BODY_CHARS, TITLE_CHARS
from streams.sinks.webhook import SIGNATURE, signature

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.receiver import Receiver

ROOT = Path(__file__).parents[4]
PAGE = (ROOT / "docs" / "notifications.md").read_text("utf-8")
KEY = "0123456789abcdef0123456789abcdef"


def blocks(language: str) -> list[str]:
    """The page's blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def example() -> Notification:
    """The first example of the schema of alerts, told as the page says."""
    schema = json.loads((ROOT / "schemas" / "alert.schema.json").read_text("utf-8"))
    raw = orjson.dumps(schema["examples"][0])
    event = Event(decode_alert(raw), raw, 0)
    key = event.alert.data["incident_id"]
    return Notification(
        route="on-call",
        key=key,
        firing=True,
        reason=Reason.OPENED,
        events=(event,),
        opened=event,
        runbook="https://wiki.example.com/surges",
        url=f"https://surgewatch.example.com/incidents/{key}",
    )


@pytest.fixture(scope="module")
def verify() -> Callable[..., bool]:
    """The function that the page gives to copy."""
    (snippet,) = blocks("python")
    scope: dict[str, Any] = {}
    exec(compile(snippet, "docs/notifications.md", "exec"), scope)  # noqa: S102 - our own page
    found: Callable[..., bool] = scope["is_from_surgewatch"]
    return found


def test_people_read_what_the_page_shows(example: Notification) -> None:
    (shown,) = blocks("text")
    title, body = message([example])
    assert shown == f"{title}\n{body}\n"


def test_pagerduty_is_sent_what_the_page_shows(example: Notification) -> None:
    (shown,) = blocks("json")
    sent = json.loads(event_of(example, "…"))
    assert "412 new users" in sent["payload"]["custom_details"]["text"]
    sent["payload"]["custom_details"]["text"] = "…"
    assert json.loads(shown) == sent


def test_alertmanager_is_sent_the_labels_of_the_table(example: Notification) -> None:
    """Those of an incident, of a trouble, and of a replay: all that the table has, no others."""
    table = PAGE.partition("| label | value |")[2].partition("\n\n")[0]
    listed = {
        name
        for row in table.splitlines()
        for name in re.findall(r"`(\w+)`", row.split("|")[1] if "|" in row else "")
    }
    trouble = (
        b'{"id":"x","type":"surgewatch.pipeline.gap.v1","source":"surgewatch","subject":"pipeline",'
        b'"time":"2025-01-13T00:00:00Z","data":{"status":"open","from":"2025-01-13T00:00:00Z"}}'
    )
    event = Event(decode_alert(trouble), trouble, 0)
    other = Notification("a", "k", True, Reason.PIPELINE, (event,), event, replay=True)
    sent = {
        name
        for one in (example, other)
        for alert in alertmanager.alerts_of(one, time.time())
        for name in alert["labels"]
    }
    assert sent == listed
    for alert in alertmanager.alerts_of(example, time.time()):
        for name in alert["annotations"]:
            assert f"`{name}`" in PAGE


@pytest.mark.parametrize("number", range(len(blocks("toml"))))
def test_every_route_shown_is_one(number: int, tmp_path: Path) -> None:
    """Each destination has a section with a route that the settings take."""
    file = tmp_path / "surgewatch.toml"
    file.write_text(blocks("toml")[number])
    (route,) = load(file, {}).notify.routes
    assert make_sink(
        route, {route.secret_env: "json://localhost/" + KEY} if route.secret_env else {}
    )
    shown = {tomllib.loads(block)["notify"]["routes"][0]["to"] for block in blocks("toml")}
    assert shown == set(DESTINATIONS)


def test_every_chat_shown_is_known() -> None:
    """Apprise takes each URL of the table, its placeholders filled in."""
    table = PAGE.partition("| where | URL |")[2].partition("\n\n")[0]
    urls = re.findall(r"`(\w+://[^`]+)`", table)
    assert len(urls) >= 9
    fill = {
        "slack": "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ",
        "tgram": "tgram://123456789:abcdefg_hijklmnop/12315544",
    }
    for url in urls:
        real = fill.get(url.partition(":")[0]) or re.sub(
            r"\b[A-Z]+(_[A-Z]+)*\b", "a1b2c3d4" * 4, url
        )
        Chat([real.replace("from=" + "a1b2c3d4" * 4, "from=a@example.com")])


def test_figures_of_the_page_are_those_of_the_code() -> None:
    refused = ", ".join(map(str, sorted(http._REFUSED)))
    for said in (
        f"answers {refused[:-5]} or {refused[-3:]}",
        f"may take {http.TIMEOUT_S:.0f} s",
        f"not been for {alertmanager.FIRES_FOR_S / 60:.0f} minutes",
        f"cut to {alertmanager.LABEL_CHARS} characters, annotations",
        f"to {alertmanager.ANNOTATION_CHARS:,}",
        f"{TITLE_CHARS} characters (title) and {BODY_CHARS:,} (body)",
        f"Up to {BATCH_MAX} incidents",
        f"at most {MESSAGE_CHARS:,} characters",
    ):
        assert said in " ".join(PAGE.split()), said


async def test_the_snippet_takes_what_we_send_and_nothing_else(
    example: Notification, receiver: Receiver, verify: Callable[..., bool]
) -> None:
    route = Route("hook", "webhook", receiver.url, "HOOK_KEY")
    sink = make_sink(route, {"HOOK_KEY": KEY})
    await sink.deliver([example])
    await sink.close()
    (request,) = receiver.requests
    body, header = request.body, request.headers[SIGNATURE]
    assert verify(body, header, KEY.encode())
    assert not verify(body + b" ", header, KEY.encode())
    assert not verify(body, header, KEY[1:].encode())
    assert not verify(body, header, KEY.encode(), -1.0), "too old"
    moved = header.replace("t=", "t=0")
    for bad in (
        "",
        "t=,v1=",
        "v1=",
        "t=²,v1=x",
        "t=1,v1=é",
        "nonsense",
        ",,=,",
        moved,
        "t=" + "9" * 9_999,
    ):
        assert not verify(body, bad, KEY.encode()), bad


def test_a_recorded_request_is_of_no_use_later(
    verify: Callable[..., bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    signed = signature(KEY.encode(), 1_736_728_800, b"[]")
    for now, taken in ((1_736_728_800.0, True), (1_736_729_000.0, True), (1_736_729_101.0, False)):
        monkeypatch.setattr(time, "time", lambda now=now: now)
        assert verify(b"[]", signed, KEY.encode()) is taken
