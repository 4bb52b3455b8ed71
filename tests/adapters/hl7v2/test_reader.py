"""The reader: lines, repairs, header facts, limits."""

from __future__ import annotations

import hashlib
import time

import pytest

from adapters.hl7v2 import HeaderError, LimitError, Limits, Message, read

HEAD = b"MSH|^~\\&|A|B|C|D|2024||ADT^A01|77|P|2.5"


def lines(message: Message) -> list[str]:
    return ["|".join(segment.fields) for segment in message.segments[1:]]


@pytest.mark.parametrize(
    "end", [b"\r", b"\n", b"\r\n", b"\r\r", b"\n\n", b"\r\n\r\n", b"\r \r", b"\x0b\r", b"\r\x1c\r"]
)
def test_line_ends(end: bytes) -> None:
    """CR, LF, CRLF, blank lines and left-over framing all end a segment."""
    message = read(end.join([HEAD, b"EVN|A01", b"PID|1|x", b""]))
    assert lines(message) == ["EVN|A01", "PID|1|x"]
    assert [(s.name, s.number, s.position) for s in message.segments] == [("MSH", 1, 0), ("EVN", 1, 1), ("PID", 1, 2)]
    assert message.issues == []


@pytest.mark.parametrize(
    "around", [(b"", b""), (b"\x0b", b"\r\x1c\r"), (b"\r\n", b"\n"), (b"\xef\xbb\xbf", b"\x1c"), (b"", b"\r\r")]
)
def test_hash_is_of_the_unit(around: tuple[bytes, bytes]) -> None:
    """Framing, a byte order mark and trailing line ends are no part of what is hashed."""
    body = HEAD + b"\rPID|1"
    message = read(around[0] + body + around[1])
    assert (message.sha256, message.size) == (hashlib.sha256(body).digest(), len(body))
    assert message.issues == []


def test_header_facts() -> None:
    message = read(HEAD + b"\rPID|1")
    assert (message.code, message.event, message.structure, message.type) == (
        "ADT",
        "A01",
        "ADT_A01",
        "ADT^A01^ADT_A01",
    )
    assert (message.version, message.dictionary_version, message.control_id) == ("2.5", "2.5", "77")
    assert message.segments[0].field(3) == "A"
    assert message.segments[0].field(99) == ""
    assert message.first("PID") is message.segments[1]
    assert message.first("XYZ") is None
    assert message.all("PID") == [message.segments[1]]


@pytest.mark.parametrize(("number", "name"), [(9, "message type"), (10, "message control id"), (12, "version")])
@pytest.mark.parametrize("value", [b"", b"^^", b'""', b" "])
def test_missing_header_field(number: int, name: str, value: bytes) -> None:
    """Without MSH-9, 10 or 12 the message is still read; it is an error issue at that field."""
    fields = HEAD.split(b"|")
    fields[number - 1] = value
    issues = read(b"|".join(fields)).issues
    assert [(i.severity, i.code, i.path) for i in issues] == [("error", "required", f"MSH[1]-{number}[1].1.1")]
    assert name in issues[0].text


@pytest.mark.parametrize(
    ("sent", "known", "issue"),
    [
        ("2.5.1", "2.5.1", False),
        ("2.4^^", "2.4", False),
        ("2.5.1^USA^x", "2.5.1", False),
        ("2.9", "2.8.2", True),
        ("2.9.1", "2.8.2", True),
        ("2.3.z", "2.3", True),
        ("2.3.2", "2.3.1", True),
        ("2.6.1", "2.6", True),
        ("1.0", "2.1", True),
        ("V2.4", "2.4", True),
        ("HL7 2.4", "2.4", True),
        ("D.2.5", "2.5", True),
        ("2,3", "2.3", True),
        ("2.3.", "2.3", True),
        ("2.7.1", "2.7", True),
        ("2.8.2", "2.8.2", False),
        ("2.5.1 ", "2.5.1", False),
        ("2.5.1^CHN&China&ISO3166_1^2.16&x&ISO", "2.5.1", False),
        ("latest", "2.5.1", True),
        ("99999999999999999999", "2.8.2", True),
    ],
)
def test_version(sent: str, known: str, issue: bool) -> None:
    """An unknown version is read by the nearest known one, and that is said."""
    message = read(HEAD[:-3] + sent.encode())
    assert message.dictionary_version == known
    assert [i.code for i in message.issues] == (["not-supported"] if issue else [])


def test_unknown_and_repeated_segments_are_kept() -> None:
    """Z, unknown, lower-case and misplaced segments, fields past the version's end: everything stays."""
    body = HEAD + b"\rZPI|1|a^b\rABC|x\rpid|1\rPID|1\rPID|2" + b"|" * 60 + b"end\rEVN"
    message = read(body)
    assert lines(message)[:4] == ["ZPI|1|a^b", "ABC|x", "pid|1", "PID|1"]
    assert message.segments[5].number == 2
    assert message.segments[5].fields[-1] == "end"
    assert message.segments[6].fields == ["EVN"]


CONTINUED = [
    # an unescaped line break in a text field
    (b"OBX|1|TX|c||one\ntwo\nthree||||||F\rNTE|1", ["OBX|1|TX|c||one\ntwo\nthree||||||F", "NTE|1"]),
    (b"NTE|1||no separator\rEND\rYES", ["NTE|1||no separator\nEND\nYES"]),
    (b"NTE|1||a\n  indented", ["NTE|1||a\n  indented"]),
    (b"NTE|1||a\n1|2", ["NTE|1||a\n1|2"]),
    # chapter 2.10.2: ADD continues the segment before it, broken anywhere
    (b"OBX|1|FT|x||first \rADD|second|u|r\rADD|est||||F", ["OBX|1|FT|x||first second|u|rest||||F"]),
    (b"PID|1\rADD", ["PID|1"]),
    # blanks around a known name
    (b"PID|1\r  PV1|1\rOBX |2", ["PID|1", "PV1|1", "OBX|2"]),
]


@pytest.mark.parametrize(("rest", "expected"), CONTINUED)
def test_broken_lines(rest: bytes, expected: list[str]) -> None:
    assert lines(read(HEAD + b"\r" + rest)) == expected


def test_broken_line_is_reported_once() -> None:
    issues = read(HEAD + b"\rNTE|1||a\nb\nc\nd").issues
    assert [(i.severity, i.code, i.path) for i in issues] == [("warning", "structure", "NTE[1]-1[1].1.1")]


def test_add_after_msh_continues_another_message() -> None:
    """An ADD that comes first continues a segment of the message before (continuation pointer): it is kept."""
    assert lines(read(HEAD + b"\rADD|rest\rPID|1")) == ["ADD|rest", "PID|1"]


def test_second_header() -> None:
    """A second MSH in one unit is kept and said; its separators count as fields, as in the first."""
    message = read(HEAD + b"\rPID|1\rMSH|^~\\&|X")
    assert message.segments[2].fields[:4] == ["MSH", "|", "^~\\&", "X"]
    assert [i.severity for i in message.issues] == ["error"]


def test_junk_before_the_header() -> None:
    message = read(b"junk\r\n" + HEAD)
    assert [i.code for i in message.issues] == ["structure"]
    assert message.control_id == "77"


@pytest.mark.parametrize("end", [b"\0", b"\r\0\0", b"\r\x1a", b"\x1a", b"\0\r\0PV1|1\0\0\r\n\x1a\r"])
def test_padding(end: bytes) -> None:
    """What C programs and DOS editors leave at line ends is no text: OBX-11 stays F."""
    message = read(HEAD + b"\rOBX|1|ST|x||y||||||F" + end)
    assert lines(message)[0] == "OBX|1|ST|x||y||||||F"
    assert lines(message)[1:] == (["PV1|1"] if b"PV1" in end else [])
    assert message.issues == []


@pytest.mark.parametrize("line", ["PIDX|1|x", "PV|1", "ZPAT|1"])
def test_the_header_takes_no_text(line: str) -> None:
    """A line after MSH whose name is none of a segment is kept as one: joined to the header it would spoil MSH-12."""
    message = read(HEAD + b"\r" + line.encode() + b"\rPID|1")
    assert (message.version, lines(message), message.issues) == ("2.5", [line, "PID|1"], [])


def test_control_characters() -> None:
    """Bytes that no FHIR string can hold are replaced, and that is said."""
    message = read(HEAD + b"\rPID|1|a\x00b\x1fc\td")
    assert message.segments[1].fields[2] == "a\ufffdb\ufffdc\td"
    assert [i.severity for i in message.issues] == ["warning"]


@pytest.mark.parametrize(
    "body", [b"", b"hello", b"FHS|^~\\&|x", b"MSHX", b"{}", b"\x0b\x1c\r", b"\xff\xfe", b"M\0S\0H\0"]
)
def test_no_message(body: bytes) -> None:
    with pytest.raises(HeaderError):
        read(body)


SMALL = Limits(size=2000, segments=10, fields=50, repetitions=20)


@pytest.mark.parametrize(
    ("rest", "what"),
    [
        (b"x" * 2000, "bytes"),
        (b"\rZ|" * 11, "lines"),
        (b"\rPID" + b"|" * 60, "fields in a segment"),
        (b"\rPID|1" + b"\rADD" + b"|" * 30 + b"\rADD" + b"|" * 30, "fields in a segment"),
        (b"\rPID|" + b"~" * 21, "repetitions in a field"),
    ],
)
def test_limits(rest: bytes, what: str) -> None:
    """Each limit has its error, which holds no text of the message."""
    with pytest.raises(LimitError, match="more than") as raised:
        read(HEAD + rest, SMALL)
    assert raised.value.what == what


@pytest.mark.parametrize(
    "rest",
    [
        b"\rOBX|1|ED|x||" + b"QUJD" * 1_250_000,
        b"\rOBX|1|TX|x||" + b"line\n" * 60_000,
        b"\rNTE|1||x" + b"\rADD|more" * 60_000,
        b"\rPID|" + b"~" * 90_000,
        b"\rPID|" + b"^" * 1_000_000,
        b"\rZZZ" * 50_000,
    ],
    ids=["5 MB", "broken lines", "ADD", "repetitions", "components", "names"],
)
def test_hostile_size_is_linear(rest: bytes) -> None:
    """What a sender can send within the limits costs time in proportion to its bytes."""
    started = time.process_time()
    read(HEAD + rest)
    assert time.process_time() - started < 2
