"""The usual text of a data type, converted by one generated function: no objects between the text and the value.

Usual is a text without escape, HL7 null and subcomponents, whose values are all valid and whole. For any other, and for
explain, the function hands over to the rows one by one (`datatypes`), which it must agree with on every text (a test
compares the two). For CX it begins like this:

    def convert(text, level, codec):
     if codec.subcomponent in text or codec.escape in text or '""' in text or codec.trace: return slow(...)
     p0, p1, p2, p3, p4, _, p6, p7, *_ = text.split(codec.component) + padding
     m = k = 0
     made = {}
     if p0 and not p0.isspace():
      made['value'] = p0
      m |= 1
     ...
     return made, (m, k, 0, 0, ())

`m` and `k` are the masks of mapped and kept leaves. What is known when the map is compiled isn't asked again: an
element that no row before can have written is simply set.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, TypeAlias

from mappings.engine.codec import NOTHING
from mappings.engine.conditions import Condition
from mappings.engine.makers import Converter, Lost, Maker, recalled
from mappings.engine.ops import Call, First, Op
from mappings.engine.targets import Literal, Target, apply, clone, extension, fill, merged
from mappings.leaves.base import Invalid, Partly

__all__ = ["Place", "Spot", "Write", "extended", "shortcut"]

Spot: TypeAlias = tuple[int, int]
"""Component and subcomponent, from 0; -1 = the whole."""
_NUMBERS = count(1)  # generated functions are told apart in profiles and tracebacks
_ODD = frozenset({Partly, Lost})
_MISSING: Any = object()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row's value goes in the object. `literals`: what a list's object gets beside it; `urls`: of an
    extension, the outer one first, which hangs at `home`."""

    target: Target
    slot: str = ""
    literals: tuple[Literal, ...] = ()
    urls: tuple[str, ...] = ()
    home: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Write:
    """What a row does in the usual case: a value of the texts at `spots` (`made`), or a constant, to its place."""

    place: Place
    spots: tuple[Spot, ...] = ()
    made: Maker | None = None
    set: tuple[Literal, ...] = ()
    constant: Any = None
    fresh: bool = False  # the constant is copied each time


def extended(made: dict[str, Any], place: Place, value: Any) -> None:
    """An extension into its list, at most once."""
    for step in place.home:
        made = made.setdefault(step, {})
    items = made.setdefault("extension", [])
    *outer, url = place.urls
    if outer:
        around = next((item for item in items if item["url"] == outer[0]), None)
        if around is None:
            around = {"url": outer[0], "extension": []}
            items.append(around)
        items = around["extension"]
    found = extension(url, place.target.to, value)
    if found not in items:
        items.append(found)


def shortcut(
    ops: Sequence[Op],
    finals: Sequence[Op],
    needed: tuple[str, ...],
    excused: Sequence[Spot],
    primitive: bool,
    slow: Converter,
) -> Converter:
    """The function of a data type map; `slow` itself if the map has rows that only it can do."""
    writer = _Writer(slow, primitive)
    if any(spot == (-1, -1) for spot in excused) or not all(map(_writable, (*ops, *finals))):
        return slow
    for component, below in excused:
        if below < 1:
            writer.lines.append(f" if {writer.field(component)}: {_SLOW}")
    for op in ops:
        writer.run(op, " ", ())
    writer.lines.append(f" if not (m or k): return None, {writer.constant(NOTHING)}")
    for op in finals:
        writer.run(op, " ", ())
    writer.lines += [f" if {name!r} not in made: {_SLOW}" for name in needed]
    writer.lines.append(" return made, (m, k, 0, 0, ())")
    return writer.build()


def _writable(op: Op) -> bool:
    if isinstance(op, First):
        return all(map(_writable, op.ops))
    return isinstance(op, Call) and op.short is not None


def _whole_text(write: Write) -> bool:
    """Whether the value is the text of a component as it is."""
    return write.made is not None and write.made.text and write.spots[0][0] >= 0


_SLOW = "return slow(text, level, codec)"
_RARE = "codec.escape in text or '\"\"' in text or codec.trace"


class _Writer:
    """One generated function. `written`: what a row may have put already (a name of the object, or of an item)."""

    simple = True

    def __init__(self, slow: Converter, primitive: bool) -> None:
        self.primitive = primitive
        self.space: dict[str, Any] = {"slow": slow, "Invalid": Invalid}
        self.names: dict[int, str] = {}
        self.used: set[int] = set()
        self.lines: list[str] = []
        self.written: set[Any] = set()
        self.items: dict[tuple[str, str], str] = {}
        self.flags = 0

    def field(self, index: int) -> str:
        if index < 0:
            return "text"
        self.used.add(index)
        return f"p{index}"

    def parts(self, index: int) -> str:
        raise NotImplementedError  # there are no fields here

    def once(self, call: Any) -> str:
        raise NotImplementedError  # nor a place to ask

    def constant(self, value: Any) -> str:
        name = self.names.get(id(value))
        if name is None:
            name = self.names[id(value)] = f"c{len(self.names)}"
            self.space[name] = value
        return name

    def run(self, op: Op, indent: str, done: tuple[str, ...]) -> None:
        """The lines of an op; when it writes they set the flags in `done`."""
        if isinstance(op, First):
            self.first(op, indent, done)
            return
        assert isinstance(op, Call)
        assert op.short is not None
        guards = self.guards(op.short, op.when)
        if guards is None:
            return
        if guards:
            self.lines.append(f"{indent}if {' and '.join(guards)}:")
            indent += " "
        self.write(op.short, indent, done)

    def first(self, op: First, indent: str, done: tuple[str, ...]) -> None:
        if op.when is not None:
            self.lines.append(f"{indent}if {op.when.text(self)}:")
            indent += " "
        self.flags += 1
        flag = f"d{self.flags}"
        self.lines.append(f"{indent}{flag} = False")
        before, after = self.written, set(self.written)
        for number, each in enumerate(op.ops):
            # where this one runs, none of the others has written
            self.written = set(before)
            inside = indent
            if number:
                self.lines.append(f"{indent}if not {flag}:")
                inside += " "
                self.lines.append(f"{inside}pass")
            self.run(each, inside, (*done, flag))
            after |= self.written
        self.written = after

    def guards(self, write: Write, when: Condition | None) -> list[str] | None:
        """Under which conditions a row runs; None for never."""
        present = [self.field(component) for component, below in write.spots if below < 1]
        if write.spots and not present:
            return None
        guards = []
        if present:
            some = " or ".join(present)
            guards.append(f"({some})" if len(present) > 1 else some)
        if write.made is not None and _whole_text(write):
            guards.append(f"not {present[0]}.isspace()")
        if when is not None:
            guards.append(when.text(self))
        return guards

    def write(self, write: Write, indent: str, done: tuple[str, ...]) -> None:
        lines = self.lines
        wrote = [f"{flag} = True" for flag in done]
        if write.made is None:
            value = self.constant(write.constant)
            if write.fresh:
                lines.append(f"{indent}v = {self.constant(clone)}({value})")
                value = "v"
        elif write.made.convert is not None:
            value, marks = self.converted(write, indent)
            wrote += marks
        else:
            value = self.joined(write, indent)
            wrote += [
                f"if {self.field(component)}: m |= {1 << component}" for component, below in write.spots if below < 1
            ]
        if write.made is not None and not _whole_text(write):
            lines.append(f"{indent}if v is not None:")
            indent += " "
        if write.set:
            lines.append(f"{indent}v = {self.constant(merged)}({value}, {self.constant(write.set)})")
            value = "v"
        test = self.put(write.place, value, indent)
        if test:
            lines.append(f"{indent}if {test}:")
            indent += " "
        lines += [indent + line for line in wrote or ["pass"]]

    def converted(self, write: Write, indent: str) -> tuple[str, list[str]]:
        """The value of one text, and the lines of its marks."""
        made = write.made
        assert made is not None
        ((component, _),) = write.spots
        text = self.field(component)
        mark = f"m |= {1 << max(component, 0)}"
        if _whole_text(write):
            return text, [mark]
        lines = self.lines
        if made.call is not None and not made.memo and component >= 0:
            lines += [
                f"{indent}v = {self.constant(made.call)}({text}, codec.leaf)",
                f"{indent}if v.__class__ in {self.constant(_ODD)}: {_SLOW}",
            ]
            return "v", [mark]
        # without separators the level makes no difference, and the memory is the same as for whole fields
        convert = f"{self.constant(made.convert)}({text}, {0 if component >= 0 else 'level'}, codec)"
        if made.memo and component >= 0:
            convert = f"codec.memo[{made.memo}].get({text}) or {convert}"
        lines += [
            f"{indent}v, x = {convert}",
            f"{indent}if x[4] or (v is None and x is not {self.constant(NOTHING)}): {_SLOW}",
        ]
        if component > 0:
            return "v", [f"m |= x[0] << {component}", f"k |= x[1] << {component}"]
        return "v", ["m |= x[0]", "k |= x[1]"]

    def joined(self, write: Write, indent: str) -> str:
        """The value of several texts."""
        made = write.made
        assert made is not None
        assert made.join is not None
        texts = ", ".join(self.field(component) if below < 1 else "''" for component, below in write.spots)
        join = self.constant(made.join)
        lines = self.lines
        if made.memo:
            lines += [
                f"{indent}v = codec.memo[{made.memo}].get(({texts},), {self.constant(_MISSING)})",
                f"{indent}if v is {self.constant(_MISSING)}:",
                f"{indent} v = {self.constant(recalled)}({join}, {made.memo}, [{texts}], codec)",
            ]
        else:
            lines.append(f"{indent}v = {join}([{texts}], codec.leaf)")
        lines.append(f"{indent}if v.__class__ in {self.constant(_ODD)}: {_SLOW}")
        return "v"

    def put(self, place: Place, value: str, indent: str) -> str:
        """The lines that put a value in its place, and the test whether it stands there ('' = always)."""
        target = place.target
        if place.urls:
            return self.extend(place, value, indent)
        if target.path == ".":
            if self.new("."):
                self.lines.append(f"{indent}made = {value}")
                return ""
            self.lines.append(f"{indent}if made is None: made = {value}")
            return f"made == {value}"
        if target.repeats and target.rest:
            return self.item(place, value, indent)
        names = target.path.split(".")
        if target.choice:
            names[-1] = target.choice
        if target.repeats:
            return self.fill("made", "", (*((name, False) for name in names[:-1]), (names[-1], True)), value, indent)
        return self.fill("made", "", (*((name, False) for name in names), *target.rest), value, indent)

    def new(self, name: Any) -> bool:
        """Whether nothing can stand there yet; from now on something can."""
        known = name in self.written
        self.written.add(name)
        return not known

    def fill(self, holder: str, scope: Any, steps: tuple[tuple[str, bool], ...], value: str, indent: str) -> str:
        """A value at a path in an object (`targets.fill`)."""
        name, repeats = steps[0]
        lines = self.lines
        self.written.add((name, "others"))
        if self.new((scope, name)):
            content = value
            for step, many in reversed(steps[1:]):
                content = f"{{{step!r}: {f'[{content}]' if many else content}}}"
            lines.append(f"{indent}{holder}[{name!r}] = {f'[{content}]' if repeats else content}")
            return ""
        if len(steps) > 1:
            return f"{self.constant(fill)}({holder}, {self.constant(steps)}, {value})"
        if not repeats:
            return f"{holder}.setdefault({name!r}, {value}) == {value}"
        lines += [
            f"{indent}l = {holder}.get({name!r})",
            f"{indent}if l is None: {holder}[{name!r}] = [{value}]",
            f"{indent}elif {value} not in l: l.append({value})",
        ]
        return ""

    def item(self, place: Place, value: str, indent: str) -> str:
        """A part of the object that a slot has in a list."""
        path, rest = place.target.path, place.target.rest
        key = (path, place.slot)
        item = self.items.setdefault(key, f"i{len(self.items)}")
        *parents, name = path.split(".")
        lines, inside = self.lines, indent
        if not self.new(key):
            lines.append(f"{indent}if {item} is None:")
            inside += " "
        lines.append(f"{inside}{item} = {{}}")
        if not parents and self.new(("", name)):
            lines.append(f"{inside}made[{name!r}] = [{item}]")
        else:
            self.written.add(("", path.split(".")[0]))
            holder = "made" + "".join(f".setdefault({parent!r}, {{}})" for parent in parents)
            lines.append(f"{inside}{holder}.setdefault({name!r}, []).append({item})")
        test = self.fill(item, key, rest, value, indent)
        if not place.literals:
            return test
        self.written |= {(key, steps[0][0]) for steps, _ in place.literals}
        if test:
            lines.append(f"{indent}r = {test}")
            lines.append(f"{indent}if r: {self.constant(apply)}({item}, {self.constant(place.literals)})")
            return "r"
        lines.append(f"{indent}{self.constant(apply)}({item}, {self.constant(place.literals)})")
        return ""

    def extend(self, place: Place, value: str, indent: str) -> str:
        name = place.home[0] if place.home else "extension"
        if self.new(("", name)) and len(place.urls) == 1:
            self.written.add(("", name, place.home, place.urls))
            content = f"[{{'url': {place.urls[0]!r}, {place.target.to!r}: {value}}}]"
            for step in reversed((*place.home, "extension")[1:]):
                content = f"{{{step!r}: {content}}}"
            self.lines.append(f"{indent}made[{name!r}] = {content}")
            return ""
        others = (name, "others") in self.written
        if len(place.urls) == 1 and self.new(("", name, place.home, place.urls)) and not others:
            # its URL isn't in the list yet
            holder = "made" + "".join(f".setdefault({step!r}, {{}})" for step in place.home)
            content = f"{{'url': {place.urls[0]!r}, {place.target.to!r}: {value}}}"
            self.lines.append(f"{indent}{holder}.setdefault('extension', []).append({content})")
            return ""
        self.written.add((name, "others"))
        self.lines.append(f"{indent}{self.constant(extended)}(made, {self.constant(place)}, {value})")
        return ""

    def head(self) -> Iterator[str]:
        yield "def convert(text, level, codec):"
        yield f" if {_RARE}: {_SLOW}"
        yield " separator = codec.component"
        yield " if codec.subcomponent in text:"
        yield f"  if level != 1: {_SLOW}"
        yield "  separator = codec.subcomponent"
        if self.used:
            last = max(self.used)
            names = [f"p{index}" if index in self.used else "_" for index in range(last + 1)]
            padding = self.constant([""] * (last + 1))
            yield f" {', '.join(names)}, *_ = text.split(separator) + {padding}"
        yield " m = k = 0"
        yield f" made = {None if self.primitive else {}}"
        for item in self.items.values():
            yield f" {item} = None"

    def build(self) -> Converter:
        head = [*self.head(), " try:"]
        body = [f" {line}" for line in self.lines]
        lines = [*head, *body, " except Invalid:", f"  {_SLOW}"]
        exec(
            compile("\n".join(lines), f"<data type {next(_NUMBERS)}>", "exec"), self.space
        )  # our own text: numbers, names of elements, and URLs of the maps as literals
        made: Converter = self.space["convert"]
        return made
