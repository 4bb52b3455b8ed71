"""Map rules of RF2 extended maps: the edge cases that implementations get wrong, one test each.

The concepts are invented (sample_data/terminology/rf2); the shapes of their rules are those of real rows.
Case 20, Full files, stands in test_rf2_import.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terminology import Age, Context, Decision, PlanError, PlanRow, Shelf, Translator, parse_plan
from terminology.packs import Pack
from terminology.rf2 import MapRow, decide, decide_groups, parse_rule
from terminology.rf2.extended import candidates, rows
from terminology.rf2.rule import Kleene
from terminology.systems import ICD10CM, SNOMED
from tools.terminology_samples import CONCEPTS, sctid

CODE = {name: sctid(number) for name, (number, _, _) in CONCEPTS.items()}


@pytest.fixture(scope="module")
def pack(shelf: Shelf) -> Pack:
    return shelf.open(shelf.find(("extended-map",), SNOMED, ICD10CM))


def years(number: int) -> Context:
    return Context(age=Age.completed(number))


def onset(birth: str, begun: str) -> Context:
    return Context(age=Age.at_onset(birth, begun))


def answer(pack: Pack, name: str, context: Context | None = None, policy: str = "safe") -> Decision:
    return decide(rows(pack, CODE[name]), context or Context(), policy)


def codes(found: Decision) -> list[str]:
    return [target.code for target in found.targets]


def translate(shelf: Shelf, name: str, context: Context | None = None, **options: str) -> Decision:
    """Through a plan of one row."""
    more = "".join(f", {key}: {value}" for key, value in options.items())
    text = f"rows:\n- {{id: x, element: Condition.code, from: snomed, to: icd-10-cm{more}}}\n"
    return Translator(parse_plan(text.encode()), shelf).rows[0].translate(CODE[name], context or Context()).decision


def test_01_otherwise_true_with_blank_target(pack: Pack) -> None:
    assert codes(answer(pack, "childless", Context(sex="female"))) == ["N97.9"]
    assert codes(answer(pack, "childless", Context(sex="male"))) == ["N46.9"]
    unknown = answer(pack, "childless")
    assert unknown.status == "ambiguous"
    assert [each.codes for each in unknown.alternatives] == [("N97.9",), ("N46.9",), ()]
    assert answer(pack, "childless", policy="strict-rf2").status == "no-target"


def test_02_otherwise_true_with_target_is_not_taken_silently(pack: Pack) -> None:
    assert codes(answer(pack, "bronchitis", years(14))) == ["J20.9"]
    assert codes(answer(pack, "bronchitis", years(15))) == ["J40"]
    assert answer(pack, "bronchitis").status == "ambiguous"
    strict = answer(pack, "bronchitis", policy="strict-rf2")
    assert codes(strict) == ["J40"]
    assert strict.notes == ("group 1: context missing, an earlier rule might hold",)


def test_03_overlapping_ages_go_by_priority_not_by_file_order(pack: Pack) -> None:
    assert codes(answer(pack, "growth", years(10))) == ["Z00.2"]
    assert codes(answer(pack, "growth", years(12))) == ["Z00.3"]
    assert codes(answer(pack, "growth", onset("2000-01-10", "2019-01-05"))) == ["Z00.3"]  # 18.99
    grown = answer(pack, "growth", years(19))
    assert (grown.status, codes(grown)) == ("no-target", [])
    assert answer(pack, "growth").status == "ambiguous"


BOUNDARIES = [
    ("2010-05-20", "2025-05-19", "J20.9"),  # 14 years, 364 days
    ("2010-05-20", "2025-05-20", "J40"),
    ("2010", "2024", "J20.9"),  # 13 or 14
    ("2010", "2025", None),  # 14 or 15
    ("2010-05", "2025-05-20", None),
    ("2012-02-29", "2027-02-28", "J20.9"),  # the birthday of a leap day is 1 March
    ("2012-02-29", "2027-03-01", "J40"),
]


@pytest.mark.parametrize(("birth", "begun", "code"), BOUNDARIES)
def test_04_age_is_at_onset_and_partial_dates_straddle(pack: Pack, birth: str, begun: str, code: str | None) -> None:
    found = answer(pack, "bronchitis", onset(birth, begun))
    assert found.status == ("translated" if code else "ambiguous")
    assert codes(found) == ([code] if code else [])


def test_04_days_are_date_differences(pack: Pack) -> None:
    assert codes(answer(pack, "newborn", onset("2026-02-01", "2026-03-01"))) == ["P22.9"]  # 28 days
    assert codes(answer(pack, "newborn", onset("2026-02-01", "2026-03-02"))) == ["R06.03"]
    assert codes(answer(pack, "newborn", years(1))) == ["R06.03"]
    assert answer(pack, "newborn", years(0)).status == "ambiguous"
    assert codes(answer(pack, "newborn", years(2))) == ["J80"]


@pytest.mark.parametrize("sex", [None, "unknown", "other", "Female"])
def test_05_sex_not_known_is_unknown_not_false(pack: Pack, sex: str | None) -> None:
    assert answer(pack, "childless", Context(sex=sex)).status == "ambiguous"


def test_06_groups_keep_their_order(pack: Pack) -> None:
    found = answer(pack, "mould-lung")
    assert (found.status, codes(found)) == ("combination", ["B44.1", "J17"])
    assert codes(answer(pack, "poisoning")) == ["T39.1X1A", "R10.9", "Y92.9"]


def test_07_true_row_with_blank_target_is_an_answer(pack: Pack) -> None:
    found = answer(pack, "unclassifiable")
    assert found.status == "no-target"
    assert found.notes == ("group 1: the concept can't be classified",)


def test_08_groups_may_have_gaps_and_begin_above_one(pack: Pack) -> None:
    groups = decide_groups(rows(pack, CODE["gaps"]), Context())
    assert [group.group for group in groups] == [2, 4]
    assert codes(answer(pack, "gaps")) == ["R05.9", "R06.2"]


def test_09_two_rows_of_one_priority_are_kept_and_reported(pack: Pack) -> None:
    assert len(rows(pack, CODE["tie"])) == 2
    found = answer(pack, "tie")
    assert found.status == "translated"
    assert found.notes == ("group 1: two rows of one priority",)


def test_10_a_rule_that_cannot_be_parsed_is_unknown(pack: Pack) -> None:
    assert parse_rule("IFA 248152002 | Female | OR SOMETHING").fault
    assert answer(pack, "unparseable", Context(sex="male")).status == "ambiguous"


def test_10_a_rule_on_another_finding_does_not_always_fire(pack: Pack, shelf: Shelf) -> None:
    assert answer(pack, "other-finding").status == "ambiguous"
    mould = Context(findings=frozenset({CODE["mould"]}))
    assert codes(answer(pack, "other-finding", mould)) == ["B44.9"]
    assert codes(answer(pack, "other-finding", Context(complete=True))) == ["J84.9"]
    kind_of_mould = Context(findings=frozenset({CODE["mould-lung"]}), complete=True)
    assert codes(translate(shelf, "other-finding", kind_of_mould)) == ["B44.9"]  # by subsumption


def test_11_release_text_is_never_evaluated() -> None:
    assert parse_rule("__import__('os').system('true')").fault
    assert parse_rule("IFA 445518008 < 1e9 years").fault
    assert parse_rule("TRUE AND TRUE").evaluate(Context()) is Kleene.UNKNOWN


def test_12_the_first_true_row_of_a_group_stands(pack: Pack) -> None:
    assert codes(answer(pack, "two-true")) == ["R42"]


def test_13_an_inactive_concept_is_followed_if_that_is_clear(shelf: Shelf) -> None:
    found = translate(shelf, "old")
    assert codes(found) == ["R05.9"]
    assert found.notes == ("an inactive concept, taken as the one that replaces it",)
    assert translate(shelf, "old-unclear").status == "ambiguous"


def test_14_an_unmapped_concept_may_take_the_map_above_it_marked(shelf: Shelf) -> None:
    assert translate(shelf, "unmapped").status == "unknown"
    found = translate(shelf, "unmapped", years(40), ancestors="yes")
    assert [(target.code, target.equivalence) for target in found.targets] == [("J40", "wider")]
    assert found.approximate
    torn = translate(shelf, "unmapped-torn", ancestors="yes")
    assert torn.status == "ambiguous"  # J98.4 above it on one side, B49 on the other


def test_15_dots_are_compared_away_and_left_as_published(shelf: Shelf, pack: Pack) -> None:
    found = translate(shelf, "undotted")
    assert codes(found) == ["J40X"]
    assert found.targets[0].display == "Bronchitis, not specified as acute or chronic"
    assert [source for source, _ in candidates(pack, "J40X")] == [CODE["undotted"]]


def test_16_a_target_that_the_edition_does_not_have_is_refused(shelf: Shelf) -> None:
    assert translate(shelf, "retired-target").status == "retired"
    assert codes(translate(shelf, "retired-target", retired="accept")) == ["A04.7"]


def test_17_a_placeholder_needs_completion(pack: Pack) -> None:
    found = answer(pack, "placeholder")
    assert (found.status, codes(found)) == ("ambiguous", [])
    assert found.alternatives[0].codes == ("S52.501?",)


def test_18_advice_is_split_and_handed_on(pack: Pack) -> None:
    assert answer(pack, "wound").advice == ("POSSIBLE REQUIREMENT FOR AN EXTERNAL CAUSE CODE",)


def test_19_backwards_there_are_only_candidates(pack: Pack) -> None:
    found = candidates(pack, "R05.9")
    assert [(source, row.group) for source, row in found] == [(CODE["plain"], 1), (CODE["gaps"], 2)]


def test_terms_of_any_language_are_stripped_first(pack: Pack) -> None:
    assert codes(answer(pack, "translated-terms", Context(sex="female"))) == ["N97.9"]


def test_policies_are_named() -> None:
    with pytest.raises(PlanError):
        decide_groups([], Context(), "lenient")
    assert PlanRow("x", "Condition.code", "a", "b").policy == "safe"


RULES = [
    ("", Kleene.TRUE),
    ("TRUE", Kleene.TRUE),
    ("OTHERWISE TRUE", Kleene.TRUE),
    ("IFA 248152002", Kleene.TRUE),
    ("IFA 248153007", Kleene.FALSE),
    ("IFA 248152002 AND IFA 248153007", Kleene.FALSE),
    ("IFA 248152002 AND IFA 445518008 >= 30 years", Kleene.TRUE),
    ("IFA 445518008 = 30 years", Kleene.TRUE),
    ("IFA 445518008 > 30 years", Kleene.FALSE),
    ("IFA 445518008 <= 30.0 years", Kleene.TRUE),
    ("IFA 445518008 < 361 months", Kleene.UNKNOWN),
    ("IFA 445518008 < 10000 weeks", Kleene.TRUE),
    ("IFA 445518008 > 1 fortnights", Kleene.UNKNOWN),
    ("IFA 424144002 < 5 years", Kleene.UNKNOWN),  # an age that is not at onset
    ("IFA 248153007 AND IFA nonsense", Kleene.UNKNOWN),
    ("ifa 248152002", Kleene.UNKNOWN),
]


@pytest.mark.parametrize(("rule", "value"), RULES)
def test_rules_in_kleene_logic(rule: str, value: Kleene) -> None:
    assert parse_rule(rule).evaluate(Context(sex="female", age=Age.completed(30))) is value


@given(st.text(max_size=60) | st.text(alphabet="IFA 0123456789<>=yearsAND|TRUE.", max_size=60))
def test_any_text_is_a_rule_or_unknown(text: str) -> None:
    assert parse_rule(text).evaluate(Context()) in Kleene


@given(st.dates(), st.dates(), st.integers(0, 130))
def test_more_knowledge_never_contradicts_less(birth: object, begun: object, number: int) -> None:
    """What a partial date leaves decided, the full date decides alike."""
    full = Age.at_onset(str(birth), str(begun))
    partial = Age.at_onset(str(birth)[:4], str(begun)[:7])
    if full is None or partial is None:
        return
    for unit in ("years", "months", "weeks", "days", "hours"):
        assert partial.within(unit)[0] <= full.within(unit)[0] <= full.within(unit)[1] <= partial.within(unit)[1]
    row = MapRow(1, 1, "a", f"IFA 445518008 < {number} years", "", "X", "", "")
    known, guessed = (decide_groups([row], Context(age=age))[0].status for age in (full, partial))
    assert guessed in (known, "ambiguous")
