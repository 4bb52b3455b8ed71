"""Bundle rules (bundle.html): the constraints bdl-1 to bdl-12, transaction entries, and references that resolve.

A reference resolves as bundle.html#references says: `Type/id` against the base of its own entry's fullUrl, an
absolute one as it stands; a version in it does not matter here. A transaction may also be asked to look a
resource up (`Patient?identifier=...`): that is the server's to resolve.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from adapters.fhir.findings import Path, Run
from adapters.fhir.references import split

_REQUESTED = frozenset({"batch", "transaction", "history"})
_ANSWERED = frozenset({"batch-response", "transaction-response", "history"})
_CLOSED = frozenset({"transaction", "document", "message"})
_LOCAL = ("urn:uuid:", "urn:oid:")
_ROOT: Path = (None, "Bundle")

Entry = tuple[Path, dict[str, Any]]


def check_bundle(bundle: dict[str, Any], run: Run, closed: bool) -> None:
    """The rules of a Bundle whose structure `run` has gathered. `closed`: no reference may point outside."""
    entries = list(_entries(bundle))
    kind = bundle.get("type")
    _check_head(bundle, entries, run)
    _check_full_urls(kind, entries, run)
    for path, entry in entries:
        _check_parts(kind, path, entry, run)
        if kind == "transaction":
            _check_transaction(path, entry, run)
    if kind in _CLOSED:
        _check_references(entries, run, closed)


def _entries(bundle: dict[str, Any]) -> Iterator[Entry]:
    entries = bundle.get("entry")
    for place, entry in enumerate(entries if isinstance(entries, list) else []):
        if isinstance(entry, dict):
            yield ((_ROOT, ".entry"), place), entry


def _check_head(bundle: dict[str, Any], entries: list[Entry], run: Run) -> None:
    kind = bundle.get("type")
    if "total" in bundle and kind not in {"searchset", "history"}:
        run.error("invariant", (_ROOT, ".total"), "bdl-1: a total only in a searchset or a history")
    if kind == "document":
        identifier = bundle.get("identifier")
        if not isinstance(identifier, dict) or not {"system", "value"} <= identifier.keys():
            run.error("invariant", _ROOT, "bdl-9: a document has an identifier with system and value")
        if "timestamp" not in bundle:
            run.error("invariant", _ROOT, "bdl-10: a document has a timestamp")
    first = {"document": ("bdl-11", "Composition"), "message": ("bdl-12", "MessageHeader")}.get(str(kind))
    if first is not None and (not entries or _name(entries[0][1]) != first[1]):
        run.error("invariant", _ROOT, f"{first[0]}: the first resource of a {kind} is a {first[1]}")


def _check_full_urls(kind: object, entries: list[Entry], run: Run) -> None:
    """bdl-7, bdl-8, and that a RESTful fullUrl says the resource's own type and id."""
    seen: set[tuple[str, object]] = set()
    for path, entry in entries:
        url = entry.get("fullUrl")
        if not isinstance(url, str):
            continue
        place: Path = (path, ".fullUrl")
        if "/_history/" in url:
            run.error("invariant", place, "bdl-8: a fullUrl names no version")
        key = (url, _version(entry))
        if key in seen and kind != "history":
            run.error("invariant", place, "bdl-7: this fullUrl occurs before")
        seen.add(key)
        resource = entry.get("resource")
        if isinstance(resource, dict) and not url.startswith(("urn:uuid:", "urn:oid:")):
            rest = split(url)
            if rest is None or not rest[0]:
                run.error("value", place, "neither an absolute URL of a resource nor urn:uuid or urn:oid")
            elif "id" in resource and rest[1:] != (resource.get("resourceType"), resource["id"]):
                run.error("invariant", place, "the fullUrl ends with another type or id than the resource's")


def _version(entry: dict[str, Any]) -> object:
    resource = entry.get("resource")
    meta = resource.get("meta") if isinstance(resource, dict) else None
    version = meta.get("versionId") if isinstance(meta, dict) else None
    return version if isinstance(version, str) else None


def _name(entry: dict[str, Any]) -> object:
    resource = entry.get("resource")
    return resource.get("resourceType") if isinstance(resource, dict) else None


def _check_parts(kind: object, path: Path, entry: dict[str, Any], run: Run) -> None:
    if "search" in entry and kind != "searchset":
        run.error("invariant", (path, ".search"), "bdl-2: search only in a searchset")
    if ("request" in entry) != (kind in _REQUESTED):
        run.error("invariant", (path, ".request"), "bdl-3: in a batch, transaction and history only, and always there")
    if ("response" in entry) != (kind in _ANSWERED):
        run.error("invariant", (path, ".response"), "bdl-4: in a response and history only, and always there")
    if not {"resource", "request", "response"} & entry.keys():
        run.error("invariant", path, "bdl-5: an entry has a resource, a request or a response")


def _check_transaction(path: Path, entry: dict[str, Any], run: Run) -> None:
    """http.html#transaction: what a server needs to carry the entry out."""
    request, resource = entry.get("request"), entry.get("resource")
    if not isinstance(request, dict):
        return  # bdl-3 has named it
    method, url = request.get("method"), request.get("url")
    if not isinstance(method, str) or not isinstance(url, str):
        return
    place: Path = ((path, ".request"), ".url")
    if method in {"POST", "PUT", "PATCH"} and not isinstance(resource, dict):
        run.error("required", (path, ".resource"), f"a {method} needs a resource")
    if not isinstance(resource, dict):
        return
    if "fullUrl" not in entry:
        run.error("required", (path, ".fullUrl"), "a transaction's resource needs a fullUrl")
    name = resource.get("resourceType")
    if method == "POST" and url != name and "$" not in url:
        run.error("invariant", place, "a POST goes to the resource's type")
    rest = split(url)
    if method == "PUT" and "?" not in url and (rest is None or rest[1:] != (name, resource.get("id"))):
        run.error("invariant", place, "a PUT goes to the resource's type and id")


def _check_references(entries: list[Entry], run: Run, closed: bool) -> None:
    known = {entry["fullUrl"] for _, entry in entries if isinstance(entry.get("fullUrl"), str)}
    bases = {path: _base(entry) for path, entry in entries}
    for text, path in run.references:
        if "?" in text.partition("/")[0]:
            continue
        if not closed and not text.startswith(_LOCAL):
            continue
        rest = split(text)
        target = text if rest is None else f"{rest[0] or bases.get(_entry_of(path))}/{rest[1]}/{rest[2]}"
        if target not in known:
            run.error("not-found", (path, ".reference"), "no entry of the Bundle has this fullUrl")


def _base(entry: dict[str, Any]) -> str | None:
    url = entry.get("fullUrl")
    rest = split(url) if isinstance(url, str) else None
    return rest[0] if rest is not None else None


def _entry_of(path: Path) -> Path:
    """The outermost Bundle.entry[n] that a place lies in."""
    chain = [path]
    while chain[-1][0] is not None:
        chain.append(chain[-1][0])
    return chain[-3] if len(chain) >= 3 else path
