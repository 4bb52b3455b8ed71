"""Where packs stand: the built-in ones of this release, and those of a data folder (`DATA/terminology/`).

A folder has a list, `packs.json`: for each pack its file, SHA-256, size and manifest. A new version is a new file and
then a new list, renamed into place: readers see the old list or the new one, and an open pack stays readable.
A pack of the data folder stands before a built-in one of the same kind, systems and version.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from terminology.errors import PackDamaged, PackError, PackMissing, PackNewer
from terminology.packs.manifest import Manifest
from terminology.packs.pack import Pack, file_sha256, open_pack

__all__ = ["LIST", "Entry", "Shelf", "built_in", "install", "read_list"]

LIST = "packs.json"
_FORM = 1
KEPT_SECONDS = 3600.0  # a replaced pack stays that long


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a list. `built_in`: comes with the release."""

    path: Path
    sha256: str
    size: int
    manifest: Manifest
    built_in: bool = False

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What can't be there twice."""
        return self.manifest.kind, self.manifest.system, self.manifest.target, self.manifest.version


def built_in() -> Path:
    """The folder of packs that come with the release."""
    return Path(str(files("terminology"))) / "data"


class Shelf:
    """All packs in reach. `folder`: the data folder's, None or missing = only the built-in ones."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self._open: dict[str, Pack] = {}

    def entries(self) -> list[Entry]:
        """Every pack, by kind, systems and version. Raises PackDamaged, PackNewer."""
        found = {entry.key: entry for entry in read_list(built_in(), is_built_in=True)}
        if self.folder is not None:
            found |= {entry.key: entry for entry in read_list(self.folder)}
        return [found[key] for key in sorted(found)]

    def find(
        self, kinds: Sequence[str], system: str | None = None, target: str | None = None, version: str | None = None
    ) -> Entry:
        """The one pack that fits. PackMissing: none does, or several versions do and none was named."""
        fitting = [
            entry
            for entry in self.entries()
            if entry.manifest.kind in kinds
            and system in (None, entry.manifest.system)
            and target in (None, entry.manifest.target)
            and version in (None, entry.manifest.version)
        ]
        wanted = f"{system}{f' to {target}' if target else ''}{f' version {version}' if version else ''}"
        if not fitting:
            raise PackMissing(f"no pack for {wanted}: `tabellion terminology list` shows what is there")
        if len(fitting) > 1:
            versions = ", ".join(f"{entry.manifest.version} ({entry.manifest.kind})" for entry in fitting)
            raise PackMissing(f"several packs for {wanted}: name a version, one of {versions}")
        return fitting[0]

    def open(self, entry: Entry, *, check: bool = False) -> Pack:
        """Open, once per shelf. `check`: compare the whole file with its SHA-256 first."""
        pack = self._open.get(entry.sha256)
        if pack is None:
            if not check and entry.path.is_file() and entry.path.stat().st_size != entry.size:
                raise PackDamaged(f"{entry.path.name}: {entry.size} bytes were installed; import it again")
            pack = open_pack(entry.path, sha256=entry.sha256 if check else None)
            if pack.manifest != entry.manifest:
                pack.close()
                raise PackDamaged(f"{entry.path.name}: not the pack that the list names")
            self._open[entry.sha256] = pack
        return pack

    def close(self) -> None:
        """Close what is open."""
        for pack in self._open.values():
            pack.close()
        self._open.clear()


def read_list(folder: Path, *, is_built_in: bool = False) -> list[Entry]:
    """The list of a folder; [] if there is none."""
    path = folder / LIST
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise PackError(f"{path}: {error.strerror or type(error).__name__}") from error
    except (ValueError, RecursionError) as error:
        raise PackDamaged(f"{path}: not a list of packs") from error
    if not isinstance(content, dict) or not isinstance(content.get("packs"), list):
        raise PackDamaged(f"{path}: not a list of packs")
    if content.get("form") != _FORM:
        raise PackNewer(f"{path}: of a form that this release doesn't know: use a newer release")
    return [_entry(folder, each, is_built_in) for each in content["packs"]]


def _entry(folder: Path, each: Any, is_built_in: bool) -> Entry:
    match each:
        case {"file": str(name), "sha256": str(sha256), "size": int(size), "manifest": manifest} if "/" not in name:
            return Entry(folder / name, sha256, size, Manifest.from_json(manifest), is_built_in)
    raise PackDamaged(f"{folder / LIST}: a line is not of the form that this release knows")


def install(folder: Path, built: Path, *, clock: Callable[[], float] = time.time) -> Entry:
    """Move a finished pack into a folder and onto its list, in place of the same one before."""
    with _locked(folder):
        pack = open_pack(built)
        pack.close()
        manifest = pack.manifest
        sha256 = file_sha256(built)
        entry = Entry(folder / f"{_stem(manifest)}-{sha256[:12]}.pack", sha256, built.stat().st_size, manifest)
        before = read_list(folder)
        replaced = [each for each in before if each.key == entry.key and each.path != entry.path]
        try:
            os.replace(built, entry.path)
            _write_list(folder, [*(each for each in before if each.key != entry.key), entry])
        except OSError as error:
            raise PackError(f"{entry.path}: {error.strerror or type(error).__name__}") from error
        for each in replaced:
            with suppress(OSError):
                os.utime(each.path)  # when it was replaced, see _sweep
        _sweep(folder, {each.path for each in read_list(folder)}, clock() - KEPT_SECONDS)
    return entry


def _sweep(folder: Path, listed: set[Path], before: float) -> None:
    """Remove packs that were replaced a while ago. Not at once: a reader may have the old list in its hand."""
    for path in set(folder.glob("*.pack")) - listed:
        with suppress(OSError):
            if path.stat().st_mtime < before:
                path.unlink()  # who has it open keeps it


def _stem(manifest: Manifest) -> str:
    text = "-".join(
        part for part in (manifest.kind, _last(manifest.system), _last(manifest.target), manifest.version) if part
    )
    return re.sub(r"[^A-Za-z0-9.]+", "-", text)[:96].strip("-.")


def _last(uri: str) -> str:
    return re.split(r"[/:]", uri.rstrip("/"))[-1]


def _write_list(folder: Path, entries: list[Entry]) -> None:
    packs = [
        {"file": each.path.name, "sha256": each.sha256, "size": each.size, "manifest": each.manifest.to_json()}
        for each in sorted(entries, key=lambda each: each.key)
    ]
    text = json.dumps({"form": _FORM, "packs": packs}, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
    aside = folder / f".{LIST}.{os.getpid()}.part"
    with aside.open("w", encoding="utf-8", newline="\n") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(aside, folder / LIST)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One change of a list at a time, across processes."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise PackError(f"{folder}: {error.strerror or type(error).__name__}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
