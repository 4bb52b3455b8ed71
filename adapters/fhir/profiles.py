"""Profiles (profiling.html): what a resource claims in `meta.profile`, checked beside the base definition.

A profile's tree is its base profile's tree with its own rows laid over it: so a differential is enough. Slices are
told apart by value, pattern, exists and type discriminators; an item belongs to a slice if all of them fit. What can't
be told here (a profile behind `resolve()`) leaves that slicing unchecked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any

from adapters.fhir.coded import checkable
from adapters.fhir.constraints import Constraints
from adapters.fhir.definitions import Constraint, Definitions, Element, Home
from adapters.fhir.demands import MISSING, Node, find
from adapters.fhir.findings import Path, Run
from adapters.fhir.members import Member, bound, counted, demand, targets
from adapters.fhir.slices import Check, Slicing, fits_pattern, same, slicing_of

_CORE = "http://hl7.org/fhir/StructureDefinition/"
_EXTENSIONS = frozenset({"extension", "modifierExtension"})
_CODED: frozenset[Home] = frozenset({("CodeableConcept", ""), ("Coding", "")})


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
            find(root, place).lay(row)
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
            checks.append(demand(lambda value: same(value, node.fixed), f"{name}: another value is fixed"))
        if node.pattern is not MISSING:
            checks.append(demand(lambda value: fits_pattern(value, node.pattern), f"{name}: a pattern is not met"))
        if node.binding and (allowed := checkable(self._table.codes(node.binding))) is not None:
            checks.append(bound(allowed, homes <= _CODED and bool(homes), name))
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
        urls = types.get("Reference") or []
        allowed = {self._type_of(url) for url in urls}
        if urls and None not in allowed and "Resource" not in allowed:
            yield targets(frozenset(str(each) for each in allowed), name)

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
        yield counted(
            names,
            wrong,
            Member(
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


def _chosen(found: Mapping[str, Element], json_name: str) -> bool:
    return not json_name.endswith("[x]") and bool(found[json_name].choice)


def _stem(found: Mapping[str, Element]) -> str:
    return next(iter(found.values())).choice.removesuffix("[x]")
