"""A file to import: what was asked for, its bytes within bounds, and the pack that is made of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from terminology.errors import SourceError
from terminology.packs import PackBuilder

__all__ = ["MAX_BYTES", "Request", "built", "decoded", "lines"]

MAX_BYTES = 1 << 30  # of one file that is read whole; RF2 is streamed


@dataclass(frozen=True, slots=True)
class Request:
    """`folder`: where packs are made. What is '' is taken from the source, or is an error if that doesn't say it.

    `advance`: told how many rows were done, for progress. `refset`: of RF2, the one map refset to import.
    """

    path: Path
    folder: Path
    version: str = ""
    system: str = ""
    target: str = ""
    licence: str = ""
    refset: str = ""
    advance: Callable[[int], None] = field(default=lambda _: None)

    def read(self) -> bytes:
        """The whole file. Raises OSError, SourceError."""
        if self.path.stat().st_size > MAX_BYTES:
            raise SourceError(f"larger than {MAX_BYTES >> 20} MiB")
        return self.path.read_bytes()

    def builder(self, kind: str, name: str = "new") -> PackBuilder:
        """A pack to fill."""
        return PackBuilder(self.folder / f"{name}.pack", kind, self.advance)


def built(
    request: Request,
    pack: PackBuilder,
    data: bytes,
    *,
    system: str,
    title: str,
    licence: str,
    target: str = "",
    version: str = "",
    content: str = "complete",
    name: str = "new",
) -> list[Path]:
    """Finish a pack made of one file; what the request says of licence and version wins."""
    found = request.version or version
    if not found:
        raise SourceError("the source doesn't say its version: give one")
    pack.finish(
        system=system,
        target=target,
        content=content,
        version=found,
        title=title,
        licence=request.licence or licence,
        source=request.path.name,
        source_sha256=hashlib.sha256(data).hexdigest(),
    )
    return [request.folder / f"{name}.pack"]


def decoded(data: bytes) -> str:
    """UTF-8, with or without BOM, else Windows-1252 as CMS writes its older files."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        try:
            return data.decode("cp1252")
        except UnicodeDecodeError as error:
            raise SourceError("neither UTF-8 nor Windows-1252") from error


def lines(text: str) -> Iterator[tuple[int, str]]:
    """(1-based number, line) of every line that isn't empty."""
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield number, line.rstrip("\r")
