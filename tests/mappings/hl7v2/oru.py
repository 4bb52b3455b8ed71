"""An ORU^R01 of a few segments and what the built-in maps make of it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from adapters.fhir import decode_trusted, validate
from adapters.hl7v2 import Message, read
from mappings import PUBLISHED_NAMESPACE, EffectiveMap, Mapped, MapSettings, bundle, load

MSH = "MSH|^~\\&|LAB|HOSP|RCV|FAC|20260101120000+0100||ORU^R01^ORU_R01|1|P|2.5.1"
PID = "PID|1||77^^^HOSP^MR||ZZTEST^ANNA"
OBR = "OBR|1|P1^HIS|F1^LAB|58410-2^CBC^LN|||20260101080000+0100|||||||||||||||20260101110000+0100|||F"


@cache
def effective() -> EffectiveMap:
    """The maps, compiled once."""
    return load()


def body(*segments: str) -> Message:
    """The message of MSH and these segments."""
    return read("\r".join((MSH, *segments)).encode())


def mapped(*segments: str, options: Mapping[str, str] | None = None) -> Mapped:
    """What the maps say about MSH and these segments."""
    return effective().map(body(*segments), MapSettings(PUBLISHED_NAMESPACE, options=options or {}))


def resources(found: Mapped) -> list[dict[str, Any]]:
    """The resources of the Bundle; each must be valid R4."""
    content: Any = decode_trusted(bundle(found, "https://tabellion.invalid/fhir"))
    made = [entry["resource"] for entry in content["entry"]]
    for each in made:
        assert [finding for finding in validate(each) if finding.severity == "error"] == []
    return made


def of_type(kind: str, *segments: str) -> list[dict[str, Any]]:
    """The resources of one type."""
    return [each for each in resources(mapped(*segments)) if each["resourceType"] == kind]


def observation(obx: str) -> dict[str, Any]:
    """The one Observation of an OBX."""
    found = of_type("Observation", PID, OBR, obx)
    assert len(found) == 1
    return found[0]


def residue(*segments: str) -> list[str]:
    """Paths that no rule carried."""
    return [path for path, _ in mapped(*segments).residue]
