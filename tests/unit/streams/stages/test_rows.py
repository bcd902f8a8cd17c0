"""Which series have a row."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from detectors.series import parse_key, region_key, stable_hash
from detectors.users import WHOLE
from streams.stages.rows import Rows

KEYS = st.lists(
    st.sampled_from(
        [f"region/R{c}" for c in "ABC"]
        + [f"hashtag/{t}" for t in "xyz"]
        + [f"pair/R{c}/{t}" for c in "ABC" for t in ("x", "y/z")]
    ),
    unique=True,
    max_size=15,
)


@given(KEYS, KEYS)
def test_parents_come_first(first: list[str], second: list[str]) -> None:
    """Every series keeps its row, and its parent (region of a pair, else all) comes earlier."""
    rows = Rows()
    before = dict(zip(first, rows.take(first).tolist(), strict=True))
    rows.take(second)
    assert rows.keys[0] == "all"
    for key, row in rows.of.items():
        assert rows.keys[row] == key
        assert rows.hashes[row] == stable_hash(key)
        parent = int(rows.parents[row])
        region = parse_key(key).region
        if key == "all":
            assert parent == -1
        else:
            assert parent < row
            assert rows.keys[parent] == (region_key(str(region)) if "pair" in key else "all")
    assert before == {key: rows.of[key] for key in first}


def test_rows_grow() -> None:
    """A thousand series get a thousand rows with their own hash, parent and whole theta."""
    rows = Rows()
    keys = [f"pair/US/t{i}" for i in range(1_000)]
    taken = rows.take(keys)
    assert len(rows) == 1_002
    assert len(set(taken.tolist())) == 1_000
    assert set(rows.parents[taken].tolist()) == {rows.of["region/US"]}
    assert set(rows.theta[taken].tolist()) == {WHOLE}


def test_heaviest() -> None:
    """At the limit the heaviest stay, ties by key; all, regions and open episodes always do."""
    rows = Rows()
    rows.take(["hashtag/d", "region/US", "hashtag/c", "hashtag/b", "hashtag/a", "hashtag/idle"])
    weight = {"all": 9.0, "hashtag/a": 5.0, "hashtag/b": 5.0, "hashtag/c": 7.0, "hashtag/d": 1.0}
    weights = np.array([weight.get(key, 0.0) for key in rows.keys])

    def kept(rows_max: int, *always: str) -> list[str]:
        found = rows.heaviest(weights, rows_max, {rows.of[key] for key in always})
        assert found.tolist() == sorted(found.tolist())
        return [rows.keys[r] for r in found.tolist()]

    assert kept(4) == ["all", "region/US", "hashtag/c", "hashtag/a"]
    assert kept(4, "hashtag/d") == ["all", "hashtag/d", "region/US", "hashtag/c"]
    assert kept(1, "hashtag/idle") == ["all", "region/US", "hashtag/idle"]
    assert set(kept(100)) == set(weight) | {"region/US"}, "without a limit only idle ones go"


def test_idle_regions_do_not_crowd_out_busy_tags() -> None:
    """A hundred idle regions, which stay, leave every busy hashtag its row below the limit."""
    rows = Rows()
    rows.take([f"region/{a}{b}" for a in "ABCDEFGHIJ" for b in "ABCDEFGHIJ"])
    tags = rows.take([f"hashtag/t{i}" for i in range(20)])
    weights = np.zeros(len(rows))
    weights[tags] = 1.0
    assert set(tags.tolist()) <= set(rows.heaviest(weights, len(rows), set()).tolist())


def test_keep_renumbers() -> None:
    """After a keep the kept series have the numbers of the list, their own theta and parents."""
    rows = Rows()
    rows.take(["hashtag/x", "pair/US/x", "pair/GB/y"])
    rows.theta[rows.of["pair/GB/y"]] = 77
    keep = [rows.of[key] for key in ("all", "region/GB", "pair/GB/y")]
    rows.keep(np.array(keep))
    assert rows.keys == ["all", "region/GB", "pair/GB/y"]
    assert rows.parents[:3].tolist() == [-1, 0, 1]
    assert rows.theta[:3].tolist() == [WHOLE, WHOLE, 77]
    assert rows.hashes[2] == stable_hash("pair/GB/y")
    new = rows.take(["hashtag/x", "pair/US/x"])
    assert new.tolist() == [3, 5]
    assert rows.theta[new].tolist() == [WHOLE, WHOLE], "a new series is followed as a whole"
    assert rows.parents[new].tolist() == [0, 4]
