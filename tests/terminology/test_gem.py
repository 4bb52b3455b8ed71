"""General Equivalence Mappings: flags, scenarios and choice lists, on the real files that come with the release."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from terminology import Decision, Shelf, SourceError, Target
from terminology.icd.gem import GemRow, decide, read, rows
from terminology.packs import Pack
from terminology.systems import ICD9CM, ICD10CM, written


@pytest.fixture(scope="module")
def to10() -> Pack:
    shelf = Shelf()
    return shelf.open(shelf.find(("gem",), ICD9CM, ICD10CM))


@pytest.fixture(scope="module")
def to9() -> Pack:
    shelf = Shelf()
    return shelf.open(shelf.find(("gem",), ICD10CM, ICD9CM))


def test_one_exact_row_is_equivalent(to10: Pack) -> None:
    assert decide(rows(to10, "001.0")) == Decision("translated", (Target("A00.0", "equivalent"),))


def test_one_approximate_row_says_so(to10: Pack) -> None:
    assert decide(rows(to10, "250.00")) == Decision("translated", (Target("E11.9", "inexact"),), approximate=True)


def test_no_map_is_no_target(to10: Pack) -> None:
    assert decide(rows(to10, "365.70")) == Decision("no-target")


def test_several_rows_are_alternatives(to10: Pack) -> None:
    found = decide(rows(to10, "806.04"))
    assert found.status == "ambiguous"
    assert not found.targets
    assert len(found.alternatives) == 8


def test_four_scenarios_of_two_choice_lists(to9: Pack) -> None:
    found = decide(rows(to9, "A18.01"))
    assert found.status == "ambiguous"
    pairs = {each.codes for each in found.alternatives}
    assert pairs == {("015.00",)} | {("015.00", other) for other in ("737.40", "711.48", "730.88", "720.81")}


def test_one_scenario_of_single_choices_is_a_combination() -> None:
    both = [GemRow("S14.154A", 5, 1, 1), GemRow("S12.300A", 5, 1, 2)]
    found = decide(both)
    assert found.status == "combination"
    assert [target.code for target in found.targets] == ["S14.154A", "S12.300A"]
    assert {target.equivalence for target in found.targets} == {"wider"}  # each alone says less than the source


def test_a_choice_list_of_two_makes_it_ambiguous() -> None:
    found = decide([GemRow("A", 4, 1, 1), GemRow("B", 4, 1, 1), GemRow("C", 4, 1, 2)])
    assert [each.codes for each in found.alternatives] == [("A", "C"), ("B", "C")]


def test_no_rows_is_unknown() -> None:
    assert decide([]).status == "unknown"


def test_all_codes_of_the_real_files_both_ways(to10: Pack, to9: Pack) -> None:
    """The published counts: rows, sources, no map, exact 1:1."""
    expected: tuple[tuple[Pack, int, dict[tuple[str, bool], int]], ...] = (
        (to10, 23_912, {("translated", False): 3_533, ("no-target", False): 425, ("combination", True): 286}),
        (to9, 78_838, {("translated", False): 3_526, ("no-target", False): 669, ("combination", True): 3_581}),
    )
    for pack, count, wanted in expected:
        assert pack.manifest.counts == {"gem": count}
        found: dict[str, list[GemRow]] = {}
        query = "SELECT source, target, flags, scenario, choice FROM gem ORDER BY source, place"
        for source, *row in pack.each(query):
            found.setdefault(str(source), []).append(GemRow(*row))  # type: ignore[arg-type]  # typed by the schema
        tally = Counter((decision.status, decision.approximate) for decision in map(decide, found.values()))
        assert sum(tally.values()) == {23_912: 14_567, 78_838: 69_832}[count]
        assert {key: tally[key] for key in wanted} == wanted


def test_cms_text_and_csv_are_read_alike(folder: Path) -> None:
    direction, found = read((folder / "gem-9-to-10.txt").read_text())
    assert direction == "9to10"
    table = list(found)
    assert table[2] == ("36570", GemRow("", 3, 0, 0))
    assert table[3] == ("80604", GemRow("S14154A", 5, 1, 1))
    text = "icd10cm,icd9cm,flags,approximate,no_map,combination,scenario,choice_list\nA000,0010,00000,0,0,0,0,0\n"
    direction, found = read(text)
    assert (direction, list(found)) == ("10to9", [("A000", GemRow("0010", 0, 0, 0))])
    assert read("A000  0010  00000\n")[0] == "10to9"


BAD = [
    ("nonsense", "neither"),
    ("0010  A000    00000\nnonsense", "line 2"),
    ("0010  A000    00100\n", "contradict"),
    ("0010  A000    00011\n", "contradict"),
    ("icd9cm,icd10cm,flags,approximate,no_map,combination,scenario,choice_list\n1,2\n", "8 columns"),
    ("icd9cm,icd10cm,flags,approximate,no_map,combination,scenario,choice_list\n0010,a,0,0,0,0,0,0\n", "ICD code"),
    ("icd9cm,icd10cm,flags,approximate,no_map,combination,scenario,choice_list\n0010,A000,0,2,0,0,0,0\n", "flags"),
]


@pytest.mark.parametrize(("text", "said"), BAD)
def test_what_is_no_gem_is_refused(text: str, said: str) -> None:
    with pytest.raises(SourceError, match=said):
        list(read(text)[1])


WRITTEN = [
    (ICD9CM, "25000", "250.00"),
    (ICD9CM, "250.00", "250.00"),
    (ICD9CM, "E8120", "E812.0"),
    (ICD9CM, "v3000", "V30.00"),
    (ICD9CM, "042", "042"),
    (ICD10CM, "e119", "E11.9"),
    (ICD10CM, "S0101XA", "S01.01XA"),
    ("http://loinc.org", "a.b", "a.b"),
]


@pytest.mark.parametrize(("system", "code", "form"), WRITTEN)
def test_codes_are_looked_up_however_they_are_written(system: str, code: str, form: str) -> None:
    assert written(system, code) == form
