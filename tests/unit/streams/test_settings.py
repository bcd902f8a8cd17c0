"""Reading the settings: where values come from, what is refused, and how it is said."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any

import pytest

from streams.errors import SettingsError
from streams.settings import Settings, from_table, load
from streams.settings.model import ENTRIES

if TYPE_CHECKING:
    from pathlib import Path


def refusal(table: dict[str, Any], environ: dict[str, str] | None = None) -> str:
    """The message with which a table is refused."""
    with pytest.raises(SettingsError) as caught:
        from_table(table, environ, where="x.toml")
    return str(caught.value)


def nested(path: tuple[str, ...], value: object) -> dict[str, Any]:
    """A table that holds one value at ``path``."""
    for key in reversed(path):
        value = {key: value}
    assert isinstance(value, dict)
    return value


def test_defaults_are_the_january_2025_case() -> None:
    """Without file and environment, the settings are those the issue names, in milliseconds."""
    settings = load(None, {})
    assert settings == Settings()
    assert settings.origin.home_regions == ("CN",)
    assert settings.origin.home_languages == ("zh",)
    assert settings.time.bucket_ms == 60_000
    assert settings.time.earliest_ms == 1_104_537_600_000
    assert settings.detection.fresh_for_ms == 6 * 3_600_000
    assert settings.alerts.false_incidents_per_week == 1
    assert settings.limits.record_bytes == 1_048_576


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_every_default_is_allowed(entry: Any) -> None:
    """Each default passes its own check, so that what the table says of it is true."""
    kind = entry.setting.kind
    if not kind.hidden:
        value = kind.from_text(kind.render(entry.default).strip('"'))
        assert kind.check(value) == entry.default


def test_environment_is_over_file(tmp_path: Path) -> None:
    """A variable wins over the file, the file over the default."""
    file = tmp_path / "surgewatch.toml"
    file.write_text('[time]\nbucket = "5m"\nearliest = 2010-01-01T08:00:00+08:00\n')
    settings = load(file, {"SURGEWATCH_TIME_BUCKET": "10m", "PATH": "/bin"})
    assert settings.time.bucket_ms == 600_000
    assert settings.time.earliest_ms == 1_262_304_000_000
    assert settings.time.allowed_lateness_ms == 120_000


@pytest.mark.parametrize(
    ("variable", "text", "attribute", "value"),
    [
        ("ORIGIN_HOME_REGIONS", "US, CN,US", "origin.home_regions", ("CN", "US")),
        ("ORIGIN_HOME_REGIONS", '["HK"]', "origin.home_regions", ("HK",)),
        ("ORIGIN_HOME_REGIONS", "", "origin.home_regions", ()),
        ("ORIGIN_HOME_LANGUAGES", "[]", "origin.home_languages", ()),
        ("INPUT_FIELDS_REGION", "geo.country_code", "input.fields.region", "geo.country_code"),
        ("TIME_ALLOWED_LATENESS", "1h", "time.allowed_lateness_ms", 3_600_000),
        ("TIME_MAX_JUMP", "500ms", "time.max_jump_ms", 500),
        (
            "DETECTION_PARAMETERS",
            '{"n": 1, "b": true}',
            "detection.parameters",
            {"n": 1, "b": True},
        ),
        ("DETECTION_PARAMETERS", "{n = [1.5]}", "detection.parameters", {"n": [1.5]}),
        ("ALERTS_FALSE_INCIDENTS_PER_WEEK", "0.5", "alerts.false_incidents_per_week", 0.5),
        (
            "ALERTS_SOURCE",
            "https://ops.example/s?a=b#c",
            "alerts.source",
            "https://ops.example/s?a=b#c",
        ),
        ("LIMITS_HELD_POSTS", "20_000", "limits.held_posts", 20_000),
    ],
)
def test_environment_syntax(variable: str, text: str, attribute: str, value: object) -> None:
    """Every kind of value can be written in a variable as the documentation says."""
    found: Any = from_table({}, {f"SURGEWATCH_{variable}": text})
    for name in attribute.split("."):
        found = getattr(found, name)
    assert found == value


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("origin.home_regions", ["cn"], '"cn" is not such a code (did you mean CN?)'),
        ("origin.home_regions", ["ZZ"], '"ZZ" is not such a code'),
        ("origin.home_regions", "CN", "not a list"),
        ("origin.home_regions", ["CN", 1], "1 is not such a code"),
        ("origin.home_languages", ["zh-Hans"], "did you mean zh?"),
        ("time.bucket", 60, "say the unit"),
        ("time.bucket", "60", "not a duration"),
        ("time.bucket", "7m", "does not divide 1h"),
        ("time.bucket", "2h", "out of range"),
        ("time.bucket", "999ms", "out of range"),
        ("time.bucket", "１m", "not a duration"),
        ("time.allowed_lateness", "-1m", "not a duration"),
        ("time.max_jump", "0s", "out of range"),
        ("time.earliest", "2005-01-01", "not a time with an offset"),
        ("time.earliest", "2005-02-30T00:00:00Z", "no such time"),
        ("time.earliest", "1969-12-31T23:59:59Z", "out of range"),
        ("detection.fresh_for", "49h", "out of range"),
        ("detection.warmup", True, "not a duration"),
        ("detection.detector", "river.anomaly.", "not of the allowed form"),
        ("detection.parameters", [], "not a table"),
        ("detection.parameters", {"a": float("nan")}, "holds NaN"),
        ("detection.parameters", {"a": 1 << 63}, "holds 9223372036854775808"),
        ("detection.parameters", {"a": "\ud800"}, "holds"),
        ("detection.parameters", {"a": "x" * 9_000}, "longer than 8,192 characters"),
        ("alerts.false_incidents_per_week", 0, "out of range"),
        ("alerts.false_incidents_per_week", float("nan"), "out of range"),
        ("alerts.false_incidents_per_week", True, "not a number"),
        ("alerts.min_users", 1, "out of range"),
        ("alerts.min_users", True, "not a whole number"),
        ("alerts.min_users", 5.0, "not a whole number"),
        ("alerts.source", "", "not of the allowed form"),
        ("alerts.source", "a b", "not of the allowed form"),
        ("alerts.source", "%zz", "not of the allowed form"),
        ("alerts.source", "1a:b", "not of the allowed form"),
        ("input.fields.region", "geo..code", "not of the allowed form"),
        ("input.fields.region", "a\u202eb", "not of the allowed form"),
        ("input.fields.region", "x" * 201, "longer than 200 characters"),
    ],
)
def test_wrong_value_names_everything(name: str, value: object, reason: str) -> None:
    """A wrong value is refused with key, origin, reason and what is allowed, on one line."""
    message = refusal(nested(tuple(name.split(".")), value))
    assert message.startswith(f"{name} = ")
    assert "(x.toml): " in message
    assert reason in message
    assert "; allowed: " in message
    assert message.isprintable()


def test_number_too_long_to_print() -> None:
    """A number that Python itself refuses to write in decimal is still refused in words."""
    message = refusal({}, {"SURGEWATCH_LIMITS_RECORD_BYTES": f"0x{'f' * 5_000}"})
    assert message.startswith("limits.record_bytes = (int) ")
    assert "out of range" in message


def test_wrong_variable_is_named() -> None:
    """A wrong value from the environment names the variable and the value."""
    message = refusal({}, {"SURGEWATCH_TIME_BUCKET": "7m\x1b[31m"})
    assert message.startswith('time.bucket = "7m\\u001b[31m" (environment variable SURGEWATCH_TIME')


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            {"time": {"buckets": "1m"}},
            "time.buckets (x.toml): no such setting; did you mean time.bucket?",
        ),
        ({"bucket": "1m"}, "bucket (x.toml): no such setting; did you mean time.bucket?"),
        (
            {"time": {"min_users": 5}},
            "time.min_users (x.toml): no such setting; did you mean alerts.min_users?",
        ),
        ({"time.bucket": "1m"}, '"time.bucket" (x.toml): no such setting'),
        ({"tiem": {"bucket": "1m"}}, "tiem (x.toml): no such section; did you mean [time]?"),
        ({"fields": {}}, "fields (x.toml): no such section; did you mean [input.fields]?"),
        (
            {"zzzzzz": {}},
            "zzzzzz (x.toml): no such section; the sections are [alerts], [capacity], ",
        ),
        ({"time": {"qqqq": 1}}, "[time] has bucket, allowed_lateness, max_jump, earliest"),
        ({"time": "1m"}, "time (x.toml): not a table; write its settings under [time]"),
        ({"a\x1b[31m": 1}, '"a\\u001b[31m" (x.toml): no such setting'),
    ],
)
def test_unknown_name(table: dict[str, Any], message: str) -> None:
    """A name that is not known is refused with the nearest one, or with what there is."""
    assert message in refusal(table)


def test_unknown_variable() -> None:
    """A misspelt variable is refused with the nearest one."""
    message = refusal({}, {"SURGEWATCH_TIMES_BUCKET": "1m"})
    assert message == (
        "environment variable SURGEWATCH_TIMES_BUCKET: no such setting; "
        "did you mean SURGEWATCH_TIME_BUCKET?"
    )


def test_all_problems_at_once() -> None:
    """File, environment and rules between settings are reported together, not one a run."""
    message = refusal(
        {"time": {"bucket": "1m", "max_jump": "1h"}, "alerts": {"min_users": 0, "sauce": ""}},
        {"SURGEWATCH_LIMITS_HELD_POSTS": "many"},
    )
    assert message.startswith("4 problems in the configuration:\n")
    for name in ("time.max_jump", "alerts.min_users", "alerts.sauce", "limits.held_posts"):
        assert f"\n  - {name} " in message


def test_number_of_problems_shown_is_limited() -> None:
    """A file of another program does not print thousands of lines."""
    message = refusal({f"x{i}": i for i in range(1_000)})
    assert message.startswith("1000 problems")
    assert message.count("\n") == 51
    assert message.endswith("and 950 more")


@pytest.mark.parametrize(
    ("table", "start", "part"),
    [
        (
            {"time": {"allowed_lateness": "30s"}},
            'time.max_jump = "2m" (default): ',
            'set it to "1m" or less',
        ),
        (
            {"time": {"bucket": "30m"}, "detection": {"fresh_for": "45m"}},
            'detection.fresh_for = "45m"',
            "whole number of buckets",
        ),
        (
            {"time": {"bucket": "5m"}, "alerts": {"close_after": "1m"}},
            'alerts.close_after = "1m"',
            "less than time.bucket (5m)",
        ),
        (
            {"input": {"fields": {"region": "user_id"}}},
            'input.fields.region = "user_id"',
            "that of input.fields.user_id",
        ),
        (
            {"input": {"fields": {"region": "user", "user_id": "user.id"}}},
            'input.fields.region = "user"',
            "or within",
        ),
    ],
)
def test_rules_between_settings(table: dict[str, Any], start: str, part: str) -> None:
    """Settings that are each allowed but contradict each other are refused, saying what to do."""
    message = refusal(table)
    assert message.startswith(start)
    assert part in message


def test_rules_allow_their_limits() -> None:
    """A jump as long as the lateness, or as a bucket when nothing may be late, is allowed."""
    late = {"allowed_lateness": "1h", "max_jump": "1h"}
    assert from_table({"time": late}).time.max_jump_ms == 3_600_000
    strict = {"allowed_lateness": "0s", "max_jump": "1m"}
    assert from_table({"time": strict}).time.max_jump_ms == 60_000


def test_sibling_fields_are_allowed() -> None:
    """Fields of one nested object are no contradiction, nor is a common beginning of names."""
    fields = {"region": "user.country", "user_id": "user.id", "lang": "user_lang"}
    assert from_table({"input": {"fields": fields}}).input.fields.user_id == "user.id"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'[time]\nbucket = "1m\n', "surgewatch.toml, line 2, column 13: "),
        (b"[time", "surgewatch.toml, line 1, column 6: "),
        (b"[time]\nbucket = ", "surgewatch.toml, line 2, column 10: "),
        (b"a = 1\nb = '\xff'", "surgewatch.toml, line 2, column 6: not UTF-8"),
        (b"a = " + b"[" * 100_000, "surgewatch.toml"),
        (b"a = " + b"9" * 5_000, "surgewatch.toml"),
        (b"#" * (1 << 20) + b"#", "longer than 1,048,576 bytes"),
    ],
)
def test_broken_toml(tmp_path: Path, content: bytes, message: str) -> None:
    """A file that is not TOML is refused with file, line and column, however it is broken."""
    file = tmp_path / "surgewatch.toml"
    file.write_bytes(content)
    with pytest.raises(SettingsError, match=re.escape(message)):
        load(file, {})


def test_byte_order_mark_is_accepted(tmp_path: Path) -> None:
    """A file saved by an editor that marks UTF-8 is read like any other."""
    file = tmp_path / "surgewatch.toml"
    file.write_bytes(b'\xef\xbb\xbf[time]\r\nbucket = "5m"\r\n')
    assert load(file, {}).time.bucket_ms == 300_000


def test_missing_file(tmp_path: Path) -> None:
    """A file that is named but not there is an error, not the defaults."""
    with pytest.raises(SettingsError, match=r"none\.toml: cannot be read: No such file"):
        load(tmp_path / "none.toml", {})


def test_settings_are_frozen() -> None:
    """Nothing changes the settings after they were read, nor the table given to a detector."""
    settings = from_table({"detection": {"parameters": {"a": [1]}}})
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.time.bucket_ms = 1  # type: ignore[misc]
    settings.detection.parameters["a"].append(2)
    assert settings.detection.parameters == {"a": [1]}


def test_rules_are_silent_about_refused_values() -> None:
    """A refused lateness is one problem: the rule that involves it is not judged by a default."""
    message = refusal({"time": {"allowed_lateness": "1 hour", "max_jump": "1h"}})
    assert message.startswith("time.allowed_lateness = ")
    assert "max_jump" not in message
