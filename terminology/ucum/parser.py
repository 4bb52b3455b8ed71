"""Unit expressions (UCUM §5-11), case sensitive, left to right: `a/b/c` is (a/b)/c and `s/4.m` is (s/4).m.

main      := "" | "/" term | term
term      := component (("." | "/") component)*
component := (symbol exponent? | digits | "(" term ")") annotation? | annotation
exponent  := ("+" | "-")? digits
symbol    := atom | prefix metric-atom
annotation:= "{" characters 33-126 without braces "}"
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, lru_cache

from terminology.errors import UnitError
from terminology.ucum.essence import Atom, atoms, prefixes
from terminology.ucum.unit import ONE, Unit

__all__ = ["MAX_LENGTH", "fault", "parse", "valid"]

MAX_LENGTH = 256  # the longest unit in real use has some 40 characters
MAX_DEPTH = 16
_TOKEN = re.compile(
    r"(?P<annotation>\{[!-z|~]*\})"
    r"|(?P<symbol>10[*^]|(?:\[[!-Z\\^-~]*\]|[A-Za-z%'_*^])+)"
    r"|(?P<number>[+-]?[0-9]+)"
    r"|(?P<mark>[./()])"
)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str


def parse(text: str) -> Unit:
    """Factor and dimension; UnitError says what is wrong. The empty text is the unit 1."""
    found = _parsed(text)
    if isinstance(found, str):
        raise UnitError(found)
    return found


def fault(text: str) -> str | None:
    """Why a text is not a unit; None if it is one. What the FHIR validator is handed."""
    found = _parsed(text)
    return found if isinstance(found, str) else None


def valid(text: str) -> bool:
    """Whether a text is a unit."""
    return not isinstance(_parsed(text), str)


@lru_cache(maxsize=4096)
def _parsed(text: str) -> Unit | str:
    if len(text) > MAX_LENGTH:
        return f"longer than {MAX_LENGTH} characters"
    try:
        return _Parser(_tokens(text)).main()
    except UnitError as error:
        return str(error)


def _tokens(text: str) -> list[_Token]:
    found = []
    place = 0
    if not text.isascii():
        raise UnitError("a character that is not ASCII")
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            character = text[place]
            what = "white space" if character.isspace() else "an unexpected character"
            raise UnitError(f"{what} at position {place + 1}")
        found.append(_Token(match.lastgroup or "", match.group()))
        place = match.end()
    return found


class _Parser:
    """One pass over the tokens."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._place = 0

    def main(self) -> Unit:
        if not self._tokens:
            return ONE
        found = self._inverse() if self._take("/") else self._term(0)
        if self._place < len(self._tokens):
            raise UnitError(f"unexpected {self._tokens[self._place].text!r}")
        return found

    def _inverse(self) -> Unit:
        """`/a.b` is (1/a).b: left to right."""
        return self._rest(self._component(0).power(-1), 0)

    def _term(self, depth: int) -> Unit:
        if depth > MAX_DEPTH:
            raise UnitError("too many parentheses")
        return self._rest(self._component(depth), depth)

    def _rest(self, found: Unit, depth: int) -> Unit:
        while True:
            if self._take("."):
                found = found.times(self._component(depth))
            elif self._take("/"):
                found = found.times(self._component(depth).power(-1))
            else:
                return found

    def _take(self, mark: str) -> bool:
        token = self._peek()
        if token is None or token.kind != "mark" or token.text != mark:
            return False
        self._place += 1
        return True

    def _peek(self) -> _Token | None:
        return self._tokens[self._place] if self._place < len(self._tokens) else None

    def _component(self, depth: int) -> Unit:
        token = self._peek()
        if token is None:
            raise UnitError("it ends where a unit should follow")
        self._place += 1
        if token.kind == "annotation":
            return ONE
        found = self._part(token, depth)
        after = self._peek()
        if after is not None and after.kind == "annotation":
            self._place += 1
        return found

    def _part(self, token: _Token, depth: int) -> Unit:
        if token.kind == "number":
            if not token.text.isdigit() or int(token.text) == 0:
                raise UnitError(f"{token.text!r} is not a whole number above 0")
            return Unit(Fraction(int(token.text)))
        if token.kind == "symbol":
            found = _symbol(token.text)
            after = self._peek()
            if after is not None and after.kind == "number":
                self._place += 1
                found = found.power(_exponent(after.text))
            return found
        if token.text != "(":
            raise UnitError(f"unexpected {token.text!r}")
        found = self._inverse() if self._take("/") else self._term(depth + 1)
        if not self._take(")"):
            raise UnitError("a parenthesis is not closed")
        return found


def _exponent(text: str) -> int:
    if len(text) > 4:
        raise UnitError("an exponent beyond all bounds")
    exponent = int(text)
    if exponent == 0:
        raise UnitError("an exponent of 0")
    return exponent


def _symbol(text: str) -> Unit:
    found = _symbols().get(text)
    if found is None:
        raise UnitError(f"{text!r} is not a unit (units are case sensitive)")
    prefix, atom = found
    unit = _defined(atom.code)
    return unit if prefix == 1 else Unit(unit.factor * prefix, unit.powers, unit.exact)


@cache
def _symbols() -> dict[str, tuple[Fraction, Atom]]:
    """Every prefix with every metric atom, and the atoms themselves, which come first: `cd` is candela."""
    known = atoms()
    found = {
        prefix + code: (factor, atom)
        for prefix, factor in prefixes().items()
        for code, atom in known.items()
        if atom.metric
    }
    return found | {code: (Fraction(1), atom) for code, atom in known.items()}


@cache
def _defined(code: str) -> Unit:
    atom = atoms()[code]
    if atom.base:
        return atom.own
    unit = _Parser(_tokens(atom.unit)).main() if atom.unit != "1" else ONE
    return Unit(unit.factor * atom.value, unit.powers, unit.exact and atom.exact)
