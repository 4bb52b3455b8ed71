"""A FHIR package (`.tgz` of the package registry): all its complete code systems as one pack, its OIDs as another."""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from terminology.errors import SourceError
from terminology.fhir.json import Json, objects, parse, text
from terminology.fhir.resources import code_rows, names
from terminology.packs.builder import Row
from terminology.source import Request, built

__all__ = ["build_package"]

MAX_MEMBER = 64 << 20


def build_package(request: Request, skip: frozenset[str] = frozenset()) -> list[Path]:
    """Two packs. `request.system`: only code systems whose URL begins with it; `skip`: URLs not wanted."""
    data = request.read()
    about: Json = {}
    systems: dict[str, Json] = {}
    naming: set[Row] = set()
    for name, content in _members(request.path):
        if name == "package/package.json":
            about = parse(b'{"resourceType":"",' + content.lstrip()[1:]) if content.lstrip()[:1] == b"{" else {}
            continue
        resource = parse(content)
        if resource["resourceType"] == "NamingSystem":
            naming.update(names(resource))
        elif resource["resourceType"] == "CodeSystem":
            url = text(resource, "url")
            naming.update(_identifiers(resource, url))
            if text(resource, "content") == "complete" and url.startswith(request.system) and url not in skip:
                systems[url] = resource
    if not about or not systems:
        raise SourceError("no FHIR package with complete code systems")
    title, version = text(about, "title", "name"), text(about, "version")
    terms = {"licence": text(about, "license") or "not stated by the package", "version": version}
    where = text(about, "canonical", "name")
    made = []
    with request.builder("codes", "codes") as pack:
        urls = sorted(systems)
        pack.add("system", [(number, url, text(systems[url], "title", "name")) for number, url in enumerate(urls, 1)])
        for number, url in enumerate(urls, 1):
            for table, rows in code_rows(systems[url], number).items():
                # the display is in the concept's own row: only what is said besides is worth a row here
                extra = (row for row in rows if table != "designation" or row[3] != "display")
                pack.add(table, extra, repeats=table != "concept")
        made += built(request, pack, data, system=where, title=title, name="codes", **terms)
    with request.builder("naming", "naming") as pack:
        pack.add("naming", sorted(naming), repeats=True)
        made += built(request, pack, data, system=where, title=f"OIDs and URIs of {title}", name="naming", **terms)
    return made


def _identifiers(resource: Json, url: str) -> Iterator[Row]:
    for each in objects(resource, "identifier"):
        value = text(each, "value")
        if url and value.startswith("urn:oid:"):
            yield value.removeprefix("urn:oid:"), url, text(resource, "name")


def _members(path: Path) -> Iterator[tuple[str, bytes]]:
    """JSON files at the package's top, by name."""
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                inside = member.name.startswith("package/") and member.name.count("/") == 1
                if not (inside and member.isfile() and member.name.endswith(".json")):
                    continue
                if member.name.rpartition("/")[2].startswith((".", "ig-r")):
                    continue
                if member.size > MAX_MEMBER:
                    raise SourceError(f"{member.name}: beyond all bounds")
                content = archive.extractfile(member)
                if content is not None:
                    yield member.name, content.read()
    except (tarfile.TarError, zlib.error, EOFError) as error:
        raise SourceError("not a FHIR package, or damaged") from error
