"""UCUM: units of measure as texts, exact factors and canonical quantities (UCUM specification 2.2).

fault("mg/dL")                      None: a unit; else why not
parse("mm[Hg]")                     its dimension and exact factor
convert(Decimal("37"), "Cel", "K")  exact, or UnitError
canonical(Decimal("5.5"), "mg/dL")  (Decimal, unit in base units), or None where that isn't exact
alias("mmHg")                       "mm[Hg]": what is commonly written instead of UCUM
"""

from terminology.ucum.aliases import alias
from terminology.ucum.parser import fault, parse, valid
from terminology.ucum.quantity import canonical, comparable, convert
from terminology.ucum.unit import Unit

__all__ = ["Unit", "alias", "canonical", "comparable", "convert", "fault", "parse", "valid"]
