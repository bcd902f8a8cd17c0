"""What destinations are sent, and what their answers mean."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Any

import msgspec
import orjson
import pytest

from streams.errors import SettingsError
from streams.settings import Route
from streams.sinks import DeliveryError, Sink, http, make_sink
from streams.sinks.alertmanager import FIRES_FOR_S, Alertmanager
from streams.sinks.pagerduty import PAYLOAD_BYTES, PagerDuty, event_of
from streams.sinks.webhook import SIGNATURE, Webhook, idempotency_key
from tests.receiver import Answer, Receiver
from tests.unit.streams.sinks.told import HOSTILE, hostile, reminder, strange

if TYPE_CHECKING:
    from streams.notify import Notification

KEY = "0123456789abcdef"


def sinks(url: str) -> dict[str, Sink]:
    """One of each that speaks HTTP by our own hand."""
    return {
        "pagerduty": PagerDuty(KEY, url),
        "webhook": Webhook(url, KEY.encode()),
        "alertmanager": Alertmanager(url),
    }


async def test_pagerduty_triggers_and_resolves(
    receiver: Receiver, wave: list[Notification]
) -> None:
    sink = PagerDuty(KEY, f"{receiver.url}/v2/enqueue")
    for one in (wave[0], wave[-1]):
        await sink.deliver([one])
    await sink.close()
    first, last = (request.json for request in receiver.requests)
    assert (first["event_action"], last["event_action"]) == ("trigger", "resolve")
    assert first["dedup_key"] == last["dedup_key"] == wave[0].key
    assert first["routing_key"] == KEY
    payload = first["payload"]
    assert payload["severity"] in ("info", "warning", "critical")
    assert payload["source"] == "surgewatch"
    assert payload["timestamp"] == wave[0].newest.alert.time
    assert "payload" not in last
    assert first["links"] == [{"href": wave[0].url, "text": "Console"}]


async def test_pagerduty_keeps_to_its_limits(wave: list[Notification]) -> None:
    told = hostile(wave[0], HOSTILE["long"])
    told = msgspec.structs.replace(told, key="k" * 1_000, runbook="https://x/" + "y" * 600_000)
    event = orjson.loads(event_of(told, KEY))
    assert len(event["payload"]["summary"]) <= 1_024
    assert len(event["dedup_key"]) == 255
    assert len(event_of(hostile(wave[0], HOSTILE["long"]), KEY)) < PAYLOAD_BYTES


async def test_a_replay_has_a_key_of_its_own(wave: list[Notification]) -> None:
    told = msgspec.structs.replace(wave[0], replay=True)
    assert orjson.loads(event_of(told, KEY))["dedup_key"] == f"replay/{wave[0].key}"


async def test_a_webhook_gets_the_alerts_themselves_signed(
    receiver: Receiver, wave: list[Notification]
) -> None:
    sink = Webhook(f"{receiver.url}/hook", KEY.encode(), lambda: 1_736_728_800.5)
    await sink.deliver([wave[0]])
    await sink.close()
    (request,) = receiver.requests
    assert request.body == b"[" + b",".join(event.raw for event in wave[0].events) + b"]"
    assert request.headers["Content-Type"].startswith("application/cloudevents-batch+json")
    digest = hmac.new(KEY.encode(), b"1736728800." + request.body, hashlib.sha256).hexdigest()
    assert request.headers[SIGNATURE] == f"t=1736728800,v1={digest}"
    assert request.headers["Idempotency-Key"] == idempotency_key(wave[0])
    assert request.headers["X-Surgewatch-Route"] == "oncall"
    assert idempotency_key(wave[0]) != idempotency_key(wave[-1])


async def test_alertmanager_gets_strings_that_keep_their_labels(
    receiver: Receiver, wave: list[Notification]
) -> None:
    sink = Alertmanager(receiver.url, lambda: 1_736_728_800.0)
    await sink.deliver([wave[0]])
    await sink.deliver([wave[-1]])
    await sink.close()
    first, last = (request.json for request in receiver.requests)
    assert [r.path for r in receiver.requests] == ["/api/v2/alerts"] * 2
    for alert in first + last:
        for name, value in (alert["labels"] | alert["annotations"]).items():
            assert isinstance(value, str)
            assert name.isascii()
            assert name.isidentifier()
    assert [a["labels"] for a in first] == [a["labels"] for a in last]
    firing = [a for a in first if a["endsAt"] > "2025-01-13T00:41"]
    assert [a["labels"]["severity"] for a in firing] == [wave[0].newest.alert.data["severity"]]
    ends = {a["endsAt"] for a in last}
    assert ends == {"2025-01-13T00:40:00.000+00:00"}
    assert FIRES_FOR_S > 10 * 60


async def test_reminders_go_to_people_and_webhooks_only(receiver: Receiver) -> None:
    for sink in sinks(receiver.url).values():
        await sink.deliver([reminder()])
        await sink.close()
    assert [r.headers.get("X-Surgewatch-Reason") for r in receiver.requests] == ["reminder"]


@pytest.mark.parametrize("name", ["pagerduty", "webhook", "alertmanager"])
@pytest.mark.parametrize(
    ("answer", "retry", "after", "says"),
    [
        (Answer(429, {"Retry-After": "7"}), True, 7.0, "answered 429"),
        (Answer(500, body="no\n\x1b[31mway"), True, None, "answered 500: no ‹U+001B›[31mway"),
        (Answer(503, {"Retry-After": "nonsense"}), True, None, "answered 503"),
        (Answer(400, body="bad"), False, None, "answered 400: bad"),
        (Answer(401), True, None, "answered 401"),
        (Answer(302, {"Location": "http://127.0.0.1:1/"}), True, None, "answered 302"),
        (Answer(drop=True), True, None, ""),
        (Answer(after_s=1.0), True, None, "no answer in time"),
    ],
)
async def test_what_answers_mean(
    receiver: Receiver,
    wave: list[Notification],
    name: str,
    answer: Answer,
    retry: bool,
    after: float | None,
    says: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http.Poster.__init__, "__defaults__", (0.3,))
    sink = sinks(f"{receiver.url}/?secret=tell-nobody")[name]
    receiver.answers.append(answer)
    with pytest.raises(DeliveryError) as caught:
        await sink.deliver([wave[0]])
    assert (caught.value.retry, caught.value.retry_after_s) == (retry, after)
    assert says in caught.value.reason
    assert "tell-nobody" not in caught.value.reason
    assert KEY not in caught.value.reason
    if not answer.after_s:
        await sink.deliver([wave[0]])
        assert len(receiver.accepted) == 1
    await sink.close()


async def test_nobody_there(wave: list[Notification]) -> None:
    for sink in sinks("http://127.0.0.1:1/?secret=tell-nobody").values():
        with pytest.raises(DeliveryError, match="cannot connect") as caught:
            await sink.deliver([wave[0]])
        assert caught.value.retry
        assert "tell-nobody" not in caught.value.reason
        await sink.close()


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_texts_go_through_whole_requests(
    receiver: Receiver, wave: list[Notification], name: str
) -> None:
    told = hostile(wave[0], HOSTILE[name])
    for sink in sinks(receiver.url).values():
        await sink.deliver([told])
        await sink.close()
    assert len(receiver.accepted) == 3
    for request in receiver.requests:
        assert request.json
        assert not {"Injected"} & set(request.headers)
    pager, hook, alerts = (request.json for request in receiver.requests)
    assert "\x00" not in pager["payload"]["summary"] + alerts[0]["annotations"]["summary"]
    assert hook[0]["data"]["hashtag"] == HOSTILE[name], "consumers of data get the data"
    assert all(len(value) <= 200 for value in alerts[0]["labels"].values())


async def test_an_alert_of_another_version_goes_out(
    receiver: Receiver, wave: list[Notification]
) -> None:
    for data in ({}, {"incident_id": wave[0].key, "severity": "dire", "level": 3}):
        for sink in sinks(receiver.url).values():
            await sink.deliver([strange(wave[0], data)])
            await sink.close()
    assert len(receiver.accepted) == 6


@pytest.mark.parametrize(
    ("route", "environ", "says"),
    [
        (Route("a", "pagerduty", secret_env="X"), {}, "route a: secret_env = X: .* is not set"),
        (Route("a", "webhook", "http://x", "X"), {"X": "short"}, "fewer than 16 characters"),
        (Route("a", "apprise", secret_env="X"), {"X": "nonsense://tell-nobody"}, "URL number 1"),
    ],
)
def test_a_missing_secret_is_said(route: Route, environ: dict[str, str], says: str) -> None:
    with pytest.raises(SettingsError, match=says) as caught:
        make_sink(route, environ)
    assert "tell-nobody" not in str(caught.value)


async def test_routes_become_their_destinations() -> None:
    environ: dict[str, Any] = {"X": KEY, "Y": "json://localhost"}
    made = [
        make_sink(Route("a", "pagerduty", secret_env="X"), environ),
        make_sink(Route("a", "webhook", "http://x", "X"), environ),
        make_sink(Route("a", "alertmanager", "http://x"), environ),
        make_sink(Route("a", "apprise", secret_env="Y"), environ),
    ]
    assert [type(one).__name__ for one in made] == ["PagerDuty", "Webhook", "Alertmanager", "Chat"]
    assert [one.resend_s is not None for one in made] == [False, False, True, False]
