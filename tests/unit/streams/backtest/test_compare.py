"""Two configurations side by side: new, gone, earlier, later, the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from streams.backtest import Change, compare
from tests.unit.streams.backtest.conftest import _incident, ms

Json = dict[str, Any]
Make = Callable[..., Json]
END_MS = ms(23)
SERIES = ["all", "region/US", "hashtag/cats", "pair/US/cats", "pair/GB/cats"]


def told(changes: Sequence[Change]) -> list[tuple[str, int, int, float | None]]:
    """Kinds, numbers of incidents on both sides, and shifts."""
    return [(c.kind, len(c.before), len(c.after), c.shift_minutes) for c in changes]


def test_kinds(incident: Make) -> None:
    """Every incident is in one change, which says what has become of its wave."""
    before = [
        incident(1, "region/FR", 1, 2, 3),
        incident(2, "region/US", 4, 5, 8),
        incident(3, "region/BR", 4, 5, 8),
        incident(4, "hashtag/same", 9, 10, 11),
    ]
    after = [
        incident(5, ["pair/US/cats", "region/US"], 4, 4.5, 8),
        incident(6, "pair/BR/dogs", 5, 6, 8),
        incident(7, "hashtag/same", 9, 10, 11),
        incident(8, "hashtag/new", 12, 13, 14),
    ]
    assert told(compare(before, after, END_MS)) == [
        ("gone", 1, 0, None),
        ("earlier", 1, 1, -30),
        ("later", 1, 1, 60),
        ("same", 1, 1, 0),
        ("new", 0, 1, None),
    ]


def test_pieces_of_one_wave(incident: Make) -> None:
    """A wave that one side saw in pieces is one wave, detected when its first piece was."""
    before = [incident(1, ["region/US", "hashtag/cats"], 1, 4, 20)]
    after = [
        incident(2, "hashtag/cats", 5, 6, 20),
        incident(3, "pair/US/x", 2, 3, 4),
        incident(4, "region/US", 21, 22, 23),
    ]
    pieces, new = compare(before, after, END_MS)
    assert told([pieces, new]) == [("earlier", 1, 2, -60), ("new", 0, 1, None)]
    assert pieces.foremost["incident_id"].endswith("3")


def test_an_open_incident_lasts_to_the_end(incident: Make) -> None:
    """What is still open overlaps with all that comes later in its series."""
    before, after = [incident(1, "region/US", 1, 2)], [incident(2, "region/US", 20, 21)]
    assert told(compare(before, after, END_MS)) == [("later", 1, 1, 19 * 60)]
    assert told(compare(before, after, ms(19)))[0][0] == "gone"


@st.composite
def incidents(draw: st.DrawFn) -> list[Json]:
    """A few incidents of one side."""
    made = []
    for number in range(draw(st.integers(0, 6))):
        onset = draw(st.integers(0, 15))
        detected = onset + draw(st.integers(0, 3))
        closed = draw(st.none() | st.integers(detected, 20))
        keys = draw(st.lists(st.sampled_from(SERIES), min_size=1, unique=True))
        made.append(_incident(number, keys, onset, detected, closed))
    return made


@given(incidents(), incidents())
def test_nothing_is_lost_and_sides_are_alike(before: list[Json], after: list[Json]) -> None:
    """Each incident is in exactly one change, and turning the sides turns the changes."""
    changes = compare(before, after, END_MS)
    for side, given_side in ((0, before), (1, after)):
        seen = [data["incident_id"] for c in changes for data in (c.before, c.after)[side]]
        assert sorted(seen) == sorted(data["incident_id"] for data in given_side)
    turned = {"new": "gone", "gone": "new", "earlier": "later", "later": "earlier", "same": "same"}
    back = compare(after, before, END_MS)
    assert sorted(turned[c.kind] for c in changes) == sorted(c.kind for c in back)
    assert {c.kind for c in compare(before, before, END_MS)} <= {"same"}
