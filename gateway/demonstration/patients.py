"""Whose it is: the study of the patient whom ADT admitted, and the one that contradicts her and is held."""

from __future__ import annotations

import json
from contextlib import closing
from typing import Any

from gateway.demonstration.checks import Checks
from gateway.demonstration.samples import Sample
from pipelines.datafolder import DataFolder
from pipelines.worklist import worklist

__all__ = ["show_patients"]

_CURRENT = "SELECT body FROM record WHERE type=? AND seq IN (SELECT seq FROM current) ORDER BY seq"
_HERS, _OTHER = "dicom/ct-chest/", "dicom/ct-other-person/"


def show_patients(folder: DataFolder, samples: list[Sample], check: Checks) -> None:
    """One patient over ADT and DICOM; documents with their compositions; a man's CT under a woman's number held."""
    print("\nWhose it is")
    patients = {each["id"]: each for each in _current(folder, "Patient")}
    admitted = {each["subject"]["reference"] for each in _current(folder, "Encounter") if "subject" in each}
    studies = _current(folder, "ImagingStudy")
    for study in studies:
        whose = study["subject"]["reference"]
        patient = patients.get(whose.partition("/")[2], {})
        count, sex, born = study["numberOfInstances"], patient.get("gender"), patient.get("birthDate")
        print(f"  ImagingStudy of {count} instances: {whose}, {sex}, born {born}")
    sent = sum(sample.name.startswith(_HERS) for sample in samples)
    mine = [each for each in studies if each["subject"]["reference"] in admitted]
    held = len(studies) == len(mine) == 1 and mine[0]["numberOfInstances"] == sent
    check(held, f"one study with all its {sent} instances, of a patient whom ADT admitted")
    reports = [*_current(folder, "DiagnosticReport"), *_current(folder, "DocumentReference")]
    about = [each for each in reports if any(_points(each, study) for study in mine)]
    check(len(about) == 2, "its report (SR) and its letter (PDF) point at it")
    documents = sum(sample.name.startswith("cda/") for sample in samples)
    made = len(_current(folder, "Composition"))
    check(made == documents, f"{documents} CDA documents are {made} compositions")
    cases = worklist(folder)
    for case in cases:
        elements = ", ".join(case.elements)
        print(f"  on the worklist: {case.subject}, {case.held} held: {elements} contradict Patient/{case.patient}")
    wanted = sum(sample.name.startswith(_OTHER) for sample in samples)
    [found] = cases if len(cases) == 1 else [None]
    right = found is not None and found.held == wanted and "gender" in found.elements
    check(right, "a man's CT under a woman's number is held until a person decides")


def _current(folder: DataFolder, type_: str) -> list[dict[str, Any]]:
    with closing(folder.state_reader()) as state:
        rows = list(state.connection.execute(_CURRENT, (type_,)))
    return [json.loads(body) for (body,) in rows if isinstance(body, bytes)]


def _points(resource: dict[str, Any], study: dict[str, Any]) -> bool:
    wanted = f"ImagingStudy/{study['id']}"
    links = [*resource.get("imagingStudy", []), *resource.get("context", {}).get("related", [])]
    return any(link.get("reference") == wanted for link in links)
