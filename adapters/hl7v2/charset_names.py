"""Table 0211 (HL7 v2 chapter 2C, MSH-18): the names of character sets, as the standard and as senders spell them."""

from __future__ import annotations

import re
from functools import lru_cache

from adapters.hl7v2 import cns11643

__all__ = ["ISO_2022", "MULTIBYTE", "codecs"]

# Compared without case, blanks and punctuation.
_NAMES = {
    "ASCII": "ascii",
    "USASCII": "ascii",
    "ANSIX341986": "ascii",
    "ISOIR6": "ascii",
    "ISOIR6ASCII": "ascii",
    "ISO646": "ascii",
    "UNICODEUTF8": "utf-8",
    "UTF8": "utf-8",
    "ISOIR192": "utf-8",
    "UNICODE": "utf-8",  # withdrawn in v2.5 ("UNICODE" was UCS-2); real UCS-2 bytes are recognised before this table
    "UNICODEUTF16": "utf-16",
    "UTF16": "utf-16",
    "UTF16LE": "utf-16",
    "UTF16BE": "utf-16",
    "UCS2": "utf-16",
    "UNICODEUTF32": "utf-32",
    "UTF32": "utf-32",
    **dict.fromkeys(("GB180302000", "GB18030", "GBK", "GB2312", "GB231280", "CP936", "EUCCN", "ISOIR58"), "gb18030"),
    **dict.fromkeys(("BIG5", "BIG5HKSCS", "CP950"), "big5hkscs"),
    **dict.fromkeys(("CNS116431992", "CNS11643", "EUCTW"), cns11643.NAME),
    **dict.fromkeys(("KSX1001", "KSC5601", "EUCKR", "UHC", "CP949", "MS949", "ISOIR149"), "cp949"),
    **dict.fromkeys(("ISOIR87", "ISOIR159", "JISX0202", "JAS2020", "ISO2022JP"), "iso2022_jp_ext"),
    # JIS X 0201: one byte a character; shift_jis holds it and ASCII
    "ISOIR14": "shift_jis",
    "ISOIR13": "shift_jis",
    **dict.fromkeys(("SHIFTJIS", "SJIS", "MS932", "CP932", "WINDOWS31J"), "cp932"),
    "EUCJP": "euc_jp",
    **dict.fromkeys(("TIS620", "ISOIR166"), "iso8859-11"),
    "KOI8R": "koi8_r",
    **dict.fromkeys(("CP437", "IBM437"), "cp437"),
    **dict.fromkeys(("CP850", "IBM850"), "cp850"),
    **{f"{prefix}{page}": f"cp{page}" for prefix in ("WINDOWS", "CP") for page in (874, *range(1250, 1259))},
    **dict.fromkeys(("ANSI", "1252"), "cp1252"),
    **{f"{prefix}8859{part}": f"iso8859-{part}" for prefix in ("", "ISO") for part in (*range(1, 12), 13, 14, 15, 16)},
    **{f"LATIN{number}": f"iso8859-{part}" for number, part in ((1, 1), (2, 2), (3, 3), (4, 4), (5, 9), (9, 15))},
    # the same alphabets by their ISO registration, as DICOM names them
    **{
        f"ISOIR{number}": f"iso8859-{part}"
        for number, part in ((100, 1), (101, 2), (109, 3), (110, 4), (144, 5), (127, 6), (126, 7), (138, 8), (148, 9))
    },
}
ISO_2022 = "iso2022_jp_ext"
MULTIBYTE = frozenset({"gb18030", "big5hkscs", cns11643.NAME, "cp949", "shift_jis", "cp932", "euc_jp", ISO_2022})


@lru_cache(maxsize=256)
def codecs(declared: str) -> tuple[str | None, ...]:
    """Python's codec for each repetition of MSH-18 (`~` between them): '' where it is empty, None where unknown."""
    return tuple(_codec(re.sub(r"[^0-9A-Z]", "", name.upper())) for name in declared.split("~"))


def _codec(name: str) -> str | None:
    return _NAMES.get(name) if name else ""
