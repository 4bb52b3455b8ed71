"""Rows of DICOM maps, compiled once: `to` ← `from`, checked against R4 and PS3.6 at load.

The form is that of the other maps (docs/mappings.md); `from` is a path of keywords of PS3.6, of eight hexadecimal
digits, `.` for the item itself or VALUE for one value of an element.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from adapters.dicom import tag_of
from adapters.fhir import Element as Definition
from adapters.fhir import UnknownElement, definitions
from mappings.dicom.leaves import ITEM_LEAVES, LEAVES, Leaf, Partly
from mappings.dicom.run import INVALID, NO_TARGET, Node, Run, Source, items
from mappings.engine.yamlfile import Dict, line_of
from mappings.errors import MapError

__all__ = ["Condition", "Library", "Plan", "Row", "compile_rows", "compile_when", "parse_source"]

Values = Callable[[Run, Node], list[Any]]
Condition = Callable[[Run, Node], bool]

_KEYS = frozenset(
    {"to", "extension", "value", "from", "as", "table", "set", "when", "default", "emit", "ids", "link"}
    | {"first", "required", "kept", "slot", "id", "level", "fold"}
)
# leaf type → element types it may stand in, beside its own
_FITS = {
    "string": {"markdown", "code", "id"},
    "uri": {"url", "canonical", "string", "code"},
    "unsignedInt": {"integer", "positiveInt", "decimal"},
    "code": {"string", "uri"},
    "id": {"string", "code"},
    "date": {"dateTime"},
    "instant": {"dateTime"},
}


class Library(Protocol):
    """What rows refer to by name."""

    def datatype(self, name: str) -> Plan:
        """A datatype map. Raises KeyError."""

    def table(self, name: str) -> Mapping[str, str]:
        """A code table. Raises KeyError."""

    def emitter(self, type_: str) -> Callable[[Run, Node, str, Source | None, str], dict[str, Any] | None]:
        """Makes an inner resource of a value and its ids, and gives the reference. Raises KeyError."""


@dataclass(frozen=True, slots=True)
class Row:
    """One compiled row. `path`, `slot`: its register; `place` wraps a value into it."""

    id: str
    path: str
    slot: str
    repeats: bool
    values: Values
    place: Callable[[list[Any]], Any]
    put: Callable[[dict[str, Any], list[Any]], None]
    when: Condition | None
    required: bool
    kept: bool
    level: str = ""
    fold: str = ""
    rule: str = ""  # file and line
    choices: tuple[Row, ...] = ()  # of `first`

    def fire(self, run: Run, node: Node) -> tuple[Row, list[Any]] | None:
        """The row that wrote (one of its choices), and its values; None: nothing."""
        if self.choices:
            return next((found for each in self.choices if (found := each.fire(run, node)) is not None), None)
        if self.when is not None and not self.when(run, node):
            return None
        before = run.begin()
        values = self.values(run, node)
        run.end(before, bool(values), "kept" if self.kept else "mapped", INVALID)
        return (self, values) if values else None


@dataclass(frozen=True, slots=True)
class Plan:
    """All rows of one map."""

    name: str
    type: str
    rows: tuple[Row, ...]

    def build(self, run: Run, node: Node) -> dict[str, Any] | None:
        """The object that the rows make; None without a value, or without one that is required.

        An object that can't stand carries nothing: what its rows read is not taken.
        """
        before = run.begin()
        made: dict[str, Any] = {}
        wrote = complete = True
        for row in self.rows:
            found = row.fire(run, node)
            if found is not None:
                found[0].put(made, found[1])
            elif row.required:
                complete = False
                break
        wrote = complete and bool(made)
        if not wrote:
            for path in run.trace:
                run.taken.pop(path, None)
        run.end(before, wrote, "mapped", NO_TARGET)
        return made if wrote else None


def parse_source(text: str, file: str, line: int) -> Source:
    """A path of keywords. Raises MapError for what PS3.6 doesn't know."""
    if text == ".":
        return Source((), "here")
    if text == "VALUE":
        return Source((), "value")
    tags = []
    for name in text.split("."):
        tag = tag_of(name)
        if not tag:
            raise MapError(file, line, f"{name} is no keyword of PS3.6 and no tag")
        tags.append(tag)
    return Source(tuple(tags))


def compile_rows(raw: Any, type_: str, library: Library, file: str, base: str = "") -> tuple[Row, ...]:
    """Compile the rows of one map whose object is of this FHIR type, or the element `base` of it. Raises MapError."""
    if not isinstance(raw, list):
        raise MapError(file, line_of(raw), "rows are a list")
    return tuple(_Compiler(each, type_, library, file, base).compile() for each in raw)


class _Compiler:
    def __init__(self, raw: Any, type_: str, library: Library, file: str, base: str) -> None:
        self.file, self.line = file, line_of(raw)
        if not isinstance(raw, dict):
            raise self._error("a row is a mapping")
        for key in raw:
            if key not in _KEYS:
                raise self._error(f"a row has no {key}")
        self.raw: Dict = raw  # type: ignore[assignment]  # made by yamlfile
        self.type = type_
        self.base = f"{base}." if base else ""
        self.library = library

    def _error(self, text: str) -> MapError:
        return MapError(self.file, self.line, text)

    def compile(self) -> Row:
        raw = self.raw
        if "first" in raw:
            choices = compile_rows(raw["first"], self.type, self.library, self.file, self.base.removesuffix("."))
            one = choices[0]
            return Row(
                str(raw.get("id", one.id)), one.path, one.slot, one.repeats, one.values, one.place, one.put, None,
                str(raw.get("required", "")) == "true", False, one.level, one.fold, one.rule, choices,
            )  # fmt: skip
        steps = self._steps()
        consts = self._consts(steps)
        values = self._values(steps[-1])
        slot = str(raw.get("slot", "")) or self._usual_slot()
        at = next((number for number, step in enumerate(steps) if step.repeats), None)
        return Row(
            id=str(raw.get("id", f"{raw.get('to', raw.get('extension', ''))}:{slot}")),
            path=_path(steps, at),
            slot=slot if at is not None else "",
            repeats=at is not None,
            values=values,
            place=_placer(steps, at, consts),
            put=_putter(steps, consts),
            when=self._when(),
            required=str(raw.get("required", "")) == "true",
            kept=str(raw.get("kept", "")) == "true",
            level=str(raw.get("level", "study")),
            fold=str(raw.get("fold", "")),
            rule=f"dicom/{self.file}:{self.line}",
        )

    def _usual_slot(self) -> str:
        source = self.raw.get("from", self.raw.get("link", self.raw.get("extension", "set")))
        return "+".join(source) if isinstance(source, list) else str(source)

    def _steps(self) -> tuple[Definition, ...]:
        raw = self.raw
        path = f"extension.value{_capital(str(raw.get('value', 'string')))}" if "extension" in raw else raw.get("to")
        if path is None:
            raise self._error("a row says `to`, `extension` or `first`")
        try:
            return definitions().steps(self.type, f"{self.base}{path}")[self.base.count(".") :]
        except UnknownElement as error:
            raise self._error(str(error)) from error

    def _consts(self, steps: tuple[Definition, ...]) -> list[tuple[tuple[Definition, ...], Any]]:
        raw = self.raw
        given = dict(raw.get("set", {})) if isinstance(raw.get("set"), dict) and self._has_source() else {}
        if "extension" in raw:
            given["url"] = raw["extension"]
        at = next((number for number, step in enumerate(steps) if step.repeats), None)
        found = []
        for path, value in given.items():
            try:
                if at is not None:
                    before = self.base + ".".join(step.name for step in steps[: at + 1])
                    inner = definitions().steps(self.type, f"{before}.{path}")[before.count(".") + 1 :]
                else:
                    inner = definitions().steps(self.type, f"{self.base}{path}")[self.base.count(".") :]
            except UnknownElement as error:
                raise self._error(str(error)) from error
            self._must_allow(inner[-1], str(value))
            found.append((inner, _literal(value)))
        return found

    def _has_source(self) -> bool:
        return any(key in self.raw for key in ("from", "link", "default"))

    def _must_allow(self, element: Definition, code: str) -> None:
        allowed = element.binding.allowed if element.binding is not None else None
        if allowed is not None and "code" in element.types and not allowed.rules and code not in allowed.codes:
            raise self._error(f"{code!r} is no code of {element.owner}.{element.path}")

    # -- values ------------------------------------------------------------------------------------------------

    def _values(self, target: Definition) -> Values:
        raw = self.raw
        if "link" in raw:
            label = str(raw["link"])
            return lambda run, node: [run.labels[label].reference] if label in run.labels else []
        if "from" not in raw:
            value = raw.get("default", raw.get("set"))
            if value is None:
                raise self._error("a row says where its value is from: `from`, `link`, `set` or `default`")
            if isinstance(value, str):
                self._must_allow(target, value)
            literal = _literal(value)
            return lambda run, node: [literal]
        names = raw["from"] if isinstance(raw["from"], list) else [raw["from"]]
        sources = [parse_source(str(name), self.file, self.line) for name in names]
        if "emit" in raw:
            return self._emit(sources[0])
        if "table" in raw:
            return self._tabled(sources[0], target)
        name = str(raw.get("as", ""))
        if name in LEAVES:
            return self._leaf(LEAVES[name], sources, target)
        if not name:
            kind = next((each for each in target.types if each in ("string", "code", "markdown")), "")
            if not kind:
                raise self._error(f"{target.name} is a {'/'.join(target.types)}: say `as`")
            return self._leaf(LEAVES["code" if kind == "code" else "string"], sources, target)
        return self._datatype(name, sources[0], target)

    def _leaf(self, leaf: Leaf, sources: Sequence[Source], target: Definition) -> Values:
        if len(sources) != leaf.sources:
            raise self._error(f"{self.raw.get('as')} takes {leaf.sources} sources")
        fitting = {leaf.type, *_FITS.get(leaf.type, ())}
        if not fitting.intersection(target.types):
            raise self._error(
                f"{target.name} is a {'/'.join(target.types)}, and {self.raw.get('as')} gives {leaf.type}"
            )
        call = leaf.call
        if leaf.sources > 1:

            def several(run: Run, node: Node) -> list[Any]:
                texts, marks = [], []
                for source in sources:
                    marks.append(len(run.trace))
                    texts.append(next(iter(_texts(run, node, source)), ""))
                value = call(run, *texts) if texts[0] else None
                if isinstance(value, Partly):
                    for path in run.trace[marks[value.carried] :]:
                        run.missed.setdefault(path, NO_TARGET)
                    del run.trace[marks[value.carried] :]
                    value = value.value
                return [] if value is None else [value]

            return several
        source, flat = sources[0], leaf.type == "HumanName"
        if leaf.whole:

            def whole(run: Run, node: Node) -> list[Any]:
                texts = _texts(run, node, source)
                value = call(run, *texts) if texts else None
                return [] if value is None else [value]

            return whole

        def single(run: Run, node: Node) -> list[Any]:
            found: list[Any] = []
            for text in _texts(run, node, source):
                value = call(run, text) if text else None
                if value is not None:
                    found += value if flat else [value]
            return found

        return single

    def _tabled(self, source: Source, target: Definition) -> Values:
        try:
            table = self.library.table(str(self.raw["table"]))
        except KeyError as error:
            raise self._error(f"there is no table {self.raw['table']}") from error
        for code in table.values():
            self._must_allow(target, code)

        def look_up(run: Run, node: Node) -> list[Any]:
            found = [table.get(text.strip().upper(), table.get("*", "")) for text in _texts(run, node, source)]
            return [each for each in found if each]

        return look_up

    def _datatype(self, name: str, source: Source, target: Definition) -> Values:
        build, type_ = ITEM_LEAVES.get(name, (None, ""))
        if build is None:
            try:
                plan = self.library.datatype(name)
            except KeyError as error:
                raise self._error(f"there is no leaf function and no datatype map {name}") from error
            build, type_ = plan.build, plan.type
        if type_ not in target.types:
            raise self._error(f"{target.name} is a {'/'.join(target.types)}, and {name} gives {type_}")

        def each_item(run: Run, node: Node) -> list[Any]:
            if source.kind == "here":
                places = [node]
            else:
                places = [inner for each in source.places(node) for inner in items(each, source.tags[-1])]
            return [made for place in places if (made := build(run, place)) is not None]

        return each_item

    def _emit(self, source: Source) -> Values:
        try:
            emitter = self.library.emitter(str(self.raw["emit"]))
        except KeyError as error:
            raise self._error(f"there is no map of {self.raw['emit']} to emit") from error
        ids = parse_source(str(self.raw["ids"]), self.file, self.line) if "ids" in self.raw else None
        role = self._usual_slot()

        def emit(run: Run, node: Node) -> list[Any]:
            found = []
            for place in source.places(node) if source.tags else [node]:
                texts = _texts(run, place, Source(source.tags[-1:], source.kind))
                known = items(place, ids.tags[-1]) if ids is not None else []
                for number in range(max(len(texts), len(known))):
                    text = texts[number] if number < len(texts) else ""
                    one = known[number] if number < len(known) else Node(place.dataset, place.prefix)
                    path = f"{place.prefix}{source.tags[-1]:08X}" if source.tags else node.path
                    inner = Source((), "here") if number < len(known) else None
                    made = emitter(run, Node(one.dataset, one.prefix, text, path), role, inner, text)
                    if made is not None:
                        found.append(made)
            return found

        return emit

    def _when(self) -> Condition | None:
        return compile_when(self.raw.get("when"), self.file, self.line)


def compile_when(raw: Any, file: str, line: int) -> Condition | None:
    """`when`: each keyword is `valued`, `empty`, one of a list, or `not` of a list; all of them. Raises MapError."""
    if raw is None:
        return None
    if not isinstance(raw, dict):
        raise MapError(file, line, "`when` is a mapping")
    tests = [_test(str(name), wanted, file, line) for name, wanted in raw.items()]
    return lambda run, node: all(test(run, node) for test in tests)


def _test(name: str, wanted: Any, file: str, line: int) -> Condition:
    source = parse_source(name, file, line)

    def texts(node: Node) -> list[str]:
        return [text for place in source.places(node) for text in place.dataset.values(source.tags[-1])]

    if wanted in ("valued", "empty"):
        valued = wanted == "valued"
        return lambda run, node: _there(source, node) == valued
    negated = isinstance(wanted, dict)
    listed = wanted.get("not", []) if isinstance(wanted, dict) else wanted
    among = frozenset([listed] if isinstance(listed, str) else listed)
    if negated:
        return lambda run, node: not among.intersection(texts(node))
    return lambda run, node: bool(among.intersection(texts(node)))


def _there(source: Source, node: Node) -> bool:
    """Whether an element has a value or items, of whatever type."""
    found = [place.dataset.get(source.tags[-1]) for place in source.places(node)]
    return any(element is not None and not element.empty for element in found)


def _texts(run: Run, node: Node, source: Source) -> list[str]:
    if source.kind == "value":
        if node.value and node.path:
            run.trace.append(node.path)
        return [node.value] if node.value else []
    return [text for place in source.places(node) for text in run.texts(place, source.tags[-1])]


# -- where values go ---------------------------------------------------------------------------------------------------


def _capital(name: str) -> str:
    return name[:1].upper() + name[1:]


def _literal(value: Any) -> Any:
    """A literal of a map as JSON: `true` and `false` are booleans wherever R4 has them, all else is text."""
    if isinstance(value, dict):
        return {str(key): _literal(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_literal(each) for each in value]
    return {"true": True, "false": False}.get(value, str(value))


def _path(steps: Sequence[Definition], at: int | None) -> str:
    upto = steps if at is None else steps[: at + 1]
    names = [step.name for step in upto]
    if upto[-1].choice:
        names[-1] = upto[-1].choice
    return ".".join(names)


def _placer(
    steps: tuple[Definition, ...], at: int | None, consts: Sequence[tuple[tuple[Definition, ...], Any]]
) -> Callable[[list[Any]], Any]:
    """Values → the value of the register."""
    if at is None:
        last = steps[-1]
        return (lambda values: {last.name: values[0]}) if last.choice else (lambda values: values[0])
    inner = steps[at + 1 :]

    def listed(values: list[Any]) -> list[Any]:
        return [_object(inner, value, consts) for value in values]

    return listed


def _object(inner: tuple[Definition, ...], value: Any, consts: Sequence[tuple[tuple[Definition, ...], Any]]) -> Any:
    if not inner and not consts:
        return value
    made: dict[str, Any] = {}
    if inner:
        _put(made, inner, [value])
    else:
        made.update(value)
    for path, const in consts:
        _put(made, path, [const])
    return made


def _putter(
    steps: tuple[Definition, ...], consts: Sequence[tuple[tuple[Definition, ...], Any]]
) -> Callable[[dict[str, Any], list[Any]], None]:
    """Values → into an object that several rows fill."""
    at = next((number for number, step in enumerate(steps) if step.repeats), None)
    if at is None:
        return lambda made, values: _put(made, steps, values)
    inner = steps[at + 1 :]

    def with_constants(made: dict[str, Any], values: list[Any]) -> None:
        _put(made, steps[: at + 1], [_object(inner, value, consts) for value in values])

    return with_constants


def _put(made: dict[str, Any], steps: Sequence[Definition], values: list[Any]) -> None:
    """Into the object: lists grow."""
    place = made
    for step in steps[:-1]:
        inner = place.setdefault(step.name, [{}] if step.repeats else {})
        place = inner[0] if isinstance(inner, list) else inner
    last = steps[-1]
    if last.repeats:
        known = place.setdefault(last.name, [])
        known.extend(value for value in values if value not in known)
    else:
        place.setdefault(last.name, values[0])
