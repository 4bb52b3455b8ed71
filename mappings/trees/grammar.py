"""The form of a tree map: which keys a map and a row may have (docs/cda.md, "The form of the rules")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mappings.engine.yamlfile import Dict, List, line_of
from mappings.errors import MapError
from mappings.trees.library import row_id

__all__ = ["MapFile", "Row", "map_file"]

_MAP = frozenset({"map", "rows", "key", "guard", "merge", "include", "choose", "excused", "label", "needs"})
_ROW = frozenset(
    {"id", "to", "from", "as", "table", "value", "emit", "link", "statements", "when", "set", "also", "absent", "acts"}
)
_FIRST = frozenset({"id", "first", "when"})
_FLAGS = ("true", "false")


@dataclass(frozen=True, slots=True)
class Row:
    """One row. `first`: the rows of a choice, of which the first that yields a value stands."""

    file: str
    line: int
    id: str
    to: str
    source: str
    as_: str
    table: str
    value: Any
    emit: str
    link: str
    statements: bool
    when: str
    set: Any
    also: tuple[str, ...]
    absent: str
    acts: frozenset[str]
    first: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class MapFile:
    """A map. `source`: what it reads, for people; `target`: a type, or a path to a backbone element; `needs`: elements
    of which it must have one.
    """

    file: str
    name: str
    line: int
    source: str
    target: str
    rows: tuple[Row, ...]
    key: tuple[str, ...]
    guard: str
    merge: bool
    label: str
    needs: tuple[str, ...]
    include: tuple[str, ...]
    choose: tuple[tuple[str, str, int], ...]  # condition, map, line
    excused: tuple[tuple[str, str, int], ...]  # path, reason, line


def map_file(raw: Any, file: str, name: str) -> MapFile:
    """A map file's content. Raises MapError."""
    if not isinstance(raw, Dict):
        raise MapError(file, 1, "a map is a mapping")
    _known(raw, _MAP, "a map", file)
    source, arrow, target = str(raw.get("map", "")).partition("->")
    if not arrow:
        raise MapError(file, raw.line, "a map begins with `map: Source -> Target`")
    choose = []
    for item in _list(raw, "choose", file):
        if not isinstance(item, Dict):
            raise MapError(file, line_of(item), "`choose` is a list of {when, as}")
        _known(item, frozenset({"when", "as"}), "a choice", file)
        choose.append((str(item.get("when", "")), str(item.get("as", "")), item.line))
    excused = raw.get("excused", {})
    if not isinstance(excused, dict):
        raise MapError(file, line_of(excused), "`excused` is path: reason")
    return MapFile(
        file=file,
        name=name,
        line=raw.line,
        source=source.strip(),
        target=target.strip(),
        rows=tuple(_row(item, file) for item in _list(raw, "rows", file)),
        key=_texts(raw, "key"),
        guard=str(raw.get("guard", "")),
        merge=_flag(raw, "merge", file),
        label=str(raw.get("label", "")),
        needs=_texts(raw, "needs"),
        include=_texts(raw, "include"),
        choose=tuple(choose),
        excused=tuple((path, str(reason), raw["excused"].lines.get(path, 0)) for path, reason in excused.items()),
    )


def _row(raw: Any, file: str) -> Row:
    if not isinstance(raw, Dict):
        raise MapError(file, line_of(raw), "a row is a mapping")
    first = raw.get("first")
    _known(raw, _ROW if first is None else _FIRST, "a row", file)
    inner = tuple(_row(item, file) for item in first) if isinstance(first, List) else ()
    if first is not None and not inner:
        raise MapError(file, raw.line, "`first` is a list of rows")
    row = Row(
        file=file,
        line=raw.line,
        id=row_id(raw),
        to=str(raw.get("to", "")),
        source=str(raw.get("from", "")),
        as_=str(raw.get("as", "")),
        table=str(raw.get("table", "")),
        value=raw.get("value"),
        emit=str(raw.get("emit", "")),
        link=str(raw.get("link", "")),
        statements=_flag(raw, "statements", file),
        when=str(raw.get("when", "")),
        set=raw.get("set"),
        also=_texts(raw, "also"),
        absent=str(raw.get("absent", "")),
        acts=frozenset(_texts(raw, "acts")),
        first=inner,
    )
    if inner:
        return row
    if not row.to and not row.emit and not row.statements:
        raise MapError(file, raw.line, "a row says `to`, `emit` or `statements`")
    ways = [bool(row.source), row.value is not None, bool(row.link), bool(row.absent and not row.source)]
    if sum(ways) != 1:
        raise MapError(file, raw.line, "a row says one of `from`, `value`, `link` (or `absent` alone)")
    if sum((bool(row.as_), bool(row.table), bool(row.emit), row.statements)) > 1:
        raise MapError(file, raw.line, "a row says one of `as`, `table`, `emit`, `statements`")
    return row


def _known(raw: Dict, keys: frozenset[str], what: str, file: str) -> None:
    for key in raw:
        if key not in keys:
            raise MapError(file, raw.lines.get(key, raw.line), f"{what} has no {key}")


def _list(raw: Dict, key: str, file: str) -> Any:
    found = raw.get(key, [])
    if not isinstance(found, list):
        raise MapError(file, raw.lines[key], f"{key} is a list")
    return found


def _texts(raw: Dict, key: str) -> tuple[str, ...]:
    found = raw.get(key, ())
    return (str(found),) if isinstance(found, str) else tuple(str(item) for item in found)


def _flag(raw: Dict, key: str, file: str) -> bool:
    text = str(raw.get(key, "false"))
    if text not in _FLAGS:
        raise MapError(file, raw.lines.get(key, raw.line), f"{key} is true or false")
    return text == "true"
