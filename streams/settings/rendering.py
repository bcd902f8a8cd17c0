"""Write the settings: as TOML that loads back, and as the table of the documentation."""

from __future__ import annotations

from itertools import groupby

from streams.settings.model import ENTRIES, Settings
from streams.settings.notify import routes_table

TABLE_BEGIN = "<!-- settings: this table is generated -->"
TABLE_END = "<!-- settings: end -->"
ROUTES_BEGIN = "<!-- routes: this table is generated -->"
ROUTES_END = "<!-- routes: end -->"


def render_toml(settings: Settings) -> str:
    """Write the effective configuration as TOML, which loads back to equal settings.

    Secrets are not in it, only comments on whether they are set: where one came from the
    environment, the same variable must be given again.
    """
    lines = [f"# fingerprint {settings.fingerprint}"]
    for section, entries in groupby(ENTRIES, lambda entry: entry.section):
        lines += ["", f"[{'.'.join(section)}]"]
        for entry in entries:
            text = entry.setting.kind.render(entry.value(settings))
            key = entry.setting.key
            lines.append(f"# {key}: {text}" if entry.setting.kind.hidden else f"{key} = {text}")
    return "\n".join(lines) + "\n"


def differences(one: Settings, other: Settings) -> list[tuple[str, str, str]]:
    """The settings that shape alerts and differ: name, and both values as TOML."""
    found = []
    for entry in ENTRIES:
        mine, theirs = entry.value(one), entry.value(other)
        if entry.setting.shapes and mine != theirs:
            kind = entry.setting.kind
            shown = ("(hidden)", "(hidden)") if kind.hidden else map(kind.render, (mine, theirs))
            found.append((entry.name, *shown))
    return found


def render_table() -> str:
    """Write the table of all settings as Markdown."""
    defaults = Settings()
    lines = [
        "| key | type, unit | default | allowed | shapes alerts | meaning |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for entry in ENTRIES:
        setting = entry.setting
        default = setting.kind.render(entry.value(defaults))
        cells = (
            f"`{entry.name}`",
            setting.kind.unit,
            default if setting.kind.hidden else f"`{default}`",
            setting.kind.allowed,
            "yes" if setting.shapes else "no",
            setting.doc,
        )
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


def replace_table(page: str) -> str:
    """Return a page of documentation with what stands between its marks made anew.

    Raises:
        ValueError: the page lacks one of the marks.
    """
    for begin, end, table in (
        (TABLE_BEGIN, TABLE_END, render_table()),
        (ROUTES_BEGIN, ROUTES_END, routes_table()),
    ):
        before, rest = page.split(begin)
        _, after = rest.split(end)
        page = f"{before}{begin}\n{table}\n{end}{after}"
    return page
