"""What `make fhir` fetches: HL7's R4 examples and another validator, as a folder of npm packages."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = ROOT / ".fhir" / "node_modules"
EXAMPLES = MODULES / "hl7.fhir.r4.examples"
_SCRIPT = ROOT / "tools" / "fhir" / "medplum.mjs"


def fetched() -> Path:
    """The folder of the packages; skips where they are not here."""
    if not (MODULES.parent / "npm.stamp").exists():
        pytest.skip("HL7's examples are not here: make fhir (needs Node.js 20 and npm)")
    return MODULES


def medplum(resources: Iterable[bytes]) -> list[list[str]]:
    """The errors that @medplum/core finds in each resource."""
    command = ["node", str(_SCRIPT), str(fetched())]
    done = subprocess.run(command, input=b"\n".join(resources), capture_output=True, check=True, timeout=300)
    return [json.loads(line) for line in done.stdout.splitlines()]
