"""A real Kafka broker for tests: one KRaft node, as a child process."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[1]
POM = ROOT / "tests" / "pom.xml"
JARS = ROOT / ".kafka"
REMEDY = "run tests/install-packages.sh (Debian, Ubuntu), or install a JRE of at least 17 and Maven"
JAVA_MIN = 17
FETCH_S = 300
START_S = 60
STOP_S = 30
CLUSTER_ID = "surgewatch-tests-00000"
"""Any 22 characters of base64url."""

PORTS = range(10_000, 32_000)
"""Below the ports that Linux gives to outgoing connections, of which one could take the broker's
place while it is down: even a client that retries a dead port can end up connected to itself."""

METADATA_REQUEST = struct.pack(">ihhihi", 14, 3, 1, 0, -1, 0)
"""Size, API key, version, correlation id, no client id, no topics: which brokers are there?"""

JAVA_OPTIONS = (
    "-Xms64m",
    "-Xmx512m",
    # One small heap, started often and short-lived.
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",
    "-XX:+ExitOnOutOfMemoryError",
    "-Dlog4j2.level=WARN",
)

PROPERTIES = """\
node.id=1
process.roles=broker,controller
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://localhost:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
controller.quorum.voters=1@127.0.0.1:{controller_port}
log.dirs={data}

# A typing error in a topic's name must fail a test.
auto.create.topics.enable=false

# There is one broker.
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
offsets.topic.num.partitions=4
transaction.state.log.num.partitions=4
share.coordinator.state.topic.num.partitions=1

# Tests do not wait for members who might still join, and may let one go after a second.
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000

# After a kill the broker is let in again when its last session is over: 9 seconds, if not for this.
broker.heartbeat.interval.ms=300
broker.session.timeout.ms=2000

# Two cores, 512 MiB.
num.network.threads=2
num.io.threads=4
background.threads=2
log.cleaner.dedupe.buffer.size=4194304
"""


class BrokerError(Exception):
    """The broker, or what it consists of, could not be had; the message holds the log's end."""


def unavailable() -> str | None:
    """Why this machine cannot run a broker, and what to do about it; None if it can."""
    if shutil.which("java") is None:
        return f"Java is not installed: {REMEDY}"
    told = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', told)
    if version is None or int(version[1]) < JAVA_MIN:
        return f"Java is too old ({told.partition(chr(10))[0]}): {REMEDY}"
    if not _jars().is_dir() and shutil.which("mvn") is None:
        return f"Maven is not installed: {REMEDY}"
    return None


def _jars() -> Path:
    """Where the jars of this pom are, or will be; another pom has another place."""
    return JARS / hashlib.sha256(POM.read_bytes()).hexdigest()[:12]


def fetch_jars() -> Path:
    """A directory with Kafka's jars; Maven fetches them if need be, which takes some seconds.

    Raises:
        BrokerError: Maven could not; the message ends with what it said.
    """
    directory = _jars()
    if directory.is_dir():
        return directory
    JARS.mkdir(exist_ok=True)
    # Complete or not there at all, also for a run next to this one.
    with tempfile.TemporaryDirectory(dir=JARS, ignore_cleanup_errors=True) as fetched:
        jars = Path(fetched) / "jars"
        command = ("mvn", "--batch-mode", "--quiet", "-Dstyle.color=never", f"--file={POM}")
        result = subprocess.run(
            [*command, "dependency:copy-dependencies", f"-DoutputDirectory={jars}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=FETCH_S,
        )
        if result.returncode:
            raise BrokerError(f"Maven could not fetch Kafka:\n{_tail(result.stdout)}")
        try:
            jars.rename(directory)
        except OSError:
            if not directory.is_dir():
                raise
    return directory


class Child:
    """A process that does not outlive this one, however this one ends.

    A small shell beside it reads from a pipe that only this process can write to. When this
    process has gone, be it by SIGKILL, the read ends and the shell kills the child. (Linux could
    do so by itself, but at the end of the *thread* that started the child, and tests start
    brokers from short-lived threads.)
    """

    WATCH = 'read -r _; kill -KILL "$0"'

    def __init__(self, command: Sequence[str | Path], log: Path) -> None:
        """Start a command, its output appended to a log; Ctrl-C does not reach it."""
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._watch = subprocess.Popen(
            ["sh", "-c", self.WATCH, str(self.pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it runs or is paused."""
        return self._process.poll() is None

    def send(self, signal_: signal.Signals) -> None:
        """Send it a signal, unless it has ended."""
        self._process.send_signal(signal_)

    def ended(self, timeout_s: float) -> bool:
        """Wait for its end; False when it has not come in time."""
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        # Before its process id can belong to somebody else.
        self._watch.kill()
        self._watch.communicate()
        return True


class Broker:
    """A single-node Kafka in a directory of its own, on ports of its own.

    Directory and ports stay over ``stop``, ``kill`` and ``start``: data survive, clients find it
    again. All methods block, for seconds; in a coroutine whose clients should go on meanwhile:
    ``await asyncio.to_thread(broker.restart)``. Not to be used from two threads at once.
    """

    def __init__(self, directory: Path) -> None:
        self.log = directory / "broker.log"
        """What the broker says: warnings and errors of all its runs."""
        self.port, controller_port = _free_ports(2)
        self._data = directory / "data"
        self._properties = directory / "broker.properties"
        self._properties.write_text(
            PROPERTIES.format(port=self.port, controller_port=controller_port, data=self._data)
        )
        self._child: Child | None = None
        self._paused = False
        self._said_before = 0

    @property
    def bootstrap(self) -> str:
        """What clients are given to find it."""
        return f"localhost:{self.port}"

    @property
    def alive(self) -> bool:
        """Whether its process is there, be it paused."""
        return self._child is not None and self._child.alive

    def start(self) -> None:
        """Start it, or let it go on when paused; returns when clients can use it.

        Raises:
            BrokerError: it ended, or was not up within 60 s. Nothing is left running.
        """
        if self.alive:
            self.resume()
            return
        self.kill()  # what is left of one that ended by itself
        self._said_before = self.log.stat().st_size if self.log.exists() else 0
        java: tuple[str | Path, ...] = ("java", *JAVA_OPTIONS, "-cp", f"{fetch_jars()}/*")
        if not (self._data / "meta.properties").exists():
            self._format(java)
        self._child = Child([*java, "kafka.Kafka", self._properties], self.log)
        try:
            self._wait_until_up()
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """Shut it down gracefully, if it runs.

        Raises:
            BrokerError: it took longer than 30 s and was killed.
        """
        if self._child is None:
            return
        self._child.send(signal.SIGTERM)
        self.resume()
        if not self._child.ended(STOP_S):
            self.kill()
            raise BrokerError(f"no graceful end within {STOP_S} s:\n{_tail(self._said())}")
        self._child = None

    def kill(self) -> None:
        """End it at once (SIGKILL), as a crash would: nothing is flushed, nobody is told."""
        if self._child is None:
            return
        self._child.send(signal.SIGKILL)
        if not self._child.ended(STOP_S):
            raise BrokerError(f"process {self._child.pid} does not even end by SIGKILL")
        self._child = None
        self._paused = False

    def restart(self) -> None:
        """Shut it down gracefully and start it again."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Freeze it (SIGSTOP): connections stay open and nothing is answered."""
        if self._child is not None:
            self._child.send(signal.SIGSTOP)
            self._paused = True

    def resume(self) -> None:
        """Let it go on after a pause; does nothing otherwise."""
        if self._child is not None and self._paused:
            self._child.send(signal.SIGCONT)
        self._paused = False

    def _format(self, java: Sequence[str | Path]) -> None:
        """Prepare the data directory, as Kafka asks for once."""
        tool = ("kafka.tools.StorageTool", "format", "--cluster-id", CLUSTER_ID, "--config")
        child = Child([*java, *tool, self._properties], self.log)
        ended = child.ended(START_S)
        if not ended:
            child.send(signal.SIGKILL)
            child.ended(STOP_S)
        if not (self._data / "meta.properties").exists():
            raise BrokerError(f"its directory could not be formatted:\n{_tail(self._said())}")

    def _wait_until_up(self) -> None:
        deadline = time.monotonic() + START_S
        while not _serves(self.port):
            if not self.alive:
                raise BrokerError(f"the broker ended:\n{_tail(self._said())}")
            if time.monotonic() > deadline:
                raise BrokerError(f"not up within {START_S} s:\n{_tail(self._said())}")
            time.sleep(0.05)

    def _said(self) -> str:
        """What it has said since it was last started."""
        return self.log.read_bytes()[self._said_before :].decode("utf-8", "replace")


def _serves(port: int) -> bool:
    """Whether a broker answers there and knows of itself: before that it has no partitions."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(METADATA_REQUEST)
            with connection.makefile("rb") as answer:
                start = answer.read(12)
    except OSError:
        return False
    # Size, correlation id, number of brokers.
    return len(start) == 12 and struct.unpack(">iii", start)[2] > 0


def _free_ports(count: int) -> list[int]:
    ports: set[int] = set()
    while len(ports) < count:
        port = secrets.choice(PORTS)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            ports.add(port)
    return list(ports)


def _tail(text: str, lines: int = 40) -> str:
    return os.linesep.join(text.splitlines()[-lines:])
