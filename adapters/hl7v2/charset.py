"""Character sets of a message (HL7 v2 chapter 2.15.9.18, MSH-18; Table 0211): bytes to text, never losing a byte.

The first repetition of MSH-18 governs; further ones name the sets reached by ISO 2022 escapes. A declaration that the
bytes contradict is reported and the text decoded by what they are: UTF-8 where they are valid UTF-8, else as declared,
each invalid byte read as Windows-1252 (a superset of ISO 8859-1's printable half, so that no byte is lost).
"""

from __future__ import annotations

import codecs
import re
from functools import lru_cache

from adapters.hl7v2.issue import Issue

LOSSLESS = "tabellion.lossless"  # the codec error handler below
DEFAULT = "utf-8"
FALLBACK = "cp1252"

# Table 0211 and the spellings met in the field, compared without case, blanks and punctuation.
_NAMES = {
    "ASCII": "ascii",
    "USASCII": "ascii",
    "ANSIX341986": "ascii",
    "ISOIR6": "ascii",
    "UNICODEUTF8": "utf-8",
    "UTF8": "utf-8",
    "UNICODE": "utf-8",  # withdrawn in v2.5 ("UNICODE" was UCS-2); real UCS-2 bytes are recognised before this table
    "UNICODEUTF16": "utf-16",
    "UTF16": "utf-16",
    "UNICODEUTF32": "utf-32",
    "UTF32": "utf-32",
    "GB180302000": "gb18030",
    "GB18030": "gb18030",
    "GBK": "gb18030",
    "GB2312": "gb18030",
    "CP936": "gb18030",
    "BIG5": "big5hkscs",
    "KSX1001": "cp949",
    "EUCKR": "cp949",
    "ISOIR87": "iso2022_jp_ext",
    "JISX0202": "iso2022_jp_ext",
    "JAS2020": "iso2022_jp_ext",
    "ISOIR159": "iso2022_jp_ext",
    "ISOIR14": "shift_jis",  # JIS X 0201: one byte a character; shift_jis holds it and ASCII
    "ISOIR13": "shift_jis",
    "SHIFTJIS": "cp932",
    "EUCJP": "euc_jp",
    "WINDOWS1252": "cp1252",
    "CP1252": "cp1252",
    "WINDOWS1250": "cp1250",
    "WINDOWS1251": "cp1251",
    **{f"{prefix}8859{part}": f"iso8859-{part}" for prefix in ("", "ISO") for part in (*range(1, 12), 13, 14, 15, 16)},
}
_ISO_2022 = frozenset({"ISOIR87", "ISOIR159", "ISOIR14", "ISOIR13"})
# Latin alphabets: text of theirs that happens to be valid UTF-8 with multi-byte characters doesn't occur.
_LATIN = frozenset(f"iso8859-{part}" for part in (1, 2, 3, 4, 9, 10, 13, 14, 15, 16)) | {"cp1252"}


def _lossless(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    bad = error.object[error.start : error.end]
    # the five bytes without a character in Windows-1252 keep their number, as C1 controls
    return "".join(_CP1252[byte] for byte in bad), error.end


_CP1252 = tuple(bytes([byte]).decode("cp1252", "replace").replace("\ufffd", chr(byte)) for byte in range(256))
codecs.register_error(LOSSLESS, _lossless)


@lru_cache(maxsize=256)
def codec(declared: str) -> str | None:
    """Python's codec for MSH-18 with `~` between its repetitions; None if unknown, '' if empty."""
    names = [re.sub(r"[^0-9A-Z]", "", name.upper()) for name in declared.split("~")]
    if any(name in _ISO_2022 for name in names[1:]):
        return "iso2022_jp_ext" if names[0] in _ISO_2022 or names[0] in ("", "ASCII") else _NAMES.get(names[0])
    return _NAMES.get(names[0]) if names[0] else ""


def decode(body: bytes, declared: str, issues: list[Issue]) -> tuple[str, str]:
    """Text of the message and the codec used; `declared` is MSH-18 with `~` between repetitions.

    Any bytes have a text. Issues are added where the text is not what was declared.
    """
    name = codec(declared)
    if name is None:
        issues.append(_issue("error", "not-supported", "the character set in MSH-18 is not known"))
        name = ""
    elif name.startswith(("utf-16", "utf-32")):
        issues.append(_issue("warning", "value", "the bytes are not in the character set that MSH-18 declares"))
        name = ""
    if body.isascii() and b"\x1b" not in body:
        return body.decode("ascii"), DEFAULT if name == "ascii" else name or DEFAULT
    if name == "ascii":
        if not body.isascii():
            issues.append(_issue("warning", "value", "MSH-18 declares ASCII; the bytes are not"))
        name = ""
    utf8 = _strict(body, DEFAULT)
    if name in _LATIN and utf8 is not None:
        issues.append(_issue("warning", "value", "MSH-18 declares a Latin character set; the bytes are UTF-8"))
        return utf8, DEFAULT
    if name and name != DEFAULT:
        text = _strict(body, name)
        if text is not None:
            return (_windows(body, issues), FALLBACK) if name == "iso8859-1" and _has_c1(text) else (text, name)
        if utf8 is not None:
            issues.append(_issue("warning", "value", "the bytes are UTF-8, not what MSH-18 declares"))
            return utf8, DEFAULT
        issues.append(_issue("error", "value", "bytes that MSH-18's character set lacks, read as Windows-1252"))
        return body.decode(name, LOSSLESS), name
    if utf8 is not None:
        return utf8, DEFAULT
    text = body.decode(DEFAULT, LOSSLESS)
    if name == DEFAULT:
        issues.append(_issue("error", "value", "bytes that are not the declared UTF-8, read as Windows-1252"))
        return text, DEFAULT
    issues.append(_issue("warning", "value", "no usable character set in MSH-18 and not UTF-8: read as Windows-1252"))
    return text, FALLBACK


def _strict(body: bytes, name: str) -> str | None:
    try:
        return body.decode(name)
    except UnicodeDecodeError:
        return None


_C1 = re.compile("[\x80-\x9f]")


def _has_c1(text: str) -> bool:
    return _C1.search(text) is not None


def _windows(body: bytes, issues: list[Issue]) -> str:
    issues.append(_issue("information", "value", "control characters of ISO 8859-1 read as Windows-1252 letters"))
    return body.decode(FALLBACK, LOSSLESS)


def _issue(severity: str, code: str, text: str) -> Issue:
    return Issue(severity, code, "MSH[1]-18[1].1.1", None, text)
