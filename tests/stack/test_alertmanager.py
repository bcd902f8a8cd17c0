"""A real Alertmanager, as shipped: it receives, groups, inhibits and resolves."""

from __future__ import annotations

import asyncio
import subprocess
import time
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import yaml

from streams.codec import decode_alert, encode_alert
from streams.notify import Event, Notification, Reason
from streams.sinks.alertmanager import Alertmanager
from tests.broker import ROOT
from tests.stack.process import fetch, free_port, program, running
from tests.unit.streams.notify.made import trouble
from tests.unit.streams.sinks.told import HOSTILE, hostile, strange, told_of_a_wave

if TYPE_CHECKING:
    from pathlib import Path

    from tests.receiver import Receiver

CONFIG = ROOT / "deploy" / "alertmanager" / "alertmanager.yml"
WAIT_S = 20.0


def test_amtool_finds_nothing_wrong() -> None:
    """The shipped configuration is valid."""
    ran = subprocess.run(
        [program("amtool"), "check-config", str(CONFIG)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr


@pytest.fixture
def alertmanager(tmp_path: Path, receiver: Receiver) -> Any:
    """Its URL; it has the shipped routes and inhibitions, told fast, and somebody who listens."""
    binary = program("prometheus-alertmanager", "alertmanager")
    config = yaml.safe_load(CONFIG.read_text())
    config["route"] |= {"group_wait": "200ms", "group_interval": "1s"}
    config["receivers"][1]["webhook_configs"] = [
        {"url": f"{receiver.url}/hook", "send_resolved": True}
    ]
    assert config["receivers"][1]["name"] == "operations"
    file = tmp_path / "alertmanager.yml"
    file.write_text(yaml.safe_dump(config))
    url = f"http://127.0.0.1:{free_port()}"
    command = [
        binary,
        f"--config.file={file}",
        f"--storage.path={tmp_path / 'data'}",
        f"--web.listen-address={url.removeprefix('http://')}",
        "--cluster.listen-address=",
    ]
    with running(command, f"{url}/-/ready", tmp_path / "alertmanager.log"):
        yield url


def alerts(url: str) -> list[dict[str, Any]]:
    """What fires, inhibited or not."""
    found: list[dict[str, Any]] = fetch(f"{url}/api/v2/alerts")
    return found


async def until(condition: Any) -> None:
    """Wait until it holds."""
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.05)


def groups(receiver: Receiver, status: str) -> list[dict[str, Any]]:
    """What the receiver was told to fire, or to be resolved."""
    return [told for told in (r.json for r in receiver.requests) if told["status"] == status]


def of_level(notification: Notification, level: str, name: str) -> Notification:
    """Another incident, of another level."""
    alert = notification.newest.alert
    data = alert.data | {"level": level, "incident_id": name}
    if level == "region":
        data["hashtag"] = None
    other = msgspec.structs.replace(alert, data=data, correlationid=name)
    event = Event(other, encode_alert(other), 0)
    return msgspec.structs.replace(notification, key=name, events=(event,), opened=event)


async def test_a_waves_incident_fires_changes_and_is_resolved(
    alertmanager: str, receiver: Receiver
) -> None:
    """From its first alert to its last, one at a time fires, and at the end none."""
    told = told_of_a_wave()
    sink = Alertmanager(alertmanager)
    assert len({one.newest.alert.data["severity"] for one in told}) > 1, "its severity changes"
    for one in told[:-1]:
        await sink.deliver([one])
        firing = alerts(alertmanager)
        assert len(firing) == 1
        assert firing[0]["labels"]["severity"] == one.newest.alert.data["severity"]
        assert firing[0]["labels"]["incident"] == one.key
    await until(lambda: groups(receiver, "firing"))
    assert told[0].url == firing[0]["generatorURL"]
    await sink.deliver([told[-1]])
    await sink.deliver([told[-1]])
    assert alerts(alertmanager) == []
    await until(lambda: groups(receiver, "resolved"))
    resolved = groups(receiver, "resolved")[-1]
    assert resolved["groupLabels"] == {"alertname": "SurgewatchIncident", "incident": told[0].key}
    await sink.close()


async def test_a_regions_incident_keeps_back_its_pairs(
    alertmanager: str, receiver: Receiver
) -> None:
    """A pair of the region is inhibited, and told when the region's is over."""
    one = told_of_a_wave()[0]
    region = of_level(one, "region", "in-00000000000000aa")
    pair = of_level(one, "pair", "in-00000000000000bb")
    sink = Alertmanager(alertmanager)
    await sink.deliver([region])
    await sink.deliver([pair])
    await until(lambda: len(alerts(alertmanager)) == 2)

    def states() -> dict[str, str]:
        return {a["labels"]["incident"]: a["status"]["state"] for a in alerts(alertmanager)}

    await until(lambda: states() == {region.key: "active", pair.key: "suppressed"})
    await until(lambda: groups(receiver, "firing"))
    told = {a["labels"]["incident"] for g in groups(receiver, "firing") for a in g["alerts"]}
    assert told == {region.key}
    await sink.deliver([msgspec.structs.replace(region, firing=False)])
    await until(lambda: states() == {pair.key: "active"})
    await until(
        lambda: any(
            a["labels"]["incident"] == pair.key
            for g in groups(receiver, "firing")
            for a in g["alerts"]
        )
    )
    await sink.close()


async def test_what_never_fired_is_not_told_to_be_over(
    alertmanager: str, receiver: Receiver
) -> None:
    """The receiver is shown severities that the incident had, and no others."""
    told = told_of_a_wave()
    sink = Alertmanager(alertmanager)
    await sink.deliver([told[0]])
    await until(lambda: groups(receiver, "firing"))
    for one in told[1:]:
        await sink.deliver([one])
    await until(lambda: groups(receiver, "resolved"))
    had = {one.newest.alert.data["severity"] for one in told}
    assert had < {"info", "warning", "critical"}
    shown = {a["labels"]["severity"] for r in receiver.requests for a in r.json["alerts"]}
    assert shown <= had
    await sink.close()


async def test_a_replay_keeps_back_nothing_that_is_real(alertmanager: str) -> None:
    """A recorded region's incident is delivered to try things out while one of its pairs rises."""
    one = told_of_a_wave()[0]
    region = of_level(one, "region", "in-00000000000000aa")
    pair = of_level(one, "pair", "in-00000000000000bb")
    sink = Alertmanager(alertmanager)
    await sink.deliver([msgspec.structs.replace(region, replay=True)])
    await sink.deliver([pair])
    await until(lambda: len(alerts(alertmanager)) == 2)
    await asyncio.sleep(0.5)
    assert {a["status"]["state"] for a in alerts(alertmanager)} == {"active"}
    await sink.close()


async def test_posts_whose_clock_is_ahead_are_told_and_resolved(alertmanager: str) -> None:
    """Alertmanager refuses what ends before it begins, for good."""
    one = told_of_a_wave()[0]
    ahead = strange(one, one.newest.alert.data | {"onset_at": "2099-01-01T00:00:00Z"})
    sink = Alertmanager(alertmanager)
    await sink.deliver([ahead])
    assert len(alerts(alertmanager)) == 1
    await sink.deliver([msgspec.structs.replace(ahead, firing=False)])
    await until(lambda: not alerts(alertmanager))
    await sink.close()


async def test_a_replay_reaches_nobody(alertmanager: str, receiver: Receiver) -> None:
    """It is to be seen on the page, and goes to no receiver."""
    sink = Alertmanager(alertmanager)
    await sink.deliver([msgspec.structs.replace(told_of_a_wave()[0], replay=True)])
    await until(lambda: len(alerts(alertmanager)) == 1)
    assert alerts(alertmanager)[0]["receivers"] == [{"name": "nobody"}]
    await asyncio.sleep(1.0)
    assert receiver.requests == []
    await sink.close()


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_texts_are_taken(alertmanager: str, name: str) -> None:
    """Alertmanager refuses a whole request for one bad value: there is none."""
    sink = Alertmanager(alertmanager)
    await sink.deliver([hostile(told_of_a_wave()[0], HOSTILE[name])])
    assert len(alerts(alertmanager)) == 1
    await sink.close()


async def test_without_console_runbook_or_cause_it_is_taken(alertmanager: str) -> None:
    """Nothing is configured but the URL; and a trouble of the pipeline has no hashtag."""
    bare = msgspec.structs.replace(told_of_a_wave()[0], url="", runbook="")
    raw = trouble("lag", "open", int(time.time() * 1000))
    event = Event(decode_alert(raw), raw, 0)
    lag = Notification("oncall", "pipeline/lag/x", True, Reason.PIPELINE, (event,), event)
    sink = Alertmanager(alertmanager)
    await sink.deliver([bare, lag])
    found = {a["labels"]["alertname"] for a in alerts(alertmanager)}
    assert found == {"SurgewatchIncident", "SurgewatchPipeline"}
    await sink.close()
