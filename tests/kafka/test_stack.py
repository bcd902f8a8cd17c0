"""What docker-compose.yml starts, started for real outside containers, by each service's command.

Only what containers change is changed: where others and files are, and on which port one listens.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ruamel.yaml import YAML

from tests.stack.process import answers, free_port
from tests.stack.prometheus import Stub, prometheus_of, stub

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
SERVICES: dict[str, Any] = YAML(typ="safe").load(ROOT / "docker-compose.yml")["services"]
BIN = Path(sys.executable).parent
KEY = "0123456789abcdef" * 4
WAIT_S = 120.0
SURGEWATCH = BIN / "surgewatch"
DEMO, SMALLER = "--days 7 --rate 1 ", "--days 4 --rate 0.3 "


class Stack:
    """Services as processes of this machine, beside a broker that is there."""

    def __init__(self, directory: Path, bootstrap: str, prefix: str, alertmanager: Stub) -> None:
        self.directory = directory
        self.ports = {name: free_port() for name in ("worker", "notifier", "console")}
        settings = (ROOT / "deploy" / "surgewatch.toml").read_text()
        assert "http://alertmanager:9093" in settings
        self.config = directory / "surgewatch.toml"
        self.config.write_text(
            settings.replace("http://alertmanager:9093", f"http://{alertmanager.address}")
            + f'\n[kafka]\nprefix = "{prefix}"\napp = "{prefix}"\n'
        )
        self._bootstrap = bootstrap

    def environment(self, name: str) -> dict[str, str]:
        """What Compose gives a service, and what a process needs besides."""
        given = dict(SERVICES[name]["environment"])
        given["SURGEWATCH_KAFKA_BOOTSTRAP"] = self._bootstrap
        if "SURGEWATCH_USERS_KEY" in given:
            given["SURGEWATCH_USERS_KEY"] = KEY
        for variable in given:
            if variable.endswith("_LISTEN"):
                given[variable] = f"127.0.0.1:{self.ports[name]}"
        path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
        return {"PATH": path, "HOME": str(self.directory), **given}

    def arguments(self, name: str) -> list[str]:
        """Of a service that runs surgewatch itself; the topics job has no file of its own."""
        given = ["/etc/surgewatch.toml", str(self.config)]
        command = [given[1] if one == given[0] else one for one in SERVICES[name]["command"]]
        return command if "--config" in command else [*command, "--config", given[1]]

    def ran(self, *command: str | Path, name: str) -> str:
        """What a service says that ends by itself."""
        done = subprocess.run(
            command, env=self.environment(name), capture_output=True, text=True, check=False,
            timeout=WAIT_S, cwd=self.directory,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @contextlib.contextmanager
    def running(self, name: str) -> Iterator[subprocess.Popen[bytes]]:
        """A service that runs on, stopped as Compose stops it."""
        with (self.directory / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [SURGEWATCH, *self.arguments(name)],
                env=self.environment(name), stdout=log, stderr=log, cwd=self.directory,
            )  # fmt: skip
        try:
            yield process
            process.terminate()
            stop_s = SERVICES[name].get("stop_grace_period", "10s").removesuffix("s")
            process.wait(float(stop_s))
        finally:
            process.kill()
            process.wait()

    def until(self, true: Callable[[], bool]) -> None:
        """Wait until something holds."""
        deadline = time.monotonic() + WAIT_S
        while not true():
            logs = [log.read_text() for log in self.directory.glob("*.log")]
            assert time.monotonic() < deadline, "\n".join(logs)
            time.sleep(0.2)

    def is_healthy(self, name: str) -> bool:
        """What a service's health check says, run as Compose runs it."""
        _, program, *rest = SERVICES[name]["healthcheck"]["test"]
        listens = SERVICES[name]["environment"]
        (port,) = [v.rpartition(":")[2] for k, v in listens.items() if k.endswith("_LISTEN")]
        asked = [one.replace(f":{port}/", f":{self.ports[name]}/") for one in rest]
        done = subprocess.run(
            [BIN / program, *asked], env=self.environment(name), capture_output=True, check=False
        )
        return done.returncode == 0

    def demo(self) -> str:
        """The demo's script, of a smaller world."""
        (script,) = SERVICES["demo"]["command"]
        assert DEMO in script
        script = script.replace(DEMO, SMALLER)
        script = script.replace("/tmp/", f"{self.directory}/")  # noqa: S108 - as it is there
        script = script.rstrip() + f" --config {self.config}"
        return self.ran(*SERVICES["demo"]["entrypoint"], script, name="demo")


@pytest.fixture
def alertmanager() -> Iterator[Stub]:
    """Whoever takes what the notifier sends."""
    with stub("") as server:
        yield server


def _scraped(stack: Stack) -> Path:
    """The shipped configuration of Prometheus, with the places of these processes."""
    config = YAML(typ="safe").load(ROOT / "deploy" / "prometheus" / "prometheus.yml")
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = []
    config["alerting"] = {}
    config["scrape_configs"] = [
        {
            "job_name": f"surgewatch-{name}",
            "static_configs": [{"targets": [f"127.0.0.1:{stack.ports[name]}"]}],
        }
        for name in ("worker", "notifier")
    ]
    file = stack.directory / "prometheus.yml"
    YAML(typ="safe").dump(config, file)
    return file


def test_the_stack_tells_of_the_demos_wave(
    tmp_path: Path, bootstrap: str, prefix: str, alertmanager: Stub
) -> None:
    """Topics, worker, notifier and demo as Compose has them: the wave's incident is told."""
    stack = Stack(tmp_path, bootstrap, prefix, alertmanager)
    stack.ran(SURGEWATCH, *stack.arguments("topics"), name="topics")
    with (
        stack.running("worker"),
        stack.running("notifier"),
        prometheus_of(_scraped(stack), tmp_path) as prometheus,
    ):
        for name in ("worker", "notifier"):
            stack.until(lambda name=name: stack.is_healthy(name))  # type: ignore[misc]
        stack.until(lambda: answers(f"http://127.0.0.1:{stack.ports['worker']}/-/ready"))
        assert "published " in stack.demo()
        stack.until(lambda: bool(alertmanager.posted))
        prometheus.until('count(up{job=~"surgewatch-.*"} == 1)', 2)
        posts = prometheus.value("sum(surgewatch_posts_total)")
        assert posts is not None
        assert posts > 0
    told = alertmanager.posted[0]
    assert told["labels"]["alertname"] == "SurgewatchIncident"
    assert told["generatorURL"].startswith("http://localhost:8080")


def test_the_console_runs(tmp_path: Path, bootstrap: str, prefix: str, alertmanager: Stub) -> None:
    """The console as Compose has it is healthy by its own health check."""
    stack = Stack(tmp_path, bootstrap, prefix, alertmanager)
    stack.ran(SURGEWATCH, *stack.arguments("topics"), name="topics")
    with stack.running("console"):
        stack.until(lambda: stack.is_healthy("console"))
