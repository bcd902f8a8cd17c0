"""Who is to be told of what: the routes of the notifier, and what holds for all of them."""

from __future__ import annotations

import difflib
import re
from dataclasses import MISSING, dataclass, fields, replace
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

from detectors.incident import SEVERITIES
from streams.codec.regions import REGIONS
from streams.errors import SettingsError
from streams.settings.kinds import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    SECOND_MS,
    Kind,
    Refusal,
    boolean,
    duration,
    show,
    text,
    toml_value,
)
from streams.settings.sections import Setting

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DESTINATIONS = ("alertmanager", "pagerduty", "webhook", "apprise")
LEVELS = ("all", "region", "hashtag", "pair")
ROUTES_MAX = 50
_LISTED_MAX = 300
HOURS = r"([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-3]):([0-5][0-9])"
"""Quiet hours: hour and minute of their begin and of their end."""
_URL = r"https?://[^\s/?#@]+(/[^\s]*)?"
_NEEDS = {
    "alertmanager": ("url",),
    "pagerduty": ("secret_env",),
    "webhook": ("url", "secret_env"),
    "apprise": ("secret_env",),
}


@dataclass(frozen=True, slots=True)
class Route:
    """One way to people: what goes there, where it is, and when it keeps still.

    Attributes:
        name: of the route, in logs, metrics and records.
        to: one of ``DESTINATIONS``.
        url: base URL of an Alertmanager, URL of a webhook; of PagerDuty's events API where it is
            not the usual one; "" for apprise.
        secret_env: environment variable that holds the secret: PagerDuty's routing key, the key
            that signs webhooks, apprise's URLs; "" for none.
        regions: incidents that have one of them among their regions; empty for all.
        hashtags: patterns (``*`` and ``?``) of which one fits a hashtag of it; empty for all.
        levels: of the cause, of ``LEVELS``; empty for all.
        severity_min: of ``SEVERITIES``; what is less is not told.
        pipeline: are troubles of the pipeline told here? They are warnings; by default where
            warnings are told.
        quiet_hours: "HH:MM-HH:MM" in ``time_zone``, "" for none.
        time_zone: an IANA name.
        quiet_severity_min: in quiet hours what is less waits for their end.
        group_window_ms: what comes within so long after the first goes together.
        repeat_ms: what goes on is told again after so long; 0 for never.
        runbook: a link that goes along.
    """

    name: str
    to: str
    url: str = ""
    secret_env: str = ""
    regions: tuple[str, ...] = ()
    hashtags: tuple[str, ...] = ()
    levels: tuple[str, ...] = ()
    severity_min: str = "warning"
    pipeline: bool = True
    quiet_hours: str = ""
    time_zone: str = "UTC"
    quiet_severity_min: str = "critical"
    group_window_ms: int = 30 * SECOND_MS
    repeat_ms: int = 4 * HOUR_MS
    runbook: str = ""


@dataclass(frozen=True, slots=True)
class RouteKey:
    """One key of a route: the attribute that holds it, its kind, and what it means."""

    attribute: str
    kind: Kind
    doc: str


def _one_of(values: tuple[str, ...]) -> Kind:
    return text("|".join(values), ", ".join(values), "name")


def _listed(pattern: str, allowed: str) -> Kind:
    """A list of texts, in their order."""

    def check(value: object) -> tuple[str, ...]:
        if not isinstance(value, list):
            raise Refusal("not a list")
        if len(value) > _LISTED_MAX:
            raise Refusal(f"more than {_LISTED_MAX}")
        for item in value:
            if not isinstance(item, str) or not re.fullmatch(pattern, item):
                raise Refusal(f"{show(item)} is none of these")
        return tuple(value)

    return Kind("list", allowed, lambda given: given, check, lambda value: show(list(value)))


def _zone() -> Kind:
    def check(value: object) -> str:
        try:
            return ZoneInfo(str(value)).key
        except (ValueError, OSError, LookupError):
            raise Refusal("no such time zone") from None

    return Kind("name", "an IANA time zone, as in Asia/Shanghai", str, check, show)


def _repeat() -> Kind:
    some = duration(MINUTE_MS, 30 * DAY_MS)

    def check(value: object) -> int:
        return 0 if value == "never" else int(some.check(value))

    return Kind(
        "duration", f'{some.allowed}, or "never"', str, check, lambda ms: _render_repeat(some, ms)
    )


def _render_repeat(some: Kind, ms: int) -> str:
    return some.render(ms) if ms else '"never"'


_LINK = replace(
    text(rf"({_URL})?", "an http or https URL without a login", "URL", 2_000), private=True
)
ROUTE_KEYS: dict[str, RouteKey] = {
    "name": RouteKey(
        "name",
        text("[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?", "a-z, 0-9 and -, at most 40", "name"),
        "The route's name in logs, metrics and records. Under another name it is another route, "
        "which is told anew what still goes on.",
    ),
    "to": RouteKey("to", _one_of(DESTINATIONS), "The destination."),
    "url": RouteKey(
        "url",
        _LINK,
        "Where an Alertmanager is (`http://host:9093`), or a webhook; another PagerDuty than "
        "the usual one.",
    ),
    "secret_env": RouteKey(
        "secret_env",
        replace(
            text(
                r"((?!SURGEWATCH_)[A-Za-z_][A-Za-z0-9_]*)?",
                "a name that does not begin with SURGEWATCH_",
                "environment variable",
            ),
            private=True,
        ),
        "The variable that holds the secret: PagerDuty's routing key, the key that signs a "
        "webhook, apprise's URLs, one a line.",
    ),
    "regions": RouteKey(
        "regions",
        _listed("|".join(sorted(REGIONS | {"ZZ"})), "ISO 3166 codes, two letters"),
        "Only incidents with one of these among their regions.",
    ),
    "hashtags": RouteKey(
        "hashtags",
        _listed(r"#?[^#\x00-\x1f][^\x00-\x1f]{0,199}", "patterns with `*` and `?`"),
        "Only incidents with a hashtag that fits one of these.",
    ),
    "levels": RouteKey(
        "levels", _listed("|".join(LEVELS), ", ".join(LEVELS)), "Only incidents of these levels."
    ),
    "severity_min": RouteKey(
        "severity_min", _one_of(SEVERITIES), "What is less severe is not told."
    ),
    "pipeline": RouteKey(
        "pipeline",
        boolean(),
        "Whether troubles of the pipeline are told, which are warnings; by default not if "
        '`severity_min` is `"critical"`.',
    ),
    "quiet_hours": RouteKey(
        "quiet_hours",
        text(rf"({HOURS})?", "two times of day, as in 22:00-07:00", "times of day"),
        "When only `quiet_severity_min` is told at once; the rest waits for their end, if it "
        "still goes on then.",
    ),
    "time_zone": RouteKey("time_zone", _zone(), "Where the quiet hours are."),
    "quiet_severity_min": RouteKey(
        "quiet_severity_min", _one_of(SEVERITIES), "What is told in quiet hours, too."
    ),
    "group_window": RouteKey(
        "group_window_ms",
        duration(0, 10 * MINUTE_MS),
        "A new incident waits so long for others, to be told with them.",
    ),
    "repeat": RouteKey("repeat_ms", _repeat(), "What still goes on is told again after so long."),
    "runbook": RouteKey("runbook", _LINK, "A link that goes along."),
}
"""Every key of a route."""

_DEFAULTS = {item.name: item.default for item in fields(Route)}


def _route(number: int, table: object) -> Route:
    """Check one route.

    Raises:
        Refusal: the message names the route and the key.
    """
    if not isinstance(table, dict):
        raise Refusal(f"route {number} is not a table")
    where = f"route {show(table['name'])}" if "name" in table else f"route {number}"
    values: dict[str, Any] = {}
    problems = [*_read_keys(table, values)]
    if not problems:
        problems = [*_missing(values)]
    begin, _, end = values.get("quiet_hours", "").partition("-")
    if begin and begin == end:
        problems.append("quiet_hours end when they begin")
    if problems:
        raise Refusal("\n    ".join(f"{where}: {problem}" for problem in problems))
    # Whoever asks for what is critical is not woken by warnings.
    values.setdefault("pipeline", values.get("severity_min") != "critical")
    return Route(**values)


def _read_keys(table: Mapping[str, object], values: dict[str, Any]) -> Iterator[str]:
    """Check the keys that a route has into ``values``; yields what is wrong with others."""
    for key, value in table.items():
        known = ROUTE_KEYS.get(key)
        if known is None:
            near = difflib.get_close_matches(str(key)[:100], ROUTE_KEYS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(ROUTE_KEYS)}"
            yield f"no such key {show(key)}; {hint}"
            continue
        try:
            values[known.attribute] = known.kind.check(value)
        except Refusal as refusal:
            allowed = known.kind.allowed.replace("`", "")
            shown = "(hidden)" if known.kind.private else show(value)
            yield f"{key} = {shown}: {refusal}; allowed: {allowed}"


def _missing(values: Mapping[str, Any]) -> Iterator[str]:
    """Which keys a route lacks that every one needs, or its destination."""
    for key, known in ROUTE_KEYS.items():
        needed = _DEFAULTS[known.attribute] is MISSING or key in _NEEDS.get(
            values.get("to", ""), ()
        )
        if needed and not values.get(known.attribute):
            who = "every route" if _DEFAULTS[known.attribute] is MISSING else values["to"]
            yield f"{key} is missing; {who} needs it"


def _routes() -> Kind:
    def check(value: object) -> tuple[Route, ...]:
        if not isinstance(value, list):
            raise Refusal("not a list of tables; write each under [[notify.routes]]")
        if len(value) > ROUTES_MAX:
            raise Refusal(f"more than {ROUTES_MAX} routes")
        routes, problems = [], []
        for number, table in enumerate(value, 1):
            try:
                routes.append(_route(number, table))
            except Refusal as refusal:
                problems.append(str(refusal))
        if problems:
            raise Refusal("\n    ".join(("", *problems)))
        names = [route.name for route in routes]
        for name in names:
            if names.count(name) > 1:
                raise Refusal(f"two routes are called {name}")
        return tuple(routes)

    def render(routes: tuple[Route, ...]) -> str:
        return "[" + ", ".join(map(_render_route, routes)) + "]"

    allowed = "tables with the keys under Routes"
    return Kind("list of tables", allowed, toml_value, check, render, says_all=True)


def _render_route(route: Route) -> str:
    pairs = (
        f"{key} = {known.kind.render(value)}"
        for key, known in ROUTE_KEYS.items()
        # What pipeline is by default, hangs on another key.
        if (value := getattr(route, known.attribute)) != _DEFAULTS[known.attribute]
        or key == "pipeline"
    )
    return "{" + ", ".join(pairs) + "}"


@dataclass(frozen=True, slots=True)
class Notify:
    """The notifier."""

    routes: Annotated[
        tuple[Route, ...],
        Setting("routes", _routes(), "Who is told, each under `[[notify.routes]]`.", shapes=False),
    ] = ()
    max_age_ms: Annotated[
        int,
        Setting(
            "max_age",
            duration(0, 30 * DAY_MS),
            "An incident that nobody was told of, and that was over so long ago, is not told any "
            "more. One that goes on is, however old.",
            shapes=False,
        ),
    ] = HOUR_MS
    give_up_after_ms: Annotated[
        int,
        Setting(
            "give_up_after",
            duration(MINUTE_MS, 7 * DAY_MS),
            "What a destination does not take for so long becomes a dead letter "
            "(`surgewatch redeliver`).",
            shapes=False,
        ),
    ] = HOUR_MS
    remind_after_ms: Annotated[
        int,
        Setting(
            "remind_after",
            duration(HOUR_MS, 30 * DAY_MS),
            "A silence that holds longer is reminded of, each time so much has passed.",
            shapes=False,
        ),
    ] = DAY_MS
    console_url: Annotated[
        str,
        Setting(
            "console_url",
            _LINK,
            "Where people reach `surgewatch console`, for the links in notifications.",
            shapes=False,
        ),
    ] = ""


def require_routes(notify: Notify) -> None:
    """Refuse to notify nobody.

    Raises:
        SettingsError: there is no route.
    """
    if not notify.routes:
        raise SettingsError(
            "notify.routes: there is none, so nobody would be told; write one under "
            "[[notify.routes]] (docs/notifications.md)"
        )


def routes_table() -> str:
    """The table of a route's keys for the documentation, as Markdown."""
    lines = [
        "| key | type, unit | default | allowed | meaning |",
        "| --- | --- | --- | --- | --- |",
    ]
    for key, known in ROUTE_KEYS.items():
        default = _DEFAULTS[known.attribute]
        shown = "needed" if default is MISSING else f"`{known.kind.render(default)}`"
        cells = (f"`{key}`", known.kind.unit, shown, known.kind.allowed, known.doc)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)
