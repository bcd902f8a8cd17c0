"""The published schemas: sound, satisfied by good records, and strict about bad ones."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from streams.codec.ops import decode_said, encode_ack, encode_silence
from streams.errors import REJECT_REASONS

SCHEMAS = Path(__file__).parents[2] / "schemas"
NAMES = ("post", "alert", "series", "reject", "label", "ack", "silence", "notified")
OPENED, UPDATED, PEAKED, CLOSED, GAP, STALLED, CAPPED = range(7)
FOLLOW_UP = 10
REMOVED = object()


def load(name: str) -> dict[str, Any]:
    """One of the published schemas."""
    schema: dict[str, Any] = json.loads((SCHEMAS / f"{name}.schema.json").read_text("utf-8"))
    return schema


def errors(name: str, record: Any) -> list[str]:
    """What a schema says against a record."""
    validator = Draft202012Validator(load(name))
    return [error.message for error in validator.iter_errors(record)]


def planted(name: str, example: int, path: str, value: Any) -> Any:
    """A good example with one value replaced; ``a.0.b`` walks into lists and objects."""
    record = copy.deepcopy(load(name)["examples"][example])
    *walk, last = (int(key) if key.isdigit() else key for key in path.split("."))
    inner = record
    for key in walk:
        inner = inner[key]
    if value is REMOVED:
        del inner[last]
    else:
        inner[last] = value
    return record


@pytest.mark.parametrize("name", NAMES)
def test_schema_is_valid_2020_12(name: str) -> None:
    """Each schema obeys the meta-schema it names."""
    schema = load(name)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("name", NAMES)
def test_examples_validate(name: str) -> None:
    """Each schema accepts every example that it publishes."""
    examples = load(name)["examples"]
    assert [errors(name, example) for example in examples] == [[] for _ in examples]


def test_alert_examples_cover_every_type() -> None:
    """There is a good example of every type of alert."""
    schema = load("alert")
    shown = {example["type"] for example in schema["examples"]}
    assert shown == set(schema["properties"]["type"]["enum"])


def test_reject_reasons_are_the_programs() -> None:
    """The reasons in the schema are exactly those the program can give."""
    assert load("reject")["properties"]["reason"]["enum"] == list(REJECT_REASONS)


@pytest.mark.parametrize("name", NAMES)
def test_unknown_fields_are_allowed(name: str) -> None:
    """A later version may add fields without breaking readers that validate."""
    record = planted(name, 0, "added_later", {"any": 1})
    assert errors(name, record) == []


def test_unknown_data_fields_are_allowed() -> None:
    """Fields may be added inside an alert's data and its lists, too."""
    assert errors("alert", planted("alert", OPENED, "data.weather", 1)) == []
    assert errors("alert", planted("alert", OPENED, "data.regions.0.eta", 1)) == []


def incident_fields() -> list[str]:
    """The fields every incident must have."""
    required: list[str] = load("alert")["$defs"]["incident"]["required"]
    return required


@pytest.mark.parametrize("field", incident_fields())
def test_every_incident_field_is_required(field: str) -> None:
    """Leaving out any field of an incident is refused."""
    assert errors("alert", planted("alert", OPENED, f"data.{field}", REMOVED))


@pytest.mark.parametrize(
    "field", ["specversion", "id", "type", "source", "subject", "time", "datacontenttype", "data"]
)
@pytest.mark.parametrize("example", [OPENED, GAP])
def test_every_envelope_field_is_required(field: str, example: int) -> None:
    """Leaving out any CloudEvents attribute is refused, of incidents and of the pipeline."""
    assert errors("alert", planted("alert", example, field, REMOVED))


ALERT_VIOLATIONS = [
    (OPENED, "specversion", "0.3"),
    (OPENED, "type", "surgewatch.incident.reopened.v1"),
    (OPENED, "id", "in-0123456789abcdef"),
    (OPENED, "id", "in-0123456789abcdef-0"),
    (OPENED, "subject", "region/usa"),
    (OPENED, "time", "2025-01-13T02:21:00+00:00"),
    (OPENED, "time", "2025-13-13T02:21:00Z"),
    (OPENED, "time", 1736734860),
    (OPENED, "sequence", "00000001"),
    (OPENED, "sequence", 2),
    (OPENED, "sequence", REMOVED),
    (UPDATED, "sequence", 0),
    (UPDATED, "correlationid", None),
    (UPDATED, "correlationid", "in-XYZ"),
    (OPENED, "data.status", "closed"),
    (UPDATED, "data.status", "closed"),
    (PEAKED, "data.status", "open"),
    (PEAKED, "data.peak_at", None),
    (CLOSED, "data.status", "peaked"),
    (CLOSED, "data.closed_at", None),
    (OPENED, "data.closed_at", "2025-01-13T02:21:00Z"),
    (OPENED, "data.severity", "fatal"),
    (OPENED, "data.level", "tag"),
    (OPENED, "data.region", None),
    (OPENED, "data.region", "us"),
    (OPENED, "data.hashtag", None),
    (OPENED, "data.hashtag", ""),
    (OPENED, "data.level", "region"),
    (OPENED, "data.level", "hashtag"),
    (OPENED, "data.level", "all"),
    (OPENED, "data.mixed_script", 0),
    (OPENED, "data.observed", -1),
    (OPENED, "data.observed", "412"),
    (OPENED, "data.expected", None),
    (OPENED, "data.window_minutes", 0),
    (OPENED, "data.newcomer_share", 1.01),
    (OPENED, "data.newcomer_share", -0.1),
    (OPENED, "data.top_users_share", None),
    (OPENED, "data.users", 1.5),
    (OPENED, "data.users", -1),
    (OPENED, "data.doubling_minutes", 0),
    (OPENED, "data.config_fingerprint", "89ABCDEF01234567"),
    (OPENED, "data.incident_id", "0123456789abcdef"),
    (OPENED, "data.regions.0.share", 1.2),
    (OPENED, "data.regions.0.users", REMOVED),
    (OPENED, "data.regions.0.region", "USA"),
    (OPENED, "data.regions.0.region", "other"),
    (OPENED, "data.hashtags.0", "tiktokrefugee"),
    (OPENED, "data.series.0.series", "tag/x"),
    (OPENED, "data.series.0.opened_at", None),
    (OPENED, "data.series.0.open", REMOVED),
    (OPENED, "data.history.0.minutes", 0),
    (OPENED, "data.history.0.upper", REMOVED),
    (OPENED, "data.history.0.at", "02:10"),
    (OPENED, "data.data_quality.late", -1),
    (OPENED, "data.data_quality.sampled", None),
    (OPENED, "data.data_quality.series_dropped", REMOVED),
    (CLOSED, "data.forecast", {}),
    (OPENED, "data.forecast", {}),
    (FOLLOW_UP, "id", "in-0123456789abcdef-followup"),
    (FOLLOW_UP, "sequence", 5),
    (FOLLOW_UP, "data.status", "closed"),
    (FOLLOW_UP, "data.day", 0),
    (FOLLOW_UP, "data.share", 1.1),
    (FOLLOW_UP, "data.returned", -1),
    (FOLLOW_UP, "data.cohort", "x"),
    (FOLLOW_UP, "data.data_quality.missing_minutes", REMOVED),
    (GAP, "subject", "pipeline/stalled"),
    (STALLED, "subject", "all"),
    (GAP, "sequence", 1),
    (GAP, "correlationid", "in-0123456789abcdef"),
    (GAP, "data.until", None),
    (GAP, "data.status", "peaked"),
    (CAPPED, "data.summary", ""),
    (CAPPED, "data.details", REMOVED),
    (CAPPED, "data.from", None),
]


@pytest.mark.parametrize(("example", "path", "value"), ALERT_VIOLATIONS)
def test_planted_alert_violation_is_refused(example: int, path: str, value: Any) -> None:
    """One wrong value anywhere in a good alert is refused."""
    assert errors("alert", planted("alert", example, path, value))


@pytest.mark.parametrize(
    ("name", "most"),
    [("regions", 21), ("hashtags", 21), ("languages", 21), ("series", 21), ("history", 120)],
)
def test_lists_have_limits(name: str, most: int) -> None:
    """A list of the stated length passes, one longer is refused."""
    first = load("alert")["examples"][OPENED]["data"][name][0]
    assert errors("alert", planted("alert", OPENED, f"data.{name}", [first] * most)) == []
    assert errors("alert", planted("alert", OPENED, f"data.{name}", [first] * (most + 1)))


def test_only_one_other_in_a_list() -> None:
    """What lies beyond the top 20 is one element, never two."""
    other = {"hashtag": "other", "users": 1, "share": 0.1}
    assert errors("alert", planted("alert", OPENED, "data.hashtags", [other])) == []
    assert errors("alert", planted("alert", OPENED, "data.hashtags", [other, other]))


POST_VIOLATIONS = [
    (0, "post_id", REMOVED),
    (0, "post_id", 7),
    (0, "post_id", ""),
    (0, "user_id", None),
    (0, "created_at", "yesterday"),
    (0, "created_at", "2025-01-13T02:14:07"),
    (0, "created_at", True),
    (0, "created_at", None),
    (0, "region", 1),
    (0, "hashtags", "tag"),
    (0, "hashtags", [1]),
    (0, "hashtags", ["x"] * 1001),
    (0, "lang", ["en"]),
    (0, "account_created_at", "new"),
    (3, "surgewatch_tick", None),
    (3, "surgewatch_tick.event_time", "now"),
    (4, "surgewatch_tick.end", "yes"),
    (3, "post_id", "p"),
]


@pytest.mark.parametrize(("example", "path", "value"), POST_VIOLATIONS)
def test_planted_post_violation_is_refused(example: int, path: str, value: Any) -> None:
    """One wrong value in a good line of a log is refused."""
    assert errors("post", planted("post", example, path, value))


SERIES_VIOLATIONS = [
    ("series", "region/"),
    ("at", "2025-01-13 02:14:00"),
    ("minutes", 0),
    ("observed", -0.1),
    ("expected", None),
    ("score", "high"),
    ("open", 1),
    ("threshold", REMOVED),
]


@pytest.mark.parametrize(("path", "value"), SERIES_VIOLATIONS)
def test_planted_series_violation_is_refused(path: str, value: Any) -> None:
    """One wrong value in a good series row is refused."""
    assert errors("series", planted("series", 0, path, value))


REJECT_VIOLATIONS = [
    (0, "reason", "unlucky"),
    (0, "detail", None),
    (0, "source", REMOVED),
    (0, "position", -1),
    (0, "raw", REMOVED),
    (0, "raw", "x" * 4097),
    (0, "raw_base64", "eA=="),
    (1, "raw_base64", "not base64!"),
]


@pytest.mark.parametrize(("example", "path", "value"), REJECT_VIOLATIONS)
def test_planted_reject_violation_is_refused(example: int, path: str, value: Any) -> None:
    """One wrong value in a good reject, or both kinds of raw at once, is refused."""
    assert errors("reject", planted("reject", example, path, value))


LABEL_VIOLATIONS = [
    ("specversion", "0.3"),
    ("id", REMOVED),
    ("type", "surgewatch.ops.ack.v1"),
    ("subject", "in-f763f7587fad1aee"),
    ("time", "2025-01-16 09:12"),
    ("time", REMOVED),
    ("data.incident_id", "in-F763F7587FAD1AEE"),
    ("data.verdict", "maybe"),
    ("data.verdict", True),
    ("data.series", []),
    ("data.series.0", "region/usa"),
    ("data.series", ["all"] * 101),
    ("data.from", None),
    ("data.until", "later"),
    ("data.by", ""),
    ("data.note", REMOVED),
]


@pytest.mark.parametrize(("path", "value"), LABEL_VIOLATIONS)
def test_planted_label_violation_is_refused(path: str, value: Any) -> None:
    """One wrong value in a good label is refused."""
    assert errors("label", planted("label", 0, path, value))


OPS_VIOLATIONS = [
    ("ack", "subject", "label/in-f763f7587fad1aee"),
    ("ack", "type", "surgewatch.ops.label.v1"),
    ("ack", "data.incident_id", "in-1"),
    ("ack", "data.users", -1),
    ("ack", "data.users", 1.5),
    ("ack", "data.by", ""),
    ("ack", "data.withdrawn", REMOVED),
    ("silence", "subject", "silence/s-1"),
    ("silence", "data.matchers", []),
    ("silence", "data.matchers.0.field", "user"),
    ("silence", "data.matchers.0.pattern", ""),
    ("silence", "data.until", REMOVED),
    ("silence", "data.note", ""),
    ("notified", "route", "No Such"),
    ("notified", "outcome", "lost"),
    ("notified", "firing", "yes"),
    ("notified", "at_ms", "2025"),
    ("notified", "key", ""),
]


@pytest.mark.parametrize(("name", "path", "value"), OPS_VIOLATIONS)
def test_planted_ops_violation_is_refused(name: str, path: str, value: Any) -> None:
    """One wrong value in what operators say, or the notifier remembers, is refused."""
    assert errors(name, planted(name, 0, path, value))


def test_ops_examples_are_read() -> None:
    """The program reads the examples, and says the same again."""
    for name, encode in (("ack", encode_ack), ("silence", encode_silence)):
        example = load(name)["examples"][0]
        said = decode_said(json.dumps(example).encode())
        assert json.loads(encode(said, "surgewatch")) == example  # type: ignore[operator]
