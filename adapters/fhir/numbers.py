"""FHIR R4 decimal (datatypes.html#decimal): precision is meaning, so one value has one plain notation.

`13.20` stays `13.20`. What has a positive exponent (`1E+2`) is refused: `100` would invent digits. A negative
zero loses its sign, which carries no meaning that every reader keeps.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

MAX_DIGITS = 40
"""Significant digits and decimal places; FHIR asks for 18, no hospital device says more than 16."""


def fault(number: Decimal) -> str | None:
    """Why this decimal has no plain notation; None if it has one."""
    _, digits, exponent = number.as_tuple()
    if not isinstance(exponent, int):
        return "a number that is not finite"
    if exponent > 0:
        return "a number with a positive exponent"
    if len(digits) > MAX_DIGITS or -exponent > MAX_DIGITS:
        return "a number with too many digits"
    return None


def plain(number: Decimal) -> str:
    """The plain notation of a decimal without fault: Decimal('1E-7') -> '0.0000001'."""
    return format(number if number else number.copy_abs(), "f")


def parse(text: str) -> Decimal | None:
    """A JSON number with point or exponent as Decimal; None if it has no plain notation."""
    if len(text) > 2 * MAX_DIGITS:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:  # exponents beyond what the decimal module can hold
        return None
    if fault(number) is not None:
        return None
    return number if number else number.copy_abs()
