"""`convert` over DICOM: all of pydicom's files, one Bundle per study, byte-identical whatever the machine is set to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from adapters.fhir import decode_trusted, validate_bundle
from tests.adapters.dicom.pydicom_files import files, folder


def _convert(out: Path, *words: str, **environment: str) -> tuple[int, list[dict[str, Any]]]:
    report = out.parent / f"{out.name}.ndjson"
    command = [sys.executable, "-W", "error", "-m", "gateway.cli", "convert", *words, "--out", str(out)]
    done = subprocess.run(
        [*command, "--report", str(report)], env=os.environ | environment, capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, [json.loads(line) for line in report.read_text().splitlines()]


def _bundles(out: Path) -> dict[str, bytes]:
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*.json")}


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    out = tmp_path_factory.mktemp("convert") / "out"
    code, report = _convert(out, str(folder()))
    assert code == 0
    return out, report


def test_every_file_that_is_dicom_is_converted(converted: tuple[Path, list[dict[str, Any]]]) -> None:
    _, report = converted
    lines = {line["source"]: line for line in report}
    for path in files():
        line = lines[str(path)]
        assert line["status"] in ("ok", "partial"), (line["source"], line["issues"])
        if line["type"] != "DICOMDIR":
            assert line["bundle"].startswith("study/")
            assert line["resources"]["ImagingStudy"] == 1
            leaves = line["leaves"]
            assert leaves["residue"] == len(line["residue"])
            assert leaves["excused"] == len(line["excused"])
    assert not [line for line in report if line["status"] == "failed"]


def test_every_bundle_is_valid_and_its_references_resolve(converted: tuple[Path, list[dict[str, Any]]]) -> None:
    out, report = converted
    bundles = _bundles(out)
    assert set(bundles) == {line["bundle"] for line in report if line["bundle"]}
    for name, data in bundles.items():
        made: Any = decode_trusted(data)
        assert not [finding for finding in validate_bundle(made) if finding.severity == "error"], name
        types = [entry["resource"]["resourceType"] for entry in made["entry"]]
        assert types.count("ImagingStudy") == 1
        assert types[-1] == "Provenance"
        assert types.count("Provenance") == 1
        targets = {each["reference"] for each in made["entry"][-1]["resource"]["target"]}
        assert targets == {entry["request"]["url"] for entry in made["entry"][:-1]}


def test_the_same_bytes_whatever_jobs_zone_and_hash_seed(
    converted: tuple[Path, list[dict[str, Any]]], tmp_path: Path
) -> None:
    out, report = converted
    _, again = _convert(tmp_path / "again", str(folder()), "--jobs", "2", TZ="Asia/Tokyo", PYTHONHASHSEED="7", LANG="C")
    assert _bundles(tmp_path / "again") == _bundles(out)
    for line in (*report, *again):
        line["ms"] = 0
    assert again == report


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"no DICOM at all", "no DICOM instance"),
        (b"\0" * 128 + b"DICM", "there is no data set"),
        (b"\0" * 128 + b"DICM\x02\x00\x00\x00UL\x04\x00\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff", "first element"),
    ],
)
def test_what_is_broken_fails_with_its_reason(tmp_path: Path, data: bytes, text: str) -> None:
    path = tmp_path / "broken.dcm"
    path.write_bytes(data)
    code, [line] = _convert(tmp_path / "out", str(path), "--format", "dicom")
    assert code == 1
    assert line["status"] == "failed"
    assert text in line["issues"][0]["text"]
