"""The Kubernetes example: valid, confined, and of one piece with the program.

The package kubernetes-validate brings Kubernetes' own schemas along, and asks no network.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
from ruamel.yaml import YAML

from streams.cli import build_parser
from streams.errors import SettingsError
from streams.kafka.worker import STOP_SECONDS
from streams.settings import from_table, load
from streams.settings.observe import split_address

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "deploy" / "kubernetes" / "surgewatch.yaml"
VERSION = "1.31"
"""Of Kubernetes: old enough for most clusters."""

OBJECTS: list[dict[str, Any]] = list(YAML(typ="safe").load_all(EXAMPLE))
PODS = {
    one["metadata"]["name"]: one["spec"]["template"]["spec"]
    for one in OBJECTS
    if "template" in one.get("spec", {})
}
DEPLOYMENTS = {one["metadata"]["name"]: one for one in OBJECTS if one["kind"] == "Deployment"}
TABLE = tomllib.loads(OBJECTS[0]["data"]["surgewatch.toml"])


def _container(name: str) -> dict[str, Any]:
    (container,) = PODS[name]["containers"]
    return container


@pytest.mark.parametrize("number", range(len(OBJECTS)))
def test_objects_are_valid(number: int) -> None:
    """Each is what Kubernetes' schema says, without a field that it does not know."""
    kubernetes_validate.validate(OBJECTS[number], VERSION, strict=True)


def test_a_slip_is_seen() -> None:
    """The check does find something: a field at the wrong place."""
    slip = {**OBJECTS[2], "replicas": 2}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(slip, VERSION, strict=True)


@pytest.mark.parametrize("name", PODS)
def test_commands_are_understood(name: str) -> None:
    """What each pod runs is understood, and reads the file that is mounted there."""
    container = _container(name)
    command = container["args"]
    build_parser().parse_args(command)
    mounts = {mount["name"]: mount for mount in container["volumeMounts"]}
    assert (
        command[command.index("--config") + 1] == f"{mounts['config']['mountPath']}/surgewatch.toml"
    )
    volumes = {volume["name"]: volume for volume in PODS[name]["volumes"]}
    assert volumes["config"]["configMap"]["name"] == OBJECTS[0]["metadata"]["name"]
    assert set(volumes) == set(mounts)


def test_configuration_is_valid_and_holds_no_secret() -> None:
    """The settings are taken, and each route's secret comes from a secret of the cluster."""
    settings = from_table(TABLE)
    given = {one["name"] for name in PODS for one in _container(name).get("env", [])}
    assert {route.secret_env for route in settings.notify.routes} <= given
    for name in PODS:
        for one in _container(name).get("env", []):
            assert set(one["valueFrom"]) == {"secretKeyRef"}, one
    assert not [one for one in OBJECTS if one["kind"] == "Secret"]


@pytest.mark.parametrize("name", PODS)
def test_pods_are_confined(name: str) -> None:
    """No root, no rights, no writing but to /tmp, no token, and a limit of memory."""
    pod, container = PODS[name], _container(name)
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    user = f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}"
    assert f"USER {user}" in (ROOT / "Dockerfile").read_text()
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["limits"] == {
        "memory": container["resources"]["limits"]["memory"]
    }
    assert set(container["resources"]["requests"]) == {"cpu", "memory"}


@pytest.mark.parametrize("name", PODS)
def test_no_service_looks_like_a_setting(name: str) -> None:
    """Kubernetes tells pods of each service by variables, which the program would refuse."""
    services = [one["metadata"]["name"] for one in OBJECTS if one["kind"] == "Service"]
    made = {
        f"{service.upper().replace('-', '_')}_PORT": "tcp://10.0.0.1:80" for service in services
    }
    with pytest.raises(SettingsError, match="SURGEWATCH_CONSOLE_PORT: no such setting"):
        load(None, made)
    assert PODS[name]["enableServiceLinks"] is False


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_probes_ask_where_it_is_told(name: str) -> None:
    """Liveness is health, readiness is readiness, on the port of the settings."""
    container = _container(name)
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    section = "console" if name == "surgewatch-console" else "metrics"
    _, listens = split_address(TABLE[section]["listen"])
    probes = {"livenessProbe": "/-/healthy", "readinessProbe": "/-/ready"}
    for probe, path in probes.items():
        asked = container[probe]["httpGet"]
        assert (asked["path"], ports[asked["port"]]) == (path, listens)


def test_rolling_updates() -> None:
    """Workers are replaced one by one and have time to stop; two notifiers never run at once."""
    worker = DEPLOYMENTS["surgewatch-worker"]["spec"]
    assert worker["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}
    assert worker["replicas"] > 1
    assert PODS["surgewatch-worker"]["terminationGracePeriodSeconds"] > STOP_SECONDS
    topics = build_parser().parse_args(_container("surgewatch-topics")["args"])
    assert topics.partitions >= worker["replicas"]
    notifier = DEPLOYMENTS["surgewatch-notifier"]["spec"]
    assert (notifier["replicas"], notifier["strategy"]) == (1, {"type": "Recreate"})


def test_labels_select_what_they_should() -> None:
    """Each selector fits the pods of its own deployment and of no other."""
    labels = {
        name: one["spec"]["template"]["metadata"]["labels"] for name, one in DEPLOYMENTS.items()
    }
    for one in OBJECTS:
        selector = one["spec"].get("selector") if "spec" in one else None
        if selector is None:
            continue
        wanted = selector.get("matchLabels", selector)
        fitting = [name for name, has in labels.items() if wanted.items() <= has.items()]
        assert fitting == [one["metadata"]["name"]]
