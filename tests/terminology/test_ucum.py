"""UCUM: the table as published, expressions, exact conversions, and what is refused (UCUM specification 2.2)."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terminology import UnitError
from terminology.ucum import alias, canonical, comparable, convert, fault, parse, valid
from terminology.ucum.aliases import aliases
from terminology.ucum.essence import atoms, prefixes, version

VALID = """
% /min /uL /[HPF] /100{WBCs} 10*3/uL 10*-3 10^9/L a bar Cel cm[H2O] d deg dB eq/L fL g/dL g.m/s2 h
[in_i'Hg] [IU]/L [lb_av]
m[Hg] mm[Hg] meq/L mg/dL mg/(24.h) mg/kg/h mmol/L mosm/kg mL/min/{1.73_m2} {score} ng/mL pg [pH] s s/4.m U/L ug/L
[degF] [drp] [CFU]/mL kat m+2 /(m.s) B[10.nV] %[slope] [p'diop] [hp'_X] [m/s2/Hz^(1/2)] K/uL cd dag 1
""".split()  # noqa: SIM905 (a table of words)
INVALID = {
    "10+3/ul": "unexpected",
    "Torr": "not a unit",
    "Ki": "not a unit",
    "mmHg": "not a unit",
    "MG/DL": "case sensitive",
    "mg / dL": "white space",
    "℃": "not ASCII",
    "{中}": "not ASCII",
    "m0": "exponent of 0",
    "m//s": "unexpected",
    "m.": "ends",
    "(m": "not closed",
    "m)": "unexpected",
    "0": "above 0",
    "-3": "above 0",
    "m99999": "exponent",
    "mm2000": "exponent",
    "min4Y": "unexpected",
    "{open": "unexpected",
    "(" * 40 + "m" + ")" * 40: "parentheses",
    "m" * 300: "longer",
}


@pytest.mark.parametrize("unit", ["", *VALID])
def test_units_of_ucum(unit: str) -> None:
    assert fault(unit) is None


@pytest.mark.parametrize(("unit", "said"), INVALID.items())
def test_what_is_none_is_refused_with_a_reason(unit: str, said: str) -> None:
    assert said in (fault(unit) or "")
    assert not valid(unit)
    with pytest.raises(UnitError, match=said.replace("(", r"\(")):
        parse(unit)


def test_every_atom_of_the_table_is_a_unit_and_metric_ones_take_prefixes() -> None:
    assert version() == "2.2"
    assert (len(atoms()), len(prefixes())) == (312, 24)
    for code, atom in atoms().items():
        assert valid(code), code
        assert valid("m" + code) or not atom.metric, code


LEFT_TO_RIGHT = [("s/4.m", "m.s/4"), ("m/s/s", "m.s-2"), ("/m.s", "s.m-1"), ("kg/(m.s2)", "1000.g.m-1.s-2")]


@pytest.mark.parametrize(("unit", "same"), LEFT_TO_RIGHT)
def test_expressions_run_left_to_right(unit: str, same: str) -> None:
    assert parse(unit) == parse(same)


CONVERSIONS = [
    ("1", "[in_i]", "cm", "2.54"),
    ("98.6", "[degF]", "Cel", "37"),
    ("37.2", "Cel", "[degF]", "98.96"),
    ("37", "Cel", "K", "310.15"),
    ("120", "mm[Hg]", "Pa", "15998.64"),
    ("5.5", "mg/dL", "g/L", "0.055"),
    ("30", "dB", "B", "3"),
    ("2", "[IU]/mL", "[iU]/L", "2000"),
    ("1", "wk", "d", "7"),
    ("1", "U/L", "nkat/L", None),
    ("60", "U", "umol/s", "1"),
    ("-40", "Cel", "[degF]", "-40"),
]


@pytest.mark.parametrize(("value", "unit", "into", "result"), CONVERSIONS)
def test_conversions_are_exact_or_refused(value: str, unit: str, into: str, result: str | None) -> None:
    if result is None:
        with pytest.raises(UnitError, match="no exact decimal"):
            convert(Decimal(value), unit, into)
    else:
        assert convert(Decimal(value), unit, into) == Decimal(result)


REFUSED = [
    ("mg/dL", "mmol/L"),  # needs the molar mass
    ("[IU]", "U"),
    ("meq/L", "mmol/L"),  # depends on valence
    ("mosm", "mmol"),
    ("mmol", "1"),  # an amount is not a count at the bedside
    ("[p'diop]", "deg"),
    ("[hp'_X]", "1"),
    ("[pH]", "mol/L"),
    ("%[slope]", "deg"),
    ("Cel", "m"),
    ("Cel/d", "K/d"),  # a difference of temperatures is not a temperature: only a scale alone is converted
    ("[CFU]", "[PFU]"),
]


@pytest.mark.parametrize(("unit", "into"), REFUSED)
def test_what_is_not_comparable_is_refused(unit: str, into: str) -> None:
    assert not comparable(unit, into)
    with pytest.raises(UnitError, match="not comparable"):
        convert(Decimal(1), unit, into)


def test_canonical_only_where_exact() -> None:
    assert canonical(Decimal("5.5"), "mg/dL") == (Decimal("55"), "g.m-3")
    assert canonical(Decimal("37.2"), "Cel") == (Decimal("310.35"), "K")
    assert canonical(Decimal("5.50"), "mmol/L") == (Decimal("5.5"), "m-3.mol")
    assert canonical(Decimal("90"), "deg") is None  # pi
    assert canonical(Decimal("1"), "[degF]") is None  # a third of a kelvin without end
    assert canonical(Decimal("7.4"), "[pH]") is None
    assert canonical(Decimal("1"), "U/min/kg/h") is None


def test_aliases_lead_to_units_and_are_none_themselves() -> None:
    for written, unit in aliases().items():
        assert alias(written) == unit
        assert valid(unit)
        assert not valid(written)
    for written, unit in (("℃", "Cel"), ("mmHg", "mm[Hg]"), ("μg/L", "ug/L"), ("µmol/L", "umol/L"), ("次/分", "/min")):
        assert alias(written) == unit
    assert alias("×10^9/L") == "10*9/L"
    assert alias("mg/dL") is None
    assert alias("K/uL") is None  # kelvin: probably not meant, but not ours to say
    assert alias("何か") is None


@given(st.text(max_size=40) | st.text(alphabet="mgsLK/.()[]{}0123456789+-*'%", max_size=24))
def test_any_text_is_a_unit_or_refused(text: str) -> None:
    reason = fault(text)
    if reason is not None:
        assert reason
        return
    unit = parse(text)
    assert unit.factor > 0
    assert unit.factor.denominator > 0


SOME = st.sampled_from(
    ["m", "kg", "mL", "mmol", "h", "mm[Hg]", "[IU]", "Cel", "10*3", "12", "%", "dB", "{x}", "[lb_av]"]
)


def _pairs(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(inner, st.sampled_from("./"), inner).map(lambda pair: f"({''.join(pair)})")


@given(st.recursive(SOME, _pairs, max_leaves=8))
def test_format_and_parse_again(text: str) -> None:
    unit = parse(text)
    again = parse(str(unit))
    assert (again.factor, again.powers) == (unit.factor, unit.powers)
    assert isinstance(unit.factor, Fraction)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**9), max_value=10**9))
def test_there_and_back(value: Decimal) -> None:
    for unit, into in (("Cel", "K"), ("mg/dL", "kg/L"), ("mm[Hg]", "Pa")):
        assert convert(convert(value, unit, into), into, unit) == value
