"""Plans: a segment map, or a data type map that makes a resource, compiled to steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapters.fhir import definitions
from mappings.engine.codegen import generate
from mappings.engine.conditions import Condition, Raw, asking, compile_when, predicate
from mappings.engine.datatypes import locator, own_path
from mappings.engine.fetching import raw_text
from mappings.engine.grammar import Map, Row
from mappings.engine.keys import Key, compile_key, nearest
from mappings.engine.makers import full_mask
from mappings.engine.ops import Block
from mappings.engine.rows import RowCompiler
from mappings.engine.runtime import Seat
from mappings.engine.sources import SourcePath, parse
from mappings.engine.steps import Step
from mappings.engine.targets import resolve
from mappings.engine.templates import Templates, split
from mappings.errors import MapError
from mappings.predicates import PREDICATES

if TYPE_CHECKING:
    from mappings.engine.workshop import Workshop

__all__ = ["PlaceScene", "Plan", "compile_plan"]


# no patient's data: staff, organizations and places come again and again
_KEPT = frozenset({"Practitioner", "PractitionerRole", "Organization", "Location", "Device"})
_SPECIAL = frozenset({"segment", "absent", "made", "predicate"})


class PlaceScene:
    """Conditions asked at a seat: paths of its segment and its group (`own`), or of its piece of text (`datatype`)."""

    def __init__(self, shop: Workshop, own: str | None, datatype: str | None, file: str) -> None:
        self.shop = shop
        self.own = own
        self.datatype = datatype
        self.file = file
        self.local = True  # nothing but the text, the event and the options matter

    def raw(self, path: str, line: int) -> Raw:
        found = parse(path, self.datatype if self.own is None else None)
        if found is None or (self.own is not None and not found.field):
            raise MapError(self.file, line, f"{path} is no source path here")
        return raw_text(found, self.own)

    def special(self, name: str, value: Any, line: int) -> Condition | None:
        if name == "event":
            return self._event(value, line)
        if name == "option":
            return self._options(value, line)
        if name not in _SPECIAL:
            return None
        if isinstance(value, dict):
            raise MapError(self.file, line, f"{name} is a name or a list of names")
        self.local = False
        names = tuple(str(item) for item in (value if isinstance(value, list) else [value]))
        if name == "segment":
            return asking(lambda seat: all(bool(seat.scope.find(each)) for each in names))
        if name == "absent":
            return asking(lambda seat: not any(bool(seat.scope.find(each)) for each in names))
        if name == "made":
            return asking(
                lambda seat: any(found is not None and found.wrote for found in (nearest(seat, each) for each in names))
            )
        return self._predicates(names, line)

    def _event(self, value: Any, line: int) -> Condition:
        wanted, negated = value, False
        if isinstance(value, dict):
            if len(value) != 1 or not value.keys() <= {"is", "not"}:
                raise MapError(self.file, line, "event is a list of events, or {not: [events]}")
            negated = "not" in value
            (wanted,) = value.values()
        events = frozenset(str(item) for item in (wanted if isinstance(wanted, list) else [wanted]))
        word = "not in" if negated else "in"
        return Condition(
            lambda seat: (seat.run.event in events) is not negated,
            lambda names: f"(at.run.event {word} {names.constant(events)})",
            frozenset(),
        )

    def _predicates(self, names: tuple[str, ...], line: int) -> Condition:
        for name in names:
            if name not in PREDICATES:
                raise MapError(self.file, line, f"there is no predicate {name}")
        if len(names) == 1:
            return predicate(PREDICATES[names[0]])
        found = tuple(PREDICATES[name] for name in names)
        return predicate(lambda seat: all(each(seat) for each in found))

    def _options(self, value: Any, line: int) -> Condition:
        if not isinstance(value, dict):
            raise MapError(self.file, line, "option must be a mapping: {name: [values]}")
        wanted: list[tuple[str, frozenset[str]]] = []
        for name, values in value.items():
            texts = frozenset(str(item) for item in (values if isinstance(values, list) else [values]))
            known = self.shop.library.options.get(name)
            if known is None or not texts <= set(known[1]):
                raise MapError(self.file, line, f"options.yaml has no option {name} with these values")
            wanted.append((str(name), texts))
        return asking(lambda seat: all(seat.run.options[name] in texts for name, texts in wanted), frozenset())


def _nothing(seat: Seat) -> int:
    return 0


class Plan:
    """A compiled map. `own`: its segment; else `datatype`. `kind`: the resource type that it fills."""

    __slots__ = (
        "_pure",
        "body",
        "covers",
        "datatype",
        "dispatch",
        "excused",
        "file",
        "finals",
        "inner",
        "key",
        "kind",
        "line",
        "name",
        "number",
        "own",
        "replaced",
        "rules",
        "scene",
        "slots",
        "templates",
    )

    def __init__(self, found: Map, shop: Workshop) -> None:
        self.name = found.name
        self.number = shop.number()
        self.file = found.file
        self.line = found.line
        self.kind = found.target
        self.own = found.source if found.kind == "segment" else None
        self.datatype = None if found.kind == "segment" else found.source
        self.scene = PlaceScene(shop, self.own, self.datatype, found.file)
        self.body: Block = _nothing
        self.templates: Templates | None = None
        self.finals: tuple[Step, ...] = ()
        self.key: Key | None = None
        self.dispatch: tuple[tuple[Condition | None, Plan], ...] = ()
        self.excused: Any = ()
        self.replaced: tuple[tuple[tuple[str, tuple[str, ...]], ...], Condition | None] = ((), None)
        self.covers: tuple[tuple[SourcePath, str], ...] = ()
        self.inner: list[Plan] = []  # what its rows emit
        self._pure: bool | None = None
        self.slots: dict[str, set[str]] = {}

    def chosen(self, seat: Seat) -> Plan | None:
        """This plan, or the one that it dispatches to; None if none fits."""
        if not self.dispatch:
            return self
        for when, plan in self.dispatch:
            if when is None or when(seat):
                return plan.chosen(seat)
        return None

    @property
    def pure(self) -> bool:
        """Whether the same text makes the same resources wherever it stands: then they are made once and kept."""
        if self._pure is None:
            self._pure = True  # holds for what emits itself
            plain = self.own is None and self.scene.local and not self.finals and not self.replaced[0]
            below = [*self.inner, *(plan for _, plan in self.dispatch)]
            self._pure = plain and self.kind in _KEPT and all(plan.pure for plan in below)
        return self._pure

    def run(self, seat: Seat) -> None:
        """Run on a seat whose resource is set."""
        if self.templates is not None:
            self.templates.run(seat)
        self.body(seat)
        if self.finals or self.replaced[0]:
            seat.resource.deferred += ((self, seat),)
        if self.excused:
            if seat.piece is None:
                seat.run.excuses.append((self.excused, seat.segment))
            else:
                self._excuse(seat)

    def _excuse(self, seat: Seat) -> None:
        value = seat.piece
        assert value is not None
        for at, where in self.excused:
            found = at(value)
            if found is not None:
                text, bit, level = found
                mask = full_mask(text, level, seat.codec)
                notes = tuple([("excused", low, where) for low in range(mask.bit_length()) if mask >> low & 1])
                marks = (0, 0, mask, 0, notes)
                seat.resource.trace.append((-1, seat.position, seat.field, seat.repetition, seat.shift + bit, marks))

    def finish(self, seat: Seat) -> None:
        """Defaults, constants and what the map replaces, once all maps of the resource have run."""
        for step in self.finals:
            step(seat)
        paths, when = self.replaced
        if paths and (when is None or when(seat)):
            registers = seat.resource.registers
            for path, slots in paths:
                for slot in slots:
                    registers.setdefault((path, slot), None)


def compile_plan(found: Map, shop: Workshop, plan: Plan) -> None:
    """Fill a plan that is registered already (maps may emit each other)."""
    if found.target not in definitions().resources:
        raise found.error(f"{found.target} is no resource type of R4")
    if found.dispatch:
        rows = []
        for when, name, line in found.dispatch:
            row = Row(file=found.file, line=line, id=name)
            rows.append((compile_when(when, plan.scene, line), shop.resource_plan(name, found.target, row)))
        plan.dispatch = tuple(rows)
        return
    compiler = RowCompiler(found, shop, plan.scene)
    plan.key = compile_key(found.key, plan.kind, plan.scene, plan.own, plan.datatype, found.file, found.line)
    if found.key is None and plan.datatype is not None:
        plan.key = shop.default_key(plan)
    ops = compiler.ops(found.rows)
    plan.templates, ops = split(ops, plan, frozenset(compiler.filled), shop.number())
    plan.body = generate(ops, compiler.fields, status=False)
    plan.finals = tuple(compiler.finals)
    plan.covers = tuple(compiler.covers)
    plan.slots = compiler.slots
    plan.inner = compiler.inner
    plan.replaced = _replaced(found, plan)
    plan.excused = _segment_excused(found) if plan.own is not None else _piece_excused(found)


def _replaced(found: Map, plan: Plan) -> Any:
    raw = found.replaces
    if raw is None:
        return (), None
    when = None
    if isinstance(raw, dict):
        when = compile_when(raw.get("when"), plan.scene, found.line)
        raw = raw.get("paths", [])
    rows = []
    for path in raw:
        if not path.endswith("[x]"):
            resolve(plan.kind, path, found.error)
        inside = f"{path}."
        for known, slots in sorted(plan.slots.items()):
            if known == path or known.startswith(inside):
                rows.append((known, tuple(sorted(slots))))
    return tuple(rows), when


def _segment_excused(found: Map) -> dict[int, list[tuple[int, int, str]]]:
    """Field -> (component or 0, subcomponent or 0, the row that says why)."""
    rows: dict[int, list[tuple[int, int, str]]] = {}
    for text, (_, line) in found.excused.items():
        path = parse(text)
        if path is None or path.owner != found.source or not path.field:
            raise found.error(f"{text} is no field of {found.source}", line)
        rows.setdefault(path.field, []).append((path.component, path.subcomponent, f"{found.file}:{line}"))
    return rows


def _piece_excused(found: Map) -> list[tuple[Any, str]]:
    return [(locator(own_path(text, found, line)), f"{found.file}:{line}") for text, (_, line) in found.excused.items()]
