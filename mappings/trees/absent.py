"""Why a value is absent: V3 NullFlavor to FHIR's data-absent-reason, and the extension that says it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from adapters.cda import Node
from adapters.fhir import Element, definitions
from mappings.trees.values import steps
from mappings.trees.writing import compile_put, inner_home

__all__ = ["ABSENT", "Absence", "compile_absence", "reason_of"]

ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
Absence: TypeAlias = Callable[[dict[str, Any], str], bool]
"""Body and code → whether it stands there now."""

_REASONS = {
    "ASKU": "asked-unknown",
    "NASK": "not-asked",
    "NAV": "temp-unknown",
    "NA": "not-applicable",
    "MSK": "masked",
    "OTH": "unsupported",
    "TRC": "unsupported",
    "PINF": "positive-infinity",
    "NINF": "negative-infinity",
}


def reason_of(node: Node) -> str:
    """The code for a node's nullFlavor."""
    return _REASONS.get(node.attrs["nullFlavor"], "unknown")


def compile_absence(home: tuple[str, str], elements: tuple[Element, ...]) -> Absence:
    """A writer of the extension at an element of this path, or at its `_` twin if it is primitive."""
    last = elements[-1]
    if definitions().is_primitive(last.types[0]):
        elements = (*elements[:-1], *steps(inner_home(home, elements), f"_{last.name}"))
    put = compile_put(home, elements)
    return lambda body, code: put(body, {"extension": [{"url": ABSENT, "valueCode": code}]})
