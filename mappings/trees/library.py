"""The files of a tree map: base under overlays, read once, with the hash of their content (docs/cda.md)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from mappings.engine import yamlfile
from mappings.engine.tables import Table, read_table
from mappings.engine.yamlfile import Dict, List, Text, line_of
from mappings.errors import MapError, MapErrors

__all__ = ["Library", "library_of", "read_library", "row_id"]


class Library:
    """Effective content by file name: `entries/Problem.yaml`, `tables/NameUse.csv`."""

    def __init__(self, files: Mapping[str, Any]) -> None:
        self.files = files
        self.maps = {Path(name).stem: name for name in files if name.endswith(".yaml") and "/" in name}
        self._tables: dict[str, Table] = {}
        # canonical text: what counts is the content, not its layout
        self.content = json.dumps(files, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
        self.hash = sha256(self.content).hexdigest()

    def table(self, name: str) -> Table | None:
        """A code table by name. Raises MapError."""
        file = f"tables/{name}.csv"
        if name not in self._tables:
            if file not in self.files:
                return None
            self._tables[name] = read_table(self.files[file], file, name)
        return self._tables[name]


def read_library(root: Path, overlays: Sequence[str | Path] = ()) -> Library:
    """The maps below `root` under overlay folders, later over earlier. Raises MapErrors."""
    files: dict[str, Any] = {}
    errors: list[MapError] = []
    for place, folder in enumerate((root, *map(Path, overlays))):
        names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
        for name in names:
            if not name.endswith((".yaml", ".csv")) or name.startswith("overlays/"):
                continue
            try:
                _add(files, name, (folder / name).read_bytes(), overlay=place > 0)
            except MapError as error:
                errors.append(error)
    stems: dict[str, str] = {}
    for name in files:
        if name.endswith(".yaml") and "/" in name:
            other = stems.setdefault(Path(name).stem, name)
            if other != name:
                errors.append(MapError(name, 1, f"{other} has the same name"))
    if errors:
        raise MapErrors(errors)
    return Library(files)


def library_of(content: bytes) -> Library:
    """From `Library.content`. Lines are not kept: these rules were checked when they were files."""
    return Library({name: _made(value) for name, value in json.loads(content).items()})


def _made(value: Any) -> Any:
    if isinstance(value, dict):
        made = Dict({name: _made(item) for name, item in value.items()})
        made.line, made.lines = 0, dict.fromkeys(made, 0)
        return made
    if isinstance(value, list):
        items = List([_made(item) for item in value])
        items.line = 0
        return items
    if isinstance(value, str) and "\n" not in value:
        text = Text(value)
        text.line = 0
        return text
    return value


def _add(files: dict[str, Any], name: str, data: bytes, overlay: bool) -> None:
    if name.endswith(".csv"):
        try:
            files[name] = data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise MapError(name, 1, "is not UTF-8") from error
        return
    content = yamlfile.read(data, name)
    if not isinstance(content, Dict):
        raise MapError(name, 1, "a map is a mapping")
    if overlay and name in files:
        content = _overlaid(files[name], content, name)
    files[name] = content


def _overlaid(base: Dict, over: Dict, name: str) -> Dict:
    """Rows replace or remove those of the same id, or are added at the end; other keys replace."""
    found = Dict({**base, **over})
    found.line, found.lines = line_of(base), {**base.lines, **over.lines}
    if "rows" not in base or "rows" not in over:
        return found
    rows = List(base["rows"])
    rows.line = line_of(base["rows"])
    for row in over["rows"]:
        id_ = row.get("id") if isinstance(row, dict) else None
        at = next((at for at, old in enumerate(rows) if row_id(old) == id_), None)
        if isinstance(row, dict) and row.get("remove") == "true":
            if at is None:
                raise MapError(name, line_of(row), f"there is no row {id_} to remove")
            del rows[at]
        elif at is None:
            rows.append(row)
        else:
            rows[at] = row
    found["rows"] = rows
    return found


def row_id(row: Any) -> str:
    """A row's id: said, or `to:from`."""
    if not isinstance(row, dict):
        return ""
    if "id" in row:
        return str(row["id"])
    if "first" in row and isinstance(row["first"], list) and row["first"]:
        return "first:" + row_id(row["first"][0])
    return f"{row.get('to', '')}:{row.get('from', row.get('link', ''))}"
