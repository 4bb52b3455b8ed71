"""FHIR R4 validation of both levels, against fhir.resources.R4B (pydantic) and @medplum/core (Node.js), in one run.

Two sets: what our own conversion writes, and HL7's examples (`make fhir`; without them, and without Node.js, their rows
are left out). A resource's figure is the best of the rounds, a set's the median over its resources. All three get
values that are parsed already. Time and memory of the load are those of a fresh process.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import cache
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import Any

from fhir.resources.R4B import get_fhir_model_class

from adapters.fhir import DecodeError, decode, decode_trusted, encode, validate
from adapters.hl7v2 import read
from benchmarks.messages import generate
from benchmarks.result import Row
from mappings import PUBLISHED_NAMESPACE, MapSettings, bundle, load

__all__ = ["run"]

ROOT = Path(__file__).resolve().parent.parent
MODULES = ROOT / ".fhir" / "node_modules"
LARGEST = 300_000
AIMS = {"structure": 0.05, "full": 0.15}
BUNDLE_AIM = 12.0
TIMES_FASTER = 5
LOAD_SECONDS, LOAD_MIB = 0.5, 60.0

Resource = dict[str, Any]
Work = Callable[[Resource], object]


def run(quick: bool) -> list[Row]:
    """Rows for each set and level, for a Bundle of 100 entries, and for the load."""
    rounds = 2 if quick else 5
    written = _written(20 if quick else 100)
    rows = _compare("our output", written, rounds)
    examples = _examples(quick)
    if examples:
        rows += _compare("HL7's examples", examples, rounds)
    rows += _bundle(written, rounds)
    return rows + _load()


def _compare(title: str, resources: list[Resource], rounds: int) -> list[Row]:
    theirs = {"fhir.resources.R4B": _median(_pydantic, resources, rounds)}
    node = _medplum(resources, rounds)
    if node:
        theirs["@medplum/core"] = median(node)
    size = sum(len(encode(each)) for each in resources) / len(resources)
    rows = []
    for level, aim in AIMS.items():
        figure = _median(_ours(level), resources, rounds)
        name = f"validate, {level}, {title}"
        rows.append(Row(name, figure, "ms", "aim", aim, figure / aim, 1.0, most=True, size=size))
        for peer, other in theirs.items():
            wanted = 1 / TIMES_FASTER if peer == "fhir.resources.R4B" else 1.0
            rows.append(Row(name, figure, "ms", peer, other, figure / other, wanted, most=True, size=size))
    return rows


def _bundle(resources: list[Resource], rounds: int) -> list[Row]:
    """100 entries as a collection, so that nobody looks for what they refer to."""
    entries = [
        {"fullUrl": f"urn:uuid:{number:08x}-0000-4000-8000-000000000000", "resource": each}
        for number, each in enumerate(islice(cycle(resources), 100))
    ]
    whole: list[Resource] = [{"resourceType": "Bundle", "type": "collection", "entry": entries}]
    size = len(encode(whole[0]))
    figure = _median(_ours("full"), whole, rounds * 2)
    name = "validate, full, Bundle of 100 entries"
    rows = [Row(name, figure, "ms", "aim", BUNDLE_AIM, figure / BUNDLE_AIM, 1.0, most=True, size=size)]
    other = _median(_pydantic, whole, rounds)
    wanted = 1 / TIMES_FASTER
    rows.append(Row(name, figure, "ms", "fhir.resources.R4B", other, figure / other, wanted, most=True, size=size))
    node = _medplum(whole, rounds)
    if node:
        rows.append(Row(name, figure, "ms", "@medplum/core", node[0], figure / node[0], 1.0, most=True, size=size))
    return rows


_LOAD = """
import os, time
from benchmarks.measure import resident
before, begun = resident(os.getpid()), time.process_time()
from adapters.fhir import definitions, validate
for level in ("structure", "full"):
    for kind in definitions().resources:
        validate({"resourceType": kind}, level)
print(time.process_time() - begun, (resident(os.getpid()) - before) / 2**20)
"""


def _load() -> list[Row]:
    """Import, the table, and the closures of all 148 resource types at both levels."""
    done = [subprocess.run([sys.executable, "-c", _LOAD], check=True, capture_output=True, cwd=ROOT) for _ in range(3)]
    pairs = [tuple(map(float, each.stdout.split())) for each in done]
    seconds, size = min(pair[0] for pair in pairs), max(pair[1] for pair in pairs)
    name = "validate, load of the definitions"
    return [
        Row(name, seconds, "s CPU", "limit", LOAD_SECONDS, seconds / LOAD_SECONDS, 1.0, most=True),
        Row(name, size, "MiB", "limit", LOAD_MIB, size / LOAD_MIB, 1.0, most=True),
    ]


def _median(work: Work, resources: Sequence[Resource], rounds: int) -> float:
    """Milliseconds of CPU: the median over the resources of each one's best round (one more round to warm up)."""
    best = [float("inf")] * len(resources)
    for _ in range(rounds + 1):
        for place, each in enumerate(resources):
            begun = time.process_time()
            work(each)
            best[place] = min(best[place], time.process_time() - begun)
    return median(best) * 1000


def _ours(level: Any) -> Work:
    return lambda resource: validate(resource, level)


@cache
def _model(kind: str) -> Any:
    return get_fhir_model_class(kind)


def _pydantic(resource: Resource) -> object:
    try:
        return _model(resource["resourceType"]).model_validate(resource)
    except ValueError as error:  # its verdict (pydantic's ValidationError is one)
        return error


def _medplum(resources: Sequence[Resource], rounds: int) -> list[float]:
    """Milliseconds per resource, the best of the rounds; [] where Node.js or the packages are missing."""
    if not (MODULES.parent / "npm.stamp").exists():
        print("  @medplum/core is not here (make fhir): its rows are left out", file=sys.stderr)
        return []
    script = ROOT / "tools" / "fhir" / "medplum.mjs"
    command = ["node", str(script), str(MODULES), "--time", str(rounds + 1)]
    data = b"\n".join(encode(each) for each in resources)
    found: list[list[float]] = json.loads(subprocess.run(command, input=data, check=True, capture_output=True).stdout)
    return [min(times) for times in zip(*found, strict=True)]


def _written(count: int) -> list[Resource]:
    """The resources of Bundles that our maps make of generated messages."""
    effective, settings = load(), MapSettings(PUBLISHED_NAMESPACE)
    found: list[Resource] = []
    for body in generate("mixed", count, seed=5):
        content: Any = decode_trusted(bundle(effective.map(read(body), settings), "https://tabellion.invalid/fhir"))
        found += [entry["resource"] for entry in content["entry"]]
    return found


def _examples(quick: bool) -> list[Resource]:
    """HL7's examples of the types that R4B has, too."""
    found: list[Resource] = []
    for path in sorted((MODULES / "hl7.fhir.r4.examples").glob("[A-Z]*-*.json"))[:: 8 if quick else 1]:
        if path.name.partition("-")[0] in _DEFINITIONAL or path.stat().st_size > LARGEST:
            continue
        try:
            resource = decode(path.read_bytes())
            if isinstance(resource, dict):
                _model(str(resource["resourceType"]))
                found.append(resource)
        except (DecodeError, ValueError):
            continue
    return found


_DEFINITIONAL = frozenset(
    {"CapabilityStatement", "CodeSystem", "CompartmentDefinition", "ConceptMap", "ImplementationGuide", "NamingSystem"}
    | {"OperationDefinition", "SearchParameter", "StructureDefinition", "ValueSet"}
)
