"""Truth and labels files: what is read, what is refused and where, and which label is made."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from streams.backtest import Finder, Knowledge, read_labels, read_truth
from streams.backtest import known as known_module
from streams.codec import encode_label
from streams.errors import UsageError
from streams.events import Label
from streams.simulate import SCENARIOS, simulate
from tests.harness import violations

if TYPE_CHECKING:
    from collections.abc import Callable

Json = dict[str, Any]
WAVE: Json = {
    "id": "w-1",
    "kind": "wave",
    "start": "2025-01-13T01:00:00Z",
    "end": "2025-01-13T09:00:00Z",
    "level": "pair",
    "region": "US",
    "hashtag": "cats",
    "regions": ["US", "GB"],
}
LABEL = Label(
    incident_id="in-0123456789abcdef",
    verdict="false",
    series=["pair/US/cats", "all"],
    since="2025-01-13T01:00:00Z",
    until="2025-01-13T09:00:00Z",
    at="2025-01-14T08:00:00Z",
    by="ann",
    note="a bot",
)
SAID: Json = json.loads(encode_label(LABEL, "surgewatch"))


def lines(*records: Json | bytes) -> list[bytes]:
    """Records as lines."""
    return [one if isinstance(one, bytes) else json.dumps(one).encode() for one in records]


def with_data(**changes: Any) -> Json:
    """The label with some of its data changed."""
    return SAID | {"data": SAID["data"] | changes}


def test_what_is_written_is_valid_and_reads_back() -> None:
    """A label keeps to its schema, and comes back as what it says."""
    assert violations("label", [SAID]) == []
    (known,) = read_labels(lines(SAID), "labels")
    assert (known.id, known.verdict, known.place) == (LABEL.incident_id, "false", "labels, line 1")
    assert known.series == ("pair/US/cats", "all")
    assert known.extent.series == {"pair/US/cats"}
    assert (known.extent.end_ms - known.extent.start_ms) / 3_600_000 == 8


def test_the_last_label_of_an_incident_counts() -> None:
    """Who changes their mind adds a line; other records of operators and blank lines pass."""
    other = with_data(incident_id="in-00000000000000ff")
    ack = SAID | {"type": "surgewatch.ops.ack.v1", "data": {}}
    read = read_labels(lines(SAID, b"", ack, other, with_data(verdict="true")), "labels")
    assert [(k.id[-2:], k.verdict, k.place) for k in read] == [
        ("ff", "false", "labels, line 4"),
        ("ef", "true", "labels, line 5"),
    ]


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (b"{", "not_json"),
        (b"\xff", "not_json"),
        (b'{"x":' * 100_000, "not_json"),
        ([1], "wrong_type"),
        (SAID | {"type": "surgewatch.incident.opened.v1"}, "type is"),
        (SAID | {"time": "now"}, "time: "),
        (SAID | {"data": None}, "$.data"),
        (with_data(incident_id="in-1"), "incident_id"),
        (with_data(incident_id="in-0123456789abcdef\n"), "incident_id"),
        (with_data(verdict="maybe"), "verdict"),
        (with_data(series=[]), "series"),
        (with_data(series=["region/usa"]), "series"),
        (with_data(series=["all"] * 101), "series"),
        (with_data(until="2025-01-12T00:00:00Z"), "data.from is after data.until"),
        (with_data(**{"from": "yesterday"}), "data.from: "),
        (with_data(by=""), "by"),
        (with_data(note="x" * 2_001), "note"),
    ],
)
def test_a_line_that_is_no_label(bad: Any, said: str) -> None:
    """It is refused with its line and what is wrong with it."""
    with pytest.raises(UsageError) as refused:
        read_labels(lines(SAID, bad), "my labels")
    assert str(refused.value).startswith("my labels, line 2: ")
    assert said in str(refused.value)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_simulated_truth_is_read(scenario: str) -> None:
    """Every record that the simulator writes is understood, waves as true, others as false."""
    world = simulate(scenario, days=2, rate=0.05, seed=1)
    read = read_truth(world.truth_lines(), "truth")
    assert [(k.id, k.verdict) for k in read] == [
        (truth.id, "true" if truth.kind == "wave" else "false") for truth in world.truth
    ]


def test_a_truth_covers_its_regions() -> None:
    """A wave under a hashtag is all of it, and its pairs; one without is its regions."""
    hashtag, region = read_truth(
        lines(
            WAVE,
            WAVE
            | {"id": "w-2", "level": "region", "hashtag": None}
            | {"region": "US", "regions": ["US", "GB"]},
        ),
        "truth",
    )
    assert hashtag.extent.series == {"hashtag/cats", "pair/US/cats", "pair/GB/cats"}
    assert region.extent.series == {"region/US", "region/GB"}
    assert (hashtag.series, region.series) == (("pair/US/cats",), ("region/US",))


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (b"nonsense", "not_json"),
        (WAVE | {"kind": "ripple"}, "kind"),
        (WAVE | {"start": 17}, "start"),
        (WAVE | {"start": "2025-01-13"}, "start: "),
        (WAVE | {"start": "2025-01-14T00:00:00Z"}, "start is after end"),
        (WAVE | {"level": "pair", "region": None}, "level pair"),
        (WAVE | {"level": "all"}, "level all"),
        (WAVE | {"level": "region"}, "level region"),
        (WAVE | {"region": "USA"}, "region"),
        (WAVE | {"hashtag": ""}, "hashtag"),
        ({"id": "w-2"}, "kind"),
        (WAVE, "'w-1' is that of truth, line 1"),
    ],
)
def test_a_line_that_is_no_truth(bad: Any, said: str) -> None:
    """It is refused with its line; so is an id that comes twice."""
    with pytest.raises(UsageError) as refused:
        read_truth(lines(WAVE, bad), "truth")
    assert str(refused.value).startswith("truth, line 2: ")
    assert said in str(refused.value)


def test_files_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that goes on for ever is refused."""
    monkeypatch.setattr(known_module, "KNOWN_MAX", 2)
    assert len(read_labels(lines(SAID, b""), "labels")) == 1
    with pytest.raises(UsageError, match="labels: has more than 2 lines"):
        read_labels(lines(SAID, b"", b""), "labels")


def test_unknown_series() -> None:
    """Waves and labels of series without a foreign post are named; what is no wave may be home."""
    other = WAVE | {"id": "w-2", "kind": "non_wave", "hashtag": "gala"}
    elsewhere = WAVE | {"id": "w-3", "hashtag": "dogs"}
    everywhere = with_data(incident_id="in-00000000000000ff", series=["all"])
    knowledge = Knowledge(
        read_truth(lines(WAVE, other, elsewhere), "truth"),
        read_labels(
            lines(with_data(series=["region/FR", "pair/FR/x", "all"]), everywhere), "labels"
        ),
    )
    assert knowledge.series == {"pair/US/cats", "pair/US/dogs", "region/FR", "pair/FR/x"}
    named = [known.place for known in knowledge.unknown(frozenset({"pair/US/cats"}))]
    assert named == ["truth, line 3", "labels, line 1"]
    assert knowledge.unknown(knowledge.series) == []


def alert(incident: Json, kind: str = "opened", time: str = "2025-01-13T02:00:00Z") -> bytes:
    """An alert of an incident."""
    cause = incident["series"][0]["series"]
    kind = f"surgewatch.incident.{kind}.v1"
    return json.dumps({"type": kind, "subject": cause, "time": time, "data": incident}).encode()


def find(name: str, *alerts: bytes) -> Label:
    """The label of an incident among alerts."""
    finder = Finder(name)
    for number, line in enumerate(alerts, 1):
        finder.take(line, f"alerts, line {number}")
    return finder.label("true", at="2025-01-14T00:00:00Z", by="ann", note="", where="alerts")


def test_a_label_is_of_the_newest_alert(incident: Callable[..., Json]) -> None:
    """Series and interval are those that the incident's last alert tells, its cause first."""
    first = incident(1, "region/US", 1, 2)
    last = incident(1, ["all", "region/US", "hashtag/cats", "other"], 0.5, 2)
    last_alert = alert(last, "closed", "2025-01-13T09:00:00Z").replace(
        b'"subject": "all"', b'"subject": "hashtag/cats"'
    )
    pipeline = json.dumps({"type": "surgewatch.pipeline.gap.v1", "data": {}}).encode()
    label = find(first["incident_id"], alert(first), pipeline, last_alert)
    assert label.series == ["hashtag/cats", "all", "region/US"]
    assert (label.since, label.until) == ("2025-01-13T00:30:00Z", "2025-01-13T09:00:00Z")
    assert violations("label", [json.loads(encode_label(label, "x"))]) == []


@pytest.mark.parametrize("name", ["in-0000000000000001", "in-0", "0", "in-0000000000000001-3"])
def test_the_beginning_of_an_id_is_enough(incident: Callable[..., Json], name: str) -> None:
    """As for ``explain``; of two that begin so neither is taken."""
    one = alert(incident(1, "region/US", 1, 2))
    assert find(name, one).incident_id == "in-0000000000000001"
    if name in {"in-0", "0"}:
        with pytest.raises(UsageError, match=r"2 incidents of alerts begin so.*give more"):
            find(name, one, alert(incident(2, "region/GB", 1, 2)))


def test_an_unknown_incident_is_named_with_what_is_near(incident: Callable[..., Json]) -> None:
    """A slip of the hand is answered by the nearest id, anything else by some that there are."""
    known = [incident(number, "region/US", 1, 2) for number in range(1, 6)]
    alerts = [alert(one) for one in known]
    with pytest.raises(UsageError, match=r"'in-000000000000000X'.*did you mean in-0{15}\d\?"):
        find("in-000000000000000X", *alerts)
    with pytest.raises(UsageError, match=r"tells of 5 others, such as in-0{15}3, in-0{15}4, in"):
        find("xyz", *alerts)
    with pytest.raises(UsageError, match="it tells of none"):
        find("xyz", alert(known[0], "provisional"))


@pytest.mark.parametrize(
    "bad", [b"{}", b"nothing", b'{"type": "surgewatch.incident.opened.v1", "data": {}}']
)
def test_a_line_that_is_no_alert(bad: bytes) -> None:
    """It is refused with its line."""
    with pytest.raises(UsageError, match=r"^alerts, line 1: "):
        find("xyz", bad)
