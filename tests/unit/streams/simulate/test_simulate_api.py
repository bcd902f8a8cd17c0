"""The public names of the simulator and what they refuse."""

from __future__ import annotations

import json

import pytest

from streams.errors import UsageError
from streams.simulate import SCENARIOS, compose, simulate
from streams.simulate.scenarios import parts

EXPECTED = {
    *("quiet", "january", "overnight_flood", "thin_wave", "regional_wave", "niche_surge"),
    *("slow_growth", "students", "bots", "domestic_hit", "gap", "duplicates", "late"),
    *("poisoned", "malformed", "junk_tags", "hostile", "kitchen_sink"),
}


def test_every_scenario_is_registered() -> None:
    """All promised names are there, each described in one line and able to start."""
    assert set(SCENARIOS) == EXPECTED
    for name, text in SCENARIOS.items():
        assert text
        assert "\n" not in text
        assert isinstance(parts(name, 2.0), tuple)


def test_kitchen_sink_holds_everything() -> None:
    """Each part of every other scenario happens in the kitchen sink."""
    everything = {part.name for part in parts("kitchen_sink", 7.0)}
    for name in SCENARIOS:
        assert {part.name for part in parts(name, 7.0)} <= everything, name


def test_unknown_scenario() -> None:
    """A wrong name is refused with the list of right ones."""
    with pytest.raises(UsageError, match=r"no scenario 'flood'.*overnight_flood"):
        simulate("flood", days=1, rate=1, seed=0)


@pytest.mark.parametrize(
    ("days", "rate", "seed", "message"),
    [
        (0.01, 1, 0, "days is 0.01"),
        (float("nan"), 1, 0, "days is nan"),
        (5_000, 1, 0, "days is 5000"),
        (1, 0, 0, "rate is 0"),
        (1, float("inf"), 0, "rate is inf"),
        (1, 1, -1, "seed is -1"),
    ],
)
def test_values_out_of_range(days: float, rate: float, seed: int, message: str) -> None:
    """A value out of range is refused by name and with what is allowed."""
    with pytest.raises(UsageError, match=f"{message}; allowed"):
        compose([], days=days, rate=rate, seed=seed)


def test_quiet_has_no_truth() -> None:
    """Nothing happens in a quiet world, so its truth file is empty."""
    assert list(simulate("quiet", days=0.1, rate=0.1, seed=1).truth_lines()) == []


def test_truth_fields() -> None:
    """A truth record has exactly the fields of the format."""
    (line,) = simulate("thin_wave", days=1, rate=0.5, seed=1).truth_lines()
    truth = json.loads(line)
    assert list(truth) == [
        *("id", "kind", "scenario_part", "start", "end", "level", "region", "hashtag"),
        *("regions", "users", "peak_at"),
    ]
    assert (truth["id"], truth["kind"], truth["level"]) == ("thin_wave-1", "wave", "hashtag")
    assert (truth["region"], truth["hashtag"]) == (None, "listentoadvice")
    assert len(truth["regions"]) == 30
