"""Code tables: what the kept generator writes from the guide and our review is what is committed."""

from __future__ import annotations

import csv
from pathlib import Path

from tools import guide_tables

TABLES = guide_tables.TABLES


def rows(name: str) -> dict[str, str]:
    with (TABLES / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return {row["code"]: row["target"] for row in csv.DictReader(line for line in file if not line.startswith("#"))}


def test_the_committed_tables_are_those_of_the_generator(shared_data: Path) -> None:
    for name, text in guide_tables.tables(shared_data / "hl7v2" / "ig-csv").items():
        assert (TABLES / name).read_text(encoding="utf-8") == text, name


def test_table_0001_is_total() -> None:
    """Patient.gender is a required code: every code of HL7 table 0001 has a target."""
    assert {code: rows("AdministrativeSex")[code] for code in "FMOUANX"} == {
        "F": "female",
        "M": "male",
        "O": "other",
        "U": "unknown",
        "A": "other",
        "N": "other",
        "X": "other",
    }


def test_table_0004_never_guesses_a_stay() -> None:
    """PV1-2 (safety.yaml pv1-2-not-applicable)."""
    found = rows("EncounterStatus")
    assert [found[code] for code in "NCUPIEO"] == ["unknown", "unknown", "unknown", "planned"] + ["in-progress"] * 3


def test_every_row_of_the_review_has_a_reason() -> None:
    with guide_tables.REVIEW.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(line for line in file if not line.startswith("#")):
            assert row["action"] in ("set", "drop"), row
            assert row["reason"] or row["action"] == "drop", row
