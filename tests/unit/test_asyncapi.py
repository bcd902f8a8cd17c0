"""schemas/asyncapi.yaml names every topic, and describes what is on it by the published schemas.

No well-kept Python package brings AsyncAPI's own schema along, so the form is checked by hand: what
a reader of the document relies on.
"""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from streams.events import Reject
from streams.kafka.deadletters import letters
from streams.kafka.frames import HEADER
from streams.kafka.rejects import reject_headers
from streams.kafka.topics import Topics, specs
from streams.settings import Settings
from tests.unit.streams.sinks.told import told_of_a_wave

SCHEMAS = Path(__file__).parents[2] / "schemas"
DOCUMENT: dict[str, Any] = YAML(typ="safe").load(SCHEMAS / "asyncapi.yaml")
TOPICS = [item.name for item in fields(Topics)]


def refs(node: Any) -> list[str]:
    """Every reference below a node."""
    if isinstance(node, dict):
        own = [node["$ref"]] if "$ref" in node else []
        return [*own, *(ref for value in node.values() for ref in refs(value))]
    return [ref for value in node for ref in refs(value)] if isinstance(node, list) else []


def at(ref: str) -> Any:
    """What a reference within the document leads to."""
    node: Any = DOCUMENT
    for part in ref.removeprefix("#/").split("/"):
        node = node[part]
    return node


def test_every_topic_is_described() -> None:
    """There is a channel for each topic, under its name by default, and no other."""
    topics = Topics.of(Settings())
    described = {name: channel["address"] for name, channel in DOCUMENT["channels"].items()}
    assert described == {name: getattr(topics, name) for name in TOPICS}


def test_what_is_compacted_is_said() -> None:
    """A reader of a compacted topic sees the newest of a key only: the channel says so."""
    for spec in specs(Settings(), 2):
        (channel,) = [one for one in DOCUMENT["channels"].values() if one["address"] == spec.name]
        is_compacted = "compact" in spec.configs["cleanup.policy"]
        assert ("compacted" in channel["description"]) == is_compacted, spec.name


def test_references_lead_somewhere() -> None:
    """Every reference is to a part of the document, or to a schema that is published."""
    found = refs(DOCUMENT)
    inner = [ref for ref in found if ref.startswith("#/")]
    assert all(at(ref) for ref in inner)
    files = {ref.removeprefix("./") for ref in found if ref not in inner}
    used_by_files_only = {"reject.schema.json"}
    published = {path.name for path in SCHEMAS.glob("*.schema.json")}
    assert files == published - used_by_files_only


def test_form_is_that_of_asyncapi_3() -> None:
    """The parts that version 3 asks for are there, and are joined as it says."""
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert set(DOCUMENT) <= {
        "asyncapi", "id", "info", "defaultContentType", "channels", "operations", "components"
    }  # fmt: skip
    assert {"title", "version"} <= set(DOCUMENT["info"])
    for channel in DOCUMENT["channels"].values():
        assert set(channel) == {"address", "description", "messages"}
        assert channel["messages"]
        for message in channel["messages"].values():
            assert re.fullmatch(r"#/components/messages/\w+", message["$ref"])
    used = set()
    for operation in DOCUMENT["operations"].values():
        assert operation["action"] in {"send", "receive"}
        used.add(operation["channel"]["$ref"].removeprefix("#/channels/"))
    assert used == set(TOPICS)
    for message in DOCUMENT["components"]["messages"].values():
        assert set(message) <= {
            "title", "description", "contentType", "headers", "payload", "bindings"
        }  # fmt: skip
        payload = message["payload"]
        assert set(payload) in ({"schemaFormat", "schema"}, {"$ref"})
        is_binary = message.get("contentType") == "application/octet-stream"
        assert is_binary == (payload == {"$ref": "#/components/schemas/bytes"})


def test_version_is_the_packages() -> None:
    """The document goes with the package."""
    text = (SCHEMAS.parent / "pyproject.toml").read_text()
    assert f'version = "{DOCUMENT["info"]["version"]}"' in text


@pytest.mark.parametrize("kind", ["reject", "deadletter", "frame"])
def test_headers_are_those_that_are_sent(kind: str) -> None:
    """What the document says of headers is what the code writes."""
    schema = DOCUMENT["components"]["schemas"][f"{kind}Headers"]
    if kind == "reject":
        sent = dict(reject_headers(Reject("not_json", "why", "t", 7, b"x"), "t", 1))
    elif kind == "deadletter":
        (letter, *_) = letters(told_of_a_wave()[0], "refused", "t")
        sent = dict(letter.headers)
    else:
        sent = {HEADER: b"1/2"}
    assert set(schema["properties"]) == set(sent)
    assert kind == "frame" or set(schema["required"]) == set(sent)
    for name, value in sent.items():
        assert re.search(schema["properties"][name].get("pattern", ""), value.decode())
