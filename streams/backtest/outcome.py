"""All that came of a backtest, for whoever shows it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from streams.backtest.assess import Assessment, Judged
    from streams.backtest.compare import Change
    from streams.backtest.known import Known
    from streams.summary import Summary


@dataclass(frozen=True, slots=True)
class Trial:
    """One configuration on the log.

    Attributes:
        name: ``A`` or ``B``, or the value of the setting that is swept.
        source: where the configuration is from.
        fingerprint: of the configuration.
        summary: of its replay.
        assessment: against what is known.
    """

    name: str
    source: str
    fingerprint: str
    summary: Summary
    assessment: Assessment

    def judged(self, incident: Mapping[str, Any]) -> Judged:
        """What one of its incidents was."""
        name = incident["incident_id"]
        return next(j for j in self.assessment.judged if j.incident["incident_id"] == name)


@dataclass(frozen=True, slots=True)
class Backtest:
    """What came of one or two configurations, and of a sweep of one setting.

    Attributes:
        first: the configuration.
        second: the one it is compared with, if there is one.
        differences: settings in which they differ: name, value in the first, in the second.
        changes: their incidents side by side; of one configuration alone there are none.
        swept: name of the setting that is swept, if one is.
        sweep: one trial a value, in the order given.
        unknown: what is known of series that the log does not hold.
    """

    first: Trial
    second: Trial | None
    differences: Sequence[tuple[str, str, str]]
    changes: Sequence[Change]
    swept: str | None
    sweep: Sequence[Trial]
    unknown: Sequence[Known]

    @property
    def sides(self) -> list[Trial]:
        """The one or two configurations."""
        return [self.first] if self.second is None else [self.first, self.second]

    @property
    def notes_of(self) -> Trial:
        """Whose unmatched labels are told."""
        return self.second or self.first

    def count(self, kind: str) -> int:
        """How many waves have changed like this."""
        return sum(change.kind == kind for change in self.changes)

    def verdict(self, change: Change) -> Judged:
        """What a wave was, by the incidents of both sides: the first that anything is known of."""
        sides = zip(self.sides, (change.before, change.after), strict=True)
        judged = list(
            itertools.chain.from_iterable(map(side.judged, incidents) for side, incidents in sides)
        )
        order = ("true", "expected", "false", "unknown")
        return min(judged, key=lambda one: order.index(one.verdict))
