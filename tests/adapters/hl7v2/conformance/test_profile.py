"""A channel's profile: each rule, its condition and severity; a faulty profile names its rule."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.hl7v2 import read
from adapters.hl7v2.conformance import Profile, ProfileError, conform, profile_schema, read_profile
from tests.adapters.hl7v2.conformance.test_standard import ADT, ORU, changed

PROFILE: dict[str, Any] = {
    "profile": "north-lab",
    "segments": {"NTE": {"min": "1", "severity": "warning"}, "OBX": {"max": 1}},
    "fields": [
        {"path": "PID-3.4.1", "values": ["NORTH"]},
        {"path": "PID-7", "required": True},
        {"path": "PID-5.1", "length": 10},
        {"path": "OBX-3.1", "pattern": "[0-9]{1,5}-[0-9]", "text": "LOINC codes only"},
        {"path": "OBX-6.1", "when": {"OBX-2": "NM"}, "units": ["mmol/L", "mg/dL"], "required": True},
        {"path": "PID-8", "table": "0001", "severity": "information"},
    ],
}


def breaches(profile: Profile, *lines: str) -> set[tuple[str, str, str | None, str]]:
    issues = conform(read("\r".join(lines).encode()), profile)
    return {(i.severity, i.code, i.path, i.text) for i in issues if i.text.startswith("profile ")}


def test_what_keeps_the_profile_is_silent() -> None:
    lines = [*changed(ORU, 1, ADT[2]), "NTE|1||fine"]
    assert breaches(read_profile(PROFILE), *lines) == set()


LONG = "PID-5.1 is longer than 10 characters"
CODED = "PID-8 holds no code of table 0001"
LISTED = "holds no value of the agreed list"


@pytest.mark.parametrize(
    ("place", "line", "severity", "code", "where", "text"),
    [
        (1, ADT[2].replace("NORTH", "SOUTH"), "error", "code-invalid", "PID[1]-3[1].4.1", f"PID-3.4.1 {LISTED}"),
        (1, ADT[2].replace("19800101", '""'), "error", "required", "PID[1]-7[1].1.1", "PID-7 is required"),
        (1, ADT[2].replace("ZZTEST", "ZZTEST-ZZTEST"), "error", "too-long", "PID[1]-5[1].1.1", LONG),
        (1, ADT[2].replace("|F", "|W"), "information", "code-invalid", "PID[1]-8[1].1.1", CODED),
        (3, ORU[3].replace("2345-7", "GLU"), "error", "value", "OBX[1]-3[1].1.1", "LOINC codes only"),
        (3, ORU[3].replace("mmol/L", "mmol"), "error", "code-invalid", "OBX[1]-6[1].1.1", f"OBX-6.1 {LISTED}"),
        (3, ORU[3].replace("mmol/L^^UCUM", ""), "error", "required", "OBX[1]-6[1].1.1", "OBX-6.1 is required"),
        (3, ORU[3] + "\r" + ORU[3], "error", "structure", "OBX[2]", "OBX may stand 1 times"),
    ],
)
def test_each_rule(place: int, line: str, severity: str, code: str, where: str, text: str) -> None:
    lines = [*changed(changed(ORU, 1, ADT[2]), place, line), "NTE|1||fine"]
    assert breaches(read_profile(PROFILE), *lines) == {(severity, code, where, f"profile north-lab: {text}")}


def test_a_rule_whose_condition_fails_is_silent() -> None:
    lines = [*changed(changed(ORU, 1, ADT[2]), 3, "OBX|1|ST|2345-7^Glucose^LN||high||||||F"), "NTE|1||fine"]
    assert breaches(read_profile(PROFILE), *lines) == set()


@pytest.mark.parametrize(
    ("identifiers", "where"),
    [
        ("1^^^NORTH~2", ["PID[1]-3[2].4.1"]),
        ('1^^^NORTH~2^^^""~~3^^^NORTH', ["PID[1]-3[2].4.1"]),
        ("", ["PID[1]-3[1].4.1"]),
        ("^^^", ["PID[1]-3[1].4.1"]),
    ],
)
def test_required_in_each_repetition(identifiers: str, where: list[str]) -> None:
    profile = read_profile({"fields": [{"path": "PID-3.4.1", "required": True}]})
    found = breaches(profile, ADT[0], f"PID|1||{identifiers}||ZZTEST")
    assert [issue[2] for issue in found] == where


def test_a_missing_segment() -> None:
    assert breaches(read_profile(PROFILE), *changed(ORU, 1, ADT[2])) == {
        ("warning", "required", "NTE[1]", "profile north-lab: NTE must stand 1 times")
    }


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([], "a profile must be a mapping"),
        ({"rules": []}, "a profile has no key rules"),
        ({"fields": {}}, "fields must be a list"),
        ({"fields": [{"path": "PID3"}]}, "rule 1: a path is"),
        ({"fields": [{"path": "PID-3"}, {"path": "PID-3", "lenght": 3}]}, "rule 2 has no key lenght"),
        ({"fields": [{"path": "PID-3", "length": "long"}]}, "rule 1 .PID-3.: length must be a whole number"),
        ({"fields": [{"path": "OBX-6", "units": ["g"], "values": ["g"]}]}, "a rule has one of them"),
        ({"fields": [{"path": "PID-3", "pattern": "("}]}, "no regular expression"),
        ({"fields": [{"path": "PID-3", "severity": "fatal"}]}, "severity is one of"),
        ({"fields": [{"path": "PID-3", "when": {"PV1-2": "I"}}]}, "asks the same segment"),
        ({"segments": {"PV1": {"least": 1}}}, "segments PV1 has no key least"),
    ],
)
def test_a_faulty_profile_names_its_rule(content: object, said: str) -> None:
    with pytest.raises(ProfileError, match=said):
        read_profile(content)


def test_the_schema_agrees() -> None:
    check = jsonschema.Draft202012Validator(profile_schema())
    assert check.is_valid({**PROFILE, "segments": {"NTE": {"min": 1}}})
    assert not check.is_valid({"fields": [{"path": "PID-3", "lenght": 3}]})
    for rule in profile_schema()["properties"]["fields"]["items"]["properties"].values():
        assert "description" in rule


_WORDS = ["fields", "segments", "path", "when", "values", "length", "PID-3", "OBX"]
_CONTENT = st.recursive(
    st.none() | st.sampled_from(_WORDS) | st.integers(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(_WORDS), inner),
    max_leaves=12,
)


@given(_CONTENT)
def test_any_content_is_a_profile_or_our_error(content: object) -> None:
    try:
        read_profile(content)
    except ProfileError:
        return
    assert isinstance(content, dict)
