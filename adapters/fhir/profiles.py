"""Profiles (profiling.html): what a resource claims in `meta.profile`, checked beside the base definition.

A profile's tree is its base profile's tree with its own rows laid over it: so a differential is enough. Slices are
told apart by value, pattern, exists and type discriminators; an item belongs to a slice if all of them fit. What can't
be told here (a profile behind `resolve()`) leaves that slicing unchecked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from adapters.fhir.coded import checkable, in_set
from adapters.fhir.constraints import Constraints
from adapters.fhir.definitions import Codes, Constraint, Definitions, Element, Home
from adapters.fhir.findings import Path, Run
from adapters.fhir.references import ReferenceFault, pointed_type
from adapters.fhir.slices import Slicing, fits_pattern, same, slicing_of

Check: TypeAlias = Callable[[Any, Path, Run], None]
_CORE = "http://hl7.org/fhir/StructureDefinition/"
_EXTENSIONS = frozenset({"extension", "modifierExtension"})
_CODED: frozenset[Home] = frozenset({("CodeableConcept", ""), ("Coding", "")})


class _Missing:
    """Stands for no value (a class, so that a copy of it is itself)."""


MISSING: Any = _Missing


@dataclass(slots=True)
class Node:
    """What a profile demands of one element (or of one slice of it). Built once, then only read."""

    min: int = 0
    max: int | None = None
    types: dict[str, list[str]] | None = None
    profiles: tuple[str, ...] = ()
    fixed: Any = MISSING
    pattern: Any = MISSING
    binding: str = ""
    slicing: dict[str, Any] | None = None
    constraints: list[list[str]] = field(default_factory=list)
    children: dict[str, Node] = field(default_factory=dict)
    slices: dict[str, Node] = field(default_factory=dict)

    def lay(self, row: Mapping[str, Any]) -> None:
        """A row over what the base profile demanded."""
        self.min = max(self.min, row.get("min", 0))
        if "max" in row:
            self.max = row["max"] if self.max is None else min(self.max, row["max"])
        self.types = row.get("types", self.types)
        self.profiles = tuple(row.get("profiles", self.profiles))
        self.fixed = row.get("fixed", self.fixed)
        self.pattern = row.get("pattern", self.pattern)
        self.binding = row["binding"][1] if "binding" in row else self.binding
        self.slicing = row.get("slicing", self.slicing)
        known = {rule[0] for rule in self.constraints}
        self.constraints += [rule for rule in row.get("constraints", ()) if rule[0] not in known]


class Profiles:
    """Compiles the profiles of a table, each when it is first claimed."""

    def __init__(self, table: Definitions, constraints: Constraints) -> None:
        self._table = table
        self._constraints = constraints
        self._checks: dict[str, Check | None] = {}
        self._trees: dict[str, Node | None] = {}

    def check_claimed(self, resource: dict[str, Any], path: Path, run: Run) -> None:
        """Every profile that the resource claims."""
        meta = resource.get("meta")
        claimed = meta.get("profile") if type(meta) is dict else None
        if type(claimed) is not list:
            return
        for place, url in enumerate(claimed):
            if type(url) is not str:
                continue
            check = self.check(url)
            if check is not None:
                before = len(run.findings)
                check(resource, path, run)
                run.findings[before:] = [replace(found, profile=url) for found in run.findings[before:]]
            elif not url.startswith(_CORE) or url.removeprefix(_CORE) not in self._table.types:
                where: Path = (((path, ".meta"), ".profile"), place)
                run.say("information", "not-supported", where, "this profile is not known here and was not checked")

    def check_extension(self, extension: dict[str, Any], path: Path, run: Run) -> None:
        """An extension whose definition is known, wherever it stands (extensibility.html): its value, its parts."""
        url = extension.get("url")
        if type(url) is str and url in self._table.profiles:
            check = self.check(url)
            if check is not None:
                check(extension, path, run)

    def check(self, url: str) -> Check | None:
        """The check of one profile; None for one that is not known."""
        url = url.partition("|")[0]
        if url not in self._checks:
            tree, profile = self.tree(url), self._table.profile(url)
            self._checks[url] = None  # a profile that refers to itself
            if tree is not None and profile is not None:
                self._checks[url] = self._compile(url, tree, profile.type)
        return self._checks[url]

    def tree(self, url: str, within: tuple[str, ...] = ()) -> Node | None:
        url = url.partition("|")[0]
        if url in self._trees:
            return self._trees[url]
        profile = self._table.profile(url)
        if profile is None or url in within:
            return None
        base = self.tree(profile.base, (*within, url))
        if base is None and not self._is_root(profile.base):
            return None  # the package with its base is not here: half of a profile is not checked
        root = Node() if base is None else deepcopy(base)
        for place, row in profile.rows:
            _find(root, place).lay(row)
        self._trees[url] = root
        return root

    def _is_root(self, url: str) -> bool:
        name = url.partition("|")[0].removeprefix(_CORE)
        return name in self._table.types or name in {"SimpleQuantity", "MoneyQuantity"}

    def _compile(self, url: str, tree: Node, type_name: str) -> Check:
        name = url.rpartition("/")[2]
        inner = self._inner(tree, type_name, frozenset({(type_name, "")}), name)

        def check(value: Any, path: Path, run: Run) -> None:
            if type(value) is not dict:
                return
            said = value.get("resourceType")
            if said is not None and said != type_name:
                run.error("structure", path, f"{name}: this profile is for {type_name}")
                return
            for each in inner:
                each(value, path, run)

        return check

    def _inner(self, node: Node, owner: str, homes: frozenset[Home], name: str) -> list[Check]:
        """What a node demands of one value, its members included."""
        checks: list[Check] = []
        if node.fixed is not MISSING:
            checks.append(_demand(lambda value: same(value, node.fixed), f"{name}: another value is fixed"))
        if node.pattern is not MISSING:
            checks.append(_demand(lambda value: fits_pattern(value, node.pattern), f"{name}: a pattern is not met"))
        if node.binding and (allowed := checkable(self._table.codes(node.binding))) is not None:
            checks.append(_bound(allowed, homes <= _CODED and bool(homes), name))
        if node.types is not None:
            checks += self._typed(node.types, name)
        rules = [Constraint(*rule) for rule in node.constraints]
        checks += self._constraints.compiled(rules, owner, homes)
        # an extension is held against its definition wherever it stands, see check_extension
        checks += [self._nested(url) for url in node.profiles if self._type_of(url) != "Extension"]
        for child_name, child in node.children.items():
            checks += self._member(child_name, child, owner, homes, name)
        return checks

    def _nested(self, url: str) -> Check:
        """A profile of an element's type: an extension's definition, a profiled data type or contained resource."""

        def check(value: Any, path: Path, run: Run) -> None:
            found = self.check(url)
            if found is not None:
                found(value, path, run)

        return check

    def _typed(self, types: dict[str, list[str]], name: str) -> Iterator[Check]:
        targets = types.get("Reference") or []
        allowed = {self._type_of(url) for url in targets}
        if targets and None not in allowed and "Resource" not in allowed:
            yield _targets(frozenset(str(each) for each in allowed), name)

    def _type_of(self, url: str) -> str | None:
        """The type that a reference target's profile is about."""
        short = url.removeprefix(_CORE)
        if short in self._table.types:
            return short
        profile = self._table.profile(url)
        return profile.type if profile is not None else None

    def _member(self, json_name: str, node: Node, owner: str, homes: frozenset[Home], name: str) -> Iterator[Check]:
        """The checks of one member; a home that has no such member has nothing to check."""
        found: dict[str, Element] = {}
        for home in homes:
            for each, element in self._table.children(home).items():
                if each == json_name or (element.choice == json_name and each != element.choice):
                    found[each] = element
        if not found:
            return
        inner_homes = frozenset(element.home for element in found.values() if element.home is not None)
        allowed = node.types if json_name.endswith("[x]") else None
        names = tuple((each, f"_{each}") for each in found)
        wrong = frozenset(each for each, element in found.items() if allowed and element.types[0] not in allowed)
        yield _counted(
            names,
            wrong,
            _Member(
                step=f".{json_name.removesuffix('[x]')}" if not _chosen(found, json_name) else f".{_stem(found)}",
                least=node.min,
                most=node.max,
                inner=self._inner(node, owner, inner_homes, name),
                slicing=self._slicing(json_name, node, owner, inner_homes, name),
                profile=name,
            ),
        )

    def _slicing(self, json_name: str, node: Node, owner: str, homes: frozenset[Home], name: str) -> Slicing | None:
        if not node.slices:
            return None
        slicing = node.slicing
        if slicing is None and json_name in _EXTENSIONS:
            slicing = {"by": [["value", "url"]], "rules": "open"}
        if slicing is None:
            return None
        compiled = {each: self._inner(inner, owner, homes, f"{name}:{each}") for each, inner in node.slices.items()}
        return slicing_of(slicing, node, compiled, homes, self._table)


@dataclass(frozen=True, slots=True)
class _Member:
    """How often a member may occur, and what each of its values must be."""

    step: str
    least: int
    most: int | None
    inner: list[Check]
    slicing: Slicing | None
    profile: str


def _find(root: Node, place: str) -> Node:
    """The node at an element id below the type: `component:SystolicBP.code.coding`."""
    node = root
    for segment in place.split(".") if place else ():
        name, _, slice_name = segment.partition(":")
        if name.endswith("[x]") and slice_name.startswith(name[:-3]) and slice_name != name[:-3]:
            name, slice_name = slice_name, ""  # `value[x]:valueQuantity` is the member valueQuantity
        node = node.children.setdefault(name, Node())
        if slice_name:
            node = node.slices.setdefault(slice_name, Node())
    return node


def _chosen(found: Mapping[str, Element], json_name: str) -> bool:
    return not json_name.endswith("[x]") and bool(found[json_name].choice)


def _stem(found: Mapping[str, Element]) -> str:
    return next(iter(found.values())).choice.removesuffix("[x]")


def _counted(names: tuple[tuple[str, str], ...], wrong: frozenset[str], member: _Member) -> Check:
    step, least, most, profile = member.step, member.least, member.most, member.profile
    value_of = {key: name for name, sibling in names for key in (name, sibling)}
    few = tuple(value_of) if len(names) == 1 else None  # a choice has a hundred names: then the object's are fewer

    def check(value: Any, path: Path, run: Run) -> None:
        if type(value) is not dict:
            return
        here: Path = (path, step)
        items: list[tuple[Any, Path]] = []
        for key in few or value:
            if key not in value_of or key not in value:
                continue
            name, found = value_of[key], value[key]
            if name in wrong:
                run.error("structure", here, f"{profile}: this type is not allowed here")
                return
            if key != name:
                if name not in value:  # there is nothing but extensions: it exists, without a value
                    items += [(MISSING, here)] * (len(found) if type(found) is list else 1)
            elif type(found) is list:
                items += [(MISSING if each is None else each, (here, place)) for place, each in enumerate(found)]
            else:
                items.append((found, here))
        if len(items) < least:
            run.error("required", here, f"{profile}: at least {least} needed")
        if most is not None and len(items) > most:
            run.error("structure", here, f"{profile}: at most {most} allowed")
        for item, place_of in items:
            if item is not MISSING:
                for each in member.inner:
                    each(item, place_of, run)
        if member.slicing is not None:
            member.slicing.check([pair for pair in items if pair[0] is not MISSING], here, run, profile)

    return check


def _demand(fits: Callable[[Any], bool], text: str) -> Check:
    def check(value: Any, path: Path, run: Run) -> None:
        if not fits(value):
            run.error("value", path, text)

    return check


def _bound(allowed: Codes, coded: bool, name: str) -> Check:
    """`coded`: a code is needed. Of a choice the binding speaks of its coded types only; a Period has no code."""

    def check(value: Any, path: Path, run: Run) -> None:
        if type(value) is str:
            fits = value in allowed.codes or bool(allowed.rules)
        elif type(value) is dict and "coding" in value:
            codings = value["coding"]
            fits = type(codings) is list and any(in_set(coding, allowed) for coding in codings)
        else:
            fits = (not coded and "code" not in value) or in_set(value, allowed) if type(value) is dict else True
        if not fits:
            run.error("code-invalid", path, f"{name}: not of the required value set")

    return check


def _targets(allowed: frozenset[str], name: str) -> Check:
    among = ", ".join(sorted(allowed))

    def check(value: Any, path: Path, run: Run) -> None:
        text = value.get("reference") if type(value) is dict else None
        if type(text) is not str or text.startswith("#"):
            return
        try:
            pointed = pointed_type(text)
        except ReferenceFault:
            return  # the structure check names it
        if pointed is not None and pointed not in allowed:
            run.error("structure", (path, ".reference"), f"{name}: points at {pointed}, allowed are {among}")

    return check
