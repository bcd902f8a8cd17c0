"""How well a configuration did, in words: the same on the terminal and in reports.

Everything returned is safe for a terminal; HTML callers still escape it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from streams.backtest import WEEK_MINUTES, poisson_interval
from streams.codec import rfc3339
from streams.console import phrases
from streams.console.lines import print_facts, print_hanging
from streams.console.text import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console

    from streams.backtest import Assessment, Judged, Known, Wave

NOTES_SHOWN = 20
"""Of what is told one by one, of each kind."""

_PLACE_CHARS = 120
_EXAMPLES = 3

VERDICTS = {
    "true": "true",
    "false": "false",
    "expected": "expected",
    "unknown": "not labelled",
}
"""What an incident was, in words."""


def figure(value: float) -> str:
    """Return a rate with two significant digits, or three from a hundred on.

    >>> figure(0.0), figure(0.123), figure(2.0), figure(12.3), figure(1234.5)
    ('0', '0.12', '2', '12', '1,234')
    """
    if value == 0:
        return "0"
    if abs(value) >= 10:  # noqa: PLR2004
        return f"{value:,.0f}"
    return f"{value:.2g}"


def weekly(count: int, assessment: Assessment) -> str:
    """Return a count as a weekly rate with what the count can tell of it."""
    if assessment.weeks <= 0:
        return "–"
    low, high = (end / assessment.weeks for end in poisson_interval(count))
    return f"{figure(count / assessment.weeks)} (95%: {figure(low)} to {figure(high)})"


def weeks(value: float) -> str:
    """Return a number of weeks, or a shorter time in days and hours.

    >>> weeks(3.25), weeks(1.0), weeks(0.5)
    ('3.2 weeks', '1 week', '3 d 12 h')
    """
    if value < 1:
        return phrases.duration(value * WEEK_MINUTES)
    number = f"{value:.1f}".removesuffix(".0")
    return f"{number} week{'' if number == '1' else 's'}"


def budget(value: float) -> str:
    """Return the budget in words.

    >>> budget(1.0), budget(0.5)
    ('1 false incident a week', '0.5 false incidents a week')
    """
    return f"{value:g} false incident{'' if value == 1 else 's'} a week"


def facts(assessment: Assessment) -> list[tuple[str, str]]:
    """Return what was expected and what was observed, as names and values."""
    total = len(assessment.judged)
    found = f"{total:,} in {weeks(assessment.weeks)} judged"
    rows = [("budget", budget(assessment.budget)), ("incidents", found)]
    if not assessment.is_known:
        rate = "" if assessment.weeks <= 0 else f", {weekly(total, assessment)} a week"
        unknown = "; how many of them were false is not known" if total else ""
        return [rows[0], ("incidents", f"{found}{rate}{unknown}")]
    return [*rows, *known_facts(assessment)]


def known_facts(assessment: Assessment) -> list[tuple[str, str]]:
    """Return what is known of the incidents: false ones a week, precision, waves, delay."""
    false = false_count(assessment)
    if not assessment.count("unknown"):
        false += f", {false_rate(assessment)} a week"
    rows = [("false", false)]
    for verdict in ("true", "expected", "unknown"):
        count = assessment.count(verdict)
        if verdict == "true" or count:
            rows.append((VERDICTS[verdict], f"{count:,}"))
    rows.append(("precision", precision(assessment)))
    if assessment.waves:
        rows.append(("waves found", found(assessment)))
        rows.append(("median delay", delay(assessment.delay_minutes)))
    return rows


def false_count(assessment: Assessment) -> str:
    """Return how many incidents are false, as far as anybody has said."""
    known = " that are known" if assessment.count("unknown") else ""
    return f"{assessment.count('false'):,}{known}"


def false_rate(assessment: Assessment) -> str:
    """Return the weekly rate of false incidents; none where some were not looked at."""
    if assessment.count("unknown"):
        return "–"
    return weekly(assessment.count("false"), assessment)


def precision(assessment: Assessment) -> str:
    """Return the precision, and of how many, where not all are labelled."""
    unknown = assessment.count("unknown")
    labelled = f", of the {len(assessment.judged) - unknown:,} that are labelled" if unknown else ""
    return f"{share(assessment.precision)}{labelled}"


def share(value: float | None) -> str:
    """Return a share as a percentage, or a dash where there is none."""
    return "–" if value is None else phrases.percent(value)


def found(assessment: Assessment) -> str:
    """Return how many of the waves were found."""
    return f"{len(assessment.found):,} of {len(assessment.waves):,}"


def delay(minutes: float | None) -> str:
    """Return a delay; one that is negative is ahead of the onset that a label holds.

    >>> delay(90), delay(-3), delay(None)
    ('1 h 30 min', '-3 min', '–')
    """
    if minutes is None:
        return "–"
    words = phrases.duration(abs(minutes))
    return f"-{words}" if minutes < 0 else words


def verdict(judged: Judged) -> str:
    """Return what an incident was, and by what that is known."""
    words = VERDICTS[judged.verdict]
    known = judged.because
    if known is None:
        return words
    return f"{words}: {'label' if known.is_label else visible(known.id)}"


def name(known: Known) -> str:
    """Return one thing that is known: its id, what it is about, and when it was."""
    start, end = (phrases.moment(rfc3339(ms)) for ms in known.extent[-2:])
    about = phrases.series_name(known.series[0])
    return f"{visible(known.id)} ({about}, {start} to {end})"


def place(known: Known) -> str:
    """Return where it is said."""
    return visible(known.place, _PLACE_CHARS)


def missed(wave: Wave) -> str:
    """Return a wave that was missed, and where it is told of."""
    return f"{name(wave.known)}; {place(wave.known)}"


def notes(assessment: Assessment, unknown: Sequence[Known]) -> list[str]:
    """Return what of a truth or labels file came to nothing, a line each; often nothing.

    Args:
        assessment: of a replay.
        unknown: what names no series that the log holds.
    """
    nowhere = {known.place for known in unknown}
    elsewhere = [known for known in assessment.elsewhere if known.place not in nowhere]
    # A wave that was missed is told as such.
    idle = [k for k in assessment.unmatched if k.place not in nowhere and k.verdict != "true"]
    return [
        *_listed(unknown, "the logs hold no foreign post of this"),
        *_listed(idle, "has nothing in common with any incident found"),
        *_counted(elsewhere, "of a time that was not judged"),
    ]


def _listed(several: Sequence[Known], what: str) -> list[str]:
    lines = [f"{place(known)}: {name(known)}: {what}" for known in several[:NOTES_SHOWN]]
    more = len(several) - NOTES_SHOWN
    return [*lines, f"… and {more:,} more like it"] if more > 0 else lines


def _counted(several: Sequence[Known], what: str) -> list[str]:
    """One line, since a labels file goes on for years and a log does not."""
    if not several:
        return []
    named = ", ".join(f"{visible(k.id)} ({place(k)})" for k in several[:_EXAMPLES])
    more = len(several) - _EXAMPLES
    return [f"{len(several):,} {what}: {named}{f' and {more:,} more' if more > 0 else ''}"]


def print_assessment(assessment: Assessment, unknown: Sequence[Known], console: Console) -> None:
    """Print how a replay fared against what is known of its log.

    Args:
        assessment: of the replay.
        unknown: what is known of series that the log does not hold.
        console: where to.
    """
    console.print()
    console.print(Text("Against what is known", style="bold"))
    print_facts(facts(assessment), console)
    print_missed(assessment.missed, console)
    print_notes(notes(assessment, unknown), console)


def print_missed(waves: Sequence[Wave], console: Console) -> None:
    """Print the waves that were missed."""
    for wave in waves[:NOTES_SHOWN]:
        print_hanging(Text(f"  {'MISSED':<13} ", style="bold yellow"), Text(missed(wave)), console)
    if (more := len(waves) - NOTES_SHOWN) > 0:
        console.print(Text(f"  {more:,} more were missed."))


def print_notes(lines: Iterable[str], console: Console) -> None:
    """Print what of a truth or labels file came to nothing."""
    for line in lines:
        print_hanging(Text("  "), Text(line), console)
