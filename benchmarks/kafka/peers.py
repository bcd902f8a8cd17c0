"""Other programs that read the same topic, each in an environment of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parents[1]
SCRIPTS = HERE / "peers"
ENVIRONMENTS = HERE / ".peers"
INSTALL_S = 900
RUN_S = 600
TOLD_CHARS = 120


@dataclass(frozen=True, slots=True)
class Figures:
    """What one run of a contestant took."""

    posts: int
    seconds: float
    cpu: float
    peak_mib: float


@dataclass(frozen=True, slots=True)
class Peer:
    """A script of ``benchmarks/peers``, its environment, and what it reads.

    ``share`` of the log is enough for a slow one.
    """

    script: str
    environment: str
    what: str
    share: float = 1.0


PEERS = (
    Peer("aiokafka_getmany", "aiokafka", "aiokafka `getmany`, decoding with orjson"),
    Peer("faust_agent", "faust", "Faust agent, post by post, counting", 0.1),
    Peer("faust_table", "faust", "Faust agent with a table, count by region", 0.05),
    Peer("bytewax_window", "bytewax", "Bytewax, count by region and minute"),
    Peer("pathway_window", "pathway", "Pathway, count by region and minute"),
    Peer("quixstreams_window", "quixstreams", "Quix Streams, count by region and minute", 0.3),
)


class PeerError(Exception):
    """A peer could not be installed, or did not run to its end; the text says why."""


def packages(environment: str) -> list[str]:
    """What an environment is installed from."""
    table = tomllib.loads((SCRIPTS / "versions.toml").read_text("utf-8"))
    pins: list[str] = table[environment]["packages"]
    return pins


def install(environment: str) -> Path:
    """The directory of an environment's programs; makes the environment if need be.

    Raises:
        PeerError: its packages cannot be had for this Python or machine.
    """
    directory = ENVIRONMENTS / environment
    pins = packages(environment)
    stamp = directory / "installed"
    wanted = "\n".join((sys.version, *pins))
    if stamp.exists() and stamp.read_text("utf-8") == wanted:
        return directory / "bin"
    _run([sys.executable, "-m", "venv", "--clear", directory])
    pip = [directory / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "install"]
    # Nothing is built: a peer that ships nothing for this Python is reported as such.
    _run([*pip, "--quiet", "--only-binary", ":all:", *pins])
    stamp.write_text(wanted, "utf-8")
    return directory / "bin"


def _run(command: list[str | Path]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_S, check=False)
    if done.returncode:
        raise PeerError(_last_line(done.stderr or done.stdout))


def run(peer: Peer, bootstrap: str, topic: str, posts: int) -> Figures:
    """Run a peer's script over the first posts of a topic.

    Raises:
        PeerError: it failed, or took too long.
    """
    programs = install(peer.environment)
    command = [programs / "python", SCRIPTS / f"{peer.script}.py", bootstrap, topic, str(posts)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise PeerError(f"not done after {RUN_S} s") from error
    lines = [line for line in done.stdout.splitlines() if line.startswith('{"posts"')]
    if not lines:
        raise PeerError(f"ended without a result: {_last_line(done.stderr or done.stdout)}")
    return Figures(**json.loads(lines[-1]))


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:TOLD_CHARS] if lines else "it said nothing"
