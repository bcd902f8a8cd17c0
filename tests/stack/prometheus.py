"""What tests run of Prometheus, and the processes they start of it."""

from __future__ import annotations

import contextlib
import http.server
import json
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tests.stack.process import fetch, free_port, program, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WAIT_S = 60


def checked(*command: str | Path) -> str:
    """What a program says that must find nothing wrong."""
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=WAIT_S)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


class Stub(http.server.ThreadingHTTPServer):
    """A process's metrics on a port of this machine, and what is posted to it."""

    def __init__(self, metrics: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.metrics = metrics
        self.posted: list[Any] = []
        self.address = f"127.0.0.1:{self.server_port}"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Stub

    def do_GET(self) -> None:
        self._answer(self.server.metrics.encode())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posted += json.loads(body)
        self._answer(b"{}")

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def stub(metrics: str) -> Iterator[Stub]:
    """Serve metrics while the test runs."""
    with Stub(metrics) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class Prometheus:
    """A Prometheus that runs, asked over its API."""

    def __init__(self, address: str, log: Path) -> None:
        self._url = f"http://{address}"
        self._log = log

    def get(self, path: str) -> Any:
        """The data of an answer."""
        return fetch(f"{self._url}{path}")["data"]

    def value(self, query: str) -> float | None:
        """What an expression is now; None if there is no such series."""
        result = self.get(f"/api/v1/query?query={quote(query)}")["result"]
        return float(result[0]["value"][1]) if result else None

    def until(self, query: str, wanted: float) -> None:
        """Wait until an expression has a value."""
        deadline = time.monotonic() + WAIT_S
        while (found := self.value(query)) != wanted:
            assert time.monotonic() < deadline, f"{query}: {found}\n{self._log.read_text()}"
            time.sleep(0.2)


@contextlib.contextmanager
def prometheus_of(config: Path, directory: Path) -> Iterator[Prometheus]:
    """A Prometheus with a configuration, on a free port, its data in a directory."""
    address = f"127.0.0.1:{free_port()}"
    log = directory / "prometheus.log"
    command = (
        program("prometheus"),
        f"--config.file={config}",
        f"--storage.tsdb.path={directory / 'data'}",
        f"--web.listen-address={address}",
    )
    with running(command, f"http://{address}/-/ready", log):
        yield Prometheus(address, log)
