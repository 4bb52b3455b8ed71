"""The body of a compiled map as Python source: fields into local variables, guards inline, the plain case of a row in
place, one call for the rest.

Closures alone spend most of their time on finding that nothing is to be done. All objects come in as globals under
generated names. PID-3 as CX into `Patient.identifier` is:

    if f3:
     if codec.repetition in f3 or f3 == '""': k5(at)
     else:
      v, m = k2(f3, 0, codec)
      if v is None and m is k1: pass
      elif v is None or m[4]: k5(at)
      elif k7 not in registers:
       p = ('identifier', 'PID-3', number, 0)
       if undo is not None: undo += (registers, k7, k8), (resource.items, p, k8)
       registers[k7] = [v]
       resource.items[p] = v
       trace((594, position, 3, 0, 0, m))
       resource.wrote = True
      elif k6(resource, number, 0, v): ...

Here k5 is the row's step, which does every case, and k6 its sink. A component (`p5[0]`) is read from a field without
repetitions, subcomponents, escapes and HL7 null; `p5` is None for any other, and the step runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from operator import itemgetter
from typing import Any

from mappings.engine.codec import NOTHING
from mappings.engine.conditions import PARTS, Condition, first_leaf
from mappings.engine.makers import MAPPED, Lost, recalled
from mappings.engine.ops import VALUE, Block, Call, Emit, First, Op, Plain, Together
from mappings.engine.targets import MISSING, merged
from mappings.leaves.base import Invalid, Partly

__all__ = ["asker", "generate", "texts"]

_FEW = 3  # fields that are fetched one by one
_NUMBERS = count(1)  # generated functions are told apart in profiles and tracebacks


def _one_object(ops: Sequence[Op]) -> list[tuple[Call, Plain, str | None]]:
    """The rows of a group that make one object of one type of a choice, each with the element that it fills in it; only
    the last may give the whole object (None). [] if they make anything else."""
    found: list[tuple[Call, Plain, str | None]] = []
    for op in ops:
        plain = op.plain if isinstance(op, Call) else None
        if not isinstance(op, Call) or not isinstance(plain, Plain) or plain.first.__class__ is not dict:
            return []
        if plain.made.join is not None or plain.spots[0][1] >= 0 or plain.item or plain.rank or plain.set:
            return []
        ((choice, inner),) = plain.first.items() if len(plain.first) == 1 else ((None, None),)
        name = None
        if inner is not VALUE:
            if inner.__class__ is not dict or len(inner) != 1:
                return []
            ((name, value),) = inner.items()
            if value is not VALUE:
                return []
        if found:
            first = found[0][1]
            if found[-1][2] is None or first.register != plain.register or choice not in first.first:
                return []
        if name is not None and any(name == known for _, _, known in found):
            return []
        found.append((op, plain, name))
    return found


_ODD: Any = object()


def _joined(join: Callable[..., Any], number: int, texts: list[str], codec: Any) -> Any:
    """A leaf function's value for several texts; _ODD if there is more to say of it than the value."""
    try:
        value = recalled(join, number, texts, codec) if number else join(texts, codec.leaf)
    except Invalid:
        return _ODD
    return _ODD if value.__class__ is Partly or value.__class__ is Lost else value


class _Writer:
    """One generated function."""

    simple = False

    def __init__(self, fields: str) -> None:
        self.fields = fields
        self.used: set[int] = set()
        self.split: set[int] = set()
        self.names: dict[int, str] = {}
        self.space: dict[str, Any] = {}
        self.lines: list[str] = []
        self.writes = False
        self.firsts = 0
        self.asked: dict[int, str] = {}

    def field(self, index: int) -> str:
        self.used.add(index)
        return f"f{index}"

    def parts(self, index: int) -> str:
        """The components of a field; None where they aren't plain texts."""
        self.used.add(index)
        self.split.add(index)
        return f"p{index}"

    def constant(self, value: Any) -> str:
        name = self.names.get(id(value))
        if name is None:
            name = self.names[id(value)] = f"k{len(self.names)}"
            self.space[name] = value
        return name

    def once(self, call: Callable[[Any], bool]) -> str:
        name = self.asked.setdefault(id(call), f"q{len(self.asked)}")
        return f"({name} if {name} is not None else ({name} := {self.constant(call)}(at)))"

    def guard(self, op: Op) -> str:
        """The condition under which an op runs, '' for always."""
        parts = []
        if isinstance(op, Call) and op.index >= 0:
            parts.append(self.field(op.index))
        if op.when is not None:
            parts.append(op.when.text(self))
        return " and ".join(parts)

    def run(self, op: Op, indent: str, status: bool) -> None:
        """The lines that run an op, and with `status` leave in r what became of it."""
        lines = self.lines
        if isinstance(op, First):
            self.first(op, indent, status)
        elif isinstance(op, Call) and isinstance(op.plain, Plain):
            self.plain(op.step, op.plain, indent, status)
        elif isinstance(op, Call) and isinstance(op.plain, Emit):
            self.emit(op.step, op.plain, indent, status)
        elif isinstance(op, Call):
            lines.append(f"{indent}{'r = ' if status else ''}{self.constant(op.step)}(at)")
        elif isinstance(op, Together):
            body, fallback = generate(op.ops, self.fields), generate(op.fallback, self.fields)
            call = f"{self.constant(op.guard)}(at, {self.constant(body)}, {self.constant(fallback)})"
            parts = _one_object(op.ops)
            if parts:
                self.together(parts, f"r = {call}", indent)
            else:
                lines.append(f"{indent}r = {call}")
        else:
            blocks = {}
            for codes, ops in op.cases:
                block = generate(ops, self.fields)
                blocks.update(dict.fromkeys(codes, block))
            otherwise = generate(op.otherwise, self.fields)
            known, text = self.constant(blocks), op.raw.text(self)
            case = f"{known}.get({self.constant(first_leaf)}({text}, codec).strip(), {self.constant(otherwise)})"
            if op.raw.index >= 0:
                case = f"({known}.get({text}) or {case})"
            lines.append(f"{indent}r = {case}(at)")

    def guarded(self, op: Op, indent: str, status: bool, before: str = "") -> str:
        """An op under its guard; gives the indentation inside."""
        guard = " and ".join([part for part in (before, self.guard(op)) if part])
        if guard:
            self.lines.append(f"{indent}if {guard}:")
            indent += " "
        self.run(op, indent, status)
        return indent

    def first(self, op: First, indent: str, status: bool) -> None:
        """The first that writes, one under the other."""
        self.firsts += 1
        found = f"s{self.firsts}"
        self.lines.append(f"{indent}{found} = 0")
        for number, each in enumerate(op.ops):
            inside = self.guarded(each, indent, True, f"{found} < 1" if number else "")
            self.lines.append(f"{inside}if r: {found} = r")
        if status:
            self.lines.append(f"{indent}r = {found}")

    def plain(self, step: Callable[..., int], plain: Plain, indent: str, status: bool) -> None:
        """A row in the plain case; its step does the rest."""
        self.writes = True
        lines = self.lines
        long = f"{'r = ' if status else ''}{self.constant(step)}(at)"
        none = "r = 0" if status else "pass"
        made = plain.made
        if made.join is not None:
            self.several(plain, indent, long, none, status)
            return
        ((field, component),) = plain.spots
        text = self.field(field)
        if component < 0:
            lines += [
                f"{indent}if codec.repetition in {text} or {text} == '\"\"': {long}",
                f"{indent}else:",
            ]
        else:
            parts = self.parts(field)
            lines += [
                f"{indent}if {parts} is None: {long}",
                f"{indent}elif not {parts}[{component}]: {none}",
                f"{indent}else:",
            ]
            text = f"{parts}[{component}]"
        if component >= 0 and made.text:
            lines += [
                f"{indent} v = {text}",
                f"{indent} if v.isspace(): {none}",
            ]
            marks = self.constant(MAPPED)
        else:
            convert = f"{self.constant(made.convert)}({text}, 0, codec)"
            if made.memo:
                convert = f"codec.memo[{made.memo}].get({text}) or {convert}"
            lines += [
                f"{indent} v, m = {convert}",
                f"{indent} if v is None and m is {self.constant(NOTHING)}: {none}",
                f"{indent} elif v is None or m[4]: {long}",
            ]
            marks = "m"
        trace = [f"trace(({plain.rule}, position, {field}, 0, {max(component, 0)}, {marks}))"]
        self.store(plain, trace, f"{indent} ", none, status)

    def together(self, parts: list[tuple[Call, Plain, str | None]], long: str, indent: str) -> None:
        """Rows that fall together and make one object: all converted, then written at once; if one of them is not
        plain, nothing has been written and all go the long way."""
        self.writes = True
        lines = self.lines
        nothing = self.constant(NOTHING)
        register, choice = parts[0][1].register, next(iter(parts[0][1].first))
        key = self.constant(register)
        values = [f"v{number}" for number in range(len(parts))]
        lines += [f"{indent}ok = undo is None and {key} not in registers", f"{indent}{' = '.join(values)} = None"]
        for number, (call, plain, _) in enumerate(parts):
            ((field, _),) = plain.spots
            text, v, m = self.field(field), values[number], f"m{number}"
            convert = f"{self.constant(plain.made.convert)}({text}, 0, codec)"
            if plain.made.memo:
                convert = f"codec.memo[{plain.made.memo}].get({text}) or {convert}"
            guard = " and ".join([part for part in ("ok", self.guard(call)) if part])
            lines += [
                f"{indent}if {guard}:",
                f"{indent} if codec.repetition in {text} or {text} == '\"\"': ok = False",
                f"{indent} else:",
                f"{indent}  {v}, {m} = {convert}",
                f"{indent}  if ({m} is not {nothing}) if {v} is None else {m}[4]: ok = False",
            ]
        whole = values[-1] if parts[-1][2] is None else ""
        inner = [(name, value) for (_, _, name), value in zip(parts, values, strict=True) if name is not None]
        lines.append(f"{indent}r = 0")
        lines.append(f"{indent}if ok:")
        indent += " "
        if not inner:
            lines.append(f"{indent}v = {whole}")
        else:
            (name, value), *others = inner
            lines += [f"{indent}v = {{{name!r}: {value}}} if {value} is not None else {{}}"]
            lines += [f"{indent}if {value} is not None: v[{name!r}] = {value}" for name, value in others]
            if whole:
                lines += [
                    f"{indent}if {whole} is not None:",
                    f"{indent} if not v: v = {whole}",
                    f"{indent} elif v.keys().isdisjoint({whole}): v = {{**v, **{whole}}}",
                    f"{indent} else: ok = False",
                ]
        some = "v" if inner else "v is not None"
        lines += [f"{indent}if ok and {some}:", f"{indent} registers[{key}] = {{{choice!r}: v}}"]
        for number, (_, plain, _) in enumerate(parts):
            ((field, _),) = plain.spots
            line = f"trace(({plain.rule}, position, {field}, 0, 0, m{number}))"
            lines.append(f"{indent} if {values[number]} is not None: {line}")
        lines += [f"{indent} resource.wrote = True", f"{indent} r = 1"]
        lines.append(f"{indent[:-1]}if not ok: {long}")

    def several(self, plain: Plain, indent: str, long: str, none: str, status: bool) -> None:
        """A leaf function over several texts."""
        made = plain.made
        lines = self.lines
        fields = sorted({field for field, _ in plain.spots})
        texts = [f"{self.parts(field)}[{max(component, 0)}]" for field, component in plain.spots]
        joined = self.constant(_joined)
        lines += [
            f"{indent}if {' or '.join(f'{self.parts(field)} is None' for field in fields)}: {long}",
            f"{indent}elif not ({' or '.join(texts)}): {none}",
            f"{indent}else:",
            f"{indent} v = {joined}({self.constant(made.join)}, {made.memo}, [{', '.join(texts)}], codec)",
            f"{indent} if v is None: {none}",
            f"{indent} elif v is {self.constant(_ODD)}: {long}",
        ]
        marks = self.constant(MAPPED)
        trace = [
            f"if {text}: trace(({plain.rule}, position, {field}, 0, {max(component, 0)}, {marks}))"
            for text, (field, component) in zip(texts, plain.spots, strict=True)
        ]
        self.store(plain, trace, f"{indent} ", none, status)

    def emit(self, step: Callable[..., int], emit: Emit, indent: str, status: bool) -> None:
        """A row that emits, if its field is one text whose resource is kept; its step does the rest."""
        self.writes = True
        lines = self.lines
        long = f"{'r = ' if status else ''}{self.constant(step)}(at)"
        text = self.field(emit.field)
        lines += [
            f"{indent}if codec.repetition in {text} or {text} == '\"\"': {long}",
            f"{indent}else:",
            f"{indent} x = at.run.emitted.get(({emit.number}, {text}, 0))",
            f"{indent} if x is None:",
            f"{indent}  e = {self.constant(emit.kept)}(at, piece=(position, {emit.field}, 0, {text}, 0, 0))",
            f"{indent} else:",
            f"{indent}  e, rule, bit, m = x",
            f"{indent}  e.trace.append((rule, position, {emit.field}, 0, bit, m))",
            f"{indent} if e is None: {long}",
            f"{indent} else:",
            f"{indent}  resource.wrote = True",
        ]
        if status:
            lines.append(f"{indent}  r = 1")
        if emit.place is None:
            return
        lines.append(f"{indent}  v = at.run.reference(e, resource)")
        place = f"{self.constant(emit.place)}(resource, number, 0, v)"
        if emit.first is None:
            lines.append(f"{indent}  {place}")
            return
        key = self.constant(emit.register)
        lines.append(f"{indent}  if {key} not in registers:")
        self.begin(emit, key, f"{indent}   ")
        lines.append(f"{indent}  else: {place}")

    def begin(self, plain: Plain | Emit, key: str, indent: str) -> None:
        """The first value of a register."""
        lines = self.lines
        missing = self.constant(MISSING)
        if plain.item is None:
            lines += [
                f"{indent}if undo is not None: undo.append((registers, {key}, {missing}))",
                f"{indent}registers[{key}] = {self.rendered(plain.first)}",
            ]
            return
        path, slot, repetition = plain.item
        (item,) = plain.first
        if item is not VALUE:
            lines.append(f"{indent}v = {self.rendered(item)}")
        lines += [
            f"{indent}p = ({path!r}, {slot!r}, number, {repetition})",
            f"{indent}if undo is not None: undo += (registers, {key}, {missing}), (resource.items, p, {missing})",
            f"{indent}registers[{key}] = [v]",
            f"{indent}resource.items[p] = v",
        ]

    def store(self, plain: Plain, trace: list[str], indent: str, none: str, status: bool) -> None:
        """The branches that put a value v in its register."""
        lines = self.lines
        wrote = [*trace, "resource.wrote = True", *(["r = 1"] if status else [])]
        key = self.constant(plain.register)
        if plain.first is not None:
            lines.append(f"{indent}elif {key} not in registers:")
            if plain.set:
                lines += [f"{indent} {line}" for line in self.dressed(plain)]
            self.begin(plain, key, f"{indent} ")
            if plain.rank:
                lines.append(f"{indent} resource.ranks[{key}] = {plain.rank}")
            lines += [f"{indent} {line}" for line in wrote]
        lines.append(f"{indent}elif {self.constant(plain.place)}(resource, number, 0, v):")
        lines += [f"{indent} {line}" for line in wrote]
        if status:
            lines.append(f"{indent}else: r = 0")

    def dressed(self, plain: Plain) -> list[str]:
        """The lines that put literals into the value v."""
        # what a data type map makes anew for each text is the row's own
        fresh = plain.made.datatype and not plain.made.memo
        if not fresh or any(len(steps) > 1 or steps[0][1] for steps, _ in plain.set):
            return [f"v = {self.constant(merged)}(v, {self.constant(plain.set)})"]
        names = [(steps[0][0], self.constant(value)) for steps, value in plain.set]
        return [f"if {name!r} not in v: v[{name!r}] = {value}" for name, value in names]

    def rendered(self, value: Any) -> str:
        """An expression that makes a value anew."""
        if value is VALUE:
            return "v"
        if isinstance(value, dict):
            return f"{{{', '.join(f'{name!r}: {self.rendered(each)}' for name, each in value.items())}}}"
        if isinstance(value, list):
            return f"[{', '.join(map(self.rendered, value))}]"
        return repr(value) if isinstance(value, (str, bool)) else self.constant(value)

    def fetched(self, indices: list[int]) -> list[str]:
        """The lines that put fields into local variables: one by one if they are few, else all at once."""
        if len(indices) < _FEW:
            return [f" f{index} = fields[{index}] if len(fields) > {index} else ''" for index in indices]
        names = ", ".join(f"f{index}" for index in indices)
        padding = self.constant([""] * (indices[-1] + 1))
        return [f" {names} = {self.constant(itemgetter(*indices))}(fields + {padding})"]

    def build(self) -> Callable[[Any], Any]:
        lines = ["def block(at):", f" fields = {self.fields}", " codec = at.codec"]
        if self.writes:
            lines += [
                " resource = at.resource",
                " registers = resource.registers",
                " trace = resource.trace.append",
                " undo = resource.undo",
                " position = at.position",
                " number = at.number",
            ]
        lines += [f" {name} = None" for name in self.asked.values()]
        lines += self.fetched(sorted(self.used))
        if self.split:
            padding = self.constant([""] * PARTS)
            lines.append(" separator, odd = codec.component, codec.odd")
            for index in sorted(self.split):
                text = f"f{index}"
                lines += [
                    f" if not {text}: p{index} = {padding}",
                    f" elif odd({text}): p{index} = None",
                    f" else: p{index} = {text}.split(separator) + {padding}",
                ]
        lines += self.lines
        exec(
            compile("\n".join(lines), f"<map {next(_NUMBERS)}>", "exec"), self.space
        )  # our own text, made of numbers and names only
        made: Callable[[Any], Any] = self.space["block"]
        return made


def generate(ops: Sequence[Op], fields: str, status: bool = True) -> Block:
    """All ops, one after another. `fields`: the expression of the place's list of fields or parts; without `status`
    the function gives nothing."""
    writer = _Writer(fields)
    lines = writer.lines
    if status:
        lines += [" low = 0", " high = 0"]
    for op in ops:
        indent = writer.guarded(op, " ", status)
        if status:
            lines += [
                f"{indent}if r < 0: low = -1",
                f"{indent}elif r: high = 1",
            ]
    lines.append(" return low or high" if status else " return 0")
    return writer.build()


def texts(
    sources: Sequence[tuple[int, int, Callable[[Any], str]]], when: Condition | None = None
) -> Callable[[Any], Sequence[str]]:
    """The texts of (field, component from 0 or -1, function) in one list; the functions where it isn't so simple.

    Without field (-1) the text is the function's. None at all if the condition doesn't hold.
    """
    writer = _Writer("at.fields")
    if when is not None:
        writer.lines.append(f" if not ({when.text(writer)}): return ()")
    found, odd = [], []
    for field, component, long in sources:
        if field < 0:
            found.append(f"{writer.constant(long)}(at)")
            continue
        parts = writer.parts(field)
        odd.append(f"{parts} is None")
        if component < 0:
            odd.append(f"separator in f{field}")
        found.append(f"{parts}[{max(component, 0)}]")
    if odd:
        slow = ", ".join(f"{writer.constant(long)}(at)" for _, _, long in sources)
        writer.lines.append(f" if {' or '.join(dict.fromkeys(odd))}: return [{slow}]")
    writer.lines.append(f" return [{', '.join(found)}]")
    return writer.build()


def asker(condition: Condition, fields: str) -> Callable[[Any], Any]:
    """A condition alone, with its fields in local variables."""
    writer = _Writer(fields)
    writer.lines.append(f" return {condition.text(writer)}")
    return writer.build()
