"""From a route of the configuration to its destination."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.errors import SettingsError
from streams.sinks.alertmanager import Alertmanager
from streams.sinks.pagerduty import URL, PagerDuty
from streams.sinks.webhook import Webhook

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from streams.settings import Route
    from streams.sinks.protocol import Sink

KEY_CHARS_MIN = 16


def make_sinks(routes: Iterable[Route], environ: Mapping[str, str]) -> dict[str, Sink]:
    """The destinations of routes, by their names.

    Raises:
        SettingsError: secrets are not in the environment, or are none; the message names all.
    """
    sinks, problems = {}, []
    for route in routes:
        try:
            sinks[route.name] = make_sink(route, environ)
        except SettingsError as error:
            problems.append(str(error))
    if problems:
        raise SettingsError("\n  ".join(problems))
    return sinks


def make_sink(route: Route, environ: Mapping[str, str]) -> Sink:
    """The destination of a route.

    Raises:
        SettingsError: its secret is not in the environment, or is none.
    """
    if route.to == "alertmanager":
        return Alertmanager(route.url)
    secret = _secret(route, environ)
    if route.to == "pagerduty":
        return PagerDuty(secret, route.url or URL)
    if route.to == "webhook":
        if len(secret) < KEY_CHARS_MIN:
            raise _wrong(
                route, f"holds fewer than {KEY_CHARS_MIN} characters; `openssl rand -hex 32`"
            )
        return Webhook(route.url, secret.encode())
    # Imported here because it takes half a second.
    from streams.sinks.chat import Chat  # noqa: PLC0415

    try:
        return Chat(secret.split())
    except ValueError as error:
        raise _wrong(route, str(error)) from None


def _secret(route: Route, environ: Mapping[str, str]) -> str:
    secret = environ.get(route.secret_env, "").strip()
    if not secret:
        raise _wrong(route, "is not set, or empty")
    try:
        secret.encode()
    except UnicodeEncodeError:  # bytes that are no text: each delivery would fail
        raise _wrong(route, "is not UTF-8") from None
    return secret


def _wrong(route: Route, reason: str) -> SettingsError:
    where = f"notify.routes, route {route.name}: secret_env = {route.secret_env}"
    return SettingsError(f"{where}: the environment variable {reason}")
