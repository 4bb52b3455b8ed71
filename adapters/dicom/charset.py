"""Specific Character Set (0008,0005) and decoding of text (PS3.5 section 6.1, PS3.3 C.12.1.1.2).

Leniencies, each from files of the field: spellings such as `ISO-IR 100` or `ISO 100` stand for `ISO_IR 100`; UTF-8
under a single-byte set, or under none, is read as UTF-8 and said so, for a run of Latin letters that happens to be
valid UTF-8 doesn't occur. What can't be decoded by what is declared is never guessed: the value falls.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

__all__ = ["ASCII", "Charset", "charset"]

# Defined Terms → Python codec; the numbers are those of the ISO register
_SINGLE = {
    "6": "ascii",
    "100": "latin_1",
    "101": "iso8859_2",
    "109": "iso8859_3",
    "110": "iso8859_4",
    "144": "iso8859_5",
    "127": "iso8859_6",
    "126": "iso8859_7",
    "138": "iso8859_8",
    "148": "iso8859_9",
    "203": "iso8859_15",
    "166": "iso8859_11",
    "13": "shift_jis",
}
_WIDE = {"192": "utf_8", "87": "iso2022_jp", "159": "iso2022_jp_2", "149": "euc_kr", "58": "gb2312"}
_NAMED = {"GB18030": "gb18030", "GBK": "gbk", "ISO2022GBK": "gbk", "UTF8": "utf_8", "ISO_IR192": "utf_8"}
_TERM = re.compile(r"ISO[ _-]?(?:IR|2022)?[ _-]?(?:IR)?[ _-]?(\d{1,3})")

# escape sequence → (codec, whether it is a set of two-byte codes in G0, which the codec reads with the escape)
_ESCAPES = {
    b"\x1b(B": ("", False),
    b"\x1b(J": ("", False),
    b"\x1b-A": ("latin_1", False),
    b"\x1b)I": ("shift_jis", False),
    b"\x1b-B": ("iso8859_2", False),
    b"\x1b-C": ("iso8859_3", False),
    b"\x1b-D": ("iso8859_4", False),
    b"\x1b-F": ("iso8859_7", False),
    b"\x1b-G": ("iso8859_6", False),
    b"\x1b-H": ("iso8859_8", False),
    b"\x1b-L": ("iso8859_5", False),
    b"\x1b-M": ("iso8859_9", False),
    b"\x1b-T": ("iso8859_11", False),
    b"\x1b-b": ("iso8859_15", False),
    b"\x1b$)C": ("euc_kr", False),
    b"\x1b$)A": ("gb2312", False),
    b"\x1b$B": ("iso2022_jp", True),
    b"\x1b$(D": ("iso2022_jp_2", True),
}
_PIECE = re.compile(rb"(\x1b\$[()][A-Z]|\x1b\$B|\x1b[()\-][A-Za-z])")
_RESET = re.compile(rb"([\\^=\r\n\t\f])")


@dataclass(frozen=True, slots=True)
class Charset:
    """How text of a data set is decoded. `unknown`: terms that we don't know; `declared`: (0008,0005) has a value."""

    codec: str
    extended: bool = False
    declared: bool = True
    unknown: bool = False

    def decode(self, raw: bytes) -> tuple[str | None, str]:
        """(text, what is to be said of it); None: what is declared can't be meant."""
        if raw.isascii() and b"\x1b" not in raw:
            return raw.decode("ascii"), ""
        if b"\x1b" in raw and (self.extended or not self.declared):
            return self._extended(raw)
        if self.codec != "utf_8" and self.codec in _BYTES and not raw.isascii():
            text = _decoded(raw, "utf_8")
            if text is not None:
                return text, "is UTF-8, which (0008,0005) doesn't say"
        text = _decoded(raw, self.codec)
        return (text, "") if text is not None else (None, _UNREADABLE)

    def _extended(self, raw: bytes) -> tuple[str | None, str]:
        """ISO 2022: escapes switch code elements, delimiters switch back."""
        found = []
        codec, escape = self.codec, b""
        for piece in _PIECE.split(raw):
            if piece[:1] == b"\x1b":
                name, wide = _ESCAPES.get(piece, ("?", False))
                if name == "?":
                    return None, "holds an escape sequence that is not known"
                escape = piece if wide else b""
                codec = name or (codec if codec not in ("iso2022_jp", "iso2022_jp_2") else self.codec)
                continue
            for part in [piece] if escape else _RESET.split(piece):
                if not escape and _RESET.fullmatch(part):
                    codec = self.codec
                text = _decoded(escape + part, codec)
                if text is None:
                    return None, _UNREADABLE
                found.append(text)
        return "".join(found), ""


_BYTES = frozenset({"ascii", *_SINGLE.values()}) - {"shift_jis"}
_UNREADABLE = "can't be decoded by the character set that (0008,0005) names"
ASCII = Charset("ascii", declared=False)


def _decoded(raw: bytes, codec: str) -> str | None:
    try:
        return raw.decode(codec)
    except UnicodeDecodeError:
        return None


@lru_cache(maxsize=256)
def charset(declared: str) -> Charset:
    """The character set of a value of (0008,0005), several terms separated by backslashes."""
    terms = [term.strip(" \0") for term in declared.split("\\")]
    if not any(terms):
        return ASCII
    codecs = [_codec(term) for term in terms]
    first = codecs[0]
    if first in ("iso2022_jp", "iso2022_jp_2"):
        first = "ascii"  # sets of G0 are reached by escapes only
    extended = len(terms) > 1 or "2022" in terms[0]
    return Charset(first or "ascii", extended and first not in ("utf_8", "gb18030", "gbk"), unknown="" in codecs)


def _codec(term: str) -> str:
    """'' for a term that is not known."""
    if not term:
        return "ascii"
    short = term.upper().replace(" ", "").replace("-", "_")
    if short in _NAMED:
        return _NAMED[short]
    found = _TERM.fullmatch(term.upper())
    return (_SINGLE.get(found[1]) or _WIDE.get(found[1], "")) if found else ""
