"""Which of the four formats a file holds, from its bytes alone; never from its name."""

from __future__ import annotations

import re

from adapters.dicom import looks_like

__all__ = ["detect"]

_HL7V2 = re.compile(rb"(?:\A|[\r\n\x0b]|\A\xef\xbb\xbf)(?:MSH|FHS|BHS)[^0-9A-Za-z\r\n]")
_WIDE = re.compile(rb"M\x00S\x00H\x00|\x00M\x00S\x00H")
_CDA = re.compile(rb"<(?:[A-Za-z_][\w.-]*:)?ClinicalDocument[\s>/]")
_WIDE_CDA = re.compile(rb"<\x00?C\x00l\x00i\x00n\x00i\x00c\x00a\x00l\x00D\x00o\x00c\x00u\x00m\x00e\x00n\x00t")
_WIDE_XML = (b"\xff\xfe<\x00", b"\xfe\xff\x00<", b"<\x00?\x00", b"\x00<\x00?")
_FHIR = re.compile(rb'"resourceType"\s*:')
_JSON = re.compile(rb'"(?:[^"\\]|\\.)*"(?:\s*:)?|[{}\[\]]')
_HEAD = 1 << 16
_BARE = (b"\x08\x00", b"\x00\x08", b"\x02\x00", b"\x10\x00", b"\x00\x10")  # first groups of bare DICOM data sets


def detect(data: bytes) -> str | None:
    """`hl7v2`, `cda`, `dicom` or `fhir`; None if it is none of them."""
    if data[128:132] == b"DICM":
        return "dicom"
    head = data[:_HEAD].lstrip(b"\xef\xbb\xbf \t\r\n")
    if head[:1] == b"<" and _CDA.search(head):
        return "cda"
    if data[:4] in _WIDE_XML and _WIDE_CDA.search(data, 0, _HEAD):
        return "cda"
    if _HL7V2.search(data) or (data[:2] in (b"\xff\xfe", b"\xfe\xff") and _WIDE.search(data, 0, _HEAD)):
        return "hl7v2"
    if head[:1] in (b"{", b"[") and _resource(data):
        return "fhir"
    return "dicom" if data[:2] in _BARE and looks_like(data) else None


def _resource(data: bytes) -> bool:
    """Whether the outermost object, or an object of the outermost list, has a resourceType: others only hold some."""
    if not _FHIR.search(data):
        return False
    depth, outermost = 0, 1
    for found in _JSON.finditer(data):
        token = found[0]
        if token == b"[" and not depth:
            outermost = 2
        if token in (b"{", b"["):
            depth += 1
        elif token in (b"}", b"]"):
            depth -= 1
        elif depth == outermost and _FHIR.fullmatch(token):
            return True
    return False
