"""The step `translate`: codings that a channel's plan names get their translation beside them (docs/terminology.md).

Works on registers as they are: a CodeableConcept keeps every coding of the sender and its text; the translated coding
stands directly after the one that it was made of. What isn't decided is said in an issue and noted for the worklist,
and nothing is written. Provenance names plan and packs by hash.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from adapters import fhir
from adapters.issue import Issue
from mappings import Change, Element, Mapped, hash_entity
from pipelines.channels import Channel
from pipelines.errors import SettingsError
from terminology import (
    NO_CONTEXT,
    PACK_LIST,
    Age,
    Context,
    PlanError,
    RowTranslator,
    Shelf,
    TerminologyError,
    Translator,
    parse_plan,
)
from terminology import Translation as Answer

__all__ = ["Translation", "prove", "translation"]

# why a code was left alone → FHIR issue type, what is said
_SAID = {
    "ambiguous": ("multiple-matches", "several codes are possible and nothing decides between them"),
    "approximate": ("business-rule", "the map's only code is approximate, and the plan takes exact ones"),
    "combination": ("business-rule", "only several codes together say the same"),
    "no-target": ("not-found", "the map has no target for this code"),
    "retired": ("business-rule", "the map's target is not a usable code in the edition at hand"),
    "unknown": ("not-found", "the map doesn't know this code"),
}

Finding = tuple[str, str, str]
"""severity, FHIR issue type, text"""


class _Row:
    """A row of the plan at work, with all that doesn't depend on the resource made once."""

    __slots__ = ("_answers", "after", "before", "path", "row", "source", "target", "translate")

    def __init__(self, row: RowTranslator) -> None:
        plan = row.row
        type_, _, path = plan.element.partition(".")
        self.row = row
        self.path = tuple(path.split("."))
        self.source, self.target = plan.source, plan.target
        self.before, self.after = f"{type_}.where(id='", f"').{path}"
        self.translate = row.translate
        self._answers: dict[int, tuple[Answer, tuple[Finding, ...]]] = {}

    def findings(self, found: Answer) -> tuple[Finding, ...]:
        """What is to be said of an answer; answers are remembered, and so is this."""
        known = self._answers.get(id(found))
        if known is not None and known[0] is found:  # an id may come again once its answer was forgotten
            return known[1]
        if len(self._answers) > 4096:
            self._answers.clear()
        made = tuple(_findings(found, self.target))
        self._answers[id(found)] = found, made
        return made


def _findings(found: Answer, target: str) -> Iterator[Finding]:
    if found.coding is None:
        kind, why = _SAID[found.status]
        yield "warning", kind, f"not translated to {target}: {why}"
        return
    if found.status == "combination":
        text = f"translated to {target} by the first of several codes that belong together"
        yield "warning", _SAID[found.status][0], text
    elif found.decision.approximate:
        text = f"translated to {target}, approximately ({found.decision.targets[0].equivalence})"
        yield "information", "informational", text
    for note in (*found.decision.advice, *found.decision.notes):
        yield "information", "informational", f"the map says: {note}"


Rule = tuple[_Row, tuple[str, ...]]
"""A row, and where its CodeableConcept lies inside the register's value."""


class _Said:
    """What one message's translation has to say besides. `lineage`: None if nobody asked."""

    __slots__ = ("issues", "lineage", "untranslated")

    def __init__(self, lineage: list[str] | None = None) -> None:
        self.issues: list[Issue] = []
        self.untranslated: dict[tuple[str, str, str, str], None] = {}
        self.lineage = lineage


class Translation:
    """A plan at work. Raises PlanError when made if a row's element can't hold a translation."""

    def __init__(self, translator: Translator) -> None:
        plan = translator.plan
        self._rows: dict[str, list[_Row]] = {}
        for row in translator.rows:
            type_, _, path = row.row.element.partition(".")
            _check(type_, path, f"{plan.file}:{row.row.line}")
            self._rows.setdefault(type_, []).append(_Row(row))
        self._rules: dict[str, dict[str, list[Rule]]] = {type_: {} for type_ in self._rows}  # type → register → rules
        entities = [("translation plan", plan.hash), *translator.packs().items()]
        self._provenance = tuple(
            Element("entity", f"{number}-translation", [hash_entity(*each)]) for number, each in enumerate(entities, 2)
        )

    def __call__(self, mapped: Mapped) -> Mapped:
        """The same message with translations. Pure: packs never change under it."""
        said = _Said()
        changes = [self._change(change, mapped, said) for change in mapped.changes]
        for place in range(len(changes) - 1, -1, -1):
            if changes[place].type == "Provenance":  # the last one is ours (commands.md); a sender's stays as it is
                changes[place] = self._named(changes[place])
                break
        return replace(
            mapped,
            changes=tuple(changes),
            issues=(*mapped.issues, *said.issues),
            untranslated=(*mapped.untranslated, *said.untranslated),
        )

    def explain(self, mapped: Mapped) -> list[str]:
        """`element <- coding it was made of <- row of the plan, pack`: a line for each coding written."""
        lineage: list[str] = []
        said = _Said(lineage)
        for change in mapped.changes:
            self._change(change, mapped, said)
        return lineage

    def _change(self, change: Change, mapped: Mapped, said: _Said) -> Change:
        rules = self._rules.get(change.type)
        if rules is None:
            return change
        elements: list[Element] | None = None
        for place, element in enumerate(change.elements):
            found = rules.get(element.path)
            if found is None:
                found = rules[element.path] = list(_rules(self._rows[change.type], element.path))
            if not found or element.value is None:
                continue
            value = self._value(element.value, found, change, mapped, said)
            if value is not element.value:
                elements = list(change.elements) if elements is None else elements
                elements[place] = Element(element.path, element.slot, value, element.rank)
        return change if elements is None else Change(change.type, change.id, change.patient, tuple(elements))

    def _named(self, provenance: Change) -> Change:
        """Our Provenance with plan and packs."""
        elements = (*provenance.elements, *self._provenance)
        return Change(provenance.type, provenance.id, provenance.patient, elements)

    def _value(self, value: Any, rules: list[Rule], change: Change, mapped: Mapped, said: _Said) -> Any:
        for row, inside in rules:
            context = _context(row.row, change, mapped) if row.row.needs_context else NO_CONTEXT
            value = _walk(value, inside, row, context, change, said)
        return value


def _check(type_: str, path: str, place: str) -> None:
    try:
        element = fhir.definitions().resolve(type_, path)
    except fhir.UnknownElement as error:
        raise PlanError(f"{place}: {error}") from error
    if element.types != ("CodeableConcept",):
        raise PlanError(f"{place}: {type_}.{path} is not a CodeableConcept, so nothing can stand beside the original")


def _rules(rows: list[_Row], register: str) -> Iterator[Rule]:
    """The rows whose element lies in a register: `code`, `reaction`, or `value[x]` with the choice below it."""
    steps = register.removesuffix("[x]").split(".")
    depth = len(steps)
    for row in rows:
        path = row.path
        if not register.endswith("[x]"):
            if list(path[:depth]) == steps:
                yield row, path[depth:]
        elif list(path[: depth - 1]) == steps[:-1] and len(path) >= depth and _chooses(path[depth - 1], steps[-1]):
            yield row, path[depth - 1 :]


def _chooses(name: str, stem: str) -> bool:
    """`valueCodeableConcept` of `value`."""
    return name.startswith(stem) and name[len(stem) : len(stem) + 1].isupper()


def _walk(value: Any, inside: tuple[str, ...], row: _Row, context: Context, change: Change, said: _Said) -> Any:
    """The value with its CodeableConcepts translated; itself if nothing changes."""
    if isinstance(value, list):
        made = [_walk(each, inside, row, context, change, said) for each in value]
        return value if all(now is before for now, before in zip(made, value, strict=True)) else made
    if not isinstance(value, dict):
        return value
    if not inside:
        return _concept(value, row, context, change, said)
    inner = value.get(inside[0])
    now = None if inner is None else _walk(inner, inside[1:], row, context, change, said)
    return value if now is inner else {**value, inside[0]: now}


def _concept(value: dict[str, Any], row: _Row, context: Context, change: Change, said: _Said) -> dict[str, Any]:
    """A CodeableConcept with the translations of its codings. Whoever has one of the target system gets none."""
    codings = value.get("coding")
    if not isinstance(codings, list):
        return value
    systems = [each.get("system") for each in codings]
    if row.source not in systems or row.target in systems:
        return value  # nothing to do; or the sender's own translation, or that of a row before
    made: list[Any] = []
    for coding in codings:
        made.append(coding)
        code = coding.get("code")
        if coding.get("system") != row.source or not isinstance(code, str):
            continue
        found = row.translate(code, context)
        for severity, kind, text in row.findings(found):
            said.issues.append(Issue(severity, kind, None, row.before + change.id + row.after, text))
        if found.status != "translated":
            said.untranslated[row.source, code, row.target, found.status] = None
        if found.coding is not None:
            made.append(found.coding)
            if said.lineage is not None:
                said.lineage.append(_lineage(row, change))
    return value if len(made) == len(codings) else {**value, "coding": made}


def _lineage(row: _Row, change: Change) -> str:
    plan, pack = row.row.row, row.row.pack.manifest
    return (
        f"{change.type}/{change.id} {'.'.join(row.path)}.coding[{row.target}] <- coding[{row.source}]"
        f" <- plan row {plan.id} (line {plan.line}), {pack.name} {pack.digest}"
    )


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


def prove(channels: Iterable[Channel], packs: Path | None) -> None:
    """Make every channel's translation now: what is wrong is one plain error, not a dead letter per message."""
    for channel in channels:
        translation(channel.translation, packs)


def translation(plan: str, packs: Path | None) -> Translation | None:
    """A channel's plan over the packs of a data folder, as both are now; None if there is no plan.

    Raises SettingsError: a plan that can't be followed, or a pack that can't be used, stops the start, not a message.
    """
    if not plan:
        return None
    try:
        listed = packs / PACK_LIST if packs is not None else None
        listing = listed.read_bytes() if listed is not None and listed.exists() else b""
        return _made(Path(plan).name, Path(plan).read_bytes(), packs, listing)
    except OSError as error:
        raise SettingsError(f"translation: {plan}: {error.strerror or type(error).__name__}") from error
    except TerminologyError as error:
        raise SettingsError(f"translation: {error}") from error


@lru_cache(maxsize=16)
def _made(name: str, plan: bytes, packs: Path | None, listing: bytes) -> Translation:
    """Once per process for each plan and each state of the packs."""
    return Translation(Translator(parse_plan(plan, name), Shelf(packs)))
