"""FHIRPath tree -> closures (N1 sections 4 to 6, and FHIR's fhirpath.html).

Each node becomes a Part: `many` gives its collection, `truth` its truth (None = empty). Names are resolved against
the R4 definitions once, here: `value` becomes the JSON names `valueQuantity`, `valueString`, ...; where the type is
not known before the value is seen (`contained`, `descendants()`), names stand for themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol, TypeAlias

from adapters.fhir.fhirpath.functions import (
    BINARY,
    JSON_TYPES,
    KEEPS,
    LOSES,
    MERGES,
    SIMPLE,
    TEXT,
    distinct,
    extensions,
    item_at,
    on_text,
)
from adapters.fhir.fhirpath.parser import Call, Literal, Node, NotCompilable, Operator, Step, Variable, parse
from adapters.fhir.fhirpath.parts import (
    LOGIC,
    Home,
    Many,
    Part,
    Scope,
    after,
    both,
    from_many,
    from_truth,
    member,
    negated,
    presence,
    quickly,
    stepper,
)
from adapters.fhir.fhirpath.values import Items

Constraint: TypeAlias = Callable[[Any, Any], bool]
"""(value, resource) -> whether the constraint holds; empty is false, as in HL7's validator."""

_UCUM = "http://unitsofmeasure.org"


class Names(Protocol):
    """What the compiler asks of the definitions."""

    def children(self, home: Home) -> Mapping[str, Any]: ...

    def is_resource(self, type_name: str) -> bool: ...

    @property
    def types(self) -> frozenset[str]: ...


def compile_constraint(text: str, owner: str, homes: frozenset[Home] | None, definitions: Names) -> Constraint:
    """The check of a constraint on values whose members stand at `homes` (None: not known). Raises NotCompilable."""
    part = _Compiler(definitions, owner, homes).part(parse(text), homes)
    truth, quick = part.truth, part.quick

    def holds(value: Any, resource: Any) -> bool:
        return truth([value], (resource, value)) is True

    def holds_quickly(value: Any, resource: Any) -> bool:
        # used only where there is a quick way, see below
        return quick(value) if type(value) is dict else truth([value], (resource, value)) is True  # type: ignore[misc]

    return holds if quick is None else holds_quickly


def compile_path(text: str, home: Home, definitions: Names) -> Callable[[Any], Items]:
    """The items that a path selects from a value at `home`. Raises NotCompilable."""
    homes = frozenset({home})
    many = _Compiler(definitions, home[0], homes).part(parse(text), homes).many
    return lambda value: many([value], (value, value))


_ITERATING = frozenset({"where", "select", "all", "exists", "repeat"})


class _Compiler:
    """Compiles the nodes of one expression."""

    def __init__(self, definitions: Names, owner: str, context: frozenset[Home] | None) -> None:
        self._definitions = definitions
        self._owner = owner
        self._context = context

    def part(self, node: Node, this: frozenset[Home] | None) -> Part:
        if isinstance(node, Literal):
            constant: Items = [] if node.value is None else [node.value]
            return from_many(lambda items, scope: constant, frozenset())
        if isinstance(node, Variable):
            return self._variable(node.name, this)
        if isinstance(node, Step):
            return self._step(node, this)
        if isinstance(node, Operator):
            return self._operator(node, this)
        return self._call(node, this)

    # -- paths

    def _variable(self, name: str, this: frozenset[Home] | None) -> Part:
        if name == "$this":
            return from_many(lambda items, scope: items, this)
        if name == "%context":
            return from_many(lambda items, scope: [scope[1]], self._context)
        if name in {"%resource", "%rootResource"}:
            owner = self._owner
            known = self._definitions.is_resource(owner) and owner not in {"Resource", "DomainResource"}
            return from_many(lambda items, scope: [scope[0]], frozenset({(owner, "")}) if known else None)
        if name == "%ucum":
            return from_many(lambda items, scope: [_UCUM], frozenset())
        raise NotCompilable(f"the variable {name}")

    def _step(self, node: Step, this: frozenset[Home] | None) -> Part:
        if node.source is None and node.name in self._definitions.types and node.name[0].isupper():
            return from_many(lambda items, scope: items, this)  # `Appointment.start` inside an Appointment
        source = None if node.source is None else self.part(node.source, this)
        homes = this if source is None else source.homes
        names, inner = self._resolve(node.name, homes)
        step = stepper(names)
        return from_many(step, inner, names) if source is None else from_many(after(source.many, step), inner)

    def _resolve(self, name: str, homes: frozenset[Home] | None) -> tuple[frozenset[str], frozenset[Home] | None]:
        """JSON names of a member, and where its own members stand."""
        if homes is None:
            return frozenset({name}), None
        names: set[str] = set()
        inner: set[Home] = set()
        unknown = False
        for home in homes:
            found = self._definitions.children(home)
            open_choice = found.get(f"{name}[x]")
            chosen = (
                [(each, element) for each, element in found.items() if element.choice == f"{name}[x]" != each]
                if open_choice is not None
                else [(name, found[name])]
                if name in found
                else []
            )
            for each, element in chosen:
                names.add(each)
                if element.home is not None and element.types[0] == "Resource":
                    unknown = True
                elif element.home is not None:
                    inner.add(element.home)
        if not names:
            if homes:
                raise NotCompilable(f"no element {name} here")
            names.add(name)  # of a primitive: its id, its extensions
            if name == "extension":
                inner.add(("Extension", ""))
        return frozenset(names), None if unknown else frozenset(inner)

    # -- operators

    def _operator(self, node: Operator, this: frozenset[Home] | None) -> Part:
        name = node.name
        if name in {"is", "as"}:
            assert isinstance(node.right, Step)
            return self._typed(name, node.left, node.right.name, this)
        left, right = self.part(node.left, this), self.part(node.right, this)
        logic = LOGIC.get(name)
        joined = quickly(name, left.quick, right.quick)
        if logic is not None:
            return from_truth(logic(left.truth, right.truth), joined)
        a, b = left.many, right.many
        if name == "|":
            return from_many(lambda items, scope: distinct(a(items, scope) + b(items, scope)), both(left, right))
        if name in BINARY:
            work = BINARY[name]
            many: Many = lambda items, scope: work(a(items, scope), b(items, scope))  # noqa: E731 (as its siblings)
            return replace(from_many(many, frozenset()), quick=joined)
        raise NotCompilable(f"the operator {name}")

    def _typed(self, name: str, left: Node, type_name: str, this: frozenset[Home] | None) -> Part:
        """`is`, `as`, `ofType`: of a choice by the JSON name, of a resource by its resourceType, else by the value.

        `is` of nothing is false, as in HL7's validator (ras-2 counts on it); N1 would have it empty.
        """
        wanted = type_name.removeprefix("FHIR.").removeprefix("System.")
        if isinstance(left, Step):
            source = None if left.source is None else self.part(left.source, this)
            homes = this if source is None else source.homes
            chosen = self._choice(left.name, wanted, homes)
            if chosen is not None:
                names, inner = chosen
                step = stepper(names)
                many = step if source is None else after(source.many, step)
                if name != "is":
                    return from_many(many, inner)
                return from_truth(lambda items, scope: bool(many(items, scope)))
        whole = self.part(left, this)
        before = whole.many
        test = _type_test(wanted, self._definitions)
        if name == "is":
            return from_truth(lambda items, scope: bool(found := before(items, scope)) and all(map(test, found)))
        inner = frozenset({(wanted, "")}) if wanted in self._definitions.types and wanted[0].isupper() else frozenset()
        return from_many(lambda items, scope: [item for item in before(items, scope) if test(item)], inner)

    def _choice(
        self, name: str, wanted: str, homes: frozenset[Home] | None
    ) -> tuple[frozenset[str], frozenset[Home]] | None:
        names: set[str] = set()
        inner: set[Home] = set()
        is_choice = False
        for home in homes or ():
            for each, element in self._definitions.children(home).items():
                if element.choice != f"{name}[x]" or each == element.choice:
                    continue
                is_choice = True
                if element.types[0].lower() == wanted.lower():
                    names.add(each)
                    if element.home is not None:
                        inner.add(element.home)
        return (frozenset(names), frozenset(inner)) if is_choice else None

    # -- functions

    def _call(self, node: Call, this: frozenset[Home] | None) -> Part:
        name, arguments = node.name, node.arguments
        if name in {"as", "is", "ofType"}:
            if len(arguments) != 1 or not isinstance(arguments[0], Step):
                raise NotCompilable(f"{name}() needs a type")
            return self._typed(name, node.source or Variable("$this"), arguments[0].name, this)
        source = self.part(node.source or Variable("$this"), this)
        before = source.many
        if name in {"exists", "empty"} and not arguments:
            return from_truth(presence(source, name == "exists"), member(source.names, name == "exists"))
        if name in SIMPLE and not arguments:
            work = SIMPLE[name]
            homes = source.homes if name in KEEPS else None if name in LOSES else frozenset()
            simple = from_many(lambda items, scope: work(before(items, scope)), homes)
            return replace(simple, quick=negated(source.quick)) if name == "not" else simple
        if name in _ITERATING and len(arguments) == 1:
            return self._iterating(name, source, arguments[0])
        if name == "iif" and len(arguments) in {2, 3}:
            return self._iif(source, arguments)
        if name in {"combine", "union", "intersect", "exclude"} and len(arguments) == 1:
            other = self.part(arguments[0], this)
            merge, b = MERGES[name], other.many
            return from_many(lambda items, scope: merge(before(items, scope), b(items, scope)), both(source, other))
        if name == "extension" and len(arguments) == 1:
            same = self.part(arguments[0], this).many
            return from_many(
                lambda items, scope: extensions(before(items, scope), same(items, scope)),
                frozenset({("Extension", "")}),
            )
        if name == "trace":
            return source
        texts = [self.part(argument, this).many for argument in arguments]
        if name in TEXT and len(texts) in TEXT[name][0]:
            work_text = TEXT[name][1]
            return from_many(
                lambda items, scope: on_text(work_text, before(items, scope), [t(items, scope) for t in texts]),
                frozenset(),
            )
        if name == "[]":
            place = texts[0]
            return from_many(lambda items, scope: item_at(before(items, scope), place(items, scope)), source.homes)
        raise NotCompilable(f"the function {name}()")

    def _iterating(self, name: str, source: Part, argument: Node) -> Part:
        inner = self.part(argument, source.homes)
        before, test, many = source.many, inner.truth, inner.many
        if name == "where":
            return from_many(
                lambda items, scope: [item for item in before(items, scope) if test([item], scope) is True],
                source.homes,
            )
        if name == "select":
            return from_many(
                lambda items, scope: [found for item in before(items, scope) for found in many([item], scope)],
                inner.homes,
            )
        if name == "all":
            return from_truth(lambda items, scope: all(test([item], scope) is True for item in before(items, scope)))
        if name == "exists":
            return from_truth(lambda items, scope: any(test([item], scope) is True for item in before(items, scope)))
        return from_many(lambda items, scope: _repeat(before(items, scope), many, scope), None)

    def _iif(self, source: Part, arguments: tuple[Node, ...]) -> Part:
        test = self.part(arguments[0], source.homes).truth
        yes = self.part(arguments[1], source.homes).many
        no: Many = self.part(arguments[2], source.homes).many if len(arguments) == 3 else lambda items, scope: []
        before = source.many

        def many(items: Items, scope: Scope) -> Items:
            found = before(items, scope)
            return yes(found, scope) if test(found, scope) is True else no(found, scope)

        return from_many(many, None)


def _repeat(items: Items, many: Many, scope: Scope) -> Items:
    found: Items = []
    level = items
    while level:
        level = [each for item in level for each in many([item], scope)]
        found += level
    return found


def _type_test(wanted: str, definitions: Names) -> Callable[[Any], bool]:
    json_type = JSON_TYPES.get(wanted[0].lower() + wanted[1:])
    if json_type is not None:
        return lambda item: type(item) in json_type
    if wanted not in definitions.types:
        raise NotCompilable(f"the type {wanted}")
    return lambda item: type(item) is dict and item.get("resourceType", wanted) == wanted
