"""Translating codes after a plan. Pure: packs and plan are inputs, and the same code gives the same answer.

Packs are opened, and compared with their SHA-256, when the translator is made; answers are remembered per row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from terminology.decision import UNKNOWN, Decision, Target
from terminology.errors import PackMissing, PlanError
from terminology.fhir import conceptmap
from terminology.icd import gem
from terminology.lookup import Codes
from terminology.packs import Entry, Pack, Shelf
from terminology.plan import Plan, PlanRow
from terminology.rf2 import NO_CONTEXT, Context, extended, parse_rule
from terminology.systems import written

__all__ = ["MAPS", "RowTranslator", "Translation", "Translator"]

MAPS = ("gem", "extended-map", "concept-map")
REMEMBERED = 16384  # answers of one row
_ANCESTORS = 12  # steps up


@dataclass(frozen=True, slots=True)
class Translation:
    """What became of one code. `coding`: the FHIR Coding to set beside the original, None if nothing is to be said.

    `status`: of `decision.STATUSES`, or 'approximate' where the plan takes only exact ones.
    """

    status: str
    decision: Decision
    coding: Mapping[str, str] | None = None


class RowTranslator:
    """One row of a plan, with its packs. `translate(code, context)` is all that is called per coding."""

    def __init__(self, row: PlanRow, map_pack: Pack, source: Codes | None, target: Codes | None) -> None:
        self.row = row
        self.pack = map_pack
        self._source = source
        self._target = target
        self.needs_context = map_pack.manifest.kind == "extended-map"
        self._answer = lru_cache(maxsize=REMEMBERED)(self._work_out)
        self._map_rows = lru_cache(maxsize=REMEMBERED)(self._read_rows)
        self._ruled = lru_cache(maxsize=REMEMBERED)(self._has_rules)
        self._current = lru_cache(maxsize=REMEMBERED)(self._follow)

    def translate(self, code: str, context: Context = NO_CONTEXT) -> Translation:
        """The answer for one code."""
        if context is not NO_CONTEXT and not (self.needs_context and self._ruled(code)):
            context = NO_CONTEXT  # most codes have no rules: one answer for all patients
        return self._answer(code, context)

    def packs(self) -> Iterator[Pack]:
        """Everything that answers depend on."""
        yield self.pack
        yield from (codes.pack for codes in (self._source, self._target) if codes is not None)

    def _work_out(self, code: str, context: Context) -> Translation:
        decision = self._checked(self._decide(written(self.row.source, code), context))
        status = decision.status
        first = status == "combination" and self.row.combination == "first"
        if status != "translated" and not first:
            return Translation(status, decision)
        if decision.approximate and self.row.policy == "exact":
            return Translation("approximate", decision)
        target = decision.targets[0]
        coding = {"system": self.row.target, "code": target.code}
        if target.display:
            coding["display"] = target.display
        return Translation(status, decision, coding)

    def _decide(self, code: str, context: Context) -> Decision:
        kind = self.pack.manifest.kind
        if kind == "gem":
            return gem.decide(gem.rows(self.pack, code))
        if kind == "concept-map":
            return conceptmap.decide(conceptmap.rows(self.pack, code))
        return self._extended(code, context)

    # -- rule-based maps of SNOMED CT ----------------------------------------------------------------------------------

    def _extended(self, code: str, context: Context) -> Decision:
        policy = "strict-rf2" if self.row.policy == "strict-rf2" else "safe"
        if self._source is not None and context.findings:
            context = replace(context, subsumes=self._subsumes)
        current, notes = self._current(code)
        if current is None:
            return Decision("ambiguous" if notes else "no-target", notes=notes or ("an inactive concept",))
        found = extended.decide(self._map_rows(current), context, policy)
        if found is UNKNOWN and self.row.ancestors == "yes" and self._source is not None:
            return self._above(current, context, policy)
        return replace(found, notes=(*notes, *found.notes)) if notes else found

    def _read_rows(self, code: str) -> tuple[extended.MapRow, ...]:
        return tuple(extended.rows(self.pack, code))

    def _has_rules(self, code: str) -> bool:
        """Whether the answer for a code may depend on the patient; also where that isn't known before the walk up."""
        current, _ = self._current(written(self.row.source, code))
        found = self._map_rows(current) if current is not None else ()
        rules = [parse_rule(row.rule) for row in found]
        return not found or any(rule.conditions for rule in rules)

    def _follow(self, code: str) -> tuple[str | None, tuple[str, ...]]:
        """The concept to look up, and what was met: an inactive one is followed if it has one clear successor."""
        concept = None if self._source is None else self._source.find(code)
        if self._source is None or concept is None or not concept.inactive:
            return code, ()
        history = self._source.history(code)
        clear = [target for kind, target in history if kind in ("same-as", "replaced-by")]
        if len(clear) == 1:
            return clear[0], ("an inactive concept, taken as the one that replaces it",)
        return None, ("an inactive concept with several possible successors",) if history else ()

    def _above(self, code: str, context: Context, policy: str) -> Decision:
        """The nearest concept above that is mapped; several at one distance only if they agree."""
        assert self._source is not None
        level, seen = {code}, {code}
        for _ in range(_ANCESTORS):
            level = {parent for each in level for parent in self._source.parents(each)} - seen
            seen |= level
            mapped = [rows for each in sorted(level) if (rows := self._map_rows(each))]
            if not mapped:
                continue
            answers = {extended.decide(rows, context, policy) for rows in mapped}
            if len(answers) > 1:
                return Decision("ambiguous", notes=("unmapped; concepts above it map differently",))
            found = answers.pop()
            targets = tuple(replace(target, equivalence="wider") for target in found.targets)
            notes = ("unmapped; the nearest mapped concept above it was taken", *found.notes)
            return replace(found, targets=targets, approximate=bool(targets), notes=notes)
        return UNKNOWN

    @lru_cache(maxsize=REMEMBERED)  # noqa: B019 (a translator lives as long as its process)
    def _subsumes(self, finding: str, wanted: str) -> bool:
        assert self._source is not None
        level, seen = {finding}, {finding}
        while level:
            if wanted in level:
                return True
            level = {parent for each in level for parent in self._source.parents(each)} - seen
            seen |= level
        return False

    # -- targets in the edition at hand ----------------------------------------------------------------------------

    def _checked(self, decision: Decision) -> Decision:
        """Displays, and whether every target is a code that may be used today."""
        if self._target is None or not decision.targets:
            return decision
        targets = []
        for target in decision.targets:
            concept = self._target.find(target.code) or self._target.find(target.code.removesuffix("X"))
            usable = concept is not None and concept.selectable and not concept.inactive
            if not usable and self.row.retired == "refuse":
                return replace(decision, status="retired")
            targets.append(Target(target.code, target.equivalence, concept.display if concept else target.display))
        return replace(decision, targets=tuple(targets))


class Translator:
    """A plan over a shelf. Raises PlanError, PackError when made; never afterwards, but for a damaged pack."""

    def __init__(self, plan: Plan, shelf: Shelf) -> None:
        self.plan = plan
        self.rows = tuple(self._made(row, shelf) for row in plan.rows)

    def _made(self, row: PlanRow, shelf: Shelf) -> RowTranslator:
        place = f"{self.plan.file}:{row.line}"
        kinds = (row.map,) if row.map else MAPS
        try:
            entry = shelf.find(kinds, row.source, row.target, row.version or None)
            map_pack = shelf.open(entry, check=True)
            target = _codes(shelf, row.target, row.edition)
            source = _source(shelf, entry) if entry.manifest.kind == "extended-map" else None
        except PackMissing as error:
            raise PlanError(f"{place}: {error}") from error
        return RowTranslator(row, map_pack, source, target)

    def packs(self) -> dict[str, str]:
        """Name → content digest of every pack that answers depend on, by name."""
        found = {pack.manifest.name: pack.manifest.digest for row in self.rows for pack in row.packs()}
        return dict(sorted(found.items()))


def _source(shelf: Shelf, entry: Entry) -> Codes | None:
    """The concepts that a map is of: those of its own release, else the only ones there are."""
    system, version = entry.manifest.system, entry.manifest.version
    try:
        return _codes(shelf, system, version)
    except PackMissing:
        return _codes(shelf, system, "")


def _codes(shelf: Shelf, system: str, version: str) -> Codes | None:
    """The codes of a system: of the version named, else of the only pack there is, else none."""
    fitting: list[Entry] = [
        entry for entry in shelf.entries() if entry.manifest.kind == "codes" and entry.manifest.system == system
    ]
    if version:
        named = [entry for entry in fitting if entry.manifest.version == version]
        if not named and fitting:
            raise PackMissing(f"no codes of {system} in version {version}: `tabellion terminology list` shows all")
        fitting = named
    if len(fitting) > 1:
        versions = ", ".join(entry.manifest.version for entry in fitting)
        raise PackMissing(f"several editions of {system}: name one of {versions}")
    return Codes(shelf.open(fitting[0], check=True), system) if fitting else None
