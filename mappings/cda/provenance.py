"""The one Provenance of a Bundle (R4 provenance.html): its targets, who answers for the document, what made it."""

from __future__ import annotations

from typing import Any

from mappings.ids import resource_id
from mappings.leaves.base import Invalid
from mappings.leaves.time import instant
from mappings.trees.absent import ABSENT
from mappings.trees.run import MAPPED, Resource, Run

__all__ = ["provenance"]

_SHA256 = "urn:oid:2.16.840.1.101.3.4.2.1"  # NIST's OID of SHA-256
_TYPES = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"


def provenance(run: Run, others: list[Resource], map_hash: str) -> Resource:
    """Made last, when it is known what stands."""
    sha256 = run.document.sha256.hex()
    id_ = resource_id(run.namespace, "Provenance", ("message", sha256))
    made = Resource(run, "Provenance", id_, run.document.root)
    made.wrote = True
    run.resources.append(made)
    made.body["target"] = [{"reference": f"{other.kind}/{other.id}"} for other in others]
    _recorded(run, made)
    made.body["agent"] = _agents(run, others)
    made.body["entity"] = [_entity("source document", sha256), _entity("effective map", map_hash)]
    return made


def _recorded(run: Run, made: Resource) -> None:
    node = run.document.root.child("effectiveTime")
    text = node.attrs.get("value", "") if node is not None else ""
    try:
        made.body["recorded"] = instant(text, run.context)
    except Invalid:
        made.body["_recorded"] = {"extension": [{"url": ABSENT, "valueCode": "unknown"}]}
    else:
        if node is not None:
            made.trace.append((0, MAPPED, node.attribute_leaf("value")))


def _agents(run: Run, others: list[Resource]) -> list[dict[str, Any]]:
    """The authors and the custodian of the document, as far as they stand."""
    composition = run.labels.get("composition")
    found = []
    if composition is not None and composition in others:
        for code, references in (
            ("author", composition.body.get("author", [])),
            ("custodian", [composition.body["custodian"]] if "custodian" in composition.body else []),
        ):
            for reference in references:
                if reference.get("reference") or reference.get("display"):
                    found.append({"type": {"coding": [{"system": _TYPES, "code": code}]}, "who": dict(reference)})
    return found or [{"who": {"display": "unknown"}}]


def _entity(display: str, digest: str) -> dict[str, Any]:
    return {"role": "source", "what": {"display": display, "identifier": {"system": _SHA256, "value": digest}}}
