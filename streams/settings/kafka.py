"""The section of the settings that says which Kafka, and how surgewatch uses it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from streams.settings.kinds import (
    DAY_MS,
    HOST_AND_PORT,
    HOUR_MS,
    MINUTE_MS,
    PORT_MAX,
    SECOND_MS,
    Kind,
    Refusal,
    boolean,
    duration,
    integer,
    path,
    text,
    toml_text,
)
from streams.settings.secret import PASSWORD, Secret
from streams.settings.sections import Setting

if TYPE_CHECKING:
    from collections.abc import Iterator

_ADDRESSES_MAX = 50
_NAME = "[A-Za-z0-9][A-Za-z0-9.-]*"
# Kafka allows 249 characters; the longest name of ours is "<prefix>.episodes.v1".
_PREFIX_CHARS = 200
_TOPIC_CHARS = 249
_NO_PASSWORD = Secret(b"")


def _check_addresses(value: object) -> str:
    if not isinstance(value, str):
        raise Refusal("not text")
    addresses = [part.strip() for part in value.split(",")]
    if len(addresses) > _ADDRESSES_MAX:
        raise Refusal(f"more than {_ADDRESSES_MAX} addresses")
    for address in addresses:
        match = HOST_AND_PORT.fullmatch(address)
        if match is None:
            raise Refusal("not a host and a port, as in localhost:9092")
        if not 0 < int(match[2][:6]) <= PORT_MAX:
            raise Refusal(f"no port is {match[2][:20]}")
    return ",".join(addresses)


ADDRESSES = Kind(
    "addresses", "host:port, several with commas between", str, _check_addresses, toml_text
)
"""The kind of ``kafka.bootstrap``."""


@dataclass(frozen=True, slots=True)
class Kafka:
    """Where Kafka is, how to get in, and what surgewatch's topics are called."""

    bootstrap: Annotated[
        str,
        Setting(
            "bootstrap",
            ADDRESSES,
            "Brokers to ask first; any one that answers will do.",
            shapes=False,
        ),
    ] = "localhost:9092"
    app: Annotated[
        str,
        Setting(
            "app",
            text(_NAME, "letters, digits, dots and dashes", "name", 100),
            "Consumer groups and transactional ids start with it; all workers of one pipeline "
            "share it, and no other program may.",
            shapes=False,
        ),
    ] = "surgewatch"
    prefix: Annotated[
        str,
        Setting(
            "prefix",
            text(_NAME, "letters, digits, dots and dashes", "name", _PREFIX_CHARS),
            "Topics are called `<prefix>.alerts.v1` and so on.",
            shapes=False,
        ),
    ] = "surge"
    posts_topic: Annotated[
        str,
        Setting(
            "posts_topic",
            text(
                r"(?!\.{1,2}$)[A-Za-z0-9._-]*",
                'name of a topic, or "" for `<prefix>.posts.v1`',
                "name",
                _TOPIC_CHARS,
            ),
            "Topic that posts are read from, if it is one of your own.",
            shapes=False,
        ),
    ] = ""
    session_timeout_ms: Annotated[
        int,
        Setting(
            "session_timeout",
            duration(2 * SECOND_MS, 5 * MINUTE_MS),
            "A worker that was not heard of for so long has its partitions taken over; less than "
            "the broker's `group.min.session.timeout.ms` (6 s as a rule) is refused by the broker.",
            shapes=False,
        ),
    ] = 6 * SECOND_MS
    idle_after_ms: Annotated[
        int,
        Setting(
            "idle_after",
            duration(SECOND_MS, DAY_MS),
            "A partition of posts in which nothing was left to read for so long, while others go "
            "on, is given their event time by a marker.",
            shapes=False,
        ),
    ] = 10 * SECOND_MS
    stalled_after_ms: Annotated[
        int,
        Setting(
            "stalled_after",
            duration(SECOND_MS, DAY_MS),
            "A partition whose event time stands still for so long while posts arrive is told as "
            "stalled.",
            shapes=False,
        ),
    ] = 10 * MINUTE_MS
    retention_ms: Annotated[
        int,
        Setting(
            "retention",
            duration(HOUR_MS, 3_650 * DAY_MS),
            "How long the topics keep a record after its arrival; used when they are created.",
            shapes=False,
        ),
    ] = 7 * DAY_MS
    retention_bytes: Annotated[
        int,
        Setting(
            "retention_bytes",
            integer(64 << 20, 1 << 50, "bytes a partition"),
            "How much the topics keep; used when they are created.",
            shapes=False,
        ),
    ] = 4 << 30
    tls: Annotated[
        bool,
        Setting("tls", boolean(), "Encrypt the connection, and verify the broker.", shapes=False),
    ] = False
    tls_ca_file: Annotated[
        str,
        Setting(
            "tls_ca_file",
            path('path of PEM certificates, or "" for the system\'s'),
            "Authorities that may vouch for the broker.",
            shapes=False,
        ),
    ] = ""
    tls_cert_file: Annotated[
        str,
        Setting(
            "tls_cert_file",
            path('path of a PEM certificate and its chain, or ""'),
            "Certificate by which the broker knows this client, where it asks for one.",
            shapes=False,
        ),
    ] = ""
    tls_key_file: Annotated[
        str,
        Setting(
            "tls_key_file",
            path('path of an unencrypted PEM key, or ""'),
            "Private key of `kafka.tls_cert_file`.",
            shapes=False,
        ),
    ] = ""
    sasl_mechanism: Annotated[
        str,
        Setting(
            "sasl_mechanism",
            text("|PLAIN|SCRAM-SHA-256|SCRAM-SHA-512", 'PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or ""'),
            "How to log in, if at all; needs `kafka.tls` unless the brokers are on this machine.",
            shapes=False,
        ),
    ] = ""
    sasl_username: Annotated[
        str,
        Setting(
            "sasl_username",
            text(".*", 'a name, or ""'),
            "Name to log in with.",
            shapes=False,
        ),
    ] = ""
    sasl_password: Annotated[
        Secret,
        Setting(
            "sasl_password",
            PASSWORD,
            "Password to log in with, from the environment or `kafka.sasl_password_file`, never "
            "from the configuration file.",
            shapes=False,
        ),
    ] = _NO_PASSWORD
    sasl_password_file: Annotated[
        str,
        Setting(
            "sasl_password_file",
            path('path of a file that holds the password, or ""'),
            "File that holds `kafka.sasl_password`, a line break at its end aside; not read when "
            "the environment gives the password.",
            shapes=False,
        ),
    ] = ""

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts of ``bootstrap``."""
        addresses = self.bootstrap.split(",")
        return tuple(address.rpartition(":")[0].strip("[]") for address in addresses)


def kafka_conflicts(kafka: Kafka) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the settings that are not allowed together, the one to change first, and why."""
    yield from _sasl_conflicts(kafka)
    yield from _tls_conflicts(kafka)
    topic = kafka.posts_topic.replace("_", ".")  # Kafka refuses names that differ only in these
    if topic.startswith(f"{kafka.prefix}.") and kafka.posts_topic != f"{kafka.prefix}.posts.v1":
        yield (
            ("kafka.posts_topic", "kafka.prefix"),
            f"names that start with {kafka.prefix}. are surgewatch's own; set another kafka.prefix",
        )


def _sasl_conflicts(kafka: Kafka) -> Iterator[tuple[tuple[str, ...], str]]:
    given = {
        "kafka.sasl_username": bool(kafka.sasl_username),
        "kafka.sasl_password": bool(kafka.sasl_password.reveal()),
    }
    for name, is_given in given.items():
        names = (name, "kafka.sasl_mechanism")
        if is_given and not kafka.sasl_mechanism:
            yield names, "is not used without kafka.sasl_mechanism"
        elif kafka.sasl_mechanism and not is_given:
            yield names, "kafka.sasl_mechanism needs it"
    elsewhere = [host for host in kafka.hosts if not _is_loopback(host)]
    if kafka.sasl_mechanism and not kafka.tls and elsewhere:
        reason = f"without TLS the password could be had on the way to {elsewhere[0]}"
        yield (
            ("kafka.sasl_mechanism", "kafka.tls", "kafka.bootstrap"),
            f"{reason}; set kafka.tls = true",
        )


def _tls_conflicts(kafka: Kafka) -> Iterator[tuple[tuple[str, ...], str]]:
    files = {
        "kafka.tls_ca_file": kafka.tls_ca_file,
        "kafka.tls_cert_file": kafka.tls_cert_file,
        "kafka.tls_key_file": kafka.tls_key_file,
    }
    if not kafka.tls:
        for name, file in files.items():
            if file:
                yield (name, "kafka.tls"), "is not used without kafka.tls = true"
    elif bool(kafka.tls_cert_file) != bool(kafka.tls_key_file):
        names = ("kafka.tls_key_file", "kafka.tls_cert_file")
        missing = names[bool(kafka.tls_key_file)]
        yield (
            (missing, *(name for name in names if name != missing)),
            "a client's certificate and its key are given together",
        )


def _is_loopback(host: str) -> bool:
    """Whether a connection to the host stays on this machine, whatever a name server says."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
