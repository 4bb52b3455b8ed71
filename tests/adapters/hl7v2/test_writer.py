"""The writer: what was read comes back byte for byte; one changed field changes one line; texts are escaped."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.hl7v2 import (
    Delimiters,
    Hl7Error,
    WriteError,
    build,
    escape,
    leaf_text,
    read,
    unescape,
    units,
    with_field,
    write,
)

MSH = ["LAB", "NORTH", "HIE", "HUB", "20260101120000", "", [["ORU", "R01", "ORU_R01"]], "C1", "P", "2.5.1"]
OWN = Delimiters("#", "*", "@", "!", "%", "")


@pytest.mark.parametrize(
    "body",
    [
        b"MSH|^~\\&|A|B|||2026||ADT^A01|1|P|2.5\rPID|1||4711\r",
        b"MSH|^~\\&|A|B|||2026||ADT^A01|1|P|2.5\r\nPID|1||4711\r\n\r\n",
        b"MSH|^~\\&|A|B|||2026||ADT^A01|1|P|2.5\nPID|1||47\nis continued\nPV1|1",
        "MSH|^~\\&|A|B|||2026||ADT^A01|1|P|2.5||||||GB18030\rPID|1||||王^小\r".encode("gb18030"),
        b"MSH|^~\\&|A|B|||2026||ADT^A01|1|P|2.5\rPID|1||||\xff\xfe\x81\r",
        "MSH|^~\\&|A|B|||2026||ADT^A01|1|P|2.5\rPID|1||||é\r".encode("utf-16"),
    ],
)
def test_read_unchanged_comes_back(body: bytes) -> None:
    (unit,) = units(body)
    assert write(read(unit.body)) == unit.body
    assert unit.body in body


def test_every_shared_message_comes_back(shared_data: Path) -> None:
    count = 0
    for path in sorted((shared_data / "hl7v2" / "messages").rglob("*")):
        if path.is_file():
            for unit in units(path.read_bytes()):
                assert write(read(unit.body)) == unit.body
                count += 1
    assert count > 1700


def test_a_changed_field_changes_its_line_only() -> None:
    body = b"MSH|^~\\&|A|B|||2026||ADT^A01|1|P|2.5\r\n\nPID|1||4711|\xff|Z~Y\nZZZ|odd | \n"
    changed = with_field(read(body), 1, 3, [["47|11", "", "", ["NORTH", "1.2"]], "x"])
    assert write(changed) == body.replace(b"|4711|", b"|47\\F\\11^^^NORTH&1.2~x|").rstrip(b"\n")
    again = read(write(changed))
    assert again.segments[1].field(3) == changed.segments[1].field(3)
    assert changed.first("PID") is changed.segments[1]
    assert write(with_field(changed, 2, 5, "new")).endswith(b"\nZZZ|odd | |||new")


@pytest.mark.parametrize("codec", ["utf-16", "utf-8"])
def test_what_does_not_pair_is_written_anew(codec: str) -> None:
    body = "MSH|^~\\&|A|B|||2026||ADT^A01|1|P|2.5\rPID|1||47\ris continued\rPV1|1".encode(codec)
    again = read(write(with_field(read(body), 2, 2, "I")))
    assert again.segments[2].fields == ["PV1", "1", "I"]
    assert "is continued" in again.segments[1].field(3)


def test_build_and_read_back() -> None:
    texts = ["a|b^c~d&e\\f", "line\nline", "#5", "中é"]
    fields = ["1", "ST", [["1", texts[0]]], texts[3], [texts[0], ["", texts[1]]], texts[2]]
    made = build([("MSH", MSH), ("OBX", fields)])
    message = read(made)
    assert (message.type, message.control_id) == ("ORU^R01^ORU_R01", "C1")

    def text(field: int, *place: int) -> str:
        found = leaf_text(message.segments[1], field, *place, message.delimiters)  # type: ignore[arg-type,call-arg]
        return unescape(found, message.delimiters, message.charset)

    assert text(3, 1, 2, 1) == text(5, 1, 1, 1) == texts[0]
    assert text(5, 2, 2, 1) == texts[1]
    assert (text(6, 1, 1, 1), text(4, 1, 1, 1)) == (texts[2], texts[3])


def test_own_delimiters() -> None:
    made = build([("MSH", MSH), ("PID", ["1", "", [["47*11#", "", ["N%", "x"]]]])], OWN)
    assert made.startswith(b"MSH#*@!%#LAB#")
    message = read(made)
    assert unescape(leaf_text(message.segments[1], 3, 1, 1, 1, OWN), OWN, "utf-8") == "47*11#"


@pytest.mark.parametrize(
    ("value", "delimiters"),
    [
        ([[["too", ["deep"]]]], OWN),
        (["two", "repetitions"], Delimiters("|", "^", "", "\\", "&", "")),
        ("needs|escaping", Delimiters("|", "^", "~", "", "", "")),
    ],
)
def test_what_cannot_be_written(value: object, delimiters: Delimiters) -> None:
    with pytest.raises(WriteError):
        build([("MSH", MSH), ("PID", [value])], delimiters)  # type: ignore[list-item]


def test_a_character_that_the_set_lacks() -> None:
    with pytest.raises(WriteError, match="iso8859-1 lacks"):
        build([("MSH", MSH), ("PID", ["中"])], charset="iso8859-1")
    with pytest.raises(WriteError, match="no such field"):
        with_field(read(build([("MSH", MSH)])), 0, 2, "x")


@given(st.text(alphabet=st.characters(codec="utf-8", min_codepoint=32), max_size=40))
def test_any_text_survives(text: str) -> None:
    message = read(build([("MSH", MSH), ("NTE", ["1", "", [[[text]]]])]))
    assert unescape(message.segments[1].field(3), message.delimiters, message.charset) == text
    assert unescape(escape(text), message.delimiters, "utf-8") == text


@given(st.binary(max_size=300), st.integers(0, 5), st.integers(1, 30))
def test_any_message_is_written_or_refused(tail: bytes, position: int, number: int) -> None:
    try:
        message = read(b"MSH|^~\\&|A|B|||2026||ADT^A01|1|P|2.5\r" + tail)
        position %= len(message.segments)
        changed = with_field(message, position, number, "new")
    except Hl7Error:
        return
    assert read(write(changed)).sha256 != b""
