"""A disk that forgets what was not synced: an apsw VFS that keeps, beside each file, what a power cut would leave.

Reads and writes go to the real files. Of every write since the last sync of its file a power cut keeps any subset,
each of them whole or torn at a sector; what was synced stays. `Disk.cut` builds such a folder at one moment.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import apsw

SECTOR = 512


@dataclass(slots=True)
class _Image:
    """One file: `durable` content, and what was written or truncated since."""

    durable: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, bytes]] = field(default_factory=list)  # (offset, data); (-1 - size, b"") truncates
    synced_once: bool = False


class Disk:
    """All files of one folder, as a power cut would leave them."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.images: dict[Path, _Image] = {}
        self.operations = 0
        self.on_operation: Callable[[int], None] | None = None
        self.lying = False  # sync does nothing: to show that these tests can fail
        self._vfs = _Vfs(self, name)

    def note(self) -> None:
        """One write or sync has happened."""
        self.operations += 1
        if self.on_operation is not None:
            self.on_operation(self.operations)

    def cut(self, source: Path, target: Path, rng: random.Random) -> None:
        """What is left of `source` after a power cut now; files outside our VFS were written durably, or not yet."""
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("*.sqlite*", ".*"))
        for path, image in self.images.items():
            if not path.is_relative_to(source) or not (image.synced_once or rng.random() < 0.5):
                continue
            content = bytearray(image.durable)
            for offset, data in image.pending:
                if rng.random() < 0.5:
                    _apply(content, offset, data[: rng.randrange(0, len(data) + SECTOR, SECTOR)] if data else data)
            (target / path.relative_to(source)).write_bytes(content)

    def close(self) -> None:
        """Unregister the VFS."""
        self._vfs.unregister()


def _apply(content: bytearray, offset: int, data: bytes) -> None:
    if offset < 0:
        del content[-1 - offset :]
        return
    if len(content) < offset:
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data


class _Vfs(apsw.VFS):
    def __init__(self, disk: Disk, name: str) -> None:
        self._disk = disk
        super().__init__(name, "unix")

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 (SQLite's name)
        return _File(self._disk, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802
        super().xDelete(filename, syncdir)
        self._disk.images.pop(Path(filename), None)
        self._disk.note()


class _File(apsw.VFSFile):
    def __init__(self, disk: Disk, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        self._disk = disk
        text = name.filename() if isinstance(name, apsw.URIFilename) else name
        path = None if text is None else Path(text)
        fresh = path is not None and path not in disk.images
        old = path.read_bytes() if path is not None and fresh and path.exists() else b""
        super().__init__("unix", name, flags)
        self._image = _Image(bytearray(old), synced_once=bool(old))
        if path is not None:
            self._image = disk.images.setdefault(path, self._image)

    def xLock(self, level: int) -> None:  # noqa: N802
        try:
            super().xLock(level)
        except apsw.IOError as error:  # a reader that closes last may not lock its file: SQLite lets that pass,
            raise apsw.BusyError("read-only") from error  # apsw would raise it out of close()

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        super().xWrite(data, offset)
        self._image.pending.append((offset, bytes(data)))
        self._disk.note()

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        super().xTruncate(newsize)
        self._image.pending.append((-1 - newsize, b""))
        self._disk.note()

    def xSync(self, flags: int) -> None:  # noqa: N802
        super().xSync(flags)
        if not self._disk.lying:
            for offset, data in self._image.pending:
                _apply(self._image.durable, offset, data)
            self._image.pending.clear()
            self._image.synced_once = True
        self._disk.note()
