"""Character sets of a message (HL7 v2 chapter 2.15.9.18, MSH-18; Table 0211): bytes to text, never losing a byte.

The first repetition of MSH-18 governs; further ones name the sets reached by ISO 2022 escapes. A declaration that the
bytes contradict is reported, and the text decoded by what they are, in this order: UTF-8 where they are valid UTF-8
(text of another set is so only by chance, and if very short), what MSH-18 declares, another of its sets, the set of
the country in MSH-17 where MSH-18 says nothing that fits. A byte that is invalid even so is read as Windows-1252, which
has all of ISO 8859-1's printable characters, so that no byte is lost.
"""

from __future__ import annotations

import codecs
import re

from adapters.hl7v2 import charset_names, cns11643, iso2022
from adapters.hl7v2.charset_names import ISO_2022, MULTIBYTE
from adapters.hl7v2.issue import Issue

LOSSLESS = "tabellion.lossless"  # the codec error handler below
DEFAULT = "utf-8"
FALLBACK = "cp1252"
# MSH-17 (ISO 3166, three letters or two) -> what its hospitals send where they don't say what
_OF_COUNTRY = {
    **dict.fromkeys(("CHN", "CN"), "gb18030"),
    **dict.fromkeys(("TWN", "TW", "HKG", "HK", "MAC", "MO"), "big5hkscs"),
    **dict.fromkeys(("KOR", "KR"), "cp949"),
    **dict.fromkeys(("JPN", "JP"), "cp932"),
}
# what senders of a set use in its place, tried where the bytes are not valid in the set declared
_NEAR = {ISO_2022: "cp932", "shift_jis": "cp932", cns11643.NAME: "big5hkscs"}
_SWITCHES = frozenset({ISO_2022, "shift_jis"})
_EAST_ASIAN = re.compile("[\u0800-\uffff]")
_SEQUENCE = re.compile(rb"\x1b([\x20-\x2f]{1,3}[\x30-\x7e])")
_C1 = re.compile("[\x80-\x9f]")


def _lossless(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    bad = error.object[error.start : error.end]
    # the five bytes without a character in Windows-1252 keep their number, as C1 controls
    return "".join(_CP1252[byte] for byte in bad), error.end


_CP1252 = tuple(bytes([byte]).decode("cp1252", "replace").replace("\ufffd", chr(byte)) for byte in range(256))
codecs.register_error(LOSSLESS, _lossless)


def decode(body: bytes, declared: str, country: str, issues: list[Issue]) -> tuple[str, str]:
    """Text of the message and the codec used; `declared` is MSH-18 with `~` between repetitions, `country` MSH-17.

    Any bytes have a text. Issues are added where the text is not what was declared.
    """
    names = charset_names.codecs(declared)
    if names[0] is None:
        issues.append(_issue("error", "not-supported", "the character set in MSH-18 is not known"))
    name = next((each for each in names if each and each != "ascii"), "")
    if name.startswith(("utf-16", "utf-32")):
        issues.append(_issue("warning", "value", "the bytes are not in the character set that MSH-18 declares"))
        name = ""
    if b"\x1b" in body and (name in _SWITCHES or body.isascii() or name.startswith("iso8859")):
        switched = _switched(body, names, name, issues)
        if switched is not None:
            return switched
    if body.isascii():
        return body.decode("ascii"), name or DEFAULT
    if names[0] == "ascii":
        issues.append(_issue("warning", "value", "MSH-18 declares ASCII; the bytes are not"))
    return _eight_bit(body, name, name == names[0], country.upper(), issues)


def _switched(body: bytes, names: tuple[str | None, ...], name: str, issues: list[Issue]) -> tuple[str, str] | None:
    """The text where the bytes hold ISO 2022 sequences; None if they don't, or are something else in spite of them."""
    if not any(iso2022.designates(found[1]) for found in _SEQUENCE.finditer(body)):
        return None
    upper = name if name == "shift_jis" or name.startswith("iso8859") else "ascii"
    try:
        text = iso2022.decoded(body, upper)
    except UnicodeDecodeError:
        if not body.isascii() and _strict(body, DEFAULT) is not None:
            return None
        text = iso2022.decoded(body, upper, LOSSLESS)
        issues.append(_issue("error", "value", "bytes that MSH-18's character set lacks, read as Windows-1252"))
    if len(names) == 1 and name not in _SWITCHES:
        issues.append(_issue("warning", "value", "ISO 2022 escape sequences, of which MSH-18 says nothing"))
    return text, name if name.startswith("iso8859") else ISO_2022


def _eight_bit(body: bytes, name: str, first: bool, country: str, issues: list[Issue]) -> tuple[str, str]:
    utf8 = _strict(body, DEFAULT)
    if utf8 is not None and (name in ("", DEFAULT) or _surely_utf8(body, utf8, name)):
        if name not in ("", DEFAULT):
            issues.append(_issue("warning", "value", "the bytes are UTF-8, not what MSH-18 declares"))
        return utf8, DEFAULT
    if name not in ("", DEFAULT):
        return _as_declared(body, name, first, issues)
    usual = _OF_COUNTRY.get(country)
    text = None if usual is None else _strict(body, usual)
    if usual is not None and text is not None and _hardly_utf8(body):
        issues.append(_issue("warning", "value", "not in MSH-18's character set: read in that of MSH-17's country"))
        return text, usual
    if name == DEFAULT:
        issues.append(_issue("error", "value", "bytes that are not the declared UTF-8, read as Windows-1252"))
        return body.decode(DEFAULT, LOSSLESS), DEFAULT
    issues.append(_issue("warning", "value", "no usable character set in MSH-18 and not UTF-8: read as Windows-1252"))
    return body.decode(DEFAULT, LOSSLESS), FALLBACK


def _as_declared(body: bytes, name: str, first: bool, issues: list[Issue]) -> tuple[str, str]:
    text = _strict(body, name)
    if text is None:
        near = _NEAR.get(name)
        text = None if near is None else _strict(body, near)
        if near is not None and text is not None:
            issues.append(_issue("warning", "value", "the bytes are in a character set near to that of MSH-18"))
            return text, near
        issues.append(_issue("error", "value", "bytes that MSH-18's character set lacks, read as Windows-1252"))
        return body.decode(name, LOSSLESS), name
    if not first:
        issues.append(_issue("warning", "value", "the bytes are in a set that MSH-18 names, but not first"))
    if not name.startswith("iso8859") or _C1.search(text) is None:
        return text, name
    issues.append(_issue("information", "value", "control characters of ISO 8859 read as Windows-1252's characters"))
    if name == "iso8859-1":
        return body.decode(FALLBACK, LOSSLESS), FALLBACK
    return _C1.sub(lambda found: _CP1252[ord(found[0])], text), name


def _surely_utf8(body: bytes, text: str, name: str) -> bool:
    """Whether valid UTF-8 is UTF-8, although `name` was declared.

    In a set of one byte a character a run of UTF-8's form makes no word. In one of two bytes a name of two characters
    may have it, but not that of the three bytes that all of East Asia's characters take.
    """
    return name not in MULTIBYTE or _EAST_ASIAN.search(text) is not None or _strict(body, name) is None


def _hardly_utf8(body: bytes) -> bool:
    """Whether there is more that is not UTF-8 than is: not a text of UTF-8 that was cut inside a character."""
    good = len(body.decode(DEFAULT, "ignore").encode())
    plain = len(body.decode("ascii", "ignore"))
    return len(body) - good > good - plain


def _strict(body: bytes, name: str) -> str | None:
    try:
        return body.decode(name)
    except UnicodeDecodeError:
        return None


def _issue(severity: str, code: str, text: str) -> Issue:
    return Issue(severity, code, "MSH[1]-18[1].1.1", None, text)
