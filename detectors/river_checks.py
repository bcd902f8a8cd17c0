"""The laws that every detector with River's interface obeys, as checks that anyone can run.

Each check is a function that raises ``AssertionError``; its docstring states the law::

    for check in check_detector(MyDetector()):
        check()
"""

from __future__ import annotations

import copy
import functools
import math
import pickle
import random
from typing import TYPE_CHECKING, Any

import numpy as np

from detectors.checks import SURGE, bound, counts, named

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from detectors.checks import Check

SURGE_AT, SURGE_LASTS = 260, 10
"""Samples of a surge: a filter needs 250 before."""
GRACE = 100
"""Samples before a detector's scores count: a forecaster has nothing to say before."""

RIVER_CHECKS = (
    "check_repr",
    "check_str",
    "check_tags",
    "check_doc",
    "check_clone_same_class",
    "check_clone_is_idempotent",
    "check_clone_changes_memory_addresses",
    "check_clone_with_new_params_applies",
    "check_repr_roundtrips_clone",
    "check_get_params_matches_signature",
    "check_init_has_default_params_for_tests",
    "check_init_default_params_are_not_mutable",
    "check_mutate_can_be_idempotent",
    "check_pickling_supports_roundtrip",
)
RIVER_STREAM_CHECKS = (
    "check_learn_one",
    "check_no_state_aliasing_with_input",
    "check_clone_is_independent",
    "check_bounded_memory_growth",
)
RIVER_UNSUPERVISED_CHECKS = (
    "check_pickling",
    "check_shuffle_features_no_impact",
    "check_predict_one_pure",
    "check_predict_one_before_any_learn",
    "check_seeding_is_idempotent",
)
"""River's own checks by name; the last group calls ``score_one`` without a target."""
RIVER_FEATURE_CHECKS = (
    "check_emerging_features",
    "check_disappearing_features",
    "check_radically_disappearing_features",
)
"""River's checks for features that come and go, which those that a bank gives never do."""


def check_detector(detector: Any, also: Iterable[str] = ()) -> Iterator[Check]:
    """The checks for one of River's detectors, or one of your own with its interface.

    River's own generic checks where the installed version has them and they apply, run on counts
    instead of River's data sets (which it downloads), then three of ours::

        for check in check_detector(MyDetector()):
            check()

    Args:
        detector: an ``AnomalyDetector``, ``SupervisedAnomalyDetector`` or a filter around one;
            each check gets a clone.
        also: names of checks that are not for all detectors: ``RIVER_FEATURE_CHECKS``.
    """
    from river import base  # noqa: PLC0415 - a second to import
    from river.checks import common  # noqa: PLC0415

    plain = isinstance(detector, base.AnomalyDetector)
    on_stream = (*RIVER_STREAM_CHECKS, *(RIVER_UNSUPERVISED_CHECKS if plain else ()), *also)
    for name in (*RIVER_CHECKS, *on_stream):
        check = getattr(common, name, None)
        if check is None:
            continue
        stream = [(list(_samples()),)] if name in on_stream else [()]
        yield named(name, functools.partial(_seeded, check, detector, *stream), check.__doc__)
    for own in (check_score_one_is_pure, check_scores_are_numbers, check_surge_ranks_high):
        yield bound(own, detector)


def check_score_one_is_pure(detector: Any) -> None:
    """Asking for a score does not change the detector."""
    detector, _ = _run(detector.clone())
    before = pickle.dumps(detector)
    x, y = next(iter(_samples(seed=2)))
    _ask(detector, x, y)
    assert pickle.dumps(detector) == before, "score_one changed the detector"


def check_scores_are_numbers(detector: Any) -> None:
    """A score is a number, from the hundredth sample on and for a surge.

    Never NaN or infinite: ``Kind.score`` raises for those.
    """
    trained, scores = _run(detector.clone())
    x, _ = next(iter(_samples(seed=2)))
    surge = {**x, "fresh": math.log1p(SURGE), "hour": math.log1p(SURGE)}
    scores.append(_ask(trained, surge, SURGE))
    assert len(scores) > 1


def check_surge_ranks_high(detector: Any) -> None:
    """The largest score of a surge is above those of most quiet stretches as long.

    That is what River asks of a detector on a set of card fraud, as an area under the ROC curve
    over one half: scored before learned.
    """
    _, scores = _run(detector.clone(), surge=True)
    starts = range(0, len(scores), SURGE_LASTS)
    largest = {GRACE + i: max(scores[i : i + SURGE_LASTS]) for i in starts}
    surge = largest.pop(SURGE_AT)
    above = [(surge > quiet) + 0.5 * (surge == quiet) for quiet in largest.values()]
    assert np.mean(above) > 0.5, "a surge ranks no higher than quiet counts"  # noqa: PLR2004


def _samples(seed: int = 1, *, surge: bool = False) -> Iterator[tuple[dict[str, float], float]]:
    for bucket, (quiet, *_) in enumerate(counts(seed, buckets=300, rows=2).tolist()):
        surges = surge and SURGE_AT <= bucket < SURGE_AT + SURGE_LASTS
        count = SURGE if surges else quiet
        angle = 2.0 * math.pi * bucket / 288.0
        features = {"fresh": math.log1p(count), "hour": math.log1p(11.0 * quiet + count)}
        yield {**features, "hour_sin": math.sin(angle), "hour_cos": math.cos(angle)}, count


def _run(detector: Any, *, surge: bool = False) -> tuple[Any, list[float]]:
    """Teach the samples; the scores are of those from ``GRACE`` on."""
    from detectors.river_calls import Kind  # noqa: PLC0415 - with River

    kind = Kind.of(detector)
    scores = []
    for i, (x, y) in enumerate(_samples(surge=surge)):
        if i >= GRACE:
            asked = copy.deepcopy(detector) if kind.counts else detector
            scores.append(kind.score(asked, x, y))
        kind.learn(detector, x, y, first=i < GRACE)
    return detector, scores


def _ask(detector: Any, x: dict[str, float], y: float) -> float:
    from detectors.river_calls import Kind  # noqa: PLC0415 - with River

    return Kind.of(detector).score(detector, x, y)


def _seeded(check: Callable[..., None], detector: Any, *stream: Any) -> None:
    """River's checks draw from the global generator: give them a known one, and put it back."""
    state = random.getstate()
    random.seed(1)
    try:
        check(detector.clone(), *(each for part in stream for each in part))
    finally:
        random.setstate(state)
