"""What surrounds resources (bundle.html): a Bundle's entries, or the one resource; and what we don't do with them.

A transaction is all or nothing, so one entry that can't be done refuses the whole. Nothing here looks into a resource.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from adapters.fhir import JsonValue, definitions, is_id
from mappings.fhir.errors import NotTaken

__all__ = ["Entry", "open_container", "split_url"]

_TAKEN = frozenset({"batch", "collection", "document", "message", "searchset", "transaction"})
_ASKING = frozenset({"batch", "transaction"})
_CONDITIONS = ("ifMatch", "ifModifiedSince", "ifNoneMatch")
_BY_IDENTIFIER = re.compile(r"identifier=([^&|]*)\|([^&|]+)").fullmatch
_RESTFUL = re.compile(
    r"(?:(?P<base>https?://[^\s?#]+?)/)?(?P<type>[A-Z][A-Za-z]+)/(?P<id>[A-Za-z0-9\-.]{1,64})(?:/_history/[^/\s]+)?"
).fullmatch


@dataclass(frozen=True, slots=True)
class Entry:
    """One resource as it came. `place`: FHIRPath of it; `url`: its fullUrl; `own_id`: the sender's id of it, '' without
    one that counts; `identifier`: (system, value) that a conditional request names."""

    place: str
    resource: dict[str, Any]
    url: str = ""
    own_id: str = ""
    identifier: tuple[str, str] | None = None

    @property
    def type(self) -> str:
        """Its resourceType."""
        return str(self.resource["resourceType"])


def open_container(value: JsonValue) -> tuple[str, list[Entry]]:
    """(resourceType, the resources in it). Raises NotTaken."""
    if not isinstance(value, dict) or not isinstance(value.get("resourceType"), str):
        raise NotTaken("", "no FHIR resource: an object with resourceType is expected", "structure")
    kind = str(value["resourceType"])
    if kind not in definitions().resources:
        raise NotTaken("resourceType", "not a resource type of R4", "structure")
    if kind == "Bundle":
        return kind, list(_entries(value))
    if kind in ("OperationOutcome", "Parameters"):
        raise NotTaken(kind, f"{kind} is no record of anybody")
    return kind, [Entry(kind, value, "", _id(value))]


def _entries(bundle: Mapping[str, Any]) -> Iterator[Entry]:
    kind = bundle.get("type")
    if "implicitRules" in bundle:
        raise NotTaken("Bundle.implicitRules", "rules that we don't know may change what the message means")
    if not isinstance(kind, str):
        raise NotTaken("Bundle.type", "a Bundle says its type", "required")
    if kind not in _TAKEN:
        raise NotTaken("Bundle.type", f"taken are Bundles of type {', '.join(sorted(_TAKEN))}")
    entries = bundle.get("entry", [])
    if not isinstance(entries, list):
        raise NotTaken("Bundle.entry", "an array is expected", "structure")
    for number, entry in enumerate(entries):
        place = f"Bundle.entry[{number}]"
        if not isinstance(entry, dict):
            raise NotTaken(place, "an object is expected", "structure")
        resource = entry.get("resource")
        known = isinstance(resource, dict) and isinstance(resource.get("resourceType"), str)
        asked = _Asked()
        if kind in _ASKING:
            asked = _request(entry, place, str(resource["resourceType"]) if known and resource else "")
        if resource is None:
            continue
        if not known:
            raise NotTaken(f"{place}.resource", "an object with resourceType is expected", "structure")
        url = entry.get("fullUrl")
        own = asked.id or ("" if asked.post else _id(resource))
        yield Entry(f"{place}.resource", resource, url if isinstance(url, str) else "", own, asked.identifier)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a request says of its resource."""

    post: bool = False
    id: str = ""
    identifier: tuple[str, str] | None = None


def _request(entry: Mapping[str, Any], place: str, type_: str) -> _Asked:
    """http.html#transaction: POST and PUT are statements about a resource; the rest are deeds on a server."""
    request = entry.get("request")
    place = f"{place}.request"
    if not isinstance(request, dict) or not isinstance(request.get("url"), str):
        raise NotTaken(place, "an entry of a transaction or batch says its method and url", "required")
    method, url = request.get("method"), request["url"]
    if method not in ("POST", "PUT"):
        raise NotTaken(f"{place}.method", "only POST and PUT are taken; what is wrong or void says so in its status")
    for name in _CONDITIONS:
        if name in request:
            raise NotTaken(f"{place}.{name}", "requests on a condition are not carried out")
    if not type_:
        raise NotTaken(place, f"a {method} needs a resource", "required")
    if method == "POST":
        if url.strip("/") != type_:
            raise NotTaken(f"{place}.url", "a POST goes to its resource's type")
        condition = request.get("ifNoneExist")
        found = None if condition is None else _identifier(condition, f"{place}.ifNoneExist")
        return _Asked(True, "", found)
    head, mark, query = url.partition("?")
    if mark and head == type_:
        return _Asked(True, "", _identifier(query, f"{place}.url"))
    named = split_url(url)
    if named is None or named[1] != type_:
        raise NotTaken(f"{place}.url", "a PUT goes to its resource's type and id")
    return _Asked(False, named[2])


def _identifier(query: object, place: str) -> tuple[str, str]:
    """The one condition that says who is meant: `identifier=system|value`."""
    text = query.removeprefix("?") if isinstance(query, str) else ""
    found = _BY_IDENTIFIER(unquote(text))
    if found is None:
        raise NotTaken(place, "the only condition taken is identifier=system|value")
    return found[1], found[2]


def split_url(url: str) -> tuple[str, str, str] | None:
    """(base or '', type, id) of a RESTful URL without its version, None for any other."""
    found = _RESTFUL(url)
    if found is None or found["type"] not in definitions().resources:
        return None
    return found["base"] or "", found["type"], found["id"]


def _id(resource: Mapping[str, Any]) -> str:
    found = resource.get("id")
    return found if isinstance(found, str) and is_id(found) else ""
