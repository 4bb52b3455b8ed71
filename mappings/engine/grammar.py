"""Map files as values (docs/mappings.md): rows, segment maps, data type maps, message maps, events.

Only the form is checked here; whether names and targets exist is for the compiler. Overlays work on these values.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from mappings.engine.yamlfile import Dict, List, Text, line_of
from mappings.errors import MapError

__all__ = ["EventRow", "Map", "MessageMap", "MessageRow", "Row", "event_rows", "message_map", "plain", "value_map"]

_ROW_TEXTS = ("to", "as", "table", "use", "emit", "slot", "rank", "together", "value", "on", "label", "each", "absent")
_ROW_KEYS = frozenset(
    (
        *_ROW_TEXTS,
        "id",
        "from",
        "set",
        "default",
        "when",
        "key",
        "link",
        "extension",
        "first",
        "else",
        "switch",
        "cases",
    )
) | {"fallback"}
_MAP_KEYS = frozenset(
    {"segment", "datatype", "key", "rows", "excused", "together", "replaces", "dispatch", "description"}
)
_MESSAGE_KEYS = frozenset({"message", "rows", "excused", "description"})
_MESSAGE_ROW_KEYS = frozenset({"id", "for", "make", "by", "into", "when", "link", "key"})
_EVENT_KEYS = frozenset({"id", "event", "on", "when", "set", "remove", "merge"})


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a segment or data type map. Raw YAML values where the compiler reads them further."""

    file: str
    line: int
    id: str
    to: str | None = None
    source: tuple[str, ...] = ()
    listed: bool = False  # `from` was a list
    as_: str | None = None
    table: str | None = None
    set_: Any = None
    default: Any = None
    when: Any = None
    use: str | None = None
    emit: str | None = None
    key: Any = None
    link: Any = None
    slot: str | None = None
    rank: int = 0
    together: str | None = None
    extension: tuple[str, ...] = ()
    value: str | None = None
    on: str | None = None
    label: str | None = None
    each: str | None = None
    absent: str | None = None
    first: tuple[Row, ...] = ()
    fallback: tuple[Row, ...] = ()
    otherwise: tuple[Row, ...] = ()  # else
    switch: str | None = None
    cases: tuple[tuple[tuple[str, ...], tuple[Row, ...]], ...] = ()

    def error(self, text: str) -> MapError:
        """A finding at this row."""
        return MapError(self.file, self.line, text)

    @property
    def place(self) -> str:
        """file:line."""
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Map:
    """A segment map or a data type map: `source` PID or CX, `target` Patient or Identifier."""

    file: str
    line: int
    name: str
    kind: str  # segment | datatype
    source: str
    target: str
    key: Any
    rows: tuple[Row, ...]
    excused: Mapping[str, tuple[str, int]]  # path -> (reason, line)
    fallbacks: Mapping[str, tuple[Row, ...]]
    replaces: Any
    dispatch: tuple[tuple[Any, str, int], ...] = ()  # (when, map, line)

    def error(self, text: str, line: int = 0) -> MapError:
        return MapError(self.file, line or self.line, text)


@dataclass(frozen=True, slots=True)
class MessageRow:
    """One row of a message map: which segments make or fill which resource."""

    file: str
    line: int
    id: str
    label: str | None
    path: str
    make: str | None
    into: str | None
    by: tuple[str, ...]
    when: Any
    link: tuple[tuple[str, tuple[str, ...]], ...]
    key: Any

    def error(self, text: str) -> MapError:
        return MapError(self.file, self.line, text)


@dataclass(frozen=True, slots=True)
class MessageMap:
    """A message map and the structures that it serves."""

    file: str
    line: int
    name: str
    structures: tuple[str, ...]
    rows: tuple[MessageRow, ...]
    excused: Mapping[str, tuple[str, int]]


@dataclass(frozen=True, slots=True)
class EventRow:
    """What a trigger event does: `on` a label or a type; events ('*',) = every event."""

    file: str
    line: int
    id: str
    events: tuple[str, ...]
    on: str | None
    when: Any
    set_: Any
    remove: tuple[str, ...]
    merge: tuple[str, str] | None

    def error(self, text: str) -> MapError:
        return MapError(self.file, self.line, text)


def plain(value: Any) -> Any:
    """YAML values as plain dicts, lists and texts."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return str(value)


def texts(value: Any, file: str, what: str) -> tuple[str, ...]:
    """A text or a list of texts."""
    if isinstance(value, Text):
        return (str(value),)
    if isinstance(value, List) and all(isinstance(item, Text) for item in value):
        return tuple(str(item) for item in value)
    raise MapError(file, line_of(value), f"{what} must be a text or a list of texts")


def _dict(value: Any, file: str, what: str, line: int = 1) -> Dict:
    if not isinstance(value, Dict):
        raise MapError(file, line_of(value) or line, f"{what} must be a mapping")
    return value


def _list(value: Any, file: str, what: str, line: int = 1) -> List:
    if not isinstance(value, List):
        raise MapError(file, line_of(value) or line, f"{what} must be a list")
    return value


def _known(found: Dict, keys: Iterable[str], file: str, what: str) -> None:
    for key in found:
        if key not in keys:
            raise MapError(file, found.lines[key], f"{what} has no key {key}")


def _text(found: Dict, key: str, file: str) -> str | None:
    value = found.get(key)
    if value is None:
        return None
    if not isinstance(value, Text):
        raise MapError(file, found.lines[key], f"{key} must be a text")
    return str(value)


_RANKS = {None: 0, "event": 1, "weak": -1, "normal": 0}


def _row(value: Any, file: str) -> Row:
    found = _dict(value, file, "a row")
    file = found.file or file
    _known(found, _ROW_KEYS, file, "a row")
    text: dict[str, Any] = {key: _text(found, key, file) for key in _ROW_TEXTS}
    if text["rank"] not in _RANKS:
        raise MapError(file, found.lines["rank"], "rank is event or weak")
    source = found.get("from")
    extension = found.get("extension")
    row = Row(
        file=file,
        line=found.line,
        id=_text(found, "id", file) or "",
        to=text["to"],
        source=() if source is None else texts(source, file, "from"),
        listed=isinstance(source, List),
        as_=text["as"],
        table=text["table"],
        set_=found.get("set"),
        default=found.get("default"),
        when=found.get("when"),
        use=text["use"],
        emit=text["emit"],
        key=found.get("key"),
        link=found.get("link"),
        slot=text["slot"],
        rank=_RANKS[text["rank"]],
        together=text["together"],
        extension=() if extension is None else texts(extension, file, "extension"),
        value=text["value"],
        on=text["on"],
        label=text["label"],
        each=text["each"],
        absent=text["absent"],
        first=_rows(found.get("first"), file, "first"),
        fallback=_rows(found.get("fallback"), file, "fallback"),
        otherwise=_rows(found.get("else"), file, "else"),
        switch=_text(found, "switch", file),
        cases=_cases(found.get("cases"), file),
    )
    return row if row.id else replace(row, id=_default_id(row))


def _default_id(row: Row) -> str:
    if row.switch:
        return f"switch:{row.switch}"
    if row.first:
        return f"first:{row.first[0].id}"
    target = row.to or (f"extension({row.extension[-1].rsplit('/', 1)[-1]})" if row.extension else row.emit or "")
    return f"{target}:{','.join(row.source)}" if row.source else target


def _cases(value: Any, file: str) -> tuple[tuple[tuple[str, ...], tuple[Row, ...]], ...]:
    if value is None:
        return ()
    found = _dict(value, file, "cases")
    return tuple(
        (tuple(part.strip() for part in str(names).split(",")), _rows(rows, file, "a case"))
        for names, rows in found.items()
    )


def _rows(value: Any, file: str, what: str) -> tuple[Row, ...]:
    if value is None:
        return ()
    items = [value] if isinstance(value, Dict) else _list(value, file, what)
    return tuple(_row(item, file) for item in items)


def _numbered(rows: Iterable[Row]) -> tuple[Row, ...]:
    """Ids made unique: the second `name:PID-5` is `name:PID-5#2`."""
    seen: dict[str, int] = {}
    found = []
    for row in rows:
        seen[row.id] = seen.get(row.id, 0) + 1
        found.append(row if seen[row.id] == 1 else replace(row, id=f"{row.id}#{seen[row.id]}"))
    return tuple(found)


def _excused(value: Any, file: str) -> dict[str, tuple[str, int]]:
    if value is None:
        return {}
    found = _dict(value, file, "excused")
    for path, reason in found.items():
        if not isinstance(reason, Text) or not reason.strip():
            raise MapError(file, found.lines[path], f"{path} needs a reason")
    return {path: (str(reason), found.lines[path]) for path, reason in found.items()}


def value_map(content: Any, file: str, name: str) -> Map:
    """A segment or data type map. Raises MapError."""
    found = _dict(content, file, "a map")
    file = found.file or file
    _known(found, _MAP_KEYS, file, "a map")
    kind = "segment" if "segment" in found else "datatype"
    head = _text(found, kind, file)
    if head is None or head.count("->") != 1:
        raise MapError(file, found.line, "a map begins with `segment: PID -> Patient` or `datatype: CX -> Identifier`")
    source, target = (part.strip() for part in head.split("->"))
    together = found.get("together")
    fallbacks: dict[str, tuple[Row, ...]] = {}
    for group, content_ in ({} if together is None else _dict(together, file, "together")).items():
        inner = _dict(content_, file, f"together {group}")
        _known(inner, ("fallback",), file, "together")
        fallbacks[group] = _rows(inner.get("fallback"), file, "fallback")
    return Map(
        file=file,
        line=found.line,
        name=name,
        kind=kind,
        source=source,
        target=target,
        key=found.get("key"),
        rows=_numbered(_rows(found.get("rows", List()), file, "rows")),
        excused=_excused(found.get("excused"), file),
        fallbacks=fallbacks,
        replaces=found.get("replaces"),
        dispatch=_dispatch(found.get("dispatch"), file),
    )


def _dispatch(value: Any, file: str) -> tuple[tuple[Any, str, int], ...]:
    rows = []
    for row in () if value is None else _list(value, file, "dispatch"):
        inner = _dict(row, file, "a dispatch row")
        _known(inner, ("when", "as"), file, "a dispatch row")
        name = _text(inner, "as", file)
        if name is None:
            raise MapError(file, inner.line, "a dispatch row has `as`")
        rows.append((inner.get("when"), name, inner.line))
    return tuple(rows)


def _links(value: Any, file: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    if value is None:
        return ()
    return tuple((path, texts(labels, file, "a link")) for path, labels in _dict(value, file, "link").items())


def _message_row(value: Any, file: str) -> MessageRow:
    found = _dict(value, file, "a row")
    file = found.file or file
    _known(found, _MESSAGE_ROW_KEYS, file, "a row of a message map")
    make, into, path = (_text(found, key, file) for key in ("make", "into", "for"))
    if path is None or (make is None) == (into is None):
        raise MapError(file, found.line, "a row of a message map has `for` and either `make` or `into`")
    by = texts(found.get("by", List()), file, "by")
    label = _text(found, "id", file)
    return MessageRow(
        file=file,
        line=found.line,
        id=label or f"{make or into}:{path}:{','.join(by)}",
        label=label,
        path=path,
        make=make,
        into=into,
        by=by,
        when=found.get("when"),
        link=_links(found.get("link"), file),
        key=found.get("key"),
    )


def message_map(content: Any, file: str, name: str) -> MessageMap:
    """A message map. Raises MapError."""
    found = _dict(content, file, "a message map")
    file = found.file or file
    _known(found, _MESSAGE_KEYS, file, "a message map")
    structures = texts(found["message"], file, "message") if "message" in found else ()
    rows = tuple(_message_row(row, file) for row in _list(found.get("rows", List()), file, "rows"))
    return MessageMap(file, found.line, name, structures, rows, _excused(found.get("excused"), file))


def event_rows(content: Any, file: str) -> tuple[EventRow, ...]:
    """The rows of events.yaml. Raises MapError."""
    if content is None:
        return ()
    found = _dict(content, file, "the event table")
    _known(found, ("rows", "description"), file, "the event table")
    return tuple(_event_row(row, file) for row in _list(found.get("rows", List()), file, "rows"))


def _event_row(value: Any, file: str) -> EventRow:
    found = _dict(value, file, "an event row")
    file = found.file or file
    _known(found, _EVENT_KEYS, file, "an event row")
    if "event" not in found:
        raise MapError(file, found.line, "an event row has `event`")
    merge = found.get("merge")
    pair: tuple[str, str] | None = None
    if merge is not None:
        inner = _dict(merge, file, "merge")
        if set(inner) != {"retired", "surviving"}:
            raise MapError(file, found.lines["merge"], "merge has `retired` and `surviving`")
        pair = (str(inner["retired"]), str(inner["surviving"]))
    events = texts(found["event"], file, "event")
    on = _text(found, "on", file)
    return EventRow(
        file=file,
        line=found.line,
        id=_text(found, "id", file) or f"{'+'.join(events)}:{on or 'merge'}",
        events=events,
        on=on,
        when=found.get("when"),
        set_=found.get("set"),
        remove=texts(found.get("remove", List()), file, "remove"),
        merge=pair,
    )
