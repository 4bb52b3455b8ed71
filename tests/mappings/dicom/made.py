"""Data sets made for a test with pydicom: what pydicom writes, we read."""

from __future__ import annotations

import io
from typing import Any

from pydicom import Dataset
from pydicom.sequence import Sequence

from adapters.fhir import validate
from mappings import PUBLISHED_NAMESPACE, Mapped, MapSettings, resource
from mappings.dicom import DicomMap, fold, load

SETTINGS = MapSettings(PUBLISHED_NAMESPACE, zone="Europe/Zurich", default_authority="ZZHOSP")
STUDY, SERIES = "1.2.276.0.7230010.3.1.2.1", "1.2.276.0.7230010.3.1.3.1"


def item(**values: Any) -> Dataset:
    """One item or data set of these keywords; lists of data sets become sequences."""
    made = Dataset()
    for name, value in values.items():
        listed = isinstance(value, list) and value and isinstance(value[0], Dataset)
        setattr(made, name, Sequence(value) if listed else value)
    return made


def code(value: str, scheme: str, meaning: str) -> Dataset:
    """An item of a code sequence."""
    return item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)


def image(**values: Any) -> Dataset:
    """A CT image with a few values of its own."""
    usual: dict[str, Any] = {
        "SpecificCharacterSet": "ISO_IR 192",
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2",
        "SOPInstanceUID": "1.2.276.0.7230010.3.1.4.1",
        "StudyInstanceUID": STUDY,
        "SeriesInstanceUID": SERIES,
        "Modality": "CT",
        "StudyDate": "20260102",
        "StudyTime": "030405",
        "PatientID": "4711",
        "PatientName": "ZZTEST^ANNA",
        "PatientSex": "F",
        "PatientBirthDate": "19700102",
    }
    return item(**{name: value for name, value in (usual | values).items() if value is not None})


def dumped(dataset: Dataset) -> bytes:
    """The bare data set, explicit little endian."""
    out = io.BytesIO()
    dataset.save_as(out, implicit_vr=False, little_endian=True)
    return out.getvalue()


_MAP: list[DicomMap] = []


def the_map() -> DicomMap:
    """The built-in map, loaded once."""
    if not _MAP:
        _MAP.append(load())
    return _MAP[0]


def mapped(dataset: Dataset, settings: MapSettings = SETTINGS) -> Mapped:
    """What one data set says."""
    return the_map().map(dumped(dataset), settings)


def resources(*datasets: Dataset, settings: MapSettings = SETTINGS) -> dict[str, list[dict[str, Any]]]:
    """All resources of instances of one study by type, each proved valid."""
    said = [mapped(dataset, settings) for dataset in datasets]
    folded = fold(said[0].parts[0].id, [part.content for each in said for part in each.parts])
    found: dict[str, list[dict[str, Any]]] = {}
    for change in (*(change for each in said for change in each.changes), *folded):
        made: dict[str, Any] = resource(change)
        assert not [finding for finding in validate(made) if finding.severity == "error"], made
        if made not in found.setdefault(change.type, []):
            found[change.type].append(made)
    return found
