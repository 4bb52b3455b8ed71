"""Small maps written in the tests themselves, and messages of a few lines, so that one feature is seen at a time."""

from __future__ import annotations

import json
from textwrap import dedent
from typing import Any

from adapters.hl7v2 import read
from mappings import PUBLISHED_NAMESPACE, Mapped, MapSettings, bundle
from mappings.engine import yamlfile
from mappings.engine.effective import EffectiveMap
from mappings.engine.library import Library

__all__ = ["CWE", "CX", "SETTINGS", "XCN", "effective", "library", "mapped", "message", "patient_map", "resources"]

SETTINGS = MapSettings(PUBLISHED_NAMESPACE, default_authority="TEST")

CX = """
    datatype: CX -> Identifier
    rows:
    - {to: value, from: CX.1}
    - {to: system, from: [CX.4.1, CX.4.2, CX.4.3], as: authority}
    - {to: period.start, from: CX.7, as: dateTime}
    excused:
      CX.2: check digit
"""
CWE = """
    datatype: CWE -> CodeableConcept
    rows:
    - {to: coding.code, from: CWE.1, slot: first}
    - {to: coding.system, from: CWE.3, as: uri, slot: first}
    - {to: coding.display, from: CWE.2, slot: first}
    - {to: text, from: CWE.9}
"""
XCN = """
    datatype: XCN -> Practitioner
    key: XCN
    rows:
    - {to: identifier.value, from: XCN.1, slot: XCN}
    - {to: name.family, from: XCN.2.1, slot: XCN}
"""


def library(files: dict[str, str]) -> Library:
    """A library of texts: YAML, or CSV under tables/."""
    found: dict[str, Any] = {}
    for name, text in files.items():
        plain = dedent(text).strip() + "\n"
        found[name] = plain.strip() if name.startswith("tables/") else yamlfile.read(plain.encode(), name)
    return Library(found)


def effective(files: dict[str, str]) -> EffectiveMap:
    """The map that these files make."""
    return EffectiveMap(library(files))


def message(*lines: str, event: str = "A01", structure: str = "ADT_A01") -> str:
    """A message of these segments under a plain header."""
    header = rf"MSH|^~\&|APP|FAC|||20260302101112+0100||ADT^{event}^{structure}|M-1|P|2.5.1"
    return "\r".join((header, *lines))


def mapped(files: dict[str, str], text: str, settings: MapSettings = SETTINGS) -> Mapped:
    """The outcome of a message."""
    return effective(files).map(read(text.encode()), settings)


def patient_map(rows: str, head: str = "", **files: str) -> dict[str, str]:
    """Files of a map that makes one Patient of PID with these rows; more files by name, `__` for `/`."""
    more = {name.replace("__", "/").replace("_", "-", 1) + ".yaml": text for name, text in files.items()}
    start = f"{dedent(head).strip()}\n" if head else ""
    return {
        "messages/ADT_A01.yaml": """
            message: [ADT_A01]
            rows:
            - {id: patient, for: PID, make: Patient, by: [PID-Patient]}
        """,
        "segments/PID-Patient.yaml": f"segment: PID -> Patient\n{start}rows:\n{dedent(rows).strip()}",
        "datatypes/CX-Identifier.yaml": CX,
        "datatypes/CWE-CodeableConcept.yaml": CWE,
        "datatypes/XCN-Practitioner.yaml": XCN,
        **more,
    }


def resources(outcome: Mapped, kind: str) -> list[dict[str, Any]]:
    """The resources of a type in the Bundle, without resourceType and id."""
    found = []
    for entry in json.loads(bundle(outcome, "http://test"))["entry"]:
        if entry["resource"]["resourceType"] == kind:
            found.append(
                {name: value for name, value in entry["resource"].items() if name not in ("resourceType", "id")}
            )
    return found
