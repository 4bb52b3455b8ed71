"""The workshop: what the compiler needs at hand, and what it has made so far (each map is compiled once)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from adapters.fhir import UnknownElement, definitions
from adapters.hl7v2 import dictionary
from mappings.engine.datatypes import compile_datatype
from mappings.engine.grammar import Map, Row
from mappings.engine.keys import KEY_TYPES, Key, compile_key
from mappings.engine.library import Library
from mappings.engine.makers import Converter
from mappings.engine.plans import Plan, compile_plan
from mappings.engine.sources import SourcePath
from mappings.engine.tables import Table
from mappings.engine.targets import Target, resolve
from mappings.errors import MappingError
from mappings.leaves import Leaf, leaves

if TYPE_CHECKING:
    from mappings.engine.rows import RowCompiler

__all__ = ["Rule", "Workshop"]

_VERSION = "2.5.1"
# data types whose components have the same numbers as those of the one that the maps are written for
_SAME = {
    "CE": "CWE",
    "CNE": "CWE",
    "CF": "CWE",
    "IS": "CWE",
    "ID": "CWE",
    "CN": "XCN",
    "PPN": "XCN",
    "PN": "XPN",
    "AD": "XAD",
    "TN": "XTN",
    "CK": "CX",
    "CM_NDL": "NDL",
    "CM_DLD": "DLD",
    "CM_PRACTITIONER": "NDL",
    "CWE": "CWE",
}
# last field in v2.9, where the dictionaries (up to v2.8.2) end before it
_LAST = {"MSH": 28, "OBX": 33, "OBR": 55, "ORC": 38, "SPM": 35, "NTE": 9, "DG1": 26, "PID": 40, "NK1": 41, "PV1": 54}


@dataclass(frozen=True, slots=True)
class Rule:
    """What explain says of a row: where it stands and what it writes."""

    place: str
    target: str
    row: str
    kind: str = ""
    register: tuple[str, str] = ("", "")


class Workshop:
    """Compiles maps of one library."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self.rules: list[Rule] = []
        self.plans: dict[tuple[str, str], Plan] = {}
        self._leaves = leaves()
        self._tables: dict[str, Table] = {}
        self._converters: dict[str, Converter | None] = {}
        self._numbers = 0
        self.emit_labels: set[str] = set()  # labels that emit rows give

    def number(self) -> int:
        """A number of its own for each compiled map."""
        self._numbers += 1
        return self._numbers

    def rule(self, row: Row, found: Map, register: tuple[str, str] = ("", "")) -> int:
        """The number of a row in `rules`."""
        to = row.to or row.emit or ""
        if row.extension:
            to = ".".join((*([row.on] if row.on else []), "extension"))
        self.rules.append(Rule(row.place, to, f"{found.file}#{row.id}", found.target, register))
        return len(self.rules) - 1

    def leaf(self, name: str, row: Row) -> Leaf:
        found = self._leaves.get(name)
        if found is None:
            raise row.error(f"there is no leaf function {name}")
        return found

    def table(self, name: str, row: Row) -> Table:
        found = self._tables.get(name)
        if found is None:
            if not self.library.has(f"tables/{name}.csv"):
                raise row.error(f"there is no table {name}")
            found = self._tables[name] = self.library.table(name)
        return found

    def map_name(self, name: str, kind: str) -> str | None:
        """The file stem that `as` means for a target of this type."""
        if name.endswith(f"-{kind}") or "-" in name:
            return name if self.library.has(f"datatypes/{name}.yaml") else None
        for stem in (f"{name}-{kind}", f"{_SAME.get(name, name)}-{kind}"):
            if self.library.has(f"datatypes/{stem}.yaml"):
                return stem
        return None

    def datatype(self, name: str, kind: str, row: Row) -> Converter | None:
        """The converter of `as: name` for a target of this type; None if there is no such map.

        With `use` the map may make another type; only its rows at that element are taken.
        """
        stem = self.map_name(name, kind)
        if stem is None:
            return None
        key = f"{stem}#{row.use or ''}"
        if key not in self._converters:
            self._converters[key] = None  # a map that needs itself finds none
            found = self.library.datatype_map(stem)
            if row.use:
                found = _only(found, row.use)
                if resolve(found.target, row.use, row.error).repeats:
                    raise row.error(f"use {row.use}: it repeats; name a data type map that makes one of them")
            elif found.target != kind and not (found.target in ("string", "code", "uri") and kind == "markdown"):
                raise row.error(f"{stem} makes a {found.target}, not a {kind}")
            self._converters[key] = compile_datatype(found, self)
        return self._converters[key]

    def component_type(self, datatype: str, path: SourcePath) -> str | None:
        """Data type of a component as the dictionary has it."""
        parts = dictionary.components(_VERSION, datatype)
        if not 0 < path.component <= len(parts):
            return None
        found = parts[path.component - 1]
        return (
            self.component_type(found, SourcePath(found, component=path.subcomponent)) if path.subcomponent else found
        )

    def field_type(self, path: SourcePath) -> str | None:
        """Data type at a segment path."""
        found = dictionary.field_type(_VERSION, path.owner, path.field)
        if found is None or not path.component:
            return found
        return self.component_type(found, SourcePath(found, 0, 0, path.component, path.subcomponent))

    def primitive_target(self, kind: str, row: Row) -> Target:
        """The target `.` of a map to a primitive: any element of that type will do."""
        element = resolve("Extension", f"value{kind[0].upper()}{kind[1:]}", row.error).element
        return Target(".", ".", False, "", (), kind, replace(element, choice=""), None)

    def item_extension(self, owner: str, row: Row) -> Target | None:
        """The list of extensions of an object in a list (`on: note, slot: NTE`); None if `on` is no such element."""
        if row.on is None or row.slot is None:
            return None
        try:
            steps = definitions().steps(owner, row.on)
        except UnknownElement as error:
            raise row.error(f"on {row.on}: {error}") from error
        if not steps[-1].repeats or steps[-1].home is None:
            return None
        return resolve(owner, f"{row.on}.extension", row.error)

    def extension_target(self, owner: str, row: Row) -> tuple[tuple[str, ...], Target]:
        """Where an extension hangs (element names down to it) and the target of its value (`to` = valueX)."""
        if row.value is None:
            raise row.error("an extension has `value`: the type of its value")
        target = resolve("Extension", f"value{row.value[0].upper()}{row.value[1:]}", row.error)
        if row.on is None:
            return (), target
        try:
            steps = definitions().steps(owner, row.on)
        except UnknownElement as error:
            raise row.error(f"on {row.on}: {error}") from error
        names = row.on.split(".")
        if any(step.repeats for step in steps):
            raise row.error(
                f"on {row.on}: it repeats: name the `slot` of the object, and only in the map of a resource"
            )
        if definitions().is_primitive(steps[-1].types[0]):
            names[-1] = f"_{names[-1]}"
        return tuple(names), target

    def check_field(self, path: SourcePath, row: Row) -> None:
        """A field that no version of the dictionary has can't be a source. Z segments are free."""
        known = dictionary.field_type("2.8.2", path.owner, path.field) is not None
        if not known and path.owner[0] != "Z" and path.field > _LAST.get(path.owner, 0):
            raise row.error(f"{path.owner}-{path.field}: no version of HL7 v2 has this field")

    def segment_plan(self, name: str, row: Any) -> Plan:
        """The plan of a segment map. Raises MapError."""
        return self._plan("segments", name, row)

    def resource_plan(self, name: str, kind: str, row: Row) -> Plan:
        """The plan of a data type map that makes a resource of this type."""
        stem = self.map_name(name, kind)
        if stem is None:
            raise row.error(f"there is no data type map {name} for {kind}")
        plan = self._plan("datatypes", stem, row)
        if plan.kind != kind:
            raise row.error(f"{stem} makes a {plan.kind}, not a {kind}")
        return plan

    def emitted(self, row: Row, compiler: RowCompiler) -> Plan:
        """The plan of what a row emits."""
        kind = str(row.emit)
        name = row.as_
        if name is not None and self.library.has(f"segments/{name}.yaml"):
            plan = self._plan("segments", name, row)
            if plan.kind != kind:
                raise row.error(f"{name} makes a {plan.kind}, not a {kind}")
            return plan
        if name is None:
            path = compiler.path(row.source[0], row)
            name = self.field_type(path) if compiler.own is not None else compiler.map.source
            if compiler.own is None and path.component:
                name = self.component_type(compiler.map.source, path)
            if name is None:
                raise row.error("`as` must say how it is made")
        return self.resource_plan(name, kind, row)

    def _plan(self, folder: str, name: str, row: Any) -> Plan:
        found = self.plans.get((folder, name))
        if found is None:
            if not self.library.has(f"{folder}/{name}.yaml"):
                raise row.error(f"there is no map {folder}/{name}.yaml")
            source = self.library.segment_map(name) if folder == "segments" else self.library.datatype_map(name)
            found = self.plans[folder, name] = Plan(source, self)
            try:
                compile_plan(source, self, found)
            except MappingError:
                del self.plans[folder, name]  # half a plan must never run
                raise
        return found

    def default_key(self, plan: Plan) -> Key | None:
        """The key of an emitted resource whose map says none: that of its data type."""
        if plan.datatype not in KEY_TYPES:
            return None
        return compile_key(plan.datatype, plan.kind, plan.scene, None, plan.datatype, plan.file, plan.line)


def _only(found: Map, name: str) -> Map:
    """The map with only the rows that write an element."""

    def rows(all_rows: tuple[Row, ...]) -> tuple[Row, ...]:
        kept = []
        for row in all_rows:
            if row.first:
                inner = rows(row.first)
                if inner:
                    kept.append(replace(row, first=inner, otherwise=rows(row.otherwise)))
            elif row.to is not None and (row.to == name or row.to.startswith(f"{name}.")):
                kept.append(row)
        return tuple(kept)

    return replace(found, rows=rows(found.rows), excused={})
