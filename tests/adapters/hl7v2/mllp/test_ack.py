"""Peeking at MSH and answering it: modes × outcomes as a table, mirrored header, faults in both versions' form."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.hl7v2.mllp import Fault, HeaderUnusable, Outcome, acknowledge, answer_code, peek, trim

HEADER = b"MSH|^~\\&|APP^1|FAC|TO|THERE|20260102030405||ADT^A01^ADT_A01|id\xff1|P|2.5.1|||%s|%s||UNICODE UTF-8"
FAULT = Fault("200", "Unsupported message type", 9, "no ADT here")

ANSWERS = [
    # MSH-15, MSH-16, outcome -> code
    (b"", b"", Outcome.KEPT, "AA"),
    (b"", b"", Outcome.UNREADABLE, "AE"),
    (b"", b"", Outcome.REFUSED, "AR"),
    (b"", b"", Outcome.FAILED, "AR"),
    (b"AL", b"", Outcome.KEPT, "CA"),
    (b"AL", b"", Outcome.UNREADABLE, "CE"),
    (b"AL", b"", Outcome.REFUSED, "CR"),
    (b"AL", b"", Outcome.FAILED, "CE"),
    (b"SU", b"", Outcome.KEPT, "CA"),
    (b"SU", b"", Outcome.REFUSED, None),
    (b"SU", b"", Outcome.FAILED, None),
    (b"ER", b"", Outcome.KEPT, None),
    (b"ER", b"", Outcome.REFUSED, "CR"),
    (b"ER", b"AL", Outcome.FAILED, "CE"),
    (b"NE", b"NE", Outcome.KEPT, None),
    (b"NE", b"", Outcome.FAILED, None),
    (b"", b"AL", Outcome.KEPT, "CA"),
    (b"al", b"", Outcome.KEPT, "CA"),
    (b"", b"", Outcome.WAITING, None),
    (b"", b"", Outcome.NONCONFORMING, "AE"),
    (b"", b"", Outcome.DEAD, "AR"),
    (b"AL", b"AL", Outcome.DEAD, "CA"),  # it is committed; the application acknowledgement tells the rest
]


@pytest.mark.parametrize(("accept", "application", "outcome", "code"), ANSWERS)
def test_answer_code(accept: bytes, application: bytes, outcome: Outcome, code: str | None) -> None:
    """MSA-1 by mode and outcome."""
    assert answer_code(peek(HEADER % (accept, application)), outcome) == code


def test_acknowledgement_mirrors_the_header() -> None:
    """3/4 and 5/6 swapped, MSH-11, -12, -18 and the delimiters kept, MSA-2 byte for byte."""
    answer = acknowledge(peek(HEADER % (b"", b"")), "AA", "T1", "20260102")
    assert answer == (
        b"MSH|^~\\&|TO|THERE|APP^1|FAC|20260102||ACK^A01^ACK|T1|P|2.5.1||||||UNICODE UTF-8\rMSA|AA|id\xff1\r"
    )


def test_custom_delimiters_and_five_encoding_characters() -> None:
    """The answer speaks the sender's delimiters."""
    answer = acknowledge(peek(b"MSH$%~!*#$A$B$C$D$$$ADT%A08$7$P$2.3"), "AR", "T1", "20260102", FAULT)
    assert answer.startswith(
        b"MSH$%~!*#$C$D$A$B$20260102$$ACK%A08$T1$P$2.3\rMSA$AR$7$no ADT here$$$200%Unsupported message type%HL70357\r"
    )
    assert answer.endswith(b"ERR$MSH%1%9%200*Unsupported message type*HL70357\r")


def test_fault_from_version_2_5_stands_in_err() -> None:
    """ERR-2 location, ERR-3 condition, ERR-4 severity, ERR-8 words."""
    answer = acknowledge(peek(HEADER % (b"AL", b"")), "CR", "T1", "20260102", FAULT)
    assert b"\rMSA|CR|id\xff1\rERR||MSH^1^9|200^Unsupported message type^HL70357|E||||no ADT here\r" in answer


MORE = (
    Fault("101", "Required field missing", None, "no date", "PID[1]-7[1]"),
    Fault("103", "Table value not found", None, "no unit", "OBX[2]-6[1].1.2", "W"),
    Fault("100", "Segment sequence error", None, "no visit", "PV1[1]"),
)


def test_more_faults_each_with_its_place() -> None:
    """An ERR each from 2.5 on, with Table 0516 in ERR-4; before, repetitions of ERR-1."""
    answer = acknowledge(peek(HEADER % (b"", b"")), "AE", "T1", "20260102", MORE[0], more=MORE[1:])
    assert answer.split(b"\r")[1:] == [
        b"MSA|AE|id\xff1",
        b"ERR||PID^1^7^1|101^Required field missing^HL70357|E||||no date",
        b"ERR||OBX^2^6^1^1^2|103^Table value not found^HL70357|W||||no unit",
        b"ERR||PV1^1|100^Segment sequence error^HL70357|E||||no visit",
        b"",
    ]
    before = acknowledge(peek(b"MSH|^~\\&|||||||A^B|1|P|2.3.1"), "AE", "T1", "x", MORE[0], more=MORE[1:])
    assert before.split(b"\r")[1:] == [
        b"MSA|AE|1|no date|||101^Required field missing^HL70357",
        b"ERR|PID^1^7^101&Required field missing&HL70357~OBX^2^6^103&Table value not found&HL70357"
        b"~PV1^1^^100&Segment sequence error&HL70357",
        b"",
    ]


def test_our_words_never_break_the_message() -> None:
    """Delimiters in a fault's text become blanks."""
    answer = acknowledge(peek(b"MSH|^~\\&|||||||A^B|1|P|2.4"), "AE", "T1", "x", Fault("101", "n", None, "a|b^c\\d"))
    assert b"|a b c d|" in answer


TRIMMED = [
    (b"MSH|^~\\&|x\r\x1c\r", b"MSH|^~\\&|x"),
    (b"\xef\xbb\xbfMSH|^~\\&|x\r\n", b"MSH|^~\\&|x"),
    (b"\r\nMSH|^~\\&|x", b"MSH|^~\\&|x"),
    (b"\x0bMSH|^~\\&|x", b"MSH|^~\\&|x"),
    (b"FHS|^~\\&\rMSH|^~\\&|x", b"MSH|^~\\&|x"),
]


@pytest.mark.parametrize(("data", "body"), TRIMMED)
def test_trim(data: bytes, body: bytes) -> None:
    """A block is cut to its message as a file is."""
    assert trim(data) == body


@pytest.mark.parametrize(
    "data", [b"", b"hello", b"MSH", b"MSHX|^~\\&", b"PID|1\rxMSH|^~\\&", b"MSH|^~\\&|a\rMSH|^~\\&|b"]
)
def test_no_single_message(data: bytes) -> None:
    """No MSH line, or two of them."""
    with pytest.raises(HeaderUnusable):
        trim(data)


@pytest.mark.parametrize("data", [b"MSH|", b"MSH||", b"MSH"])
def test_unusable_encoding_characters(data: bytes) -> None:
    """MSH-2 empty."""
    with pytest.raises(HeaderUnusable):
        peek(data)


@pytest.mark.parametrize(
    ("declared", "codec"),
    [
        ("GB 18030-2000", "gb18030"),
        ("GBK", "gb18030"),
        ("~gb2312", "gb18030"),
        ("BIG-5", "big5hkscs"),
        ("KS X 1001", "cp949"),
        ("SJIS", "cp932"),
    ],
)
def test_a_separator_as_second_byte_of_a_character_shifts_no_field(declared: str, codec: str) -> None:
    """Second bytes run into the letters and, in most of these sets, the separators of ASCII."""
    second = b"|" if codec != "cp949" else b"Z"
    name = next(c for c in map(chr, range(0x3000, 0xD7A3)) if _bytes(c, codec)[1:2] == second).encode(codec)
    header = b"MSH|^~\\&|A" + name + b"|FAC|TO|THERE|2026||ADT^A01|77|P|2.4||||||" + declared.encode()
    assert peek(header).control_id == b"77"
    assert peek(header).field(3) == b"A" + name


def test_a_header_in_utf_8_is_split_as_such_whatever_it_declares() -> None:
    header = "MSH|^~\\&|王|FAC|TO|THERE|2026||ADT^A01|77|P|2.4||||||GB18030".encode()
    assert peek(header).control_id == b"77"
    assert peek(header).field(3) == "王".encode()


def test_a_header_that_names_sets_again_and_again_is_decoded_once() -> None:
    header = b"MSH|^~\\&|A|F|T|H|2026||ADT^A01|77|P|2.4" + b"|BIG-5" * 900 + b"|\xff"
    assert peek(header).control_id == b"77"


def _bytes(character: str, codec: str) -> bytes:
    return character.encode(codec, "ignore")


@given(st.binary(max_size=80))
def test_any_bytes_peek_or_our_error(data: bytes) -> None:
    """Any bytes give a header or HeaderUnusable; an answer can then be made."""
    try:
        header = peek(trim(b"MSH" + data))
    except HeaderUnusable:
        return
    assert acknowledge(header, "AE", "T1", "20260102", FAULT).startswith(b"MSH")
