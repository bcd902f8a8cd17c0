"""What watches surgewatch is itself checked: by its own tools, and by a real Prometheus.

Debian's packages bring the programs; what no other place says of them is said by the shipped files.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.stack.process import program
from tests.stack.prometheus import WAIT_S, checked, prometheus_of, stub

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
CONFIG = DEPLOY / "prometheus" / "prometheus.yml"
RULES = DEPLOY / "prometheus" / "rules" / "surgewatch.yml"
RULES_TEST = Path(__file__).parent / "rules_test.yml"
DASHBOARD = DEPLOY / "grafana" / "dashboards" / "surgewatch.json"
METRICS = ROOT / "streams" / "observe" / "names.py"
OPERATIONS = ROOT / "docs" / "operations.md"

STATIC = {"surgewatch-notifier", "prometheus", "alertmanager"}
"""Jobs whose targets are known without a name server."""

WORKER = """\
# TYPE surgewatch_posts_total counter
surgewatch_posts_total 12345
# TYPE surgewatch_lag_records gauge
surgewatch_lag_records{partition="0"} 7
"""
NOTIFIER = """\
# TYPE surgewatch_deliveries_total counter
surgewatch_deliveries_total{route="duty",destination="pagerduty",outcome="dead"} 3
"""


def _yaml(path: Path) -> Any:
    return YAML(typ="safe").load(path)


def _rules() -> list[dict[str, Any]]:
    rules = [rule for group in _yaml(RULES)["groups"] for rule in group["rules"]]
    assert len(rules) > 10
    return rules


def _panels() -> list[dict[str, Any]]:
    panels = [panel for panel in json.loads(DASHBOARD.read_text())["panels"] if "targets" in panel]
    assert len(panels) > 10
    return panels


def _expressions() -> list[str]:
    shown = [target["expr"] for panel in _panels() for target in panel["targets"]]
    return [*shown, *(rule["expr"] for rule in _rules())]


def _used() -> set[str]:
    """The metrics of ours that dashboards and rules ask for, a histogram by its own name."""
    named = set(re.findall(r"\bsurgewatch_\w+", "\n".join(_expressions())))
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in named}


def test_configuration_is_valid() -> None:
    """Promtool finds nothing wrong with the configuration and the rules that it names."""
    assert f"{len(_rules())} rules found" in checked(program("promtool"), "check", "config", CONFIG)


def test_rules_fire_when_they_should() -> None:
    """Each situation of rules_test.yml fires what it should, and a calm one nothing."""
    checked(program("promtool"), "test", "rules", RULES_TEST)


def test_a_rule_that_never_fires_is_seen(tmp_path: Path) -> None:
    """The rules' tests do find something: a threshold that is out of reach."""
    promtool = program("promtool")
    (tmp_path / "rules.yml").write_text(RULES.read_text().replace("> 900", "> 90000"))
    test = RULES_TEST.read_text().replace(
        "../../deploy/prometheus/rules/surgewatch.yml", "rules.yml"
    )
    (tmp_path / "test.yml").write_text(test)
    ran = subprocess.run(
        [promtool, "test", "rules", tmp_path / "test.yml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    assert "SurgewatchBehind" in ran.stdout + ran.stderr


def test_every_rule_is_tested_and_explained() -> None:
    """Each has a situation in which it fires, one in which it does not, and says what to do."""
    cases = [case for test in _yaml(RULES_TEST)["tests"] for case in test["alert_rule_test"]]
    headings = re.findall(r"^#+ (\w+)$", OPERATIONS.read_text("utf-8"), re.MULTILINE)
    for rule in _rules():
        name = rule["alert"]
        outcomes = {bool(case["exp_alerts"]) for case in cases if case["alertname"] == name}
        assert outcomes == {True, False}, name
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert rule["annotations"]["runbook"] == f"docs/operations.md#{name.lower()}"
        assert name in headings, f"docs/operations.md has no heading {name}"


def test_dashboard_asks_what_prometheus_understands(tmp_path: Path) -> None:
    """Every expression of the dashboard is one, taken as a rule that promtool checks."""
    promtool = program("promtool")
    shown = [target["expr"] for panel in _panels() for target in panel["targets"]]
    rules = [
        {"record": f"shown:{number}", "expr": expression.replace("$__rate_interval", "1m")}
        for number, expression in enumerate(shown)
    ]
    file = tmp_path / "rules.yml"
    file.write_text(json.dumps({"groups": [{"name": "shown", "rules": rules}]}))
    assert f"{len(shown)} rules found" in checked(promtool, "check", "rules", file)


def test_dashboard_and_sources_belong_together() -> None:
    """Panels name a data source that is provisioned, do not overlap, and are served from a file."""
    sources = _yaml(DEPLOY / "grafana" / "provisioning" / "datasources" / "surgewatch.yml")
    uids = {source["uid"] for source in sources["datasources"]}
    compose = _yaml(ROOT / "docker-compose.yml")["services"]
    hosts = {source["url"].split("/")[2].split(":")[0] for source in sources["datasources"]}
    assert hosts <= set(compose)
    taken: set[tuple[int, int]] = set()
    for panel in _panels():
        assert {one["datasource"]["uid"] for one in (panel, *panel["targets"])} <= uids
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells
    (provider,) = _yaml(DEPLOY / "grafana" / "provisioning" / "dashboards" / "surgewatch.yml")[
        "providers"
    ]
    mounts = [mount.split(":")[1] for mount in compose["grafana"]["volumes"]]
    assert provider["options"]["path"] in mounts
    home = compose["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home == f"{provider['options']['path']}/{DASHBOARD.name}"


def test_every_metric_that_is_used_exists() -> None:
    """Dashboards and rules ask for nothing that streams/observe/names.py does not have."""
    # The library adds _total to a counter's name by itself.
    named = set(re.findall(r'"(surgewatch_\w+)"', METRICS.read_text("utf-8")))
    known = named | {f"{name}_total" for name in named}
    assert not _used() - known


def test_targets_are_services_and_their_ports() -> None:
    """Prometheus asks services of the Compose file, on the port where each tells its metrics."""
    services = _yaml(ROOT / "docker-compose.yml")["services"]
    jobs = {job["job_name"]: job for job in _yaml(CONFIG)["scrape_configs"]}
    (worker,) = jobs["surgewatch-worker"]["dns_sd_configs"]
    ((notifier,),) = (one["targets"] for one in jobs["surgewatch-notifier"]["static_configs"])
    targets = {f"{name}:{worker['port']}" for name in worker["names"]} | {notifier}
    told = {
        f"{name}:{service['environment']['SURGEWATCH_METRICS_LISTEN'].rpartition(':')[2]}"
        for name, service in services.items()
        if "SURGEWATCH_METRICS_LISTEN" in service.get("environment", ())
    }
    assert targets == told
    used = {job for query in _expressions() for job in re.findall(r'job="([^"]+)"', query)}
    assert used <= set(jobs)


def test_prometheus_starts_with_what_is_shipped(tmp_path: Path) -> None:
    """A real Prometheus takes the configuration as it is, and knows each rule."""
    with prometheus_of(CONFIG, tmp_path) as prometheus:
        groups = prometheus.get("/api/v1/rules")["groups"]
        rules = {rule["name"]: rule["health"] for group in groups for rule in group["rules"]}
        assert set(rules) == {rule["alert"] for rule in _rules()}
        deadline = time.monotonic() + WAIT_S  # discovery takes some seconds
        asked: set[str] = set()
        while asked != STATIC:
            assert time.monotonic() < deadline, asked
            time.sleep(0.2)
            targets = prometheus.get("/api/v1/targets")["activeTargets"]
            asked = {target["scrapePool"] for target in targets}


def test_prometheus_scrapes_and_tells(tmp_path: Path) -> None:
    """It reads the metrics of each process, and sends what fires to the Alertmanager.

    The shipped configuration but for where the others are (names that only Compose knows) and how
    often it looks.
    """
    with stub(WORKER) as worker, stub(NOTIFIER) as notifier, stub("") as alertmanager:
        config = _yaml(CONFIG)
        config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        config["rule_files"] = [str(RULES)]
        places = {"surgewatch-worker": worker, "surgewatch-notifier": notifier}
        config["scrape_configs"] = [
            {"job_name": job["job_name"], "static_configs": [{"targets": [place.address]}]}
            for job in config["scrape_configs"]
            if (place := places.get(job["job_name"]))
        ]
        (sent,) = config["alerting"]["alertmanagers"]
        sent["static_configs"] = [{"targets": [alertmanager.address]}]
        file = tmp_path / "prometheus.yml"
        file.write_text(json.dumps(config))
        with prometheus_of(file, tmp_path) as prometheus:
            prometheus.until('count(up{job=~"surgewatch-.*"} == 1)', 2)
            prometheus.until('surgewatch_posts_total{job="surgewatch-worker"}', 12345)
            prometheus.until('surgewatch_lag_records{partition="0"}', 7)
            prometheus.until('count(ALERTS{alertname="SurgewatchDeadLetters",route="duty"})', 1)
            deadline = time.monotonic() + WAIT_S
            while not alertmanager.posted and time.monotonic() < deadline:
                time.sleep(0.1)
    (told,) = {alert["labels"]["alertname"] for alert in alertmanager.posted}
    assert told == "SurgewatchDeadLetters"
    summaries = {alert["annotations"]["summary"] for alert in alertmanager.posted}
    assert summaries == {"Route duty has given up on 3 notifications"}
