"""A release as packs: one of the concepts, and one for each map refset to another code system."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

from terminology.errors import SourceError
from terminology.packs.builder import Row
from terminology.packs.schema import INACTIVE
from terminology.rf2.current import Current
from terminology.rf2.release import Release
from terminology.rf2.sctid import valid_sctid
from terminology.source import Request
from terminology.systems import ICD10, ICD10CM, NAMES, SNOMED

__all__ = ["HISTORY", "REFSETS", "build_rf2"]

LICENCE = "The terms of the release's publisher, accepted by who imported it"
REFSETS = {
    "447562003": ICD10,
    "6011000124106": ICD10CM,
    "446608001": NAMES["icd-o-3"],
    "900000000000497000": "http://read.info/ctv3",
}
HISTORY = {
    "900000000000527005": "same-as",
    "900000000000526001": "replaced-by",
    "900000000000523009": "possibly-equivalent-to",
    "900000000000530003": "alternative",
}
_FSN = "900000000000003001"
_PREFERRED = "900000000000548007"
_IS_A = "116680003"
_MAP = (
    ("mapGroup", "mapPriority", "mapRule", "mapAdvice", "mapTarget", "correlationId", "mapCategoryId")
)  # fmt: skip


def build_rf2(request: Request) -> list[Path]:
    """Packs of a release in a folder or ZIP."""
    with closing(Release(request.path)) as release:
        current = Current(release)
        sha256 = release.sha256()
        version = request.version or release.date
        made = []
        if release.named("Concept"):
            made.append(_concepts(request, release, current, version, sha256))
        for refset, target in _refsets(request, release, current).items():
            made.append(_map(request, release, current, version, sha256, refset, target))
        if not made:
            raise SourceError("neither concepts nor map refsets are in there")
        return made


def _concepts(request: Request, release: Release, current: Current, version: str, sha256: str) -> Path:
    with request.builder("codes", "concepts") as pack:
        pack.add("system", [(1, SNOMED, "SNOMED CT")])
        shown: dict[str, tuple[int, str]] = {}  # concept → (rank, term): preferred synonym, else full name
        pack.add("designation", _designations(release, current, shown), repeats=True)
        pack.add("concept", _concept_rows(release, current, shown))
        pack.add("parent", _parents(release, current), repeats=True)
        pack.add("history", _history(release, current), repeats=True)
        pack.finish(
            system=SNOMED,
            version=version,
            title="SNOMED CT concepts",
            licence=request.licence or LICENCE,
            source=request.path.name,
            source_sha256=sha256,
        )
    return request.folder / "concepts.pack"


def _designations(release: Release, current: Current, shown: dict[str, tuple[int, str]]) -> Iterator[Row]:
    preferred = {
        row[0]
        for file in release.named("Refset", "Language")
        for active, row in current.rows(file, ("referencedComponentId", "acceptabilityId"))
        if active and row[1] == _PREFERRED
    }
    columns = ("id", "conceptId", "languageCode", "typeId", "term")
    for file in release.named("Description"):
        for active, (id_, concept, language, type_, term) in current.rows(file, columns):
            if not active:
                continue
            full = type_ == _FSN
            rank = 0 if full else 1 if id_ in preferred else -1
            if rank > shown.get(concept, (-1, ""))[0]:
                shown[concept] = (rank, term)
            yield 1, concept, language, "fsn" if full else "preferred" if rank == 1 else "synonym", term


def _concept_rows(release: Release, current: Current, shown: Mapping[str, tuple[int, str]]) -> Iterator[Row]:
    for file in release.named("Concept"):
        for active, (id_,) in current.rows(file, ("id",)):
            if not valid_sctid(id_):
                raise SourceError(f"{Path(file.path).name}: an id that is no SNOMED CT identifier")
            yield 1, id_, shown.get(id_, (0, ""))[1], 0 if active else INACTIVE


def _parents(release: Release, current: Current) -> Iterator[Row]:
    for file in release.named("Relationship", ""):
        for active, (source, target, type_) in current.rows(file, ("sourceId", "destinationId", "typeId")):
            if active and type_ == _IS_A:
                yield 1, source, target


def _history(release: Release, current: Current) -> Iterator[Row]:
    for file in release.named("Refset", "Association", "AssociationReference"):
        columns = ("refsetId", "referencedComponentId", "targetComponentId")
        for active, (refset, source, target) in current.rows(file, columns):
            if active and refset in HISTORY:
                yield source, HISTORY[refset], target


def _refsets(request: Request, release: Release, current: Current) -> dict[str, str]:
    """Map refset → target system, of those that the release holds and that we know or were told."""
    there: dict[str, None] = {}
    for file in release.named("Refset", "ExtendedMap", "ComplexMap"):
        for _, (refset,) in current.rows(file, ("refsetId",)):
            there[refset] = None
    known = {refset: REFSETS[refset] for refset in there if refset in REFSETS}
    if request.refset:
        if request.refset not in there:
            raise SourceError(f"no map refset {request.refset}: there are {', '.join(there) or 'none'}")
        target = request.target or REFSETS.get(request.refset, "")
        if not target:
            raise SourceError(f"map refset {request.refset}: say into which code system it maps")
        return {request.refset: target}
    if there and not known and not release.named("Concept"):
        raise SourceError(f"no map refset is a known one: name one of {', '.join(there)} and its target system")
    return known


def _map(
    request: Request, release: Release, current: Current, version: str, sha256: str, refset: str, target: str
) -> Path:
    with request.builder("extended-map", f"map-{refset}") as pack:
        pack.add("extended_map", _map_rows(release, current, refset))
        pack.finish(
            system=SNOMED,
            target=target,
            version=version,
            title=f"SNOMED CT map refset {refset}",
            licence=request.licence or LICENCE,
            source=request.path.name,
            source_sha256=sha256,
        )
    return request.folder / f"map-{refset}.pack"


def _map_rows(release: Release, current: Current, wanted: str) -> Iterator[Row]:
    columns = ("refsetId", "referencedComponentId", "id", *_MAP)
    for file in release.named("Refset", "ExtendedMap", "ComplexMap"):
        name = Path(file.path).name
        for active, (refset, source, id_, group, priority, *texts) in current.rows(file, columns):
            if refset != wanted or not active:
                continue
            rule, advice, target, correlation, category = texts
            if not (_number(group) and _number(priority)):
                raise SourceError(f"{name}: group or priority is not a number")
            # targets stay as published (the UK's have no dot): what is compared is normalised, what is written isn't
            yield source, int(group), int(priority), id_, rule, advice, target, correlation, category


def _number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 9
