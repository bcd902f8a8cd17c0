"""The settings of Kafka: what is refused, and that its password is shown nowhere."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

import pytest

from streams.errors import SettingsError
from streams.settings import Settings, from_table, load, render_toml

if TYPE_CHECKING:
    from pathlib import Path

PASSWORD = "pass-that-must-not-be-printed"  # noqa: S105
PASSWORD_GIVEN = {"SURGEWATCH_KAFKA_SASL_PASSWORD": PASSWORD}
LOGIN = {"sasl_mechanism": "SCRAM-SHA-512", "sasl_username": "surgewatch"}


def refusal(kafka: dict[str, Any], environ: dict[str, str] | None = None) -> str:
    """The message with which a section is refused."""
    with pytest.raises(SettingsError) as caught:
        from_table({"kafka": kafka}, environ, where="x.toml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("bootstrap", "", "not a host and a port"),
        ("bootstrap", "localhost", "not a host and a port"),
        ("bootstrap", "a:1,,b:2", "not a host and a port"),
        ("bootstrap", "PLAINTEXT://a:9092", "not a host and a port"),
        ("bootstrap", "a:0", "no port is 0"),
        ("bootstrap", "a:65536", "no port is 65536"),
        ("bootstrap", f"a:{'9' * 5_000}", "no port is 99999"),
        ("bootstrap", ",".join(["a:1"] * 51), "more than 50 addresses"),
        ("bootstrap", 9092, "not text"),
        ("app", "", "not of the allowed form"),
        ("app", "a_b", "not of the allowed form"),
        ("prefix", "surge_", "not of the allowed form"),
        ("prefix", "..", "not of the allowed form"),
        ("prefix", "x" * 201, "longer than 200 characters"),
        ("posts_topic", "posts/v1", "not of the allowed form"),
        ("posts_topic", "..", "not of the allowed form"),
        ("session_timeout", "1s", "out of range"),
        ("retention", "1m", "out of range"),
        ("retention_bytes", 1, "out of range"),
        ("tls", "yes", "neither true nor false"),
        ("tls", 1, "neither true nor false"),
        ("sasl_mechanism", "GSSAPI", "not of the allowed form"),
    ],
)
def test_wrong_value_is_refused(key: str, value: object, reason: str) -> None:
    """Each setting says what it does not take."""
    message = refusal({key: value})
    assert message.startswith(f"kafka.{key} = ")
    assert reason in message


def test_addresses() -> None:
    """Several brokers, IPv6 among them, are taken; blanks after the commas are not kept."""
    kafka = from_table({"kafka": {"bootstrap": "a.example:9092, [::1]:1,10.0.0.1:65535"}}).kafka
    assert kafka.bootstrap == "a.example:9092,[::1]:1,10.0.0.1:65535"
    assert kafka.hosts == ("a.example", "::1", "10.0.0.1")


@pytest.mark.parametrize(("text", "value"), [("true", True), ("false", False)])
def test_boolean_from_the_environment(text: str, value: bool) -> None:
    """True and false are written in a variable as in TOML."""
    assert from_table({}, {"SURGEWATCH_KAFKA_TLS": text}).kafka.tls is value


def test_option_is_over_everything() -> None:
    """What the command line gives wins over the environment, and is named when it is wrong."""
    environ = {"SURGEWATCH_KAFKA_BOOTSTRAP": "a:1"}
    assert load(None, environ, {"kafka.bootstrap": "b:2"}).kafka.bootstrap == "b:2"
    with pytest.raises(SettingsError) as caught:
        load(None, environ, {"kafka.bootstrap": "b"})
    assert str(caught.value).startswith('kafka.bootstrap = "b" (option --bootstrap): ')


@pytest.mark.parametrize("host", ["kafka", "127.0.0.1.example", "localhost.example", "10.0.0.1"])
def test_password_does_not_travel_in_the_clear(host: str) -> None:
    """A login without TLS is refused unless every broker is on this machine."""
    for bootstrap in (f"{host}:9092", f"localhost:9092,{host}:9092"):
        message = refusal({"bootstrap": bootstrap} | LOGIN, PASSWORD_GIVEN)
        assert message.startswith('kafka.sasl_mechanism = "SCRAM-SHA-512"')
        assert f"on the way to {host}; set kafka.tls = true" in message
        from_table({"kafka": {"bootstrap": bootstrap, "tls": True} | LOGIN}, PASSWORD_GIVEN)


@pytest.mark.parametrize("bootstrap", ["localhost:1", "127.0.0.1:1,[::1]:2", "127.1.2.3:9"])
def test_login_on_this_machine_needs_no_tls(bootstrap: str) -> None:
    """What does not leave the machine need not be encrypted."""
    from_table({"kafka": {"bootstrap": bootstrap} | LOGIN}, PASSWORD_GIVEN)


@pytest.mark.parametrize(
    ("kafka", "environ", "start", "part"),
    [
        (
            {"sasl_mechanism": "PLAIN"},
            PASSWORD_GIVEN,
            "kafka.sasl_username",
            "sasl_mechanism needs it",
        ),
        (LOGIN, {}, "kafka.sasl_password = (hidden) (default)", "sasl_mechanism needs it"),
        ({"sasl_username": "a"}, {}, "kafka.sasl_username", "not used without kafka.sasl_mech"),
        ({}, PASSWORD_GIVEN, "kafka.sasl_password = (hidden)", "not used without kafka.sasl_mech"),
        ({"tls_ca_file": "a"}, {}, "kafka.tls_ca_file", "not used without kafka.tls"),
        ({"tls": True, "tls_cert_file": "a"}, {}, "kafka.tls_key_file", "given together"),
        ({"tls": True, "tls_key_file": "a"}, {}, "kafka.tls_cert_file", "given together"),
        ({"posts_topic": "surge.alerts.v1"}, {}, "kafka.posts_topic", "surgewatch's own"),
        ({"posts_topic": "surge_alerts_v1"}, {}, "kafka.posts_topic", "surgewatch's own"),
    ],
)
def test_rules_between_settings(
    kafka: dict[str, Any], environ: dict[str, str], start: str, part: str
) -> None:
    """Half a login, half a certificate, or what would not be used is refused in words."""
    message = refusal(kafka, environ)
    assert message.startswith(start)
    assert part in message


def test_posts_topic_may_be_named_as_by_default() -> None:
    """The default name, written out, is no contradiction; neither is one of another prefix."""
    for topic in ("surge.posts.v1", "community_posts", "surges.alerts.v1"):
        assert from_table({"kafka": {"posts_topic": topic}}).kafka.posts_topic == topic


def test_password_from_its_file(tmp_path: Path) -> None:
    """The password is read from a file beside the configuration, its line end aside."""
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    file = tmp_path / "surgewatch.toml"
    login = "".join(f'{key} = "{value}"\n' for key, value in LOGIN.items())
    file.write_text(f'[kafka]\n{login}sasl_password_file = "password"\n')
    kafka = load(file, {}).kafka
    assert kafka.sasl_password.reveal() == PASSWORD.encode()
    other = load(file, {"SURGEWATCH_KAFKA_SASL_PASSWORD": "other"}).kafka
    assert other.sasl_password.reveal() == b"other"
    (tmp_path / "password").write_text("\n")
    with pytest.raises(SettingsError, match=r"^kafka\.sasl_password_file = .*holds 0 bytes"):
        load(file, {})
    (tmp_path / "password").unlink()
    with pytest.raises(SettingsError, match=r"^kafka\.sasl_password_file = .*No such file"):
        load(file, {})


def test_files_are_relative_to_the_configuration(tmp_path: Path) -> None:
    """Certificates are looked for beside the file that names them."""
    file = tmp_path / "surgewatch.toml"
    file.write_text('[kafka]\ntls = true\ntls_ca_file = "ca.pem"\n')
    settings = load(file, {})
    assert settings.kafka.tls_ca_file == str(tmp_path / "ca.pem")
    assert from_table(tomllib.loads(render_toml(settings))) == settings


def test_password_is_never_shown() -> None:
    """The password is in no representation, rendering or message."""
    settings = from_table({"kafka": LOGIN}, PASSWORD_GIVEN)
    shown = [repr(settings), str(settings.kafka), render_toml(settings)]
    shown += [
        refusal({"sasl_password": PASSWORD}),
        refusal({"sasl_pasword": PASSWORD}),
        refusal({}, PASSWORD_GIVEN),
        refusal({"bootstrap": "elsewhere:1"} | LOGIN, PASSWORD_GIVEN),
        refusal(LOGIN, {"SURGEWATCH_KAFKA_SASL_PASSWORD": PASSWORD * 50}),
        refusal(LOGIN, {"SURGEWATCH_KAFKA_SASL_PASSWORD": PASSWORD + "\udcff"}),
    ]
    assert not [text for text in shown if PASSWORD in text]
    assert "\n# sasl_password: set\n" in shown[2]
    assert "a secret is not kept in the configuration file" in shown[3]
    assert "\n# sasl_password: not set\n" in render_toml(Settings())
