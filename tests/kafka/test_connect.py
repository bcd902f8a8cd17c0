"""Reaching Kafka: what is said when it fails, and that aiokafka's log does not flood."""

from __future__ import annotations

import logging
import socket
import ssl
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError

from streams.errors import BrokerError, SettingsError
from streams.kafka import connect
from streams.kafka.connect import QuietFilter, broker_errors, client_options, connected
from streams.settings import Settings, from_table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CLIENTS = [AIOKafkaConsumer, AIOKafkaProducer, AIOKafkaAdminClient]


def at(bootstrap: str, **kafka: Any) -> Settings:
    """Settings of a broker."""
    environ = {"SURGEWATCH_KAFKA_SASL_PASSWORD": "secret"} if "sasl_mechanism" in kafka else {}
    return from_table({"kafka": {"bootstrap": bootstrap} | kafka}, environ)


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("client", CLIENTS)
async def test_no_broker(client: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Without a broker one line says where, what failed and what to do, whatever client it is."""
    settings = at("localhost:9,127.0.0.1:9")
    with pytest.raises(BrokerError) as caught:
        async with connected(client(**client_options(settings)), settings):
            pytest.fail("connected to nothing")
    message = str(caught.value)
    assert message.startswith("Kafka at localhost:9,127.0.0.1:9 cannot be used: ")
    assert "Connect call failed" in message
    assert message.endswith("start Kafka there, or say where it is: kafka.bootstrap or --bootstrap")
    assert not caplog.records


@pytest.mark.parametrize("client", CLIENTS)
async def test_silent_broker(
    client: Any, silent_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host that takes connections and says nothing is given up after a while."""
    monkeypatch.setattr(connect, "CONNECT_S", 0.2)
    settings = at(f"127.0.0.1:{silent_port}")
    with pytest.raises(BrokerError, match="no answer within"):
        async with connected(client(**client_options(settings)), settings):
            pytest.fail("connected to nothing")


@pytest.mark.parametrize("client", CLIENTS)
async def test_broker(client: Any, settings: Settings) -> None:
    """Every client connects with the same options, and is stopped at the end."""
    async with connected(client(**client_options(settings)), settings) as started:
        assert started is not None


async def test_error_inside_is_put_into_words(settings: Settings) -> None:
    """What Kafka refuses to a connected client says where; other errors pass as they are."""
    with pytest.raises(BrokerError, match=r"not authorized to access the requested topic$"):
        async with connected(AIOKafkaConsumer(**client_options(settings)), settings):
            raise TopicAuthorizationFailedError
    with pytest.raises(ZeroDivisionError), broker_errors(settings):
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (TopicAuthorizationFailedError("t: no"), "t: no"),
        (KafkaError("a.b."), "a.b"),
        (KafkaError(), "KafkaError"),
    ],
)
def test_words_of_errors(error: KafkaError, words: str) -> None:
    """Of Kafka's own words its number and full stop are left out."""
    with pytest.raises(BrokerError) as caught, broker_errors(Settings()):
        raise error
    assert str(caught.value) == f"Kafka at localhost:9092: {words}"


def test_options_of_a_login() -> None:
    """Login and encryption come out as aiokafka wants them, the broker's name being verified."""
    plain = client_options(at("localhost:1,localhost:2"))
    assert plain == {
        "bootstrap_servers": ["localhost:1", "localhost:2"],
        "client_id": "surgewatch",
        "security_protocol": "PLAINTEXT",
        "ssl_context": None,
    }
    login = client_options(at("a:1", tls=True, sasl_mechanism="PLAIN", sasl_username="u"))
    assert login["security_protocol"] == "SASL_SSL"
    assert (login["sasl_plain_username"], login["sasl_plain_password"]) == ("u", "secret")
    assert login["ssl_context"].check_hostname
    assert login["ssl_context"].verify_mode == ssl.CERT_REQUIRED


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate and its key, ``cert.pem`` and ``key.pem``, and the key under a password."""
    make = "req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -keyout key.pem -out cert.pem"
    lock = "rsa -aes256 -passout pass:secret -in key.pem -out locked.pem"
    for command in (make, lock):
        subprocess.run(["openssl", *command.split()], cwd=tmp_path, check=True, capture_output=True)
    (tmp_path / "junk.pem").write_text("no certificate")
    return tmp_path


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"ca": "none.pem"}, 'kafka.tls_ca_file = "{}/none.pem": cannot be read: No such file'),
        ({"ca": "junk.pem"}, 'kafka.tls_ca_file = "{}/junk.pem": holds no PEM certificates'),
        (
            {"cert": "none.pem", "key": "key.pem"},
            'kafka.tls_cert_file = "{}/none.pem": cannot be read: No such file',
        ),
        (
            {"cert": "cert.pem", "key": "none.pem"},
            'kafka.tls_key_file = "{}/none.pem": cannot be read: No such file',
        ),
        (
            {"cert": "cert.pem", "key": "locked.pem"},
            'kafka.tls_key_file = "{}/locked.pem": is not the certificate\'s open PEM key',
        ),
    ],
)
def test_files_of_tls(certificate: Path, files: dict[str, str], message: str) -> None:
    """A file that is missing, of another kind, or locked is named; nobody is asked a password."""
    paths = {f"tls_{name}_file": str(certificate / file) for name, file in files.items()}
    with pytest.raises(SettingsError) as caught:
        client_options(at("a:1", tls=True, **paths))
    assert str(caught.value).startswith(message.format(certificate))


def test_files_of_tls_are_used(certificate: Path) -> None:
    """A certificate with its key and an authority are taken."""
    cert, key = str(certificate / "cert.pem"), str(certificate / "key.pem")
    options = client_options(
        at("a:1", tls=True, tls_ca_file=cert, tls_cert_file=cert, tls_key_file=key)
    )
    assert len(options["ssl_context"].get_ca_certs()) == 1


def record(message: str, *args: object, level: int = logging.ERROR) -> logging.LogRecord:
    """One line of a log."""
    return logging.LogRecord("aiokafka.conn", level, __file__, 1, message, args, None)


def test_a_message_comes_once_in_a_while() -> None:
    """A message with ever other figures passes once in ten seconds, and says how often it came."""
    now = 0.0
    quiet = QuietFilter(clock=lambda: now)
    passed = []
    for number in range(2_000):
        now = number / 100
        line = record("no connection to %s", number)
        if quiet.filter(line):
            passed.append(line.getMessage())
    assert passed == [
        "no connection to 0",
        "no connection to 1000 (999 more like it not shown)",
    ]
    assert quiet.filter(record("another"))
    assert quiet.filter(record("no connection to %s", level=logging.INFO))


def test_memory_of_messages_is_bounded() -> None:
    """Messages that are all different do not fill the memory."""
    quiet = QuietFilter(clock=lambda: 0.0)
    for number in range(5_000):
        quiet.filter(record(f"message {number}"))
    assert len(quiet._passed) <= 1_000
