"""How the text of one message is taken apart: separators, escapes, leaf context; and the bounded memory of values.

Codecs are kept for the few combinations of separators, charset and zone that occur, so that a coded value met in one
message needn't be converted again in the next. Only values of coded types are remembered, never a name or a number.
"""

from __future__ import annotations

from typing import Any

from adapters.hl7v2 import Delimiters, unescape
from mappings.leaves.base import LeafContext

__all__ = ["NULL", "Codec", "Marks"]

NULL = '""'
_NONE = "\0"  # a separator that no text holds: the reader takes control characters out

Marks = tuple[int, int, int, int, tuple[tuple[str, int, str], ...]]
"""What became of the leaves of one value, as bit masks over them: mapped, kept, excused, invalid; and notes
(kind, bit, text) with kind excused, invalid, partly, lost or rule. Bit 0 is the first leaf."""


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
        self.memo: dict[int, dict[tuple[str, int], tuple[Any, Marks]]] = {}
        self.emitted: dict[tuple[object, ...], Any] = {}  # plan, text, ... -> the resources that it makes

    def plain(self, text: str) -> str:
        """Unescaped."""
        return unescape(text, self.delimiters, self.charset) if self.escape in text else text
