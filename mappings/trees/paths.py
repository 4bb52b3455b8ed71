"""Source paths: a strict subset of XPath 1.0, compiled once to closures over nodes.

    path   = [ "/" ] step { "/" step }  |  path "|" path
    step   = "." | "text()" | "@" name | [ axis ] ( name | "*" ) { "[" expr "]" }
    axis   = "ancestor::" (the nearest of that name above) | "context::" (those of the nearest element around or
             above that has any: what CDA calls context conduction)
    expr   = term { ("and" | "or") term }      ("and" binds closer)
    term   = "not(" expr ")" | "(" expr ")" | "template('oid')" | path [ ("=" | "!=") ("'text'" | path) ] | number

A step into an act is a place where a negation could be lost: see `Source.opens`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from adapters.cda import Node

__all__ = ["ACTS", "PathError", "Place", "Predicate", "Source", "compile_path", "compile_predicate"]

Place: TypeAlias = "tuple[Node, str | None]"
"""An element (None), one of its attributes, or its own text ('')."""
Fetch: TypeAlias = "Callable[[Node], list[Place]]"
Predicate: TypeAlias = "Callable[[Node], bool]"

ACTS = frozenset(
    (
        "act",
        "encompassingEncounter",
        "encounter",
        "observation",
        "observationMedia",
        "organizer",
        "procedure",
        "regionOfInterest",
        "serviceEvent",
        "substanceAdministration",
        "supply",
    )
)
_TOKEN = re.compile(
    r"\s*(?:(?P<text>'[^']*')|(?P<axis>ancestor::|context::)|(?P<function>text\(\)|not\(|template\()|"
    r"(?P<name>@?[A-Za-z_][\w.\-]*(?::[A-Za-z_][\w.\-]*)?)|(?P<number>[1-9][0-9]*)|(?P<sign>!=|[./@\[\]()=|*]))"
)
_ALIVE = "EVN"
_FIXED = frozenset({"serviceEvent", "encompassingEncounter"})  # the schema fixes their mood


class PathError(Exception):
    """The text is no path of the subset."""


@dataclass(frozen=True, slots=True)
class Source:
    """A compiled path. `names`: elements and `attributes` that it names, for the load check. `last`: what it yields:
    an element name, `@name`, 'text()' or '.'.
    """

    text: str
    fetch: Fetch
    names: frozenset[str]
    attributes: frozenset[str]
    last: str


def compile_path(text: str, acts: frozenset[str] = frozenset()) -> Source:
    """A path. `acts`: moods of acts that the row takes ('' = the default: what has happened), and 'negated' if it
    looks at negation itself. Raises PathError.
    """
    parser = _Parser(text, acts)
    fetch, last = parser.path()
    parser.end()
    return Source(text, fetch, frozenset(parser.names), frozenset(parser.attributes), last)


def compile_predicate(text: str) -> Predicate:
    """A condition on the node of the map. Raises PathError."""
    parser = _Parser(text, _ANY)
    found = parser.expression()
    parser.end()
    return found


_ANY = frozenset({"*", "negated"})


class _Parser:
    def __init__(self, text: str, acts: frozenset[str]) -> None:
        self.text = text
        self.acts = acts
        self.names: set[str] = set()
        self.attributes: set[str] = set()
        self.tokens: list[tuple[str, str]] = []
        at = 0
        text = text.rstrip()
        while at < len(text):
            match = _TOKEN.match(text, at)
            if match is None:
                raise PathError(f"{self.text} is no path: unexpected {text[at:].strip()[:10]}")
            kind = str(match.lastgroup)
            self.tokens.append((kind, match[kind]))
            at = match.end()
        self.at = 0

    def peek(self) -> str:
        return self.tokens[self.at][1] if self.at < len(self.tokens) else ""

    def kind(self) -> str:
        return self.tokens[self.at][0] if self.at < len(self.tokens) else ""

    def next(self) -> str:
        token = self.peek()
        if not token:
            raise PathError(f"{self.text} is no path: it ends too early")
        self.at += 1
        return token

    def take(self, token: str) -> bool:
        if self.peek() == token and self.kind() != "text":
            self.at += 1
            return True
        return False

    def need(self, token: str) -> None:
        if not self.take(token):
            raise PathError(f"{self.text} is no path: {token} is missing")

    def end(self) -> None:
        if self.at < len(self.tokens):
            raise PathError(f"{self.text} is no path: unexpected {self.peek()}")

    def path(self) -> tuple[Fetch, str]:
        fetch, last = self.single()
        while self.take("|"):
            other, last = self.single()
            fetch = _union(fetch, other)
        return fetch, last

    def single(self) -> tuple[Fetch, str]:
        steps: list[Callable[[Node], list[Node]]] = []
        if self.take("/"):
            steps.append(_root)
        last = "."
        while True:
            if self.take("."):
                last = "."
            elif self.take("text()"):
                return _ending(steps, ""), "text()"
            elif self.kind() == "name" and self.peek().startswith("@"):
                name = self.next()[1:]
                self.attributes.add(name)
                return _ending(steps, name), f"@{name}"
            else:
                step, last = self.step()
                steps.append(step)
            if not self.take("/"):
                return _ending(steps, None), last

    def step(self) -> tuple[Callable[[Node], list[Node]], str]:
        axis = self.next() if self.kind() == "axis" else ""
        if self.kind() != "name" and self.peek() != "*":
            raise PathError(f"{self.text} is no path: a name is expected, not {self.peek() or 'its end'}")
        name = self.next()
        if name != "*":
            self.names.add(name)
        base: Callable[[Node], list[Node]]
        if axis == "ancestor::":
            base = _ancestor(name)
        elif axis == "context::":
            base = _context(name)
        else:
            base = _children(name)
            if name in ACTS or name == "*":
                base = _alive(base, self.acts)
        while self.take("["):
            if self.kind() == "number":
                base = _numbered(base, int(self.next()))
            else:
                base = _filtered(base, self.expression())
            self.need("]")
        return base, name

    def expression(self) -> Predicate:
        found = self.conjunction()
        while self.kind() == "name" and self.take("or"):
            found = _or(found, self.conjunction())
        return found

    def conjunction(self) -> Predicate:
        found = self.term()
        while self.kind() == "name" and self.take("and"):
            found = _and(found, self.term())
        return found

    def term(self) -> Predicate:
        if self.take("not("):
            inner = self.expression()
            self.need(")")
            return lambda node: not inner(node)
        if self.take("("):
            inner = self.expression()
            self.need(")")
            return inner
        if self.take("template("):
            root = self.literal()
            self.need(")")
            return lambda node: node.has_template(root)
        outer, self.acts = self.acts, _ANY
        fetch, _ = self.path()
        self.acts = outer
        for sign in ("!=", "="):
            if self.take(sign):
                return self.comparison(fetch, sign == "=")
        return lambda node: bool(fetch(node))

    def comparison(self, fetch: Fetch, same: bool) -> Predicate:
        if self.kind() == "text":
            wanted = self.literal()
            if same:
                return lambda node: any(_text(place) == wanted for place in fetch(node))
            return lambda node: any(_text(place) != wanted for place in fetch(node))
        other, _ = self.path()

        def compare(node: Node) -> bool:
            texts = {_text(place) for place in other(node)}
            return any((_text(place) in texts) is same for place in fetch(node))

        return compare

    def literal(self) -> str:
        if self.kind() != "text":
            raise PathError(f"{self.text} is no path: a text in '' is expected")
        return self.next()[1:-1]


def _text(place: Place) -> str:
    node, attribute = place
    if attribute is None or attribute == "":
        return node.text.strip()
    text = node.attrs[attribute]
    return text.rpartition(":")[2] if attribute == "xsi:type" else text


def _root(node: Node) -> list[Node]:
    while node.parent is not None:
        node = node.parent
    return [node]


def _children(name: str) -> Callable[[Node], list[Node]]:
    if name == "*":
        return lambda node: node.kids
    return lambda node: [kid for kid in node.kids if kid.name == name]


def _alive(base: Callable[[Node], list[Node]], acts: frozenset[str]) -> Callable[[Node], list[Node]]:
    """Only acts that are not negated and in a mood that the row asks for."""
    if "*" in acts and "negated" in acts:
        return base
    negated = "negated" in acts
    every = "*" in acts
    moods = (acts - {"negated"}) or {_ALIVE}

    def alive(node: Node) -> list[Node]:
        return [
            kid
            for kid in base(node)
            if kid.name not in ACTS
            or (
                (negated or kid.attrs.get("negationInd", "false") in ("false", "0"))
                and (every or kid.attrs.get("moodCode", _ALIVE if kid.name in _FIXED else "").strip() in moods)
            )
        ]

    return alive


def _ancestor(name: str) -> Callable[[Node], list[Node]]:
    def ancestor(node: Node) -> list[Node]:
        at = node.parent
        while at is not None:
            if at.name == name:
                return [at]
            at = at.parent
        return []

    return ancestor


def _context(name: str) -> Callable[[Node], list[Node]]:
    def context(node: Node) -> list[Node]:
        at: Node | None = node
        while at is not None:
            found = [kid for kid in at.kids if kid.name == name]
            if found:
                return found
            at = at.parent
        return []

    return context


def _numbered(base: Callable[[Node], list[Node]], number: int) -> Callable[[Node], list[Node]]:
    return lambda node: base(node)[number - 1 : number]


def _filtered(base: Callable[[Node], list[Node]], test: Predicate) -> Callable[[Node], list[Node]]:
    return lambda node: [each for each in base(node) if test(each)]


def _and(one: Predicate, other: Predicate) -> Predicate:
    return lambda node: one(node) and other(node)


def _or(one: Predicate, other: Predicate) -> Predicate:
    return lambda node: one(node) or other(node)


def _union(one: Fetch, other: Fetch) -> Fetch:
    return lambda node: one(node) + other(node)


def _ending(steps: list[Callable[[Node], list[Node]]], attribute: str | None) -> Fetch:
    """The steps, then an attribute, the text ('') or the element itself (None)."""
    if not steps:
        if attribute is None:
            return lambda node: [(node, None)]
        if attribute == "":
            return lambda node: [(node, "")] if node.runs else []
        return lambda node: [(node, attribute)] if attribute in node.attrs else []
    if len(steps) == 1:
        walk = steps[0]
    else:
        first, *others = steps

        def walk(node: Node) -> list[Node]:
            nodes = first(node)
            for step in others:
                if not nodes:
                    break
                nodes = step(nodes[0]) if len(nodes) == 1 else [each for node in nodes for each in step(node)]
            return nodes

    if attribute is None:
        return lambda node: [(each, None) for each in walk(node)]
    if attribute == "":
        return lambda node: [(each, "") for each in walk(node) if each.runs]
    return lambda node: [(each, attribute) for each in walk(node) if attribute in each.attrs]
