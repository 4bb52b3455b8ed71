"""Character encodings of XML (XML 1.0, 4.3.3 and appendix F): byte order mark, declaration, UTF-8, then a legacy one.

The bytes are decoded here and handed to the parser as UTF-8, so that what was looked at is what is parsed: no
declaration can make the parser read something else. UTF-7 and EBCDIC are nobody's encoding and are not decoded.
"""

from __future__ import annotations

import codecs
import re

from adapters.cda.errors import EncodingError
from adapters.hl7v2 import Issue

__all__ = ["decode"]

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, ""),  # before UTF-16's, which begins alike; nobody writes it
    (codecs.BOM_UTF32_BE, ""),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_UNMARKED = ((b"<\0?\0", "utf-16-le"), (b"\0<\0?", "utf-16-be"))
_DECLARED = re.compile(rb"""\s*<\?xml[^>]{0,200}?\sencoding\s*=\s*["']([A-Za-z0-9._\-]{1,40})["']""")
# What a declaration may say → Python's codec. A superset stands for its parts: gb18030 reads GB 2312 and GBK.
_CODECS = {
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "us-ascii": "ascii",
    "ascii": "ascii",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "gb18030": "gb18030",
    "big5": "big5",
    "shift_jis": "shift_jis",
    "euc-jp": "euc_jp",
    "euc-kr": "euc_kr",
    **{f"iso-8859-{part}": f"iso8859-{part}" for part in (*range(1, 12), 13, 14, 15, 16)},
    **{f"windows-125{part}": f"cp125{part}" for part in range(9)},
}
_CHINESE = re.compile(rb"""<realmCode\s[^>]*code\s*=\s*["']CN["']""")


def decode(data: bytes, legacy: str | None) -> tuple[str, list[Issue]]:
    """The text and what had to be guessed. Raises EncodingError.

    `legacy`: the codec of a sender that declares none or a wrong one; None = gb18030 for realm CN, else cp1252.
    """
    for mark, codec in _MARKS:
        if data.startswith(mark):
            if not codec:
                raise EncodingError("UTF-32 is not read")
            return _strict(data[len(mark) :], codec), []
    for start, codec in _UNMARKED:
        if data.startswith(start):
            return _strict(data, codec), []
    match = _DECLARED.match(data)
    declared = match[1].decode("ascii").lower() if match else ""
    codec = _CODECS.get(declared, "")
    if declared.startswith("utf-16"):
        codec = ""  # without a byte order mark and readable as ASCII it can't be
    if codec:
        try:
            return data.decode(codec), []
        except UnicodeDecodeError:
            pass
    issues = []
    if declared and not codec:
        issues.append(_issue(f"the declared encoding is not read: another was tried ({declared})"))
    elif codec:
        issues.append(_issue(f"the bytes are not in the declared encoding ({declared})"))
    if codec != "utf-8":
        try:
            return data.decode("utf-8"), issues
        except UnicodeDecodeError:
            pass
    chosen = legacy or ("gb18030" if _CHINESE.search(data[:20_000]) else "cp1252")
    text = _strict(data, chosen)
    return text, [*issues, _issue(f"no encoding fits but the sender's own: read as {chosen}")]


def _strict(data: bytes, codec: str) -> str:
    try:
        return data.decode(codec)
    except UnicodeDecodeError as error:
        raise EncodingError(f"the bytes are not text in {codec}") from error


def _issue(text: str) -> Issue:
    return Issue("warning", "structure", None, None, text)
