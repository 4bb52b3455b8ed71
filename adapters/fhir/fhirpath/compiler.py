"""FHIRPath tree -> closures (N1 sections 4 to 6, and FHIR's fhirpath.html).

Each node becomes a Part: `many` gives its collection, `truth` its truth (None = empty). Names are resolved against
the R4 definitions once, here: `value` becomes the JSON names `valueQuantity`, `valueString`, ...; where the type is
not known before the value is seen (`contained`, `descendants()`), names stand for themselves.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Protocol, TypeAlias

from adapters.fhir.fhirpath import values
from adapters.fhir.fhirpath.parser import Call, Literal, Node, NotCompilable, Operator, Step, Variable, parse
from adapters.fhir.fhirpath.values import Items

Home: TypeAlias = tuple[str, str]
Scope: TypeAlias = tuple[Any, Any]
"""(`%resource`, `%context`)."""
Many: TypeAlias = Callable[[Items, Scope], Items]
Truth: TypeAlias = Callable[[Items, Scope], "bool | None"]
Quick: TypeAlias = Callable[["dict[str, Any]"], bool]
Constraint: TypeAlias = Callable[[Any, Any], bool]
"""(value, resource) -> whether the constraint holds; empty is false, as in HL7's validator."""

_UCUM = "http://unitsofmeasure.org"


class Names(Protocol):
    """What the compiler asks of the definitions."""

    def children(self, home: Home) -> Mapping[str, Any]: ...

    def is_resource(self, type_name: str) -> bool: ...

    @property
    def types(self) -> frozenset[str]: ...


@dataclass(frozen=True, slots=True)
class Part:
    """A compiled node. `homes`: where its items' members stand; None = not known. `names`: a lone step's.

    `quick`: the truth of a node that only asks which members an object has, without collections; most constraints are
    such.
    """

    many: Many
    truth: Truth
    homes: frozenset[Home] | None
    names: frozenset[str] = frozenset()
    quick: Quick | None = None


def compile_constraint(text: str, owner: str, homes: frozenset[Home] | None, definitions: Names) -> Constraint:
    """The check of a constraint on values whose members stand at `homes` (None: not known). Raises NotCompilable."""
    part = _Compiler(definitions, owner, homes).part(parse(text), homes)
    truth, quick = part.truth, part.quick

    def holds(value: Any, resource: Any) -> bool:
        return truth([value], (resource, value)) is True

    def holds_quickly(value: Any, resource: Any) -> bool:
        return quick(value) if type(value) is dict else truth([value], (resource, value)) is True  # type: ignore[misc]

    return holds if quick is None else holds_quickly


def compile_path(text: str, home: Home, definitions: Names) -> Callable[[Any], Items]:
    """The items that a path selects from a value at `home`. Raises NotCompilable."""
    homes = frozenset({home})
    many = _Compiler(definitions, home[0], homes).part(parse(text), homes).many
    return lambda value: many([value], (value, value))


def _from_many(many: Many, homes: frozenset[Home] | None = None, names: frozenset[str] = frozenset()) -> Part:
    def truth(items: Items, scope: Scope) -> bool | None:
        found = many(items, scope)
        if not found:
            return None
        return found[0] if len(found) == 1 and type(found[0]) is bool else True

    return Part(many, truth, homes, names)


def _from_truth(truth: Truth, quick: Quick | None = None) -> Part:
    def many(items: Items, scope: Scope) -> Items:
        found = truth(items, scope)
        return [] if found is None else [found]

    return Part(many, truth, frozenset(), quick=quick)


class _Compiler:
    """Compiles the nodes of one expression."""

    def __init__(self, definitions: Names, owner: str, context: frozenset[Home] | None) -> None:
        self._definitions = definitions
        self._owner = owner
        self._context = context

    def part(self, node: Node, this: frozenset[Home] | None) -> Part:
        if isinstance(node, Literal):
            constant: Items = [] if node.value is None else [node.value]
            return _from_many(lambda items, scope: constant, frozenset())
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
            return _from_many(lambda items, scope: items, this)
        if name == "%context":
            return _from_many(lambda items, scope: [scope[1]], self._context)
        if name in {"%resource", "%rootResource"}:
            owner = self._owner
            known = self._definitions.is_resource(owner) and owner not in {"Resource", "DomainResource"}
            return _from_many(lambda items, scope: [scope[0]], frozenset({(owner, "")}) if known else None)
        if name == "%ucum":
            return _from_many(lambda items, scope: [_UCUM], frozenset())
        raise NotCompilable(f"the variable {name}")

    def _step(self, node: Step, this: frozenset[Home] | None) -> Part:
        if node.source is None and node.name in self._definitions.types and node.name[0].isupper():
            return _from_many(lambda items, scope: items, this)  # `Appointment.start` inside an Appointment
        source = None if node.source is None else self.part(node.source, this)
        homes = this if source is None else source.homes
        names, inner = self._resolve(node.name, homes)
        step = _stepper(names)
        return _from_many(step, inner, names) if source is None else _from_many(_after(source.many, step), inner)

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
        logic = _LOGIC.get(name)
        quick = _quick(name, left.quick, right.quick)
        if logic is not None:
            return _from_truth(logic(left.truth, right.truth), quick)
        a, b = left.many, right.many
        if name == "|":
            return _from_many(lambda items, scope: _distinct(a(items, scope) + b(items, scope)), _both(left, right))
        if name in _BINARY:
            work = _BINARY[name]
            many: Many = lambda items, scope: work(a(items, scope), b(items, scope))  # noqa: E731 (as its siblings)
            return replace(_from_many(many, frozenset()), quick=quick)
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
                step = _stepper(names)
                many = step if source is None else _after(source.many, step)
                if name != "is":
                    return _from_many(many, inner)
                return _from_truth(lambda items, scope: bool(many(items, scope)))
        whole = self.part(left, this)
        before = whole.many
        test = _type_test(wanted, self._definitions)
        if name == "is":
            return _from_truth(lambda items, scope: bool(found := before(items, scope)) and all(map(test, found)))
        inner = frozenset({(wanted, "")}) if wanted in self._definitions.types and wanted[0].isupper() else frozenset()
        return _from_many(lambda items, scope: [item for item in before(items, scope) if test(item)], inner)

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
            return _from_truth(_presence(source, name == "exists"), _member(source.names, name == "exists"))
        if name in _SIMPLE and not arguments:
            work = _SIMPLE[name]
            homes = source.homes if name in _KEEPS else None if name in _LOSES else frozenset()
            simple = _from_many(lambda items, scope: work(before(items, scope)), homes)
            return replace(simple, quick=_negated(source.quick)) if name == "not" else simple
        if name in _ITERATING and len(arguments) == 1:
            return self._iterating(name, source, arguments[0])
        if name == "iif" and len(arguments) in {2, 3}:
            return self._iif(source, arguments)
        if name in {"combine", "union", "intersect", "exclude"} and len(arguments) == 1:
            other = self.part(arguments[0], this)
            merge, b = _MERGES[name], other.many
            return _from_many(lambda items, scope: merge(before(items, scope), b(items, scope)), _both(source, other))
        if name == "extension" and len(arguments) == 1:
            same = self.part(arguments[0], this).many
            return _from_many(
                lambda items, scope: _extensions(before(items, scope), same(items, scope)),
                frozenset({("Extension", "")}),
            )
        if name == "trace":
            return source
        texts = [self.part(argument, this).many for argument in arguments]
        if name in _TEXT and len(texts) in _TEXT[name][0]:
            work_text = _TEXT[name][1]
            return _from_many(
                lambda items, scope: _on_text(work_text, before(items, scope), [t(items, scope) for t in texts]),
                frozenset(),
            )
        if name == "[]":
            place = texts[0]
            return _from_many(lambda items, scope: _item(before(items, scope), place(items, scope)), source.homes)
        raise NotCompilable(f"the function {name}()")

    def _iterating(self, name: str, source: Part, argument: Node) -> Part:
        inner = self.part(argument, source.homes)
        before, test, many = source.many, inner.truth, inner.many
        if name == "where":
            return _from_many(
                lambda items, scope: [item for item in before(items, scope) if test([item], scope) is True],
                source.homes,
            )
        if name == "select":
            return _from_many(
                lambda items, scope: [found for item in before(items, scope) for found in many([item], scope)],
                inner.homes,
            )
        if name == "all":
            return _from_truth(lambda items, scope: all(test([item], scope) is True for item in before(items, scope)))
        if name == "exists":
            return _from_truth(lambda items, scope: any(test([item], scope) is True for item in before(items, scope)))
        return _from_many(lambda items, scope: _repeat(before(items, scope), many, scope), None)

    def _iif(self, source: Part, arguments: tuple[Node, ...]) -> Part:
        test = self.part(arguments[0], source.homes).truth
        yes = self.part(arguments[1], source.homes).many
        no: Many = self.part(arguments[2], source.homes).many if len(arguments) == 3 else lambda items, scope: []
        before = source.many

        def many(items: Items, scope: Scope) -> Items:
            found = before(items, scope)
            return yes(found, scope) if test(found, scope) is True else no(found, scope)

        return _from_many(many, None)


def _both(left: Part, right: Part) -> frozenset[Home] | None:
    return None if left.homes is None or right.homes is None else left.homes | right.homes


def _stepper(names: frozenset[str]) -> Many:
    """Members of these names. A primitive without a value is the object of its `_sibling`."""
    pairs = tuple((name, f"_{name}") for name in sorted(names))

    def step(items: Items, scope: Scope) -> Items:
        found: Items = []
        for item in items:
            if type(item) is not dict:
                continue
            for name, sibling in pairs:
                value = item.get(name)
                if value is None:
                    value = item.get(sibling)
                    if value is None:
                        continue
                if type(value) is list:
                    found += [each for each in value if each is not None]
                else:
                    found.append(value)
        return found

    return step


def _after(before: Many, step: Many) -> Many:
    return lambda items, scope: step(before(items, scope), scope)


def _member(names: frozenset[str], wanted: bool) -> Quick | None:
    if not names:
        return None
    both = names | {f"_{name}" for name in names}
    if wanted:
        return lambda value: not both.isdisjoint(value)
    return lambda value: both.isdisjoint(value)


def _negated(quick: Quick | None) -> Quick | None:
    return None if quick is None else lambda value: not quick(value)


def _quick(operator: str, a: Quick | None, b: Quick | None) -> Quick | None:
    if a is None or b is None:
        return None
    made: Mapping[str, Quick] = {
        "and": lambda value: a(value) and b(value),
        "or": lambda value: a(value) or b(value),
        "xor": lambda value: a(value) is not b(value),
        "!=": lambda value: a(value) is not b(value),
        "=": lambda value: a(value) is b(value),
        "implies": lambda value: not a(value) or b(value),
    }
    return made.get(operator)


def _presence(source: Part, wanted: bool) -> Truth:
    before = source.many
    if not source.names:
        return lambda items, scope: bool(before(items, scope)) is wanted
    names = source.names | {f"_{name}" for name in source.names}

    def fast(items: Items, scope: Scope) -> bool:
        if len(items) == 1 and type(items[0]) is dict and names.isdisjoint(items[0]):
            return not wanted
        return bool(before(items, scope)) is wanted

    return fast


def _type_test(wanted: str, definitions: Names) -> Callable[[Any], bool]:
    json_type = _JSON_TYPES.get(wanted[0].lower() + wanted[1:])
    if json_type is not None:
        return lambda item: type(item) in json_type
    if wanted not in definitions.types:
        raise NotCompilable(f"the type {wanted}")
    return lambda item: type(item) is dict and item.get("resourceType", wanted) == wanted


def _and(a: Truth, b: Truth) -> Truth:
    def truth(items: Items, scope: Scope) -> bool | None:
        left = a(items, scope)
        if left is False:
            return False
        right = b(items, scope)
        return False if right is False else True if left and right else None

    return truth


def _or(a: Truth, b: Truth) -> Truth:
    def truth(items: Items, scope: Scope) -> bool | None:
        left = a(items, scope)
        if left:
            return True
        right = b(items, scope)
        return True if right else None if left is None or right is None else False

    return truth


def _xor(a: Truth, b: Truth) -> Truth:
    def truth(items: Items, scope: Scope) -> bool | None:
        left, right = a(items, scope), b(items, scope)
        return None if left is None or right is None else left is not right

    return truth


def _implies(a: Truth, b: Truth) -> Truth:
    def truth(items: Items, scope: Scope) -> bool | None:
        left = a(items, scope)
        if left is False:
            return True
        right = b(items, scope)
        return True if right else None if left is None or right is None else False

    return truth


_LOGIC: Mapping[str, Callable[[Truth, Truth], Truth]] = {"and": _and, "or": _or, "xor": _xor, "implies": _implies}


def _distinct(items: Items) -> Items:
    return list({values.key(item): item for item in items}.values())


def _equal(left: Items, right: Items) -> Items:
    if not left or not right:
        return []
    return [left == right and [type(a) is bool for a in left] == [type(b) is bool for b in right]]


def _unequal(left: Items, right: Items) -> Items:
    return [not found for found in _equal(left, right)]


def _in(left: Items, right: Items) -> Items:
    return [left[0] in right] if left else []


def _compared(wanted: bool, or_equal: bool, swap: bool) -> Callable[[Items, Items], Items]:
    """An ordering of which only the surely false is false: a month may lie before a day of it."""

    def compare(left: Items, right: Items) -> Items:
        if len(left) != 1 or len(right) != 1:
            return []
        a, b = (right[0], left[0]) if swap else (left[0], right[0])
        found = values.later(a, b)
        if found is None:
            return [True]
        return [found is wanted if or_equal else found]

    return compare


def _plus(left: Items, right: Items) -> Items:
    return [left[0] + right[0]] if left and right and type(left[0]) is type(right[0]) is not dict else []


def _join(left: Items, right: Items) -> Items:
    return ["".join(str(item) for item in (left[:1] + right[:1]))]


_BINARY: Mapping[str, Callable[[Items, Items], Items]] = {
    "=": _equal,
    "!=": _unequal,
    "~": lambda left, right: [not left and not right] if not left or not right else _equal(left, right),
    "in": _in,
    "contains": lambda left, right: _in(right, left),
    ">": _compared(wanted=True, or_equal=False, swap=False),
    "<": _compared(wanted=True, or_equal=False, swap=True),
    "<=": _compared(wanted=False, or_equal=True, swap=False),
    ">=": _compared(wanted=False, or_equal=True, swap=True),
    "+": _plus,
    "&": _join,
}


def _truth_of(items: Items) -> bool | None:
    if not items:
        return None
    return items[0] if len(items) == 1 and type(items[0]) is bool else True


def _only(items: Items) -> list[Any]:
    return [item for item in items if type(item) is not dict]


_SIMPLE: Mapping[str, Callable[[Items], Items]] = {
    "not": lambda items: [] if (truth := _truth_of(items)) is None else [not truth],
    "count": lambda items: [len(items)],
    "hasValue": lambda items: [len(items) == 1 and type(items[0]) is not dict],
    "isDistinct": lambda items: [len(_distinct(items)) == len(items)],
    "distinct": _distinct,
    "first": lambda items: items[:1],
    "last": lambda items: items[-1:],
    "tail": lambda items: items[1:],
    "single": lambda items: items[:1],
    "children": lambda items: list(values.children(items)),
    "descendants": values.descendants,
    "allTrue": lambda items: [all(item is True for item in items)],
    "anyTrue": lambda items: [any(item is True for item in items)],
    "toInteger": lambda items: [n for item in items[:1] if (n := values.to_integer(item)) is not None],
    "toString": lambda items: [t for item in items[:1] if (t := values.to_string(item)) is not None],
    "length": lambda items: [len(item) for item in items[:1] if type(item) is str],
    "lower": lambda items: [item.lower() for item in items[:1] if type(item) is str],
    "upper": lambda items: [item.upper() for item in items[:1] if type(item) is str],
    "trim": lambda items: [item.strip() for item in items[:1] if type(item) is str],
}
_KEEPS = frozenset({"distinct", "first", "last", "tail", "single"})
_LOSES = frozenset({"children", "descendants"})
_ITERATING = frozenset({"where", "select", "all", "exists", "repeat"})
_MERGES: Mapping[str, Callable[[Items, Items], Items]] = {
    "combine": lambda left, right: left + right,
    "union": lambda left, right: _distinct(left + right),
    "intersect": lambda left, right: _distinct([item for item in left if item in right]),
    "exclude": lambda left, right: [item for item in left if item not in right],
}


def _repeat(items: Items, many: Many, scope: Scope) -> Items:
    found: Items = []
    level = items
    while level:
        level = [each for item in level for each in many([item], scope)]
        found += level
    return found


def _extensions(items: Items, urls: Items) -> Items:
    return [
        extension
        for item in items
        if type(item) is dict and type(item.get("extension")) is list
        for extension in item["extension"]
        if type(extension) is dict and extension.get("url") in urls
    ]


def _item(items: Items, place: Items) -> Items:
    return items[place[0] : place[0] + 1] if place and type(place[0]) is int and place[0] >= 0 else []


def _on_text(work: Callable[..., Items], items: Items, arguments: list[Items]) -> Items:
    """A function of one string and of single arguments; empty where one of them is."""
    if not items or type(items[0]) is not str or not all(arguments):
        return []
    try:
        return work(items[0], *(argument[0] for argument in arguments))
    except (TypeError, re.error):  # an argument of another type, or a pattern that is none
        return []


def _search(text: str, pattern: str) -> Items:
    return [re.search(pattern, text, re.DOTALL) is not None]


def _replace_matches(text: str, pattern: str, by: str) -> Items:
    return [re.sub(pattern, by, text)]


def _substring(text: str, start: int, length: int | None = None) -> Items:
    if not 0 <= start < len(text):
        return []
    return [text[start:] if length is None else text[start : start + length]]


_ONE = frozenset({1})
_TEXT: Mapping[str, tuple[frozenset[int], Callable[..., Items]]] = {
    "startsWith": (_ONE, lambda text, other: [text.startswith(other)]),
    "endsWith": (_ONE, lambda text, other: [text.endswith(other)]),
    "contains": (_ONE, lambda text, other: [other in text]),
    "indexOf": (_ONE, lambda text, other: [text.find(other)]),
    "matches": (_ONE, _search),
    "replace": (frozenset({2}), lambda text, old, new: [text.replace(old, new)]),
    "replaceMatches": (frozenset({2}), _replace_matches),
    "substring": (frozenset({1, 2}), _substring),
}
_JSON_TYPES: Mapping[str, frozenset[type]] = {
    "boolean": frozenset({bool}),
    "integer": frozenset({int}),
    "decimal": frozenset({int, Decimal}),
    "string": frozenset({str}),
    "code": frozenset({str}),
    "uri": frozenset({str}),
    "url": frozenset({str}),
    "canonical": frozenset({str}),
    "dateTime": frozenset({str}),
    "date": frozenset({str}),
}
