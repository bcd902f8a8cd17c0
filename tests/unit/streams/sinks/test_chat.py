"""Messages by apprise: what is sent, to a real server and by the plugins of real chats."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import apprise
import msgspec
import orjson
import pytest
import requests

from streams.sinks import DeliveryError
from streams.sinks.chat import HAD_MAX, MESSAGE_CHARS, Chat, _Place, message
from streams.sinks.texts import commands
from tests.receiver import Answer, Receiver
from tests.unit.streams.sinks.told import HOSTILE, hostile, reminder, strange

if TYPE_CHECKING:
    from streams.notify import Notification

CHATS = {
    "slack": "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/",
    "discord": "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js",
    "feishu": "feishu://abc123def456abc123def456abc123de/",
    "dingtalk": "dingtalk://abcdefgh12345678abcdefgh12345678abcdefgh12345678abcdefgh12345678/",
    "wecom": "wecombot://abcdef12-3456-7890-abcd-ef1234567890/",
    "teams": "workflows://prod-00.westus.logic.azure.com:443/abcdefghijklmnop/abcdefghijklm/",
    "telegram": "tgram://123456789:abcdefg_hijklmnop/12315544/",
}
PINGS = ("@channel", "@here", "@everyone", "@all", "<!", "<@", "<at", "](http", "<http", "<script")


async def test_one_message_tells_of_all(receiver: Receiver, wave: list[Notification]) -> None:
    chat = Chat([f"json://127.0.0.1:{receiver.port}/hook"])
    await chat.deliver(wave[:2])
    await chat.close()
    (request,) = receiver.requests
    assert re.match(r"2 alerts: \d \w+(, 1 \w+)?; first: ", request.json["title"])
    assert wave[0].url in request.json["message"], "links of the configuration stay links"


def test_the_most_urgent_is_told_first(wave: list[Notification]) -> None:
    """Whatever came first; what is over comes last."""
    critical = strange(wave[0], wave[0].newest.alert.data | {"severity": "critical"})
    title, body = message([wave[-1], wave[0], critical])
    assert re.match(r"3 alerts: 1 critical, 1 \w+, 1 over; first: CRITICAL: ", title)
    heads = re.findall(r"^(CRITICAL|WARNING|INFO|OVER): ", body, re.MULTILINE)
    assert (heads[0], heads[-1]) == ("CRITICAL", "OVER")


async def test_what_is_not_taken_is_told_again(
    receiver: Receiver, wave: list[Notification]
) -> None:
    chat = Chat([f"json://127.0.0.1:{receiver.port}/hook?secret=tell-nobody"])
    receiver.answers.append(Answer(500))
    with pytest.raises(DeliveryError, match="not delivered") as caught:
        await chat.deliver([wave[0]])
    assert caught.value.retry
    assert "tell-nobody" not in caught.value.reason
    await chat.deliver([reminder()])
    assert len(receiver.accepted) == 1


async def test_where_one_of_several_fails_the_others_are_not_told_again(
    receiver: Receiver, wave: list[Notification]
) -> None:
    """A broken chat must not make the others ring at each attempt."""
    other = Receiver()
    await other.start()
    chat = Chat([f"json://127.0.0.1:{one.port}/hook" for one in (receiver, other)])
    other.answers.extend([Answer(500)] * 2)
    for batch in (wave[:1], wave[:2]):
        with pytest.raises(DeliveryError, match="URL 2 of 2"):
            await chat.deliver(batch)
    await chat.deliver(wave[:2])
    titles = [request.json["title"] for request in receiver.accepted]
    assert titles == [message([one])[0] for one in wave[:2]], "each once"
    assert [request.json["title"] for request in other.accepted] == [message(wave[:2])[0]]
    await chat.deliver([wave[0]])
    assert len(receiver.accepted) == 3, "what is told anew is told"
    await other.stop()


async def test_what_takes_turns_is_told_once(receiver: Receiver, wave: list[Notification]) -> None:
    """More wait than go in a message: while one chat is away, the other is not told in turns."""
    other = Receiver()
    await other.start()
    chat = Chat([f"json://127.0.0.1:{one.port}/hook" for one in (receiver, other)])
    other.answers.extend([Answer(500)] * 4)
    for one in (*wave[:2], *wave[:2]):
        with pytest.raises(DeliveryError, match="URL 2 of 2"):
            await chat.deliver([one])
    assert len(receiver.accepted) == 2
    await other.stop()


def test_what_a_url_has_is_limited() -> None:
    """The oldest is forgotten, the newest is not."""
    place = _Place(apprise.AppriseAsset())
    place.remember([str(n) for n in range(HAD_MAX + 1)])
    assert [place.has([str(n)]) for n in (0, 1, HAD_MAX)] == [False, True, True]


async def test_redirects_are_not_followed(receiver: Receiver, wave: list[Notification]) -> None:
    receiver.answers.append(Answer(307, {"Location": f"{receiver.url}/elsewhere"}))
    with pytest.raises(DeliveryError, match="URL 1 of 1"):
        await Chat([f"json://127.0.0.1:{receiver.port}/hook"]).deliver([wave[0]])
    assert [request.path for request in receiver.requests] == ["/hook"]


async def test_what_a_chat_would_refuse_as_too_long_is_split(
    wave: list[Notification], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Discord takes 2,000 characters a message; its plugin sends as much as it is given."""
    sent: list[str] = []

    def post(*args: Any, **kwargs: Any) -> requests.Response:
        del args
        sent.append(str(kwargs.get("data")))
        answer = requests.Response()
        answer.status_code = 200
        return answer

    monkeypatch.setattr(requests, "post", post)
    monkeypatch.setattr(requests.Session, "request", post)
    many = [msgspec.structs.replace(wave[0], key=f"in-{n:016x}") for n in range(6)]
    assert len(message(many)[1]) > 2_500
    await Chat([CHATS["discord"]]).deliver(many)
    assert len(sent) > 1
    assert max(len(orjson.loads(text)["content"]) for text in sent) <= 2_000
    sent.clear()
    await Chat([f"{CHATS['discord']}?overflow=truncate"]).deliver(many)
    assert len(sent) == 1, "whoever says so in the URL is obeyed"


def test_long_messages_end_with_how_many_more(wave: list[Notification]) -> None:
    _, body = message([wave[0]] * 50)
    assert len(body) <= MESSAGE_CHARS + 4_000
    assert body.splitlines()[-1].startswith("and ")


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_texts_are_plain(wave: list[Notification], name: str) -> None:
    title, body = message([hostile(wave[0], HOSTILE[name]), reminder()])
    said = title + body
    for ours in (wave[0].url, *commands(wave[0])):
        assert ours in said
        said = said.replace(ours, "")
    for ping in PINGS:
        assert ping not in said
    assert not set("<>@`*~[]|\x00\x1b") & set(said)
    assert "://" not in said
    assert "evil.example" not in said, "chats make links of names of hosts"
    assert "\n" not in title


@pytest.mark.parametrize("chat", CHATS)
async def test_chats_are_sent_no_mention(
    wave: list[Notification], chat: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the plugin of each chat would send, caught where it leaves."""
    sent: list[str] = []

    def post(_: Any, *args: Any, **kwargs: Any) -> requests.Response:
        del args
        sent.append(str(kwargs.get("data") or orjson.dumps(kwargs.get("json")).decode()))
        answer = requests.Response()
        answer.status_code = 200
        answer._content = b"ok" if chat == "slack" else b'{"ok": true, "errcode": 0, "code": 0}'
        return answer

    monkeypatch.setattr(requests, "post", lambda *args, **kwargs: post(None, *args, **kwargs))
    monkeypatch.setattr(requests.Session, "request", post)
    told = hostile(wave[0], " ".join(HOSTILE[name] for name in ("slack", "mentions", "markdown")))
    told = msgspec.structs.replace(told, url="")
    await Chat([CHATS[chat]]).deliver([told])
    assert sent
    for text in sent:
        plain = text.encode().decode("unicode_escape", "replace") if "\\u" in text else text
        for ping in PINGS:
            assert ping not in plain
