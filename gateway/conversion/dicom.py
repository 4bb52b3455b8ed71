"""DICOM in `convert`: one line per file, one Bundle per study and run (commands.md, "Unit, others")."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from gateway.conversion.converter import Line, Result, failed, mapped_line

if TYPE_CHECKING:
    from mappings import Change, Mapped, MapSettings
    from mappings.dicom import DicomMap

__all__ = ["DicomConverter", "Studies", "study_path"]

_DICOMDIR = "1.2.840.10008.1.3.10"


class DicomConverter:
    """Converts instances with one effective map."""

    def __init__(self, effective: DicomMap, settings: MapSettings) -> None:
        self._effective = effective
        self._settings = settings

    def instance(self, body: bytes) -> Result:
        """One file: its line, and what it adds to its study."""
        from adapters.dicom import DicomError, payload
        from mappings.dicom import fold

        begun = time.perf_counter()
        try:
            instance = self._effective.read(body)
        except DicomError as error:
            return Result(failed(body, "dicom", str(error), begun), None)
        start, _ = payload(body)
        if _is_directory(body[:start]):
            return Result(_directory(body, begun), None)
        mapped = self._effective.map(instance, self._settings)
        part = mapped.parts[0]
        whole = replace(mapped, changes=(*mapped.changes, *fold(part.id, [part.content]).changes))
        return Result(mapped_line(body, whole, "dicom", (), begun), None, study=mapped.to_bytes())


def _is_directory(meta: bytes) -> bool:
    """Group 0002 says Media Storage Directory."""
    return _DICOMDIR.encode() in meta


def _directory(body: bytes, begun: float) -> Line:
    text = "a DICOMDIR is an index: the files it names are read themselves"
    line = failed(body, "dicom", text, begun, "not-supported", "information")
    return line | {"status": "skipped"}


def study_path(mapped: Mapped) -> str:
    """Where the Bundle of an instance's study is written, below the output folder."""
    return f"study/{mapped.parts[0].id}.json"


@dataclass(slots=True)
class _Study:
    changes: dict[tuple[str, str], Change] = field(default_factory=dict)
    parts: dict[str, bytes] = field(default_factory=dict)
    last: Mapped | None = None


class Studies:
    """The studies of a run, as their instances come in walk order. Of two words for one element the first stands."""

    def __init__(self) -> None:
        self._studies: dict[str, _Study] = {}

    def add(self, mapped: Mapped) -> None:
        """One instance."""
        part = mapped.parts[0]
        study = self._studies.setdefault(part.id, _Study())
        study.last = mapped
        study.parts.setdefault(part.member, part.content)
        for change in mapped.changes:
            key = (change.type, change.id)
            known = study.changes.get(key)
            if known is None:
                study.changes[key] = change
                continue
            places = {(element.path, element.slot) for element in known.elements}
            new = tuple(element for element in change.elements if (element.path, element.slot) not in places)
            study.changes[key] = replace(known, elements=known.elements + new) if new else known

    def bundles(self, base: str) -> Iterator[tuple[str, bytes]]:
        """(path, bytes) of each study's Bundle."""
        from mappings import bundle
        from mappings.dicom import fold

        for id_, study in self._studies.items():
            assert study.last is not None
            made = fold(id_, study.parts.values()).changes
            changes = (*study.changes.values(), *made)
            patients = [change for change in changes if change.type == "Patient"]
            others = [change for change in changes if change.type != "Patient"]
            whole = replace(study.last, changes=(*patients, *others), control_id="", timestamp=None)
            yield study_path(study.last), bundle(whole, base) + b"\n"
