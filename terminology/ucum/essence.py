"""The UCUM table (ucum-essence.xml 2.2, unmodified; see NOTICE): prefixes, atoms and their definitions.

A definition is itself a UCUM expression; it is worked out when its atom is first met.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from importlib.resources import files
from xml.etree import ElementTree

from terminology.ucum.unit import Unit

__all__ = ["APART", "Atom", "atoms", "prefixes", "version"]

_NS = "{http://unitsofmeasure.org/ucum-essence}"
APART = frozenset({"mol", "eq", "osm"})  # bases of their own, see `unit`
# their value in the table is rounded: pi, and constants that are measured, not defined
_ROUNDED = frozenset({"[pi]", "[m_e]", "[m_p]", "[G]", "[eps_0]", "[mu_0]"})


@dataclass(frozen=True, slots=True)
class Atom:
    """One unit symbol. `value` times `unit` defines it; `base`: it stands for itself."""

    code: str
    name: str
    metric: bool
    base: bool
    special: bool
    value: Fraction
    unit: str
    exact: bool

    @property
    def own(self) -> Unit:
        """The atom as a base."""
        return Unit(Fraction(1), ((self.code, 1),))


@cache
def _root() -> ElementTree.Element:
    data = files("terminology.ucum").joinpath("ucum-essence.xml").read_bytes()  # our own file: nothing hostile in it
    return ElementTree.fromstring(data)


def version() -> str:
    """Of the table."""
    return _root().get("version", "")


@cache
def prefixes() -> dict[str, Fraction]:
    """Prefix → factor."""
    return {each.get("Code", ""): Fraction(_value(each).get("value", "")) for each in _root().iter(f"{_NS}prefix")}


@cache
def atoms() -> dict[str, Atom]:
    """Symbol → atom, case sensitive."""
    found = {}
    for each in _root().iter(f"{_NS}base-unit"):
        code = each.get("Code", "")
        found[code] = Atom(code, _name(each), True, True, False, Fraction(1), "1", True)
    for each in _root().iter(f"{_NS}unit"):
        code, value = each.get("Code", ""), _value(each)
        special = each.get("isSpecial") == "yes"
        base = special or code in APART or (each.get("isArbitrary") == "yes" and value.get("Unit") == "1")
        number = Fraction(1) if base else Fraction(value.get("value", ""))
        unit = "1" if base else value.get("Unit", "")
        found[code] = Atom(
            code, _name(each), each.get("isMetric") == "yes", base, special, number, unit, code not in _ROUNDED
        )
    return found


def _value(element: ElementTree.Element) -> ElementTree.Element:
    found = element.find(f"{_NS}value")
    assert found is not None  # our own file
    return found


def _name(element: ElementTree.Element) -> str:
    found = element.find(f"{_NS}name")
    return found.text or "" if found is not None else ""
