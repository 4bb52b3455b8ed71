"""Rows that write into resources: the rows of segment maps, and of data type maps whose target is a resource."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from adapters.fhir import definitions
from mappings.engine.codec import NOTHING
from mappings.engine.conditions import PARTS, Condition, Scene, compile_when
from mappings.engine.emits import emitting, labelled
from mappings.engine.fetching import fetcher, raw_text
from mappings.engine.grammar import Map, Row
from mappings.engine.makers import Converter, Maker, maker
from mappings.engine.ops import FELL, NONE, VALUE, WROTE, Call, First, Op, Plain, Switch, Together, first_value
from mappings.engine.runtime import Seat
from mappings.engine.sinks import Sink, beside_sink, extension_sink, sink
from mappings.engine.sources import SourcePath, parse
from mappings.engine.steps import (
    Remover,
    Step,
    absent,
    all_repetitions,
    conditional,
    defaulting,
    filling,
    many_sources,
    nothing,
    one_source,
    setting,
    together,
    wrapped,
)
from mappings.engine.targets import (
    Literal,
    Target,
    apply,
    literal,
    literals,
    resolve,
)

if TYPE_CHECKING:
    from mappings.engine.plans import Plan
    from mappings.engine.workshop import Workshop

__all__ = ["RowCompiler"]


class RowCompiler:
    """Compiles the rows of one map into steps (in row order) and finals (when all maps of the resource have run)."""

    def __init__(self, found: Map, shop: Workshop, scene: Scene) -> None:
        self.map = found
        self.shop = shop
        self.scene = scene
        self.own = found.source if found.kind == "segment" else None
        self.finals: list[Step] = []
        self.inner: list[Plan] = []  # what rows emit
        self.slots: dict[str, set[str]] = {}  # register path -> slots that the map can write
        self.covers: list[tuple[SourcePath, str]] = []  # sources that rows name, with the data type map that reads them
        self.filled: set[str] = set()  # paths of lists whose objects finals fill

    def ops(self, rows: Sequence[Row]) -> tuple[Op, ...]:
        """The rows in their order; those that fall together are one."""
        found: list[Op] = []
        grouped: dict[str, list[Op]] = {}
        places: dict[str, int] = {}
        for row in rows:
            op = self._row(row)
            name = row.together or next((each.together for each in row.first if each.together), None)
            if name is None:
                found.append(op)
                continue
            if name not in grouped:
                grouped[name] = []
                places[name] = len(found)
                found.append(op)
            grouped[name].append(op)
        for name, ops in grouped.items():
            own = tuple(each for one in rows if one.together == name for each in one.fallback)
            fallback = self.ops((*own, *self.map.fallbacks.get(name, ())))
            found[places[name]] = Together(tuple(ops), fallback, together)
        return tuple(found)

    @property
    def fields(self) -> str:
        """Where the generated code finds the fields or parts."""
        return "at.fields" if self.own is not None else "at.piece.parts"

    def _row(self, row: Row) -> Op:
        when = compile_when(row.when, self.scene, row.line)
        if row.first:
            return First(tuple(self._row(each) for each in (*row.first, *row.otherwise)), when)
        if row.switch:
            cases = tuple((tuple(name.strip('"') for name in names), self.ops(inner)) for names, inner in row.cases)
            raw = raw_text(self.path(row.switch, row), self.own)
            return Switch(raw, cases, self.ops(row.otherwise), when)
        if row.link is not None and not row.emit:
            return Call(labelled(row, self), writes=frozenset())
        if row.emit:
            step, short = emitting(row, self)
            return Call(step, self._index(row), when, short, writes=self._written(row))
        if not row.source:
            return Call(self._constant(row, when), when=when, reads=frozenset(), writes=self._written(row))
        return replace(self._sourced(row, when), reads=self._read(row), writes=self._written(row))

    def _read(self, row: Row) -> frozenset[int] | None:
        """The fields of its own segment that a row reads; None if it reads others."""
        found = set()
        for text in (*row.source, *([row.each] if row.each else [])):
            path = parse(text)
            if self.own is None or path is None or path.owner != self.own:
                return None
            found.add(path.field)
        return frozenset(found)

    def _written(self, row: Row) -> frozenset[tuple[str, str]] | None:
        """The registers that a row may write to."""
        slot = self.slot(row)
        inside = self.shop.item_extension(self.map.target, row) if row.extension else None
        if inside is not None:
            return frozenset({(inside.path, slot)})
        if row.extension:
            home, _ = self.shop.extension_target(self.map.target, row)
            return frozenset({(".".join((*home, "extension")), slot)})
        if row.to is None:
            return frozenset()
        target = resolve(self.map.target, row.to, row.error)
        if target.repeats:
            return frozenset({(target.path, slot)})
        *parents, name = target.path.split(".")
        return frozenset({(target.path, ""), (".".join((*parents, f"_{name}")), "")})

    def path(self, text: str, row: Row) -> SourcePath:
        """A source path of this map. Raises MapError."""
        found = parse(text, None if self.own is not None else self.map.source)
        if found is None or (self.own is not None and not found.field):
            raise row.error(f"{text} is no source path here")
        if self.own is not None:
            self.shop.check_field(found, row)
        return found

    def _index(self, row: Row) -> int:
        """The field or part that a single own source needs; -1 if others matter."""
        if len(row.source) != 1 or row.listed:
            return -1
        if self.own is None:
            found = parse(row.source[0], self.map.source)
            return found.component - 1 if found is not None else -1
        found = parse(row.source[0])
        return found.field if found is not None and found.owner == self.own and found.field else -1

    def slot(self, row: Row) -> str:
        """The slot that a row writes to."""
        if row.slot:
            return row.slot
        if row.each:
            return row.each
        if not row.source:
            return row.id
        paths = [parse(text, None if self.own is not None else self.map.source) for text in row.source[:1]]
        first = paths[0]
        if first is None or self.own is None:
            return row.source[0]
        return f"{first.owner}-{first.field}" if first.field else first.owner

    def place(self, row: Row) -> tuple[Sink, Target]:
        """Where the row's value goes."""
        slot = self.slot(row)
        inside = self.shop.item_extension(self.map.target, row) if row.extension else None
        if inside is not None:
            self.slots.setdefault(inside.path, set()).add(slot)
            value = self.shop.extension_target(self.map.target, replace(row, on=None))[1]
            return wrapped(sink(inside, slot, shared=True, rank=row.rank, found=()), row.extension, value.to), value
        if row.extension:
            home, target = self.shop.extension_target(self.map.target, row)
            path = ".".join((*home, "extension"))
            self.slots.setdefault(path, set()).add(slot)
            return extension_sink(path, slot, row.extension, target.to), target
        if row.to is None:
            raise row.error("the row has no `to`")
        target = resolve(self.map.target, row.to, row.error)
        found: tuple[Literal, ...] = ()
        if isinstance(row.set_, dict) and (row.source or row.emit):
            home_ = self._item_home(target)
            if home_ is None:
                raise row.error(f"{row.to} is a {target.type}: nothing can be set in it")
            if not row.emit or target.rest:
                found = literals(home_, row.set_, row.file, row.line)
        self.slots.setdefault(target.path, set()).add(slot if target.repeats else "")
        return sink(target, slot, row.slot is not None, row.rank, found), target

    def _item_home(self, target: Target) -> Any:
        """The object that `set` is relative to: the item of the repeating element, else the object at the target."""
        if target.rest and target.repeats:
            return definitions().steps(self.map.target, target.path)[-1].home
        return target.item

    def _constant(self, row: Row, when: Condition | None) -> Step:
        place, target = self.place(row)
        if row.absent is not None:
            self.filled.add(target.path)
            self.finals.append(conditional(absent(target, self.slot(row), row.absent), when))
            return nothing
        raw, weak = (row.set_, False) if row.set_ is not None else (row.default, True)
        if raw is None:
            raise row.error("the row has no source and nothing to set")
        if isinstance(raw, dict) and not row.extension:
            # relative to the item, as on rows with a source
            home = self._item_home(target) if not weak else target.item
            if home is None:
                raise row.error(f"{row.to} is a {target.type}: it needs a text")
            found = literals(home, raw, row.file, row.line)
            made: Any = {}
            if target.rest and target.repeats and row.slot is not None:
                # only objects that a source has begun are filled
                self.filled.add(target.path)
                self.finals.append(conditional(filling(target, row.slot, found), when))
                return nothing
            if target.rest and target.repeats:
                raise row.error("constants below a repeating element need the slot of the object that they go into")
            apply(made, found)
        else:
            element = target.element if not target.element.repeats else replace(target.element, max=1)
            made = literal(element, raw, row.file, row.line)
            if target.rest and target.repeats and row.slot is not None:
                self.filled.add(target.path)
                self.finals.append(conditional(filling(target, row.slot, ((target.rest, made),)), when))
                return nothing
            if target.rest and target.repeats:
                raise row.error("constants below a repeating element need the slot of the object that they go into")
        if weak:
            self.finals.append(conditional(defaulting(place, target, made), when))
            return nothing
        return setting(place, made)

    def _sourced(self, row: Row, when: Condition | None) -> Call:
        place, target = self.place(row)
        paths = [self.path(text, row) for text in row.source]
        if row.default is not None:
            element = target.element if not target.element.repeats else replace(target.element, max=1)
            value = literal(element, row.default, row.file, row.line)
            self.finals.append(conditional(defaulting(place, target, value), when))
        if row.absent is not None:
            self.filled.add(target.path)
            self.finals.append(conditional(absent(target, self.slot(row), row.absent), when))
        single = len(paths) == 1 and not row.listed
        made = maker(row, target, self.shop, self._type_of(paths[0]) if single else None, self.map.target)
        slot = self.slot(row) if target.repeats else ""
        rule = self.shop.rule(row, self.map, (target.path, slot))
        extended = bool(row.extension)
        primitive = definitions().is_primitive(target.type) and not extended
        beside = beside_sink(target, self.slot(row), row.slot is not None) if primitive else None
        stem = (
            "*"
            if made.all or made.whole
            else self.shop.map_name(made.datatype, target.type) or ""
            if made.datatype
            else ""
        )
        self.covers.extend([(path, stem) for path in paths])
        if made.all:
            return Call(all_repetitions(fetcher(paths[0], self.own), made, place, rule), self._index(row), when)
        if made.join is not None:
            step = many_sources([fetcher(path, self.own) for path in paths], made, place, rule, beside, extended)
            return Call(self._each(row, step), when=when, plain=self._plain(row, paths, made, target, place, rule))
        assert made.convert is not None
        several = target.repeats or any(repeats for _, repeats in target.rest)
        fetch = fetcher(paths[0], self.own)
        step = one_source(fetch, made.convert, place, rule, Remover(target, slot), several, beside, extended)
        if row.each:
            return Call(self._each_single(row, paths[0], made.convert, place, rule), self._index(row), when)
        return Call(step, self._index(row), when, self._plain(row, paths, made, target, place, rule))

    def _plain(
        self, row: Row, paths: list[SourcePath], made: Maker, target: Target, place: Sink, rule: int
    ) -> Plain | None:
        """What the generated code does by itself; None for what only the step can do."""
        if any(path.owner != self.own or path.repetition or path.subcomponent > 1 for path in paths):
            return None
        if any(path.component > PARTS for path in paths) or made.all or made.whole:
            return None
        spots = tuple((path.field, path.component - 1) for path in paths)
        slot = self.slot(row)
        if row.extension:
            if self.shop.item_extension(self.map.target, row) is not None or len(row.extension) > 1:
                return Plain(spots, made, place, rule)
            home, _ = self.shop.extension_target(self.map.target, row)
            register = (".".join((*home, "extension")), slot)
            return Plain(spots, made, place, rule, register, [{"url": row.extension[0], target.to: VALUE}])
        register = (target.path, slot if target.repeats else "")
        found: tuple[Literal, ...] = ()
        if isinstance(row.set_, dict):
            found = literals(self._item_home(target), row.set_, row.file, row.line)
        if target.rest and any(steps[: len(target.rest)] == target.rest for steps, _ in found):
            return Plain(spots, made, place, rule)
        item = (target.path, slot, -1 if target.rest and row.slot is not None else 0) if target.repeats else None
        whole = () if target.rest else found
        return Plain(spots, made, place, rule, register, first_value(target, found), item, row.rank, whole)

    def _type_of(self, path: SourcePath) -> str | None:
        if self.own is not None:
            return self.shop.field_type(path)
        return self.map.source if not path.component else self.shop.component_type(self.map.source, path)

    def _each(self, row: Row, step: Step) -> Step:
        if row.each:
            raise row.error("each needs a single source")
        return step

    def _each_single(self, row: Row, path: SourcePath, convert: Converter, place: Sink, rule: int) -> Step:
        fetch = fetcher(path, self.own)
        counted = fetcher(self.path(row.each or "", row), self.own)

        def each(seat: Seat) -> int:
            pieces = fetch(seat)
            if not pieces:
                return NONE
            position, field, repetition, text, level, shift = pieces[0]
            value, marks = convert(text, level, seat.codec)
            resource = seat.resource
            wrote = NONE
            for piece in counted(seat):
                if value is not None and place(resource, seat.number, piece[2], value):
                    wrote = WROTE
            if wrote or (value is None and marks is not NOTHING):
                resource.trace.append((rule, position, field, repetition, shift, marks))
                resource.wrote = resource.wrote or wrote == WROTE
            return wrote if value is not None or not marks[3] else FELL

        return each
