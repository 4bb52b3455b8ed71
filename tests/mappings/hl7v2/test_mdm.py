"""MDM T02 and its like: the attached document, in force as TXA says; a CDA document inside is opened and linked."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from mappings import PUBLISHED_NAMESPACE, MapSettings, bundle
from pipelines.formats import maps

SETTINGS = MapSettings(PUBLISHED_NAMESPACE)


def resources(
    completion: str, availability: str, attachment: str, status: str = "F"
) -> dict[str, list[dict[str, Any]]]:
    lines = [
        r"MSH|^~\&|DOC|NORTHTEST|T|H|20260102101500+0100||MDM^T02^MDM_T02|M1|P|2.5.1",
        "EVN|T02|20260102101500+0100",
        "PID|1||4711^^^NORTHTEST^MR||ZZTEST^ANNA||19800101|F",
        "PV1|1|I|||||||||||||||||V1^^^NORTHTEST^VN",
        f"TXA|1|DS^Discharge summary^L||||20260102101500+0100||||||D-1^NORTHTEST|||||{completion}||{availability}",
        f"OBX|1|ED|11488-4^Consult note^LN||^application^octet-stream^Base64^{attachment}||||||{status}",
    ]
    mapped = maps("hl7v2").map("\r".join(lines).encode(), SETTINGS)
    found: dict[str, list[dict[str, Any]]] = {}
    for entry in json.loads(bundle(mapped, SETTINGS.base))["entry"]:
        found.setdefault(entry["resource"]["resourceType"], []).append(entry["resource"])
    return found


@pytest.mark.parametrize(
    ("completion", "availability", "result", "status", "doc_status"),
    [
        ("LA", "AV", "F", "current", "final"),
        ("AU", "", "F", "current", "final"),
        ("DI", "AV", "F", "current", "preliminary"),
        ("LA", "CA", "F", "entered-in-error", "final"),
        ("LA", "OB", "F", "superseded", "final"),
        ("LA", "AV", "D", "entered-in-error", "final"),
        ("", "", "P", "current", "preliminary"),
    ],
)
def test_the_document_is_in_force_as_txa_says(
    completion: str, availability: str, result: str, status: str, doc_status: str
) -> None:
    (document,) = resources(completion, availability, "UERG", result)["DocumentReference"]
    assert (document["status"], document["docStatus"]) == (status, doc_status)
    assert document["content"][0]["attachment"]["data"] == "UERG"
    assert document["type"]["coding"][0]["code"] == "11488-4"
    assert document["category"][0]["coding"][0]["code"] == "DS"
    assert document["identifier"][0]["value"] == "D-1"


def test_a_cda_document_inside_is_opened_and_linked(samples: Path) -> None:
    data = sorted((samples / "cda").glob("*.xml"))[0].read_bytes()
    found = resources("LA", "AV", base64.b64encode(data).decode())
    (composition,) = found["Composition"]
    (holder,) = [each for each in found["DocumentReference"] if each["type"]["coding"][0]["code"] == "11488-4"]
    related = [each["reference"] for each in holder["context"]["related"]]
    assert f"Composition/{composition['id']}" in related
    assert base64.b64decode(holder["content"][0]["attachment"]["data"]) == data
