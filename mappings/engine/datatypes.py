"""Data type maps: one text (a repetition, or a component at subcomponent depth) to one FHIR value.

Pure functions of text, depth and codec, compiled once. The marks they give say which leaves were written. Here the
rows run one by one on a `Value`, which does every text; the usual text takes the way of `shortcuts`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from adapters.fhir import definitions
from mappings.engine.codec import NOTHING, NULL, Codec, Marks
from mappings.engine.codegen import generate
from mappings.engine.conditions import Condition, Raw, compile_when
from mappings.engine.grammar import Map, Row
from mappings.engine.makers import Converter, Maker, full_mask, maker, outcome, recalled
from mappings.engine.ops import FELL, NONE, WROTE, Block, Call, First, Op, Together
from mappings.engine.shortcuts import Place, Spot, Write, extended, shortcut
from mappings.engine.sources import SourcePath, parse
from mappings.engine.targets import (
    Beside,
    Literal,
    Target,
    apply,
    clone,
    fill,
    literal,
    literals,
    merged,
    resolve,
)
from mappings.errors import MapError
from mappings.leaves.base import Invalid, Partly

if TYPE_CHECKING:
    from mappings.engine.workshop import Workshop

__all__ = ["ORIGINAL_TEXT", "Value", "ValueScene", "compile_datatype", "locator"]

ORIGINAL_TEXT = "http://hl7.org/fhir/StructureDefinition/originalText"
Step: TypeAlias = Callable[["Value"], int]
Piece: TypeAlias = "tuple[str, int, int] | None"
"""Text, bit of its first leaf, level."""


class Value:
    """One value being made: its text taken apart, the object so far, the marks so far."""

    __slots__ = (
        "codec",
        "excused",
        "fell",
        "invalid",
        "items",
        "kept",
        "level",
        "made",
        "mapped",
        "notes",
        "offsets",
        "parts",
        "text",
    )

    def __init__(self, text: str, level: int, codec: Codec) -> None:
        self.text = text
        self.level = level
        self.codec = codec
        self.offsets: list[int] | None = None
        if level == 0:
            self.parts = text.split(codec.component)
            if codec.subcomponent in text:
                self.offsets = offsets = []
                bit = 0
                for part in self.parts:
                    offsets.append(bit)
                    bit += part.count(codec.subcomponent) + 1
        elif level == 1:
            self.parts = text.split(codec.subcomponent)
        else:
            self.parts = [text]
        self.made: Any = {}
        self.items: dict[tuple[str, str], dict[str, Any]] = {}
        self.mapped = self.kept = self.excused = self.invalid = 0
        self.notes: list[tuple[str, int, str]] = []

    def add(self, marks: Marks, bit: int) -> None:
        """Take over the marks of a part whose first leaf is at `bit`."""
        mapped, kept, excused, invalid, notes = marks
        if bit:
            self.mapped |= mapped << bit
            self.kept |= kept << bit
            self.excused |= excused << bit
            self.invalid |= invalid << bit
            if notes:
                self.notes.extend([(kind, at + bit, text) for kind, at, text in notes])
        else:
            self.mapped |= mapped
            self.kept |= kept
            self.excused |= excused
            self.invalid |= invalid
            if notes:
                self.notes.extend(notes)


def locator(path: SourcePath) -> Callable[[Value], Piece]:
    """Where a data type's path leads in a value; None if nothing is there."""
    index, below = path.component - 1, path.subcomponent - 1

    def whole(value: Value) -> Piece:
        return (value.text, 0, value.level) if value.text else None

    def component(value: Value) -> Piece:
        parts = value.parts
        if index >= len(parts) or not parts[index]:
            return None
        return parts[index], index if value.offsets is None else value.offsets[index], value.level + 1

    def subcomponent(value: Value) -> Piece:
        found = component(value)
        if found is None or value.level:
            return found if found is not None and not below else None
        leaves = found[0].split(value.codec.subcomponent)
        if below >= len(leaves) or not leaves[below]:
            return None
        return leaves[below], found[1] + below, 2

    if path.component == 0:
        return whole
    return subcomponent if path.subcomponent else component


class ValueScene:
    """Conditions inside a data type map: only its own components."""

    def __init__(self, found: Map) -> None:
        self.file = found.file
        self.local = True
        self._map = found

    def raw(self, path: str, line: int) -> Raw:
        found = own_path(path, self._map, line)
        at = locator(found)

        def raw(value: Value) -> str:
            piece = at(value)
            return piece[0] if piece else ""

        return Raw(raw, found.component - 1 if not found.subcomponent else -1, spot=_spot(found))

    def special(self, name: str, value: Any, line: int) -> Condition | None:
        return None


def _spot(path: SourcePath) -> Spot:
    return path.component - 1, path.subcomponent - 1


def own_path(path: str, found: Map, line: int) -> SourcePath:
    """A path of the map's own data type. Raises MapError."""
    parsed = parse(path, found.source)
    if parsed is None:
        raise MapError(found.file, line, f"{path} is no component of {found.source}")
    return parsed


def compile_datatype(found: Map, shop: Workshop) -> Converter:
    """The function of a data type map whose target is a data type or primitive."""
    if found.dispatch:
        return _dispatching(found, shop)
    primitive = definitions().is_primitive(found.target)
    rows = _Rows(found, shop)
    ops = rows.ops(found.rows)
    body = generate(ops, "at.parts")
    constants = rows.finals(found.rows)
    finals = generate(constants, "at.parts") if constants else None
    excused = _excused(found)
    needed = () if primitive else _needed(found.target)

    def convert(text: str, level: int, codec: Codec) -> tuple[Any, Marks]:
        if text == NULL:
            return None, (1, 0, 0, 0, ())
        value = Value(text, level, codec)
        if primitive:
            value.made = None
        body(value)
        return _finished(value, finals, excused, needed)

    left_out = [_spot(own_path(path, found, line)) for path, (_, line) in found.excused.items()]
    return shortcut(ops, constants, needed, left_out, primitive, convert)


def _finished(value: Value, finals: Block | None, excused: list[Any], needed: tuple[str, ...]) -> tuple[Any, Marks]:
    made = value.made
    written = value.mapped | value.kept
    if written and finals is not None:
        finals(value)
        made = value.made
    if not written or not made:
        made = None if not made or not written else made
    if made is not None and needed and not all(name in made for name in needed):
        made = None
        value.invalid |= written
        value.mapped = value.kept = 0
        value.notes.append(("invalid", (written & -written).bit_length() - 1, "lacks a required part"))
    for at, where in excused:
        piece = at(value)
        if piece is not None:
            text, bit, level = piece
            mask = (full_mask(text, level, value.codec) << bit) & ~(value.mapped | value.kept)
            value.excused |= mask
            while mask:
                low = (mask & -mask).bit_length() - 1
                value.notes.append(("excused", low, where))
                mask &= mask - 1
    return made, (value.mapped, value.kept, value.excused, value.invalid, tuple(value.notes))


def _excused(found: Map) -> list[tuple[Callable[[Value], Piece], str]]:
    rows = []
    for path, (_, line) in found.excused.items():
        rows.append((locator(own_path(path, found, line)), f"{found.file}:{line}"))
    return rows


def _needed(kind: str) -> tuple[str, ...]:
    children = definitions().children((kind, ""))
    return tuple(name for name, child in children.items() if child.min and not child.choice)


def _dispatching(found: Map, shop: Workshop) -> Converter:
    scene = ValueScene(found)
    rows: list[tuple[Condition | None, Converter]] = []
    for when, name, line in found.dispatch:
        row = Row(file=found.file, line=line, id=name)
        convert = shop.datatype(name, found.target, row)
        if convert is None:
            raise row.error(f"there is no data type map {name}")
        rows.append((compile_when(when, scene, line), convert))

    def dispatch(text: str, level: int, codec: Codec) -> tuple[Any, Marks]:
        value = Value(text, level, codec)
        for when, convert in rows:
            if when is None or when(value):
                return convert(text, level, codec)
        return None, NOTHING

    return dispatch


class _Rows:
    """Compiles the rows of one map."""

    def __init__(self, found: Map, shop: Workshop) -> None:
        self.map = found
        self.shop = shop
        self.scene = ValueScene(found)

    def ops(self, rows: Sequence[Row]) -> tuple[Op, ...]:
        """The rows with a source in their order; those that fall together are one."""
        found: list[Op] = []
        grouped: dict[str, list[Op]] = {}
        places: dict[str, int] = {}
        for row in rows:
            if self._final(row):
                continue
            op = self._row(row)
            if row.together is None:
                found.append(op)
                continue
            if row.together not in grouped:
                grouped[row.together] = []
                places[row.together] = len(found)
                found.append(op)
            grouped[row.together].append(op)
        for name, ops in grouped.items():
            fallback = self.ops(self._fallback(name, rows))
            found[places[name]] = Together(tuple(ops), fallback, _together)
        return tuple(found)

    def _fallback(self, name: str, rows: Sequence[Row]) -> tuple[Row, ...]:
        own = tuple(each for one in rows if one.together == name for each in one.fallback)
        return own + tuple(self.map.fallbacks.get(name, ()))

    def _final(self, row: Row) -> bool:
        """Rows that only add to what is there: constants and defaults without a source."""
        return not (row.source or row.first or row.switch)

    def finals(self, rows: Sequence[Row]) -> tuple[Op, ...]:
        """The constants, and the defaults of all rows."""
        found = [self._row(row) for row in rows if self._final(row)]
        for row in rows:
            if row.default is not None and not self._final(row):
                found.append(self._constant(row, row.default, None))
        return tuple(found)

    def _row(self, row: Row) -> Op:
        for name in ("each", "label", "link", "emit", "switch", "absent"):
            if getattr(row, name) is not None:
                raise row.error(f"{name} can't stand in the map of a data type")
        when = compile_when(row.when, self.scene, row.line)
        if row.first:
            return First(tuple(self._row(each) for each in (*row.first, *row.otherwise)), when)
        if not row.source:
            return self._constant(row, row.set_ if row.set_ is not None else row.default, when)
        return self._sourced(row, when)

    def _constant(self, row: Row, raw: Any, when: Condition | None) -> Call:
        where = self._place(row)
        place, target = _placer(where), where.target
        if isinstance(raw, dict) and target.item is not None and not row.extension:
            found = literals(target.item, raw, row.file, row.line)
            made: dict[str, Any] = {}
            apply(made, found)
            short = Write(where, constant=made, fresh=True)
            return Call(lambda value: WROTE if place(value, clone(made)) else NONE, when=when, short=short)
        content = literal(_single(target), raw, row.file, row.line)
        short = Write(where, constant=content)
        return Call(lambda value: WROTE if place(value, content) else NONE, when=when, short=short)

    def _sourced(self, row: Row, when: Condition | None) -> Call:
        where = self._place(row)
        place, target = _placer(where), where.target
        paths = [own_path(path, self.map, row.line) for path in row.source]
        single = len(paths) == 1 and not row.listed
        own = self._own_type(paths[0]) if single else None
        made = maker(row, target, self.shop, own, self.map.target)
        found = self._literals(row, target)
        settle = self._settle(row, target, place, found)
        short = Write(where, tuple(map(_spot, paths)), made, found)
        if made.convert is not None and single:
            index = paths[0].component - 1
            if index >= 0 and not paths[0].subcomponent:
                return Call(_component(index, made.convert, settle), index, when, short=short)
            return Call(self._one(locator(paths[0]), made.convert, settle), index, when, short=short)
        return Call(_many([locator(path) for path in paths], made, settle), when=when, short=short)

    def _own_type(self, path: SourcePath) -> str | None:
        return self.map.source if not path.component else self.shop.component_type(self.map.source, path)

    def _literals(self, row: Row, target: Target) -> tuple[Literal, ...]:
        """What a row sets in its own value."""
        if not isinstance(row.set_, dict) or (target.repeats and target.rest):
            return ()
        if target.item is None:
            raise row.error(f"{row.to} is a {target.type}: nothing can be set in it")
        return literals(target.item, row.set_, row.file, row.line)

    def _settle(
        self, row: Row, target: Target, place: Callable[[Value, Any], bool], found: tuple[Literal, ...]
    ) -> Callable[..., int]:
        """What is done with a converted value: literals, place, marks, note of the rule."""
        rule = self.shop.rule(row, self.map)
        extended = bool(row.extension)
        beside = not extended and not target.repeats and not target.rest and definitions().is_primitive(target.type)

        def settle(value: Value, made: Any, marks: Marks, bit: int) -> int:
            if made is None:
                if marks is not NOTHING:
                    value.add(marks, bit)
                return FELL if marks[3] else NONE
            partly = bool(marks[4]) and made.__class__ is Partly
            if partly:
                made = made.value
                if extended:
                    made = Beside(made, _text_beside(_leaf_at(value, bit)))
            if found:
                made = merged(made, found)
            if not place(value, made):
                return NONE
            if partly and beside:
                _original(value.made, target.to, _leaf_at(value, bit))
            value.add(marks, bit)
            if value.codec.trace:
                value.notes.append(("rule", bit, str(rule)))
            return WROTE

        return settle

    def _one(self, at: Callable[[Value], Piece], convert: Converter, settle: Callable[..., int]) -> Step:
        def step(value: Value) -> int:
            piece = at(value)
            if piece is None:
                return NONE
            text, bit, level = piece
            if text == NULL:
                value.mapped |= 1 << bit
                return NONE
            made, marks = convert(text, level, value.codec)
            return settle(value, made, marks, bit)

        return step

    def _place(self, row: Row) -> Place:
        if row.extension:
            hangs, target = self.shop.extension_target(self.map.target, row)
            return Place(target, urls=tuple(row.extension), home=hangs)
        if row.to is None:
            raise row.error("the row has no `to`")
        if row.to == ".":
            return Place(self.shop.primitive_target(self.map.target, row))
        target = resolve(self.map.target, row.to, row.error)
        slot = row.slot or ",".join(row.source) or row.id
        found: tuple[Literal, ...] = ()
        if isinstance(row.set_, dict) and row.source and target.repeats and target.rest:
            home = definitions().steps(self.map.target, target.path)[-1].home
            if home is not None:
                found = literals(home, row.set_, row.file, row.line)
        return Place(target, slot, found)


def _component(index: int, convert: Converter, settle: Callable[..., int]) -> Step:
    """A whole component, which is known to be there."""

    def step(value: Value) -> int:
        text = value.parts[index]
        bit = index if value.offsets is None else value.offsets[index]
        if text == NULL:
            value.mapped |= 1 << bit
            return NONE
        made, marks = convert(text, value.level + 1, value.codec)
        return settle(value, made, marks, bit)

    return step


def _single(target: Target) -> Any:
    """The element of the target as one item."""
    if not target.element.repeats:
        return target.element
    from dataclasses import replace

    return replace(target.element, max=1)


def _leaf_at(value: Value, bit: int) -> str:
    """Plain text of the leaf at a bit."""
    leaves: list[str] = []
    for part in value.parts:
        leaves.extend(part.split(value.codec.subcomponent) if value.offsets is not None else (part,))
    return value.codec.plain(leaves[bit]) if bit < len(leaves) else value.codec.plain(value.text)


def _original(made: dict[str, Any], path: str, text: str) -> None:
    *parents, name = path.split(".")
    for parent in parents:
        made = made.setdefault(parent, {})
    made[f"_{name}"] = _text_beside(text)


def _text_beside(text: str) -> dict[str, Any]:
    return {"extension": [{"url": ORIGINAL_TEXT, "valueString": text}]}


def _primitive_place(value: Value, made: Any) -> bool:
    if value.made is None:
        value.made = made
        return True
    return bool(value.made == made)


def _placer(where: Place) -> Callable[[Value, Any], bool]:
    """Where a row's value goes in the object: an item of a list by slot, or a path of single elements."""
    target, slot, literals_ = where.target, where.slot, where.literals
    if where.urls:

        def extend(value: Value, made: Any) -> bool:
            extended(value.made, where, made)
            return True

        return extend
    if target.path == ".":
        return _primitive_place
    names = target.path.split(".")
    if target.choice:
        names[-1] = target.choice
    if not target.repeats:
        steps = tuple((name, False) for name in names) + target.rest
        if len(steps) == 1:
            name = steps[0][0]

            def single(value: Value, made: Any) -> bool:
                there = value.made.get(name)
                if there is None:
                    value.made[name] = made
                    return True
                return bool(there == made)

            return single
        return lambda value, made: fill(value.made, steps, made)
    steps = (*((name, False) for name in names[:-1]), (names[-1], True))
    if not target.rest:
        return lambda value, made: fill(value.made, steps, made)
    key, rest = (target.path, slot), target.rest

    def item(value: Value, made: Any) -> bool:
        found = value.items.get(key)
        if found is None:
            found = value.items[key] = {}
            holder = value.made
            for name in names[:-1]:
                holder = holder.setdefault(name, {})
            holder.setdefault(names[-1], []).append(found)
        put = fill(found, rest, made)
        if put and literals_:
            apply(found, literals_)
        return put

    return item


def _many(places: list[Callable[[Value], Piece]], made: Maker, settle: Callable[..., int]) -> Step:
    """A leaf function over several texts."""
    join, number = made.join, made.memo
    assert join is not None

    def step(value: Value) -> int:
        codec = value.codec
        texts: list[str] = []
        mask = 0
        for at in places:
            piece = at(value)
            text = ""
            if piece is not None:
                text, bit, level = piece
                if level == 0:
                    text = text.partition(codec.component)[0]
                text = text.partition(codec.subcomponent)[0] if level < 2 else text
                if text == NULL:
                    value.mapped |= 1 << bit
                    text = ""
                if text:
                    mask |= 1 << bit
            texts.append(codec.plain(text) if text else text)
        if not mask:
            return NONE
        try:
            result = recalled(join, number, texts, codec) if number else join(texts, codec.leaf)
        except Invalid as invalid:
            first = (mask & -mask).bit_length() - 1
            return int(settle(value, None, (0, 0, 0, mask, (("invalid", first, str(invalid)),)), 0))
        found, marks = outcome(result, mask, (mask, 0, 0, 0, ()))
        return int(settle(value, found, marks, 0))

    return step


def _together(value: Value, body: Block, fallback: Block) -> int:
    """Rows that fall together: if one is invalid, none of them stays, and the fallback rows run."""
    made, mapped, kept, notes = clone(value.made), value.mapped, value.kept, value.notes[:]
    items = value.items
    value.items = {}
    status = body(value)
    value.items = {**items, **value.items}
    if status >= 0:
        return status
    fallen = (value.mapped & ~mapped) | (value.kept & ~kept)
    value.notes = [note for note in value.notes if note[0] != "rule" or note in notes]
    value.made, value.mapped, value.kept, value.items = made, mapped, kept, {}
    value.invalid |= fallen
    fallback(value)
    value.invalid &= ~(value.mapped | value.kept)
    return FELL
