"""Messages as contracts: what stood in a schema once holds for whoever relied on it.

``v1/`` has the schemas as they were agreed on, without their texts. Once released they are not
edited: a message that cannot be had under them is another message, with another type.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from jsonschema import Draft202012Validator

from streams.codec import encode_label
from streams.codec.ops import encode_ack, encode_silence
from streams.events import Label
from streams.notify.book import encode_told
from streams.notify.records import Outcome, Told
from streams.said import Ack, Matcher, Silence
from tests.golden.test_golden import WORLDS, LogBuilder
from tests.harness import SCHEMAS, replay

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]
FROZEN = Path(__file__).parent / "v1"
NAMES = sorted(path.name.removesuffix(".schema.json") for path in FROZEN.glob("*.schema.json"))
INCIDENT = "in-f763f7587fad1aee"
INPUTS = {"post", "label", "ack", "silence"}
"""Messages that others write, too: nothing more may be asked of them."""

TEXTS = {"description", "title", "examples", "$comment"}


def _today(name: str) -> Json:
    schema: Json = json.loads((SCHEMAS / f"{name}.schema.json").read_text("utf-8"))
    return schema


def _frozen(name: str) -> Json:
    schema: Json = json.loads((FROZEN / f"{name}.schema.json").read_text("utf-8"))
    return schema


def broken(old: Any, new: Any, path: str = "") -> Iterator[str]:
    """Where a schema takes back what an older one says: fields and values may only be added."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key, value in old.items():
            if key not in TEXTS or isinstance(value, dict):  # a field may be called title
                yield from _broken_key(key, value, new, f"{path}/{key}")
    elif isinstance(old, list) and isinstance(new, list):
        # Cases (allOf, oneOf) may come between others.
        for number, value in enumerate(old):
            if not any(next(broken(value, one), None) is None for one in new):
                yield f"{path}/{number} has no counterpart"
    elif old != new:
        yield f"{path} was {old!r} and is {new!r}"


def _broken_key(key: str, value: Any, new: Json, path: str) -> Iterator[str]:
    if key not in new:
        yield f"{path} is gone"
    elif key in {"required", "enum"} and isinstance(value, list):
        missing = [item for item in value if item not in new[key]]
        if missing:
            yield f"{path} lacks {missing}"
    else:
        yield from broken(value, new[key], path)


def asked(schema: Any, path: str = "") -> set[str]:
    """Every field that must be there."""
    if isinstance(schema, list):
        return {
            one for number, part in enumerate(schema) for one in asked(part, f"{path}/{number}")
        }
    if not isinstance(schema, dict):
        return set()
    own = {f"{path}:{name}" for name in schema.get("required", ()) if isinstance(name, str)}
    parts = (asked(part, f"{path}/{key}") for key, part in schema.items() if key not in TEXTS)
    return own.union(*parts)


def test_every_schema_is_frozen() -> None:
    """A message that is published is one to rely on."""
    assert [
        path.name.removesuffix(".schema.json") for path in sorted(SCHEMAS.glob("*.json"))
    ] == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_fields_are_added_only(name: str) -> None:
    """No field, value or promise of the first version was changed or taken back."""
    assert list(broken(_frozen(name), _today(name))) == []
    if name in INPUTS:
        assert asked(_today(name)) == asked(_frozen(name))


CHANGES = [
    lambda schema: schema["properties"]["data"]["properties"].pop("by"),
    lambda schema: schema["properties"].update(subject={"type": "integer"}),
    lambda schema: schema["required"].remove("time"),
    lambda schema: schema["properties"]["data"]["properties"]["verdict"]["enum"].remove("expected"),
    lambda schema: schema["properties"]["type"].update(const="surgewatch.ops.label.v2"),
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_seen(change: Any) -> None:
    """The comparison finds a field that is gone, of another type, optional, or of fewer values."""
    schema = _today("label")
    change(schema)
    assert list(broken(_frozen("label"), schema))


def test_additions_are_no_change() -> None:
    """A new field, a new value of a list and other words are allowed."""
    schema = _today("label")
    schema["properties"]["data"]["properties"]["mood"] = {"type": "string"}
    schema["properties"]["data"]["properties"]["verdict"]["enum"].append("unclear")
    schema["title"] = "Another"
    assert list(broken(_frozen("label"), schema)) == []


def _refusals(schema: Json, record: Any) -> list[str]:
    return [error.message for error in Draft202012Validator(schema).iter_errors(record)]


def _widened(value: Any) -> Any:
    """A message with a new field in every object."""
    if isinstance(value, list):
        return [_widened(item) for item in value]
    if not isinstance(value, dict):
        return value
    inner = {key: _widened(item) for key, item in value.items()}
    return inner | {"added_later": {"any": [1, None]}}


@pytest.mark.parametrize("name", NAMES)
def test_fields_of_later_versions_are_accepted(name: str) -> None:
    """Old and new schemas take messages with unknown fields in every object.

    A marker is closed: what stands beside it would be a post.
    """
    for example in _today(name)["examples"]:
        if "surgewatch_tick" in example:
            continue
        record = _widened(example)
        assert _refusals(_today(name), record) == []
        if example.get("type") in {None, *_types(name)}:
            assert _refusals(_frozen(name), record) == []


def _types(name: str) -> set[str]:
    """The types of messages that the older consumer knows; others it ignores."""
    kind = _frozen(name)["properties"].get("type", {}) if "properties" in _frozen(name) else {}
    return set(kind.get("enum", [kind.get("const")]))


def _sent() -> Iterator[tuple[str, Json]]:
    """One of each message, made by the code of today."""
    for world in WORLDS.values():
        log = LogBuilder()
        world(log)
        outcome = replay(log.log() + b"{\n", points=True)
        yield from (("alert", alert) for alert in outcome.alerts)
        yield from (("reject", reject) for reject in outcome.rejects)
        yield from (("series", point) for point in outcome.points[:500])
    at, until = "2025-01-13T02:40:00Z", "2025-01-13T04:40:00Z"
    label = Label(
        incident_id=INCIDENT, verdict="true", series=["all"], since=at, until=until, at=at, by="ann"
    )
    yield "label", orjson.loads(encode_label(label, "surgewatch"))
    ack = Ack(INCIDENT, "ann", "", at, 412)
    yield "ack", orjson.loads(encode_ack(ack, "surgewatch"))
    silence = Silence("s-0a1b2c3d", (Matcher("region", "MY"),), at, until, "ann", "why", at)
    yield "silence", orjson.loads(encode_silence(silence, "surgewatch"))
    told = Told("duty", INCIDENT, 17, True, "info", 12.0, 1_736_735_000_000, Outcome.DEAD)
    yield "notified", orjson.loads(encode_told(told))


def test_an_older_consumer_reads_what_is_sent_today() -> None:
    """Messages of today hold all that the schemas of the first version promised."""
    seen = set()
    for name, record in _sent():
        seen.add(name)
        assert _refusals(_today(name), record) == [], record
        if name != "alert" or record["type"] in _types("alert"):
            assert _refusals(_frozen(name), record) == [], record
    assert seen == {*NAMES} - {"post"}
