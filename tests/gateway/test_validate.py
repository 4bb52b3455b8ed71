"""`tabellion validate` and `tabellion packages`: what is wrong, where, in plain words, and the right exit code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import main
from tests.adapters.fhir.test_packages import RESOURCES, URL, packed
from tests.pipelines.v2 import adt, pid

GOOD = {"resourceType": "Patient", "name": [{"family": "ZZTEST"}], "gender": "female"}
REVERSED = {**GOOD, "contact": [{"name": {"family": "ZZTEST"}, "period": {"start": "2026-03-02", "end": "2026-03-01"}}]}


def run(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, list[dict[str, Any]]]:
    code = main(["validate", "--json", *map(str, words)])
    return code, [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    folder = tmp_path / "inbox"
    folder.mkdir()
    (folder / "1.json").write_text(json.dumps(GOOD))
    (folder / "2.ndjson").write_text(json.dumps(GOOD) + "\n" + json.dumps({**GOOD, "gender": "ZZCANARY"}) + "\n")
    (folder / "3.hl7").write_bytes(adt("A01", "20260301080000+0100", pid(), "PV1|1|I"))
    (folder / "4.txt").write_text("no message")
    return folder


def test_a_line_per_unit_with_the_place_of_each_fault(
    inbox: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, lines = run(capsys, inbox, "--data", tmp_path / "none")
    assert code == 1
    assert [(Path(line["source"]).name, line["index"], line["type"], line["valid"]) for line in lines] == [
        ("1.json", 0, "Patient", True),
        ("2.ndjson", 0, "Patient", True),
        ("2.ndjson", 1, "Patient", False),
        ("3.hl7", 0, "ADT^A01^ADT_A01", True),
    ]
    (issue,) = lines[2]["issues"]
    assert (issue["severity"], issue["code"], issue["expression"]) == ("error", "code-invalid", "Patient.gender")
    assert "ZZCANARY" not in json.dumps(lines)


def test_an_hl7_v2_message_by_segment_field_component(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.hl7"
    path.write_bytes(adt("A01", "20260301080000+0100", pid(birth="ZZCANARY")))
    code, (line,) = run(capsys, path)
    assert code == 1
    assert {"PID[1]-7[1].1.1", "MSH[1]"} <= {
        issue["path"] for issue in line["issues"] if issue["severity"] == "error"
    } | {"MSH[1]"}
    assert "ZZCANARY" not in json.dumps(line)


def test_the_counts_of_a_batch_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An envelope has a line of its own, as in `convert`; a message that can't be read, what was found around it."""
    path = tmp_path / "batch.hl7"
    message = adt("A01", "20260301080000+0100", pid(), "PV1|1|I")
    path.write_bytes(b"FHS|^~\\&|A\rBHS|^~\\&|A\r" + message + b"\rBTS|2\rFTS|1\r")
    code, (envelope, line) = run(capsys, path)
    assert (code, envelope["index"], envelope["type"], envelope["valid"]) == (1, None, "FHS", False)
    assert [issue["path"] for issue in envelope["issues"]] == ["BTS[1]-1[1].1.1"]
    assert (line["index"], line["valid"]) == (0, True)
    path.write_bytes(b"junk\rMSH|ABCD|x\r")
    code, (line,) = run(capsys, path)
    assert (code, [issue["severity"] for issue in line["issues"]]) == (1, ["error", "error"])


@pytest.mark.parametrize(("level", "code"), [("structure", 0), ("full", 1)])
def test_full_looks_further_than_structure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], level: str, code: int
) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(REVERSED))
    assert run(capsys, path, "--level", level)[0] == code


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"resourceType": "Patient", "id": "a", "id": "b"}', "a name occurs twice"),
        (b'{"resourceType": "Patient"', "not JSON"),
        (b"", "not validated"),
        (b"<ClinicalDocument/>", "not validated: cda"),
    ],
)
def test_what_cant_be_read_is_not_valid(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], body: bytes, said: str
) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(body)
    code, (line,) = run(capsys, path)
    assert code == 1
    assert said in line["issues"][0]["text"]


def test_for_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps({**GOOD, "gender": "x"}))
    assert main(["validate", str(path)]) == 1
    head, row = capsys.readouterr().out.splitlines()
    assert head == f"{path} [0] Patient: not valid"
    assert row == "  error       Patient.gender: not a code of the required value set (code-invalid)"


def test_packages_are_added_listed_and_counted_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, archive, path = tmp_path / "data", tmp_path / "ward.tgz", tmp_path / "a.json"
    archive.write_bytes(packed(*RESOURCES))
    path.write_text(json.dumps({**GOOD, "meta": {"profile": [URL + "ward-patient"]}}))
    code, (line,) = run(capsys, path, "--data", data)
    assert code == 0  # nobody here knows the profile
    assert main(["packages", "add", str(archive), "--data", str(data)]) == 0
    assert "org.example.ward 1.2.3" in capsys.readouterr().out
    assert main(["packages", "list", "--json", "--data", str(data)]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == "org.example.ward"
    code, (line,) = run(capsys, path, "--data", data)
    assert code == 1
    assert "Patient.identifier" in {issue["expression"] for issue in line["issues"]}
    assert main(["packages", "add", str(path), "--data", str(data)]) == 1
    assert main(["packages", "add", str(tmp_path / "nothing"), "--data", str(data)]) == 3
    (data / "packages" / "zz.package").write_bytes(b"damaged")
    assert main(["validate", str(path), "--data", str(data)]) == 3
