"""Read the settings once: defaults, under one TOML file, under environment variables.

Whatever is wrong is collected, so that one run reports every problem. No message shows a
secret, nor a value under a name that is not known (it may be a misspelt secret).
"""

from __future__ import annotations

import difflib
import re
import tomllib
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streams.errors import SettingsError
from streams.settings.kinds import Refusal, show
from streams.settings.model import ENTRIES, Entry, Settings, build, conflicts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_FILE_BYTES_MAX = 1 << 20
_PROBLEMS_MAX = 50
_BY_PATH = {entry.path: entry for entry in ENTRIES}
_BY_VARIABLE = {entry.variable: entry for entry in ENTRIES}
_BY_NAME = {entry.name: entry for entry in ENTRIES}
_SECRET_FILES = [
    (entry, _BY_NAME[f"{entry.name}_file"]) for entry in ENTRIES if entry.setting.kind.hidden
]
_TABLES = {entry.section[:depth] for entry in ENTRIES for depth in (1, len(entry.section))}


@dataclass(frozen=True, slots=True)
class _Source:
    """Where a value came from, and the folder its paths are relative to."""

    where: str
    folder: Path = Path()


@dataclass(frozen=True, slots=True)
class _Given:
    """One value as given."""

    entry: Entry
    value: object
    source: _Source

    def problem(self, reason: str) -> str:
        """Say what is wrong with the value: key, value, where it came from, what is allowed."""
        return _problem(self.entry, show(self.value), self.source.where, reason)


def load(
    path: Path | None,
    environ: Mapping[str, str],
    options: Mapping[str, str] | None = None,
    *,
    option: str | None = None,
) -> Settings:
    """Read the settings from a file, if there is one, and environment variables over it.

    Args:
        path: the TOML file, or None for the defaults.
        environ: the environment; only ``SURGEWATCH_…`` is looked at.
        options: settings by name that the command line gives, over everything.
        option: the option that gives them; None where it is called like the setting's key.

    Raises:
        SettingsError: with every problem found; of a file that is not TOML, the first.
    """
    chosen = list(_in_options(options or {}, option))
    if path is None:
        return _combine({}, _Source("default"), environ, chosen)
    return _combine(_read_toml(path), _Source(str(path), path.parent), environ, chosen)


def load_for_kafka(
    path: Path | None, environ: Mapping[str, str], bootstrap: str | None
) -> Settings:
    """Read the settings like ``load``, for a command with ``--bootstrap``, None where not given."""
    return load(path, environ, {} if bootstrap is None else {"kafka.bootstrap": bootstrap})


def from_table(
    table: Mapping[str, Any], environ: Mapping[str, str] | None = None, *, where: str = "table"
) -> Settings:
    """Make the settings from what a TOML file would have held; otherwise like ``load``.

    >>> from_table({"time": {"bucket": "5m"}}).time.bucket_ms
    300000
    """
    return _combine(table, _Source(where), environ or {}, [])


def _combine(
    table: Mapping[str, Any],
    source: _Source,
    environ: Mapping[str, str],
    options: Iterable[_Given | str],
) -> Settings:
    problems: list[str] = []
    values: dict[tuple[str, ...], Any] = {}
    given: dict[str, _Given] = {}
    failed: set[str] = set()
    everywhere = (_in_table(table, (), source), _in_environment(environ), options)
    for item in chain.from_iterable(everywhere):
        if isinstance(item, str):
            problems.append(item)
            continue
        name = item.entry.name
        given[name] = item
        try:
            values[item.entry.path] = item.entry.setting.kind.check(item.value)
            failed.discard(name)
        except Refusal as refusal:
            failed.add(name)
            problems.append(item.problem(str(refusal)))
    problems += _look_into_files(values, given, failed)
    settings = build(values)
    for conflict in conflicts(settings):
        if failed.isdisjoint(conflict.names):
            name = conflict.names[0]
            where = given[name].source.where if name in given else "default"
            entry = _BY_NAME[name]
            value = entry.setting.kind.render(entry.value(settings))
            problems.append(_problem(entry, value, where, conflict.reason))
    if problems:
        raise SettingsError(_report(problems))
    return settings


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            content = file.read(_FILE_BYTES_MAX + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise SettingsError(f"{path}: cannot be read: {reason}") from None
    if len(content) > _FILE_BYTES_MAX:
        raise SettingsError(f"{path}: longer than {_FILE_BYTES_MAX:,} bytes")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        raise SettingsError(f"{path}, line {line}, column {column}: not UTF-8") from None
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise SettingsError(f"{path}: nested too deep") from None
    except ValueError as error:
        raise SettingsError(f"{path}, {_place(str(error), text)}") from None


def _place(message: str, text: str) -> str:
    """Turn the TOML parser's message around: line and column first."""
    match = re.fullmatch(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", message)
    if match is None:  # Python's own refusal of a number with thousands of digits
        return f"somewhere: {message}"
    lines = text.split("\n")
    line, column = match[2] or len(lines), match[3] or len(lines[-1]) + 1
    return f"line {line}, column {column}: {match[1]}"


def _in_table(
    table: Mapping[str, Any], prefix: tuple[str, ...], source: _Source
) -> Iterator[_Given | str]:
    """Yield what the table gives, and a problem for each name that it should not have."""
    for key, value in table.items():
        path = (*prefix, key)
        entry = _BY_PATH.get(path)
        if entry is not None and entry.setting.kind.hidden:
            yield (
                f"{entry.name} ({source.where}): a secret is not kept in the configuration file; "
                f"set {entry.variable} or {entry.name}_file"
            )
        elif entry is not None:
            yield _Given(entry, value, source)
        elif path not in _TABLES:
            yield _unknown(path, source.where, table=isinstance(value, dict))
        elif isinstance(value, dict):
            yield from _in_table(value, path, source)
        else:
            name = ".".join(path)
            yield f"{name} ({source.where}): not a table; write its settings under [{name}]"


def _in_environment(environ: Mapping[str, str]) -> Iterator[_Given | str]:
    """Yield what the environment gives, and a problem for each variable that is not known."""
    for variable in sorted(name for name in environ if name.startswith("SURGEWATCH_")):
        entry = _BY_VARIABLE.get(variable)
        if entry is None:
            near = difflib.get_close_matches(variable[:100], _BY_VARIABLE, n=1)
            hint = f"did you mean {near[0]}?" if near else "the name is SURGEWATCH_<SECTION>_<KEY>"
            yield f"environment variable {show(variable)[1:-1]}: no such setting; {hint}"
        else:
            value = entry.setting.kind.from_text(environ[variable])
            yield _Given(entry, value, _Source(f"environment variable {variable}"))


def _in_options(options: Mapping[str, str], option: str | None) -> Iterator[_Given | str]:
    """Yield what the command line gives, and a problem for each name that is not known."""
    for name, text in options.items():
        entry, key = _BY_NAME.get(name), name.rpartition(".")[2]
        where = f"option {option or f'--{key}'}"
        if entry is None:
            yield _unknown(tuple(name.split(".")), where, table=False)
        else:
            yield _Given(entry, entry.setting.kind.from_text(text), _Source(where))


def _look_into_files(
    values: dict[tuple[str, ...], Any], given: Mapping[str, _Given], failed: set[str]
) -> Iterator[str]:
    """Make paths absolute and read the secrets that are in files; yields what is wrong."""
    for name, item in given.items():
        path = item.entry.path
        if item.entry.setting.kind.is_path and name not in failed and values[path]:
            values[path] = str((item.source.folder / values[path]).absolute())
    for secret, file in _SECRET_FILES:
        if not values.get(file.path) or file.name in failed or secret.name in given:
            continue
        try:
            values[secret.path] = _read_secret(secret, Path(values[file.path]))
        except Refusal as refusal:
            failed.add(secret.name)
            yield given[file.name].problem(str(refusal))


def _read_secret(secret: Entry, path: Path) -> Any:
    """Read a secret from its file.

    Raises:
        Refusal: it cannot be read, or holds no such secret.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_FILE_BYTES_MAX)
    except OSError as error:
        raise Refusal(f"cannot be read: {error.strerror}") from None
    return secret.setting.kind.check(content.removesuffix(b"\n").removesuffix(b"\r"))


def _problem(entry: Entry, value: str, where: str, reason: str) -> str:
    kind = entry.setting.kind
    if kind.says_all:
        return f"{entry.name} ({where}): {reason}"
    shown = "(hidden)" if kind.hidden or kind.private else value
    return f"{entry.name} = {shown} ({where}): {reason}; allowed: {kind.allowed.replace('`', '')}"


def _unknown(path: tuple[str, ...], where: str, *, table: bool) -> str:
    """Say that a name is not known, and the nearest that is."""
    name = ".".join(part if re.fullmatch("[A-Za-z0-9_-]+", part) else show(part) for part in path)
    tables = [".".join(section) for section in sorted(_TABLES)]
    near = _nearest(path, tables if table else _BY_NAME)
    if near:
        hint = f"did you mean {f'[{near}]' if table else near}?"
    elif path[:-1] in _TABLES:
        here = [entry.setting.key for entry in ENTRIES if entry.section == path[:-1]]
        hint = f"[{'.'.join(path[:-1])}] has {', '.join(here)}"
    else:
        hint = f"the sections are {', '.join(f'[{section}]' for section in tables)}"
    return f"{name} ({where}): no such {'section' if table else 'setting'}; {hint}"


def _nearest(path: tuple[str, ...], known: Iterable[str]) -> str | None:
    known = list(known)
    name = ".".join(path)[-100:]
    elsewhere = [other for other in known if other.rsplit(".", 1)[-1] == path[-1]]
    near = elsewhere or difflib.get_close_matches(name, known, n=1)
    if not near:
        by_key = {other.rsplit(".", 1)[-1]: other for other in known}
        near = [by_key[key] for key in difflib.get_close_matches(path[-1][-100:], by_key, n=1)]
    return near[0] if near else None


def _report(problems: list[str]) -> str:
    if len(problems) == 1:
        return problems[0]
    shown = problems[:_PROBLEMS_MAX]
    if len(problems) > len(shown):
        shown.append(f"and {len(problems) - len(shown)} more")
    return "\n  - ".join((f"{len(problems)} problems in the configuration:", *shown))
