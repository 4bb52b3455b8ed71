"""The ownership table: every name in it is one of R4, and rows decide in their order."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from adapters.fhir import definitions
from pipelines.ownership import ownership, parse
from pipelines.ports import GROUPS
from pipelines.stamp import FILLER, OWNER

TABLE = ownership()


@pytest.mark.parametrize(
    ("family", "type_", "path", "owner"),
    [
        ("ADT", "Patient", "name", OWNER),
        ("ORU", "Patient", "name", FILLER),
        ("VXU", "Patient", "name", FILLER),
        ("ADT", "Encounter", "status", OWNER),
        ("MDM", "Encounter", "status", FILLER),
        ("ORU", "Observation", "status", OWNER),
        ("ORU", "Coverage", "payor", FILLER),
        ("ORU", "Condition", "code", FILLER),
        ("PPR", "Condition", "code", OWNER),
        ("", "Practitioner", "name", OWNER),
    ],
)
def test_roles(family: str, type_: str, path: str, owner: int) -> None:
    assert TABLE.owner(family, type_, path) == owner
    assert TABLE.owner(family, type_, path) == owner  # from memory


def test_identifiers_are_sets_everywhere_and_links_of_patients() -> None:
    for type_ in ("Patient", "Encounter", "Practitioner"):
        union = TABLE.union(type_, "identifier")
        assert union is not None
        assert union.by == (("system",), ("value",))
    assert TABLE.union("Patient", "link") is not None
    assert TABLE.union("Patient", "name") is None


def _named() -> Iterator[tuple[str, str, bool]]:
    """(type, path, must repeat) of everything the table names."""
    for union in TABLE.unions:
        for type_ in union.type or ("Patient", "Encounter", "Observation", "Practitioner"):
            for path in union.path or ():
                yield type_, path, True
    for type_, snapshots in TABLE.snapshots.items():
        for path in (path for snapshot in snapshots for path in snapshot):
            yield type_, path, False
    for row in TABLE.roles:
        for path in row.path or ():
            for type_ in row.type or ():
                yield type_, path, False


@pytest.mark.parametrize(("type_", "path", "repeats"), sorted(set(_named())))
def test_the_table_names_elements_of_r4(type_: str, path: str, repeats: bool) -> None:
    last = definitions().steps(type_, path.replace("[x]", ""))[-1] if "[x]" not in path else None
    if last is not None and repeats:
        assert last.repeats


def test_the_table_names_types_of_r4() -> None:
    named = {name for row in TABLE.roles for name in row.type or ()}
    named |= {name for row in TABLE.unions for name in row.type or ()}
    named |= set(TABLE.snapshots) | TABLE.whole | set(TABLE.groups)
    assert named <= set(definitions().resources)


def test_groups() -> None:
    assert set(TABLE.groups.values()) <= set(GROUPS)
    assert TABLE.group("Patient", {}) == "patient"
    assert TABLE.group("MessageHeader", {}) == "other"
    assert TABLE.group("Patient", {"Patient": "document"}) == "document"


def test_an_unknown_group_is_an_error() -> None:
    with pytest.raises(ValueError, match="money"):
        parse("roles: []\nunion: []\nsnapshot: []\nwhole: []\ngroups: {money: [Account]}\n")
