"""The names of a post's fields in the source, and the msgspec types that read them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import msgspec

from streams.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ID_CHARS = 256
"""Longest post or user id, in characters."""

HASHTAGS_MAX = 1000
"""A post with more hashtags is not a post that a person wrote."""

REQUIRED = ("post_id", "created_at", "user_id")

_NESTING_MAX = 8

_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=ID_CHARS)]
_TYPES: dict[str, Any] = {
    "post_id": _Id,
    "created_at": str | int | float,
    "user_id": _Id,
    "region": str | None,
    "hashtags": Annotated[list[str], msgspec.Meta(max_length=HASHTAGS_MAX)] | None,
    "lang": str | None,
    "account_created_at": str | int | float | None,
}


class RawPost(Protocol):
    """A post as the source wrote it: types and lengths are checked, nothing is converted."""

    @property
    def post_id(self) -> str:
        """1 to 256 characters."""

    @property
    def created_at(self) -> str | int | float:
        """The event time as written."""

    @property
    def user_id(self) -> str:
        """1 to 256 characters."""

    @property
    def region(self) -> str | None:
        """The region as written."""

    @property
    def hashtags(self) -> list[str] | None:
        """The hashtags as written, at most 1,000; None when the post has none."""

    @property
    def lang(self) -> str | None:
        """The language as written."""

    @property
    def account_created_at(self) -> str | int | float | None:
        """When the account was made, as written; ``account_created_ms`` reads it."""


class PlainPost(msgspec.Struct, frozen=True, gc=False):
    """A ``RawPost`` of a type that does not depend on where its fields were, and can be kept."""

    post_id: str
    created_at: str | int | float
    user_id: str
    region: str | None
    hashtags: list[str] | None
    lang: str | None
    account_created_at: str | int | float | None

    @classmethod
    def of(cls, raw: RawPost) -> PlainPost:
        """The same post."""
        return cls(*(getattr(raw, name) for name in cls.__struct_fields__))


@dataclass(frozen=True, slots=True)
class FieldMap:
    """Where the source keeps each field of a post; a dot goes into an object.

    >>> FieldMap(region="geo.country_code").path("region")
    ('geo', 'country_code')

    Raises:
        SettingsError: a name is empty, is used for two fields, or is both a field and the
            object around another.
    """

    post_id: str = "post_id"
    created_at: str = "created_at"
    user_id: str = "user_id"
    region: str = "region"
    hashtags: str = "hashtags"
    lang: str = "lang"
    account_created_at: str = "account_created_at"

    def __post_init__(self) -> None:
        paths: dict[tuple[str, ...], str] = {}
        for name, path in self.paths():
            if not all(path) or len(path) > _NESTING_MAX:
                raise SettingsError(
                    f"fields.{name} = {getattr(self, name)!r}: give the name of a field, "
                    f"or up to {_NESTING_MAX} names with dots between them"
                )
            for other_path, other in paths.items():
                shorter = min(len(path), len(other_path))
                if path[:shorter] == other_path[:shorter]:
                    raise SettingsError(
                        f"fields.{name} = {getattr(self, name)!r} and fields.{other} = "
                        f"{getattr(self, other)!r} name the same place: give each its own"
                    )
            paths[path] = name

    def path(self, name: str) -> tuple[str, ...]:
        """Return the names to follow to reach our field ``name`` in a record."""
        return tuple(str(getattr(self, name)).split("."))

    def paths(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Return each of our fields with its path."""
        for field in fields(self):
            yield field.name, self.path(field.name)


def post_type(field_map: FieldMap, *, strict: bool) -> type[RawPost]:
    """Make the type that msgspec decodes a record of this source into.

    Args:
        field_map: where the fields are.
        strict: refuse a record that holds anything but these fields.
    """
    leaves = {path: name for name, path in field_map.paths()}
    made: type[RawPost] = _object_type("RawPost", leaves, strict=strict)
    return made


def _object_type(title: str, leaves: dict[tuple[str, ...], str], *, strict: bool) -> Any:
    """Make the type of one object; its attributes are our names, however deep they lie."""
    members: list[Any] = []
    rename: dict[str, str] = {}
    reach: dict[str, Any] = {}
    inner: dict[str, dict[tuple[str, ...], str]] = {}
    for path, name in leaves.items():
        if len(path) > 1:
            inner.setdefault(path[0], {})[path[1:]] = name
        else:
            rename[name] = path[0]
            optional = name not in REQUIRED
            members.append((name, _TYPES[name], None) if optional else (name, _TYPES[name]))
    for number, (source_name, below) in enumerate(inner.items()):
        slot = f"object_{number}"
        rename[slot] = source_name
        nested = _object_type(f"{title}_{number}", below, strict=strict)
        optional = not set(below.values()) & set(REQUIRED)
        members.append((slot, nested | None, None) if optional else (slot, nested))
        for name in below.values():
            reach[name] = property(_through(slot, name))
    members.sort(key=len)  # msgspec wants what has no default first
    return msgspec.defstruct(
        title, members, namespace=reach, rename=rename, forbid_unknown_fields=strict, gc=False
    )


def _through(slot: str, name: str) -> Callable[[Any], Any]:
    def read(record: Any) -> Any:
        nested = getattr(record, slot)
        return None if nested is None else getattr(nested, name)

    return read
