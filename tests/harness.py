"""One replay in memory, and what of its outcome the tests compare."""

from __future__ import annotations

import functools
import io
import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import orjson
from jsonschema import Draft202012Validator

from streams.codec import encode_alert, encode_reject
from streams.codec.confirmed import confirmed as confirmed_alert
from streams.codec.points import point_record
from streams.logs import LineLog
from streams.replay import Replay
from streams.settings import Settings, from_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from streams.events import Point, Reject
    from streams.summary import Summary

Json = dict[str, Any]
SCHEMAS = Path(__file__).parents[1] / "schemas"
MAGIC_BYTES = 4


@dataclass(frozen=True)
class Outcome:
    """What a replay gave: alerts as written, rejects, points (when wanted) and the summary."""

    lines: list[bytes]
    rejects: list[Json]
    points: list[Json]
    summary: Summary

    @property
    def alerts(self) -> list[Json]:
        """The alerts, read back."""
        return [orjson.loads(line) for line in self.lines]

    @property
    def incidents(self) -> list[Json]:
        """The last ``data`` of each incident."""
        return self.summary.incidents

    def of_type(self, kind: str) -> list[Json]:
        """The alerts of one type, such as ``incident.opened``."""
        return [a for a in self.alerts if a["type"] == f"surgewatch.{kind}.v1"]


@dataclass(frozen=True)
class Ran:
    """What a command did: its exit code and what it wrote."""

    code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        """Standard output as text, its lines joined by single spaces."""
        return " ".join(self.out.decode().split())

    @property
    def message(self) -> str:
        """Standard error, its lines joined by single spaces."""
        return " ".join(self.err.split())


class Command(Protocol):
    """Runs ``surgewatch`` with arguments (the fixture of that name)."""

    def __call__(self, *args: str | Path) -> Ran:
        """Run it to its end."""


def replay(
    logs: Mapping[str, bytes] | bytes, settings: Settings | None = None, *, points: bool = False
) -> Outcome:
    """Replay logs by name, or a single one, from memory."""
    named = {"log.jsonl": logs} if isinstance(logs, bytes) else logs
    chosen = settings or Settings()
    rejects: list[Reject] = []
    plotted: list[Point] = []
    run = Replay(
        chosen,
        [_opened(name, data, chosen.limits.record_bytes) for name, data in named.items()],
        on_reject=rejects.append,
        on_point=plotted.append if points else None,
    )
    lines = [encode_alert(alert) for alert in run.run()]
    return Outcome(
        lines,
        [orjson.loads(encode_reject(reject)) for reject in rejects],
        [point_record(point, chosen.time.bucket_ms) for point in plotted],
        run.summary(1.0),
    )


def _opened(name: str, data: bytes, record_bytes: int) -> LineLog:
    head, rest = data[:MAGIC_BYTES], io.BytesIO(data[MAGIC_BYTES:])
    return LineLog(name, len(data), rest, head, record_bytes)


def configured(**tables: Json) -> Settings:
    """Settings from the tables of a configuration file; the rest has its default."""
    return from_table(tables)


def confirmed(lines: Iterable[bytes]) -> list[bytes]:
    """What of alerts is confirmed (design D8)."""
    return [line for alert in lines if (line := confirmed_alert(alert)) is not None]


def post(number: int, at_ms: int, user: str, region: str | None, **others: object) -> bytes:
    """One line of a log, without its line end."""
    record: Json = {
        "post_id": f"p{number}",
        "created_at": at_ms,
        "user_id": user,
        "region": region,
        "hashtags": [],
    }
    return orjson.dumps(record | others)


def joined(lines: Sequence[bytes]) -> bytes:
    """Lines as a log."""
    return b"".join(line + b"\n" for line in lines)


def hours_between(first: str, second: str) -> float:
    """From one RFC 3339 time to another."""
    return (datetime.fromisoformat(second) - datetime.fromisoformat(first)).total_seconds() / 3600


@functools.cache
def _validator(name: str) -> Draft202012Validator:
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text("utf-8"))
    return Draft202012Validator(schema)


def violations(name: str, records: Iterable[Json]) -> list[str]:
    """What a published schema says against records; empty when all are valid."""
    validator = _validator(name)
    return [
        f"{name} {number}: {error.json_path}: {error.message}"
        for number, record in enumerate(records)
        for error in validator.iter_errors(record)
    ]
