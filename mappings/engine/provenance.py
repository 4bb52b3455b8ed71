"""The one Provenance of a Bundle (R4 provenance.html): its targets, where the content came from, what made it.

Maps may add to it under the label `provenance`; what R4 requires and no map has said is written here.
"""

from __future__ import annotations

from collections.abc import Sequence

from mappings.engine.runtime import Resource, Run
from mappings.entities import hash_entity
from mappings.ids import resource_id

__all__ = ["PROVENANCE", "begin", "complete"]

PROVENANCE = "provenance"
"""The built-in label of the one Provenance."""

_ABSENT = {"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]}


def begin(run: Run) -> Resource:
    """The Provenance, known to the maps by its label."""
    id_ = resource_id(run.namespace, "Provenance", ("message", run.sha256))
    made = run.resource("Provenance", id_, 0, run.root, PROVENANCE)
    run.root.name(PROVENANCE, made)
    return made


def complete(made: Resource, others: Sequence[Resource], sha256: str, map_hash: str) -> None:
    """Everything that only the finished Bundle can say."""
    registers = made.registers
    made.shape = None
    registers["target", "bundle"] = [{"reference": f"{other.kind}/{other.id}"} for other in others]
    registers["entity", "0-message"] = [hash_entity("source message", sha256)]
    registers["entity", "1-map"] = [hash_entity("effective map", map_hash)]
    if ("recorded", "") not in registers and ("_recorded", "") not in registers:
        registers["_recorded", ""] = dict(_ABSENT)
    if not any(path == "agent" and value for (path, _), value in registers.items()):
        registers["agent", "sender"] = [{"who": {"display": "unknown"}}]
