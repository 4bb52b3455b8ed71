"""Codes (terminologies.html): required value sets, codes and displays of known systems, units.

What is known of a system comes from the definitions (HL7's own complete code systems) and from a callable handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from adapters.fhir.definitions import Codes, Element
from adapters.fhir.findings import Path, Run
from adapters.fhir.primitives import CODE_RULES, is_code

Test: TypeAlias = Callable[[object], bool]
After: TypeAlias = Callable[[dict[str, Any], Path, Run], None]

_V2_TABLES = "http://terminology.hl7.org/CodeSystem/v2-"
UCUM = "http://unitsofmeasure.org"
QUANTITIES = frozenset({"Quantity", "Age", "Count", "Distance", "Duration"})


def allowed_codes(element: Element) -> Codes | None:
    """The codes that a required binding demands, if they or a rule for them are known."""
    return checkable(element.binding.allowed if element.binding is not None else None)


def checkable(allowed: Codes | None) -> Codes | None:
    if allowed is None or any(rule not in CODE_RULES for rule in allowed.rules):
        return None
    return allowed


def code_test(allowed: Codes) -> Test:
    """For a `code`: its system is the value set's matter."""
    codes = allowed.codes
    if not allowed.rules:
        return lambda value: type(value) is str and value in codes
    rules = tuple(CODE_RULES[rule] for rule in allowed.rules)

    def test(value: object) -> bool:
        return type(value) is str and is_code(value) and (value in codes or any(rule(value) for rule in rules))

    return test


def in_set(coding: object, allowed: Codes) -> bool:
    """Whether a Coding or Quantity is of the value set."""
    if not isinstance(coding, dict):
        return False
    system, code = coding.get("system"), coding.get("code")
    if not isinstance(system, str) or not isinstance(code, str):
        return False
    return code in allowed.systems.get(system, ()) or bool(allowed.rules)


def check_coding(value: dict[str, Any], path: Path, run: Run, allowed: Codes) -> None:
    if not in_set(value, allowed):
        run.error("code-invalid", path, "not a coding of the required value set")


def check_concept(value: dict[str, Any], path: Path, run: Run, allowed: Codes) -> None:
    codings = value.get("coding")
    if not isinstance(codings, list) or not any(in_set(coding, allowed) for coding in codings):
        run.error("code-invalid", path, "no coding of the required value set")


CODED: Mapping[str, Callable[..., None]] = {"Coding": check_coding, "CodeableConcept": check_concept}


def check_known(value: dict[str, Any], path: Path, run: Run) -> None:
    """The code and the display of a Coding or Quantity against what is known of its system."""
    system, code = value.get("system"), value.get("code")
    if type(system) is not str or type(code) is not str:
        return
    displays = run.codes(system, code) if run.codes is not None else None
    # another edition than the one known here may be meant; and v2's tables grow with each v2.x and at each site
    open_ended = "version" in value
    if displays is None:
        known = run.table.system(system)
        if known is None:
            return
        displays = frozenset({known[code]}) if code in known else frozenset()
        open_ended = open_ended or system.startswith(_V2_TABLES)
    if not displays:
        severity = "warning" if open_ended else "error"
        run.say(severity, "code-invalid", (path, ".code"), "the code system has no such code")
        return
    display = value.get("display")
    if type(display) is str and not _is_one(display, displays):
        run.say("warning", "invalid", (path, ".display"), "not a display of this code")


def _is_one(display: str, displays: frozenset[str]) -> bool:
    if display in displays or "" in displays:
        return True
    plain = _plain(display)
    return any(plain == _plain(each) for each in displays)


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


def check_unit(value: dict[str, Any], path: Path, run: Run) -> None:
    """A Quantity's UCUM code, by the callable handed in."""
    if run.units is None or value.get("system") != UCUM:
        return
    code = value.get("code")
    if type(code) is str and not run.units(code):
        run.error("code-invalid", (path, ".code"), "not a unit of UCUM")
