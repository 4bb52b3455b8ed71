"""`tabellion convert` from outside: the report, the Bundles, their names, and the same bytes every time."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest

from adapters.fhir import decode, validate_bundle
from tests.support.service import COMMAND, tabellion

FIELDS = [
    "source",
    "index",
    "sha256",
    "format",
    "type",
    "status",
    "bundle",
    "resources",
    "leaves",
    "residue",
    "excused",
    "issues",
    "ms",
]


def converted(out: Path, *words: str, **environment: str) -> tuple[list[dict[str, Any]], dict[str, bytes]]:
    """Run convert; give the report's lines and the Bundles by path."""
    report = out.parent / f"{out.name}.ndjson"
    command = [*COMMAND, "convert", *words, "--out", str(out), "--report", str(report)]
    subprocess.run(command, check=True, env={**os.environ, **environment}, capture_output=True)
    lines = [json.loads(line) for line in report.read_text(encoding="utf-8").splitlines()]
    return lines, {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*.json")}


def without_ms(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The one volatile field left out."""
    return [{key: value for key, value in line.items() if key != "ms"} for line in lines]


@pytest.fixture(scope="module")
def once(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, Any]], dict[str, bytes]]:
    """All samples, converted once."""
    return converted(tmp_path_factory.mktemp("once") / "out", str(samples / "hl7v2"))


def test_report_lines_have_the_fields_of_the_contract(once: tuple[list[dict[str, Any]], dict[str, bytes]]) -> None:
    """In this order, and nothing else."""
    for line in once[0]:
        assert list(line) == FIELDS
        assert line["status"] in ("ok", "partial", "skipped")


def test_leaves_are_a_partition_and_residue_is_listed(once: tuple[list[dict[str, Any]], dict[str, bytes]]) -> None:
    """Each leaf once: the counts of residue and excused are the lengths of their lists."""
    for line in once[0]:
        if line["leaves"] is None or line["index"] is None:
            continue
        assert set(line["leaves"]) == {"mapped", "kept", "excused", "residue"}
        assert line["leaves"]["residue"] == len(line["residue"])
        assert line["leaves"]["excused"] == len(line["excused"])
        assert {row["reason"] for row in line["residue"]} <= {"no-rule", "no-target", "invalid", "set-aside"}
        assert len({row["path"] for row in line["residue"]}) == len(line["residue"])


def test_batch_file_has_a_line_of_its_own_before_its_messages(
    once: tuple[list[dict[str, Any]], dict[str, bytes]],
) -> None:
    """index null, type FHS, status ok; then three messages."""
    lines = [line for line in once[0] if line["source"].endswith("19-batch.hl7")]
    assert [(line["index"], line["status"] == "failed") for line in lines] == [(None, False)] + [
        (n, False) for n in range(3)
    ]
    assert lines[0]["type"] == "FHS"
    assert lines[0]["status"] == "ok"


def test_files_are_named_by_argument_path_and_index(once: tuple[list[dict[str, Any]], dict[str, bytes]]) -> None:
    """`0/<relative path>.<index>.json`, as the report says; final LF; nothing else is left."""
    lines, files = once
    assert {line["bundle"] for line in lines} - {None} == set(files)
    assert "0/19-batch.hl7.000002.json" in files
    assert all(data.endswith(b"}\n") for data in files.values())


def test_every_bundle_holds_what_the_contract_says(once: tuple[list[dict[str, Any]], dict[str, bytes]]) -> None:
    """Transaction, own references resolved, header first, one Provenance last for all others, R4 clean."""
    lines, files = once
    for line in lines:
        if line["bundle"] is None:
            continue
        bundle = decode(files[line["bundle"]])
        assert isinstance(bundle, dict)
        assert [finding for finding in validate_bundle(bundle) if finding.severity == "error"] == []
        assert bundle["type"] == "transaction"
        assert "id" not in bundle
        assert "meta" not in bundle
        entries = cast(list[Any], bundle["entry"])
        types = [entry["resource"]["resourceType"] for entry in entries]
        assert types[0] == "MessageHeader"
        assert types[-1] == "Provenance"
        assert types.count("Provenance") == 1
        names = [f"{entry['resource']['resourceType']}/{entry['resource']['id']}" for entry in entries]
        assert [entry["fullUrl"] for entry in entries] == [f"https://tabellion.invalid/fhir/{name}" for name in names]
        assert [entry["request"] for entry in entries] == [{"method": "PUT", "url": name} for name in names]
        targets = [target["reference"] for target in entries[-1]["resource"]["target"]]
        assert sorted(targets) == sorted(names[:-1])
        assert sum(line["resources"].values()) == len(entries)
        assert line["sha256"] in json.dumps(entries[-1]["resource"], default=str)


VARIATIONS = [
    (("--jobs", "2"), {}),
    ((), {"TZ": "Pacific/Kiritimati", "LANG": "tr_TR.UTF-8", "LC_ALL": "C"}),
    ((), {"PYTHONHASHSEED": "1"}),
    (("--jobs", "4"), {"PYTHONHASHSEED": "77", "TZ": "America/St_Johns"}),
]


@pytest.mark.parametrize(("words", "environment"), VARIATIONS)
def test_same_bytes_every_time(
    once: tuple[list[dict[str, Any]], dict[str, bytes]],
    samples: Path,
    tmp_path: Path,
    words: tuple[str, ...],
    environment: dict[str, str],
) -> None:
    """Whatever the number of processes, time zone, locale and hash seed."""
    lines, files = converted(tmp_path / "out", str(samples / "hl7v2"), *words, **environment)
    assert without_ms(lines) == without_ms(once[0])
    assert files == once[1]


def test_standard_input_and_base(samples: Path, tmp_path: Path) -> None:
    """`-` is read as one file named stdin; --base makes other fullUrls and the same ids."""
    data = (samples / "hl7v2" / "01-adt-a01-admit.hl7").read_bytes()
    command = [*COMMAND, "convert", "-", "--out", str(tmp_path / "out"), "--base", "https://example.org/fhir"]
    subprocess.run(command, input=data, check=True, capture_output=True)
    bundle = json.loads((tmp_path / "out" / "0" / "stdin.000000.json").read_bytes())
    assert all(entry["fullUrl"].startswith("https://example.org/fhir/") for entry in bundle["entry"])


def test_files_that_are_no_messages(tmp_path: Path) -> None:
    """Found by walking: skipped. Named: failed, exit 1. An empty folder: a warning, exit 0."""
    folder = tmp_path / "in"
    folder.mkdir()
    assert "nothing" in tabellion("convert", str(folder)).stderr
    (folder / "notes.txt").write_text("hello")
    (folder / "doc.xml").write_text('<ClinicalDocument xmlns="urn:hl7-org:v3"/>')
    (folder / "broken.hl7").write_bytes(b"MSH|\r")
    done = tabellion("convert", str(folder), "--report", "-", check=False)
    lines = {Path(line["source"]).name: line for line in map(json.loads, done.stdout.splitlines())}
    assert {name: line["status"] for name, line in lines.items()} == {
        "notes.txt": "skipped",
        "doc.xml": "partial",  # a document, but without id, code, time and patient
        "broken.hl7": "failed",
    }
    assert done.returncode == 1
    assert lines["notes.txt"]["sha256"] == hashlib.sha256(b"hello").hexdigest()
    assert tabellion("convert", str(folder / "notes.txt"), check=False).returncode == 1


def test_full_folder_is_refused_without_force(samples: Path, tmp_path: Path) -> None:
    """Nothing is written into a folder that holds something, unless told so."""
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine").write_text("mine")
    sample = str(samples / "hl7v2" / "01-adt-a01-admit.hl7")
    assert tabellion("convert", sample, "--out", str(out), check=False).returncode == 2
    tabellion("convert", sample, "--out", str(out), "--force")
    assert (out / "0" / "01-adt-a01-admit.hl7.000000.json").exists()


def test_explain_names_element_source_and_rule(samples: Path) -> None:
    """A line per element written, with the rule's file and line."""
    text = tabellion("convert", str(samples / "hl7v2" / "01-adt-a01-admit.hl7"), "--explain").stdout
    line = next(line for line in text.splitlines() if "birthDate" in line and "PID" in line)
    assert "PID-Patient.yaml:" in line


def test_a_message_has_the_same_sha256_and_ids_by_file_and_by_wire(samples: Path) -> None:
    """The unit's bytes: from the M of MSH, less what follows the last segment."""
    data = (samples / "hl7v2" / "04-adt-a08-update.hl7").read_bytes()
    wanted = hashlib.sha256(data.rstrip(b"\r")).hexdigest()
    for variant in (data, b"\xef\xbb\xbf" + data, b"\x0b" + data + b"\x1c\r", b"\r\n" + data + b"\r\n"):
        done = subprocess.run(
            [sys.executable, "-m", "gateway.cli", "convert", "-", "--report", "-"], input=variant, capture_output=True
        )
        assert json.loads(done.stdout)["sha256"] == wanted
