"""Values of content items by their Value Type (PS3.3 section C.17.3.2.1): what they are in FHIR, and as text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from adapters.dicom import tag_of
from adapters.fhir import is_code
from mappings.dicom.leaves import coding, decimal, display_name, string, uid_urn
from mappings.dicom.run import Node, Run, items
from mappings.dicom.times import date_time, full_date

__all__ = ["VALUE_TYPES", "Value", "read_value"]

Value = tuple[dict[str, Any] | None, str]
"""The elements that hold it, and the text; (None, '') if there is none."""

_TEXT, _CODE, _MEASURED = tag_of("TextValue"), tag_of("ConceptCodeSequence"), tag_of("MeasuredValueSequence")
_CODE_VALUE, _SCHEME = tag_of("CodeValue"), tag_of("CodingSchemeDesignator")
_NUMBER, _UNITS = tag_of("NumericValue"), tag_of("MeasurementUnitsCodeSequence")
_QUALIFIER = tag_of("NumericValueQualifierCodeSequence")
_DATE, _TIME, _DATE_TIME = tag_of("Date"), tag_of("Time"), tag_of("DateTime")
_PERSON, _UID = tag_of("PersonName"), tag_of("UID")
_OFFSET = tag_of("TimezoneOffsetFromUTC")
_UCUM = "http://unitsofmeasure.org"
_REASONS = {"114000": "not-a-number", "114001": "negative-infinity", "114002": "positive-infinity"}


def read_value(run: Run, node: Node, kind: str, units: Mapping[str, str]) -> Value:
    """The value of an item of this Value Type; `units`: spellings of units that are not UCUM's."""
    if kind == "NUM":
        return _num(run, node, units)
    reader = _VALUES.get(kind)
    return (None, "") if reader is None else reader(run, node)


def _text(run: Run, node: Node) -> Value:
    value = string(run, run.text(node, _TEXT))
    return ({"valueString": value}, value) if value else (None, "")


def _code(run: Run, node: Node) -> Value:
    found = items(node, _CODE)
    made = coding(run, found[0]) if found else None
    return ({"valueCodeableConcept": {"coding": [made]}}, str(made.get("display", ""))) if made else (None, "")


def _num(run: Run, node: Node, units: Mapping[str, str]) -> Value:
    """Number and unit change each other's meaning: without a number there is a reason, never another number."""
    for measured in items(node, _MEASURED):
        text = run.text(measured, _NUMBER)
        value = decimal(run, text)
        if value is None:
            break
        quantity: dict[str, Any] = {"value": value}
        for unit in items(measured, _UNITS):
            made = coding(run, unit) or {}
            code = units.get(unit.dataset.text(_CODE_VALUE), unit.dataset.text(_CODE_VALUE))
            quantity["unit"] = made.get("display") or code
            if unit.dataset.text(_SCHEME).upper() in ("UCUM", "UCM") and is_code(code):
                quantity |= {"system": _UCUM, "code": code}
        return {"valueQuantity": quantity}, f"{text} {quantity.get('unit', '')}".strip()
    for qualifier in items(node, _QUALIFIER):
        coding(run, qualifier)
        reason = _REASONS.get(qualifier.dataset.text(_CODE_VALUE), "unknown")
        system = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
        return {"dataAbsentReason": {"coding": [{"system": system, "code": reason}]}}, reason
    return None, ""


def _day(run: Run, node: Node) -> Value:
    value = full_date(run, run.text(node, _DATE))
    return ({"valueDateTime": value}, value) if value else (None, "")


def _clock(run: Run, node: Node) -> Value:
    text = run.text(node, _TIME)
    whole = date_time(run, f"20000101{text.replace(':', '')}", "+0000") if text else None
    if whole is None or "T" not in whole:
        return None, ""
    value = whole[11:].removesuffix("+00:00")
    return {"valueTime": value}, value


def _moment(run: Run, node: Node) -> Value:
    offset = run.root.dataset.text(_OFFSET)
    value = date_time(run, run.text(node, _DATE_TIME), offset)
    return ({"valueDateTime": value}, value) if value else (None, "")


def _person(run: Run, node: Node) -> Value:
    value = display_name(run, run.text(node, _PERSON))
    return ({"valueString": value}, value) if value else (None, "")


def _uid(run: Run, node: Node) -> Value:
    value = uid_urn(run, run.text(node, _UID))
    return ({"valueString": value}, value) if value else (None, "")


_VALUES: dict[str, Callable[[Run, Node], Value]] = {
    "TEXT": _text,
    "CODE": _code,
    "DATE": _day,
    "TIME": _clock,
    "DATETIME": _moment,
    "PNAME": _person,
    "UIDREF": _uid,
}
VALUE_TYPES = frozenset({"NUM", *_VALUES})
