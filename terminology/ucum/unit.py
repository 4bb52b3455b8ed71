"""A unit as factor and dimension (UCUM §18-23): what a unit expression comes to.

The factor is an exact fraction. A dimension is a product of powers of base units; besides UCUM's seven bases,
`mol`, `eq` and `osm`, every arbitrary unit ([IU], [CFU], ...) and every special one (pH, bel, ...) counts as a base of
its own. UCUM makes mol a plain number and eq and osm the same as mol: then 1 mmol/L would be 6.022e20 particles/L, and
meq would be mmol whatever the valence. We keep them apart: what isn't comparable at the bedside isn't here.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from terminology.errors import UnitError

__all__ = ["MAX_EXPONENT", "ONE", "Unit"]

MAX_EXPONENT = 99  # of one base in a result; real units have one digit
MAX_BITS = 4096  # of numerator and denominator of a factor


@dataclass(frozen=True, slots=True)
class Unit:
    """`powers`: (base, exponent) by name, no exponent 0. `exact`: no rounded constant is in the factor."""

    factor: Fraction
    powers: tuple[tuple[str, int], ...] = ()
    exact: bool = True

    def times(self, other: Unit) -> Unit:
        """The product."""
        powers = dict(self.powers)
        for base, exponent in other.powers:
            powers[base] = powers.get(base, 0) + exponent
        return _unit(self.factor * other.factor, powers, self.exact and other.exact)

    def power(self, exponent: int) -> Unit:
        """To an integer power, which may be negative."""
        if abs(exponent) > MAX_EXPONENT:
            raise UnitError(f"exponent beyond {MAX_EXPONENT}")
        size = max(self.factor.numerator.bit_length(), self.factor.denominator.bit_length())
        if size * abs(exponent) > MAX_BITS:
            raise UnitError("the factor is beyond all bounds")
        powers = {base: each * exponent for base, each in self.powers}
        return _unit(self.factor**exponent, powers, self.exact)

    def __str__(self) -> str:
        """As a UCUM expression in base units: factor, powers, divisor."""
        parts = [str(self.factor.numerator)] if self.factor.numerator != 1 or not self.powers else []
        parts += [f"{base}{exponent if exponent != 1 else ''}" for base, exponent in self.powers]
        text = ".".join(parts)
        return text if self.factor.denominator == 1 else f"{text}/{self.factor.denominator}"


def _unit(factor: Fraction, powers: dict[str, int], exact: bool) -> Unit:
    if max(factor.numerator.bit_length(), factor.denominator.bit_length()) > MAX_BITS:
        raise UnitError("the factor is beyond all bounds")
    if any(abs(exponent) > MAX_EXPONENT for exponent in powers.values()):
        raise UnitError(f"exponent beyond {MAX_EXPONENT}")
    return Unit(factor, tuple(sorted((base, each) for base, each in powers.items() if each)), exact)


ONE = Unit(Fraction(1))
