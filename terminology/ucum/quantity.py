"""Quantities (UCUM §20-22; FHIR R4 datatypes.html#Quantity): conversion and canonical form, exact or not at all.

Special units are converted only where that is safe: Cel and [degF] alone, and multiples of one special unit (dB to B).
pH, prism dioptres, homeopathic potencies and the like are valid units that nothing is computed with.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from terminology.errors import UnitError
from terminology.ucum.essence import atoms
from terminology.ucum.parser import parse
from terminology.ucum.unit import Unit

__all__ = ["canonical", "comparable", "convert"]

MAX_DIGITS = 40  # of an exact result; more is a sign of units that don't belong together
# special unit → (a, b): kelvin = a * value + b
_TEMPERATURES = {
    "Cel": (Fraction(1), Fraction("273.15")),
    "[degF]": (Fraction(5, 9), Fraction("459.67") * Fraction(5, 9)),
}
_KELVIN = (("K", 1),)


def comparable(first: str, second: str) -> bool:
    """Whether values of two units can be compared. UnitError if one is not a unit."""
    return _plain(parse(first)).powers == _plain(parse(second)).powers


def convert(value: Decimal, unit: str, into: str) -> Decimal:
    """A value in another unit. UnitError: not comparable, or the result has no exact decimal form."""
    source, target = parse(unit), parse(into)
    if _plain(source).powers != _plain(target).powers:
        raise UnitError(f"{unit!r} and {into!r} are not comparable")
    if unit != into and not (source.exact and target.exact):
        raise UnitError(f"{unit!r} to {into!r} has no exact factor")
    found = _decimal(_from_base(_to_base(Fraction(value), source), target))
    if found is None:
        raise UnitError(f"{unit!r} to {into!r}: the result has no exact decimal form")
    return found


def canonical(value: Decimal, unit: str) -> tuple[Decimal, str] | None:
    """The value in base units; None where that is not exact or not safe. UnitError if it is not a unit."""
    source = parse(unit)
    base = _plain(source)
    if not source.exact or any(_special(code) for code, _ in base.powers):
        return None
    found = _decimal(_to_base(Fraction(value), source))
    return None if found is None else (found, str(Unit(Fraction(1), base.powers)))


def _special(code: str) -> bool:
    return atoms()[code].special


def _temperature(unit: Unit) -> tuple[Fraction, Fraction] | None:
    if len(unit.powers) != 1 or unit.powers[0][1] != 1:
        return None
    return _TEMPERATURES.get(unit.powers[0][0])


def _plain(unit: Unit) -> Unit:
    """What a unit is compared as: a temperature scale alone is kelvin."""
    return unit if _temperature(unit) is None else Unit(unit.factor, _KELVIN, unit.exact)


def _to_base(value: Fraction, unit: Unit) -> Fraction:
    scale = _temperature(unit)
    value = value * unit.factor
    return value if scale is None else value * scale[0] + scale[1]


def _from_base(value: Fraction, unit: Unit) -> Fraction:
    scale = _temperature(unit)
    value = value if scale is None else (value - scale[1]) / scale[0]
    return value / unit.factor


def _decimal(value: Fraction) -> Decimal | None:
    """Exact decimal form, if there is one of a decent length."""
    rest, digits = value.denominator, 0
    for prime in (2, 5):
        count = 0
        while rest % prime == 0:
            rest //= prime
            count += 1
        digits = max(digits, count)
    if rest != 1 or digits > MAX_DIGITS:
        return None
    number = abs(value.numerator) * 10**digits // value.denominator
    if len(str(number)) > MAX_DIGITS:
        return None
    exact = Decimal(number if value >= 0 else -number).scaleb(-digits)
    return exact if digits else Decimal(int(exact))
