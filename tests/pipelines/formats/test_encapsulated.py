"""An encapsulated CDA: its bytes are a document of their own, and what can't be read stays an attachment."""

from __future__ import annotations

from pathlib import Path

from adapters.fhir import decode_trusted, validate_bundle
from mappings import bundle, resource
from pipelines.formats import maps, source
from tests.mappings.dicom.made import SETTINGS, dumped
from tests.mappings.dicom.test_reports import document

CDA = "1.2.840.10008.5.1.4.1.1.104.2"


def body(data: bytes) -> bytes:
    return dumped(
        document(
            data,
            SOPClassUID=CDA,
            MIMETypeOfEncapsulatedDocument="text/XML",
            EncapsulatedDocumentLength=len(data),
            HL7InstanceIdentifier="1.2.3^4",
        )
    )


def test_its_composition_stands_beside_the_document(samples: Path) -> None:
    data = (samples / "cda" / "ccda_no_known_allergies.xml").read_bytes()
    mapped = maps("dicom").map(body(data), SETTINGS)
    types = [change.type for change in mapped.changes]
    assert "AllergyIntolerance" in types
    composition = next(change.id for change in mapped.changes if change.type == "Composition")
    reference = next(resource(change) for change in mapped.changes if change.type == "DocumentReference")
    assert {"reference": f"Composition/{composition}"} in reference["context"]["related"]  # type: ignore[index,operator,call-overload]
    together = source("dicom").together
    assert together is not None
    made = decode_trusted(bundle(together.join([mapped]), SETTINGS.base))
    assert not [finding for finding in validate_bundle(made) if finding.severity == "error"]


def test_one_that_can_not_be_read_stays_as_it_is() -> None:
    mapped = maps("dicom").map(body(b"<ClinicalDocument"), SETTINGS)
    assert [change.type for change in mapped.changes].count("DocumentReference") == 1
    assert any("can't be read as CDA" in issue.text for issue in mapped.issues)
