"""The dictionaries: content, lookups past a version's end, and agreement with the generator's source."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from adapters.hl7v2 import dictionary

ROOT = Path(__file__).resolve().parents[3]


def test_versions() -> None:
    assert len(dictionary.VERSIONS) == 12
    assert dictionary.FILE.stat().st_size < 1 << 20
    with pytest.raises(KeyError):
        dictionary.load("2.9")


FIELDS = [
    ("2.5.1", "PID", 3, "CX"),
    ("2.5.1", "PID", 5, "XPN"),
    ("2.5.1", "OBX", 5, "varies"),
    ("2.5.1", "OBX", 3, "CE"),
    ("2.6", "OBX", 3, "CWE"),
    ("2.3", "PID", 5, "XPN"),
    ("2.3", "PID", 39, "CWE"),  # a field that 2.3 doesn't know yet
    ("2.3", "SPM", 2, "EIP"),  # a segment that 2.3 doesn't know yet
    ("2.8.2", "QRD", 1, "DTM"),  # a segment that 2.7 withdrew
    ("2.5.1", "OBX", 23, "XON"),
    ("2.5.1", "MSH", 9, "MSG"),
    ("2.5.1", "ZZZ", 1, None),
    ("2.5.1", "PID", 99, None),
]


@pytest.mark.parametrize(("version", "segment", "number", "kind"), FIELDS)
def test_field_type(version: str, segment: str, number: int, kind: str | None) -> None:
    assert dictionary.field_type(version, segment, number) == kind


def test_field_details() -> None:
    """Table, cardinality and name as the standard's attribute table has them."""
    assert dictionary.field("2.5.1", "PID", 8) == ("IS", "0001", 0, 1, "ADMINISTRATIVE_SEX")
    assert dictionary.field("2.5.1", "PID", 3) == ("CX", None, 1, -1, "PATIENT_IDENTIFIER_LIST")
    assert len(dictionary.fields("2.5.1", "PID")) == 39
    assert dictionary.fields("2.5.1", "ZZZ") == ()


@pytest.mark.parametrize(
    ("name", "number"), [("PID", 2), ("PID", 4), ("PID", 9), ("PID", 19), ("PV1", 40), ("OBR", 27)]
)
def test_withdrawn_field_has_the_type_it_had(name: str, number: int) -> None:
    """Fields that v2.7 withdrew are sent on for years: their type is that of the last version that had them."""
    assert dictionary.field_type("2.8.2", name, number) == dictionary.field_type("2.6", name, number) is not None


def test_components() -> None:
    assert dictionary.components("2.5.1", "CX")[:4] == ("ST", "ST", "ID", "HD")
    assert dictionary.components("2.5.1", "HD") == ("IS", "ST", "ID")
    assert dictionary.components("2.5.1", "ST") == ()
    assert dictionary.components("2.3", "CWE") != ()  # a type that 2.3 doesn't know yet
    assert dictionary.load("2.5.1").components("CX")[0] == ("ST", None, "ID_NUMBER", 0)


def test_every_type_is_known() -> None:
    """A composite field's components are found in its own version, to the last level."""
    for version in dictionary.VERSIONS:
        known = dictionary.load(version)
        for segment in known.segments:
            for field in known.fields(segment) or ():
                waiting = [field.type] if field.type else []
                for _ in range(200):
                    if not waiting:
                        break
                    waiting.extend(component.type for component in known.components(waiting.pop()))
                assert not waiting, (version, segment, field)


def names(children: list[dictionary.Child]) -> set[str]:
    return {name for child in children for name in (names(child[3]) if len(child) == 4 else {child[0]})}


def test_the_walk_of_2_5_1_holds_the_older_structures() -> None:
    """Structures up to 2.5.1 are walked by 2.5.1: hardly a segment of theirs has no place in it."""
    newer = dictionary.load(dictionary.DEFAULT_VERSION).structures
    lost = 0
    for version in dictionary.VERSIONS[: dictionary.VERSIONS.index(dictionary.DEFAULT_VERSION)]:
        for name, children in dictionary.load(version).structures.items():
            if name in newer:
                missing = names(children) - names(newer[name]) - {"ANYHL7SEGMENT", "Hxx", "anyHL7Segment"}
                assert not missing or name not in ("ADT_A01", "ADT_A02", "ADT_A03", "ADT_A39", "ORU_R01"), missing
                lost += len(missing)
    assert lost <= 40


def test_agrees_with_its_source() -> None:
    """The committed file is what the generator makes of hl7apy now."""
    done = subprocess.run(
        [sys.executable, "-m", "tools.hl7v2_dictionary", "--check"], cwd=ROOT, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("version", ["2.3", "2.5.1", "2.8.2"])
def test_fields_against_hl7apy(version: str) -> None:
    """Read by another road: hl7apy's own field list, one name per field."""
    theirs = import_module(f"hl7apy.v{version.replace('.', '_')}.fields").FIELDS
    for name in ("PID", "PV1", "OBX", "OBR", "ORC", "NK1", "IN1", "DG1"):
        for number, field in enumerate(dictionary.load(version).fields(name) or (), 1):
            reference = theirs.get(f"{name}_{number}")
            if reference is not None and field.most != 0:  # 0: withdrawn
                assert reference[2] == field.type, (name, number)
            else:
                assert field.type is None, (name, number)


def test_source_of_the_product_is_not_hl7apy() -> None:
    """hl7apy is a development dependency: the reader works without it."""
    code = (
        "import sys; sys.modules['hl7apy'] = None\n"
        "from adapters.hl7v2 import read, group\n"
        "print(len(group(read(b'MSH|^~\\\\&|||||||ORU^R01|1|P|2.3\\rPID|1\\rOBR|1')).children))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "2\n"
