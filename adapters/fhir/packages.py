"""FHIR packages (NPM package specification, HL7): profiles, value sets and code systems that a user adds.

An archive is read in memory and within limits, never unpacked to disk; what it says becomes a table that lies over
R4's own and is stored as one file. Nothing in a package can change what R4 itself demands.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from adapters.fhir.constraints import BY_HAND
from adapters.fhir.definitions import Definitions, Home, definitions, table_bytes
from adapters.fhir.errors import DecodeError, PackageRefused, UnknownElement
from adapters.fhir.fhirpath import NotCompilable, compile_constraint
from adapters.fhir.reader import JsonLimits, decode
from adapters.fhir.serialisation import encode
from adapters.fhir.tables import Json, Shelf, concepts, expand, is_profile, profile, short

_KINDS = frozenset({"StructureDefinition", "ValueSet", "CodeSystem"})
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class PackageLimits:
    """Bytes of the archive, of all it holds and of one file in it; files. The largest guides stay below a quarter."""

    archive: int = 64 * 1024 * 1024
    unpacked: int = 512 * 1024 * 1024
    file: int = 16 * 1024 * 1024
    files: int = 20_000


@dataclass(frozen=True, slots=True)
class Skipped:
    """What of a package is not checked: the canonical URL (or `URL#constraint-key`), and why."""

    what: str
    reason: str


@dataclass(frozen=True, slots=True)
class Package:
    """A compiled package. `sha256`: of the archive. `table`: what lies over R4's own table."""

    name: str
    version: str
    sha256: str
    profiles: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    table: bytes

    def encode(self) -> bytes:
        """The file to store; `read_package` reads it. The same archive gives the same bytes."""
        content = {
            "format": _FORMAT,
            "name": self.name,
            "version": self.version,
            "sha256": self.sha256,
            "profiles": list(self.profiles),
            "skipped": [[each.what, each.reason] for each in self.skipped],
            "table": msgspec.Raw(self.table),
        }
        return gzip.compress(msgspec.json.encode(content), mtime=0)


class _Stored(msgspec.Struct, frozen=True):
    format: int
    name: str
    version: str
    sha256: str
    profiles: list[str]
    skipped: list[tuple[str, str]]
    table: msgspec.Raw


def load_package(path: Path, limits: PackageLimits = PackageLimits()) -> Package:
    """Compile the archive at a path (`.tgz` as package registries give it). Raises PackageRefused, OSError."""
    with path.open("rb") as file:
        data = file.read(limits.archive + 1)
    return compile_package(data, limits)


def compile_package(data: bytes, limits: PackageLimits = PackageLimits()) -> Package:
    """As `load_package`, of the archive's bytes."""
    if len(data) > limits.archive:
        raise PackageRefused(f"larger than {limits.archive} bytes")
    manifest, resources = _read(data, limits)
    name, version = manifest.get("name"), manifest.get("version")
    if not isinstance(name, str) or not isinstance(version, str):
        raise PackageRefused("package.json has no name or version")
    versions = manifest.get("fhirVersions") or manifest.get("fhir-version-list") or ["4.0.1"]
    if not isinstance(versions, list) or not any(str(each).startswith("4.0") for each in versions):
        raise PackageRefused("not for FHIR R4 (4.0)")
    skipped: list[Skipped] = []
    table = _table(f"{name} {version}", resources, skipped)
    return Package(
        name=name,
        version=version,
        sha256=hashlib.sha256(data).hexdigest(),
        profiles=tuple(sorted(table["profiles"])),
        skipped=tuple(skipped),
        table=encode(table),
    )


def read_package(data: bytes) -> Package:
    """A stored package. Raises PackageRefused for what `Package.encode` did not write."""
    try:
        stored = msgspec.json.decode(gzip.decompress(data), type=_Stored)
        Definitions(table_bytes(), (bytes(stored.table),))
    except (OSError, EOFError, zlib.error, msgspec.DecodeError) as error:
        raise PackageRefused("not a stored package, or damaged") from error
    if stored.format != _FORMAT:
        raise PackageRefused("stored by another release: add the package again")
    return Package(
        stored.name,
        stored.version,
        stored.sha256,
        tuple(stored.profiles),
        tuple(Skipped(*each) for each in stored.skipped),
        bytes(stored.table),
    )


def definitions_with(packages: Iterable[Package]) -> Definitions:
    """R4 with packages over it, for `validate(..., table=...)`; of two that define the same the last one wins.

    Keep the value: what is compiled for it is kept with it.
    """
    return Definitions(table_bytes(), (package.table for package in packages))


# -- the archive


class _Bounded(io.RawIOBase):
    """A reader that gives up beyond a number of bytes: a small archive may unpack to anything."""

    def __init__(self, inner: io.BufferedIOBase, most: int) -> None:
        self._inner = inner
        self._left = most

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        found = self._inner.read(min(size, self._left + 1) if size >= 0 else self._left + 1)
        self._left -= len(found)
        if self._left < 0:
            raise PackageRefused("unpacks to more than allowed")
        return found


def _read(data: bytes, limits: PackageLimits) -> tuple[Json, list[Json]]:
    """package.json, and the conformance resources in the archive's order."""
    manifest: Json | None = None
    resources: list[Json] = []
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as unpacked:
            bounded = _Bounded(unpacked, limits.unpacked)
            with tarfile.open(fileobj=bounded, mode="r|") as archive:
                for name, content in _files(archive, limits):
                    if name == "package/package.json":
                        manifest = _object(name, content)
                    elif (found := _resource(name, content)) is not None:
                        resources.append(found)
    except (tarfile.TarError, OSError, EOFError, zlib.error, ValueError) as error:
        raise PackageRefused("not a gzipped tar archive, or damaged") from error
    if manifest is None:
        raise PackageRefused("no package/package.json: not a FHIR package")
    return manifest, resources


def _files(archive: tarfile.TarFile, limits: PackageLimits) -> Iterator[tuple[str, bytes]]:
    """Plain JSON files of the folder `package`, without its examples. Links and devices are never followed."""
    for count, member in enumerate(archive):
        if count >= limits.files:
            raise PackageRefused(f"more than {limits.files} files")
        parts = member.name.removeprefix("./").split("/")
        if not member.isreg() or len(parts) != 2 or parts[0] != "package" or not parts[1].endswith(".json"):
            continue
        if member.size > limits.file:
            raise PackageRefused(f"a file larger than {limits.file} bytes")
        content = archive.extractfile(member)
        if content is not None:
            yield "/".join(parts), content.read()


class _Head(msgspec.Struct):
    resourceType: str = ""  # noqa: N815 (FHIR's name)


def _resource(name: str, content: bytes) -> Json | None:
    """A resource of the kinds we read; anything else in the folder is none of ours."""
    try:
        kind = msgspec.json.decode(content.removeprefix(b"\xef\xbb\xbf"), type=_Head).resourceType
    except msgspec.DecodeError:
        return None
    return _object(name, content) if kind in _KINDS else None


def _object(name: str, content: bytes) -> Json:
    try:
        found = decode(content.removeprefix(b"\xef\xbb\xbf"), JsonLimits(size=len(content)))
    except DecodeError as error:
        raise PackageRefused(f"{name}: {error.reason}") from error
    if not isinstance(found, dict):
        raise PackageRefused(f"{name}: not an object")
    return found


# -- the table


def _table(source: str, resources: list[Json], skipped: list[Skipped]) -> Json:
    base = definitions()
    shelf = Shelf(resources, base.system)
    bindings: set[str] = set()
    profiles: Json = {}
    for url, structure in sorted(shelf.structures.items()):
        reason = _unfit(structure, base)
        if reason:
            skipped.append(Skipped(url, reason))
            continue
        try:
            profiles[url] = profile(structure, bindings)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise PackageRefused(f"{url}: not a lawful StructureDefinition ({type(error).__name__})") from error
        skipped += _uncompilable(url, profiles[url], base)
    codes: Json = {}
    for url in sorted(bindings & shelf.value_sets.keys()):
        try:
            codes[short(url)] = expand(shelf, url)
        except (KeyError, TypeError, AttributeError) as error:
            raise PackageRefused(f"{url}: not a lawful ValueSet ({type(error).__name__})") from error
        if codes[short(url)].get("rules"):
            skipped.append(Skipped(url, "its codes can't be listed with what is at hand"))
    try:
        systems = {
            url: concepts(system)
            for url, system in sorted(shelf.code_systems.items())
            if system.get("content") == "complete" and base.system(url) is None
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise PackageRefused(f"not a lawful CodeSystem ({type(error).__name__})") from error
    return {"source": source, "profiles": profiles, "codes": codes, "systems": systems}


def _unfit(structure: Json, base: Definitions) -> str:
    if not is_profile(structure):
        return "not a profile of a resource or data type"
    if structure.get("type") not in base.types:
        return "of a type that R4 does not have"
    if structure.get("url") in base.profiles:
        return "R4 has a profile of this URL"
    return ""


def _uncompilable(url: str, content: Json, base: Definitions) -> Iterator[Skipped]:
    """Constraints outside our subset of FHIRPath."""
    for place, row in content["rows"]:
        for key, _, expression in row.get("constraints", ()):
            if key in BY_HAND:
                continue
            try:
                compile_constraint(expression, content["type"], _homes(content["type"], place, base), base)
            except NotCompilable as reason:
                yield Skipped(f"{url}#{key}", f"uses {reason}, which is not checked here")


def _homes(type_name: str, place: str, base: Definitions) -> frozenset[Home] | None:
    path = ".".join(segment.partition(":")[0] for segment in place.split("."))
    if not path:
        return frozenset({(type_name, "")})
    try:
        element: Any = base.resolve(type_name, path)
    except UnknownElement:
        return None
    return frozenset({element.home}) if element.home is not None else None
