"""The ownership table: message family × resource type × element path → owner or filler (architecture: "Settle").

`ownership.yaml` is the table, read once; what is asked per element is answered from a dictionary.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import cast

import yaml

from pipelines.ports import GROUPS
from pipelines.stamp import FILLER, OWNER

Names = frozenset[str] | None  # None fits everything


@dataclass(frozen=True, slots=True)
class Role:
    """One row of `roles`."""

    family: Names
    type: Names
    path: Names
    owner: int


@dataclass(frozen=True, slots=True)
class Union:
    """One row of `union`; `by` holds dotted paths into a value, () = the whole value."""

    type: Names
    path: Names
    by: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Ownership:
    """The table, with what was already looked up. Equal tables give equal answers: `_known` is only memory."""

    roles: tuple[Role, ...]
    unions: tuple[Union, ...]
    snapshots: Mapping[str, tuple[tuple[str, ...], ...]]
    whole: frozenset[str]
    groups: Mapping[str, str]
    _known: dict[tuple[str, str, str], int] = field(default_factory=dict, compare=False)
    _sets: dict[tuple[str, str], Union | None] = field(default_factory=dict, compare=False)

    def owner(self, family: str, type_: str, path: str) -> int:
        """OWNER or FILLER."""
        key = (family, type_, path)
        found = self._known.get(key)
        if found is None:
            fits = (row.owner for row in self.roles if _fits(row.family, family) and _on(row, type_, path))
            found = next(fits, OWNER)
            if len(self._known) < 50_000:  # families come from messages: what they can make us remember has an end
                self._known[key] = found
        return found

    def union(self, type_: str, path: str) -> Union | None:
        """How values of this element are told apart if it is a set, else None."""
        key = (type_, path)
        if key not in self._sets:
            self._sets[key] = next((row for row in self.unions if _on(row, type_, path)), None)
        return self._sets[key]

    def group(self, type_: str, moved: Mapping[str, str]) -> str:
        """The topic group of a type, after the channel's own choice."""
        return moved.get(type_) or self.groups.get(type_, "other")


def _fits(names: Names, name: str) -> bool:
    return names is None or name in names


def _on(row: Role | Union, type_: str, path: str) -> bool:
    return _fits(row.type, type_) and _fits(row.path, path)


@cache
def ownership() -> Ownership:
    """The table that ships with the product."""
    return parse(files("pipelines").joinpath("ownership.yaml").read_text(encoding="utf-8"))


def parse(text: str) -> Ownership:
    """Read a table. BaseLoader: every scalar is text, so that `NO` and `ON` stay what they are."""
    table = yaml.load(text, Loader=yaml.BaseLoader)
    roles = tuple(
        Role(_names(row, "family"), _names(row, "type"), _names(row, "path"), _ROLES[row["role"]])
        for row in table["roles"]
    )
    unions = tuple(
        Union(_names(row, "type"), _names(row, "path"), tuple(tuple(by.split(".")) for by in row.get("by", ())))
        for row in table["union"]
    )
    snapshots: dict[str, tuple[tuple[str, ...], ...]] = {}
    for row in table["snapshot"]:
        for name in _listed(row["type"]):
            snapshots[name] = (*snapshots.get(name, ()), tuple(row["paths"]))
    groups = {name: group for group, names in table["groups"].items() for name in names}
    if unknown := set(groups.values()) - set(GROUPS):
        raise ValueError(f"ownership: unknown topic groups {sorted(unknown)}")
    return Ownership(roles, unions, snapshots, frozenset(table["whole"]), groups)


_ROLES = {"owner": OWNER, "filler": FILLER}


def _listed(value: object) -> Iterable[str]:
    return (value,) if isinstance(value, str) else cast("list[str]", value)


def _names(row: Mapping[str, object], key: str) -> Names:
    return frozenset(_listed(row[key])) if key in row else None
