"""CodeSystem, ValueSet and NamingSystem (FHIR R4) as rows of packs; what is not simple is refused, not half done.

CodeSystem: `complete` or `fragment` content with its hierarchy, inactive and abstract concepts, designations.
ValueSet: an expansion, or includes that list concepts. Filters, imports and excludes are not expanded.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from terminology.errors import SourceError
from terminology.fhir.conceptmap import build_conceptmap
from terminology.fhir.json import MAX_DEPTH, Json, objects, parse, text
from terminology.packs.builder import Row
from terminology.packs.schema import INACTIVE, NOT_SELECTABLE
from terminology.source import Request, built

__all__ = ["build_fhir", "code_rows", "members", "names"]

_INACTIVE = frozenset({"retired", "inactive", "deprecated"})


def build_fhir(request: Request) -> list[Path]:
    """Packs of one resource, whichever it is."""
    data = request.read()
    resource = parse(data)
    kind = resource["resourceType"]
    if kind == "ConceptMap":
        return build_conceptmap(request)
    makers = {"CodeSystem": _code_system, "ValueSet": _value_set}
    if kind not in makers:
        raise SourceError("only CodeSystem, ValueSet and ConceptMap are imported")
    return makers[kind](request, data, resource)


def _about(resource: Json) -> dict[str, str]:
    return {
        "system": text(resource, "url"),
        "title": text(resource, "title", "name", "url"),
        "licence": text(resource, "copyright") or "not stated by the resource",
        "version": text(resource, "version"),
    }


def _code_system(request: Request, data: bytes, resource: Json) -> list[Path]:
    if text(resource, "content") not in ("complete", "fragment"):
        raise SourceError("a CodeSystem whose content is neither complete nor a fragment holds no code list")
    about = _about(resource)
    if not about["system"]:
        raise SourceError("a CodeSystem without url")
    with request.builder("codes") as pack:
        pack.add("system", [(1, about["system"], about["title"])])
        for table, rows in code_rows(resource, 1).items():
            pack.add(table, rows, repeats=table != "concept")
        return built(request, pack, data, content=text(resource, "content"), **about)


def code_rows(resource: Json, number: int) -> dict[str, list[Row]]:
    """Rows by table of one CodeSystem."""
    rows: dict[str, list[Row]] = {"concept": [], "designation": [], "parent": []}
    language = text(resource, "language") or "en"
    _concepts(resource, number, None, rows, language, 0)
    return rows


def _concepts(place: Json, number: int, parent: str | None, rows: dict[str, list[Row]], lang: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise SourceError("concepts inside each other beyond all bounds")
    for concept in objects(place, "concept"):
        code, display = text(concept, "code"), text(concept, "display")
        if not code:
            raise SourceError("a concept without a code")
        flags = 0
        for each in objects(concept, "property"):
            name = text(each, "code")
            if name in ("parent", "subsumedBy") and isinstance(each.get("valueCode"), str):
                rows["parent"].append((number, code, text(each, "valueCode")))
            flags |= _flag(name, each)
        if parent is not None:
            rows["parent"].append((number, code, parent))
        rows["concept"].append((number, code, display, flags))
        if display:
            rows["designation"].append((number, code, lang, "display", display))
        for each in objects(concept, "designation"):
            use = each.get("use", {})
            use = text(use, "code") if isinstance(use, dict) else ""
            rows["designation"].append((number, code, text(each, "language") or lang, use, text(each, "value")))
        _concepts(concept, number, code, rows, lang, depth + 1)


def _flag(name: str, each: Json) -> int:
    if name == "status" and each.get("valueCode") in _INACTIVE:
        return INACTIVE
    if name == "inactive" and each.get("valueBoolean") is True:
        return INACTIVE
    if name in ("notSelectable", "abstract") and each.get("valueBoolean") is True:
        return NOT_SELECTABLE
    return 0


def _value_set(request: Request, data: bytes, resource: Json) -> list[Path]:
    about = _about(resource)
    if not about["system"]:
        raise SourceError("a ValueSet without url")
    with request.builder("value-set") as pack:
        pack.add("member", members(resource), repeats=True)
        return built(request, pack, data, **about)


def members(resource: Json) -> Iterator[Row]:
    """Rows of a ValueSet."""
    expansion = resource.get("expansion")
    if isinstance(expansion, dict):
        yield from _contained(expansion, 0)
        return
    compose = resource.get("compose")
    if not isinstance(compose, dict):
        raise SourceError("a ValueSet without compose or expansion")
    if list(objects(compose, "exclude")):
        raise SourceError("excludes are not expanded: import the expanded ValueSet")
    for include in objects(compose, "include"):
        concepts = list(objects(include, "concept"))
        if not concepts or include.get("filter") or include.get("valueSet"):
            raise SourceError("an include that doesn't list its concepts: import the expanded ValueSet")
        for concept in concepts:
            yield text(include, "system"), text(concept, "code"), text(concept, "display")


def _contained(place: Json, depth: int) -> Iterator[Row]:
    if depth > MAX_DEPTH:
        raise SourceError("an expansion beyond all bounds")
    for each in objects(place, "contains"):
        if not each.get("abstract") and text(each, "code"):
            yield text(each, "system"), text(each, "code"), text(each, "display")
        yield from _contained(each, depth + 1)


def names(resource: Json) -> Iterator[Row]:
    """OID ↔ URI pairs of a NamingSystem."""
    ids = list(objects(resource, "uniqueId"))
    oids = [text(each, "value").removeprefix("urn:oid:") for each in ids if text(each, "type") == "oid"]
    uris = [text(each, "value") for each in ids if text(each, "type") == "uri"]
    for oid in oids:
        for uri in uris:
            yield oid, uri, text(resource, "name")
