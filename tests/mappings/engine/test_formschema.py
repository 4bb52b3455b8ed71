"""The JSON Schema for editors says what the grammar says: same keys, and every map of the release is valid."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from mappings.engine import grammar
from mappings.engine.formschema import KINDS, form_schema
from mappings.engine.grammar import plain
from mappings.engine.library import base_library
from mappings.engine.yamlfile import Dict

_GRAMMAR = {
    "map": (grammar._MAP_KEYS, grammar._ROW_KEYS),
    "message": (grammar._MESSAGE_KEYS, grammar._MESSAGE_ROW_KEYS),
    "events": (frozenset({"rows", "description"}), grammar._EVENT_KEYS),
}
_FOLDERS = {"segments": "map", "datatypes": "map", "messages": "message", "events.yaml": "events"}


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_keys_as_the_grammar(kind: str) -> None:
    top, row, _ = KINDS[kind]
    assert (frozenset(top), frozenset(row)) == _GRAMMAR[kind]
    assert all("description" in each or "$ref" in each for each in (*top.values(), *row.values()))


def test_every_map_of_the_release_is_valid() -> None:
    checkers = {kind: jsonschema.Draft202012Validator(form_schema(kind)) for kind in KINDS}
    seen = set()
    for name, content in base_library().files.items():
        kind = _FOLDERS.get(name.partition("/")[0])
        if kind is not None:
            seen.add(kind)
            faults = [error.message for error in checkers[kind].iter_errors(plain(content))]
            assert not faults, (name, faults)
    assert seen == set(KINDS)


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("map", {"segment": "PID -> Patient", "rows": [{"too": "name", "from": "PID-5"}]}),
        ("map", {"segment": "PID", "rows": []}),
        ("map", {"segment": "PID -> Patient", "rows": [{"to": "name", "rank": "strong"}]}),
        ("map", {"segment": "PID -> Patient", "excused": {"PID-1": ""}}),
        ("message", {"message": "ADT_A01", "rows": [{"for": "PID", "makes": "Patient"}]}),
        ("events", {"rows": [{"event": "A40", "merge": {"retired": "retired"}}]}),
    ],
)
def test_what_the_grammar_refuses_is_invalid(kind: str, content: dict[str, Any]) -> None:
    assert not jsonschema.Draft202012Validator(form_schema(kind)).is_valid(content)


def test_a_dict_keeps_its_overlay() -> None:
    assert Dict({"a": "b"}, file="north/x.yaml").file == "north/x.yaml"
    assert Dict({"a": "b"}).file == ""
