"""What came of configurations on a recorded log: against each other, and against what is known.

Pure: incidents in (the ``data`` of a replay's summary), records out. Ids change with the
configuration, so incidents are matched by overlap of series and time.
"""

from __future__ import annotations

from streams.backtest.assess import WEEK_MINUTES, Assessment, Judged, Wave, assess
from streams.backtest.calibrate import Calibration, Step, calibrate, settings_to_try
from streams.backtest.compare import Change, compare
from streams.backtest.known import (
    Finder,
    Knowledge,
    Known,
    fits_id,
    read_labels,
    read_truth,
)
from streams.backtest.outcome import Backtest, Trial
from streams.backtest.rates import poisson_interval

__all__ = [
    "WEEK_MINUTES",
    "Assessment",
    "Backtest",
    "Calibration",
    "Change",
    "Finder",
    "Judged",
    "Knowledge",
    "Known",
    "Step",
    "Trial",
    "Wave",
    "assess",
    "calibrate",
    "compare",
    "fits_id",
    "poisson_interval",
    "read_labels",
    "read_truth",
    "settings_to_try",
]
