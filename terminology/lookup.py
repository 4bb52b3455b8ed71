"""Looking up codes and names of code systems across the packs of a shelf; answers are remembered, within bounds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from terminology import ucum
from terminology.errors import PackMissing
from terminology.packs import Entry, Pack, Shelf
from terminology.packs.schema import INACTIVE, NOT_SELECTABLE
from terminology.systems import ICD9CM, ICD10, ICD10CM, LOINC, SNOMED, UCUM, written

__all__ = ["Codes", "Concept", "Details", "Lookup"]

REMEMBERED = 8192
_EDITED = frozenset({ICD9CM, ICD10, ICD10CM, LOINC, SNOMED})
_V2_TABLES = "http://terminology.hl7.org/CodeSystem/v2-"


@dataclass(frozen=True, slots=True)
class Concept:
    """One code of one system and version. `selectable`: a code to be used, not a heading."""

    system: str
    version: str
    code: str
    display: str
    inactive: bool = False
    selectable: bool = True


@dataclass(frozen=True, slots=True)
class Details:
    """What else a pack says of a code: (language, use, term); codes above; (why, code) that came in its place."""

    designations: tuple[tuple[str, str, str], ...] = ()
    parents: tuple[str, ...] = ()
    history: tuple[tuple[str, str], ...] = ()


class Codes:
    """The codes of one system in one pack."""

    def __init__(self, pack: Pack, system: str) -> None:
        self._pack = pack
        self.system = system
        found = pack.rows("SELECT number FROM system WHERE uri=?", (system,))
        self._number = int(str(found[0][0])) if found else 0
        self.find = lru_cache(maxsize=REMEMBERED)(self._find)

    @property
    def pack(self) -> Pack:
        """Where they stand."""
        return self._pack

    def _find(self, code: str) -> Concept | None:
        """A code in any of the ways in which it is written."""
        plain = written(self.system, code)
        found = self._pack.rows("SELECT display, flags FROM concept WHERE system=? AND code=?", (self._number, plain))
        if not found:
            return None
        flags = int(str(found[0][1]))
        return Concept(
            self.system,
            self._pack.manifest.version,
            plain,
            str(found[0][0]),
            bool(flags & INACTIVE),
            not flags & NOT_SELECTABLE,
        )

    def parents(self, code: str) -> tuple[str, ...]:
        """Codes directly above."""
        query = "SELECT parent FROM parent WHERE system=? AND code=? ORDER BY parent"
        return tuple(str(row[0]) for row in self._pack.rows(query, (self._number, code)))

    def history(self, code: str) -> tuple[tuple[str, str], ...]:
        """(why, code) of what took an inactive code's place."""
        rows = self._pack.rows("SELECT kind, target FROM history WHERE code=? ORDER BY kind, target", (code,))
        return tuple((str(kind), str(target)) for kind, target in rows)

    def details(self, code: str) -> Details:
        """All that the pack says besides."""
        query = "SELECT language, use, term FROM designation WHERE system=? AND code=? ORDER BY 1, 2, 3"
        terms = self._pack.rows(query, (self._number, code))
        return Details(
            tuple((str(language), str(use), str(term)) for language, use, term in terms),
            self.parents(code),
            self.history(code),
        )


class Lookup:
    """Codes by system. For one thread."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._codes: dict[tuple[str, str | None], Codes] = {}

    def codes(self, system: str, version: str | None = None) -> Codes:
        """The codes of a system. PackMissing: no pack has it, or several versions do and none was named."""
        found = self._codes.get((system, version))
        if found is None:
            found = self._codes[system, version] = Codes(self._shelf.open(self._entry(system, version)), system)
        return found

    def _entry(self, system: str, version: str | None) -> Entry:
        try:
            return self._shelf.find(("codes",), system, version=version)
        except PackMissing as missing:
            # packs of many systems, such as HL7's tables
            for entry in self._shelf.entries():
                if entry.manifest.kind == "codes" and version in (None, entry.manifest.version):
                    pack = self._shelf.open(entry)
                    if pack.rows("SELECT 1 FROM system WHERE uri=?", (system,)):
                        return entry
            raise missing

    def find(self, system: str, code: str, version: str | None = None) -> Concept | None:
        """A code; None if the system's pack doesn't have it."""
        if system == UCUM:
            return _unit(code)
        return self.codes(system, version).find(code)

    def displays(self, system: str, code: str) -> frozenset[str] | None:
        """All names of a code, {''} if it has none; empty: there is no such code; None: nothing can be said.
        What the FHIR validator is handed."""
        try:
            found = self.find(system, code)
        except PackMissing:
            return None
        if found is None:
            return frozenset() if self._closed(system) else None
        terms = () if system == UCUM else self.codes(system).details(found.code).designations
        return frozenset({found.display, *(term for _, _, term in terms)} - {""}) or frozenset({""})

    def _closed(self, system: str) -> bool:
        """Whether a code that isn't here is none: not where editions change codes, nor in v2's open tables."""
        if system in _EDITED or system.startswith(_V2_TABLES):
            return False
        return system == UCUM or self.codes(system).pack.manifest.content == "complete"

    def uris(self, oid: str) -> tuple[str, ...]:
        """URIs of an OID."""
        return self._named("SELECT uri FROM naming WHERE oid=? ORDER BY uri", oid.removeprefix("urn:oid:"))

    def oids(self, uri: str) -> tuple[str, ...]:
        """OIDs of a URI."""
        return self._named("SELECT oid FROM naming WHERE uri=? ORDER BY oid", uri)

    def _named(self, query: str, value: str) -> tuple[str, ...]:
        found: dict[str, None] = {}
        for entry in self._shelf.entries():
            if entry.manifest.kind == "naming":
                found |= {str(row[0]): None for row in self._shelf.open(entry).rows(query, (value,))}
        return tuple(found)


def _unit(code: str) -> Concept | None:
    from terminology.ucum.essence import version

    if not ucum.valid(code):
        return None
    return Concept(UCUM, version(), code, str(ucum.parse(code)))
