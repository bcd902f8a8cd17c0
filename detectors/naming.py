"""Names in a configuration: what is wrong with one, and what was probably meant."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class CatalogError(ValueError):
    """The configuration asks for a detector that can't be made; the message is for the operator."""


class UnknownDetector(CatalogError):  # noqa: N818 - "unknown" says it
    """No detector has this name."""


class UnknownParameter(CatalogError):  # noqa: N818 - "unknown" says it
    """The detector has no such parameter, needs one more, or refuses its value."""


def check_parameter(name: str, parameter: str, known: Sequence[str], path: str = "") -> None:
    """Refuse a parameter that a detector does not have.

    Args:
        name: of the detector.
        parameter: as it stands in the configuration.
        known: the detector's own.
        path: leads to the detector, for the message: ``"anomaly_detector."``, or nothing.

    Raises:
        UnknownParameter: the message gives the nearest one.
    """
    if parameter not in known:
        raise UnknownParameter(
            f"{name} has no parameter {path + parameter!r}; {nearest(parameter, known)}"
        )


def place(path: str) -> str:
    """Where a detector stands, for messages.

    >>> place(""), place("detectors[1].anomaly_detector.")
    ('for the detector', "for 'detectors[1].anomaly_detector'")
    """
    return f"for {path[:-1]!r}" if path else "for the detector"


def nearest(name: str, known: Sequence[str]) -> str:
    """Say what was probably meant, or everything that there is.

    >>> nearest("halfspacetree", ["scan", "river.anomaly.HalfSpaceTrees"])
    "did you mean 'river.anomaly.HalfSpaceTrees'?"
    """
    if not known:
        return "it takes none"
    tails = {each.rpartition(".")[2].lower(): each for each in known}
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.75) or [
        tails[each]
        for each in difflib.get_close_matches(name.rpartition(".")[2].lower(), tails, n=1)
    ]
    return f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known)}"
