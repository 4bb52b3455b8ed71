"""ISO 2022 as HL7 v2 uses it (MSH-20, chapter 2.15.9.20; chapter 2.7.4): escape sequences that change the set.

A sequence designates a set into the lower half (G0) or the upper half (G1) of the bytes. It holds to the next one, and
to the end of the line at most: a segment begins as the message does.
"""

from __future__ import annotations

import re

__all__ = ["decoded", "designates"]

# What follows ESC -> codec in which the set's bytes are characters of the upper half; '' = ASCII
_LOWER = {
    b"(B": "",
    b"(J": "",  # JIS X 0201 Roman: its yen sign and overline stand where \ and ~ are, and mean these
    b"(I": "shift_jis",  # JIS X 0201 Katakana
    b"$@": "euc_jp",  # JIS X 0208
    b"$B": "euc_jp",
    b"$(B": "euc_jp",
    b"$(D": "euc_jp_0212",  # JIS X 0212
    b"$(O": "euc_jis_2004",
    b"$(Q": "euc_jis_2004",  # JIS X 0213
    b"$A": "gb2312",
    b"$(A": "gb2312",
    b"$(C": "euc_kr",
}
_UPPER = {
    b")I": "shift_jis",
    b"$)A": "gb2312",
    b"$)B": "euc_jp",
    b"$)C": "euc_kr",
    **{
        b"-" + bytes((final,)): f"iso8859-{part}"
        for final, part in zip(b"ABCDLGFHMVTYbf", (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 16), strict=True)
    },
}
_ONE_BYTE = frozenset({"shift_jis", *(name for name in _UPPER.values() if name.startswith("iso"))})
_TOKENS = re.compile(rb"\x1b([\x20-\x2f]{1,3}[\x30-\x7e])|[\r\n]")
_HIGH = bytes(byte | 0x80 for byte in range(256))


def designates(sequence: bytes) -> str | None:
    """What a sequence (without its ESC) does: 'ascii', or another set in the 'lower' or 'upper' half; None: unknown."""
    if sequence in _LOWER:
        return "lower" if _LOWER[sequence] else "ascii"
    return "upper" if sequence in _UPPER else None


def decoded(body: bytes, upper: str, errors: str = "strict", lower: bytes = b"(B") -> str:
    """`body` with its sequences followed. `upper`: codec of the upper half where none has been designated.

    Raises UnicodeDecodeError by `errors`. Sequences that are not known stay in the text.
    """
    parts: list[str] = []
    at, g0, g1 = 0, _LOWER[lower], upper
    for found in _TOKENS.finditer(body):
        parts.append(_run(body[at : found.start()], g0, g1, errors))
        at = found.end()
        sequence = found[1]
        if sequence is None:
            parts.append(found[0].decode("ascii"))
            g0, g1 = "", upper
        elif sequence in _LOWER:
            g0 = _LOWER[sequence]
        elif sequence in _UPPER:
            g1 = _UPPER[sequence]
        else:
            parts.append(found[0].decode("ascii"))
    parts.append(_run(body[at:], g0, g1, errors))
    return "".join(parts)


_HALVES = re.compile(rb"[\x21-\x7e]+|[\x80-\xff]+|[\x00-\x20\x7f]+")


def _run(run: bytes, g0: str, g1: str, errors: str) -> str:
    if not g0 and run.isascii():
        return run.decode("ascii")
    parts: list[str] = []
    for found in _HALVES.finditer(run):
        piece = found[0]
        if piece[0] >= 0x80:
            parts.append(piece.decode(g1, errors))
        elif piece[0] <= 0x20 or piece[0] == 0x7F or not g0:
            parts.append(piece.decode("ascii"))
        else:
            parts.append(_lower(piece, g0, errors))
    return "".join(parts)


def _lower(piece: bytes, codec: str, errors: str) -> str:
    if codec in _ONE_BYTE:
        return piece.translate(_HIGH).decode(codec, errors)
    even = len(piece) & ~1
    high = piece[:even].translate(_HIGH)
    if codec == "euc_jp_0212":
        codec = "euc_jp"
        high = b"".join(b"\x8f" + high[at : at + 2] for at in range(0, even, 2))
    return high.decode(codec, errors) + piece[even:].decode("ascii")
