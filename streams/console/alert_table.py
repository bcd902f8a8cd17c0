"""Alerts as a table for the terminal: one line for each incident and trouble of the pipeline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Self

from rich.text import Text

from streams.codec.alerts import decode_alert
from streams.codec.timestamps import epoch_ms
from streams.console import phrases
from streams.console.lines import SEVERITY_STYLES, print_hanging
from streams.console.text import visible
from streams.errors import RecordError
from streams.notify.subjects import LASTING, trouble_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from rich.console import Console

    from streams.events import Alert

STATES = {
    "open": "open",
    "peaked": "peaked",
    "closed": "over",
    "provisional": "early",
    "withdrawn": "undone",
    "followup": "after",
}
"""The status of an alert in a word: ``early`` is not confirmed yet, ``after`` tells who stayed."""

_PIPELINE = "surgewatch.pipeline."
_EARLY, _UNDONE, _AFTER = STATES["provisional"], STATES["withdrawn"], STATES["followup"]
_GOES_ON = frozenset({STATES["open"], STATES["peaked"], _EARLY})
_WORD_CHARS = 24
_ODD = (*phrases.STRANGE, OverflowError)
"""What data raise that are not those of an alert of this version."""

_TIME, _SEVERITY, _STATE, _USERS, _HAND, _NAME = 16, 8, 6, 7, 14, 19
_YEAR = len("2025-")
_CAUSE_MAX, _PLACES_MAX = 72, 44
_CAUSE_MIN, _PLACES_MIN = 24, 14
_CAUSE_LEAST = 10
_CAUSE_SHARE = 0.6


class Row(NamedTuple):
    """One alert in words, safe for a terminal.

    Attributes:
        key: what it is about: newer rows of the same key replace older ones.
        time: of the alert, UTC, to the minute.
        severity: "" for the pipeline.
        state: of ``STATES``.
        cause: of an incident, or what is wrong with the pipeline.
        users: how many; "" where that means nothing.
        places: where they come from.
        name: the incident's id, or the trouble's kind.
        at_ms: time of the alert, ms since 1970 UTC.
        hand: who has it in hand, or that it is kept quiet; "" for nobody.
        goes_on: has it not ended? What is told once has no end, and does not.
    """

    key: str
    time: str
    severity: str
    state: str
    cause: str
    users: str
    places: str
    name: str
    at_ms: int = 0
    hand: str = ""
    goes_on: bool = False

    @classmethod
    def of(cls, alert: Alert) -> Self:
        """Put an alert into words.

        Raises:
            RecordError: its data are not those of an alert.
        """
        try:
            row = cls._of(alert)
            goes_on = row.state in _GOES_ON and not _is_told_once(alert)
            return row._replace(at_ms=epoch_ms(alert.time), goes_on=goes_on)
        except _ODD as error:
            raise RecordError("bad_value", f"no alert of this version: {error!r}") from None

    @classmethod
    def _of(cls, alert: Alert) -> Self:
        data, time = alert.data, phrases.moment(alert.time)
        state = STATES.get(data["status"], visible(data["status"], _WORD_CHARS))
        if alert.type.startswith(_PIPELINE):
            words, key = (
                phrases.disturbance(data),
                trouble_key(alert.subject, data["from"], data.get("details") or {}),
            )
            return cls(key, time, "", state, words, "", "", visible(alert.subject, _WORD_CHARS))
        name = visible(data["incident_id"], _WORD_CHARS)
        cause = phrases.cause(data)
        if state in {_UNDONE, _AFTER}:
            stayed = (phrases.stayed([data]) or "") if state == _AFTER else ""
            users = phrases.people(data["newcomers"]) if state == _AFTER else ""
            places = f"stayed: {stayed}" if stayed else ""
            return cls(data["incident_id"], time, "", state, cause, users, places, name)
        return cls(
            data["incident_id"],
            time,
            visible(data["severity"], _WORD_CHARS),
            state,
            cause,
            phrases.people(data["users"]),
            phrases.ranking(data["regions"], "region"),
            name,
        )


_HEAD = Row(
    "", "time (UTC)", "severity", "state", "cause", "users", "from", "incident", hand="in hand"
)


@dataclass(frozen=True, slots=True)
class _Layout:
    """Widths of what is cut (0: left out), the gap between columns, and whether years are shown."""

    cause: int
    places: int
    hand: int
    gap: int
    has_year: bool

    @classmethod
    def of(cls, width: int, rows: Sequence[Row]) -> Self | None:
        """Fit rows to a terminal's width; None where no line can hold one."""
        cause_max = max((Text(row.cause).cell_len for row in rows), default=_CAUSE_MAX)
        places_max = max((Text(row.places).cell_len for row in rows), default=_PLACES_MAX)
        hand = _HAND if any(row.hand for row in rows if row is not _HEAD) else 0
        taken = _SEVERITY + _STATE + _USERS + _NAME + hand
        room = width - (_TIME + taken + (6 + bool(hand)) * 2)
        if room >= _CAUSE_MIN + _PLACES_MIN:
            places = min(
                places_max, max(_PLACES_MIN, room - min(cause_max, int(room * _CAUSE_SHARE)))
            )
            cause = min(cause_max, room - places)
            return cls(cause, max(places, len(_HEAD.places)), hand, 2, True)
        room = width - (_TIME - _YEAR + taken + 5 + bool(hand))
        if room >= _CAUSE_LEAST:
            return cls(min(cause_max, room), 0, hand, 1, False)
        return None


class Since:
    """Passes on alerts from a time on, and what is none, for its taker to judge.

    Args:
        since_ms: event time, ms since 1970 UTC; None for all alerts.
        take: called with those that are left.

    Attributes:
        kept: how many were passed on.
        newest: time of the newest that was not.
    """

    def __init__(self, since_ms: int | None, take: Callable[[list[bytes]], None]) -> None:
        self.kept = 0
        self.newest: str | None = None
        self._since_ms = since_ms
        self._take = take

    def take(self, lines: list[bytes]) -> None:
        """Take alerts in their order."""
        kept = lines if self._since_ms is None else [one for one in lines if self._is_new(one)]
        self.kept += len(kept)
        self._take(kept)

    def _is_new(self, line: bytes) -> bool:
        try:
            alert = decode_alert(line)
            is_new = self._since_ms is None or epoch_ms(alert.time) >= self._since_ms
        except RecordError:
            return True
        if not is_new:
            self.newest = alert.time
        return is_new


class AlertTable:
    """Prints alerts, each of them as it comes, or the newest of each incident at the end.

    Args:
        console: where to; its width and colours are respected.
        follow: print each alert as it comes.
        since_ms: what was over before is left out of the end; None for nothing.

    Attributes:
        unreadable: how many records were no alerts.
        left_out: time of the newest that was left out, RFC 3339; None for none.
        printed: how many lines.
    """

    def __init__(self, console: Console, *, follow: bool, since_ms: int | None = None) -> None:
        self.unreadable = 0
        self.left_out: str | None = None
        self.printed = 0
        self._console = console
        self._follow = follow
        self._since_ms = since_ms
        self._rows: dict[str, tuple[Row, bytes]] = {}
        self._has_head = False

    def take(self, lines: Iterable[bytes]) -> None:
        """Take alerts in their order."""
        for line in lines:
            try:
                row = Row.of(decode_alert(line))
            except RecordError:
                self.unreadable += 1
                continue
            if self._follow:
                self._print([row], _Layout.of(self._console.width, []))
            else:
                self._fold(row, line)

    def _fold(self, row: Row, line: bytes) -> None:
        """Keep what is true now; what is confirmed is not taken back."""
        before = self._rows.get(row.key)
        if row.state == _AFTER or (
            row.state in {_EARLY, _UNDONE} and before is not None and before[0].state != _EARLY
        ):
            return
        self._rows.pop(row.key, None)
        if row.state != _UNDONE:
            self._rows[row.key] = row, line

    def end(self, hand: Callable[[bytes], str] | None = None) -> None:
        """Print what was taken, unless it has been; the newest comes last.

        Args:
            hand: who has what an alert tells of in hand.
        """
        rows = []
        for row, line in self._rows.values():
            if row.goes_on:
                rows.append(row._replace(hand="" if hand is None else visible(hand(line))))
            elif self._since_ms is None or row.at_ms >= self._since_ms:
                rows.append(row)
            else:
                self.left_out = max(self.left_out or "", row.time)
        if rows:
            self._print(rows, _Layout.of(self._console.width, [*rows, _HEAD]))

    def _print(self, rows: Sequence[Row], layout: _Layout | None) -> None:
        self.printed += len(rows)
        if layout is None:
            for row in rows:
                self._paragraph(row)
            return
        if not self._has_head:
            self._has_head = True
            self._line(_HEAD, layout)
        for row in rows:
            self._line(row, layout)

    def _line(self, row: Row, layout: _Layout) -> None:
        is_head = row is _HEAD
        year = 0 if layout.has_year or is_head else _YEAR
        cells = [
            (row.time[year:], _TIME if layout.has_year else _TIME - _YEAR, "left", ""),
            (row.severity or "–", _SEVERITY, "left", SEVERITY_STYLES.get(row.severity, "")),
            (row.state, _STATE, "left", ""),
            (row.users, _USERS, "right", ""),
            (_cut(row.cause, layout.cause), layout.cause, "left", "" if is_head else "bold"),
            (_cut(row.places, layout.places), layout.places, "left", ""),
            (_cut(row.hand, layout.hand), layout.hand, "left", ""),
            (row.name, 0, "left", ""),
        ]
        line = Text(style="dim" if is_head else "")
        for content, width, side, style in cells:
            if not content and not width:
                continue  # a column that has no room
            cell = Text(content, style=style)
            blank = " " * max(0, width - cell.cell_len)
            line.append_text(Text.assemble(blank, cell) if side == "right" else cell.append(blank))
            line.append(" " * layout.gap)
        line.rstrip()
        self._console.print(line, soft_wrap=True, highlight=False)

    def _paragraph(self, row: Row) -> None:
        prefix = Text(f"{row.time[_YEAR:]} ", style="dim")
        words = [row.severity, row.state, row.cause]
        if row.users:
            words.append(f"{row.users} users")
        if row.hand:
            words.append(f"in hand: {row.hand}")
        print_hanging(prefix, Text(", ".join(filter(None, [*words, row.name]))), self._console)


def _is_told_once(alert: Alert) -> bool:
    """Is it a trouble of the pipeline that nothing says the end of?"""
    return alert.type.startswith(_PIPELINE) and phrases.kind({"type": alert.type}) not in LASTING


def _cut(content: str, width: int) -> str:
    """As much of a text as fits into so many columns."""
    if not width:
        return ""
    text = Text(content)
    text.truncate(width, overflow="ellipsis")
    return text.plain
