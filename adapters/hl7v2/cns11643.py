"""CNS 11643-1992 (HL7 v2 Table 0211), Taiwan's character set, as EUC-TW writes it: a codec that Python lacks.

Planes 1 and 2 hold the characters of Big5, in runs of the same order: a character's place in one gives that in the
other (the runs are those of the GNU C library's tables). What stands in the planes above is not known here.
"""

from __future__ import annotations

import codecs
import re
from bisect import bisect_right
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["NAME"]

NAME = "tabellion.cns11643"
_PLANE = 94 * 94
_WHY = "no character of planes 1 and 2"
_PIECES = re.compile(
    rb"[\x00-\x7f]+|\x8e[\xa1-\xb0][\xa1-\xfe]{2}|[\xa1-\xfe]{2}|[\x80-\x8d\x8f-\xa0\xff]+|[\x80-\xff]"
)
# place in CNS 11643 (plane, row and cell as one number) and in Big5 (rows of 157), and how many follow each other
_TABLE = """
0/0/5 6/6/8 15/15/6 21/23/2 24/22/1 29/29/44 73/74/1 74/73/1 75/75/22 98/98/1 100/100/27 127/128/1 128/127/1
129/129/19 148/149/1 149/148/1 150/150/4 155/21/1 156/156/2 160/160/1 162/162/1 165/165/69 282/234/29 312/264/1
314/266/142 470/6101/20 3290/471/1412 4702/1884/424 5126/1883/1 5127/2308/1876 7003/4571/1 7004/4184/387
7391/4572/525 7916/5286/1 7917/5097/105 8023/5203/83 8106/5287/84 8190/5517/1 8191/5371/54 8245/5426/1 8246/5425/1
8247/5427/90 8337/5518/354 8836/6280/10 8846/6291/33 8879/6372/1 8880/6324/48 8928/6373/46 8974/6586/1 8975/6419/167
9142/6587/1840 10982/9074/1 10983/8428/108 11091/8537/537 11628/8427/1 11629/9075/100 11729/8536/1 11730/9175/399
12129/9575/1637 13766/11761/1 13767/11212/146 13913/11899/1 13914/11358/287 14201/12508/1 14202/11645/116
14318/11762/137 14455/11900/104 14559/12425/1 14560/12004/222 14782/12227/198 14980/12426/82 15062/12509/86
15148/12226/1 15149/12595/8 15157/12604/153 15310/12758/56 15366/13114/1 15367/12814/113 15480/12603/1
15481/12927/142 15623/12757/1 15624/13069/45 15669/13115/71 15740/13380/1 15741/13186/194 15935/13381/490
16425/13914/1 16426/13871/43 16469/13915/1 16470/13917/11 16481/13916/1 16482/13928/4 22815/5202/1
"""
_RUNS = [tuple(map(int, run.split("/"))) for run in _TABLE.split()]
_BY_BIG5 = sorted(_RUNS, key=lambda run: run[1])
_BIG5_STARTS = [run[1] for run in _BY_BIG5]


def _big5(start: int, other: int, place: int) -> str:
    row, cell = divmod(other + place - start, 157)
    return bytes((row + 0xA1, cell + 0x40 if cell < 63 else cell + 0x62)).decode("big5")


def _euc(char: str) -> bytes | None:
    try:
        lead, trail = char.encode("big5")
    except (UnicodeEncodeError, ValueError):  # not in Big5, or one byte there
        return None
    place = (lead - 0xA1) * 157 + (trail - 0x40 if trail < 0x7F else trail - 0x62)
    index = bisect_right(_BIG5_STARTS, place) - 1
    start, other, count = _BY_BIG5[index] if index >= 0 else (0, 0, 0)
    if not other <= place < other + count:
        return None
    plane, rest = divmod(start + place - other, _PLANE)
    row, cell = divmod(rest, 94)
    return bytes((row + 0xA1, cell + 0xA1)) if plane == 0 else bytes((0x8E, plane + 0xA1, row + 0xA1, cell + 0xA1))


@lru_cache(maxsize=1)
def _characters() -> dict[bytes, str]:
    """Each character by its bytes; those of plane 1 also with its number in front."""
    found: dict[bytes, str] = {}
    for start, other, count in _RUNS:
        for place in range(start, start + count):
            plane, rest = divmod(place, _PLANE)
            cell = bytes((rest // 94 + 0xA1, rest % 94 + 0xA1))
            char = _big5(start, other, place)
            found[bytes((0x8E, plane + 0xA1)) + cell] = char
            if not plane:
                found[cell] = char
    return found


def _decode(data: Buffer, errors: str = "strict", /) -> tuple[str, int]:
    body = bytes(data)
    known, handle = _characters(), codecs.lookup_error(errors)
    parts: list[str] = []
    for found in _PIECES.finditer(body):
        piece = found[0]
        char = piece.decode("ascii") if piece[0] < 128 else known.get(piece)
        if char is None:
            char = str(handle(UnicodeDecodeError(NAME, body, found.start(), found.end(), _WHY))[0])
        parts.append(char)
    return "".join(parts), len(body)


def _encode(text: str, errors: str = "strict", /) -> tuple[bytes, int]:
    handle = codecs.lookup_error(errors)
    parts: list[bytes] = []
    for at, char in enumerate(text):
        part = char.encode("ascii") if char.isascii() else _euc(char)
        if part is None:
            instead = handle(UnicodeEncodeError(NAME, text, at, at + 1, _WHY))[0]
            part = instead if isinstance(instead, bytes) else instead.encode("ascii", "replace")
        parts.append(part)
    return b"".join(parts), len(text)


def _search(name: str) -> codecs.CodecInfo | None:
    return codecs.CodecInfo(_encode, _decode, name=NAME) if name == NAME else None


codecs.register(_search)
