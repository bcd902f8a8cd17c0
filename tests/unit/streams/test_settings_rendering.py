"""What is made from the settings: TOML, the fingerprint, the table of the documentation."""

from __future__ import annotations

import dataclasses
import string
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from streams.codec.regions import REGIONS
from streams.settings import Secret, Settings, from_table, load, render_toml
from streams.settings.model import ENTRIES, build, conflicts
from streams.settings.rendering import render_table, replace_table

PAGE = Path(__file__).parents[3] / "docs" / "configuration.md"
KEY = "0123456789abcdef-do-not-print"

NAMES = st.text(string.ascii_letters + "地区_-$ \"'\\#", min_size=1, max_size=8)
PARAMETERS = st.dictionaries(
    st.text(max_size=5),
    st.recursive(
        st.booleans()
        | st.integers(-(1 << 63), (1 << 63) - 1)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=8,
    ),
    max_size=4,
)
DIVISORS = [n for n in range(1_000, 3_600_001, 250) if 3_600_000 % n == 0]


@st.composite
def tables(draw: st.DrawFn) -> dict[str, Any]:
    """A valid configuration as TOML would give it, far from the defaults."""
    bucket_ms = draw(st.sampled_from(DIVISORS))
    lateness_ms = draw(st.integers(0, 86_400_000))
    buckets = 48 * 3_600_000 // bucket_ms
    fields = ("post_id", "created_at", "user_id", "region", "hashtags", "lang")
    sources = draw(st.lists(NAMES, min_size=len(fields), max_size=len(fields), unique=True))
    assume("account_created_at" not in sources)
    codes = st.lists(st.text(string.ascii_uppercase, min_size=2, max_size=2), max_size=5)
    regions = draw(st.lists(st.sampled_from(sorted(REGIONS)), max_size=5))
    return {
        "origin": {
            "home_regions": regions,
            "home_languages": [code.lower() for code in draw(codes)],
            "newcomer_age": f"{draw(st.integers(1, 365))}d",
        },
        "input": {"fields": dict(zip(fields, (f"in.{source}" for source in sources), strict=True))},
        "time": {
            "bucket": f"{bucket_ms}ms",
            "allowed_lateness": f"{lateness_ms}ms",
            "max_jump": f"{draw(st.integers(1, max(lateness_ms, bucket_ms)))}ms",
            "earliest": draw(st.sampled_from(["1970-01-01T00:00:00.001Z", "2099-12-31T23:59:59Z"])),
        },
        "detection": {
            "detector": draw(st.sampled_from(["scan", "river.anomaly.HalfSpaceTrees"])),
            "parameters": draw(PARAMETERS),
            "fresh_for": f"{bucket_ms * draw(st.integers(1, buckets))}ms",
        },
        "alerts": {
            "false_incidents_per_week": draw(st.floats(0, 10_000, exclude_min=True)),
            "close_after": f"{draw(st.integers(bucket_ms, 28 * 86_400_000))}ms",
        },
        "limits": {"rows_per_series": draw(st.integers(16, 1 << 24))},
    }


@given(tables(), st.sampled_from([{}, {"SURGEWATCH_USERS_KEY": KEY}]))
def test_rendered_settings_load_back(table: dict[str, Any], environ: dict[str, str]) -> None:
    """Whatever is configured, `config show` prints a file that configures the same."""
    settings = from_table(table, environ)
    again = from_table(tomllib.loads(render_toml(settings)), environ)
    assert again == settings
    assert again.fingerprint == settings.fingerprint
    assert KEY not in render_toml(settings)


def test_rendered_file_loads_back(tmp_path: Path) -> None:
    """A rendered file gives equal settings from another folder, key file included."""
    (tmp_path / "key").write_text(KEY)
    (tmp_path / "a.toml").write_text('[users]\nkey_file = "key"\n[input.fields]\nlang = "\\"语"\n')
    settings = load(tmp_path / "a.toml", {})
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "b.toml").write_text(render_toml(settings), "utf-8")
    assert load(folder / "b.toml", {}) == settings


def test_rendering_says_whether_a_key_is_set() -> None:
    """`config show` tells the published key from a set one without printing either."""
    assert "\n# key: development key\n" in render_toml(Settings())
    rendered = render_toml(from_table({}, {"SURGEWATCH_USERS_KEY": KEY}))
    assert "\n# key: set\n" in rendered
    assert KEY not in rendered


OTHER: dict[type, Any] = {
    str: lambda value: f"{value}2",
    bool: lambda value: not value,
    int: lambda value: value * 2,
    float: lambda value: value * 2,
    tuple: lambda value: (*value, "xx"),
    Secret: lambda _: Secret(KEY.encode()),
}


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_fingerprint_covers_what_shapes_alerts(entry: Any) -> None:
    """Changing a setting changes the fingerprint exactly if the table says it shapes alerts."""
    changed = build({entry.path: OTHER[type(entry.default)](entry.default)})
    assert (changed.fingerprint != Settings().fingerprint) is entry.setting.shapes


def test_settings_that_do_not_shape_alerts() -> None:
    """What is no part of detection is left out of the fingerprint."""
    silent = {entry.name for entry in ENTRIES if not entry.setting.shapes}
    others = {"kafka", "capacity", "notify", "console", "metrics", "log"}
    apart = {entry.name for entry in ENTRIES if entry.section[0] in others}
    assert silent == {"users.key_file", "alerts.source"} | apart


def test_fingerprint_is_of_values_not_spelling() -> None:
    """Order, repetition and units that mean the same give the same fingerprint."""
    one = from_table(
        {
            "origin": {"home_regions": ["CN", "HK"]},
            "time": {"bucket": "60s"},
            "detection": {"parameters": {"a": 1, "b": 2}},
            "alerts": {"false_incidents_per_week": 1},
        }
    )
    two = from_table(
        {
            "origin": {"home_regions": ["HK", "CN", "HK"]},
            "detection": {"parameters": {"b": 2, "a": 1}},
            "alerts": {"false_incidents_per_week": 1.0},
        }
    )
    assert one.fingerprint == two.fingerprint != Settings().fingerprint


def test_default_fingerprint_is_stable() -> None:
    """The fingerprint of the defaults changes only with a setting: alerts of old logs carry it."""
    assert Settings().fingerprint == "4c620f2260e0c591"


def test_fingerprint_holds_little_of_the_key() -> None:
    """Many keys share a fingerprint, so that it can't confirm a guess of a weak key."""
    digests = {Secret(f"{i:032}".encode()).digest for i in range(2_000)}
    assert all(len(digest) == 4 for digest in digests)
    assert 1_900 < len(digests) < 2_000


def test_documentation_is_in_step() -> None:
    """The table in the documentation is the one the code makes."""
    page = PAGE.read_text("utf-8")
    assert replace_table(page) == page


def test_table_names_every_setting() -> None:
    """Each field of each section has its own row, and no cell is empty."""
    rows = render_table().splitlines()[2:]
    assert len(rows) == len(ENTRIES) == len({row.split("`")[1] for row in rows})
    for row in rows:
        assert row.count(" | ") == 5
        assert "|  |" not in row


def test_every_variable_is_its_own() -> None:
    """No two settings share an environment variable, underscores in keys notwithstanding."""
    assert len({entry.variable for entry in ENTRIES}) == len(ENTRIES)


def test_examples_of_the_documentation_load() -> None:
    """Each TOML example on the page is a valid configuration that changes something."""
    examples = PAGE.read_text("utf-8").split("```toml\n")[1:]
    assert len(examples) == 3
    for example in examples:
        settings = from_table(tomllib.loads(example.split("```")[0]))
        assert settings != Settings()


def test_defaults_do_not_contradict_each_other() -> None:
    """The default object, made without a check, keeps the rules between settings."""
    assert not list(conflicts(Settings()))
    broken = dataclasses.replace(
        Settings(), time=dataclasses.replace(Settings().time, max_jump_ms=10**7)
    )
    assert [conflict.names[0] for conflict in conflicts(broken)] == ["time.max_jump"]


def test_text_is_escaped_as_toml_wants_it() -> None:
    """Characters that JSON and TOML treat differently, or that end a line, load back."""
    table = {"detection": {"parameters": {'"\\\x7f\n\u2028😀': "\x00\x7f\r"}}}
    settings = from_table(table)
    assert from_table(tomllib.loads(render_toml(settings))) == settings
