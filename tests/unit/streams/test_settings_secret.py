"""The users' key: where it may come from, and that it is shown nowhere."""

from __future__ import annotations

import dataclasses
import pickle
from typing import TYPE_CHECKING, Any

import pytest

from streams.errors import SettingsError
from streams.settings import DEVELOPMENT_KEY, Secret, from_table, load

if TYPE_CHECKING:
    from pathlib import Path

KEY = "0123456789abcdef-do-not-print"


def refusal(table: dict[str, Any], environ: dict[str, str] | None = None) -> str:
    """The message with which a table is refused."""
    with pytest.raises(SettingsError) as caught:
        from_table(table, environ)
    return str(caught.value)


def test_key_from_environment_and_file(tmp_path: Path) -> None:
    """The key comes from the variable, else from the file beside the configuration."""
    (tmp_path / "key").write_text(f"{KEY}\r\n")
    file = tmp_path / "surgewatch.toml"
    file.write_text('[users]\nkey_file = "key"\n')
    users = load(file, {}).users
    assert users.key.reveal() == KEY.encode()
    assert users.key_file == str(tmp_path / "key")
    assert not users.uses_development_key
    other = load(file, {"SURGEWATCH_USERS_KEY": KEY[::-1]}).users
    assert other.key.reveal() == KEY[::-1].encode()
    assert load(file, {"SURGEWATCH_USERS_KEY_FILE": ""}).users.uses_development_key


def test_development_key_is_known_as_such() -> None:
    """The published key is recognised, also when somebody sets it on purpose."""
    assert load(None, {}).users.uses_development_key
    environ = {"SURGEWATCH_USERS_KEY": DEVELOPMENT_KEY.decode()}
    assert load(None, environ).users.uses_development_key


@pytest.mark.parametrize("key", ["", "too-short-key", "x" * 65, "\udcff" * 15])
def test_key_of_wrong_length(key: str) -> None:
    """An empty, short or overlong key is refused, never replaced by the published one."""
    message = refusal({}, {"SURGEWATCH_USERS_KEY": key})
    assert "allowed: 16 to 64 bytes" in message
    assert "users.key = (hidden)" in message


@pytest.mark.parametrize(("content", "part"), [(b"short", "holds 5 bytes"), (None, "No such file")])
def test_key_file_problems(tmp_path: Path, content: bytes | None, part: str) -> None:
    """A key file that is absent or of the wrong length is an error, never the published key."""
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
    message = refusal({"users": {"key_file": str(path)}})
    assert message.startswith("users.key_file = ")
    assert part in message


def test_secret_is_never_shown(tmp_path: Path) -> None:
    """The key is in no representation and in no message, wherever it was put by mistake."""
    settings = from_table({}, {"SURGEWATCH_USERS_KEY": KEY})
    shown = [repr(settings), str(settings.users), str(dataclasses.asdict(settings))]
    shown += [
        refusal({"users": {"key": KEY}}),
        refusal({"users": {"kye": KEY}}),
        refusal({"users": KEY}),
        refusal({"time": {"bucket": "7m"}}, {"SURGEWATCH_USERS_KEY": KEY}),
        refusal({}, {"SURGEWATCH_USER_KEY": KEY}),
        refusal({}, {"SURGEWATCH_USERS_KEY": KEY[:15]}),
    ]
    file = tmp_path / "surgewatch.toml"
    file.write_text(f'[users]\nkey = "{KEY}')
    with pytest.raises(SettingsError) as caught:
        load(file, {})
    shown.append(str(caught.value))
    assert not [text for text in shown if KEY[:15] in text]
    assert "a secret is not kept in the configuration file" in shown[3]


def test_settings_travel_to_another_process() -> None:
    """Pickled settings are equal to the original, key included, and hash alike."""
    settings = from_table({"alerts": {"min_users": 7}}, {"SURGEWATCH_USERS_KEY": KEY})
    copy = pickle.loads(pickle.dumps(settings))  # noqa: S301 - our own bytes
    assert copy == settings
    assert hash(copy) == hash(settings)
    assert copy.users.key == Secret(KEY.encode())
