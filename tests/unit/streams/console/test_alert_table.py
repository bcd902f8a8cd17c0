"""Alerts as a table: the newest state of each, on any terminal, safe against what posts hold."""

from __future__ import annotations

import copy
import io
import json
import re
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from streams.console.alert_table import STATES, AlertTable, Since

if TYPE_CHECKING:
    from collections.abc import Iterable

Alert = dict[str, Any]
SCHEMA = json.loads(
    (Path(__file__).parents[4] / "schemas" / "alert.schema.json").read_text("utf-8")
)
EXAMPLES: list[Alert] = SCHEMA["examples"]
COLORS = "\x1b["


def of_kind(*kinds: str) -> list[Alert]:
    """The schema's examples of these kinds, in the order asked for."""
    named = {alert["type"].split(".")[2]: alert for alert in EXAMPLES}
    return [copy.deepcopy(named[kind]) for kind in kinds]


def shown(
    alerts: Iterable[Alert | bytes], width: int = 140, *, follow: bool = False, color: bool = False
) -> list[str]:
    """The lines that a terminal gets."""
    out = io.StringIO()
    console = Console(
        file=out, width=width, force_terminal=color, color_system="standard" if color else None
    )
    table = AlertTable(console, follow=follow)
    table.take(one if isinstance(one, bytes) else orjson.dumps(one) for one in alerts)
    table.end()
    return out.getvalue().splitlines()


def test_newest_state_of_each() -> None:
    """One line an incident and one a trouble of the pipeline, as they stand now."""
    lines = shown(of_kind("opened", "stalled", "updated", "peaked", "closed", "followup"))
    assert [re.split(r"\s{2,}", line.strip()) for line in lines] == [
        ["time (UTC)", "severity", "state", "users", "cause", "from", "incident"],
        [
            "2025-01-14 06:00",
            "–",
            "open",
            "partition 2 has sent nothing since 05:12",
            "pipeline/stalled",
        ],
        [
            "2025-01-15 04:00",
            "critical",
            "over",
            "61,044",
            "#tiktokrefugee from US",
            "US 71%, GB 9%, others",
            "in-0123456789abcdef",
        ],
    ]


def test_troubles_of_one_kind_are_apart() -> None:
    """Two gaps are two lines; the end of one replaces its beginning."""
    (gap,) = of_kind("gap")
    other = copy.deepcopy(gap)
    other["data"]["from"] = "2025-01-15T05:00:00Z"
    begun = copy.deepcopy(gap)
    begun["data"] |= {"status": "open", "until": None}
    assert len(shown([begun, gap, other])) == 3
    assert "over" in shown([begun, gap])[1]
    (stalled,) = of_kind("stalled")
    second = copy.deepcopy(stalled)
    second["data"]["details"]["partition"] += 1
    assert len(shown([stalled, second])) == 3, "two partitions can fall silent at once"


def test_early_ones_are_confirmed_or_taken_back() -> None:
    """A provisional alert stands until it is confirmed or withdrawn, and changes nothing after."""
    early, undone, opened = of_kind("provisional", "withdrawn", "opened")
    assert " early " in shown([early])[1]
    assert shown([early, undone]) == []
    assert " open " in shown([early, opened])[1]
    assert shown([early, opened, undone]) == shown([early, opened, early]) == shown([opened])


def test_followed_each_is_a_line() -> None:
    """What comes later does not replace what has been printed; the heading stands once."""
    kinds = ("provisional", "opened", "closed", "withdrawn", "followup", "gap")
    lines = shown(of_kind(*kinds), follow=True)
    assert [line.split()[0] for line in lines[:2]] == ["time", "2025-01-13"]
    assert len(lines) == len(kinds) + 1
    assert "stayed: 12% after 1 day" in lines[5]


def test_every_status_has_a_word() -> None:
    """Whatever the schema allows is shown in a word of the column's width."""
    statuses = {alert["data"]["status"] for alert in EXAMPLES}
    assert statuses == set(STATES)
    assert len(shown(EXAMPLES, follow=True)) == len(EXAMPLES) + 1


@pytest.mark.parametrize("width", [150, 120, 108, 107, 80, 66, 65, 40])
@pytest.mark.parametrize("tag", ["tiktokrefugee", "小红书" * 15, "👨‍👩‍👧‍👦" * 9, "é" * 99])
def test_lines_fit(width: int, tag: str) -> None:
    """No line is wider than the terminal, wide scripts measured as they are shown."""
    alerts = of_kind("opened", "gap", "capped", "detector")
    alerts[0]["data"]["hashtag"] = tag
    alerts[0]["data"]["regions"] *= 5
    for follow in (False, True):
        lines = shown(alerts, width, follow=follow)
        assert max(map(cell_len, lines)) <= width
        assert "in-0123456789abcdef" in "".join(line.strip() for line in lines)


def test_columns_stand_below_each_other() -> None:
    """Ids begin in one column, whatever script the cause before them is in."""
    narrow, wide = of_kind("opened", "opened")
    wide["data"] |= {"hashtag": "小红书难民", "incident_id": "in-1123456789abcdef"}
    for width in (80, 130):
        lines = shown([narrow, wide], width)
        assert (
            len({cell_len(line[: re.search("in-|incident", line).start()]) for line in lines}) == 1
        )  # type: ignore[union-attr]


def test_the_usual_cause_fits_eighty_columns() -> None:
    """What the product is for can be read whole on the smallest usual terminal."""
    line = shown(of_kind("opened"), 80)[1]
    assert line.split("  ")[0].startswith("01-13 02:21 critical open")
    assert "#tiktokrefugee from US" in line


def test_colours_on_a_terminal_only() -> None:
    """A pipe gets no escape sequence, a terminal gets the severity's colour."""
    assert COLORS not in "".join(shown(of_kind("opened")))
    assert COLORS in "".join(shown(of_kind("opened"), color=True))


HOSTILE = [
    "\x1b[31mred\x1b[0m",
    "\u202eevil",
    "a\nb",
    "[bold]x[/bold]",
    "\x00",
    "\ud800",
    "\u2066x",
]


def harmless(text: str) -> bool:
    """Is there nothing that a terminal would act on, or that turns the direction of writing?"""
    return not any(unicodedata.category(char) in {"Cc", "Cf", "Cs"} for char in text)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_strings_do_nothing(text: str) -> None:
    """Wherever an alert can hold a foreign string, it is shown, not acted on."""
    (alert,) = of_kind("opened")
    escaped = json.dumps(text)
    for field in ("hashtag", "region", "status", "severity", "incident_id"):
        line = orjson.dumps(alert | {"data": alert["data"] | {field: "@@"}})
        line = line.replace(b'"@@"', escaped.encode())
        assert all(map(harmless, shown([line], follow=True))), field
    (gap,) = of_kind("capped")
    for field in ("subject", "time"):
        line = orjson.dumps(gap | {field: "@@"}).replace(b'"@@"', escaped.encode())
        assert all(map(harmless, shown([line], follow=True))), field


def test_markup_is_text() -> None:
    """A hashtag in square brackets is no instruction to rich."""
    (alert,) = of_kind("opened")
    alert["data"]["hashtag"] = "[red]x[/red]"
    assert "#[red]x[/red] from US" in shown([alert])[1]


NO_ALERTS = [b"", b"\xff", b"7", b'{"a":1}', b'{"id":"x","type":"y","source":"z"}', b"[" * 5000]


@pytest.mark.parametrize("line", NO_ALERTS)
def test_what_is_no_alert_is_counted(line: bytes) -> None:
    """It is left out, and does not keep others from being shown."""
    table = AlertTable(Console(file=io.StringIO(), width=80), follow=False)
    table.take([line, orjson.dumps(of_kind("opened")[0])])
    assert table.unreadable == 1
    assert len(table._rows) == 1


@given(st.data())
def test_any_damage_is_counted_or_shown(data: st.DataObject) -> None:
    """Whatever value stands in place of any other, nothing is raised and nothing is lost."""
    alert = copy.deepcopy(data.draw(st.sampled_from(EXAMPLES)))
    field = data.draw(st.sampled_from(sorted(alert["data"])))
    odd = st.sampled_from([None, [], {}, -1, 1.5, "x", True, [[]], [{}], 10**300, "9999-99-99"])
    alert["data"][field] = data.draw(odd)
    out = io.StringIO()
    table = AlertTable(Console(file=out, width=120), follow=True)
    table.take(
        [orjson.dumps(alert) if alert["data"][field] != 10**300 else json.dumps(alert).encode()]
    )
    assert table.unreadable + len(out.getvalue().splitlines()[1:]) == 1


def test_what_goes_on_is_never_too_old() -> None:
    """And who has it in hand stands beside it; of what is over nobody asks."""
    out = io.StringIO()
    table = AlertTable(Console(file=out, width=140), follow=False, since_ms=4_000_000_000_000)
    table.take([orjson.dumps(alert) for alert in of_kind("opened", "gap", "stalled")])
    table.end(lambda line: "小红" * 9 if b"incident.opened" in line else "silenced")
    head, opened, stalled = out.getvalue().splitlines()
    assert (table.printed, table.left_out) == (2, "2025-01-14 05:40")
    assert "in hand" in head
    assert "小红小红小红 …" in opened, "cut by what it takes on a terminal"
    assert head.index("incident") == stalled.index("pipeline/stalled")
    assert "silenced" in stalled
    assert cell_len(opened[: opened.index("in-0")]) == head.index("incident")


def test_what_is_told_once_does_not_go_on() -> None:
    """Nothing says that it is over: it may not stand in the table for ever."""
    table = AlertTable(Console(file=io.StringIO()), follow=False, since_ms=4_000_000_000_000)
    table.take([orjson.dumps(alert) for alert in of_kind("capped", "detector")])
    table.end()
    assert table.printed == 0


@pytest.mark.parametrize("width", [140, 40])
def test_what_was_printed_is_counted(width: int) -> None:
    """Also where no table fits: else it would be said that there are no alerts."""
    table = AlertTable(Console(file=io.StringIO(), width=width), follow=False)
    table.take([orjson.dumps(alert) for alert in of_kind("opened", "gap")])
    table.end()
    assert table.printed == 2


def test_since() -> None:
    """Older alerts are left out; what is no alert stays, for whoever shows it to judge."""
    lines = [orjson.dumps(alert) for alert in of_kind("opened", "closed")]
    taken: list[bytes] = []
    since = Since(1_736_900_000_000, taken.extend)  # 2025-01-15T00:13:20Z
    since.take([lines[0], b"?", lines[1]])
    assert taken == [b"?", lines[1]]
    assert (since.kept, since.newest) == (2, "2025-01-13T02:21:00Z")
    everything: list[bytes] = []
    Since(None, everything.extend).take(lines)
    assert everything == lines
