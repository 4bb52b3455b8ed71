"""Conformance to the standard: each kind of breach at its place; what is right is silent; no finding tells a value."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.hl7v2 import Hl7Error, read, units
from adapters.hl7v2.conformance import conform
from adapters.hl7v2.conformance.lexical import fits

HEADER = r"MSH|^~\&|LAB|NORTH|HIE|HUB|20260101120000||{}|C1|P|{}"
ADT = [
    HEADER.format("ADT^A01^ADT_A01", "2.5.1"),
    "EVN||20260101120000",
    "PID|1||4711^^^NORTH^MR||ZZTEST^ANNA||19800101|F",
    "PV1|1|I|1W^101^A",
]
ORU = [
    HEADER.format("ORU^R01^ORU_R01", "2.5.1"),
    "PID|1||4711^^^NORTH^MR||ZZTEST^ANNA",
    "OBR|1|||2345-7^Glucose^LN",
    "OBX|1|NM|2345-7^Glucose^LN||5.4|mmol/L^^UCUM|||||F",
]


def found(*lines: str) -> set[tuple[str, str, str | None]]:
    issues = conform(read("\r".join(lines).encode()))
    return {(issue.severity, issue.code, issue.path) for issue in issues}


def changed(lines: list[str], place: int, line: str) -> list[str]:
    return [*lines[:place], line, *lines[place + 1 :]]


@pytest.mark.parametrize("lines", [ADT, ORU])
def test_what_conforms_is_silent(lines: list[str]) -> None:
    assert {each for each in found(*lines) if each[0] == "error"} == set()


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        # segments and groups
        ([ADT[0], *ADT[2:]], ("error", "required", "MSH[1]")),
        ([*ADT, "PV1|1|I|1W^101^A"], ("error", "structure", "PV1[2]")),
        ([ADT[0], ADT[2], ADT[1], ADT[3]], ("error", "structure", "EVN[1]")),
        ([*ADT, "SPM|1"], ("error", "structure", "SPM[1]")),
        ([*ADT, "QQQ|1"], ("warning", "structure", "QQQ[1]")),
        ([*ADT, "ZPV|1"], ("information", "informational", "ZPV[1]")),
        ([ORU[0], ORU[1], ORU[3]], ("error", "required", "OBX[1]")),
        # fields
        (changed(ADT, 2, "PID|1||||ZZTEST^ANNA"), ("error", "required", "PID[1]-3[1].1.1")),
        (changed(ADT, 2, ADT[2] + "~M"), ("error", "structure", "PID[1]-8[2].1.1")),
        (changed(ADT, 2, "PID|one||4711||ZZTEST"), ("error", "value", "PID[1]-1[1].1.1")),
        (changed(ADT, 2, ADT[2].replace("19800101", "19800230")), ("error", "value", "PID[1]-7[1].1.1")),
        (changed(ADT, 2, ADT[2].replace("|F", "|W")), ("warning", "code-invalid", "PID[1]-8[1].1.1")),
        (changed(ADT, 3, ADT[3] + "|" * 41 + "x"), ("error", "value", "PV1[1]-44[1].1.1")),
        (changed(ADT, 3, ADT[3] + "|" * 60 + "x"), ("warning", "structure", "PV1[1]-63[1].1.1")),
        (changed(ADT, 2, ADT[2].replace("^MR", "^MR^x^20261301")), ("error", "value", "PID[1]-3[1].7.1")),
        (
            changed(ADT, 2, ADT[2].replace("NORTH^MR", "NORTH&1.2.3&XYZ^MR")),
            ("error", "code-invalid", "PID[1]-3[1].4.3"),
        ),
        (changed(ADT, 2, ADT[2].replace("^MR", "^MR^^^^^^^11")), ("warning", "structure", "PID[1]-3[1].11.1")),
        (changed(ORU, 3, ORU[3].replace("5.4", "high")), ("error", "value", "OBX[1]-5[1].1.1")),
        (changed(ORU, 3, ORU[3].replace("|F", "|Q")), ("error", "code-invalid", "OBX[1]-11[1].1.1")),
        (changed(ORU, 3, ORU[3].replace("|NM|", "|QQ|")), ("error", "code-invalid", "OBX[1]-2[1].1.1")),
        (changed(ORU, 3, ORU[3].replace("^LN", "^HL70001")), ("warning", "code-invalid", "OBX[1]-3[1].3.1")),
        (changed(ORU, 3, ORU[3].replace("5.4", "5^4")), ("error", "structure", "OBX[1]-5[1].1.1")),
        # lengths: PID-8 has one character in all versions, MSH-10 20 in this one and 199 in v2.6
        (changed(ADT, 2, ADT[2].replace("|F", "|FEMALE")), ("error", "too-long", "PID[1]-8[1].1.1")),
        (changed(ADT, 0, ADT[0].replace("|C1|", f"|{'C' * 21}|")), ("warning", "too-long", "MSH[1]-10[1].1.1")),
        (changed(ADT, 2, ADT[2].replace("4711", "4" * 16)), ("warning", "too-long", "PID[1]-3[1].1.1")),
        (changed(ADT, 2, ADT[2].replace("4711", "1~" + "4" * 241)), ("error", "too-long", "PID[1]-3[2].1.1")),
        ([ADT[0].replace("2.5.1", "2.6"), *ADT[1:], "DG1|1|I10|A"], ("warning", "structure", "DG1[1]-2[1].1.1")),
        # only version 2.3 of the dictionaries requires ORC-7
        ([ORU[0].replace("2.5.1", "2.3"), ORU[1], "ORC|RE", *ORU[2:]], ("warning", "required", "ORC[1]-7[1].1.1")),
    ],
)
def test_each_breach_at_its_place(lines: list[str], expected: tuple[str, str, str]) -> None:
    assert expected in found(*lines)


def test_length_is_of_the_text() -> None:
    """An escape sequence counts as what it stands for; what has no limit has none; v2.8 states none."""
    patient = changed(ADT, 2, ADT[2].replace("4711", "\\T\\" * 15))
    assert not {each for each in found(*patient) if each[1] == "too-long"}
    assert not {each for each in found(*changed(ORU, 3, "OBX|1|TX|1^x^LN||" + "x" * 90_000)) if each[1] == "too-long"}
    newer = changed(changed(ADT, 0, ADT[0].replace("2.5.1", "2.8")), 2, ADT[2].replace("4711", "4" * 400))
    assert not {each for each in found(*newer) if each[1] == "too-long"}


def test_a_value_type_of_the_version_is_no_breach() -> None:
    """CWE is not in table 0125 of v2.5.1, but it is a data type of it, and what US laboratories send."""
    assert {each for each in found(*changed(ORU, 3, "OBX|1|CWE|1^x^LN||a^b^L||||||F")) if each[0] == "error"} == set()


def test_null_and_own_delimiters() -> None:
    plain = [*changed(ADT, 2, 'PID|1||4711^^^NORTH^MR||ZZTEST^ANNA||""|""')]
    assert {each for each in found(*plain) if each[0] == "error"} == set()
    own = [line.replace("|", "#").replace("^", "*").replace(r"*~\&", r"*~\&", 1) for line in ADT]
    assert {each for each in found(*own) if each[0] == "error"} == set()


def test_what_the_reader_said_is_said_once() -> None:
    issues = conform(read("\r".join(changed(ADT, 0, ADT[0].replace("|C1|", "||"))).encode()))
    assert [issue.path for issue in issues].count("MSH[1]-10[1].1.1") == 1


@pytest.mark.parametrize(
    ("datatype", "good", "bad"),
    [
        ("DT", ["2026", "202602", "20240229"], ["20230229", "0000", "2026-01-01", "202613", "20260100"]),
        ("TM", ["08", "0830", "083059.1234+0100"], ["24", "0860", "8", "08:30"]),
        ("DTM", ["2026", "2026010112", "20260101123000.0001-0500", "2026+0100"], ["20260101T12", "20260101250000"]),
        ("NM", ["1", "-1.5", "+.5", "5."], ["", "1,5", "<5", "1e5"]),
        ("SI", ["0", "12"], ["-1", "1.0", "x"]),
        ("ST", ["anything"], []),
    ],
)
def test_lexical_forms(datatype: str, good: list[str], bad: list[str]) -> None:
    assert all(fits(datatype, text) for text in good)
    assert not any(fits(datatype, text) for text in bad)


@given(st.text(alphabet=list("|^~\\&\rOBXPIDZ19\"'. é中"), max_size=200))
def test_anything_gives_findings_without_its_values(tail: str) -> None:
    try:
        message = read(("\r".join(ORU) + "\rOBX|9|ST|zzSECRETzz^zzSECRETzz|" + tail).encode())
    except Hl7Error:
        return
    assert "SECRET" not in "".join(issue.text for issue in conform(message))


def test_every_shared_message_has_a_report(shared_data: Path) -> None:
    """Real messages: none raises; a third or so is free of errors, as in the facts that other tools give."""
    total = clean = 0
    for path in sorted((shared_data / "hl7v2" / "messages").rglob("*.hl7")):
        for unit in units(path.read_bytes()):
            if unit.kind != "envelope":
                try:
                    issues = conform(read(unit.body))
                except Hl7Error:
                    continue
                total += 1
                clean += not any(issue.severity == "error" for issue in issues)
    assert total > 300
    assert 0 < clean < total
