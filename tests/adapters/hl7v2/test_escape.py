"""Escape sequences, one rule a row (chapter 2.7)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.hl7v2 import Delimiters, unescape

USUAL = Delimiters("|", "^", "~", "\\", "&", "")
WITH_TRUNCATION = Delimiters("|", "^", "~", "\\", "&", "%")
OTHER = Delimiters("$", "@", "*", "!", "%", "")

ROWS = [
    ("plain", "plain"),
    ("a\\F\\b\\S\\c\\T\\d\\R\\e\\E\\f", "a|b^c&d~e\\f"),
    ("\\P\\", "#"),
    ("\\E\\F\\E\\", "\\F\\"),  # an escaped escape character opens nothing
    ("one\\.br\\two", "one\ntwo"),
    ("one\\.BR\\two\\.Sp2\\three", "one\ntwo\n\nthree"),
    ("one\\X000D\\two\\X000d000a\\three", "one\rtwo\r\nthree"),
    ("one\\.sp\\two\\.sp3\\three\\.sp+2\\four", "one\ntwo\n\n\nthree\n\nfour"),
    ("a\\.sk4\\b\\.ce\\c", "a    b\nc"),
    ("a\\.fi\\b\\.nf\\c\\.in+4\\d\\.ti-2\\e", "abcde"),
    ("\\.sp999999999\\x", "\n" * 200 + "x"),
    ("\\H\\bold\\N\\ thin", "bold thin"),
    ("\\X41\\", "A"),
    ("\\XC3A9\\\\xc3a9\\", "éé"),
    ("\\XC3\\\\XA9\\", "é"),  # one character over two sequences
    ("\\X0D0A\\x\\X09\\", "\r\nx\t"),
    ("\\X00\\\\X1B\\\\X0C\\", "\ufffd\ufffd\n"),
    ("\\XE9\\", "é"),  # not UTF-8: Windows-1252, never lost
    ("\\X4\\", "\\X4\\"),  # half a byte is no sequence
    ("\\X\\", "\\X\\"),
    ("\\Zlocal\\", "\\Zlocal\\"),
    ("C:\\temp\\file", "C:\\temp\\file"),
    ("C:\\dir\\T\\x", "C:\\dir&x"),
    ("stray \\ here", "stray \\ here"),
    ("end\\", "end\\"),
    ("\\", "\\"),
    ("\\\\", "\\\\"),
    ("\\f\\", "\\f\\"),
    ("\\.br", "\\.br"),
    ("\\.xx\\", "\\.xx\\"),
]


@pytest.mark.parametrize(("text", "expected"), ROWS)
def test_rule(text: str, expected: str) -> None:
    assert unescape(text, USUAL, "utf-8") == expected


def test_other_delimiters() -> None:
    """The message's own characters are meant, and its own escape character starts a sequence."""
    assert unescape("!F!!S!!T!!R!!E!\\F\\", OTHER, "utf-8") == "$@%*!\\F\\"
    assert unescape("\\P\\", WITH_TRUNCATION, "utf-8") == "%"
    assert unescape("\\F\\", Delimiters("|", "^", "~", "", "", ""), "utf-8") == "\\F\\"


CHARSETS = [
    ("\\XCDF5\\", "gb18030", "王"),
    ("\\XCD\\\\XF5\\", "gb18030", "王"),
    ("\\XE9\\", "iso8859-1", "é"),
    ("\\XA4\\", "iso8859-15", "€"),
    ("\\XA4A4\\", "big5hkscs", "中"),
    ("\\XB1E8\\", "cp949", "김"),
    ("\\XD1\\", "iso8859-5", "б"),
    ("\\X4A00\\", "utf-16-le", "J"),
]


@pytest.mark.parametrize(("text", "charset", "expected"), CHARSETS)
def test_bytes_in_the_message_charset(text: str, charset: str, expected: str) -> None:
    assert unescape(text, USUAL, charset) == expected


SWITCHES = [
    ("a\\M2442\\;3ED\\C2842\\b", "ascii", "a山田b"),  # JIS X 0208 and back
    ("\\C2D46\\\xe1", "iso8859-1", "α"),  # the upper half of ISO 8859-7
    ("\\C2D41\\\xe9", "iso8859-5", "\\C2D41\\\xe9"),  # text that the message's set doesn't have: left as it stands
    ("\\M2442\\\u5c71", "utf-8", "\\M2442\\\u5c71"),
    ("\\C2842\\abc", "utf-8", "abc"),
    ("\\C99\\", "utf-8", "\\C99\\"),
    ("\\M2428432A2A\\", "utf-8", "\\M2428432A2A\\"),
]


@pytest.mark.parametrize(("text", "charset", "expected"), SWITCHES)
def test_character_set_switches(text: str, charset: str, expected: str) -> None:
    assert unescape(text, USUAL, charset) == expected


@given(st.text(alphabet="\\FSTREPHNXCMZ.brspk0123456789abCDef \t\x00\x0béá中", max_size=60))
def test_any_text_becomes_a_legal_string(text: str) -> None:
    """Never an exception, never a control character that FHIR forbids beyond those that the reader has removed."""
    raw = "".join(char for char in text if ord(char) >= 32 or char in "\t\r\n")
    for charset in ("utf-8", "gb18030", "iso8859-1", "iso2022_jp_ext", "utf-16-le"):
        plain = unescape(raw, USUAL, charset)
        assert not [char for char in plain if ord(char) < 32 and char not in "\t\r\n"]
        assert not [char for char in plain if 0xD800 <= ord(char) < 0xE000]


@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]), max_size=40))
def test_escaped_text_comes_back(text: str) -> None:
    """What a sender escapes by the rules is what the receiver reads."""
    marks = {"\\": "E", "|": "F", "^": "S", "&": "T", "~": "R"}
    escaped = "".join(f"\\{marks[char]}\\" if char in marks else char for char in text)
    assert unescape(escaped, USUAL, "utf-8") == text
