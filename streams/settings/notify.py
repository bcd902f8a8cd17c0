"""Who is to be told of what: the routes of the notifier."""

from __future__ import annotations

from dataclasses import dataclass

DESTINATIONS = ("alertmanager", "pagerduty", "webhook", "apprise")
SEVERITIES = ("info", "warning", "critical")
LEVELS = ("all", "region", "hashtag", "pair")


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
        pipeline: are alerts of the pipeline told here?
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
    group_window_ms: int = 30_000
    repeat_ms: int = 4 * 3_600_000
    runbook: str = ""
