"""Leaf functions: texts of DICOM elements → FHIR values; None = it can't be said (PS3.5 section 6.2).

Each takes the run, the texts of its sources ('' for an absent one) and gives a value of its FHIR type. A function that
takes several sources is asked once, with the first value of each; one that takes one is asked for each value.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from adapters.fhir import is_code, is_decimal, is_id, is_oid, is_string, is_uri
from mappings.dicom.run import Node, Run
from mappings.dicom.times import date_time, date_time_instant, full_date, instant, moment
from mappings.dicom.vocabulary import DCM, SCT, acquisition, body_part, concept, known_modality

__all__ = ["ITEM_LEAVES", "LEAVES", "Leaf", "Partly"]


_WORDS = ("family", "given", "given", "prefix", "suffix")  # components of PN, PS3.5 6.2.1.2
_REPRESENTATION = "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation"


@dataclass(frozen=True, slots=True)
class Partly:
    """A value that carries its first `carried` sources only: a time whose zone nobody says has no place in FHIR."""

    value: Any
    carried: int


@dataclass(frozen=True, slots=True)
class Leaf:
    """`type`: the FHIR type it gives; `sources`: how many texts it takes."""

    call: Callable[..., Any]
    type: str
    sources: int = 1
    whole: bool = False  # takes all values of its one source at once


def string(run: Run, text: str) -> str | None:
    """LO, SH, ST, LT, UT."""
    text = text.strip()
    return text if text and is_string(text) else None


def plain(run: Run, text: str) -> str | None:
    """One line: line ends become blanks."""
    return string(run, " ".join(text.split()))


def code(run: Run, text: str) -> str | None:
    return text if is_code(text) else None


def uid(run: Run, text: str) -> str | None:
    """UI where FHIR has a bare id; 64 hexadecimal digits are no UID, but an id."""
    return text if is_id(text) else None


def uid_urn(run: Run, text: str) -> str | None:
    """UI as URI; one that is no OID keeps its text."""
    if is_oid(f"urn:oid:{text}"):
        return f"urn:oid:{text}"
    return text if is_code(text) else None


def url(run: Run, text: str) -> str | None:
    return text if is_uri(text) and ":" in text else None


def integer(run: Run, text: str) -> int | None:
    """IS without sign, as FHIR's unsignedInt."""
    return int(text) if re.fullmatch(r"\+?\d{1,10}", text) and int(text) < 1 << 31 else None


def decimal(run: Run, text: str) -> Decimal | None:
    """DS with the digits that were sent."""
    try:
        found = Decimal(text)
    except InvalidOperation:
        return None
    if not found.is_finite() or abs(int(found.as_tuple().exponent)) > 200:
        return None
    return found if is_decimal(found) else None


def started(run: Run, day: str, clock: str, offset: str) -> str | Partly | None:
    """As `moment`, for a row."""
    found = moment(run, day, clock, offset)
    return Partly(found, 1) if found is not None and "T" not in found and clock else found


def names(run: Run, text: str) -> list[dict[str, Any]] | None:
    """PN: up to three groups (alphabetic, ideographic, phonetic), each a HumanName."""
    groups = text.split("=")[:3]
    found = [person_name(group, kind) for group, kind in zip(groups, ("ABC", "IDE", "SYL"), strict=False)]
    made = [name for name in found if name]
    if len(made) == 1 and groups[0].strip():
        made[0].pop("extension", None)
    return made or None


def person_name(group: str, kind: str) -> dict[str, Any]:
    """One component group of a PN; {} if it is empty."""
    parts: dict[str, Any] = {}
    for name, component in zip(_WORDS, group.split("^"), strict=False):
        word = " ".join(component.split())
        if not is_string(word):
            continue
        if name == "family":
            parts["family"] = word
        else:
            parts.setdefault(name, []).append(word)
    if parts:
        parts["extension"] = [{"url": _REPRESENTATION, "valueCode": kind}]
    return parts


def display_name(run: Run, text: str) -> str | None:
    """PN for a display: the first group, in reading order."""
    group = next((each for each in text.split("=") if each.strip(" ^")), "")
    parts = [" ".join(part.split()) for part in group.split("^")] + [""] * 5
    return plain(run, " ".join(part for part in (parts[3], parts[1], parts[2], parts[0], parts[4]) if part))


def modality(run: Run, text: str) -> dict[str, Any] | None:
    """CS → Coding; the system is named for codes of CID 33 only."""
    if not is_code(text):
        return None
    return {"system": DCM, "code": text} if known_modality(text) else {"code": text}


def modality_acquired(run: Run, text: str) -> dict[str, Any] | None:
    """Modalities of a study: those of CID 29."""
    return {"system": DCM, "code": text} if acquisition(text) else None


def part(run: Run, text: str) -> dict[str, Any] | None:
    """(0018,0015) → Coding by PS3.16 annex L; an unknown term keeps its text."""
    found = body_part(text, run.schemes.parts)
    if found is None:
        shown = plain(run, text)
        return {"display": shown} if shown else None
    return {"system": SCT, "code": found[0], "display": found[1]}


_SIDES = {"R": "Right", "L": "Left", "B": "Bilateral"}


def laterality(run: Run, text: str) -> dict[str, Any] | None:
    """(0020,0060), (0020,0062), (0020,9072); U (unpaired) has no side."""
    found = concept("SCT", _SIDES.get(text, ""))
    return {"system": SCT, "code": found[0], "display": found[1]} if found else None


def image_type(run: Run, *texts: str) -> str | None:
    """(0008,0008) as it stands."""
    return plain(run, "\\".join(texts))


def scheme(run: Run, designator: str, value: str) -> str | None:
    """Coding Scheme Designator as a system."""
    return run.schemes.coding(designator, value)[0] or None


def coding(run: Run, node: Node) -> dict[str, Any] | None:
    """An item of a code sequence (PS3.3 section 8.8). Code and scheme change each other's meaning: without a scheme
    that can be named, only the meaning stands."""
    value = next((text for tag in _VALUES if (text := run.text(node, tag))), "")
    designator, meaning = run.text(node, _SCHEME), plain(run, run.text(node, _MEANING))
    system, code_ = run.schemes.coding(designator, value)
    made: dict[str, Any] = {}
    if value and system and is_code(code_):
        made = {"system": system, "code": code_}
        version = run.text(node, _VERSION)
        if version and code_ == value and is_string(version):
            made["version"] = version
    elif value:
        where = f"{node.prefix}{_SCHEME:08X}"
        run.say("warning", "code-invalid", where, "a code whose scheme is not known stands as its meaning only")
        if meaning is None:
            return None
    if meaning is not None:
        made["display"] = meaning
    return made or None


_DOCUMENT, _DOCUMENT_LENGTH, _MIME = 0x00420011, 0x00420015, 0x00420012


def document(run: Run, node: Node) -> dict[str, Any] | None:
    """Encapsulated Document (0042,0011) → Attachment: cut to (0042,0015), else without the pad byte."""
    element = node.dataset.get(_DOCUMENT)
    if element is None or not element.value:
        return None
    length = run.text(node, _DOCUMENT_LENGTH)
    data = element.value
    if length.isdigit() and 0 < int(length) <= len(data):
        data = data[: int(length)]
    elif data[-1:] == b"\0":
        data = data[:-1]
    run.trace.append(f"{node.prefix}{_DOCUMENT:08X}")
    mime = run.text(node, _MIME).lower()
    return {
        "contentType": mime if _MIME_TYPE.fullmatch(mime) else "application/octet-stream",
        "data": base64.b64encode(data).decode(),
        "size": len(data),
        "hash": base64.b64encode(hashlib.sha1(data, usedforsecurity=False).digest()).decode(),
    }


_MIME_TYPE = re.compile(r"[a-z0-9.+-]+/[a-z0-9.+-]+")


def report_status(run: Run, completion: str, verification: str, preliminary: str) -> str | Partly | None:
    """Completion Flag (0040,A491) × Verification Flag (0040,A493) × Preliminary Flag (0040,A496)."""
    if preliminary == "PRELIMINARY":
        return "preliminary"
    found = {
        ("PARTIAL", "VERIFIED"): "partial",
        ("PARTIAL", "UNVERIFIED"): "partial",
        ("COMPLETE", "UNVERIFIED"): "preliminary",
        ("COMPLETE", "VERIFIED"): "final",
    }
    return found.get((completion, verification))


_VALUES = (0x00080100, 0x00080119, 0x00080120)  # Code Value, Long Code Value, URN Code Value
_SCHEME, _VERSION, _MEANING = 0x00080102, 0x00080103, 0x00080104


def sop_class(run: Run, text: str) -> dict[str, Any] | None:
    value = uid_urn(run, text)
    return {"system": "urn:ietf:rfc:3986", "code": value} if value else None


def address(run: Run, text: str) -> dict[str, Any] | None:
    shown = plain(run, text)
    return {"text": shown} if shown else None


def phone(run: Run, text: str) -> dict[str, Any] | None:
    value = plain(run, text)
    return {"system": "phone", "value": value} if value else None


def text_concept(run: Run, text: str) -> dict[str, Any] | None:
    shown = plain(run, text)
    return {"text": shown} if shown else None


def urn_authority(run: Run, value: str, kind: str) -> str | None:
    """Universal Entity ID + Type (HL7 v2 HIERARCHIC DESIGNATOR macro) as a URI."""
    if kind in ("ISO", "") and is_oid(f"urn:oid:{value}"):
        return f"urn:oid:{value}"
    if kind == "UUID" and re.fullmatch(r"[0-9a-fA-F-]{36}", value):
        return f"urn:uuid:{value.lower()}"
    return value if kind == "URI" and is_uri(value) and ":" in value else None


LEAVES: dict[str, Leaf] = {
    "string": Leaf(string, "string"),
    "line": Leaf(plain, "string"),
    "code": Leaf(code, "code"),
    "uid": Leaf(uid, "id"),
    "uid-urn": Leaf(uid_urn, "uri"),
    "url": Leaf(url, "uri"),
    "integer": Leaf(integer, "unsignedInt"),
    "decimal": Leaf(decimal, "decimal"),
    "date": Leaf(full_date, "date"),
    "started": Leaf(started, "dateTime", 3),
    "instant": Leaf(instant, "instant", 3),
    "DT": Leaf(date_time, "dateTime", 2),
    "DT-instant": Leaf(date_time_instant, "instant", 2),
    "PN": Leaf(names, "HumanName"),
    "PN-display": Leaf(display_name, "string"),
    "modality": Leaf(modality, "Coding"),
    "modality-acquired": Leaf(modality_acquired, "Coding"),
    "body-part": Leaf(part, "Coding"),
    "sop-class": Leaf(sop_class, "Coding"),
    "address": Leaf(address, "Address"),
    "phone": Leaf(phone, "ContactPoint"),
    "text-concept": Leaf(text_concept, "CodeableConcept"),
    "authority": Leaf(urn_authority, "uri", 2),
    "laterality": Leaf(laterality, "Coding"),
    "image-type": Leaf(image_type, "string", whole=True),
    "scheme": Leaf(scheme, "uri", 2),
    "report-status": Leaf(report_status, "code", 3),
}

# functions that take the item of a sequence
ITEM_LEAVES: dict[str, tuple[Callable[[Run, Node], Any], str]] = {
    "coding": (coding, "Coding"),
    "document": (document, "Attachment"),
}
