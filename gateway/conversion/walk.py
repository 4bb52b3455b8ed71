"""The walk of `convert` and `send`: which files, in which order, under which names (commands.md, "Walk").

Arguments in the order given; folders recursively, sorted by the bytes of the relative path; dot files and symbolic
links are skipped; `-` is standard input.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from gateway.errors import InputError

__all__ = ["Source", "printable", "walk"]


@dataclass(frozen=True, slots=True)
class Source:
    """One file to read. `named`: it stood itself on the command line, rather than being found in a folder."""

    argument: int
    name: str  # the argument joined with the relative path, as given
    relative: str  # below the argument; for a file argument its own name
    path: Path | None  # None: standard input
    named: bool

    def read(self) -> bytes:
        """All bytes. Raises InputError."""
        try:
            return sys.stdin.buffer.read() if self.path is None else self.path.read_bytes()
        except OSError as error:
            raise InputError(f"can't read {printable(self.name)}: {error.strerror}") from error


def printable(name: str) -> str:
    """A file name as UTF-8 text: undecodable bytes percent-encoded."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return quote(os.fsencode(name), safe="/ -_.~()[]{}@+,;:!$&'=#^`|<>*?\"\\")
    return name


def walk(paths: Sequence[str]) -> Iterator[Source]:
    """Every file behind the arguments, in the order of the contract. Raises InputError for a path that isn't there."""
    for number, argument in enumerate(paths):
        if argument == "-":
            yield Source(number, "-", "stdin", None, named=True)
            continue
        path = Path(argument)
        if path.is_dir():
            yield from _folder(number, argument, path)
        elif path.exists():
            yield Source(number, argument, path.name, path, named=True)
        else:
            raise InputError(f"no such file or folder: {printable(argument)}")


def _folder(number: int, argument: str, folder: Path) -> Iterator[Source]:
    found: list[bytes] = []
    root = os.fsencode(folder)

    def refuse(error: OSError) -> None:
        raise InputError(f"can't read folder {printable(str(error.filename))}: {error.strerror}") from error

    for base, folders, files in os.walk(root, onerror=refuse):
        folders[:] = [
            name for name in folders if not name.startswith(b".") and not os.path.islink(os.path.join(base, name))
        ]
        for name in files:
            full = os.path.join(base, name)
            if not name.startswith(b".") and not os.path.islink(full) and os.path.isfile(full):
                found.append(os.path.relpath(full, root))
    for relative in sorted(found):
        text = os.fsdecode(relative)
        yield Source(number, os.path.join(argument, text), text, folder / text, named=False)
