"""Taking out of a resource what can't stand: a bad field costs that field, not the record.

Nothing is invented: an element falls and is listed, or its absence gets a reason (the data-absent-reason extension, or
the code for "unknown" of its value set). Elements that change each other's meaning fall together (FELLS, TOGETHER).
What would say something else, or of someone else, without a fallen element (DECISIVE) falls as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, TypeAlias

from adapters.fhir.coded import QUANTITIES
from adapters.fhir.definitions import Definitions, Element, Home, definitions
from adapters.fhir.findings import Finding
from adapters.fhir.meaning import ABOUT, CONTRADICTED, DECISIVE, ENDED, FELLS, SITES, TOGETHER
from adapters.fhir.places import Place, find

Resource: TypeAlias = "dict[str, Any]"
Validate: TypeAlias = "Callable[[Resource], list[Finding]]"

ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
_REASONS = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
_ROUNDS = 16


@dataclass(frozen=True, slots=True)
class Removed:
    """One thing taken out: where it stood, the finding's text, and what stands there now.

    `left`: '' nothing, 'absent' a data-absent-reason, 'unknown' the code for unknown, 'text' words without the code.
    """

    expression: str
    cause: str
    left: str


@dataclass(frozen=True, slots=True)
class Repaired:
    """`resource` is None if it can't stand. `findings`: warnings about one that stands, else what made it fall."""

    resource: Resource | None
    removed: tuple[Removed, ...]
    findings: tuple[Finding, ...]


def repair(
    resource: Resource, findings: Iterable[Finding], validate: Validate, *, table: Definitions | None = None
) -> Repaired:
    """A resource without what its errors name. Pure: `resource` itself stays as it is.

    `findings`: those of `validate(resource)`, which is asked again after each round, so that the result is valid at the
    level and with the look-ups of `validate`. References to a resource that falls are the caller's to turn into
    identifier and display.
    """
    found = list(findings)
    if not _errors(found):
        return Repaired(resource, (), tuple(found))
    work = _Work(deepcopy(resource), definitions() if table is None else table)
    for _ in range(_ROUNDS):
        before = len(work.removed)
        try:
            work.round(_errors(found))
        except _Falls as fall:
            return Repaired(None, tuple(work.removed), (fall.finding,))
        if len(work.removed) == before:
            break
        found = validate(work.resource)
        if not _errors(found):
            return Repaired(work.resource, tuple(work.removed), tuple(found))
    return Repaired(None, tuple(work.removed), tuple(_errors(found)))


def _errors(findings: Iterable[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.severity in {"error", "fatal"}]


class _Falls(Exception):
    """The resource can't stand."""

    def __init__(self, finding: Finding) -> None:
        self.finding = finding


class _Work:
    """One resource under repair."""

    def __init__(self, resource: Resource, table: Definitions) -> None:
        self.resource = resource
        self.removed: list[Removed] = []
        self._table = table

    def round(self, errors: list[Finding]) -> None:
        """Every error once. Items of arrays are blanked and swept after, so that the places of all errors stay true."""
        for finding in errors:
            if finding.profile:
                self._unclaim(finding)
                continue
            key = finding.text.partition(":")[0]
            expression = finding.expression
            contradicted = finding.code == "invariant" and key in CONTRADICTED
            if contradicted:
                expression = f"{expression}.{CONTRADICTED[key]}"
            place = find(self.resource, expression, self._table)
            if place is None:
                raise _Falls(finding)
            if place.expression != expression or place.value is _SWEPT:
                continue  # it fell in this round with something else
            if contradicted:
                self._remove(place, finding)
            elif place.exists or finding.code == "required":
                self._fell(place, finding)
        _sweep(self.resource)

    def _unclaim(self, finding: Finding) -> None:
        """A profile that is not met is not claimed."""
        place = find(self.resource, finding.expression, self._table)
        holders = [self.resource]
        while place is not None:
            if isinstance(place.value, dict) and "resourceType" in place.value:
                holders.insert(0, place.value)
            place = place.up
        for holder in holders:
            meta = holder.get("meta")
            claimed = meta.get("profile") if isinstance(meta, dict) else None
            if isinstance(claimed, list) and finding.profile in claimed:
                claimed[claimed.index(finding.profile)] = _SWEPT
                self._list(f"{finding.expression.partition('.')[0]}.meta.profile", finding, "")
                return

    def _list(self, expression: str, finding: Finding, left: str) -> None:
        self.removed.append(Removed(expression, finding.text, left))

    def _owner(self, place: Place) -> Any:
        """The object that an element belongs to, also of an item of its array."""
        return self.resource if place.up is None else place.up.value

    def _fell(self, place: Place, finding: Finding) -> None:
        """Take out the element at a place, or what it stands in if that can't do without it."""
        kind = place.home[0] if place.home is not None and not place.home[1] else ""
        if kind and self._table.is_resource(kind):
            self._of_resource(place, finding)
            return
        if kind in QUANTITIES and place.name in {"code", "system", "unit"} and self._unit(place, finding):
            return
        if kind == "Reference" and place.name in _REFERENCE:
            if not self._reference(place, finding) and place.up is not None:
                self._fell(place.up, finding)
            return
        element = place.element
        needed = element is not None and element.min > 0 and not self._spare(place)
        complex_ = element is not None and element.home is not None
        whole = place.name in FELLS.get(kind, ()) or (complex_ and needed and not self._needed(place.up))
        if place.up is not None and (whole or place.name == "modifierExtension"):
            self._fell(place.up, finding)
        elif element is not None and (needed or (element.is_modifier and element.home is None)):
            self._absent(place, element, finding)
        else:
            self._remove(place, finding)

    def _of_resource(self, place: Place, finding: Finding) -> None:
        """A member of the resource itself, or of a contained one."""
        element = place.element
        about = place.name in ABOUT and element is not None and not element.repeats
        if about and self._words(place, finding):
            return
        if about or place.name in DECISIVE:
            if place.up is None:
                raise _Falls(finding)
            self._fell(place.up, finding)
            return
        needed = element is not None and element.min > 0 and not self._spare(place)
        marks = element is not None and (place.name in ENDED or (element.is_modifier and element.home is None))
        if element is not None and (needed or marks):
            self._absent(place, element, finding)
        else:
            self._remove(place, finding)

    def _needed(self, place: Place | None) -> bool:
        """Whether the object that an element stands in is itself the only one of a required element."""
        return place is not None and place.element is not None and place.element.min > 0 and not self._spare(place)

    def _spare(self, place: Place) -> bool:
        """Whether other items of the list remain."""
        return isinstance(place.key, int) and sum(each is not _SWEPT and each is not None for each in place.holder) > 1

    def _unit(self, place: Place, finding: Finding) -> bool:
        """A unit that is no code is still words: `mg/dLx` stands as unit without system and code."""
        quantity = place.holder
        unit, code = quantity.get("unit"), quantity.get("code")
        words = unit if _is_words(unit) else code if _is_words(code) else None
        if words is None:
            return False
        if place.name == "unit" and _is_words(code):
            quantity.pop("unit", None)
        else:
            for name in ("system", "code", "_system", "_code"):
                quantity.pop(name, None)
            quantity["unit"] = words
        self._list(place.expression, finding, "text")
        return True

    def _reference(self, place: Place, finding: Finding) -> bool:
        """A reference that leads nowhere may still name what it meant."""
        reference = place.holder
        for name in ("reference", "type") if place.name in {"reference", "type"} else (place.name,):
            reference.pop(name, None)
            reference.pop(f"_{name}", None)
        owner = place.up
        decisive = owner is not None and owner.name in DECISIVE
        if "identifier" in reference or "reference" in reference or ("display" in reference and not decisive):
            self._list(place.expression, finding, "text")
            return True
        return False

    def _words(self, place: Place, finding: Finding) -> bool:
        """What a concept says in words, without its codes."""
        concept = place.value
        if not isinstance(concept, dict):
            return False
        codings = concept.get("coding")
        displays = (
            [each.get("display") for each in codings if isinstance(each, dict)] if isinstance(codings, list) else []
        )
        words = next((each for each in (concept.get("text"), *displays) if _is_words(each)), None)
        if words is None or concept == {"text": words}:
            return False
        place.holder[place.key] = {"text": words}
        self._list(place.expression, finding, "text")
        return True

    def _absent(self, place: Place, element: Element, finding: Finding) -> None:
        """Say that an element is not known: by its value set's own code, else by the extension."""
        owner = self._owner(place)
        if not isinstance(owner, dict):
            raise _Falls(finding)
        name = element.name if not element.name.endswith("[x]") else self._first(element)
        primitive = element.home is None and not element.name.endswith("[x]")
        self._drop(owner, element)
        allowed = element.binding.allowed if element.binding is not None else None
        if primitive and element.types[0] == "code" and allowed is not None and "unknown" in allowed.codes:
            owner[name] = ["unknown"] if element.repeats else "unknown"
            self._list(place.expression, finding, "unknown")
            return
        reason: Any = {"extension": [{"url": ABSENT, "valueCode": "unknown"}]}
        owner[f"_{name}" if primitive else name] = [reason] if element.repeats else reason
        self._list(place.expression, finding, "absent")

    def _first(self, element: Element) -> str:
        """The first complex type of a choice, so that the reason has an object to stand in."""
        home = (element.owner, element.path.rpartition(".")[0])
        chosen = [each for each in self._table.children(home).values() if each.choice == element.choice != each.name]
        return next((each.name for each in chosen if each.home is not None), chosen[0].name)

    def _remove(self, place: Place, finding: Finding) -> None:
        """Take it out, and what falls with it."""
        owner = self._owner(place)
        if not isinstance(owner, dict):
            raise _Falls(finding)
        left = ""
        where = ".".join(each for each in place.home or () if each)
        group = next((each for each in TOGETHER.get(where, ()) if place.name in each), None)
        if group is not None:
            for name in [name for name in owner if _is_of(name, group)]:
                del owner[name]
            left = "text" if "text" in owner else ""
        elif isinstance(place.key, int) and place.name not in SITES:
            left = self._keep_words(place)
            place.holder[place.key] = _SWEPT
            beside = owner.get(place.name if place.holder is not owner.get(place.name) else f"_{place.name}")
            if isinstance(beside, list) and place.key < len(beside):
                beside[place.key] = _SWEPT
        else:
            self._drop(owner, place.element if place.element is not None else str(place.key))
        if place.up is not None and not _says(owner):
            self._fell(place.up, finding)
            return
        self._list(place.expression, finding, left)
        if place.name == "value" and place.home in _MEASURED and "dataAbsentReason" not in owner:
            owner["dataAbsentReason"] = {"coding": [{"system": _REASONS, "code": "error"}]}

    def _keep_words(self, place: Place) -> str:
        """A Coding that falls leaves its display as the concept's text, if that has none."""
        if place.home != ("CodeableConcept", "") or place.name != "coding" or place.up is None:
            return ""
        concept, coding = place.up.value, place.value
        display = coding.get("display") if isinstance(coding, dict) else None
        if not isinstance(concept, dict) or "text" in concept or not _is_words(display):
            return ""
        concept["text"] = display
        return "text"

    def _drop(self, owner: Any, element: Element | str) -> None:
        """A member and what extends it; of a choice all its types, for they contradict each other."""
        names = [element] if isinstance(element, str) else [element.name]
        if isinstance(element, Element) and element.choice:
            siblings = self._table.children((element.owner, element.path.rpartition(".")[0]))
            names = [each.name for each in siblings.values() if each.choice == element.choice]
        for name in names:
            owner.pop(name, None)
            owner.pop(f"_{name}", None)


_REFERENCE = frozenset({"reference", "type", "identifier", "display"})
_MEASURED: frozenset[Home | None] = frozenset({("Observation", ""), ("Observation", "component")})


class _Swept:
    """Stands where an item was, until the round is over."""

    def __deepcopy__(self, memo: object) -> _Swept:
        return self


_SWEPT: Any = _Swept()


def _is_of(name: str, group: frozenset[str]) -> bool:
    """Whether a JSON name is of a group of elements, one of the types of a choice too."""
    plain = name.removeprefix("_")
    return any(plain == each or (plain.startswith(each) and plain[len(each) :][:1].isupper()) for each in group)


def _says(owner: dict[str, Any]) -> bool:
    """Whether an object still holds something but its id."""
    return any(
        inner is not _SWEPT and not (isinstance(inner, list) and all(each is _SWEPT or each is None for each in inner))
        for name, inner in owner.items()
        if name != "id"
    )


def _is_words(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip()) and value.isprintable()


def _sweep(value: Any) -> bool:
    """Remove what was taken out and what it leaves empty; whether anything remains."""
    if isinstance(value, dict):
        for name in [name for name, inner in value.items() if inner is _SWEPT or not _sweep(inner)]:
            del value[name]
        return bool(value)
    if isinstance(value, list):
        kept = [item for item in value if item is not _SWEPT and (item is None or _sweep(item))]
        value[:] = kept
        return bool(kept)
    return True
