"""From text to value: what a row's `as`, `table` and `use` mean, compiled to one function.

A converter is called as `convert(text, level, codec)` and gives (value or None, Marks); a joiner takes a list of texts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from adapters.fhir import definitions
from mappings.engine.codec import NOTHING, Codec, Marks
from mappings.engine.grammar import Row
from mappings.engine.tables import Table
from mappings.engine.tables import Target as Translation
from mappings.engine.targets import Target
from mappings.leaves import core
from mappings.leaves.base import Invalid, Leaf, LeafContext, Partly

if TYPE_CHECKING:
    from mappings.engine.workshop import Workshop

__all__ = ["MAPPED", "Converter", "Lost", "Maker", "full_mask", "maker"]

Converter: TypeAlias = Callable[[str, int, Codec], tuple[Any, Marks]]

MAPPED: Marks = (1, 0, 0, 0, ())
_CODED = frozenset({"CodeableConcept", "Coding"})
_TIMES = frozenset({"dateTime", "instant"})
_TEXTS = frozenset({"string", "markdown"})  # may be names: not remembered
MEMO = 4096  # results remembered per converter and codec
MEMO_TEXT = 256  # longest text remembered


def remembering(convert: Converter, number: int) -> Converter:
    """The converter with a bounded memory; its values are shared, hence never changed in place."""

    def remember(text: str, level: int, codec: Codec) -> tuple[Any, Marks]:
        memo = codec.memo[number]
        name = text if not level else (text, level)
        found = memo.get(name)
        if found is None:
            found = convert(text, level, codec)
            if not codec.trace and len(text) <= MEMO_TEXT:
                if len(memo) >= MEMO:
                    memo.clear()
                memo[name] = found
        return found

    return remember


@dataclass(frozen=True, slots=True)
class Lost:
    """A value that stands for a text without carrying it (a table's miss)."""

    value: Any


@dataclass(frozen=True, slots=True)
class Maker:
    """How a row makes its value: exactly one of `convert` (one text) and `join` (a list of texts) is set.

    `text`: the value is the text itself. `call`: the leaf function behind `convert`. `memo`: number under which the
    codec remembers its results by text, 0 = not. `all`: `join` gets every repetition of one field. `datatype`: name of
    the data type map, '' for a leaf function.
    """

    convert: Converter | None
    join: Callable[[Sequence[str], LeafContext], Any] | None = None
    all: bool = False
    datatype: str = ""
    whole: bool = False
    memo: int = 0
    text: bool = False
    call: Callable[[Any, LeafContext], Any] | None = None


def full_mask(text: str, level: int, codec: Codec) -> int:
    """The bits of all leaves of a text."""
    if level == 0 and codec.component in text:
        mask = bit = 0
        if codec.subcomponent not in text:
            bit = 1
            for part in text.split(codec.component):
                if part:
                    mask |= bit
                bit <<= 1
            return mask
        for part in text.split(codec.component):
            if codec.subcomponent in part:
                for leaf in part.split(codec.subcomponent):
                    if leaf:
                        mask |= 1 << bit
                    bit += 1
            else:
                if part:
                    mask |= 1 << bit
                bit += 1
        return mask
    if level < 2 and codec.subcomponent in text:
        return sum(1 << bit for bit, leaf in enumerate(text.split(codec.subcomponent)) if leaf)
    return 1 if text else 0


def leaf_converter(call: Callable[[Any, LeafContext], Any]) -> Converter:
    """A leaf function on the first leaf of a text."""

    def convert(text: str, level: int, codec: Codec) -> tuple[Any, Marks]:
        if codec.component in text and level == 0:
            text = text.partition(codec.component)[0]
        if codec.subcomponent in text:
            text = text.partition(codec.subcomponent)[0]
        if not text:
            return None, NOTHING
        if codec.escape in text:
            text = codec.plain(text)
        try:
            value = call(text, codec.leaf)
        except Invalid as invalid:
            return None, (0, 0, 0, 1, (("invalid", 0, str(invalid)),))
        return (value, MAPPED) if value.__class__ is str else outcome(value, 1, MAPPED)

    return convert


def outcome(value: Any, mask: int, plain: Marks) -> tuple[Any, Marks]:
    """A leaf function's result with its marks over the leaves in `mask`."""
    if value is None:
        return None, NOTHING
    if value.__class__ is Partly:
        return value, (0, mask, 0, 0, (("partly", _first(mask), value.reason),))
    if value.__class__ is Lost:
        return value.value, (0, 0, 0, 0, (("lost", _first(mask), "has a code that the table doesn't hold"),))
    return value, plain


def recalled(join: Callable[..., Any], number: int, texts: list[str], codec: Codec) -> Any:
    """A leaf function's result for texts met before; only for codes, units, ranges. Raises Invalid."""
    memo: dict[Any, Any] = codec.memo[number]
    name = tuple(texts)
    found = memo.get(name, memo)  # the memory itself stands for: not met yet
    if found is memo:
        found = join(texts, codec.leaf)
        if len(memo) >= MEMO:
            memo.clear()
        if sum(map(len, texts)) <= MEMO_TEXT:
            memo[name] = found
    return found


def _first(mask: int) -> int:
    return (mask & -mask).bit_length() - 1


def whole_converter(call: Callable[[Any, LeafContext], Any]) -> Converter:
    """A leaf function on the whole text of a path; its leaves count as kept."""

    def convert(text: str, level: int, codec: Codec) -> tuple[Any, Marks]:
        mask = full_mask(text, level, codec)
        try:
            value = call(codec.plain(text), codec.leaf)
        except Invalid as invalid:
            return None, (0, 0, 0, mask, (("invalid", _first(mask), str(invalid)),))
        return outcome(value, mask, (0, mask, 0, 0, ()))

    return convert


def maker(row: Row, target: Target, shop: Workshop, field_type: str | None, owner: str) -> Maker:
    """How this row makes its value. `field_type`: data type of its source; `owner`: type of the map's target."""
    kind = target.type
    name = row.as_
    if row.table and (name is None or name[:1].isupper()) and kind in _CODED:
        table = shop.table(row.table, row)
        inner = _map_converter(name or "CWE", kind, row, shop)
        number = shop.number()
        return Maker(remembering(_coded(inner, table, kind), number), datatype=name or "CWE", memo=number)
    if row.table:
        table = shop.table(row.table, row)
        _check_codes(table, target, row)
        call = _looked_up(table, kind, row)
        if name is not None:
            first, plain_call = shop.leaf(name, row).function, call

            def call(text: str, context: LeafContext) -> Any:
                return plain_call(first(text, context), context)

        number = shop.number()
        return Maker(remembering(leaf_converter(call), number), memo=number)
    if name is None and not definitions().is_primitive(kind):
        if field_type is None:
            raise row.error(f"{row.to} is a {kind}: `as` must say how it is made")
        name = field_type
    if name is not None and name[:1].isupper():
        wanted = owner if row.use else kind
        convert = _map_converter(name, wanted, row, shop)
        if row.use:
            convert = _used(convert, row.use)
        if kind in _CODED or (name.startswith(("CWE", "CE")) and kind in ("Quantity", "code", "uri")):
            number = shop.number()
            return Maker(remembering(convert, number), datatype=name, memo=number)
        return Maker(convert, datatype=name)
    return _leaf_maker(shop.leaf(name or kind, row), row, target, shop)


def _leaf_maker(leaf: Leaf, row: Row, target: Target, shop: Workshop) -> Maker:
    if target.type not in leaf.produces and not (target.type in ("string", "markdown") and row.as_):
        compatible = definitions().is_primitive(target.type) and row.as_ is None
        if not compatible:
            made = ", ".join(leaf.produces)
            raise row.error(f"{row.to} is a {target.type}; the leaf function {row.as_} makes {made}")
    if leaf.all:
        return Maker(None, leaf.function, all=True)
    if row.listed:
        if leaf.arity == 1 or leaf.arity not in (0, len(row.source)):
            raise row.error(f"the leaf function {row.as_ or target.type} does not take {len(row.source)} texts")
        number = 0 if _TEXTS & set(leaf.produces) else shop.number()
        return Maker(None, leaf.function, memo=number)
    if leaf.arity > 1:
        raise row.error(f"the leaf function {row.as_} takes {leaf.arity} texts")
    function = leaf.function
    if leaf.arity == 0:
        one = leaf.function

        def function(text: Any, context: LeafContext) -> Any:
            return one((text,), context)

    if leaf.whole:
        return Maker(whole_converter(function), whole=True)
    if target.type in _TIMES or (target.type == "code" and leaf.produces == ("code",)):
        number = shop.number()
        return Maker(remembering(leaf_converter(function), number), memo=number)
    return Maker(leaf_converter(function), text=function is core.text, call=function)


def _map_converter(name: str, kind: str, row: Row, shop: Workshop) -> Converter:
    found = shop.datatype(name, kind, row)
    if found is None:
        raise row.error(f"there is no data type map {name}-{kind}")
    return found


def _used(convert: Converter, name: str) -> Converter:
    def use(text: str, level: int, codec: Codec) -> tuple[Any, Marks]:
        value, marks = convert(text, level, codec)
        found = None if value is None else value.get(name)
        return found, marks if found is not None else NOTHING

    return use


def _check_codes(table: Table, target: Target, row: Row) -> None:
    """A table that feeds a required code holds only its codes, and a miss can't bring in another."""
    binding = target.element.binding
    if binding is None or binding.allowed is None or not binding.allowed.codes or target.type != "code":
        return
    allowed = binding.allowed.codes
    for targets in table.rows.values():
        if targets and targets[0].code not in allowed:
            error = row.error(f"{targets[0].code} is not in the required value set {binding.value_set}")
            error = type(error)(table.file, targets[0].line, error.text)
            raise error
    if table.miss not in ("error", "none") and table.miss not in allowed:
        raise type(row.error(""))(table.file, table.miss_line, f"miss={table.miss} can't feed {binding.value_set}")


def _looked_up(table: Table, kind: str, row: Row) -> Callable[[Any, LeafContext], Any]:
    """A table for a primitive."""
    miss = table.miss

    def call(text: str, context: LeafContext) -> Any:
        found = table.find(text)
        if found:
            return found[0].code
        if found is not None or miss == "none":
            return None
        if miss in ("keep", "text"):
            return text
        if miss == "error":
            raise Invalid("has a code that the table doesn't hold")
        return Lost(miss)

    return call


def _coding(translation: Translation) -> dict[str, Any]:
    found = {"system": translation.system, "code": translation.code, "display": translation.display}
    return {key: value for key, value in found.items() if value}


def _coded(inner: Converter, table: Table, kind: str) -> Converter:
    """A table for a CodeableConcept or Coding: the translations before the original coding."""
    codings = {code: [_coding(target) for target in targets] for code, targets in table.rows.items()}
    folded = {code: [_coding(target) for target in targets] for code, targets in table.folded.items()}
    source, miss = table.source, table.miss

    def convert(text: str, level: int, codec: Codec) -> tuple[Any, Marks]:
        value, marks = inner(text, level, codec)
        if value is None:
            return None, marks
        own = value if kind == "Coding" else (value.get("coding") or ({},))[0]
        if source and own.get("system", source) != source:
            return value, marks  # a code of another system only looks like one of the table's
        code = _first_leaf(text, level, codec)
        found = codings.get(code)
        if found is None and code:
            found = folded.get(code.strip().upper())
        if found is None and code and miss not in ("keep", "text", "none"):
            if miss == "error":
                return None, (0, 0, marks[2], marks[0] | marks[1] | marks[3], (("invalid", 0, "has an unknown code"),))
            found = [{"system": source, "code": miss}] if source else [{"code": miss}]
        if kind == "Coding":
            return _one_coding(value, marks, found, source)
        if found is None and miss == "text" and code and not value.get("coding", [{}])[0].get("system"):
            return {"text": value.get("text", code)}, marks
        return _concept(value, marks, found or [], source, code)

    return convert


def _first_leaf(text: str, level: int, codec: Codec) -> str:
    if level == 0 and codec.component in text:
        text = text.partition(codec.component)[0]
    if codec.subcomponent in text:
        text = text.partition(codec.subcomponent)[0]
    return codec.plain(text)


def _one_coding(value: Any, marks: Marks, found: list[Any] | None, source: str) -> tuple[Any, Marks]:
    if found:
        return found[0], marks
    if source and "system" not in value and "code" in value:
        return {**value, "system": source}, marks
    return value, marks


def _concept(value: Any, marks: Marks, found: list[Any], source: str, code: str) -> tuple[Any, Marks]:
    own = value.get("coding", [])
    if source and code and own and "system" not in own[0] and own[0].get("code") == code:
        own = [{"system": source, **own[0]}, *own[1:]]
    known = {(coding.get("system"), coding.get("code")) for coding in own}
    extra = [coding for coding in found if (coding.get("system"), coding.get("code")) not in known]
    if not extra:
        return ({**value, "coding": own} if own else value), marks
    mapped, kept, excused, invalid, notes = marks
    # the first leaf is translated, and what it said still stands beside the translation
    bit = mapped & 1
    return {**value, "coding": extra + own}, (mapped & ~bit, kept | bit, excused, invalid, notes)
