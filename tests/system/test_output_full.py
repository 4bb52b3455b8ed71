"""All output of `convert` over the shared data is valid at level full, or listed with its source's defect.

HL7 v2 has its own test (test_corpus); nothing of it is listed. Here are the other formats.
"""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from pathlib import Path

from adapters.fhir import decode, validate_bundle
from terminology import ucum
from tests.support.service import tabellion

LISTED = Path(__file__).with_name("source_defects.csv")


def test_all_output_is_valid_or_listed(shared_data: Path, tmp_path: Path) -> None:
    out, report = tmp_path / "out", tmp_path / "report.ndjson"
    folders = [str(shared_data / name) for name in ("cda", "dicom") if (shared_data / name).is_dir()]
    tabellion("convert", *folders, "--out", str(out), "--report", str(report), "--jobs", "2", timeout=300, check=False)
    found: Counter[tuple[str, str, str]] = Counter()
    converted = 0
    for line in map(json.loads, report.read_text(encoding="utf-8").splitlines()):
        if line["bundle"] is None:
            continue
        converted += 1
        bundle = decode((out / line["bundle"]).read_bytes())
        assert isinstance(bundle, dict)
        source = str(Path(line["source"]).relative_to(shared_data))
        for finding in validate_bundle(bundle, units=ucum.valid):
            if finding.severity == "error":
                found[source, _type(bundle, finding.expression), _kind(finding.text)] += 1
    assert converted > 50
    with LISTED.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert all(row["why"] for row in rows)
    assert found == {(row["source"], row["type"], row["text"]): int(row["count"]) for row in rows}


def _type(bundle: object, expression: str) -> str:
    place = re.match(r"Bundle\.entry\[(\d+)\]", expression)
    assert isinstance(bundle, dict)
    return str(bundle["entry"][int(place[1])]["resource"]["resourceType"]) if place else "Bundle"


def _kind(text: str) -> str:
    """A constraint's key, else the words."""
    key = text.partition(": ")[0]
    return key if re.fullmatch(r"[a-z]+-\d+", key) else text
