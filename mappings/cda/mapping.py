"""A CDA document to what it says about resources (design: mappings.md, "CDA and DICOM in the same form")."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adapters.cda import Document, Node, Refused
from mappings.cda.leaves import leaves_of
from mappings.cda.narrative import FUNCTIONS
from mappings.cda.provenance import provenance
from mappings.cda.sections import complete_sections
from mappings.cda.vocabulary import VOCABULARY
from mappings.engine.effective import zone
from mappings.engine.tables import Table
from mappings.engine.yamlfile import Dict
from mappings.errors import MapError, MapErrors
from mappings.leaves import leaves
from mappings.leaves.base import Invalid, LeafContext
from mappings.leaves.time import as_utc, instant, offset_of
from mappings.trees.account import Excuses, account
from mappings.trees.compiler import Compiler
from mappings.trees.dispatch import Dispatch, read_dispatch
from mappings.trees.finish import changes_of, settle_resources
from mappings.trees.library import Library, library_of, read_library
from mappings.trees.making import Maker
from mappings.trees.run import Resource, Run
from mappings.values import Mapped, MapSettings

__all__ = ["CdaMap", "document_id", "load", "load_content"]

ROOT = Path(__file__).parent
_START = "Composition"
_REQUIRED = ("id", "code", "effectiveTime", "recordTarget")  # CDA R2, 4.2.1: without these nobody can file it


class CdaMap:
    """Compiled maps. `map` is a pure function of document and settings."""

    def __init__(self, library: Library) -> None:
        self.library = library
        tables = [self._table(name) for name in ("CodeSystems", "Identifiers", "Units")]
        functions = leaves_of(*tables)
        self.shop = Compiler(library, {**leaves(), **functions}, FUNCTIONS, VOCABULARY)
        maker = Maker(_identify, lambda: self._dispatch, _about_another)
        self.shop.emit, self.shop.dispatch = maker.emit, maker.dispatch
        self._maker = maker
        self._plan = self.shop.plan(_START)
        self._excuses = _excuses(library.files.get("excused.yaml"))

    @property
    def hash(self) -> str:
        """Hex SHA-256 of the rules' content."""
        return self.library.hash

    @property
    def content(self) -> bytes:
        """Canonical text of all effective rules; `load_content` reads it."""
        return self.library.content

    @functools.cached_property
    def _dispatch(self) -> Dispatch:
        return read_dispatch(self.shop)

    @property
    def dispatch(self) -> Dispatch:
        """Which map a statement gets."""
        return self._dispatch

    def _table(self, name: str) -> Table:
        found = self.library.table(name)
        if found is None:
            raise MapError(f"tables/{name}.csv", 1, "the table is missing")
        return found

    def check(self) -> None:
        """Compile everything. Raises MapErrors with all findings."""
        errors = []
        for name in self.library.maps:
            try:
                self.shop.plan(name)
            except MapError as error:
                errors.append(error)
        try:
            self.dispatch.find(Node("act", {}, None, 0))
        except MapError as error:
            errors.append(error)
        if errors:
            raise MapErrors(sorted(set(errors), key=lambda error: (error.file, error.line)))

    def map(self, document: Document, settings: MapSettings) -> Mapped:
        """What a document says about resources. Raises SettingsError, MapError, adapters.cda.Refused."""
        run, resources = self.run(document, settings)
        stamps = _times(document.root, run.context)
        prov = provenance(run, resources, self.hash)
        balance = account(run, self._excuses)
        issues = (*document.issues, *run.issues)
        partial = balance.residue or any(issue.severity == "error" for issue in issues)
        code = document.root.child("code")
        return Mapped(
            family="CDA",
            type=code.attrs.get("code", "") if code is not None else "",
            event_time=stamps[0],
            timestamp=stamps[1],
            control_id=document_id(document.root),
            sha256=document.sha256,
            map_hash=self.hash,
            changes=changes_of([*resources, prov], run.labels.get("patient")),
            issues=issues,
            residue=tuple(balance.residue),
            excused=tuple(balance.excused),
            leaves=balance.leaves,
            status="partial" if partial else "ok",
        )

    def run(self, document: Document, settings: MapSettings) -> tuple[Run, list[Resource]]:
        """The rows on a document: its run, and the resources that stand."""
        root = document.root
        _one_patient(root)
        effective = root.child("effectiveTime")
        offset = offset_of(effective.attrs.get("value", "")) if effective is not None else None
        context = LeafContext(zone(settings.zone), offset, settings.default_authority or "")
        run = Run(document, settings, context)
        for name in _REQUIRED:
            if root.child(name) is None:
                run.issue("error", "required", root, f"the document has no {name}")
        composition = self._maker.emit(self._plan, root, run, None)
        if composition is not None:
            composition.wrote = True  # a document is a document, whatever it says
        resources = settle_resources(run, self.shop.rules)
        if composition is not None:
            complete_sections(composition.body.get("section", ()))
        return run, resources

    def explain(self, document: Document, settings: MapSettings) -> list[str]:
        """`element <- source <- rule (file and line)` for each element written."""
        _, resources = self.run(document, settings)
        lines = []
        for resource in resources:
            for number, state, leaf in resource.trace:
                rule = self.shop.rules[number]
                if state <= 2:
                    where = f"{rule.file}:{rule.line}"
                    lines.append(f"{resource.kind}/{resource.id} {rule.target} <- {document.path(leaf)} <- {where}")
        return lines


def _identify(node: Node) -> tuple[str, ...] | None:
    """II → the parts of a key: as HL7 v2's CX with the root as authority, so that one number is one resource."""
    root = "".join(node.attrs.get("root", "").split())
    extension = node.attrs.get("extension", "").strip()
    if not root or "nullFlavor" in node.attrs:
        return None
    if extension:
        return ("key", "", root, extension)
    return ("key", "", "urn", root.lower())


def _about_another(node: Node) -> bool:
    """Whether the nearest subject in or around a statement is a relative, a fetus or whoever else (CDA R2, 4.2.2.4)."""
    at: Node | None = node
    while at is not None:
        subject = at.child("subject")
        if subject is not None:
            return "nullFlavor" not in subject.attrs
        at = at.parent
    return False


def document_id(root: Node) -> str:
    """The document's id as IHE XDS writes a unique id: root, and ^extension."""
    node = root.child("id")
    if node is None:
        return ""
    root_id, extension = node.attrs.get("root", ""), node.attrs.get("extension", "")
    return f"{root_id}^{extension}" if root_id and extension else root_id or extension


def _one_patient(root: Node) -> None:
    """Statements of a document about several patients could be anybody's."""
    ids = {
        tuple(sorted((each.attrs.get("root", ""), each.attrs.get("extension", "")) for each in role.children("id")))
        for target in root.children("recordTarget")
        for role in target.children("patientRole")
    }
    if len(ids) > 1:
        raise Refused("the document is about several patients: nothing says whose its statements are")


def _times(root: Node, context: LeafContext) -> tuple[str | None, str | None]:
    """(event time in UTC, Bundle.timestamp) from effectiveTime."""
    node = root.child("effectiveTime")
    text = node.attrs.get("value", "") if node is not None else ""
    stamp = _instant(text, context)
    event = stamp
    mark = max(text.find("+"), text.find("-"))
    head, offset = (text[:mark], text[mark:]) if mark > 0 else (text, "")
    if event is None and 8 <= len(head) < 14 and head.isdigit():
        event = _instant(f"{head:0<14}{offset}", context)
    return (_versioned(as_utc(event), root) if event is not None else None), stamp


def _versioned(event: str, root: Node) -> str:
    """Versions of one document with the same time come in the order of their numbers: a tie is broken below the second.

    Only where the time has no fraction of its own; what else the document says is no newer or older for it.
    """
    node = root.child("versionNumber")
    number = node.attrs.get("value", "") if node is not None else ""
    if not event.endswith(".000000Z") or not (number.isascii() and number.isdigit() and len(number) <= 6):
        return event
    return f"{event[:-7]}{number:0>6}Z"


def _instant(text: str, context: LeafContext) -> str | None:
    try:
        return instant(text, context)
    except Invalid:
        return None


def _excuses(raw: Any) -> Excuses:
    file = "excused.yaml"
    if not isinstance(raw, Dict) or set(raw) != {"attributes", "elements"}:
        raise MapError(file, 1, "the file has `attributes` and `elements`")
    pairs: dict[tuple[str, str], str] = {}
    for key, reason in raw["attributes"].items():
        element, slash, name = str(key).partition("/")
        if not slash:
            raise MapError(file, raw["attributes"].lines[key], f"{key} is no element/@attribute")
        pairs[element, name] = f"{file}: {reason}"
    return Excuses(pairs, {str(name): f"{file}: {reason}" for name, reason in raw["elements"].items()})


def load(overlays: Sequence[str | Path] = ()) -> CdaMap:
    """The built-in maps under overlay folders. Raises MapError, MapErrors."""
    if not overlays:
        return _built_in()
    return CdaMap(read_library(ROOT, overlays))


def load_content(content: bytes) -> CdaMap:
    """From `CdaMap.content`, as kept by hash."""
    return CdaMap(library_of(content))


@functools.cache
def _built_in() -> CdaMap:
    return CdaMap(read_library(ROOT))
