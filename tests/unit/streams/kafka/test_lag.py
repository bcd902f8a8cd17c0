"""When is what is left to read told?"""

from __future__ import annotations

from streams.kafka.idle import LAG_AFTER_S, LAG_RECORDS, Lag


def test_lag_that_does_not_get_less_is_told() -> None:
    """After ten minutes, and not where it is small, or is worked off."""
    lag, small, worked_off = Lag(), Lag(), Lag()
    seconds = [float(s) for s in range(0, int(LAG_AFTER_S) + 31, 30)]
    told = [lag.grows(LAG_RECORDS + int(s), s) for s in seconds]
    assert told == [s - seconds[0] >= LAG_AFTER_S for s in seconds]
    assert not any(small.grows(LAG_RECORDS - 1, s) for s in seconds)
    assert not any(worked_off.grows(10 * LAG_RECORDS - int(s), s) for s in seconds)


def test_lag_is_over_when_little_is_left() -> None:
    """And begins anew after that."""
    lag = Lag()
    lag.grows(LAG_RECORDS, 0.0)
    assert lag.grows(LAG_RECORDS, LAG_AFTER_S)
    assert not lag.grows(0, LAG_AFTER_S + 1)
    assert not lag.grows(LAG_RECORDS, LAG_AFTER_S + 2)
