"""What a worker tells of itself, read as a scraper and a probe would."""

from __future__ import annotations

import json
import re
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

from prometheus_client.openmetrics.parser import text_string_to_metric_families

from streams.observe.names import PIPELINE, STATE
from tests.harness import replay
from tests.kafka.lone import Lone, changed
from tests.kafka.pipeline import Pipeline
from tests.kafka.test_worker import END, LINES, UNITS, WORLD, put
from tests.stack.process import free_port

if TYPE_CHECKING:
    from pathlib import Path

    from prometheus_client import Metric

    from tests.broker import Broker

WAIT_S = 60.0
SOON = """
import streams.kafka.service as service
import streams.observe.health as health
service.LOOK_SECONDS, health.ANSWER_S_MAX = 0.2, 1.0
"""


def ask(port: int, path: str) -> tuple[int, str]:
    """Status and text; 0 where nobody answers."""
    asked = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", headers={"Accept": "application/openmetrics-text"}
    )
    try:
        with urllib.request.urlopen(asked, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except OSError:
        return 0, ""


def scrape(port: int) -> dict[str, Metric]:
    """All families by name."""
    status, text = ask(port, "/metrics")
    assert status == 200
    return {family.name: family for family in text_string_to_metric_families(text)}


def total(families: dict[str, Metric], name: str, **labels: str) -> float:
    """Sum of the samples with these labels."""
    return sum(
        sample.value
        for sample in families[name].samples
        if labels.items() <= sample.labels.items() and not sample.name.endswith("_created")
    )


def until_ready(port: int) -> None:
    """Wait until a worker is ready."""
    deadline = time.monotonic() + WAIT_S
    while (answer := ask(port, "/-/ready"))[0] != 200:
        assert time.monotonic() < deadline, answer
        time.sleep(0.05)


def test_a_workers_figures_are_those_of_a_replay(
    tmp_path: Path, bootstrap: str, prefix: str
) -> None:
    """Probes turn from not ready to ready; counts are the replay's; nothing is left to read."""
    port = free_port()
    pipeline = Pipeline(tmp_path, bootstrap, prefix, 1, WORLD.tables, f"127.0.0.1:{port}")
    pipeline.create()
    with Lone(pipeline) as worker:
        seen = set()
        deadline = time.monotonic() + WAIT_S
        while (200 not in seen) and time.monotonic() < deadline:
            seen.add(ask(port, "/-/ready")[0])
            time.sleep(0.01)
        assert {503, 200} <= seen, "it says that it is not ready before it is"
        worker.until_loaded(*UNITS)
        put(pipeline, *LINES, b"nonsense", END)
        worker.catch_up()
        assert ask(port, "/-/healthy") == (200, "ok\n")
        found = scrape(port)
        text = ask(port, "/metrics")[1].casefold()
        assert worker.stop() == 0
        said = worker.said()
    alerts = replay(WORLD.log, pipeline.settings).lines
    opened = [one for one in map(json.loads, alerts) if ".opened." in one["type"]]
    assert opened
    assert all(f"incident.opened {o['subject']} {o['correlationid']}" in said for o in opened)
    replayed = replay(WORLD.log, pipeline.settings).summary.intake
    assert total(found, "surgewatch_foreign_posts") == replayed.foreign > 0
    assert total(found, "surgewatch_rejected_posts", reason="not_json") == 1
    assert total(found, "surgewatch_lag_records") == 0
    assert total(found, "surgewatch_live_series") > 0
    assert total(found, "surgewatch_bucket_close_seconds") > 0
    assert total(found, "surgewatch_state_bytes", unit="detect") > 0
    assert total(found, "surgewatch_watermark_age_seconds") > 3_600
    assert PIPELINE.keys() | STATE.keys() <= found.keys()
    allowed = {"partition", "reason", "stage", "severity", "unit", "le", "version", "config"}
    for family in found.values():
        for sample in family.samples:
            assert not sample.labels.keys() - allowed - {"generation", "implementation"}
    tags = {tag.casefold() for line in LINES for tag in json.loads(line).get("hashtags", [])}
    assert tags
    assert not [tag for tag in tags if re.search(rf'="[^"]*{re.escape(tag)}[^"]*"', text)]


def test_counters_begin_anew_with_a_worker(tmp_path: Path, bootstrap: str, prefix: str) -> None:
    """Of one that was killed, the next counts what it does itself; else rates would leap."""
    port = free_port()
    pipeline = Pipeline(tmp_path, bootstrap, prefix, 1, WORLD.tables, f"127.0.0.1:{port}")
    pipeline.create()
    half = len(LINES) // 2
    with Lone(pipeline) as worker:
        worker.until_loaded(*UNITS)
        put(pipeline, *LINES[:half])
        worker.catch_up()
        assert total(scrape(port), "surgewatch_posts") == half
    with Lone(pipeline) as worker:
        worker.until_loaded(*UNITS)
        until_ready(port)
        assert total(scrape(port), "surgewatch_posts") == 0
        put(pipeline, *LINES[half:], END)
        worker.catch_up()
        assert total(scrape(port), "surgewatch_posts") == len(LINES) - half
        assert worker.stop() == 0


def test_not_ready_while_kafka_is_silent(tmp_path: Path, broker: Broker, prefix: str) -> None:
    """It says so, and is well all the same: to start it again would not help."""
    port = free_port()
    pipeline = Pipeline(tmp_path, broker.bootstrap, prefix, 1, WORLD.tables, f"127.0.0.1:{port}")
    pipeline.create()
    with Lone(pipeline, program=changed(SOON)) as worker:
        worker.until_loaded(*UNITS)
        until_ready(port)
        broker.pause()
        try:
            deadline = time.monotonic() + WAIT_S
            while (answer := ask(port, "/-/ready"))[0] == 200 and time.monotonic() < deadline:
                time.sleep(0.05)
            assert answer[0] == 503
            assert re.search(r"^(ingest|detect|correlate): Kafka has not answered for", answer[1])
            assert ask(port, "/-/healthy") == (200, "ok\n")
        finally:
            broker.resume()
        until_ready(port)
        assert worker.stop() == 0
