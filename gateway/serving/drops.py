"""Files of a watched folder: which are ready, what they hold, where they go. No event loop here, and no journal.

A file is ready once size and time of change have stayed the same for a while, however it came; who writes aside and
renames loses nothing by it. Where a channel asks for a marker file, it must be there, too. What was taken goes to
`done`, what holds anything that was not to `failed`, with a file beside it that says why. Names of files may hold names
of patients: they stand in no log.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from pipelines.channels import Channel
from pipelines.database import sync_folder
from pipelines.formats import source

__all__ = ["Drop", "Taken", "Unreadable", "Watch", "drop_at", "move", "prepare", "take"]

DONE, FAILED = "done", "failed"
LARGEST = 1 << 30  # bytes of one file
# what senders' programs call a file that is not whole yet (WinSCP, rsync, browsers, editors); in any case
_UNFINISHED = (
    *(".part", ".partial", ".filepart", ".tmp", ".temp", ".crdownload", ".upload", ".uploading", ".writing"),
    *(".inprogress", ".in-progress", ".lock", ".swp", "~"),
)
_LONGEST = 200  # bytes of a name in `done` and `failed`: endings of ours must fit behind it


class Unreadable(OSError):
    """One file can't be read; the folder can."""


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
    marker: str = ""
    _seen: dict[Path, tuple[str, float]] = field(default_factory=dict)

    def ready(self, now: float) -> list[Drop]:
        """Files that have not changed for long enough, in the order in which they were last changed. Raises OSError."""
        found = list(_files(self.folder))
        self._seen = {
            drop.path: seen if (seen := self._seen.get(drop.path)) and seen[0] == drop.mark else (drop.mark, now)
            for drop in found
        }
        still = [drop for drop in found if now - self._seen[drop.path][1] >= self.seconds]
        if self.marker:
            still = self._marked(found, still)
        return sorted(still, key=lambda drop: (drop.changed, os.fsencode(drop.path.name)))

    def _marked(self, found: list[Drop], still: list[Drop]) -> list[Drop]:
        """Of them those whose marker is there. A marker that no file is left for has done its work, and goes."""
        there = {drop.path.name: drop.changed for drop in found if drop.path.name.endswith(self.marker)}
        waited = {name for drop in found if drop.path.name not in there for name in _marks(drop, self.marker)}
        for drop in still:
            if drop.path.name in there and drop.path.name not in waited:
                drop.path.unlink(missing_ok=True)
        return [
            drop
            for drop in still
            # an older marker is that of an earlier file of this name
            if drop.path.name not in there
            and any(there.get(name, -1) >= drop.changed for name in _marks(drop, self.marker))
        ]


def _files(folder: Path) -> Iterable[Drop]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.name.lower().endswith(_UNFINISHED):
                continue
            if entry.is_file(follow_symlinks=False):
                with suppress(FileNotFoundError):  # its sender has renamed it meanwhile
                    yield drop_at(Path(entry.path))


def _marks(drop: Drop, marker: str) -> tuple[str, ...]:
    """Names that a file's marker may have: LAB.HL7.ok, LAB.ok."""
    return drop.path.name + marker, drop.path.stem + marker


def drop_at(path: Path) -> Drop:
    """The file as it lies there now. Raises OSError."""
    known = path.lstat()
    return Drop(path, known.st_size, known.st_mtime_ns, known.st_ino)


def take(drop: Drop, channel: Channel) -> Taken:
    """Read a file. Raises Unreadable and FileNotFoundError; whatever stands in it is a unit or a fault."""
    if drop.size > LARGEST:
        return Taken((), (_fault(None, "", f"larger than {LARGEST} bytes"),))
    try:
        data = drop.path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Unreadable(error.errno, error.strerror) from error
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
        named = os.fsencode(f"{drop.mark}/{unit.index}")
        units.append((unit.body, own or b"file:" + sha256(named).hexdigest()[:32].encode()))
    if not units and not faults:
        faults.append(_fault(None, "", f"no {row.noun} in it"))
    return Taken(tuple(units), tuple(faults))


def _fault(index: int | None, place: str, text: str) -> dict[str, Any]:
    return {"index": index, "place": place, "text": text}


def prepare(folder: Path) -> None:
    """Make sure that files can be put away, before any of them is taken. Raises OSError."""
    for name in (DONE, FAILED):
        (folder / name).mkdir(mode=0o700, exist_ok=True)
    for place in (folder, folder / DONE, folder / FAILED):
        if not os.access(place, os.W_OK | os.X_OK):
            raise PermissionError(f"{place} can't be written")


def move(drop: Drop, faults: tuple[dict[str, Any], ...]) -> None:
    """Put a file where it belongs now; an older one of its name there stays. Raises OSError."""
    folder = drop.path.parent / (FAILED if faults else DONE)
    folder.mkdir(mode=0o700, exist_ok=True)
    name = os.fsdecode(os.fsencode(drop.path.name)[:_LONGEST])
    target = folder / name
    number = 0
    while target.exists() or target.with_name(f"{target.name}.why.json").exists():
        number += 1
        target = folder / f"{name}.{number}"
    if faults:
        target.with_name(f"{target.name}.why.json").write_text(json.dumps(list(faults), indent=1) + "\n")
    os.rename(drop.path, target)
    sync_folder(folder)
    sync_folder(drop.path.parent)
