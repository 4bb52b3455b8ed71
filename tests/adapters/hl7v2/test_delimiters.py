"""MSH-1 and MSH-2: any characters, four or five of them, in every version."""

from __future__ import annotations

import pytest

from adapters.hl7v2 import Delimiters, HeaderError, leaf_text, read, unescape

GOOD = [
    ("|^~\\&", Delimiters("|", "^", "~", "\\", "&", "")),
    ("|^~\\&#", Delimiters("|", "^", "~", "\\", "&", "#")),
    ("|^", Delimiters("|", "^", "", "", "", "")),
    ("|^~", Delimiters("|", "^", "~", "", "", "")),
    ("|^~\\", Delimiters("|", "^", "~", "\\", "", "")),
    ("$@*!%", Delimiters("$", "@", "*", "!", "%", "")),
    ("\t^~\\&", Delimiters("\t", "^", "~", "\\", "&", "")),
    (" ^~\\&", Delimiters(" ", "^", "~", "\\", "&", "")),
    ("§¦¬¶µ".replace("µ", "÷"), Delimiters("§", "¦", "¬", "¶", "÷", "")),
    (",-+*/", Delimiters(",", "-", "+", "*", "/", "")),
]


@pytest.mark.parametrize(("header", "expected"), GOOD)
@pytest.mark.parametrize("version", ["2.3", "2.8.2"])
def test_declared(header: str, expected: Delimiters, version: str) -> None:
    """The separators are those that MSH declares; a character that MSH-2 lacks is no separator."""
    mark = header[0]
    empty = mark * 7
    message = read(f"MSH{header}{empty}ADT{header[1]}A01{mark}1{mark}P{mark}{version}\rPID{mark}1".encode())
    assert message.delimiters == expected
    assert message.issues == []
    assert (message.code, message.event, message.structure) == ("ADT", "A01", "ADT_A01")
    assert message.segments[0].fields[:3] == ["MSH", mark, header[1:]]
    assert message.segments[1].fields == ["PID", "1"]


@pytest.mark.parametrize(
    "header",
    [
        "MSH",
        "MSH|",
        "MSH||",
        "MSH\r",
        "MSHA^~\\&A",
        "MSH|ABCD|",
        "MSH|^~ &|",
        "MSH| |",
        "PID|^~\\&|",
        "",
        "MSH|\r^~\\&",
    ],
)
def test_unusable(header: str) -> None:
    """No MSH, or MSH-1/MSH-2 unusable, is the one thing that can't be read."""
    with pytest.raises(HeaderError):
        read(header.encode())


def test_one_character_in_two_roles() -> None:
    """`^~\\\\&`, an escape character doubled by a careless program: split as declared, and said."""
    message = read(b"MSH|^~\\\\&|||||||ADT^A01|1|P|2.5\rPID|a\\b&c")
    assert message.delimiters == Delimiters("|", "^", "~", "", "\\", "&")
    assert [issue.severity for issue in message.issues] == ["error"]
    pid = message.segments[1]
    assert [leaf_text(pid, 1, 1, 1, sub, message.delimiters) for sub in (1, 2, 3)] == ["a", "b&c", ""]


def test_further_characters_are_said() -> None:
    """More than five characters, or a fifth that can't be one: ignored and reported."""
    for encoding in ("^~\\&#!", "^~\\& ", "^~\\&A"):
        message = read(f"MSH|{encoding}|||||||ADT^A01|1|P|2.5".encode())
        assert [issue.path for issue in message.issues] == ["MSH[1]-2[1].1.1"]
        assert message.delimiters.encoding in ("^~\\&#", "^~\\&")


def test_absent_subcomponent_separator_still_has_its_escape() -> None:
    """`\\T\\` means `&` even where MSH-2 stops before it."""
    message = read(b"MSH|^~\\|||||||ADT^A01|1|P|2.5")
    assert unescape("A\\T\\B", message.delimiters, "utf-8") == "A&B"
