"""Structure check of FHIR R4 resources (json.html, conformance-rules.html): compiled from the definitions.

For each place (a type or a backbone element) one closure is made on first use: a table from JSON name to what
the member must be. It checks names, types, cardinality, primitives with their `_siblings`, choices, required
codes, reference forms and targets; at level `full` each closure also has what its place demands besides: constraints,
known codes, units, narratives, and the profiles that a resource claims.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from adapters.fhir import narrative
from adapters.fhir.coded import CODED, QUANTITIES, After, Test, allowed_codes, check_known, check_unit, code_test
from adapters.fhir.constraints import Constraints
from adapters.fhir.contained import check_contained
from adapters.fhir.definitions import Definitions, Element, Home
from adapters.fhir.findings import CodeLookup, Path, Run, Units, shown
from adapters.fhir.primitives import PRIMITIVES, is_string
from adapters.fhir.profiles import Profiles
from adapters.fhir.references import check_reference

Check: TypeAlias = Callable[[Any, Path, Run], "bool | None"]
"""Checks a value at a path. True asks the owner to compare an array with its `_sibling`."""


@dataclass(frozen=True, slots=True)
class _Member:
    """What one JSON member must be: `test` for a lone primitive, else `check`."""

    test: Test | None
    check: Check | None
    step: str
    wanted: str
    code: str


@dataclass(frozen=True, slots=True)
class _Choice:
    """A choice element: JSON name (with and without '_') -> type; at most one type may be said."""

    step: str
    names: Mapping[str, str]
    required: bool


@dataclass(frozen=True, slots=True)
class _Plan:
    members: Mapping[str, tuple[Test | None, Any, str, _Member]]
    required: tuple[tuple[str, str], ...]
    choices: tuple[tuple[_Choice, frozenset[str]], ...]
    arrays: tuple[str, ...]


class Compiler:
    """Makes and keeps the closures of one level."""

    def __init__(self, table: Definitions, full: bool) -> None:
        self._table = table
        self._full = full
        self._resources: dict[str, Check] = {}
        self._objects: dict[Home, Check] = {}
        self._constraints = Constraints(table)
        self._profiles = Profiles(table, self._constraints)

    def run(self, resource: object, units: Units | None, codes: CodeLookup | None) -> Run:
        """The findings of one resource, and the references met on the way."""
        gathered = Run(self._table, units, codes)
        name = resource.get("resourceType") if isinstance(resource, dict) else None
        known = isinstance(name, str) and name in self._table.resources
        self.resource(resource, (None, str(name) if known else "Resource"), gathered)
        return gathered

    def resource(self, value: object, path: Path, run: Run) -> None:
        """A resource that is its own container: at the root or in a Bundle entry."""
        outer, run.local = run.local, []
        self._any_resource(value, path, run)
        if run.local or (isinstance(value, dict) and "contained" in value):
            check_contained(value, path, run, self._full)
        run.local = outer

    def _any_resource(self, value: object, path: Path, run: Run) -> None:
        if type(value) is not dict:
            run.error("structure", path, "an object with a resourceType is expected")
            return
        name = value.get("resourceType")
        check = self._resources.get(name) if type(name) is str else None
        if check is None:
            if type(name) is not str or name not in self._table.resources:
                run.error("structure", path, "resourceType is missing or not a resource of R4")
                return
            check = self._resources[name] = self._object((name, ""), self._after((name, "")))
        outer, run.resource = run.resource, value
        check(value, path, run)
        run.resource = outer

    def _contained(self, value: object, path: Path, run: Run) -> None:
        self._any_resource(value, path, run)

    def _after(self, home: Home) -> tuple[After, ...]:
        """What is looked at once an object's members are."""
        if not self._full:
            return ()
        found = self._constraints.of_home(home)
        if home == ("Extension", ""):
            return (*found, self._profiles.check_extension)
        if home == ("Coding", ""):
            return (*found, check_known)
        if home[0] in QUANTITIES:
            return (*found, check_unit, check_known)
        if not home[1] and self._table.is_resource(home[0]):
            return (*found, self._profiles.check_claimed)
        return found

    def _object(self, home: Home, after: tuple[After, ...]) -> Check:
        """The check of an object at `home`. The plan is made on first use, for types nest in each other."""
        plan: _Plan | None = None

        def check(value: Any, path: Path, run: Run) -> None:
            nonlocal plan
            if plan is None:
                plan = self._plan(home)
            if type(value) is not dict:
                run.error("structure", path, "an object is expected")
                return
            pair = False
            members = plan.members
            for name, inner in value.items():
                member = members.get(name)
                if member is None:
                    run.error("structure", (path, f".{shown(name)}"), "no such element in R4")
                    continue
                test, inner_check, step, more = member
                if test is None:
                    if inner_check(inner, (path, step), run):
                        pair = True
                elif not test(inner):
                    _unfit(inner, (path, step), run, more)
            for name, sibling in plan.required:
                if name not in value and sibling not in value:
                    run.error("required", (path, f".{name}"), "a required element is missing")
            for choice, names in plan.choices:
                said = names & value.keys()
                if len(said) != 1:
                    _check_choice(choice, said, path, run)
            if pair:
                _check_siblings(value, path, run, plan.arrays)
            if not value or (len(value) == 1 and "id" in value):
                run.error("invariant", path, "ele-1: an element has a value or children")
            for rule in after:
                rule(value, path, run)

        return check

    def _plan(self, home: Home) -> _Plan:
        elements = self._table.children(home)
        members: dict[str, _Member] = {}
        required: list[tuple[str, str]] = []
        choices: dict[str, dict[str, str]] = {}
        arrays: list[str] = []
        if self._table.is_resource(home[0]) and not home[1]:
            members["resourceType"] = _Member(lambda _: True, None, ".resourceType", "code", "value")
        for name, element in elements.items():
            if name.endswith("[x]"):
                choices.setdefault(name, {})
                continue
            step = f".{element.choice[:-3] or name}" if element.choice else f".{name}"
            members[name] = self._member(element, step)
            primitive = self._table.is_primitive(element.types[0])
            if primitive:
                members[f"_{name}"] = self._sibling(element, step)
                if element.repeats:
                    arrays.append(name)
            if element.choice:
                named = choices.setdefault(element.choice, {})
                named[name] = named[f"_{name}"] = element.types[0]
            elif element.min:
                required.append((name, f"_{name}" if primitive else name))
        return _Plan(
            members={name: (found.test, found.check, found.step, found) for name, found in members.items()},
            required=tuple(required),
            choices=tuple(
                (_Choice(f".{name[:-3]}", names, elements[name].min > 0), frozenset(names))
                for name, names in choices.items()
                if elements[name].min > 0 or len(names) > 2
            ),
            arrays=tuple(arrays),
        )

    def _member(self, element: Element, step: str) -> _Member:
        wanted = element.types[0]
        test = self._test(element)
        rules = self._constraints.of_element(element) if self._full else ()
        if test is not None and rules:
            return self._constrained(element, step, test, rules)
        if test is None:
            check = self._complex(element, rules)
            return _Member(None, _many(check, element) if element.repeats else check, step, wanted, "structure")
        code = "code-invalid" if allowed_codes(element) is not None else "value"
        if element.repeats:
            return _Member(None, _many_primitives(test, _Member(test, None, step, wanted, code)), step, wanted, code)
        return _Member(test, None, step, wanted, code)

    def _constrained(self, element: Element, step: str, test: Test, rules: tuple[After, ...]) -> _Member:
        """A primitive with constraints of its own."""
        code = "code-invalid" if allowed_codes(element) is not None else "value"
        member = _Member(test, None, step, element.types[0], code)

        def check(value: Any, path: Path, run: Run) -> None:
            if not test(value):
                _unfit(value, path, run, member)
                return
            for rule in rules:
                rule(value, path, run)

        return _Member(None, _many(check, element) if element.repeats else check, step, element.types[0], code)

    def _test(self, element: Element) -> Test | None:
        """The test of a primitive, with its required codes; None for what is not one."""
        wanted = element.types[0]
        if not self._table.is_primitive(wanted) or wanted == "xhtml":
            return None
        allowed = allowed_codes(element) if wanted == "code" else None
        return PRIMITIVES[wanted] if allowed is None else code_test(allowed)

    def _complex(self, element: Element, rules: tuple[After, ...]) -> Check:
        wanted = element.types[0]
        if wanted == "xhtml":
            return _check_narrative if self._full else _check_text
        if wanted == "Resource":
            return self._contained if element.name == "contained" else self.resource
        home = element.home
        if home is None:
            raise AssertionError(f"{element.owner}.{element.path} is neither primitive nor complex")
        after = self._after(home)
        allowed = allowed_codes(element)
        own = rules
        if wanted == "Reference":
            own = (*own, functools.partial(check_reference, element=element))
        elif allowed is not None and wanted in CODED:
            own = (*own, functools.partial(CODED[wanted], allowed=allowed))
        if own:
            return self._object(home, (*after, *own))
        if home not in self._objects:
            self._objects[home] = self._object(home, after)
        return self._objects[home]

    def _sibling(self, element: Element, step: str) -> _Member:
        home: Home = ("Element", "")
        check = self._objects.get(home)
        if check is None:
            check = self._objects[home] = self._object(home, ())
        if element.repeats:
            check = _many_siblings(check)
        return _Member(None, check, step, "Element", "structure")


def _many(check: Check, element: Element) -> Check:
    least, most = element.min, element.max

    def check_array(value: Any, path: Path, run: Run) -> None:
        if not _is_array(value, path, run):
            return
        if len(value) < least or (most and len(value) > most):
            run.error("structure", path, f"from {least} to {most or 'any number of'} repetitions are allowed")
        for place, item in enumerate(value):
            check(item, (path, place), run)

    return check_array


def _many_primitives(test: Test, member: _Member) -> Check:
    def check_array(value: Any, path: Path, run: Run) -> bool:
        if not _is_array(value, path, run):
            return False
        gaps = False
        for place, item in enumerate(value):
            if item is None:
                gaps = True
            elif not test(item):
                _unfit(item, (path, place), run, member)
        return gaps

    return check_array


def _many_siblings(check: Check) -> Check:
    def check_array(value: Any, path: Path, run: Run) -> bool:
        if not _is_array(value, path, run):
            return False
        for place, item in enumerate(value):
            if item is not None:
                check(item, (path, place), run)
        return True

    return check_array


def _is_array(value: object, path: Path, run: Run) -> bool:
    if type(value) is not list:
        run.error("structure", path, "an array is expected")
    elif not value:
        run.error("structure", path, "an array is never empty")
    else:
        return True
    return False


def _unfit(value: object, path: Path, run: Run, member: _Member) -> None:
    if value is None or isinstance(value, (list, dict)):
        kind = "null" if value is None else "an array" if isinstance(value, list) else "an object"
        run.error("structure", path, f"{kind} where a {member.wanted} is expected")
    elif member.code == "code-invalid":
        run.error("code-invalid", path, "not a code of the required value set")
    else:
        run.error("value", path, f"not a lawful {member.wanted}")


def _check_choice(choice: _Choice, said: frozenset[str], path: Path, run: Run) -> None:
    if not said and choice.required:
        run.error("required", (path, choice.step), "a required element is missing")
    elif len({choice.names[name] for name in said}) > 1:
        run.error("structure", (path, choice.step), "more than one type of a choice")


def _check_siblings(value: dict[str, Any], path: Path, run: Run, arrays: tuple[str, ...]) -> None:
    """json.html#primitive: values and `_siblings` are arrays of the same length; null only where the other speaks."""
    for name in arrays:
        texts, siblings = value.get(name), value.get(f"_{name}")
        if name in value and type(texts) is not list:
            continue  # named already
        if type(siblings) is list and type(texts) is list and len(texts) != len(siblings):
            run.error("structure", (path, f".{name}"), "the array and its _sibling differ in length")
            continue
        size = max((len(array) for array in (texts, siblings) if type(array) is list), default=0)
        for place in range(size):
            silent = [type(array) is not list or array[place] is None for array in (texts, siblings)]
            if all(silent):
                run.error("structure", ((path, f".{name}"), place), "null without a _sibling")


def _check_text(value: Any, path: Path, run: Run) -> None:
    if not is_string(value):
        run.error("value", path, "not a lawful xhtml")


def _check_narrative(value: Any, path: Path, run: Run) -> None:
    reason = narrative.fault(value)
    if reason is not None:
        run.error("structure", path, reason)
