"""Files of a watched folder: which are ready, what they hold, where they go. No event loop here, and no journal.

A file is ready once size and time of change have stayed the same for a while, however it came; who writes aside and
renames loses nothing by it. What was taken goes to `done`, what holds anything that was not to `failed`, with a file
beside it that says why. Names of files may hold names of patients: they stand in no log.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from pipelines.channels import Channel
from pipelines.database import sync_folder
from pipelines.formats import source

__all__ = ["Drop", "Taken", "Watch", "drop_at", "move", "take"]

DONE, FAILED = "done", "failed"
LARGEST = 1 << 30  # bytes of one file
_UNFINISHED = (".part", ".tmp", ".partial", ".filepart", ".crdownload")


@dataclass(frozen=True, slots=True)
class Drop:
    """A file as it lies there. `mark`: tells it from any other file, also from one of the same bytes dropped later."""

    path: Path
    size: int
    changed: int
    inode: int

    @property
    def mark(self) -> str:
        return f"{self.path.name}/{self.inode}/{self.changed}/{self.size}"


@dataclass(frozen=True, slots=True)
class Taken:
    """What a file holds: units with their identities, and why others of it are not taken (index, place, text)."""

    units: tuple[tuple[bytes, bytes], ...] = ()
    faults: tuple[dict[str, Any], ...] = ()


@dataclass(slots=True)
class Watch:
    """Looks at one folder again and again."""

    folder: Path
    seconds: float
    _seen: dict[Path, tuple[str, float]] = field(default_factory=dict)

    def ready(self, now: float) -> list[Drop]:
        """Files that have not changed for long enough, in the order in which they were last changed. Raises OSError."""
        found = {drop.path: drop for drop in _files(self.folder)}
        self._seen = {
            path: self._seen[path] if path in self._seen and self._seen[path][0] == drop.mark else (drop.mark, now)
            for path, drop in found.items()
        }
        still = [drop for path, drop in found.items() if now - self._seen[path][1] >= self.seconds]
        return sorted(still, key=lambda drop: (drop.changed, os.fsencode(drop.path.name)))


def _files(folder: Path) -> Iterable[Drop]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.name.endswith(_UNFINISHED):
                continue
            if entry.is_file(follow_symlinks=False):
                yield drop_at(Path(entry.path))


def drop_at(path: Path) -> Drop:
    """The file as it lies there now. Raises OSError."""
    known = path.lstat()
    return Drop(path, known.st_size, known.st_mtime_ns, known.st_ino)


def take(drop: Drop, channel: Channel) -> Taken:
    """Read a file. Raises OSError; whatever stands in it is a unit or a fault."""
    if drop.size > LARGEST:
        return Taken((), (_fault(None, "", f"larger than {LARGEST} bytes"),))
    data = drop.path.read_bytes()
    row = source(channel.format)
    units = []
    faults = []
    for unit in row.units(data):
        if unit.envelope:
            continue
        refusal = row.unreadable(unit.body) or row.refuses(channel, unit.body)
        if refusal is not None:
            faults.append(_fault(unit.index, refusal.place, refusal.text))
            continue
        # without an identity of its own a unit is known by the file it lay in: taken twice after a crash it counts once
        own = row.identity(unit.body)
        named = f"{drop.mark}/{unit.index}".encode()
        units.append((unit.body, own or b"file:" + sha256(named).hexdigest()[:32].encode()))
    if not units and not faults:
        faults.append(_fault(None, "", f"no {row.noun} in it"))
    return Taken(tuple(units), tuple(faults))


def _fault(index: int | None, place: str, text: str) -> dict[str, Any]:
    return {"index": index, "place": place, "text": text}


def move(drop: Drop, faults: tuple[dict[str, Any], ...]) -> None:
    """Put a file where it belongs now; an older one of its name there stays. Raises OSError."""
    folder = drop.path.parent / (FAILED if faults else DONE)
    folder.mkdir(mode=0o700, exist_ok=True)
    target = folder / drop.path.name
    number = 0
    while target.exists():
        number += 1
        target = folder / f"{drop.path.name}.{number}"
    if faults:
        target.with_name(f"{target.name}.why.json").write_text(json.dumps(list(faults), indent=1) + "\n")
    os.rename(drop.path, target)
    sync_folder(folder)
    sync_folder(drop.path.parent)
