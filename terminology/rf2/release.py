"""The files of an RF2 release, in a folder or a ZIP, by their names (RF2 specification, "Release File Naming").

Columns are taken from the header and checked against the pattern in the name: `iissscc` ends in a category,
the UK's `iisssci` in an integer, `iisssc` has neither. Never by position alone. Lines are split at tabs, nothing is
quoted.
"""

from __future__ import annotations

import hashlib
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from terminology.errors import SourceError

__all__ = ["File", "Release"]

_NAME = re.compile(
    r"x?(?:sct2|der2)_(?P<pattern>[cis]*)(?P<kind>Concept|Description|Relationship|Refset)_(?P<name>[A-Za-z0-9]*?)"
    r"(?P<type>Snapshot|Full|Delta)(?:-(?P<language>[A-Za-z-]+))?_(?P<owner>[A-Za-z0-9]+)_(?P<date>\d{8})\.txt"
)
_REFSET = ("id", "effectiveTime", "active", "moduleId", "refsetId", "referencedComponentId")
MAX_LINE = 1 << 20


@dataclass(frozen=True, slots=True)
class File:
    """One file of a release."""

    path: str
    kind: str
    name: str
    type: str
    pattern: str
    date: str


class Release:
    """A folder or ZIP. Only Snapshot files are read, or only Full ones if there is no Snapshot."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._zip = zipfile.ZipFile(path) if path.is_file() else None
            names = self._zip.namelist() if self._zip else [str(each) for each in sorted(path.rglob("*.txt"))]
        except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
            raise SourceError("not a folder and not a ZIP file") from error
        found = [file for name in sorted(names) if (file := _file(name)) is not None]
        types = {file.type for file in found}
        if not types & {"Snapshot", "Full"}:
            raise SourceError("no Snapshot or Full files of an RF2 release are in there")
        self.type = "Snapshot" if "Snapshot" in types else "Full"
        self.files = [file for file in found if file.type == self.type]
        self.date = max(file.date for file in self.files)

    def close(self) -> None:
        """Let go of the ZIP."""
        if self._zip is not None:
            self._zip.close()

    def named(self, kind: str, *names: str) -> list[File]:
        """Files of a kind; of refsets by the word before the type."""
        return [file for file in self.files if file.kind == kind and (not names or file.name in names)]

    def sha256(self) -> str:
        """Of the ZIP, or over names and contents of the folder's files."""
        sha = hashlib.sha256()
        if self._zip is not None:
            with self.path.open("rb") as stream:
                return hashlib.file_digest(stream, "sha256").hexdigest()
        for file in self.files:
            content = hashlib.sha256(Path(file.path).read_bytes()).hexdigest()
            sha.update(f"{Path(file.path).name} {content}\n".encode())
        return sha.hexdigest()

    def rows(self, file: File, columns: Sequence[str]) -> Iterator[tuple[str, ...]]:
        """The named columns of every row, in file order; '' for a category where there is none."""
        with closing(self._stream(file)) as stream:
            lines = _lines(stream, file)
            header = next(lines, [])
            _check_header(file, header)
            places = [header.index(column) if column in header else -1 for column in columns]
            missing = [column for column, place in zip(columns, places, strict=True) if place < 0]
            if missing and missing != ["mapCategoryId"]:
                raise SourceError(f"{Path(file.path).name}: no column {missing[0]}")
            for number, line in enumerate(lines, 2):
                if len(line) != len(header):
                    raise SourceError(f"{Path(file.path).name}: {len(line)} columns instead of {len(header)}", number)
                yield tuple([line[place] if place >= 0 else "" for place in places])

    def _stream(self, file: File) -> IO[bytes]:
        if self._zip is None:
            return Path(file.path).open("rb")
        try:
            return self._zip.open(file.path)
        except (RuntimeError, zipfile.BadZipFile, NotImplementedError) as error:
            raise SourceError(f"{file.path}: can't be unpacked") from error


def _file(name: str) -> File | None:
    base = name.rpartition("/")[2]
    match = _NAME.fullmatch(base)
    if match is None:
        return None
    return File(name, match["kind"], match["name"], match["type"], match["pattern"], match["date"])


def _check_header(file: File, header: list[str]) -> None:
    if file.kind != "Refset":
        return
    if tuple(header[:6]) != _REFSET or len(header) != 6 + len(file.pattern):
        raise SourceError(
            f"{Path(file.path).name}: the columns are not those that the name's {file.pattern!r} promises", 1
        )


def _lines(stream: IO[bytes], file: File) -> Iterator[list[str]]:
    number = 0
    try:
        while line := stream.readline(MAX_LINE):
            number += 1
            if len(line) == MAX_LINE:
                raise SourceError(f"{Path(file.path).name}: a line beyond all bounds", number)
            yield line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n").split("\t")
    except UnicodeDecodeError as error:
        raise SourceError(f"{Path(file.path).name}: not UTF-8", number) from error
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        raise SourceError(f"{Path(file.path).name}: can't be read to its end", number) from error
