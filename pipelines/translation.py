"""The step `translate`: codings that a channel's plan names get their translation beside them (docs/terminology.md).

Works on registers as they are: a CodeableConcept keeps every coding of the sender and its text; the translated coding
stands directly after the one that it was made of. What isn't decided is said in an issue and noted for the worklist, and
nothing is written. Provenance names plan and packs by hash.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from adapters import fhir
from adapters.issue import Issue
from mappings import Change, Element, Mapped, hash_entity
from pipelines.errors import SettingsError
from terminology import (
    NO_CONTEXT,
    Age,
    Context,
    PlanError,
    RowTranslator,
    Shelf,
    TerminologyError,
    Translator,
    parse_plan,
)

__all__ = ["Translation", "translation"]

# why a code was left alone → FHIR issue type, what is said
_SAID = {
    "ambiguous": ("multiple-matches", "several codes are possible and nothing decides between them"),
    "approximate": ("business-rule", "the map's only code is approximate, and the plan takes exact ones"),
    "combination": ("business-rule", "only several codes together say the same"),
    "no-target": ("not-found", "the map has no target for this code"),
    "retired": ("business-rule", "the map's target is not a usable code in the edition at hand"),
    "unknown": ("not-found", "the map doesn't know this code"),
}

Rule = tuple[RowTranslator, tuple[str, ...]]
"""A row, and where its CodeableConcept lies inside the register's value."""


@dataclass(slots=True)
class _Said:
    """What one message's translation has to say besides."""

    issues: list[Issue] = field(default_factory=list)
    untranslated: dict[tuple[str, str, str, str], None] = field(default_factory=dict)
    lineage: list[str] = field(default_factory=list)


class Translation:
    """A plan at work. Raises PlanError when made if a row's element can't hold a translation."""

    def __init__(self, translator: Translator) -> None:
        self._plan = translator.plan
        self._rows: dict[str, list[RowTranslator]] = {}
        for row in translator.rows:
            type_, _, path = row.row.element.partition(".")
            _check(type_, path, f"{self._plan.file}:{row.row.line}")
            self._rows.setdefault(type_, []).append(row)
        self._rules: dict[tuple[str, str], list[Rule]] = {}  # type and register path → rules; a few hundred at most
        entities = [("translation plan", self._plan.hash), *translator.packs().items()]
        self._provenance = tuple(
            Element("entity", f"{number}-translation", [hash_entity(*entity)])
            for number, entity in enumerate(entities, 2)
        )

    def __call__(self, mapped: Mapped) -> Mapped:
        """The same message with translations. Pure: packs never change under it."""
        said = _Said()
        changes = tuple([self._change(change, mapped, said) for change in mapped.changes])
        return replace(
            mapped,
            changes=changes,
            issues=(*mapped.issues, *said.issues),
            untranslated=(*mapped.untranslated, *said.untranslated),
        )

    def explain(self, mapped: Mapped) -> list[str]:
        """`element <- coding it was made of <- row of the plan, pack`: a line for each coding written."""
        said = _Said()
        for change in mapped.changes:
            self._change(change, mapped, said)
        return said.lineage

    def _change(self, change: Change, mapped: Mapped, said: _Said) -> Change:
        if change.type == "Provenance":
            return replace(change, elements=(*change.elements, *self._provenance), encoded=None)
        if change.type not in self._rows:
            return change
        elements = [self._element(element, change, mapped, said) for element in change.elements]
        if all(now is before for now, before in zip(elements, change.elements, strict=True)):
            return change
        return replace(change, elements=tuple(elements), encoded=None)

    def _element(self, element: Element, change: Change, mapped: Mapped, said: _Said) -> Element:
        key = change.type, element.path
        rules = self._rules.get(key)
        if rules is None:
            rules = self._rules[key] = list(_rules(self._rows[change.type], element.path))
        if not rules or element.value is None:
            return element
        value: Any = element.value
        for row, inside in rules:
            context = _context(row, change, mapped) if row.needs_context else NO_CONTEXT
            value = _walk(value, inside, _Work(row, context, change, said))
        return element if value is element.value else element._replace(value=value)


def _check(type_: str, path: str, place: str) -> None:
    try:
        element = fhir.definitions().resolve(type_, path)
    except fhir.UnknownElement as error:
        raise PlanError(f"{place}: {error}") from error
    if element.types != ("CodeableConcept",):
        raise PlanError(f"{place}: {type_}.{path} is not a CodeableConcept, so nothing can stand beside the original")


def _rules(rows: list[RowTranslator], register: str) -> Iterator[Rule]:
    """The rows whose element lies in a register: `code`, `reaction`, or `value[x]` with the choice below it."""
    stem, _, choice = register.partition("[x]")
    for row in rows:
        path = row.row.element.split(".", 1)[1].split(".")
        steps = register.split(".")
        if not choice and stem == register and path[: len(steps)] == steps:
            yield row, tuple(path[len(steps) :])
        elif register.endswith("[x]"):
            *outer, last = stem.split(".")
            depth = len(outer)
            if path[:depth] == outer and len(path) > depth and path[depth].startswith(last) and path[depth] != last:
                yield row, tuple(path[depth:])


@dataclass(frozen=True, slots=True)
class _Work:
    """One row at one element of one resource."""

    row: RowTranslator
    context: Context
    change: Change
    said: _Said

    def concept(self, value: Mapping[str, Any]) -> Mapping[str, Any]:
        """A CodeableConcept with the translations of its codings. Whoever has one of the target system gets none."""
        plan = self.row.row
        codings = value.get("coding")
        if not isinstance(codings, list) or not any(each.get("system") == plan.source for each in codings):
            return value
        if any(each.get("system") == plan.target for each in codings):
            return value  # the sender's own translation, or that of a row before
        made: list[Any] = []
        for coding in codings:
            made.append(coding)
            if coding.get("system") == plan.source and isinstance(coding.get("code"), str):
                made += self._beside(coding["code"])
        return value if len(made) == len(codings) else {**value, "coding": made}

    def _beside(self, code: str) -> list[Mapping[str, str]]:
        plan = self.row.row
        found = self.row.translate(code, self.context)
        where = f"{plan.element.partition('.')[0]}.where(id='{self.change.id}').{plan.element.partition('.')[2]}"
        if found.coding is None or found.status == "combination":
            kind, why = _SAID[found.status]
            text = f"not translated to {plan.target}: {why}"
            if found.coding is not None:
                text = f"translated to {plan.target} by the first of several codes that belong together"
            self.said.issues.append(Issue("warning", kind, None, where, text))
            self.said.untranslated[plan.source, code, plan.target, found.status] = None
        elif found.decision.approximate:
            text = (
                f"translated to {plan.target}: the code is an approximation ({found.decision.targets[0].equivalence})"
            )
            self.said.issues.append(Issue("information", "informational", None, where, text))
        for note in (*found.decision.advice, *found.decision.notes) if found.coding is not None else ():
            self.said.issues.append(Issue("information", "informational", None, where, f"the map says: {note}"))
        if found.coding is None:
            return []
        pack = self.row.pack.manifest
        self.said.lineage.append(
            f"{self.change.type}/{self.change.id} {plan.element.partition('.')[2]}.coding[{plan.target}]"
            f" <- coding[{plan.source}] <- plan row {plan.id} (line {plan.line}), {pack.name} {pack.digest}"
        )
        return [found.coding]


def _walk(value: Any, inside: tuple[str, ...], work: _Work) -> Any:
    """The value with its CodeableConcepts translated; itself if nothing changes."""
    if isinstance(value, list):
        made = [_walk(each, inside, work) for each in value]
        return value if all(now is before for now, before in zip(made, value, strict=True)) else made
    if not isinstance(value, dict):
        return value
    if not inside:
        return work.concept(value)
    inner = value.get(inside[0])
    now = None if inner is None else _walk(inner, inside[1:], work)
    return value if now is inner else {**value, inside[0]: now}


def _context(row: RowTranslator, change: Change, mapped: Mapped) -> Context:
    """Sex and age at onset, as far as the message itself says them."""
    patient = next((each for each in mapped.changes if each.type == "Patient" and each.id == change.patient), None)
    if patient is None:
        return NO_CONTEXT
    about = {element.path: element.value for element in patient.elements if not element.slot}
    sex = about.get("gender") if row.row.sex == "administrative-gender" else None
    birth = about.get("birthDate")
    begun = next((element.value for element in change.elements if element.path in ("onset[x]", "onsetDateTime")), None)
    onset = begun.get("onsetDateTime") if isinstance(begun, dict) else begun
    age = Age.at_onset(birth, onset) if isinstance(birth, str) and isinstance(onset, str) else None
    return Context(sex=sex if isinstance(sex, str) else None, age=age)


@cache
def translation(plan: str, packs: Path | None) -> Translation | None:
    """A channel's plan over the packs of a data folder, once per process; None if there is no plan.

    Raises SettingsError: a plan that can't be followed, or a pack that can't be used, stops the start, not a message.
    """
    if not plan:
        return None
    try:
        return Translation(Translator(parse_plan(Path(plan).read_bytes(), Path(plan).name), Shelf(packs)))
    except OSError as error:
        raise SettingsError(f"translation: {plan}: {error.strerror or type(error).__name__}") from error
    except TerminologyError as error:
        raise SettingsError(f"translation: {error}") from error
