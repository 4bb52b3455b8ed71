"""The compiler: maps to plans, each row one closure; every finding names file and line (docs/cda.md, "Load checks")."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from adapters.cda import Node
from adapters.fhir import Element, UnknownElement, definitions
from mappings.errors import MapError
from mappings.leaves.base import Leaf, Partly
from mappings.trees.convert import Convert, NodeFunction, leaf_convert, node_convert, table_convert
from mappings.trees.grammar import MapFile, Row, map_file
from mappings.trees.guards import Guard, Verdict, read_guards
from mappings.trees.library import Library
from mappings.trees.paths import PathError, Predicate, Source, compile_path, compile_predicate
from mappings.trees.periods import last_of
from mappings.trees.run import ASIDE, CONFLICT, EXCUSED, INVALID, MAPPED, Resource, Run, Trace, undo
from mappings.trees.values import literal, steps
from mappings.trees.writing import Put, compile_put, names_of

__all__ = ["Plan", "Rule", "Shop"]

RunRow: TypeAlias = "Callable[[Node, Resource, dict[str, Any], Trace], bool]"
"""Node, resource, body, trace → whether something of the source stands in the body because of it."""

ORIGINAL = "http://hl7.org/fhir/StructureDefinition/originalText"
ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
_QUANTITIES = frozenset({"Quantity", "Age", "Duration", "Distance", "Count", "SimpleQuantity", "MoneyQuantity"})
_INCLUDES = 5
_TEXTS = frozenset({"string", "markdown"})


@dataclass(frozen=True, slots=True)
class Rule:
    """Where a write comes from, for lineage and coverage."""

    file: str
    line: int
    id: str
    target: str
    source: str


@dataclass(slots=True)
class Plan:
    """A compiled map. `kind`: resource type, '' for a data type or backbone element."""

    number: int
    map: MapFile
    kind: str
    home: tuple[str, str]
    type: str
    rows: list[RunRow] = field(default_factory=list)
    required: list[tuple[str, ...]] = field(default_factory=list)
    key: list[Source] = field(default_factory=list)
    guard: Guard | None = None
    sets: dict[int, list[tuple[Put, Any]]] = field(default_factory=dict)
    choices: list[tuple[Predicate | None, Plan]] = field(default_factory=list)
    excused: list[tuple[Source, str]] = field(default_factory=list)
    guard_rule: int = 0
    ready: bool = False

    def choose(self, node: Node) -> Plan | None:
        """Itself, or the first of its choices that fits."""
        if not self.map.choose:
            return self
        for test, plan in self.choices:
            if test is None or test(node):
                return plan.choose(node)
        return None

    def leaves(self) -> list[Plan]:
        """The plans that make something, below all choices."""
        return [leaf for _, plan in self.choices for leaf in plan.leaves()] if self.map.choose else [self]

    @property
    def kinds(self) -> frozenset[str]:
        """What it may make."""
        if self.map.choose:
            return frozenset().union(*[plan.kinds for _, plan in self.choices])
        return frozenset({self.kind or self.type})


class Vocabulary:
    """The names that paths may use: elements and attributes of the source's standard."""

    def __init__(self, elements: frozenset[str], attributes: frozenset[str]) -> None:
        self.elements = elements
        self.attributes = attributes


class Shop:
    """Compiles each map when it is first asked for. `emit` and `dispatch` are the engine's own, set after."""

    def __init__(
        self,
        library: Library,
        leaves: Mapping[str, Leaf],
        functions: Mapping[str, NodeFunction],
        vocabulary: Vocabulary,
    ) -> None:
        self.library = library
        self.leaves = leaves
        self.functions = functions
        self.vocabulary = vocabulary
        self.rules: list[Rule] = [Rule("guard.yaml", 0, "guard", "", "")]
        self.plans: dict[str, Plan] = {}
        self.used_tables: set[str] = set()
        self.guards: dict[str, Guard] = (
            read_guards(library.files["guard.yaml"], "guard.yaml") if "guard.yaml" in library.files else {}
        )
        self.emit: Callable[[Plan, Node, Run, frozenset[str] | None], Resource | None] = _nothing
        self.dispatch: Callable[[Node, Run], list[Resource]] = _none

    def plan(self, name: str, file: str = "", line: int = 0) -> Plan:
        """The compiled map of this name. Raises MapError."""
        found = self.plans.get(name)
        if found is not None:
            return found
        path = self.library.maps.get(name)
        if path is None:
            raise MapError(file, line, f"there is no map {name}")
        parsed = map_file(self.library.files[path], path, name)
        kind, home = _home(parsed)
        resource = not home[1] and definitions().is_resource(home[0])
        plan = Plan(len(self.plans), parsed, home[0] if resource else "", home, kind)
        self.plans[name] = plan
        self._fill(plan)
        plan.ready = True
        return plan

    def _fill(self, plan: Plan) -> None:
        parsed = plan.map
        for when, name, line in parsed.choose:
            test = self.predicate(when, parsed.file, line) if when else None
            plan.choices.append((test, self.plan(name, parsed.file, line)))
        plan.key = [self.source(path, parsed.file, parsed.line, frozenset({"*", "negated"})) for path in parsed.key]
        plan.excused = [
            (self.source(path, parsed.file, line, frozenset({"*", "negated"})), reason)
            for path, reason, line in parsed.excused
        ]
        if parsed.guard:
            plan.guard = self.guards.get(parsed.guard)
            if plan.guard is None:
                raise MapError(parsed.file, parsed.line, f"there is no guard {parsed.guard}")
            for cell in plan.guard.cells:
                plan.sets[id(cell.verdict)] = self._sets(plan, cell.verdict)
        late: list[RunRow] = []
        for row in self.rows_of(parsed):
            if row.absent and not row.source and row.value is None and not row.link:
                late.append(self._when(row, self._absent_row(row, plan)))
            else:
                plan.rows.append(self._row(row, plan))
        plan.rows += late
        if not plan.kind:
            children = definitions().children(plan.home)
            seen = set()
            for element in children.values():
                label = element.choice or element.name
                if element.min and label not in seen:
                    seen.add(label)
                    plan.required.append(names_of(plan.home, element))
            if parsed.needs:
                needed = [self._steps(plan, name, parsed.file, parsed.line)[0].name for name in parsed.needs]
                plan.required.append(tuple(needed))

    def rows_of(self, parsed: MapFile, depth: int = 0) -> list[Row]:
        """Its own rows, then those of the maps that it includes."""
        rows = list(parsed.rows)
        if depth > _INCLUDES:
            raise MapError(parsed.file, parsed.line, "includes itself")
        for name in parsed.include:
            path = self.library.maps.get(name)
            if path is None:
                raise MapError(parsed.file, parsed.line, f"there is no map {name}")
            rows += self.rows_of(map_file(self.library.files[path], path, name), depth + 1)
        return rows

    def source(self, text: str, file: str, line: int, acts: frozenset[str]) -> Source:
        try:
            found = compile_path(text, acts)
        except PathError as error:
            raise MapError(file, line, str(error)) from error
        for name in sorted(found.names - self.vocabulary.elements):
            raise MapError(file, line, f"there is no element {name} in CDA")
        for name in sorted(found.attributes - self.vocabulary.attributes):
            raise MapError(file, line, f"there is no attribute {name} in CDA")
        return found

    def predicate(self, text: str, file: str, line: int) -> Predicate:
        try:
            return compile_predicate(text)
        except PathError as error:
            raise MapError(file, line, str(error)) from error

    def _sets(self, plan: Plan, verdict: Verdict) -> list[tuple[Put, Any]]:
        found = []
        for path, value in (verdict.sets or {}).items():
            elements = self._steps(plan, path, "guard.yaml", verdict.line)
            made = self._literal(value, elements[-1], "guard.yaml", verdict.line)
            found.append((compile_put(plan.home, elements), made))
        return found

    def _steps(self, plan: Plan, path: str, file: str, line: int) -> tuple[Element, ...]:
        try:
            return steps(plan.home, path)
        except UnknownElement as error:
            raise MapError(file, line, str(error)) from error

    def _literal(self, value: Any, element: Element, file: str, line: int) -> Any:
        try:
            return literal(value, element)
        except ValueError as error:
            raise MapError(file, line, str(error)) from error

    def _rule(self, row: Row, plan: Plan) -> int:
        target = ".".join(part for part in (*plan.home, row.to) if part)
        self.rules.append(Rule(row.file, row.line, row.id, target, row.source))
        return len(self.rules) - 1

    # rows

    def _row(self, row: Row, plan: Plan) -> RunRow:
        if row.first:
            run = _first([self._row(each, plan) for each in row.first])
        elif row.value is not None:
            run = self._constant(row, plan)
        elif row.link:
            run = self._link(row, plan)
        else:
            run = self._sourced(row, plan)
        return self._when(row, run)

    def _when(self, row: Row, run: RunRow) -> RunRow:
        if not row.when:
            return run
        test = self.predicate(row.when, row.file, row.line)
        return lambda node, resource, body, trace: test(node) and run(node, resource, body, trace)

    def _constant(self, row: Row, plan: Plan) -> RunRow:
        elements = self._steps(plan, row.to, row.file, row.line)
        value = self._literal(row.value, elements[-1], row.file, row.line)
        put = compile_put(plan.home, elements)
        also, reason = self._also(row), f"{row.file}: the row {row.id} says it"

        def constant(node: Node, resource: Resource, body: dict[str, Any], trace: Trace) -> bool:
            if put(body, _copy(value)):
                for source in also:
                    _excuse(resource.run, source, node, reason, deep=False)
            return False

        return constant

    def _link(self, row: Row, plan: Plan) -> RunRow:
        elements = self._steps(plan, row.to, row.file, row.line)
        if "Reference" not in elements[-1].types:
            raise MapError(row.file, row.line, f"{row.to} is no reference")
        put, label = compile_put(plan.home, elements), row.link

        def link(node: Node, resource: Resource, body: dict[str, Any], trace: Trace) -> bool:
            target = resource.run.labels.get(label)
            if target is not None and target is not resource:
                put(body, resource.run.reference(target, resource))
            return False

        return link

    def _absent_row(self, row: Row, plan: Plan) -> RunRow:
        elements = self._steps(plan, row.to, row.file, row.line)
        put = self._put_absent(elements, plan)
        names = names_of(plan.home, elements[0])
        code = row.absent

        def absent(node: Node, resource: Resource, body: dict[str, Any], trace: Trace) -> bool:
            if not any(name in body for name in names):
                put(body, code)
            return False

        return absent

    def _put_absent(self, elements: tuple[Element, ...], plan: Plan) -> Callable[[dict[str, Any], str], bool]:
        last = elements[-1]
        primitive = definitions().is_primitive(last.types[0])
        if primitive:
            inner = elements[-2].home if len(elements) > 1 else plan.home
            assert inner is not None
            elements = (*elements[:-1], *steps(inner, f"_{last.name}"))
        put = compile_put(plan.home, elements)

        def write(body: dict[str, Any], code: str) -> bool:
            return put(body, {"extension": [{"url": ABSENT, "valueCode": code}]})

        return write

    def _sourced(self, row: Row, plan: Plan) -> RunRow:
        source = self.source(row.source, row.file, row.line, row.acts)
        rule = self._rule(row, plan)
        also, reason = self._also(row), f"{row.file}: the row {row.id} says it"
        fetch = source.fetch
        if not row.to:
            return self._unplaced(row, source)
        elements = self._steps(plan, row.to, row.file, row.line)
        last = elements[-1]
        convert = self._convert(row, plan, rule, last, source)
        put = compile_put(plan.home, elements)
        absent = self._put_absent(elements, plan) if row.absent else None
        extra = self._set_rows(row, last)
        twin = self._twin(elements, plan)

        def run(node: Node, resource: Resource, body: dict[str, Any], trace: Trace) -> bool:
            wrote = False
            for place, attribute in fetch(node):
                start = len(trace)
                value = convert(place, attribute, resource, trace)
                if value is None:
                    if absent is not None and attribute is None and "nullFlavor" in place.attrs and not wrote:
                        wrote = absent(body, _reason(place))
                        trace.append((rule, MAPPED, place.attribute_leaf("nullFlavor")))
                    continue
                original = None
                if isinstance(value, Partly):
                    original = value.reason
                    value = value.value
                if extra is not None and isinstance(value, dict):
                    for name, constant in extra.items():
                        value.setdefault(name, _copy(constant))
                if not put(body, value):
                    undo(trace, start, CONFLICT)
                    continue
                if original is not None and twin is not None:
                    twin(body, {"extension": [{"url": ORIGINAL, "valueString": original}]})
                wrote = True
                if also and all(state <= EXCUSED for _, state, _ in trace[start:]):
                    for other in also:
                        _excuse(resource.run, other, node, reason, deep=False)
            return wrote

        return run

    def _also(self, row: Row) -> list[Source]:
        """What a row's value says, too: beside a translated code its system and name."""
        return [self.source(path, row.file, row.line, frozenset({"*", "negated"})) for path in row.also]

    def _unplaced(self, row: Row, source: Source) -> RunRow:
        """Resources that nothing here refers to."""
        fetch = source.fetch
        if row.statements:

            def statements(node: Node, resource: Resource, body: dict[str, Any], trace: Trace) -> bool:
                for place, _ in fetch(node):
                    self.dispatch(place, resource.run)
                return False

            return statements
        plan = self.plan(row.emit, row.file, row.line)

        def emit(node: Node, resource: Resource, body: dict[str, Any], trace: Trace) -> bool:
            for place, _ in fetch(node):
                self.emit(plan, place, resource.run, None)
            return False

        return emit

    def _twin(self, elements: tuple[Element, ...], plan: Plan) -> Put | None:
        last = elements[-1]
        if last.repeats or last.name.startswith("_") or not definitions().is_primitive(last.types[0]):
            return None
        inner = elements[-2].home if len(elements) > 1 else plan.home
        assert inner is not None
        name = f"_{last.name}"
        put = compile_put(plan.home, (*elements[:-1], *steps(inner, name)))
        return lambda body, value: put(body, value)

    def _set_rows(self, row: Row, element: Element) -> dict[str, Any] | None:
        if row.set is None:
            return None
        made = self._literal(row.set, element, row.file, row.line)
        return dict(made[0] if isinstance(made, list) else made)

    def _convert(self, row: Row, plan: Plan, rule: int, element: Element, source: Source) -> Convert:
        if row.emit:
            return self._emitting(row, element, rule)
        if row.statements:
            return self._stating(row, element)
        if len(element.types) != 1:
            raise MapError(row.file, row.line, f"{row.to} has several types: name one")
        if row.table:
            return self._table(row, element, rule, source)
        if row.as_ in self.library.maps:
            inner = self.plan(row.as_, row.file, row.line)
            self._fits(row, element, inner.kinds)
            return self._object(inner, rule)
        if row.as_ in self.functions:
            function = self.functions[row.as_]
            self._fits(row, element, frozenset(function.produces))
            return node_convert(function, rule)
        name = row.as_ or element.types[0]
        leaf = self.leaves.get(name)
        if leaf is None:
            raise MapError(row.file, row.line, f"there is no map or leaf function {name}")
        if leaf.arity != 1:
            raise MapError(row.file, row.line, f"the leaf function {name} reads more than one text")
        self._fits(row, element, frozenset(leaf.produces))
        return leaf_convert(leaf, rule, element)

    def _fits(self, row: Row, element: Element, produced: frozenset[str]) -> None:
        wanted = element.types[0]
        home = element.home
        if wanted in ("BackboneElement", "Element") and home is not None and home[1]:
            wanted = ".".join(home)
        ok = (
            wanted in produced
            or (wanted in _QUANTITIES and bool(produced & _QUANTITIES))
            or (wanted in _TEXTS and bool(produced & _TEXTS))
            or (wanted == "code" and "string" in produced and not row.as_)
        )
        if not ok:
            made = " or ".join(sorted(produced))
            raise MapError(row.file, row.line, f"{row.to} is a {wanted}, the row makes a {made}")

    def _table(self, row: Row, element: Element, rule: int, source: Source) -> Convert:
        table = self.library.table(row.table)
        if table is None:
            raise MapError(row.file, row.line, f"there is no table {row.table}")
        if not (source.last.startswith("@") or source.last == "text()"):
            raise MapError(row.file, row.line, "a table translates an attribute or a text")
        self.used_tables.add(row.table)
        allowed = element.binding.allowed if element.binding is not None else None
        if allowed is not None and not allowed.rules and element.types[0] == "code":
            for code, targets in table.rows.items():
                for target in targets:
                    if target.code not in allowed.codes:
                        text = f"{code} gives {target.code}, which {row.to} can't be: the binding is required"
                        raise MapError(table.file, target.line, text)
            if table.miss not in {"none", "error", "text"} | allowed.codes:
                raise MapError(table.file, table.miss_line, f"a miss gives what {row.to} can't be")
        return table_convert(table, rule, element)

    def _object(self, plan: Plan, rule: int) -> Convert:
        """A value by another map."""

        def convert(node: Node, attribute: str | None, resource: Resource, trace: Trace) -> Any:
            chosen = plan.choose(node)
            if chosen is None:
                return None
            body: dict[str, Any] = {}
            start = len(trace)
            wrote = False
            for row in chosen.rows:
                wrote = row(node, resource, body, trace) or wrote
            if not wrote:
                undo(trace, start)
                return None
            for names in chosen.required:
                if not any(name in body for name in names):
                    undo(trace, start, ASIDE)
                    text = f"a {chosen.type} is left out: its required element {names[0]} is missing"
                    resource.run.issue("error", "required", node, text, resource.kind)
                    return None
            wrong = last_of(chosen.type, body)
            if wrong:
                del body[wrong]
                high = node.child("high")  # where both ends come from
                fallen = set(high.leaves()) if high is not None else set()
                trace[start:] = [
                    (rule, INVALID if leaf in fallen else state, leaf) for rule, state, leaf in trace[start:]
                ]
                text = f"the {wrong} is before the beginning: it is left out"
                resource.run.issue("error", "business-rule", node, text, resource.kind)
            for source, reason in chosen.excused:
                _excuse(resource.run, source, node, f"{chosen.map.file}: {reason}")
            return body

        return convert

    def _emitting(self, row: Row, element: Element, rule: int) -> Convert:
        if "Reference" not in element.types:
            raise MapError(row.file, row.line, f"{row.to} is no reference")
        plan = self.plan(row.emit, row.file, row.line)
        allowed = frozenset(element.targets) or None
        if allowed is not None and not plan.kinds & allowed and "Resource" not in allowed:
            made = " or ".join(sorted(plan.kinds))
            raise MapError(row.file, row.line, f"{row.to} can't refer to a {made}")
        if allowed is not None and "Resource" in allowed:
            allowed = None

        def emit(node: Node, attribute: str | None, resource: Resource, trace: Trace) -> Any:
            made = self.emit(plan, node, resource.run, allowed)
            return None if made is None or made is resource else resource.run.reference(made, resource)

        return emit

    def _stating(self, row: Row, element: Element) -> Convert:
        if "Reference" not in element.types or not element.repeats:
            raise MapError(row.file, row.line, f"{row.to} is no list of references")
        allowed = frozenset(element.targets)

        def statements(node: Node, attribute: str | None, resource: Resource, trace: Trace) -> Any:
            made = [
                each
                for each in self.dispatch(node, resource.run)
                if not allowed or "Resource" in allowed or each.kind in allowed
            ]
            return [resource.run.reference(each, resource) for each in made] or None

        return statements


def _excuse(run: Run, source: Source, node: Node, reason: str, deep: bool = True) -> None:
    for place, attribute in source.fetch(node):
        if attribute:
            run.excused.setdefault(place.attribute_leaf(attribute), reason)
        else:
            for each in place.walk() if deep else (place,):
                for leaf in each.leaves():
                    run.excused.setdefault(leaf, reason)


def _first(rows: list[RunRow]) -> RunRow:
    def first(node: Node, resource: Resource, body: dict[str, Any], trace: Trace) -> bool:
        return any(row(node, resource, body, trace) for row in rows)

    return first


_REASONS = {
    "ASKU": "asked-unknown",
    "NASK": "not-asked",
    "NAV": "temp-unknown",
    "NA": "not-applicable",
    "MSK": "masked",
    "OTH": "unsupported",
    "TRC": "unsupported",
    "PINF": "positive-infinity",
    "NINF": "negative-infinity",
}


def _reason(node: Node) -> str:
    return _REASONS.get(node.attrs["nullFlavor"], "unknown")


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _copy(item) for name, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value


def _home(parsed: MapFile) -> tuple[str, tuple[str, str]]:
    """(type that the map makes, home of its elements)."""
    owner, _, inside = parsed.target.partition(".")
    known = definitions()
    if owner not in known.types:
        raise MapError(parsed.file, parsed.line, f"R4 has no type {owner}")
    if not inside:
        return owner, (owner, "")
    try:
        element = known.resolve(owner, inside)
    except UnknownElement as error:
        raise MapError(parsed.file, parsed.line, str(error)) from error
    if element.home is None or not element.home[1]:
        raise MapError(parsed.file, parsed.line, f"{parsed.target} has no elements of its own")
    return ".".join(element.home), element.home


def _nothing(plan: Plan, node: Node, run: Run, allowed: frozenset[str] | None) -> Resource | None:
    return None


def _none(node: Node, run: Run) -> list[Resource]:
    return []
