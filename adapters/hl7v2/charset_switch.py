"""Character set switches in a field (HL7 v2 chapter 2.7.4, `\\Cxxyy\\`, `\\Mxxyyzz\\`): ISO 2022 designations.

The hexadecimal digits are what follows ESC in ISO 2022. The text up to the next switch is in the set named, its bytes
standing where the message's own set would put them.
"""

from __future__ import annotations

import re
from functools import lru_cache

from adapters.hl7v2 import iso2022


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
        code, mark, at = (found[1] or found[2]), found[0], found.end()
    parts.append(_decode(mark, code, text[at:], charset))
    return "".join(parts)


def _decode(mark: str, code: str, run: str, charset: str) -> str:
    if not code:
        return run
    sequence = bytes.fromhex(code)
    half = iso2022.designates(sequence)
    if half is None:
        return mark + run
    if half == "ascii":
        return run
    try:
        if half == "lower":
            return iso2022.decoded(run.encode("ascii"), "ascii", lower=sequence)
        return iso2022.decoded(b"\x1b" + sequence + run.encode(charset), charset)
    except UnicodeError:
        return mark + run
