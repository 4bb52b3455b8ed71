"""What the tests of CDA maps share: small documents, and the Bundle that they give."""

from __future__ import annotations

from typing import Any, cast

from adapters.cda import read
from adapters.fhir import decode
from mappings import PUBLISHED_NAMESPACE, Mapped, MapSettings, bundle, cda

SETTINGS = MapSettings(PUBLISHED_NAMESPACE)
PATIENT = (
    '<recordTarget><patientRole><id root="1.2.3" extension="P1"/><patient><name><family>ZZTEST</family></name>'
    "</patient></patientRole></recordTarget>"
)
NAMESPACES = (
    'xmlns="urn:hl7-org:v3" xmlns:sdtc="urn:hl7-org:sdtc" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
)
C = "2.16.840.1.113883.10.20.22.4."


def document(*sections: str, head: str = PATIENT, time: str = "20260102030405+0100") -> bytes:
    """A ClinicalDocument around sections."""
    body = "".join(f"<component>{section}</component>" for section in sections)
    body = f"<component><structuredBody>{body}</structuredBody></component>" if sections else ""
    return (
        f'<ClinicalDocument {NAMESPACES}><id root="1.2.3.4" extension="D1"/>'
        f'<code code="34133-9" codeSystem="2.16.840.1.113883.6.1"/><title>T</title><effectiveTime value="{time}"/>'
        f"{head}{body}</ClinicalDocument>"
    ).encode()


def section(*entries: str, loinc: str = "11450-4", text: str = "") -> str:
    """A section around statements."""
    inside = "".join(f"<entry>{entry}</entry>" for entry in entries)
    narrative = f"<text>{text}</text>" if text else ""
    return f'<section><code code="{loinc}" codeSystem="2.16.840.1.113883.6.1"/><title>S</title>{narrative}{inside}</section>'


def observation(template: str, inside: str, attributes: str = 'classCode="OBS" moodCode="EVN"') -> str:
    return f'<observation {attributes}><templateId root="{C}{template}"/>{inside}</observation>'


def mapped(data: bytes, settings: MapSettings = SETTINGS) -> Mapped:
    return cda.load().map(read(data), settings)


def resources(data: bytes | Mapped, kind: str = "", settings: MapSettings = SETTINGS) -> list[dict[str, Any]]:
    """The resources of the Bundle, of one type."""
    outcome = mapped(data, settings) if isinstance(data, bytes) else data
    made = cast("dict[str, Any]", decode(bundle(outcome, SETTINGS.base)))
    found = [entry["resource"] for entry in made["entry"]]
    return [each for each in found if not kind or each["resourceType"] == kind]


def only(data: bytes | Mapped, kind: str, settings: MapSettings = SETTINGS) -> dict[str, Any]:
    """The one resource of a type."""
    (found,) = resources(data, kind, settings)
    return found
