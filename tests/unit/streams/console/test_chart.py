"""Observed against the usual band in characters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.console.chart import ASCII, ROWS, UNICODE, Moment, draw, fold
from streams.console.timeline import Step

MINUTE_MS = 60_000
START = 1_736_730_000_000


def steps(values: list[float | None], upper: float = 5.0, minutes: float = 1.0) -> list[Step]:
    """Steps of a minute; None is a hole."""
    return [
        Step(START + round(n * minutes * MINUTE_MS), minutes, value, 1.0, upper)
        for n, value in enumerate(values)
        if value is not None
    ]


def lines(drawn: list[float | None], width: int = 60, **more: bool) -> list[str]:
    return [line.plain for line in draw(steps(drawn), [], width, **more).lines]


def test_above_the_band_is_seen() -> None:
    """What is above the usual range has another character than what is within, also in ASCII."""
    for glyphs, ascii_only in ((UNICODE, False), (ASCII, True)):
        shown = lines([2.0, 2.0, 10.0, 10.0], ascii_only=ascii_only)
        bars = shown[:ROWS]
        assert any(glyphs.above in line for line in bars)
        assert any(glyphs.within in line for line in bars)
        assert any(glyphs.edge in line for line in bars)
        top = bars[0].rstrip()
        assert top.lstrip().startswith("10")
        assert set(top[8:]) <= {" ", glyphs.above}
        # The quiet steps never reach above the band.
        assert all(line[8:16].count(glyphs.above) == 0 for line in bars)
    assert "".join(lines([2.0, 9.0], ascii_only=True)).isascii()


def test_a_hole_is_left_open() -> None:
    """Where data are missing there is neither a bar nor an axis."""
    shown = lines([5.0, 5.0, None, None, 5.0, 5.0])
    axis = shown[ROWS]
    assert axis[8:] == "────────" + " " * 8 + "────────"
    assert all(set(line[16:24]) <= {" "} for line in shown[:ROWS])


def test_moments_stand_under_their_columns() -> None:
    """A letter under the column of its moment, its meaning below; one out of sight is left out."""
    moments = [
        Moment(START + 2 * MINUTE_MS, "o", "onset"),
        Moment(START + 2 * MINUTE_MS, "d", "detected"),
        Moment(START + 100 * MINUTE_MS, "c", "over"),
    ]
    drawing = draw(steps([1.0] * 6), moments, 60)
    shown = [line.plain for line in drawing.lines]
    assert shown[ROWS + 2] == " " * 8 + " " * 8 + "od"
    assert drawing.notes[0].plain == "o onset  d detected"
    assert "2025-01-13 01:00" in shown[ROWS + 1]


@given(
    values=st.lists(st.one_of(st.none(), st.floats(0, 1e9)), max_size=130),
    width=st.integers(1, 300),
    minutes=st.sampled_from([0.5, 1.0, 15.0, 1e6]),
)
def test_it_fits_any_width(values: list[float | None], width: int, minutes: float) -> None:
    """No line of the plot is wider than the terminal, and no user is lost by folding."""
    drawn = steps(values, minutes=minutes)
    chart = fold(drawn, width)
    total = sum(step.observed for step in drawn)
    assert sum(column.observed for column in chart.columns) == pytest.approx(total)
    assert len(chart.columns) * chart.repeat <= max(width, 1)
    plot = [line.plain for line in draw(drawn, [], width).lines][: ROWS + 1]
    assert all(len(line) <= max(width, 30) for line in plot)


def test_long_steps_beside_short_ones() -> None:
    """A step that is longer than a column is spread over those that it covers."""
    long = Step(START, 10.0, 100.0, 0.0, 0.0)
    short = [Step(START + (10 + n) * MINUTE_MS, 1.0, 10.0, 0.0, 0.0) for n in range(10)]
    assert [c.observed for c in fold([long, *short], 10).columns] == pytest.approx([20.0] * 10)
