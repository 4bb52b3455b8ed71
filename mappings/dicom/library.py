"""The map files of DICOM, read, checked and compiled (mappings/dicom/maps); overlays by row id, then by vendor.

A vendor overlay (`vendors/*.yaml`) names manufacturers and models, an assumed character set for data sets without one,
and rows that replace or precede rows of other maps for their instances.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapters.fhir import definitions
from mappings.dicom.compiler import compile_rows
from mappings.dicom.content import Content
from mappings.dicom.resources import ResourceMap, emit_resource, key_part
from mappings.dicom.rows import Plan, Row
from mappings.dicom.run import Node, Run, Source
from mappings.dicom.sources import compile_when, parse_source
from mappings.engine.yamlfile import line_of
from mappings.engine.yamlfile import read as read_yaml
from mappings.errors import MapError, MapErrors

__all__ = ["Files", "Maps", "Vendor", "files_of", "load_maps"]

_FOLDER = Path(__file__).parent / "maps"
Files = Mapping[str, bytes]  # relative path → content


@dataclass(frozen=True, slots=True)
class Vendor:
    """`vendors/X.yaml`."""

    name: str
    manufacturers: tuple[str, ...]  # beginnings, in capitals
    models: tuple[str, ...]
    charset: str


def files_of(folder: Path) -> dict[str, bytes]:
    """All map files below a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.suffix in (".yaml", ".csv") and path.is_file()
    }


class Maps:
    """The compiled maps of one effective library; `vendor` = that vendor's overlay laid over it."""

    def __init__(self, files: Files, vendor: str = "") -> None:
        self.files = files
        self._vendor_rows = _vendor_rows(files, vendor)
        self._tables: dict[str, Mapping[str, str]] = {}
        self._plans: dict[str, Plan] = {}
        self.resources = {
            name.removeprefix("resources/").removesuffix(".yaml"): self._resource(name)
            for name in files
            if name.startswith("resources/")
        }
        self.study = self._study()
        self.instance = self._document("instance.yaml")["make"]
        self.excused = self._excused()
        rules = self._document("content.yaml")
        conclusions, groups, context = (
            frozenset(str(each) for each in rules[name]) for name in ("conclusions", "groups", "context")
        )
        self.content = Content(conclusions, groups, context, self.table("Units"))

    # -- what rows refer to ------------------------------------------------------------------------------------

    def datatype(self, name: str) -> Plan:
        """A datatype map, compiled when first asked for."""
        if name not in self._plans:
            file = f"datatypes/{name}.yaml"
            if file not in self.files:
                raise KeyError(name)
            raw = self._document(file)
            type_ = str(raw["type"])
            self._plans[name] = Plan(name, type_, self._rows(raw, type_, file))
        return self._plans[name]

    def table(self, name: str) -> Mapping[str, str]:
        """`tables/X.csv`: two columns, code and target; `*` stands for any other code."""
        if name not in self._tables:
            rows = csv.reader(io.StringIO(self.files[f"tables/{name}.csv"].decode()))
            next(rows)
            self._tables[name] = {row[0]: row[1] for row in rows if row and not row[0].startswith("#")}
        return self._tables[name]

    def emitter(self, type_: str) -> Callable[[Run, Node, str, Source | None, str], dict[str, Any] | None]:
        """Emits by `resources/<type>.yaml` (looked up when used: maps may emit each other)."""
        if f"resources/{type_}.yaml" not in self.files:
            raise KeyError(type_)

        def emit(run: Run, node: Node, role: str, ids: Source | None, text: str) -> dict[str, Any] | None:
            return emit_resource(self.resources[type_], run, node, role, text)

        return emit

    # -- files -------------------------------------------------------------------------------------------------

    def _document(self, file: str) -> Any:
        raw = read_yaml(self.files[file], file)
        if not isinstance(raw, dict):
            raise MapError(file, 1, "a map is a mapping")
        return raw

    def _rows(self, raw: Any, type_: str, file: str) -> tuple[Row, ...]:
        name = file.removesuffix(".yaml")
        listed = list(raw.get("rows", []))
        for row in self._vendor_rows.get(name, ()):
            replaced = [at for at, each in enumerate(listed) if "id" in row and each.get("id") == row["id"]]
            if replaced:
                listed[replaced[0]] = row
            else:
                listed.insert(0, row)
        return compile_rows(listed, type_, self, file)

    def _resource(self, file: str) -> ResourceMap:
        raw = self._document(file)
        type_ = str(raw.get("resource", ""))
        if type_ not in definitions().resources:
            raise MapError(file, line_of(raw), f"{type_!r} is no resource type of R4")
        label = Path(file).stem
        keys = tuple(key_part(each, file) for each in raw.get("key", []))
        needs = tuple(parse_source(str(each), file, line_of(raw)) for each in raw.get("needs", []))
        when = compile_when(raw.get("when"), file, line_of(raw))
        return ResourceMap(label, type_, keys, Plan(label, type_, self._rows(raw, type_, file)), needs, when)

    def _study(self) -> tuple[Row, ...]:
        file = "study.yaml"
        raw = self._document(file)
        for level in ("study", "series", "instance"):
            if level not in raw:
                raise MapError(file, line_of(raw), f"there are no rows for the level {level}")
        found: list[Row] = []
        for level, base in (("study", ""), ("series", "series"), ("instance", "series.instance")):
            listed = [*self._vendor_rows.get(f"study/{level}", ()), *raw[level]]
            for each in listed:
                for row in each.get("first", [each]):
                    row["level"] = level
            found += compile_rows(listed, "ImagingStudy", self, file, base)
        for row in found:
            if row.level == "study" and row.fold not in ("first", "min", "distinct"):
                raise MapError(file, line_of(raw), f"{row.id}: a row of the study says how it is folded")
        return tuple(found)

    def _excused(self) -> tuple[tuple[str, str], ...]:
        raw = self._document("excused.yaml")
        return tuple((str(pattern).lower(), str(reason)) for pattern, reason in raw.items())


# -- overlays and vendors ----------------------------------------------------------------------------------------------


def _vendor_rows(files: Files, vendor: str) -> Mapping[str, Sequence[Any]]:
    if not vendor:
        return {}
    raw = read_yaml(files[f"vendors/{vendor}.yaml"], f"vendors/{vendor}.yaml")
    rows: Mapping[str, Sequence[Any]] = raw.get("rows", {})
    return rows


def vendors_of(files: Files) -> tuple[Vendor, ...]:
    """Every vendor overlay, in the order of their names."""
    found = []
    for file in sorted(files):
        if not file.startswith("vendors/"):
            continue
        raw = read_yaml(files[file], file)
        if not isinstance(raw, dict) or not raw.get("manufacturer"):
            raise MapError(file, line_of(raw), "a vendor overlay names the manufacturer")
        for key in raw:
            if key not in ("manufacturer", "model", "charset", "rows"):
                raise MapError(file, line_of(raw), f"a vendor overlay has no {key}")
        found.append(
            Vendor(
                Path(file).stem,
                tuple(str(each).upper() for each in raw["manufacturer"]),
                tuple(str(each).upper() for each in raw.get("model", [])),
                str(raw.get("charset", "")),
            )
        )
    return tuple(found)


def load_maps(overlays: Sequence[str | Path] = ()) -> tuple[dict[str, bytes], str]:
    """The files of the effective library, overlays laid over by file, and their hash. Raises MapErrors.

    An overlay folder has the same layout below `dicom/`; a file of an overlay replaces the base's of the same name.
    """
    files = files_of(_FOLDER)
    faults: list[MapError] = []
    for overlay in overlays:
        folder = Path(overlay) / "dicom"
        if folder.is_dir():
            files |= files_of(folder)
    for name in sorted(files):
        try:
            files[name].decode()
        except UnicodeDecodeError:
            faults.append(MapError(name, 1, "is not UTF-8"))
    if faults:
        raise MapErrors(faults)
    content = json.dumps({name: files[name].decode() for name in sorted(files)}, sort_keys=True).encode()
    return files, hashlib.sha256(content).hexdigest()
