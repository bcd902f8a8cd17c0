"""Time lines as SVG."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streams.console.plot import Axis, Lane, Mark, share_bar, sparkline, time_chart
from streams.console.timeline import Step

MINUTE = 60_000


def steps(*observed: float, start: int = 0) -> list[Step]:
    """One-minute steps with these values."""
    return [
        Step((start + number) * MINUTE, 1, value, 1.0, 3.0) for number, value in enumerate(observed)
    ]


def paths(svg: str, css: str) -> list[str]:
    """The outlines of one class in a chart."""
    root = ET.fromstring(svg)  # noqa: S314 - our own output
    return [path.get("d", "") for path in root.iter("path") if path.get("class") == css]


finite = st.floats(0, 1e12)


@settings(max_examples=50)
@given(
    st.lists(st.tuples(st.integers(0, 10**7), finite, finite, finite), max_size=20),
    st.integers(-(10**6), 10**7),
    st.integers(1, 10**8),
)
@example([(0, 0.0, 0.0, 5e-324)], 0, 1)
def test_chart_is_sound_xml_of_finite_numbers(
    values: list[tuple[int, float, float, float]], start: int, minutes: int
) -> None:
    """Whatever the figures and the axis, the chart parses and holds no NaN or infinity."""
    points = [Step(at * MINUTE, 1, a, b, b + c) for at, a, b, c in sorted(values)]
    axis = Axis(max(0, start) * MINUTE, (max(0, start) + min(minutes, 10**7)) * MINUTE)
    svg = time_chart(points, axis, label="x", gaps=True) + sparkline(points, axis, label="x")
    ET.fromstring(f"<div>{svg}</div>")  # noqa: S314
    assert not re.search(r"nan|inf", svg)


def test_line_breaks_at_missing_data() -> None:
    """A gap splits the line in two and is shaded once."""
    points = steps(1, 2, 1) + steps(1, 2, start=10)
    svg = time_chart(points, Axis(0, 12 * MINUTE), label="x", gaps=True)
    assert len(paths(svg, "observed")) == 2
    assert svg.count('class="hole"') == 1


def test_higher_values_are_drawn_higher() -> None:
    """The peak is nearest to the top edge, and what exceeds the band is filled."""
    svg = time_chart(steps(0, 10, 5), Axis(0, 3 * MINUTE), label="x", height=100)
    heights = [float(y) for y in re.findall(r" ([\d.]+)", paths(svg, "observed")[0])]
    assert heights == [100.0, 0.0, 50.0]
    assert len(paths(svg, "excess")) == 1
    quiet = time_chart(steps(0, 1, 2), Axis(0, 3 * MINUTE), label="x")
    assert paths(quiet, "excess") == []


def heights(svg: str, css: str) -> list[float]:
    """How far below the top edge the points of the first outline of a class are."""
    return [float(y) for y in re.findall(r" ([\d.]+)", paths(svg, css)[0])]


def test_a_huge_band_does_not_flatten_the_curve() -> None:
    """The axis is that of the observed values: a band a thousand times as high is cut."""
    points = [Step(n * MINUTE, 1, 10.0 * n, 1.0, 9000.0) for n in range(3)]
    for svg in (
        time_chart(points, Axis(0, 3 * MINUTE), label="x", height=100),
        sparkline(points, Axis(0, 3 * MINUTE), label="x", height=100),
    ):
        assert heights(svg, "observed")[2] <= 50
        assert min(heights(svg, "band")) == 0


def test_a_band_close_above_the_curve_is_seen() -> None:
    """Where little came, the whole usual range is on the chart, its edge below the top."""
    points = [Step(n * MINUTE, 1, 5.0, 1.0, 9.0) for n in range(3)]
    svg = time_chart(points, Axis(0, 3 * MINUTE), label="x", height=100)
    assert 0 < min(heights(svg, "band")) < 50


def test_nothing_is_above_while_learning() -> None:
    """Before anything could be judged the chart is shaded, and no step is called unusual."""
    axis = Axis(0, 4 * MINUTE)
    svg = time_chart(steps(9, 9, 1, 1), axis, label="x", learning_until_ms=2 * MINUTE)
    assert '<rect class="learning" width="500.0"' in svg
    assert paths(svg, "excess") == []
    judged = time_chart(steps(9, 9, 1, 9), axis, label="x", learning_until_ms=2 * MINUTE)
    assert len(paths(judged, "excess")) == 1
    assert "learning" not in time_chart(steps(9, 9), axis, label="x")


def test_marks_outside_the_axis_are_left_out() -> None:
    """A moment that the chart does not show is not pinned to its edge."""
    marks = [Mark(MINUTE, "onset"), Mark(99 * MINUTE, "over")]
    svg = time_chart(steps(1, 2), Axis(0, 2 * MINUTE), label="x", marks=marks)
    assert "onset" in svg
    assert "over" not in svg


def test_lane_spans_its_time() -> None:
    """A bar under the axis starts and ends where the incident did."""
    lane = Lane(2 * MINUTE, 6 * MINUTE, 1, "#x", "critical")
    svg = time_chart(steps(1, 2), Axis(0, 8 * MINUTE), label="x", lanes=[lane])
    assert 'x="25.00%"' in svg
    assert 'width="50.00%"' in svg


@pytest.mark.parametrize(("share", "width"), [(0.5, "50.0%"), (2.0, "100.0%"), (-1.0, "0.0%")])
def test_share_bar_keeps_inside(share: float, width: str) -> None:
    """A bar is as long as its share and never leaves its cell."""
    assert f'class="part" width="{width}"' in share_bar(share)
