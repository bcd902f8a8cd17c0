"""What a process tells of itself: metrics, health, log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from streams.settings.kinds import HOST_AND_PORT, PORT_MAX, Kind, Refusal, text, toml_text
from streams.settings.sections import Setting


def address() -> Kind:
    """Where a server listens, or "" for nowhere."""

    def check(value: object) -> str:
        if not isinstance(value, str):
            raise Refusal("not text")
        if not value:
            return ""
        match = HOST_AND_PORT.fullmatch(value)
        if match is None:
            raise Refusal('not a host and a port, as in "127.0.0.1:9464"')
        if int(match[2][:6]) > PORT_MAX:
            raise Refusal(f"no port is {match[2][:20]}")
        return value

    return Kind("address", 'host:port, port 0 for any that is free, or ""', str, check, toml_text)


def split_address(listen: str) -> tuple[str, int]:
    """Host and port of an address that was checked.

    >>> split_address("[::1]:9464")
    ('::1', 9464)
    """
    host, _, port = listen.rpartition(":")
    return host.strip("[]"), int(port)


@dataclass(frozen=True, slots=True)
class Metrics:
    """Metrics and health of workers and notifiers."""

    listen: Annotated[
        str,
        Setting(
            "listen",
            address(),
            "Where a worker or notifier serves `/metrics`, `/-/healthy` and `/-/ready`; without a "
            'login, so for this machine only by default. "" for nowhere.',
            shapes=False,
        ),
    ] = "127.0.0.1:9464"


@dataclass(frozen=True, slots=True)
class Console:
    """The page of operations."""

    listen: Annotated[
        str,
        Setting(
            "listen",
            address(),
            "Where `surgewatch console` serves its page; without a login, so for this machine "
            "only by default: a proxy in front of it asks who is there.",
            shapes=False,
        ),
    ] = "127.0.0.1:8080"


@dataclass(frozen=True, slots=True)
class Log:
    """The log of workers, notifiers and consoles, on standard error."""

    format: Annotated[
        str,
        Setting("format", text("text|json", "text, json"), "How lines look.", shapes=False),
    ] = "text"
    level: Annotated[
        str,
        Setting(
            "level",
            text("debug|info|warning|error", "debug, info, warning, error"),
            "The least that is written.",
            shapes=False,
        ),
    ] = "info"
