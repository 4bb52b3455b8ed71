"""How the text of one message is taken apart: separators, escapes, leaf context; and the bounded memory of values.

Codecs are kept for the few combinations of separators, charset and zone that occur, so that a code, unit or time met in
one message needn't be converted again in the next. Names, addresses, identifiers and results are never remembered.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from adapters.hl7v2 import Delimiters, unescape
from mappings.leaves.base import LeafContext

__all__ = ["NOTHING", "NULL", "Codec", "Marks"]

NULL = '""'
_NONE = "\0"  # a separator that no text holds: the reader takes control characters out

Marks = tuple[int, int, int, int, tuple[tuple[str, int, str], ...]]
"""What became of the leaves of one value, as bit masks over them: mapped, kept, excused, invalid; and notes
(kind, bit, text) with kind excused, invalid, partly, lost or rule. Bit 0 is the first leaf."""

NOTHING: Marks = (0, 0, 0, 0, ())


class Codec:
    """Separators of a message and what else every value of it needs. `trace`: rules are noted for explain."""

    __slots__ = (
        "charset",
        "component",
        "delimiters",
        "emitted",
        "escape",
        "leaf",
        "memo",
        "odd",
        "repetition",
        "subcomponent",
        "trace",
    )

    def __init__(self, delimiters: Delimiters, charset: str, leaf: LeafContext, trace: bool = False) -> None:
        self.delimiters = delimiters
        self.charset = charset
        self.leaf = leaf
        self.trace = trace
        self.component = delimiters.component or _NONE
        self.subcomponent = delimiters.subcomponent or _NONE
        self.repetition = delimiters.repetition or _NONE
        self.escape = delimiters.escape or _NONE
        # whether a text has more than components, or anything to be unescaped or removed
        marks = "|".join(map(re.escape, (self.subcomponent, self.repetition, self.escape, NULL)))
        self.odd: Callable[[str], object] = re.compile(marks).search
        self.memo: defaultdict[int, dict[Any, tuple[Any, Marks]]] = defaultdict(
            dict
        )  # number of a converter -> by text
        self.emitted: dict[tuple[object, ...], Any] = {}  # plan, text, ... -> the resources that it makes

    def plain(self, text: str) -> str:
        """Unescaped."""
        return unescape(text, self.delimiters, self.charset) if self.escape in text else text
