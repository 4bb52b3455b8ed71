"""A translation plan: which codings of a channel are translated, from which system into which, and how strictly.

    plan: diagnoses
    rows:
    - {id: dx, element: Condition.code, from: icd-9-cm, to: icd-10-cm}

YAML without any resolving: every value is text as written. Unknown keys and values are faults, with their line.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

import yaml

from terminology.errors import PlanError
from terminology.systems import uri

__all__ = ["Plan", "PlanRow", "parse_plan"]

MAX_BYTES = 1 << 20
_ELEMENT = re.compile(r"[A-Z][A-Za-z]+(\.[a-z][A-Za-z]*)+")
_CHOICES = {
    "map": ("", "gem", "extended-map", "concept-map"),
    "policy": ("safe", "exact", "strict-rf2"),
    "combination": ("refuse", "first"),
    "retired": ("refuse", "accept"),
    "sex": ("unknown", "administrative-gender"),
    "ancestors": ("no", "yes"),
}
_YAML = {"from": "source", "to": "target"}


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One row. `source`, `target`: URIs. `map`: kind of map, '' = whichever there is; `version`: of the map;
    `edition`: of the target system's codes, that targets are checked against. '' = the only one there is.

    `policy`: `safe`; `exact` takes no approximate target; `strict-rf2` see `rf2.extended`. `combination`: what a
    combination of codes becomes: nothing, or its first code. `retired`: a target that the edition doesn't have.
    `sex`: whether the patient's administrative gender counts as sex in map rules. `ancestors`: an unmapped concept
    takes the map of the nearest one above it, marked as approximate.
    """

    id: str
    element: str
    source: str
    target: str
    line: int = 0
    map: str = ""
    version: str = ""
    edition: str = ""
    policy: str = "safe"
    combination: str = "refuse"
    retired: str = "refuse"
    sex: str = "unknown"
    ancestors: str = "no"


@dataclass(frozen=True, slots=True)
class Plan:
    """`hash`: of what the plan says, whatever its layout and comments; it stands in Provenance."""

    name: str
    rows: tuple[PlanRow, ...]
    hash: str
    file: str = ""


def parse_plan(content: bytes, file: str = "plan") -> Plan:
    """Read a plan. Raises PlanError, naming file and line."""
    if len(content) > MAX_BYTES:
        raise PlanError(f"{file}: larger than {MAX_BYTES >> 10} KiB")
    try:
        root = yaml.compose(content.decode("utf-8-sig"), yaml.BaseLoader)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise PlanError(f"{file}: not YAML: {str(error).splitlines()[0] if str(error) else 'damaged'}") from error
    top = dict(_mapping(root, file, "a plan"))
    for key, node in top.items():
        if key not in ("plan", "rows"):
            raise PlanError(f"{_place(file, node)}: no such key {key!r}; a plan has plan and rows")
    name = _text(top["plan"], file, "plan") if "plan" in top else ""
    listed = top.get("rows")
    if not isinstance(listed, yaml.SequenceNode) or not listed.value:
        raise PlanError(f"{file}: no rows")
    rows = tuple(_row(node, file) for node in listed.value)
    if len({row.id for row in rows}) < len(rows):
        raise PlanError(f"{file}: two rows have one id")
    return Plan(name, rows, _hash(rows), file)


def _hash(rows: tuple[PlanRow, ...]) -> str:
    said = [[getattr(row, one.name) for one in fields(row) if one.name != "line"] for row in rows]
    return hashlib.sha256(json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()


def _row(node: yaml.Node, file: str) -> PlanRow:
    place = _place(file, node)
    known = {one.name for one in fields(PlanRow)} - {"line"}
    values: dict[str, Any] = {"line": node.start_mark.line + 1}
    for key, value in _mapping(node, file, "a row"):
        name = _YAML.get(key, key)
        if name not in known or key in _YAML.values():
            names = sorted((known - set(_YAML.values())) | set(_YAML))
            raise PlanError(f"{_place(file, value)}: no such key {key!r}; a row has {', '.join(names)}")
        text = _text(value, file, key)
        if name in _CHOICES and text not in _CHOICES[name]:
            choices = ", ".join(choice for choice in _CHOICES[name] if choice)
            raise PlanError(f"{_place(file, value)}: {key} is one of {choices}")
        values[name] = uri(text) if name in ("source", "target") else text
    for name, key in (("element", "element"), ("source", "from"), ("target", "to")):
        if not values.get(name):
            raise PlanError(f"{place}: a row needs {key}")
    if not _ELEMENT.fullmatch(values["element"]):
        raise PlanError(f"{place}: element is a resource type and a path, as Condition.code")
    values.setdefault("id", f"{values['element']}:{values['source']}:{values['target']}")
    return PlanRow(**values)


def _mapping(node: yaml.Node | None, file: str, what: str) -> Iterator[tuple[str, yaml.Node]]:
    if not isinstance(node, yaml.MappingNode):
        raise PlanError(f"{_place(file, node)}: {what} is a mapping")
    seen = set()
    for key, value in node.value:
        text = _text(key, file, "a key")
        if text in seen:
            raise PlanError(f"{_place(file, key)}: {text!r} twice")
        seen.add(text)
        yield text, value


def _text(node: yaml.Node, file: str, what: str) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise PlanError(f"{_place(file, node)}: {what} is a text")
    found: str = node.value
    return found


def _place(file: str, node: yaml.Node | None) -> str:
    return file if node is None else f"{file}:{node.start_mark.line + 1}"
