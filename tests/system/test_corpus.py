"""Every whole message at hand through `convert`: none fails, every Bundle is R4 clean and closed in itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from adapters.fhir import decode, validate_bundle
from terminology import ucum
from tests.support.service import tabellion


@pytest.fixture(scope="module")
def corpus(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, Any]], Path]:
    """The shared messages, converted on two processes."""
    out = tmp_path_factory.mktemp("corpus") / "out"
    report = out.with_suffix(".ndjson")
    words = ["convert", str(shared_data / "hl7v2" / "messages"), "--out", str(out), "--report", str(report)]
    tabellion(*words, "--jobs", "2", timeout=300)
    return [json.loads(line) for line in report.read_text(encoding="utf-8").splitlines()], out


def test_none_fails(corpus: tuple[list[dict[str, Any]], Path]) -> None:
    """Over 1,600 messages; what is no message is skipped."""
    lines, _ = corpus
    assert [line["source"] for line in lines if line["status"] == "failed"] == []
    assert sum(line["bundle"] is not None for line in lines) > 1600


def test_every_bundle_is_clean(corpus: tuple[list[dict[str, Any]], Path]) -> None:
    """The R4 table finds no error; every reference resolves inside its Bundle."""
    lines, out = corpus
    faults = []
    for line in lines:
        if line["bundle"] is None:
            continue
        bundle = decode((out / line["bundle"]).read_bytes())
        assert isinstance(bundle, dict)
        found = [
            f"{f.expression}: {f.text}" for f in validate_bundle(bundle, units=ucum.valid) if f.severity == "error"
        ]
        if found:
            faults.append((line["source"], line["index"], found[:3]))
    assert faults == []
