"""Routes of the notifier: what is read, what is refused, and how it is said."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

import pytest

from streams.errors import SettingsError
from streams.settings import Route, Settings, from_table, load, require_routes
from streams.settings.notify import ROUTE_KEYS, ROUTES_MAX

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness import Command

HOOK: dict[str, Any] = {"name": "hook", "to": "webhook", "url": "http://h/x", "secret_env": "KEY"}
FULL = """
[notify]
console_url = "https://ops.example.com"

[[notify.routes]]
name = "asia"
to = "pagerduty"
url = "https://events.eu.pagerduty.com/v2/enqueue"
secret_env = "ASIA_KEY"
regions = ["JP", "ZZ"]
hashtags = ["#tiktok*", '小红书?"\\']
levels = ["pair", "region"]
severity_min = "info"
pipeline = false
quiet_hours = "22:00-07:30"
time_zone = "Asia/Tokyo"
quiet_severity_min = "warning"
group_window = "0s"
repeat = "never"
runbook = "https://wiki/x#what-to-do"

[[notify.routes]]
name = "am"
to = "alertmanager"
url = "http://[::1]:9093"
"""
ASIA = Route(
    name="asia",
    to="pagerduty",
    url="https://events.eu.pagerduty.com/v2/enqueue",
    secret_env="ASIA_KEY",
    regions=("JP", "ZZ"),
    hashtags=("#tiktok*", '小红书?"\\'),
    levels=("pair", "region"),
    severity_min="info",
    pipeline=False,
    quiet_hours="22:00-07:30",
    time_zone="Asia/Tokyo",
    quiet_severity_min="warning",
    group_window_ms=0,
    repeat_ms=0,
    runbook="https://wiki/x#what-to-do",
)


def refusal(*routes: Any) -> str:
    """The message with which routes are refused."""
    with pytest.raises(SettingsError) as caught:
        from_table({"notify": {"routes": list(routes)}}, where="x.toml")
    return str(caught.value)


def test_every_key_is_read(tmp_path: Path) -> None:
    """Each key of a route reaches it, what is not given has its default."""
    file = tmp_path / "x.toml"
    file.write_text(FULL, "utf-8")
    routes = load(file, {}).notify.routes
    assert routes == (ASIA, Route("am", "alertmanager", "http://[::1]:9093"))
    assert set(tomllib.loads(FULL)["notify"]["routes"][0]) == set(ROUTE_KEYS)


def test_what_is_shown_reads_back(
    tmp_path: Path, surgewatch: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``config show`` prints routes so that the output is a configuration again."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.toml").write_text(FULL, "utf-8")
    shown = surgewatch("config", "show", "--config", "x.toml")
    assert shown.code == 0
    assert from_table(tomllib.loads(shown.out.decode())) == load(tmp_path / "x.toml", {})


def test_routes_from_the_environment() -> None:
    """A variable holds them as TOML, over those of the file."""
    variable = '[{name = "chat", to = "apprise", secret_env = "URLS"}]'
    settings = from_table({"notify": {"routes": [HOOK]}}, {"SURGEWATCH_NOTIFY_ROUTES": variable})
    assert settings.notify.routes == (Route("chat", "apprise", secret_env="URLS"),)


def test_routes_shape_no_alerts() -> None:
    """Whoever is told, the alerts are the same."""
    assert from_table({"notify": {"routes": [HOOK]}}).fingerprint == Settings().fingerprint


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"levls": ["all"]}, 'route "hook": no such key "levls"; did you mean levels?'),
        ({"zzz": 1}, "it has name, to, url"),
        ({"name": "A"}, 'route "A": name = "A": not of the allowed form; allowed: a-z, 0-9 and -'),
        ({"name": "x" * 41}, "at most 40"),
        ({"name": "a\n"}, "not of the allowed form"),
        ({"name": 7}, "name = 7: not text"),
        ({"to": "slack"}, 'to = "slack": not of the allowed form; allowed: alertmanager, pager'),
        ({"url": ""}, 'route "hook": url is missing; webhook needs it'),
        ({"to": "pagerduty", "secret_env": ""}, "secret_env is missing; pagerduty needs it"),
        ({"url": "ftp://h"}, "an http or https URL"),
        ({"url": "http://user:password@h/"}, "url = (hidden): not of the allowed form"),
        ({"runbook": "http://user:password@h/"}, "without a login"),
        ({"url": "http://h/\x1b[31m"}, "not of the allowed form"),
        ({"secret_env": "SURGEWATCH_KEY"}, "does not begin with SURGEWATCH_"),
        ({"secret_env": "a b"}, "not of the allowed form"),
        ({"regions": ["us"]}, 'regions = ["us"]: "us" is none of these'),
        ({"regions": "US"}, "not a list"),
        ({"regions": ["US"] * 301}, "more than 300"),
        ({"regions": [["US"]]}, "is none of these"),
        ({"hashtags": ["#"]}, '"#" is none of these'),
        ({"hashtags": [""]}, "is none of these"),
        ({"hashtags": ["a\nb"]}, "is none of these"),
        ({"levels": ["country"]}, '"country" is none of these; allowed: all, region'),
        ({"severity_min": "Warning"}, "allowed: info, warning, critical"),
        ({"pipeline": "yes"}, "neither true nor false"),
        ({"quiet_hours": "22:00"}, "two times of day"),
        ({"quiet_hours": "24:00-07:00"}, "two times of day"),
        ({"quiet_hours": "07:00-07:00"}, 'route "hook": quiet_hours end when they begin'),
        ({"time_zone": "Asia/Peking"}, "no such time zone"),
        ({"time_zone": "../../etc/passwd"}, "no such time zone"),
        ({"time_zone": ""}, "no such time zone"),
        ({"group_window": "11m"}, "allowed: 0s to 10m"),
        ({"repeat": 5}, "say the unit"),
        ({"repeat": "1s"}, '1m to 30d, or "never"'),
        ({"runbook": "wiki"}, "runbook"),
    ],
)
def test_what_is_no_route_is_refused(changes: dict[str, Any], says: str) -> None:
    """The message names file, route and key, and what is allowed."""
    message = refusal(HOOK | changes)
    assert says in message
    assert "x.toml" in message


def test_all_that_is_wrong_is_said_at_once() -> None:
    """Of all routes, without repeating what they hold."""
    wrong = HOOK | {"name": "b", "to": "slack", "levls": [], "url": "http://user:password@h/"}
    lines = refusal(HOOK | {"url": ""}, wrong).splitlines()
    begins = (
        '    route "hook": url is missing; webhook needs it',
        '    route "b": to = "slack": not of the allowed form; allowed: alertmanager, ',
        '    route "b": url = (hidden): not of the allowed form; allowed: an http or https',
        '    route "b": no such key "levls"; did you mean levels?',
    )
    assert len(lines) == 1 + len(begins)
    for line, begin in zip(lines[1:], begins, strict=True):
        assert line.startswith(begin)
    assert "password" not in "".join(lines)


def test_who_asks_for_what_is_critical_is_not_told_of_troubles() -> None:
    """They are warnings; unless it is asked for."""

    def pipeline(**more: Any) -> bool:
        (route,) = from_table({"notify": {"routes": [HOOK | more]}}).notify.routes
        return route.pipeline

    assert pipeline()
    assert not pipeline(severity_min="critical")
    assert pipeline(severity_min="critical", pipeline=True)
    assert not pipeline(pipeline=False)


def test_what_are_no_routes() -> None:
    """Names are needed, and once; so many, and no more."""
    nameless = {key: value for key, value in HOOK.items() if key != "name"}
    assert "route 2: name is missing; every route needs it" in refusal(HOOK, nameless)
    assert "two routes are called hook" in refusal(HOOK, HOOK)
    assert "route 1 is not a table" in refusal("hook")
    many = [HOOK | {"name": f"a{number}"} for number in range(ROUTES_MAX + 1)]
    assert "more than 50 routes" in refusal(*many)
    assert len(from_table({"notify": {"routes": many[1:]}}).notify.routes) == ROUTES_MAX
    with pytest.raises(SettingsError, match=r"write each under \[\[notify\.routes\]\]"):
        from_table({"notify": {"routes": HOOK}})


def test_nobody_to_tell(tmp_path: Path, surgewatch: Command) -> None:
    """Without routes a trial tells why it tells nothing."""
    with pytest.raises(SettingsError, match="there is none, so nobody would be told"):
        require_routes(Settings().notify)
    alerts = tmp_path / "alerts.jsonl"
    alerts.write_bytes(b"")
    ran = surgewatch("notify", "--from", alerts)
    assert (ran.code, ran.out) == (2, b"")
    assert "write one under [[notify.routes]]" in ran.message
