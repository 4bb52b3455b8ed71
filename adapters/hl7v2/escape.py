"""Escape sequences in text fields (HL7 v2 chapter 2.7): field text to plain text, always a legal FHIR string.

`\\F\\ \\S\\ \\T\\ \\R\\ \\E\\ \\P\\` are the delimiters; `\\Xhh..\\` bytes in the message's character set; `\\.br\\`
and the other formatting commands, in either case, become line breaks and blanks; highlighting `\\H\\ \\N\\` goes;
`\\Z..\\` and anything unknown stays as it stands, a stray escape character too.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from adapters.hl7v2.charset import LOSSLESS
from adapters.hl7v2.charset_switch import switched
from adapters.hl7v2.delimiters import STANDARD, Delimiters

# FHIR R4 string: no code point below 32 but tab, line feed and carriage return. What separates lines or pages becomes a
# line feed; the rest a replacement character, so that it shows that something stood there.
ILLEGAL = {code: "\ufffd" for code in range(32) if code not in (9, 10, 13)} | {11: "\n", 12: "\n"}
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")
_WIDE_END = re.compile(rb"\x00([\r\n\t])")
_MOST_BLANKS = 200  # `\.sp..\` and `\.sk..\` take a count from the sender

_LINES = {"br": 1, "ce": 1}  # formatting commands (2.7.6) that end a line; fi nf in ti only set margins
_FORMAT = r"\.(?P<command>(?i:br|sp|fi|nf|in|ti|sk|ce))(?P<count>\s{0,4}[+-]?\d{0,9})\s{0,4}"


def unescape(text: str, delimiters: Delimiters, charset: str) -> str:
    """Plain text of one leaf; `charset` is the message's codec."""
    escape = delimiters.escape
    if not escape or escape not in text:
        return text
    return _compiled(delimiters, charset)(text)


def legal(text: str) -> str:
    """`text` without the control characters that a FHIR string may not hold."""
    return text.translate(ILLEGAL) if _ILLEGAL.search(text) else text


@lru_cache(maxsize=256)
def _compiled(delimiters: Delimiters, charset: str) -> Callable[[str], str]:
    mark = re.escape(delimiters.escape)
    letters = {
        "F": delimiters.field,
        "S": delimiters.component or STANDARD.component,
        "T": delimiters.subcomponent or STANDARD.subcomponent,
        "R": delimiters.repetition or STANDARD.repetition,
        "E": delimiters.escape,
        "P": delimiters.truncation or "#",
        "H": "",
        "N": "",
    }
    sequence = re.compile(
        # neighbouring hexadecimal sequences are one run: a character may be spread over several
        rf"(?P<hex>(?:{mark}[Xx](?:[0-9A-Fa-f]{{2}})+{mark})+)"
        rf"|{mark}(?:(?P<letter>[FSTREPHN])|{_FORMAT}){mark}"
    )
    digits = re.compile(rf"{mark}[Xx]?")

    def replace(found: re.Match[str]) -> str:
        letter = found["letter"]
        if letter is not None:
            return letters[letter]
        run = found["hex"]
        if run is not None:
            return _text(bytes.fromhex(digits.sub("", run)), charset)
        return _format(found["command"], found["count"])

    def plain(text: str) -> str:
        return legal(sequence.sub(replace, switched(text, delimiters.escape, charset)))

    return plain


def _text(run: bytes, charset: str) -> str:
    if not charset.startswith(("utf-16", "utf-32")) and b"\x00" in run:
        run = _WIDE_END.sub(rb"\1", run)  # a line break sent in sixteen bits: `\X000D\`
    return run.decode(charset, LOSSLESS)


def _format(command: str, count: str) -> str:
    command = command.lower()
    if command in _LINES:
        return "\n"
    if command not in ("sp", "sk"):
        return ""
    number = abs(int(count)) if count.strip(" \t\r\n+-") else 1
    return ("\n" if command == "sp" else " ") * min(number, _MOST_BLANKS)
