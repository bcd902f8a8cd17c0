"""How a worker starts, refuses to, shares its work, and ends."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

from streams.codec import encode_tick
from tests.harness import confirmed, replay
from tests.kafka.live import KEY_VARIABLE, USERS_KEY
from tests.kafka.lone import Lone, changed
from tests.kafka.pipeline import Pipeline
from tests.kafka.reader import send
from tests.property.small_worlds import sparse

if TYPE_CHECKING:
    import pytest

    from tests.harness import Command

WORLD = sparse(0)
LINES = [item.line for item in WORLD.items]
END = encode_tick(WORLD.items[-1].at_ms, end=True)
UNITS = ("ingest-0", "detect", "correlate")
FAUST = ("-m", "faust", "-A", "streams.kafka.faust_app", "worker", "--loglevel", "info")
LATE = '\nsession_timeout = "3m"\n'
"""In the section of Kafka: who goes without a word is waited for longer than a test waits."""

DETECTOR_FAILS = """
import streams.kafka.machines as machines
take = machines.DetectMachine.take
def take_some(self, partition, messages):
    self.calls = getattr(self, "calls", 0) + 1
    if self.calls == 3:
        raise ZeroDivisionError("planted")
    return take(self, partition, messages)
machines.DetectMachine.take = take_some
"""

NOTHING_IS_SENT = """
import asyncio
import streams.kafka.unit as unit
unit.ROUND_SECONDS_MAX = 2.0
async def send(*args, **options):
    await asyncio.Event().wait()
unit.AIOKafkaProducer.send = send
"""


def made(folder: Path, bootstrap: str, prefix: str, more: str = "") -> Pipeline:
    """A pipeline of one partition, its topics made."""
    pipeline = Pipeline(folder, bootstrap, prefix, 1, more + WORLD.tables)
    pipeline.create()
    return pipeline


def put(pipeline: Pipeline, *lines: bytes) -> None:
    """Write posts."""
    asyncio.run(send(pipeline.settings, pipeline.topics.posts, *lines))


def listens(pid: int) -> set[str]:
    """Local addresses at which a process waits for connections, in the kernel's notation."""
    listening = {}
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A":
                listening[f"socket:[{fields[9]}]"] = fields[1]
    found = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            found.add(str(link.readlink()))
    return {address for socket, address in listening.items() if socket in found}


# -- what it refuses -----------------------------------------------------------------------------


def test_published_key(surgewatch: Command, config: Path) -> None:
    """Without a key of its own it does not even ask for the broker, and says what to do."""
    result = surgewatch("worker", "--config", config)
    assert result.code == 2
    assert "users.key: a worker needs a key of its own" in result.message
    assert "set SURGEWATCH_USERS_KEY or users.key_file to 16 to 64 secret bytes" in result.message


def test_no_topics(
    surgewatch: Command, config: Path, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the topics it says which are missing and how to make them."""
    monkeypatch.setenv(KEY_VARIABLE, USERS_KEY)
    result = surgewatch("worker", "--config", config)
    assert result.code == 1
    assert f"{prefix}.alerts.v1: does not exist; surgewatch topics create makes it" in result.err
    assert "the topics are not as needed (surgewatch topics create)" in result.message


def test_no_broker(surgewatch: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a broker it says where it looked for one, and how to say where it is."""
    monkeypatch.setenv(KEY_VARIABLE, USERS_KEY)
    result = surgewatch("worker", "--bootstrap", "localhost:9")
    assert result.code == 1
    assert "Kafka at localhost:9 cannot be used" in result.message
    assert "kafka.bootstrap or --bootstrap" in result.message


# -- its life ------------------------------------------------------------------------------------


def test_told_to_stop(tmp_path: Path, bootstrap: str, prefix: str) -> None:
    """SIGTERM ends it in a moment, and who waits for its work takes over at once."""
    pipeline = made(tmp_path, bootstrap, prefix, LATE)
    with Lone(pipeline, name="one") as one:
        one.until_loaded(*UNITS)
        assert listens(one.pid) == set()
        with Lone(pipeline, name="two") as two:
            put(pipeline, *LINES[:100])
            one.catch_up()
            started = time.monotonic()
            assert one.stop() == 0
            assert time.monotonic() - started < 15
            put(pipeline, *LINES[100:], END)
            two.until_loaded(*UNITS)
            two.catch_up()
            assert two.stop() == 0
    assert confirmed(pipeline.alerts()) == confirmed(replay(WORLD.log, pipeline.settings).lines)


def test_a_process_for_each_stage(tmp_path: Path, bootstrap: str, prefix: str) -> None:
    """Stages may be apart; the alerts are the same."""
    pipeline = made(tmp_path, bootstrap, prefix)
    put(pipeline, *LINES, END)
    with contextlib.ExitStack() as stack:
        workers = [
            stack.enter_context(Lone(pipeline, "--stages", stage, name=stage))
            for stage in ("ingest", "detect", "correlate")
        ]
        for worker, unit in zip(workers, UNITS, strict=True):
            worker.until_loaded(unit)
        workers[2].catch_up()
        assert [worker.stop() for worker in workers] == [0, 0, 0]
        said = [worker.said().count(": starts anew") for worker in workers]
    assert said == [1, 1, 1]
    alerts = confirmed(pipeline.alerts())
    assert alerts
    assert alerts == confirmed(replay(WORLD.log, pipeline.settings).lines)


def test_failure_inside(tmp_path: Path, bootstrap: str, prefix: str) -> None:
    """A stage that raises takes its worker down, which says why; the next one goes on."""
    pipeline = made(tmp_path, bootstrap, prefix)
    with Lone(pipeline, program=changed(DETECTOR_FAILS), name="fails") as worker:
        worker.until_loaded(*UNITS)
        for start in range(0, len(LINES), 30):
            if worker.alive:
                put(pipeline, *LINES[start : start + 30])
        assert worker.code() == 1
        said = worker.said()
    assert "ZeroDivisionError: planted" in said
    assert said.splitlines()[-1].endswith("surgewatch worker stops: ZeroDivisionError('planted')")
    sent = len([value for value in pipeline.posts(0) if value is not None])
    with Lone(pipeline) as worker:
        put(pipeline, *LINES[sent:], END)
        worker.until_loaded(*UNITS)
        worker.catch_up()
        assert worker.stop() == 0
    assert confirmed(pipeline.alerts()) == confirmed(replay(WORLD.log, pipeline.settings).lines)


def test_round_without_end(tmp_path: Path, bootstrap: str, prefix: str) -> None:
    """A worker whose results Kafka never takes does not wait for ever, and says why it ends."""
    pipeline = made(tmp_path, bootstrap, prefix)
    with Lone(pipeline, program=changed(NOTHING_IS_SENT)) as worker:
        assert worker.code() == 1
        said = worker.said()
    why = "Kafka has not taken its results within 2 s"
    assert re.search(rf"surgewatch worker stops: (ingest-0|detect|correlate): {why}$", said)


def test_the_faust_way(tmp_path: Path, bootstrap: str, prefix: str) -> None:
    """Faust's own command runs the same application: no web server, the same end."""
    pipeline = made(tmp_path, bootstrap, prefix)
    environ = {"SURGEWATCH_CONFIG": str(pipeline.config)}
    put(pipeline, *LINES, END)
    with Lone(pipeline, program=FAUST, environ=environ) as worker:
        worker.until_loaded(*UNITS)
        assert listens(worker.pid) == set()
        worker.catch_up()
        assert worker.stop() == 0
        said = worker.said()
    assert "given up" in said
    assert confirmed(pipeline.alerts()) == confirmed(replay(WORLD.log, pipeline.settings).lines)


def test_the_faust_way_without_topics(tmp_path: Path, bootstrap: str, prefix: str) -> None:
    """What the worker's command refuses is refused in the same words."""
    pipeline = Pipeline(tmp_path, bootstrap, prefix, 1)
    environ = {"SURGEWATCH_CONFIG": str(pipeline.config)}
    with Lone(pipeline, program=FAUST, environ=environ) as worker:
        assert worker.code() == 1
        said = worker.said()
    assert said.startswith("surgewatch: the topics are not as needed (surgewatch topics create):")
    assert "Traceback" not in said
