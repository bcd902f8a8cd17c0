"""One incident out of a file of alerts."""

from __future__ import annotations

import copy
import gzip
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from streams.console.lookup import IDS_LISTED, Found
from streams.console.lookup import find_incident as find
from streams.errors import UsageError
from streams.files import read_lines
from tests.harness import SCHEMAS, joined

if TYPE_CHECKING:
    from collections.abc import Callable

Json = dict[str, Any]
ID = "in-0123456789abcdef"
EXAMPLES: list[Json] = json.loads((SCHEMAS / "alert.schema.json").read_text("utf-8"))["examples"]


def find_incident(path: str, wanted: str) -> Found:
    """Look for it in a file, as the command does."""
    return find(read_lines(Path(path)), path, wanted)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    """A function that writes alerts to a file, and gives its name."""

    def written(*alerts: Json | bytes, name: str = "alerts.jsonl") -> str:
        path = tmp_path / name
        lines = [one if isinstance(one, bytes) else orjson.dumps(one) for one in alerts]
        data = joined(lines)
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return str(path)

    return written


def of(incident: str, alert: Json = EXAMPLES[0]) -> Json:
    """An alert of another incident."""
    data = {**alert["data"], "incident_id": incident}
    return {**alert, "id": f"{incident}-1", "correlationid": incident, "data": data}


def changed(path: str, value: Any) -> Json:
    """The first example with one value of its data replaced; None of a list removes it."""
    alert = copy.deepcopy(EXAMPLES[0])
    *walk, last = (int(key) if key.isdigit() else key for key in path.split("."))
    inner: Any = alert["data"]
    for key in walk:
        inner = inner[key]
    inner[last] = value
    return alert


@pytest.mark.parametrize("name", ["alerts.jsonl", "alerts.jsonl.gz"])
def test_the_alerts_of_one_incident(write: Callable[..., str], name: str) -> None:
    """In the order of the file; repeats and alerts of others and of the pipeline are left out."""
    others = [of("in-1111111111111111"), of("in-2222222222222222")]
    path = write(others[0], *EXAMPLES, *EXAMPLES[:2], others[1], name=name)
    found = find_incident(path, ID)
    assert found.incident_id == ID
    ours = [one["id"] for one in EXAMPLES if one.get("correlationid") == ID]
    assert [alert["id"] for alert in found.alerts] == ours


@pytest.mark.parametrize("wanted", [ID, ID[:7], "01", f"{ID}-2", f"{ID}-followup-1"])
def test_an_id_may_be_abbreviated(write: Callable[..., str], wanted: str) -> None:
    """Its beginning is enough, with or without ``in-``, and so is the id of an alert of it."""
    path = write(EXAMPLES[0], of("in-1111111111111111"))
    assert find_incident(path, wanted).incident_id == ID


def test_an_ambiguous_beginning_says_of_what(write: Callable[..., str]) -> None:
    """What fits several incidents is refused, with those it fits; a whole id fits one."""
    path = write(EXAMPLES[0], of(f"{ID[:-1]}0"), of("in-1111111111111111"))
    with pytest.raises(UsageError, match="fits 2 incidents") as refused:
        find_incident(path, "in-0123")
    assert ID in str(refused.value)
    assert "1111111111111111" not in str(refused.value)
    with pytest.raises(UsageError, match="no incident of"):
        find_incident(path, "in-")


def test_an_unknown_id_names_the_nearest(write: Callable[..., str]) -> None:
    """The nearest ids, and those in the file with what they are about, up to a limit."""
    many = [of(f"in-{number:016x}") for number in range(IDS_LISTED + 5)]
    path = write(EXAMPLES[0], *many)
    with pytest.raises(UsageError) as refused:
        find_incident(path, "in-0123456789abcdee")
    said = str(refused.value)
    assert f"did you mean {ID}" in said
    assert f"{ID}  pair/US/tiktokrefugee" in said
    assert "and 6 more" in said
    with pytest.raises(UsageError, match="holds no incident"):
        find_incident(write(EXAMPLES[4], name="other.jsonl"), ID)


def test_messages_are_harmless(write: Callable[..., str]) -> None:
    """Neither an id that was asked for nor what the file holds reaches a terminal as it is."""
    hostile = of("in-\x1b]0;owned\x07\u202e")
    hostile["subject"] = "hashtag/\x1b[31m\u202ered"
    for wanted in ("\x1b[2J", "in-zzz"):
        with pytest.raises(UsageError) as refused:
            find_incident(write(hostile), wanted)
        said = str(refused.value).replace("\n", "")
        assert said.isprintable()


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"not json", "line 2: no alert"),
        (b"[1]", "line 2: no alert"),
        (b'{"type": "x"}', "line 2: no alert"),
        (b'{"post_id": "1", "created_at": 7}', "line 2: no alert"),
    ],
)
def test_a_line_that_is_no_alert_is_named(write: Callable[..., str], line: bytes, why: str) -> None:
    """Whatever is in a file that is none of alerts: which line, and what is wrong with it."""
    path = write(EXAMPLES[0], line)
    with pytest.raises(UsageError, match=why):
        find_incident(path, ID)


@pytest.mark.parametrize(
    ("path", "value", "why"),
    [
        ("users", "many", r"\$\.users"),
        ("top_users_share", 1.5, "top_users_share"),
        ("level", "planet", "level"),
        ("level", "region", "another's"),
        ("hashtag", None, "another's"),
        ("onset_at", "yesterday", "onset_at"),
        ("onset_at", "2025-01-13T02:14:00", "onset_at"),
        ("onset_at", "9999-12-31T23:59:59Z", "after 2100"),
        ("history.0.at", "1066-10-14T09:00:00Z", "before 1970"),
        ("history.0.minutes", 1e12, "minutes"),
        ("history", None, "history"),
        ("data_quality", {}, "late"),
        ("forecast.horizons.0.upper", -1, "upper"),
        ("series.0.excess", "x", "excess"),
    ],
)
def test_wrong_data_are_named(write: Callable[..., str], path: str, value: Any, why: str) -> None:
    """What would be shown and is missing or wrong is refused, with its line and field."""
    file = write(of("in-1111111111111111"), changed(path, value))
    with pytest.raises(UsageError, match=f"line 2: the data .*{why}"):
        find_incident(file, ID)


def test_other_incidents_may_be_of_another_version(write: Callable[..., str]) -> None:
    """Only the incident that is looked for has to be understood."""
    later = of("in-1111111111111111")
    later["type"], later["data"] = "surgewatch.incident.merged.v2", {"incident_id": "x"}
    assert len(find_incident(write(later, EXAMPLES[0]), ID).alerts) == 1
    with pytest.raises(UsageError, match="unknown type"):
        find_incident(write(later, EXAMPLES[0]), "in-1111111111111111")


def test_a_file_that_is_none() -> None:
    """A missing file is said to be missing."""
    with pytest.raises(UsageError, match="no such file"):
        find_incident("/nowhere/alerts.jsonl", ID)
