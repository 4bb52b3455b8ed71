"""The guide's CDA → FHIR pairs, element by element: every difference is listed with who is right and why."""

from __future__ import annotations

from pathlib import Path

from tests.mappings.cda.pairs import DIFFERENCES, compare
from tests.mappings.differences import read_differences


def test_every_difference_is_listed_and_no_other(shared_data: Path) -> None:
    agreed, differences = compare(shared_data / "cda" / "ccda-on-fhir")
    assert agreed >= 380
    assert [each.fact for each in differences] == [each.fact for each in read_differences(DIFFERENCES)]


def test_every_listed_difference_says_who_is_right_and_why() -> None:
    for each in read_differences(DIFFERENCES):
        assert each.right in ("ours", "theirs", "both"), each
        assert len(each.reason) > 10, each
