"""`tabellion terminology` and `codes`: packs from the command line, exit codes of the contract, plain errors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.service import tabellion
from tools.terminology_samples import CONCEPTS, REFSET, sctid


def lines(*words: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in tabellion(*words, "--json").stdout.splitlines()]


def test_import_list_lookup_and_translate(tmp_path: Path, samples: Path) -> None:
    data = ("--data", str(tmp_path / "data"))
    source = str(samples / "terminology" / "rf2")
    made = lines("terminology", "import", "rf2", source, "--refset", REFSET, "--to", "icd-10-cm", *data)
    assert [each["kind"] for each in made] == ["codes", "extended-map"]
    listed = lines("terminology", "list", "--check", *data)
    assert {each["built_in"] for each in listed} == {True, False}
    assert all(each["licence"] and each["sha256"] for each in listed)
    (found,) = lines("terminology", "lookup", "snomed", sctid(102), *data)
    assert (found["display"], found["inactive"]) == ("Invented bronchitis", False)
    words = ("terminology", "translate", "--from", "snomed", "--to", "icd-10-cm", sctid(CONCEPTS["bronchitis"][0]))
    (young,) = lines(*words, "--age", "14", *data)
    assert (young["status"], young["written"]) == ("translated", "J20.9")
    unknown = tabellion(*words, *data, check=False)
    assert unknown.returncode == 1
    assert "ambiguous" in unknown.stdout
    assert "IFA 445518008" in unknown.stdout
    backwards = ("terminology", "translate", "--from", "snomed", "--to", "icd-10-cm", "--reverse", "R05.9", *data)
    assert [(each["candidate"], each["group"]) for each in lines(*backwards)] == [(sctid(120), 1), (sctid(106), 2)]


def test_units_are_looked_up_and_aliases_named() -> None:
    (found,) = lines("terminology", "lookup", "ucum", "mm[Hg]")
    assert found["display"] == "133322.g.m-1.s-2"
    refused = tabellion("terminology", "lookup", "ucum", "mmHg", check=False)
    assert refused.returncode == 1
    assert "'mm[Hg]' is probably meant" in refused.stderr


ERRORS = [
    (("import", "nonsense", "x"), 2, "no kind"),
    (("import", "fhir"), 2, "name the file"),
    (("import", "loinc", "x"), 2, "--version"),
    (("import", "fhir", "/nonexistent"), 3, "No such file"),
    (("import", "fhir", "README.md"), 1, "not JSON"),
    (("lookup", "loinc", "1-8"), 2, "no pack for http://loinc.org"),
    (("lookup", "icd-10-cm", "nonsense"), 1, "no code"),
    (("translate", "--from", "loinc", "--to", "icd-10-cm", "x"), 2, "no pack"),
    (("translate", "--from", "snomed", "--to", "icd-10-cm", "x", "--age", "200"), 2, "--age"),
]


@pytest.mark.parametrize(("words", "code", "said"), ERRORS, ids=[" ".join(row[0]) for row in ERRORS])
def test_errors_in_plain_words(tmp_path: Path, words: tuple[str, ...], code: int, said: str) -> None:
    done = tabellion("terminology", *words, "--data", str(tmp_path / "data"), check=False)
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_damaged_list_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "terminology"
    folder.mkdir()
    (folder / "packs.json").write_text("{")
    done = tabellion("terminology", "list", "--data", str(tmp_path), check=False)
    assert done.returncode == 3
    assert "not a list of packs" in done.stderr


def test_imports_may_come_before_the_data_folder(tmp_path: Path, samples: Path) -> None:
    data = tmp_path / "data"
    tabellion(
        "terminology", "import", "fhir", str(samples / "terminology/local-to-icd-10-cm.json"), "--data", str(data)
    )
    tabellion("init", "--data", str(data))
    assert "nothing to decide" in tabellion("codes", "worklist", "--data", str(data)).stdout
