"""ConceptMap (FHIR R4 conceptmap.html; R5's `relationship`, `noMap` and scopes are understood) as map packs.

One pack for each pair of code systems. `unmapped` of mode `fixed` or `other-map` is not followed: it would be a guess.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from terminology.decision import UNKNOWN, Alternative, Decision, Target
from terminology.errors import SourceError
from terminology.fhir.json import Json, objects, parse, text
from terminology.packs import Pack
from terminology.packs.builder import Row
from terminology.source import Request, built
from terminology.systems import written

__all__ = ["MapTarget", "build_conceptmap", "decide", "rows"]

_R5 = {
    "related-to": "relatedto",
    "equivalent": "equivalent",
    "source-is-narrower-than-target": "wider",
    "source-is-broader-than-target": "narrower",
    "not-related-to": "disjoint",
}
_R4 = frozenset(
    "relatedto equivalent equal wider subsumes narrower specializes inexact unmatched disjoint".split()  # noqa: SIM905 (a table of words)
)
_NONE = ("unmatched", "disjoint")
_EXACT = ("equal", "equivalent")


@dataclass(frozen=True, slots=True)
class MapTarget:
    """One target. `conditional`: what else it depends on or comes with, '' if nothing."""

    code: str
    equivalence: str
    conditional: str
    comment: str
    display: str


def build_conceptmap(request: Request) -> list[Path]:
    """Packs of one ConceptMap."""
    data = request.read()
    resource = parse(data)
    if resource["resourceType"] != "ConceptMap":
        raise SourceError("not a ConceptMap")
    groups: dict[tuple[str, str], list[Json]] = {}
    for group in objects(resource, "group"):
        pair = text(group, "source").partition("|")[0], text(group, "target").partition("|")[0]
        pair = request.system or pair[0], request.target or pair[1]
        if not all(pair):
            raise SourceError("a group without source or target system")
        groups.setdefault(pair, []).append(group)
    if not groups:
        raise SourceError("no group is in there")
    made = []
    for number, ((system, target), found) in enumerate(groups.items()):
        name = f"map-{number}"
        with request.builder("concept-map", name) as pack:
            pack.add("concept_map", _rows(found, system, target))
            made += built(
                request,
                pack,
                data,
                system=system,
                target=target,
                title=text(resource, "title", "name", "url") or "ConceptMap",
                licence=text(resource, "copyright") or "not stated by the resource",
                version=text(resource, "version"),
                name=name,
            )
    return made


def _rows(groups: Sequence[Json], system: str, target: str) -> Iterator[Row]:
    counts: dict[str, int] = {}
    for group in groups:
        for element in objects(group, "element"):
            source = written(system, text(element, "code"))
            if not source:
                raise SourceError("an element without a code")
            for each in _targets(element):
                place = counts[source] = counts.get(source, 0) + 1
                code = written(target, each.code) if each.code else ""
                yield source, place, code, each.equivalence, each.conditional, each.comment, each.display


def _targets(element: Json) -> Iterator[MapTarget]:
    targets = list(objects(element, "target"))
    if not targets:
        yield MapTarget("", "unmatched", "", "", "")
    for each in targets:
        relation = text(each, "equivalence", "relationship")
        equivalence = _R5.get(relation, relation)
        if equivalence not in _R4:
            raise SourceError("a target without a known equivalence or relationship")
        code = text(each, "code")
        if not code and equivalence not in _NONE:
            raise SourceError("a target without a code")
        yield MapTarget(code, equivalence, _conditional(each), text(each, "comment"), text(each, "display"))


def _conditional(target: Json) -> str:
    depends = [text(each, "property", "attribute") or "something" for each in objects(target, "dependsOn")]
    products = [text(each, "value", "valueCode") or "another code" for each in objects(target, "product")]
    parts = [f"depends on {', '.join(depends)}"] if depends else []
    parts += [f"together with {', '.join(products)}"] if products else []
    return "; ".join(parts)


def rows(pack: Pack, source: str) -> list[MapTarget]:
    """The targets of a source code, in the map's order."""
    found = pack.rows(
        "SELECT target, equivalence, conditional, comment, display FROM concept_map WHERE source=? ORDER BY place",
        (source,),
    )
    return [MapTarget(*map(str, row)) for row in found]


def decide(found: Sequence[MapTarget]) -> Decision:
    """One unconditional target: translated."""
    if not found:
        return UNKNOWN
    usable = [each for each in found if each.equivalence not in _NONE]
    if not usable:
        return Decision("no-target", notes=tuple(each.comment for each in found if each.comment))
    if len(usable) > 1 or usable[0].conditional:
        shown = tuple(Alternative((each.code,), each.conditional or each.comment) for each in usable)
        return Decision("ambiguous", alternatives=shown)
    (one,) = usable
    target = Target(one.code, one.equivalence, one.display)
    advice = (one.comment,) if one.comment else ()
    return Decision("translated", (target,), approximate=one.equivalence not in _EXACT, advice=advice)
