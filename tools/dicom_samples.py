"""Write `sample_data/dicom/`: a CT study of two series, a Text SR, an encapsulated PDF, and a man's CT under a woman's
number: `python -m tools.dicom_samples [--check]`.

All made up; the patient is that of the HL7 v2 samples (4711001 of NORTHTEST). The same bytes each time.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydicom import Dataset, FileDataset
from pydicom.dataset import FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import UID, ExplicitVRLittleEndian

FOLDER = Path(__file__).resolve().parent.parent / "sample_data" / "dicom"
_ROOT = "2.25.314159265358979323846264338327950"  # of our own, from a UUID (PS3.5 annex B.2)
_CT, _SR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.88.11"
_PDF = "1.2.840.10008.5.1.4.1.1.104.1"
_SIDE = 16  # pixels

_PATIENT: dict[str, Any] = {
    "PatientName": "ZZTEST^ANNA^MARIA",
    "PatientID": "4711001",
    "IssuerOfPatientID": "NORTHTEST",
    "PatientBirthDate": "19700312",
    "PatientSex": "F",
}
_EQUIPMENT: dict[str, Any] = {
    "Manufacturer": "TEST IMAGING",
    "ManufacturerModelName": "Scanner One",
    "DeviceSerialNumber": "TEST-0001",
    "StationName": "TESTCT1",
    "InstitutionName": "NORTH TEST HOSPITAL",
}


def _dataset(**values: Any) -> Dataset:
    made = Dataset()
    for name, value in values.items():
        items = isinstance(value, list) and value and isinstance(value[0], Dataset)
        setattr(made, name, Sequence(value) if items else value)
    return made


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    return _dataset(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)


def _study(number: int, day: str, description: str) -> dict[str, Any]:
    return {
        "SpecificCharacterSet": "ISO_IR 192",
        "StudyInstanceUID": f"{_ROOT}.{number}",
        "StudyID": f"ZZ{number}",
        "StudyDate": day,
        "StudyTime": "101500",
        "TimezoneOffsetFromUTC": "-0500",
        "AccessionNumber": f"ZZA{number}",
        "IssuerOfAccessionNumberSequence": [_dataset(LocalNamespaceEntityID="NORTHTEST")],
        "StudyDescription": description,
        "ReferringPhysicianName": "FAMILY^FRED^^DR",
    }


def _slice(study: dict[str, Any], patient: dict[str, Any], series: int, number: int, text: str) -> Dataset:
    pixels = bytes(
        value for row in range(_SIDE) for column in range(_SIDE) for value in ((row * column * number) % 256, series)
    )
    return _dataset(
        **study,
        **patient,
        **_EQUIPMENT,
        SOPClassUID=_CT,
        SOPInstanceUID=f"{study['StudyInstanceUID']}.{series}.{number}",
        SeriesInstanceUID=f"{study['StudyInstanceUID']}.{series}",
        Modality="CT",
        SeriesNumber=series,
        SeriesDescription=text,
        SeriesDate=study["StudyDate"],
        SeriesTime=f"1016{series:02}",
        BodyPartExamined="CHEST",
        OperatorsName="ZZTEST^OPERATOR",
        InstanceNumber=number,
        ImageType=["ORIGINAL", "PRIMARY", "AXIAL"],
        ProcedureCodeSequence=[_code("RPID16", "RADLEX", "CT Chest")],
        KVP="120",
        SliceThickness="1.50",
        SamplesPerPixel=1,
        PhotometricInterpretation="MONOCHROME2",
        Rows=_SIDE,
        Columns=_SIDE,
        BitsAllocated=16,
        BitsStored=12,
        HighBit=11,
        PixelRepresentation=0,
        PixelData=pixels,
    )


def _content(kind: str, concept: Dataset, **values: Any) -> Dataset:
    return _dataset(RelationshipType="CONTAINS", ValueType=kind, ConceptNameCodeSequence=[concept], **values)


def _report(study: dict[str, Any]) -> Dataset:
    finding = _content(
        "TEXT", _code("121071", "DCM", "Finding"), TextValue="A nodule of 6 mm in the right upper lobe (made up)."
    )
    findings = _content(
        "CONTAINER",
        _code("121070", "DCM", "Findings"),
        ContinuityOfContent="SEPARATE",
        ContentSequence=[finding],
    )
    impression = _content(
        "TEXT", _code("121073", "DCM", "Impression"), TextValue="Probably benign; control in 12 months (made up)."
    )
    return _dataset(
        **study,
        **_PATIENT,
        Manufacturer="TEST IMAGING",
        SOPClassUID=_SR,
        SOPInstanceUID=f"{study['StudyInstanceUID']}.9.1",
        SeriesInstanceUID=f"{study['StudyInstanceUID']}.9",
        Modality="SR",
        SeriesNumber=9,
        InstanceNumber=1,
        ContentDate=study["StudyDate"],
        ContentTime="111500",
        ValueType="CONTAINER",
        ConceptNameCodeSequence=[_code("18748-4", "LN", "Diagnostic imaging study")],
        ContinuityOfContent="SEPARATE",
        CompletionFlag="COMPLETE",
        VerificationFlag="VERIFIED",
        VerifyingObserverSequence=[
            _dataset(
                VerifyingOrganization="NORTH TEST HOSPITAL",
                VerificationDateTime=f"{study['StudyDate']}112000",
                VerifyingObserverName="ZZTEST^READER",
            )
        ],
        ContentSequence=[findings, impression],
    )


def _pdf_bytes() -> bytes:
    """A page that says what it is."""
    text = b"BT /F1 18 Tf 20 100 Td (Made up: a test document) Tj ET"
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 200]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(text), text),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    made, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(made))
        made += b"%d 0 obj%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    start = len(made)
    made += b"xref\n0 %d\n0000000000 65535 f \n%s" % (len(objects) + 1, table)
    return made + b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)


def _document(study: dict[str, Any]) -> Dataset:
    data = _pdf_bytes()
    return _dataset(
        **study,
        **_PATIENT,
        Manufacturer="TEST IMAGING",
        SOPClassUID=_PDF,
        SOPInstanceUID=f"{study['StudyInstanceUID']}.8.1",
        SeriesInstanceUID=f"{study['StudyInstanceUID']}.8",
        Modality="DOC",
        SeriesNumber=8,
        InstanceNumber=1,
        ContentDate=study["StudyDate"],
        ContentTime="110000",
        DocumentTitle="Referral letter (made up)",
        ConceptNameCodeSequence=[_code("57133-1", "LN", "Referral note")],
        VerificationFlag="UNVERIFIED",
        MIMETypeOfEncapsulatedDocument="application/pdf",
        EncapsulatedDocumentLength=len(data),
        EncapsulatedDocument=data,
    )


def samples() -> Iterator[tuple[str, bytes]]:
    """(file name, content) of each sample."""
    chest = _study(1, "20260305", "CT chest (made up)")
    for series, text in ((1, "Axial, native"), (2, "Axial, contrast")):
        for number in (1, 2):
            yield f"ct-chest/series{series}-{number}.dcm", _file(_slice(chest, _PATIENT, series, number, text))
    yield "ct-chest/report-text-sr.dcm", _file(_report(chest))
    yield "ct-chest/referral-pdf.dcm", _file(_document(chest))
    wrong = _PATIENT | {"PatientSex": "M", "PatientName": "ZZTEST^BERT", "PatientBirthDate": "19550720"}
    other = _study(2, "20260306", "CT under a number that is another person's (made up)")
    yield "ct-other-person/series1-1.dcm", _file(_slice(other, wrong, 1, 1, "Axial"))


def _file(dataset: Dataset) -> bytes:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(_ROOT)
    out = io.BytesIO()
    FileDataset(out, dataset, file_meta=meta, preamble=b"\0" * 128).save_as(out, enforce_file_format=True)
    return out.getvalue()


def main(arguments: list[str]) -> int:
    """Write them, or say whether they are as they would be written."""
    behind = [name for name, data in samples() if not (FOLDER / name).is_file() or (FOLDER / name).read_bytes() != data]
    if "--check" in arguments:
        print("\n".join(f"{name} is not as written" for name in behind))
        return bool(behind)
    for name, data in samples():
        (FOLDER / name).parent.mkdir(parents=True, exist_ok=True)
        (FOLDER / name).write_bytes(data)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
