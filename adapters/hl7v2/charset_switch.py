"""Character set switches in a field (HL7 v2 chapter 2.7.4, `\\Cxxyy\\`, `\\Mxxyyzz\\`): ISO 2022 designations.

The hexadecimal digits are what follows ESC in ISO 2022. The text up to the next switch is in the set named, its bytes
standing where the message's own set would put them.
"""

from __future__ import annotations

import re
from functools import lru_cache

# ISO 2022 designations of 8-bit sets (G1): the text's upper half is read in this set
_UPPER_HALF = {
    "2D41": "iso8859-1",
    "2D42": "iso8859-2",
    "2D43": "iso8859-3",
    "2D44": "iso8859-4",
    "2D4C": "iso8859-5",
    "2D47": "iso8859-6",
    "2D46": "iso8859-7",
    "2D48": "iso8859-8",
    "2D4D": "iso8859-9",
    "2D54": "tis_620",
}
_ASCII = frozenset({"2842", "284A"})  # back to ASCII, JIS X 0201 Roman
_SEVEN_BIT = ("iso2022_jp_2", "iso2022_jp_ext")


@lru_cache(maxsize=64)
def _pattern(escape: str) -> re.Pattern[str]:
    mark = re.escape(escape)
    code = r"(?:C([0-9A-Fa-f]{4})|M([0-9A-Fa-f]{4}(?:[0-9A-Fa-f]{2})?))"
    return re.compile(mark + code + mark)


def switched(text: str, escape: str, charset: str) -> str:
    """`text` with switched runs decoded; a switch that can't be followed stays as it stands."""
    if escape + "C" not in text and escape + "M" not in text:
        return text
    parts: list[str] = []
    at = 0
    code, mark = "", ""
    for found in _pattern(escape).finditer(text):
        parts.append(_decode(mark, code, text[at : found.start()], charset))
        code, mark, at = (found[1] or found[2]).upper(), found[0], found.end()
    parts.append(_decode(mark, code, text[at:], charset))
    return "".join(parts)


def _decode(mark: str, code: str, run: str, charset: str) -> str:
    if not code or code in _ASCII:
        return run
    try:
        if code in _UPPER_HALF:
            return run.encode(charset).decode(_UPPER_HALF[code])
        sequence = b"\x1b" + bytes.fromhex(code) + run.encode("ascii")
    except UnicodeError:
        return mark + run
    for name in _SEVEN_BIT:
        try:
            return sequence.decode(name)
        except UnicodeDecodeError:
            continue
    return mark + run
