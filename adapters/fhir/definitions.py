"""FHIR R4 definitions (StructureDefinition and ValueSet, 4.0.1): which elements exist, of what type, how often.

The table `data/r4.json.gz` is written by `tools/r4_table.py` from HL7's own package. It is read on first use
(some 20 ms); the elements of a type and the codes of a system are built when they are first asked for. Packages that
a user adds lie over it: their profiles, the value sets these require, their complete code systems.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from adapters.fhir.errors import UnknownElement

Home: TypeAlias = tuple[str, str]
"""Where the children of an element stand: (type, path below it), e.g. ('Patient', 'contact') or ('HumanName', '')."""

_TABLE = Path(__file__).parent / "data" / "r4.json.gz"
_NESTED = frozenset({"BackboneElement", "Element"})


@dataclass(frozen=True, slots=True)
class Codes:
    """What a required binding allows: codes by system, and names of lexical rules for what nobody can list.

    A rule is 'mime', 'language', 'currency', 'ucum' or the URL of a value set that is not known here.
    """

    systems: Mapping[str, frozenset[str]]
    rules: tuple[str, ...]
    codes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Binding:
    """An element's value set; `allowed` is given for required bindings that can be listed, else None."""

    strength: str
    value_set: str
    allowed: Codes | None


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a resource or data type.

    `path` is the path below `owner` with the element's name in the definitions (`value[x]`). `name` is the JSON
    name asked for: `valueQuantity`, or `_birthDate` for what extends a primitive (type Element). `choice` is
    the choice element's name (`value[x]`) or ''. `types` are all types, or the one that the name has chosen.
    `min`/`max`: cardinality, max 0 = no limit. `targets`: resource types that a Reference may point at, empty =
    any. `home`: where the children stand, None for a primitive or while a choice is open.
    """

    owner: str
    path: str
    name: str
    types: tuple[str, ...]
    min: int
    max: int
    choice: str
    targets: tuple[str, ...]
    binding: Binding | None
    home: Home | None
    is_modifier: bool

    @property
    def repeats(self) -> bool:
        """Whether JSON has an array here."""
        return self.max != 1


@dataclass(frozen=True, slots=True)
class Constraint:
    """An invariant: its key, HL7's words and its FHIRPath."""

    key: str
    words: str
    expression: str


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile's own part: the type and the profile that it constrains, and (place, what is demanded) rows."""

    url: str
    type: str
    base: str
    rows: tuple[tuple[str, dict[str, Any]], ...]


class Layer(msgspec.Struct, frozen=True):
    """A table as it is stored: HL7's own, or of a package that lies over it. Systems are read when asked for."""

    source: str
    primitives: dict[str, str] = {}
    types: dict[str, Any] = {}
    profiles: dict[str, Any] = {}
    codes: dict[str, Any] = {}
    systems: dict[str, msgspec.Raw] = {}


_LAYER = msgspec.json.Decoder(Layer, float_hook=Decimal)


class Definitions:
    """R4, and the packages that lie over it. Immutable for its readers; what was built once is kept."""

    def __init__(self, data: bytes, packages: Iterable[bytes] = ()) -> None:
        """`data`: the unpacked table; `packages`: theirs. Of these the last one wins, and R4 itself over all."""
        layers = [_LAYER.decode(each) for each in (data, *packages)]
        content = layers[0]
        layers = [*layers[1:], content]
        self.source = content.source
        self.sha256 = hashlib.sha256(data).hexdigest()
        self.primitives: Mapping[str, str] = content.primitives
        """Primitive type -> HL7's regular expression ('' if it has none)."""
        self._rows: dict[str, dict[str, Any]] = content.types
        self._codes: dict[str, dict[str, Any]] = _merged(layer.codes for layer in layers)
        self._profiles: dict[str, Any] = _merged(layer.profiles for layer in layers)
        self._raw_systems: dict[str, msgspec.Raw] = _merged(layer.systems for layer in layers)
        self._systems: dict[str, Mapping[str, str] | None] = {}
        self.profiles = frozenset(self._profiles)
        """The URL of every profile that can be checked."""
        self.types = frozenset(self._rows)
        """Every type: primitives, data types and resources, abstract ones too."""
        self.resources = frozenset(
            name for name, row in self._rows.items() if row["kind"] == "resource" and not row["abstract"]
        )
        """Every resource type that can be instantiated."""
        self.kept: dict[object, object] = {}
        """What others compile from this table, kept with it and gone with it."""
        self._children: dict[Home, Mapping[str, Element]] = {}
        self._allowed: dict[str, Codes | None] = {}

    def profile(self, url: str) -> Profile | None:
        """A profile by its canonical URL (a version in it does not matter)."""
        url = url.partition("|")[0]
        row = self._profiles.get(url)
        if row is None:
            return None
        return Profile(url, row["type"], row["base"], tuple((place, entry) for place, entry in row["rows"]))

    def system(self, url: str) -> Mapping[str, str] | None:
        """The codes of a complete code system with their displays; None for a system that is not held here."""
        if url not in self._systems:
            raw = self._raw_systems.get(url)
            self._systems[url] = None if raw is None else msgspec.json.decode(raw, type=dict[str, str])
        return self._systems[url]

    def constraints(self, home: Home) -> tuple[Constraint, ...]:
        """The own constraints at a place ('' of a type: those of the type; inherited ones stand with its base)."""
        rows = self._row(home[0]).get("constraints", {}).get(home[1], ())
        return tuple(Constraint(*row) for row in rows)

    def constrained(self, type_name: str) -> tuple[str, ...]:
        """The places in a type that have constraints."""
        return tuple(self._row(type_name).get("constraints", {}))

    def base(self, type_name: str) -> str:
        """The type it is derived from: 'Patient' -> 'DomainResource', 'Age' -> 'Quantity'; '' for a root."""
        return str(self._row(type_name)["base"])

    def is_resource(self, type_name: str) -> bool:
        return bool(self._row(type_name)["kind"] == "resource")

    def is_primitive(self, type_name: str) -> bool:
        return type_name in self.primitives or type_name == "xhtml"

    def children(self, home: Home) -> Mapping[str, Element]:
        """The elements at a place by JSON name: each choice both open (`value[x]`) and chosen (`valueString`)."""
        found = self._children.get(home)
        if found is None:
            found = self._children[home] = self._build(home)
        return found

    def element(self, type_name: str, name: str) -> Element:
        """An element directly in a type: ('Patient', 'name'). Raises UnknownElement."""
        return self.resolve(type_name, name)

    def resolve(self, type_name: str, path: str) -> Element:
        """The element at a path, through data types: ('Encounter', 'hospitalization.admitSource.coding')."""
        return self.steps(type_name, path)[-1]

    def steps(self, type_name: str, path: str) -> tuple[Element, ...]:
        """Each element on the way, so that a caller sees which steps repeat. Raises UnknownElement."""
        self._row(type_name)
        home: Home | None = (type_name, "")
        found: list[Element] = []
        walked = type_name
        for name in path.split("."):
            if home is None:
                raise UnknownElement(f"{walked}.{name}", f"{walked} has no elements below it")
            element = self._child(home, name)
            walked = f"{walked}.{name}"
            if element is None:
                raise UnknownElement(walked, "no such element in R4")
            found.append(element)
            home = element.home
        return tuple(found)

    def _child(self, home: Home, name: str) -> Element | None:
        element = self.children(home).get(name.removeprefix("_"))
        if element is None or not name.startswith("_"):
            return element
        if len(element.types) != 1 or not self.is_primitive(element.types[0]):
            return None
        # json.html#primitive: `_birthDate` carries the id and the extensions of `birthDate`
        return replace(element, name=name, types=("Element",), binding=None, home=("Element", ""), min=0)

    def codes(self, value_set: str) -> Codes | None:
        """What a value set of a required binding allows; None if it cannot be listed and has no rule here."""
        if value_set not in self._allowed:
            row = self._codes.get(value_set)
            self._allowed[value_set] = None if row is None else _codes(row)
        return self._allowed[value_set]

    def _row(self, type_name: str) -> dict[str, Any]:
        row = self._rows.get(type_name)
        if row is None:
            raise UnknownElement(type_name, "no such type in R4")
        return row

    def _build(self, home: Home) -> Mapping[str, Element]:
        owner, inside = home
        row = self._row(owner)
        found: dict[str, Element] = {}
        # Resources write their own elements after the inherited ones, as the definitions do.
        inherited = row["base"] if not inside else self._nested_type(owner, inside)
        if inherited:
            found.update(self.children((inherited, "")))
        prefix = f"{inside}." if inside else ""
        for path, entry in row["elements"].items():
            name = path.removeprefix(prefix)
            if path.startswith(prefix) and "." not in name:
                found.update(self._named(owner, path, name, entry))
        return found

    def _nested_type(self, owner: str, inside: str) -> str:
        return str(next(iter(self._rows[owner]["elements"][inside][2])))

    def _named(self, owner: str, path: str, name: str, entry: list[Any]) -> dict[str, Element]:
        minimum, maximum, types, extras = entry
        binding = self._binding(extras)

        def build(json_name: str, chosen: tuple[str, ...]) -> Element:
            return Element(
                owner=owner,
                path=path,
                name=json_name,
                types=chosen or ("BackboneElement",),
                min=minimum,
                max=maximum,
                choice=name if name.endswith("[x]") else "",
                targets=tuple(types.get("Reference", ())) if "Reference" in chosen else (),
                binding=binding,
                home=self._home(owner, path, json_name, chosen, extras),
                is_modifier="modifier" in extras,
            )

        found = {name: build(name, tuple(types))}
        if name.endswith("[x]"):
            stem = name[:-3]
            for each in types:
                json_name = f"{stem}{each[0].upper()}{each[1:]}"
                found[json_name] = build(json_name, (each,))
        return found

    def _home(self, owner: str, path: str, name: str, types: tuple[str, ...], extras: dict[str, Any]) -> Home | None:
        if "content" in extras:
            return (owner, extras["content"].partition(".")[2])
        if len(types) != 1 or name.endswith("[x]") or self.is_primitive(types[0]):
            return None
        return (owner, path) if types[0] in _NESTED else (types[0], "")

    def _binding(self, extras: dict[str, Any]) -> Binding | None:
        if "binding" not in extras:
            return None
        strength, value_set = extras["binding"]
        return Binding(strength, value_set, self.codes(value_set) if strength == "required" else None)


def _merged(tables: Iterable[dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for each in tables:
        found |= each
    return found


def _codes(row: dict[str, Any]) -> Codes:
    systems = {system: frozenset(codes) for system, codes in row["systems"].items()}
    return Codes(
        systems=systems,
        rules=tuple(row.get("rules", ())),
        codes=frozenset(code for codes in systems.values() for code in codes),
    )


@functools.cache
def definitions() -> Definitions:
    """The committed table, read once per process."""
    return Definitions(table_bytes())


def table_bytes() -> bytes:
    """R4's own table, unpacked."""
    return gzip.decompress(_TABLE.read_bytes())
