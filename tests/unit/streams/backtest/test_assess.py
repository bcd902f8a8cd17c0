"""Incidents measured against what is known: true, false, expected; found, missed; how late."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from streams.backtest import Assessment, Knowledge, assess

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.backtest import Known
    from streams.summary import Summary

    Json = dict[str, Any]
    Make = Callable[..., Json]
    Knows = Callable[..., Known]
    Sums = Callable[..., Summary]


def verdicts(assessment: Assessment) -> list[str]:
    """What each incident was, in order of detection."""
    return [judged.verdict for judged in assessment.judged]


def test_truth(incident: Make, known: Knows, summary: Sums) -> None:
    """Of a truth file every incident is true or false, and every wave found or missed."""
    found = summary(
        [
            incident(1, "region/FR", 2, 3, 4),
            incident(2, ["pair/US/cats", "all"], 5.5, 6, 9),
            incident(3, "hashtag/cats", 7, 8, 9),
            incident(4, "hashtag/bots", 10, 11, 12),
        ]
    )
    truth = [
        known("wave", "true", "hashtag/cats", 5, 10),
        known("quiet", "true", "region/BR", 5, 10),
        known("bots", "false", "hashtag/bots", 10, 12),
    ]
    assessment = assess(found, 2.0, Knowledge(truth))
    assert verdicts(assessment) == ["false", "true", "true", "false"]
    assert [j.because and j.because.id for j in assessment.judged] == [None, "wave", "wave", "bots"]
    assert [wave.known.id for wave in assessment.found] == ["wave"]
    assert [wave.known.id for wave in assessment.missed] == ["quiet"]
    assert [len(wave.incidents) for wave in assessment.waves] == [0, 2]
    assert (assessment.precision, assessment.recall) == (0.5, 0.5)
    assert assessment.delay_minutes == 60
    assert assessment.weeks == pytest.approx(21 / 168)
    assert assessment.per_week(2) == pytest.approx(16)
    assert assessment.is_known


def test_an_incident_from_before_does_not_find_a_wave(
    incident: Make, known: Knows, summary: Sums
) -> None:
    """What was detected before a wave began was false, though it was still open during the wave."""
    found = summary([incident(1, "region/US", 2, 3, 9)])
    assessment = assess(found, 1.0, Knowledge([known("wave", "true", "region/US", 5, 10)]))
    assert verdicts(assessment) == ["false"]
    assert len(assessment.missed) == 1


def test_labels(incident: Make, known: Knows, summary: Sums) -> None:
    """Labels are matched by series and time; what has none is unknown, and counts nowhere."""
    found = summary(
        [
            incident(1, "hashtag/a", 2, 3, 4),
            incident(2, "region/FR", 2, 3, 4),
            incident(3, "hashtag/c", 2, 3, 4),
            incident(4, "hashtag/d", 2, 3, 4),
        ]
    )
    labels = [
        known("in-a", "true", "pair/US/a", 1.5, 3.5, label=True),
        known("in-b", "false", "region/FR", 3.9, 8, label=True),
        known("in-c", "expected", "hashtag/c", 2, 4, label=True),
        known("in-d", "false", "hashtag/d", 5, 6, label=True),
        known("in-e", "true", "hashtag/e", 5, 6, label=True),
    ]
    assessment = assess(found, 1.0, Knowledge(labels=labels))
    assert verdicts(assessment) == ["true", "false", "expected", "unknown"]
    assert assessment.precision == 0.5
    # In-a and in-e were real; the label's onset is where its delay is counted from.
    assert [(w.known.id, w.delay_minutes) for w in assessment.waves] == [
        ("in-a", 90),
        ("in-e", None),
    ]
    assert [known.id for known in assessment.unmatched] == ["in-d", "in-e"]


def test_the_nearest_label_counts(incident: Make, known: Knows, summary: Sums) -> None:
    """Of several labels that overlap it is that of the same id, else of the most time in common."""
    one = incident(1, "region/US", 2, 3, 6)
    long = known("in-long", "true", "region/US", 1, 20, label=True)
    close = known("in-close", "false", "region/US", 2, 7, label=True)
    own = known(one["incident_id"], "expected", "region/US", 2, 2.5, label=True)

    def of(*labels: Known) -> list[str]:
        return verdicts(assess(summary([one]), 1.0, Knowledge(labels=list(labels))))

    assert of(long, close) == of(close, long) == ["false"]
    assert of(long, own, close) == ["expected"]


def test_truth_and_labels(incident: Make, known: Knows, summary: Sums) -> None:
    """A wave of the truth stays true; a label excuses what the truth does not tell of."""
    found = summary([incident(1, "region/US", 5, 6, 7), incident(2, "region/FR", 5, 6, 7)])
    knowledge = Knowledge(
        [known("wave", "true", "region/US", 5, 8)],
        [
            known("in-1", "false", "region/US", 5, 7, label=True),
            known("in-2", "expected", "region/FR", 5, 7, label=True),
            known("in-3", "true", "pair/US/x", 5, 7, label=True),
        ],
    )
    assessment = assess(found, 1.0, knowledge)
    assert verdicts(assessment) == ["true", "expected"]
    # The true label tells of the same wave as the truth, which is counted once.
    assert [wave.known.id for wave in assessment.waves] == ["wave"]
    assert assessment.precision == 1.0


def test_other_times(incident: Make, known: Knows, summary: Sums) -> None:
    """What is known of the time before judging, or after the log, is neither found nor missed."""
    found = summary([incident(1, "region/US", 5, 6)], last=10)
    truth = [known(f"w{start}", "true", "region/US", start, start + 0.5) for start in (0, 0.6, 11)]
    assessment = assess(found, 1.0, Knowledge(truth))
    assert [wave.known.id for wave in assessment.missed] == ["w0.6"]
    assert [known.id for known in assessment.elsewhere] == ["w0", "w11"]


def test_nothing_judged(known: Knows, summary: Sums) -> None:
    """A log that is too short has no rates, and everything known is of another time."""
    assessment = assess(summary([], judged=None), 1.0, Knowledge([known("w", "true", "all", 1, 2)]))
    assert (assessment.weeks, assessment.per_week(0), assessment.recall) == (0.0, None, None)
    assert (assessment.precision, assessment.delay_minutes) == (None, None)
    assert (assessment.waves, len(assessment.elsewhere)) == ([], 1)


def test_missing_data_are_not_judged_time(summary: Sums) -> None:
    """Hours without data do not make a rate look better."""
    whole = summary([], last=22)
    gap = dataclasses.replace(whole, missing_minutes=21 * 30.0)
    rates = [assess(one, 1.0, Knowledge()).per_week(1) for one in (whole, gap)]
    assert rates == [pytest.approx(8), pytest.approx(16)]


def test_without_knowledge(incident: Make, summary: Sums) -> None:
    """Without truth or labels incidents are unknown; the delay is that after their own onsets."""
    found = summary([incident(1, "all", 5, 6), incident(2, "all", 5, 9), incident(3, "all", 5, 7)])
    assessment = assess(found, 1.0, Knowledge())
    assert verdicts(assessment) == ["unknown"] * 3
    assert assessment.onset_delay_minutes == 120
    assert not assessment.is_known
