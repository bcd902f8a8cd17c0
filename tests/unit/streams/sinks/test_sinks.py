"""What destinations are sent, and what their answers mean."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Any

import msgspec
import orjson
import pytest

from streams.codec import rfc3339
from streams.errors import SettingsError
from streams.notify import Outcome, Reason, Told
from streams.settings import Route
from streams.sinks import DeliveryError, Sink, http, make_sink, make_sinks
from streams.sinks.alertmanager import FIRES_FOR_S, Alertmanager, alerts_of
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


def test_what_is_said_once_more_has_another_key(wave: list[Notification]) -> None:
    """A receiver that drops keys it knows still hears each repetition, and a rehearsal."""
    told = Told("oncall", wave[0].key, 0, True, "info", 9.0, 0, Outcome.DELIVERED)
    later = msgspec.structs.replace(told, at_ms=7)
    for reason in (Reason.REPEATED, Reason.REMINDER):
        one = msgspec.structs.replace(wave[0], reason=reason, told=told)
        again = msgspec.structs.replace(one)
        assert idempotency_key(one) == idempotency_key(again), "an attempt has the same"
        assert idempotency_key(one) != idempotency_key(msgspec.structs.replace(one, told=later))
    moved = msgspec.structs.replace(wave[0], told=told)
    assert idempotency_key(moved) == idempotency_key(wave[0]), "it is the same news"
    assert idempotency_key(wave[0]) != idempotency_key(
        msgspec.structs.replace(wave[0], replay=True)
    )


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
    identities = [{**a["labels"], "severity": ""} for a in first + last]
    assert all(identity == identities[0] for identity in identities)
    firing = [a for a in first if a["endsAt"] > "2025-01-13T00:41"]
    assert [a["labels"]["severity"] for a in firing] == [wave[0].newest.alert.data["severity"]]
    ends = {a["endsAt"] for a in last}
    assert ends == {"2025-01-13T00:40:00.000+00:00"}
    assert FIRES_FOR_S > 10 * 60


def fires(notification: Notification) -> dict[str, bool]:
    """Severities that Alertmanager is told of, and whether they fire."""
    now = 1_800_000_000.0
    told = alerts_of(notification, now)
    return {a["labels"]["severity"]: a["endsAt"] > rfc3339(int(now * 1000) + 1000) for a in told}


def test_alertmanager_is_told_the_end_of_what_fired_and_of_nothing_else(
    wave: list[Notification],
) -> None:
    """Receivers are shown what is resolved: a severity that it never had is not among it."""
    by_severity = {one.newest.alert.data["severity"]: one for one in wave if one.firing}
    info, warning = by_severity["info"], by_severity["warning"]
    assert fires(msgspec.structs.replace(info, told=None)) == {"info": True}
    told = Told("oncall", info.key, 0, True, "info", 9.0, 0, Outcome.DELIVERED)
    assert fires(msgspec.structs.replace(warning, told=told)) == {"warning": True, "info": False}
    grown = msgspec.structs.replace(told, severity="warning")
    assert fires(msgspec.structs.replace(warning, told=grown)) == {"warning": True}
    # A notifier that died told of the warning, and did not write it down.
    both = msgspec.structs.replace(warning, told=told, events=info.events + warning.events)
    ended = msgspec.structs.replace(both, firing=False)
    assert fires(ended) == {"warning": False, "info": False}
    # Nobody knows any more what was told.
    unknown = msgspec.structs.replace(warning, told=None, firing=False)
    assert fires(unknown) == dict.fromkeys(("info", "warning", "critical"), False)


@pytest.mark.parametrize("onset", ["2031-01-01T00:00:00Z", 7, None, "yesterday"])
def test_alertmanager_is_told_of_no_end_before_the_beginning(
    wave: list[Notification], onset: object
) -> None:
    """It would refuse the whole request: when the clock of posts is ahead, or is written anew."""
    told = strange(wave[-1], wave[-1].newest.alert.data | {"onset_at": onset})
    for one in (told, msgspec.structs.replace(told, firing=True)):
        for alert in alerts_of(one, 1_736_728_800.0):
            assert alert["startsAt"] <= "2025-01-13T00:40:00.000+00:00" <= alert["endsAt"]


async def test_reminders_page_nobody(receiver: Receiver) -> None:
    """PagerDuty is not told; to Alertmanager it is information that ends by itself."""
    for sink in sinks(receiver.url).values():
        await sink.deliver([reminder()])
        await sink.close()
    (hook,) = [r for r in receiver.requests if "X-Surgewatch-Reason" in r.headers]
    assert hook.headers["X-Surgewatch-Reason"] == "reminder"
    (other,) = [r for r in receiver.requests if r is not hook]
    (alert,) = other.json
    assert alert["labels"]["alertname"] == "SurgewatchSilence"
    assert alert["labels"]["severity"] == "info"
    assert alert["endsAt"] > alert["startsAt"]
    assert "s-00000001 still holds" in alert["annotations"]["summary"]


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
    monkeypatch.setattr(http.Poster.__init__, "__defaults__", ("", 0.3))
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


@pytest.mark.parametrize("name", ["pagerduty", "webhook"])
async def test_what_an_answer_repeats_of_secrets_is_not_said(
    receiver: Receiver, wave: list[Notification], name: str
) -> None:
    """Servers like to say which path there is none, and which key is wrong."""
    url = f"{receiver.url}/services/T0123456/tell-nobody?token=nor-anybody&sig=no%2Fbody%2Belse"
    sink = sinks(url)[name]
    for said in (
        "Cannot POST, sig: no/body+else",
        "Cannot POST, sig: body+else",
        "Cannot POST /services/T0123456/tell-nobody?token=nor-anybody",
        f"no service tell-nobody for nor-anybody, key {KEY}",
    ):
        receiver.answers.append(Answer(404, body=said))
        with pytest.raises(
            DeliveryError, match=r"answered 404: (Cannot POST|no service)"
        ) as caught:
            await sink.deliver([wave[0]])
        for secret in ("tell-nobody", "nor-anybody", "body+else", KEY):
            assert secret not in caught.value.reason
    await sink.close()


@pytest.mark.parametrize(
    "after",
    [
        "Mon, 13 Jan 99999999999999999999 00:00:30 GMT",
        "Mon, 13 Jan 2025 00:00:30 +9999999999999999999",
        "",
        "-1",
        "1e9",
    ],
)
async def test_nonsense_in_retry_after_is_no_error_of_ours(
    receiver: Receiver, wave: list[Notification], after: str
) -> None:
    receiver.answers.append(Answer(429, {"Retry-After": after}))
    sink = Webhook(receiver.url, KEY.encode())
    with pytest.raises(DeliveryError, match="answered 429") as caught:
        await sink.deliver([wave[0]])
    assert caught.value.retry_after_s is None
    await sink.close()


async def test_nobody_there(wave: list[Notification]) -> None:
    for sink in sinks("http://127.0.0.1:1/?secret=tell-nobody").values():
        with pytest.raises(DeliveryError, match="cannot connect") as caught:
            await sink.deliver([wave[0]])
        assert caught.value.retry
        assert "tell-nobody" not in caught.value.reason
        await sink.close()


@pytest.mark.parametrize("host", ["a..b", "x" * 70, "[::1", "h:99999"])
async def test_a_host_that_is_none_is_no_error_of_ours(wave: list[Notification], host: str) -> None:
    """It ends no process that has other routes to serve."""
    for sink in sinks(f"http://{host}/tell-nobody").values():
        with pytest.raises(DeliveryError, match="the URL cannot be used"):
            await sink.deliver([wave[0]])
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


def test_all_missing_secrets_are_said_at_once() -> None:
    routes = [Route("a", "pagerduty", secret_env="X"), Route("b", "apprise", secret_env="Y")]
    with pytest.raises(
        SettingsError, match=r"(?s)route a: secret_env = X.*route b: secret_env = Y"
    ):
        make_sinks(routes, {})


@pytest.mark.parametrize(
    ("route", "environ", "says"),
    [
        (Route("a", "pagerduty", secret_env="X"), {}, "route a: secret_env = X: .* is not set"),
        (Route("a", "webhook", "http://x", "X"), {"X": "short"}, "fewer than 16 characters"),
        (Route("a", "pagerduty", secret_env="X"), {"X": "\udcff" * 16}, "X: .* is not UTF-8"),
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
