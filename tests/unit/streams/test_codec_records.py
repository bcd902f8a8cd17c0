"""Tallies and outcomes come back from bytes as they were."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.series import stable_hash
from streams.codec.records import decode_outcome, decode_tally, encode_outcome, encode_tally
from streams.errors import StateError
from streams.events import Closed, Early, EarlyOutcome, Intake, Outcome, Partials, Seen
from streams.stages.cells import OpenBucket
from tests.unit.streams.stages.test_correlate import outcome, record

LANGS = ["", "en", "es"]
posts = st.lists(
    st.tuples(
        st.integers(0, 30),
        st.integers(0, 2),
        st.sampled_from(["US", "GB", "ZZ"]),
        st.lists(st.sampled_from(["a", "小红书", "b/c", "😀"]), unique=True),
    ),
    min_size=1,
    max_size=80,
)


def partials(drawn: list[tuple[int, int, str, list[str]]], rows_max: int) -> Partials:
    bucket = OpenBucket(rows_max, 1_000)
    for number, (user, lang, region, tags) in enumerate(drawn):
        who = stable_hash(f"user {user}")
        bucket.add((who, stable_hash(f"post {number}") ^ who, lang, 5), region, tags)
    return bucket.close(2, 28_945_600, LANGS)


def columns(value: Any) -> dict[str, Any]:
    """A record's fields, arrays as lists."""
    fields = msgspec.structs.asdict(value)
    return {n: v.tolist() if isinstance(v, np.ndarray) else v for n, v in fields.items()}


@given(posts, st.sampled_from([4, 1_000]))
def test_partials_come_back(drawn: list[tuple[int, int, str, list[str]]], rows_max: int) -> None:
    """Sampled or not, every column is the same, and so are the bytes of a second writing."""
    written = partials(drawn, rows_max)
    data = encode_tally(written)
    back = decode_tally(data)
    assert isinstance(back, Partials)
    assert columns(back) == columns(written)
    assert encode_tally(back) == data
    early = decode_tally(encode_tally(Early(written)))
    assert isinstance(early, Early)
    assert columns(early.partials) == columns(written)


@pytest.mark.parametrize(
    "tally",
    [Closed(3, 28_945_600, Intake(posts=9, home=5, late=1, rejected={"future": 3})), Seen(3, 99)],
)
def test_markers_come_back(tally: Closed | Seen) -> None:
    """Markers too, with all they count."""
    assert decode_tally(encode_tally(tally)) == tally


def test_outcomes_come_back() -> None:
    """Points stay behind, since they travel apart; an infinite threshold survives."""
    written = outcome(record("hashtag/x", threshold=float("inf")), record("all", 1), late=3)
    back = decode_outcome(encode_outcome(written))
    assert back == msgspec.structs.replace(written, points=[])
    early = EarlyOutcome(7, [record("hashtag/x")], 12.5)
    assert decode_outcome(encode_outcome(early)) == early
    assert isinstance(back, Outcome)


@pytest.mark.parametrize("data", [b"", b"X123", b"P", b"C123", b"S\xc1", b"P(\xb5/\xfd"])
def test_other_bytes_are_refused(data: bytes) -> None:
    """What is no tally, and what is no outcome, is an error that says so."""
    with pytest.raises(StateError):
        decode_tally(data)
    with pytest.raises(StateError):
        decode_outcome(data.replace(b"P", b"O").replace(b"C", b"F"))
