"""The map files: base under overlays, parsed when asked for, checked in form (docs/mappings.md, "Overlays")."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from mappings.engine import yamlfile
from mappings.engine.grammar import EventRow, Map, MessageMap, event_rows, message_map, plain, value_map
from mappings.engine.tables import Table, read_table
from mappings.engine.yamlfile import Dict, List, Text
from mappings.errors import MapError

__all__ = ["Library", "base_library", "effective_library", "library_of"]

ROOT = Path(__file__).parents[1]
_FOLDERS = ("messages", "segments", "datatypes", "tables")
_SINGLES = ("events", "safety", "options")


class _Csv(str):
    """The text of a table that knows its file."""

    __slots__ = ("origin",)
    origin: str


class Library:
    """Effective content by file name (`segments/PID-Patient.yaml`); what was parsed once is kept."""

    def __init__(self, files: Mapping[str, Any]) -> None:
        """`files`: name -> YAML content (already overlaid), or the text of a table."""
        self.files = files

    def has(self, name: str) -> bool:
        return name in self.files

    def names(self, folder: str) -> list[str]:
        """Stems of the files in a folder, sorted."""
        start = len(folder) + 1
        return sorted(name[start:].rsplit(".", 1)[0] for name in self.files if name.startswith(f"{folder}/"))

    def datatype_map(self, name: str) -> Map:
        return self._map("datatypes", name)

    def segment_map(self, name: str) -> Map:
        return self._map("segments", name)

    @functools.cached_property
    def _maps(self) -> dict[str, Map]:
        return {}

    def _map(self, folder: str, name: str) -> Map:
        file = f"{folder}/{name}.yaml"
        found = self._maps.get(file)
        if found is None:
            found = self._maps[file] = value_map(self.files[file], file, name)
            wanted = "segment" if folder == "segments" else "datatype"
            if found.kind != wanted:
                raise found.error(f"a map in {folder}/ begins with `{wanted}:`")
        return found

    @functools.cached_property
    def messages(self) -> Mapping[str, MessageMap]:
        """Structure -> its map."""
        found: dict[str, MessageMap] = {}
        for name in self.names("messages"):
            file = f"messages/{name}.yaml"
            message = message_map(self.files[file], file, name)
            for structure in message.structures:
                if structure in found:
                    raise MapError(file, message.line, f"{structure} has a map already: {found[structure].file}")
                found[structure] = message
        return found

    def table(self, name: str) -> Table:
        file = f"tables/{name}.csv"
        text = self.files[file]
        return read_table(text, getattr(text, "origin", file), name)

    @functools.cached_property
    def events(self) -> tuple[EventRow, ...]:
        return event_rows(self.files.get("events.yaml"), "events.yaml")

    @functools.cached_property
    def options(self) -> Mapping[str, tuple[str, tuple[str, ...]]]:
        """Option -> (default, allowed values)."""
        content = self.files.get("options.yaml")
        if content is None:
            return {}
        found: dict[str, tuple[str, tuple[str, ...]]] = {}
        for name, option in content.get("options", {}).items():
            values = tuple(str(value) for value in option.get("values", ()))
            default = str(option.get("default", ""))
            if default not in values:
                raise MapError("options.yaml", option.line, f"the default of {name} is not among its values")
            found[name] = (default, values)
        return found

    @functools.cached_property
    def content(self) -> bytes:
        """Canonical text of the whole effective map."""
        files = {name: value if isinstance(value, str) else plain(value) for name, value in self.files.items()}
        return json.dumps(files, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()

    @functools.cached_property
    def hash(self) -> str:
        """Hex SHA-256 of `content`: equal for equal rules, whatever their layout and comments."""
        return sha256(self.content).hexdigest()


def _read_folder(folder: Path, tables: Path, overlay: str = "") -> dict[str, Any]:
    files: dict[str, Any] = {}
    for name in _SINGLES:
        _add(files, folder / f"{name}.yaml", f"{name}.yaml", overlay)
    for part in _FOLDERS:
        here = tables if part == "tables" else folder / part
        suffix = ".csv" if part == "tables" else ".yaml"
        for path in sorted(here.glob(f"*{suffix}")):
            _add(files, path, f"{part}/{path.name}", overlay)
    return files


def _add(files: dict[str, Any], path: Path, name: str, overlay: str) -> None:
    """`overlay`: name of its folder, which goes before the file's name in findings and explanations."""
    if not path.exists():
        return
    data = path.read_bytes()
    origin = f"{overlay}/{name}" if overlay else ""
    try:
        content = data.decode() if name.endswith(".csv") else yamlfile.read(data, name, origin)
    except UnicodeDecodeError as error:
        raise MapError(origin or name, 1, "is not UTF-8") from error
    if content is None:
        raise MapError(origin or name, 1, "is empty")
    if name.endswith(".csv"):
        content = _Csv("\n".join(content.splitlines()))
        content.origin = origin or name
    files[name] = content


@functools.cache
def base_library() -> Library:
    """The maps of this release."""
    return Library(_read_folder(ROOT / "hl7v2", ROOT / "tables"))


def effective_library(overlays: Sequence[str | Path]) -> Library:
    """The release's maps under overlay folders, later over earlier. Raises MapError."""
    if not overlays:
        return base_library()
    files = dict(base_library().files)
    for overlay in overlays:
        folder = Path(overlay)
        named = ROOT / "hl7v2" / "overlays" / str(overlay)
        if not folder.is_dir() and named.is_dir():
            folder = named
        if not folder.is_dir():
            raise MapError(str(overlay), 0, "is no folder with maps")
        for name, content in _read_folder(folder, folder / "tables", folder.resolve().name).items():
            files[name] = _overlaid(files.get(name), content, name)
    return Library(files)


def library_of(content: bytes) -> Library:
    """The library that `Library.content` came from (without line numbers)."""
    files: dict[str, Any] = json.loads(content)
    return Library({name: value if isinstance(value, str) else _nodes(value) for name, value in files.items()})


def _nodes(value: Any) -> Any:
    if isinstance(value, dict):
        found = Dict({key: _nodes(item) for key, item in value.items()})
        found.line, found.lines = 0, dict.fromkeys(found, 0)
        return found
    if isinstance(value, list):
        items = List([_nodes(item) for item in value])
        items.line = 0
        return items
    text = Text(value)
    text.line = 0
    return text


def _overlaid(base: Any, over: Any, name: str) -> Any:
    """A file under an overlay's file of the same name: rows by id, other mappings by key."""
    if base is None or isinstance(over, str):
        return _without_marks(over, name)
    if not isinstance(over, Dict) or not isinstance(base, Dict):
        raise MapError(name, 1, "a map must be a mapping")
    origin = over.file or name
    found = _copy(base)
    for key, value in over.items():
        if key == "rows":
            found["rows"] = _rows(base.get("rows", List()), value, name, origin)
        elif isinstance(value, Dict) and isinstance(base.get(key), Dict):
            inner = _copy(base[key])
            inner.update(value)
            inner.lines = {**base[key].lines, **value.lines}
            found[key] = inner
        else:
            found[key] = value
    return found


def _without_marks(content: Any, name: str) -> Any:
    if isinstance(content, Dict) and "rows" in content:
        for row in content["rows"]:
            if isinstance(row, Dict) and {"remove", "after", "before"} & row.keys() and not name.startswith("events"):
                raise MapError(row.file or name, row.line, "there is no base file to remove or place a row in")
    return content


def _copy(value: Dict) -> Dict:
    found = Dict(value, file=value.file)
    found.line, found.lines = value.line, dict(value.lines)
    return found


def row_ids(rows: List, name: str) -> list[str]:
    """The ids of raw rows, as the grammar gives them."""
    if name == "events.yaml":
        return [row.id for row in event_rows(_file(rows), name)]
    if name.startswith("messages/"):
        return [row.id for row in message_map(_file(rows), name, "").rows]
    head = Text("AA -> Any")
    head.line = 0
    content = _file(rows)
    content["datatype"] = head
    return [row.id for row in value_map(content, name, "").rows]


def _file(rows: List) -> Dict:
    content = Dict({"rows": rows})
    content.line, content.lines = 0, {"rows": 0}
    return content


def _rows(base: List, over: List, name: str, origin: str) -> List:
    ids = row_ids(base, name)
    rows = list(base)
    for row in over:
        if not isinstance(row, Dict):
            raise MapError(origin, 1, "a row must be a mapping")
        bare = _copy(row)
        place = {key: bare.pop(key, None) for key in ("remove", "after", "before")}
        if name == "events.yaml" and isinstance(place["remove"], List):
            bare["remove"], place["remove"] = place["remove"], None
        single = List([bare])
        single.line = row.line
        known = str(bare["id"]) if "id" in bare else row_ids(single, name)[0]
        if place["remove"] is not None:
            if known not in ids:
                raise MapError(origin, row.line, f"there is no row {known} to remove")
            at = ids.index(known)
            del rows[at], ids[at]
        elif known in ids:
            rows[ids.index(known)] = bare
        else:
            at = len(rows)
            for key, step in (("after", 1), ("before", 0)):
                if place[key] is not None:
                    if str(place[key]) not in ids:
                        raise MapError(origin, row.line, f"there is no row {place[key]}")
                    at = ids.index(str(place[key])) + step
            rows.insert(at, bare)
            ids.insert(at, known)
    found = List(rows)
    found.line = base.line if isinstance(base, List) and hasattr(base, "line") else 0
    return found
