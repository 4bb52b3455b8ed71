"""FHIRPath's grammar (N1 section 12): text -> a tree of small values. Precedence climbing over one table."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias


class NotCompilable(Exception):
    """The expression uses what is not in our subset, or is no FHIRPath at all; the text says which."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A string, number or boolean; None is the empty collection `{}`."""

    value: str | int | Decimal | bool | None


@dataclass(frozen=True, slots=True)
class Variable:
    """`$this`, or an environment variable as `%resource`."""

    name: str


@dataclass(frozen=True, slots=True)
class Step:
    """A member of what comes before; of `$this` where nothing does."""

    source: Node | None
    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """A function of what comes before; of `$this` where nothing does."""

    source: Node | None
    name: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Operator:
    """A binary operator; `is` and `as` have a type's name as their right side."""

    name: str
    left: Node
    right: Node


Node: TypeAlias = Literal | Variable | Step | Call | Operator

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<string>'(?:[^'\\]|\\.)*')
    | (?P<number>\d+(?:\.\d+)?)
    | (?P<variable>[$%](?:[A-Za-z_][A-Za-z0-9_\-]*|`[^`]*`|'[^']*'))
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*|`[^`]*`)
    | (?P<mark><=|>=|!=|!~|[.,()\[\]{}|&+\-*/<>=~])
    )""",
    re.VERBOSE,
)
_BINDS = {
    "implies": 1, "or": 2, "xor": 2, "and": 3, "in": 4, "contains": 4,
    "=": 5, "!=": 5, "~": 5, "!~": 5, "<": 6, ">": 6, "<=": 6, ">=": 6, "|": 7, "is": 8, "as": 8,
    "+": 9, "-": 9, "&": 9, "*": 10, "/": 10, "div": 10, "mod": 10,
}  # fmt: skip
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "f": "\f"}
_MAX_TOKENS = 2000

_Token: TypeAlias = tuple[str, str]
_END: _Token = ("end", "")


def parse(text: str) -> Node:
    """The tree of an expression. Raises NotCompilable."""
    reading = _Reading(_tokens(text))
    try:
        node = reading.expression(0)
    except RecursionError:
        raise NotCompilable("nested too deep") from None
    if reading.peek() != _END:
        raise NotCompilable(f"unexpected {reading.peek()[1]!r}")
    return node


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    place = 0
    text = text.rstrip()
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None or match.lastgroup is None or len(found) > _MAX_TOKENS:
            raise NotCompilable("not in the grammar of our subset")
        found.append((match.lastgroup, match[match.lastgroup]))
        place = match.end()
    return found


class _Reading:
    """One pass over the tokens."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = [*tokens, _END]
        self._at = 0

    def peek(self) -> _Token:
        return self._tokens[self._at]

    def _take(self, mark: str = "") -> _Token:
        token = self._tokens[self._at]
        if mark and token != ("mark", mark):
            raise NotCompilable(f"{mark!r} expected")
        self._at += token is not _END
        return token

    def expression(self, least: int) -> Node:
        left = self._term()
        while True:
            kind, text = self.peek()
            binds = _BINDS.get(text, 0) if kind in {"mark", "name"} else 0
            if binds <= least:
                return left
            self._take()
            right: Node = Step(None, self._type()) if text in {"is", "as"} else self.expression(binds)
            left = Operator(text, left, right)

    def _type(self) -> str:
        name = self._name()
        while self.peek() == ("mark", "."):
            self._take()
            name = f"{name}.{self._name()}"
        return name

    def _name(self) -> str:
        kind, text = self._take()
        if kind != "name":
            raise NotCompilable("a name is expected")
        return text.strip("`")

    def _term(self) -> Node:
        node = self._primary()
        while True:
            mark = self.peek()
            if mark == ("mark", "."):
                self._take()
                node = self._invocation(node)
            elif mark == ("mark", "["):
                self._take()
                node = Call(node, "[]", (self.expression(0),))
                self._take("]")
            else:
                return node

    def _primary(self) -> Node:
        kind, text = self.peek()
        if kind == "name" and text not in {"true", "false"}:
            return self._invocation(None)
        self._take()
        if kind == "name":
            return Literal(text == "true")
        if kind == "string":
            return Literal(_unescaped(text[1:-1]))
        if kind == "number":
            return Literal(Decimal(text) if "." in text else int(text))
        if kind == "variable":
            return Variable(text[0] + text[1:].strip("`'"))
        if text == "(":
            node = self.expression(0)
            self._take(")")
            return node
        if text == "{":
            self._take("}")
            return Literal(None)
        if text == "-" and self.peek()[0] == "number":
            number = self._take()[1]
            return Literal(-(Decimal(number) if "." in number else int(number)))
        raise NotCompilable(f"unexpected {text!r}")

    def _invocation(self, source: Node | None) -> Node:
        name = self._name()
        if self.peek() != ("mark", "("):
            return Step(source, name)
        self._take()
        arguments: list[Node] = []
        while self.peek() != ("mark", ")"):
            if arguments:
                self._take(",")
            arguments.append(self.expression(0))
        self._take()
        return Call(source, name, tuple(arguments))


def _unescaped(text: str) -> str:
    def character(match: re.Match[str]) -> str:
        code = match[1]
        return chr(int(code[1:], 16)) if len(code) == 5 else _ESCAPES.get(code, code)

    return re.sub(r"\\(u[0-9a-fA-F]{4}|.)", character, text)
