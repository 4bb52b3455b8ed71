"""A unique marker in every component of every field of an ADT: found in the Bundle, or its path is in the residue."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest

from adapters.fhir import is_valid, validate_bundle
from adapters.hl7v2 import dictionary, read
from mappings import PUBLISHED_NAMESPACE, MapSettings, bundle
from tests.mappings.hl7v2.adt_message import effective

SEGMENTS = ("MSH", "EVN", "SFT", "PID", "PD1", "NK1", "PV1", "PV2", "AL1", "DG1", "IN1")
VERSION = "2.8.2"
_TIMES = {"DTM", "TS", "DT", "TM"}
_NUMBERS = {"NM", "SI", "SNM"}
# coded fields that decide what else is said; a marker there would only test that it falls
_FIXED = {("PV1", 2): "I", ("DG1", 21): "A", ("EVN", 1): "A01"}
_HEADER = {1: "", 2: "^~\\&", 7: "20240301101500+0100", 9: "ADT^A01^ADT_A01", 10: "C1", 11: "P", 12: "2.8.2", 18: ""}


class Markers:
    """Hands out markers; `places`: marker -> path."""

    def __init__(self) -> None:
        self.places: dict[str, str] = {}

    def text(self, datatype: str, path: str) -> str:
        """A text that fits the type: times and numbers of their own, `Mnnnn` elsewhere."""
        number = len(self.places) + 1
        marker = f"M{number:04d}X"
        if datatype in _TIMES:
            marker = f"{1900 + number // 12 % 120:04d}{number % 12 + 1:02d}{number % 27 + 1:02d}"
        elif datatype in _NUMBERS:
            marker = str(70000 + number)
        self.places[marker] = path
        return marker


def _field(markers: Markers, segment: str, number: int) -> str:
    fixed = _HEADER.get(number) if segment == "MSH" else _FIXED.get((segment, number))
    if fixed is not None:
        return fixed
    datatype = dictionary.field_type(VERSION, segment, number) or ""
    parts = dictionary.components(VERSION, datatype)
    here = f"{segment}[1]-{number}[1]"
    if len(parts) < 2:
        return markers.text(datatype, f"{here}.1.1")
    texts = []
    for place, part in enumerate(parts, start=1):
        inner = dictionary.components(VERSION, part)
        if len(inner) < 2:
            texts.append(markers.text(part, f"{here}.{place}.1"))
        else:
            texts.append(
                "&".join([markers.text(kind, f"{here}.{place}.{sub}") for sub, kind in enumerate(inner, start=1)])
            )
    return "^".join(texts)


@cache
def marked() -> tuple[dict[str, str], bytes]:
    """Marker -> path, and the message."""
    markers = Markers()
    lines = []
    for segment in SEGMENTS:
        count = len(dictionary.fields(VERSION, segment))
        start = 2 if segment == "MSH" else 1  # MSH-1 is the separator itself
        lines.append("|".join([segment, *[_field(markers, segment, number) for number in range(start, count + 1)]]))
    return markers.places, "\r".join(lines).encode()


def outcome() -> tuple[Any, str]:
    mapped = effective().map(read(marked()[1]), MapSettings(PUBLISHED_NAMESPACE))
    return mapped, bundle(mapped, "https://tabellion.invalid/fhir").decode()


def test_every_marker_is_carried_or_said() -> None:
    """Found in the Bundle, in the residue, or excused by name; never none of the three."""
    mapped, text = outcome()
    said = {path for path, _ in mapped.residue} | {path for path, _ in mapped.excused}
    lost = []
    for marker, path in marked()[0].items():
        dashed = f"{marker[:4]}-{marker[4:6]}-{marker[6:]}" if len(marker) == 8 and marker.isdigit() else marker
        if path not in said and marker not in text and dashed not in text:
            lost.append(path)
    assert lost == []


def test_the_marked_bundle_is_valid() -> None:
    assert is_valid(validate_bundle(json.loads(outcome()[1])))


def test_nothing_is_said_twice() -> None:
    """The four kinds of leaves are a partition of the message's leaves."""
    mapped, _ = outcome()
    residue, excused = [path for path, _ in mapped.residue], [path for path, _ in mapped.excused]
    assert not set(residue) & set(excused)
    assert (len(excused), len(residue)) == mapped.leaves[2:]


FLOORS = {
    "MSH": 0.2,
    "EVN": 0.25,
    "SFT": 0.15,
    "PID": 0.22,
    "PD1": 0.11,
    "NK1": 0.12,
    "PV1": 0.27,
    "PV2": 0.11,
    "AL1": 0.58,
    "DG1": 0.18,
    "IN1": 0.09,
}
"""Share of all components of v2.8.2, fields without a row of the guide included; may only rise."""


@pytest.mark.parametrize("segment", SEGMENTS)
def test_survival(segment: str) -> None:
    _, text = outcome()
    mine = [marker for marker, path in marked()[0].items() if path.startswith(f"{segment}[")]
    found = [marker for marker in mine if marker in text or f"{marker[:4]}-{marker[4:6]}-{marker[6:]}" in text]
    assert len(found) / len(mine) >= FLOORS[segment], f"{len(found)} of {len(mine)}"
