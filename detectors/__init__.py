"""Is it a surge? Pure statistics over counts of distinct foreign users.

What a notebook or a program of one's own needs is here, and is imported when it is first used
(River takes a second)::

    from detectors import SurgeScan

====================  ==============================================================================
``SurgeScan``         the default detector over one series of counts, with River's interface
``SeriesDetector``    the same for any detector of the catalogue, or combination of several
``BudgetFilter``      a threshold by budget of false alarms for any River detector and any ``x``
``names``             the detectors of the catalogue
``make_bank``         a detector over many series at once, as the pipeline runs it
``BankContext``       what every bank is told
``check_detector``    the laws for detectors with River's interface, as checks
``check_bank``        the laws for banks, likewise
====================  ==============================================================================
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from detectors.budget_filter import BudgetFilter
    from detectors.catalog import BankContext, make_bank, names
    from detectors.checks import check_bank
    from detectors.one_series import SeriesDetector
    from detectors.river_checks import check_detector
    from detectors.surge_scan import SurgeScan

__all__ = [
    "BankContext",
    "BudgetFilter",
    "SeriesDetector",
    "SurgeScan",
    "check_bank",
    "check_detector",
    "make_bank",
    "names",
]

_HOME = {
    "BankContext": "catalog",
    "BudgetFilter": "budget_filter",
    "SeriesDetector": "one_series",
    "SurgeScan": "surge_scan",
    "check_bank": "checks",
    "check_detector": "river_checks",
    "make_bank": "catalog",
    "names": "catalog",
}
"""The module of each name."""


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"detectors.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
