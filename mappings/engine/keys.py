"""Business keys (architecture, "Identity of resources"): what an id is made of, by alternatives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from mappings.engine.codec import NULL
from mappings.engine.codegen import asker, texts
from mappings.engine.conditions import PARTS, Condition, Scene, compile_when, first_leaf
from mappings.engine.fetching import Fetched, fetcher, raw_text
from mappings.engine.sources import SourcePath, parse
from mappings.engine.yamlfile import Dict, line_of
from mappings.errors import MapError
from mappings.ids import named

if TYPE_CHECKING:
    from mappings.engine.codec import Codec
    from mappings.engine.runtime import Resource, Seat

__all__ = ["KEY_TYPES", "Key", "compile_key", "nearest"]

Key: TypeAlias = "Callable[[Seat, Resource | None], str | None]"
"""Seat of the map, and the resource that emits; the key as one text (`ids.named`), None if no alternative is valued."""

# data type -> (components of the value, first that is valued; components of the authority)
_TYPES: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "CX": ((1,), (4,)),
    "CK": ((1,), (4,)),
    "XCN": ((1,), (9,)),
    "CN": ((1,), (8,)),
    "PPN": ((1,), (9,)),
    "CNN": ((1,), (9, 10, 11)),
    "XON": ((10, 3), (6,)),
    "EI": ((1,), (2, 3, 4)),
    "PL": ((1,), (4,)),
}
KEY_TYPES = frozenset(_TYPES)
_KEYS = frozenset({"from", "as", "choose", "authority", "tag", "any", "global", "within", "position", "when", "and"})
_USUAL_ORDER = ("MR", "PI", "PT")
_CHOOSE = "identifier-type-order"


def compile_key(
    raw: Any, kind: str, scene: Scene, own: str | None, datatype: str | None, file: str, line: int
) -> Key | None:
    """The key of resources of type `kind`. `own`: segment name, or None and `datatype` for a piece of text.

    None: there is no alternative but `message`.
    """
    if raw is None:
        return None
    if isinstance(raw, str) and raw != "message":
        entry = Dict({"from": raw, "as": raw})
        entry.line, entry.lines = line, {}
        raw = [entry]
    alternatives: list[tuple[int, Key]] = []  # the field without which there is none, -1 if there may be; and the key
    for item in raw if isinstance(raw, list) else [raw]:
        if item == "message":
            break
        if not isinstance(item, dict):
            raise MapError(file, line_of(item) or line, "a key is `message` or a mapping")
        for name in item:
            if name not in _KEYS:
                raise MapError(file, line_of(item), f"a key has no {name}")
        alternative = _Alternative(item, kind, scene, own, datatype, file)
        alternatives.append((alternative.field(), alternative.compile()))
    if not alternatives:
        return None
    if len(alternatives) == 1:
        return alternatives[0][1]

    def first(seat: Seat, parent: Resource | None) -> str | None:
        fields = seat.fields
        for field, alternative in alternatives:
            if field >= 0 and (field >= len(fields) or not fields[field]):
                continue
            found = alternative(seat, parent)
            if found is not None:
                return found
        return None

    return first


class _Alternative:
    def __init__(self, item: Any, kind: str, scene: Scene, own: str | None, datatype: str | None, file: str) -> None:
        self.item = item
        self.kind = kind
        self.scene = scene
        self.own = own
        self.datatype = datatype
        self.file = file
        self.line = line_of(item)

    def field(self) -> int:
        """The field of the own segment that the key needs; -1 if it is none, or one of several will do."""
        if self.own is None or "from" not in self.item or isinstance(self.item["from"], list):
            return -1
        (path,) = self._paths(self.item["from"])
        return path.field if path.owner == self.own else -1

    def compile(self) -> Key:
        item = self.item
        when = compile_when(item.get("when"), self.scene, self.line)
        if "within" in item or self._position():
            self.scene.local = False
        if "within" in item:
            if self.own is not None and "from" in item:
                return self._within(when)
            return self._guarded(self._within(None), when)
        if "from" not in item:
            raise MapError(self.file, self.line, "a key says `from`, `within` or `message`")
        if "as" in item:
            return self._guarded(self._typed(str(item["as"])), when)
        return self._guarded(self._plain(), when)

    def _guarded(self, key: Key, condition: Condition | None) -> Key:
        if condition is None:
            return key
        when = asker(condition, "at.fields" if self.own is not None else "at.piece.parts")
        return lambda seat, parent: key(seat, parent) if when(seat) else None

    def _paths(self, raw: Any) -> list[SourcePath]:
        found = []
        for text in raw if isinstance(raw, list) else [raw]:
            path = parse(str(text), None if self.own is not None else self.datatype)
            if path is None:
                raise MapError(self.file, self.line, f"{text} is no source path here")
            found.append(path)
        return found

    def _position(self) -> bool:
        return str(self.item.get("position", "")) == "true"

    def _typed(self, datatype: str) -> Key:
        if datatype not in _TYPES:
            raise MapError(
                self.file, self.line, f"no key is known for the data type {datatype}: use `from` with `authority`"
            )
        values, authorities = _TYPES[datatype]
        single = authorities[0] if len(authorities) == 1 else 0
        paths = self._paths(self.item["from"])
        fetch = fetcher(paths[0], self.own)
        choose = self.item.get("choose")
        if choose is not None and choose != _CHOOSE:
            raise MapError(self.file, self.line, f"choose is {_CHOOSE}")
        tag, everywhere = str(self.item.get("tag", "")), str(self.item.get("global", "")) == "true"
        start = f"|3:key|{len(tag)}:{tag}|"
        position, kind = self._position(), self.kind
        further = self._texts(self.item["and"]) if "and" in self.item else None

        def typed(seat: Seat, parent: Resource | None) -> str | None:
            pieces = fetch(seat)
            if not pieces:
                return None
            more = further(seat) if further is not None else ()
            candidates = _chosen(pieces, seat) if choose and len(pieces) > 1 else pieces
            for piece in candidates:
                parts = _components(piece, seat.codec)
                count = len(parts)
                value = ""
                for at in values:
                    if count >= at and parts[at - 1].strip():
                        value = parts[at - 1]
                        break
                if not value or value == NULL:
                    continue
                if single and count >= single and parts[single - 1].isalnum():
                    own = parts[single - 1]  # a namespace
                else:
                    own = _authority([parts[at - 1] if count >= at else "" for at in authorities], seat.codec, piece[4])
                authority = "*" if everywhere else own or seat.run.source_authority
                if authority:
                    # blanks at the end mean nothing (2.A.74): a padded number is no other number, and blanks are none
                    leaf = first_leaf(value, seat.codec).strip()
                    if not leaf:
                        continue
                    name = f"{start}{len(authority)}:{authority}|{len(leaf)}:{leaf}{named(more) if more else ''}"
                    return _counted(seat, name, kind) if position else name
            return None

        return typed

    def _plain(self) -> Key:
        read = self._texts(self.item["from"])
        some = str(self.item.get("any", "")) == "true"
        everywhere = str(self.item.get("global", "")) == "true"
        tag = str(self.item.get("tag", ""))
        start = f"|3:key|{len(tag)}:{tag}|"
        authority = self.item.get("authority")
        issuer = None if authority is None else fetcher(self._paths(authority)[0], self.own)
        position, kind = self._position(), self.kind

        def plain(seat: Seat, parent: Resource | None) -> str | None:
            found = read(seat)
            if not (any(found) if some else all(found)):
                return None
            owner = "*" if everywhere else ""
            if not owner and issuer is not None:
                for piece in issuer(seat):
                    owner = _authority([piece[3]], seat.codec, piece[4])
                    break
            owner = owner or seat.run.source_authority
            if not owner:
                return None
            name = f"{start}{len(owner)}:{owner}{named(found)}"
            return _counted(seat, name, kind) if position else name

        return plain

    def _text(self, path: SourcePath) -> Callable[[Seat], str]:
        """A text with all its parts, in a form that doesn't depend on the message's separators."""
        fetch = fetcher(path, self.own)
        raw = raw_text(path, self.own).call

        def text(seat: Seat) -> str:
            short = raw(seat)
            codec = seat.codec
            if not short or short.isalnum():
                return short
            if codec.subcomponent not in short and codec.component not in short and codec.repetition not in short:
                return "" if short == NULL else codec.plain(short).strip()
            for piece in fetch(seat):
                if piece[3] != NULL:
                    return "\x1e".join(_plain_parts(piece, seat.codec)).rstrip("\x1e\x1f")
            return ""

        return text

    def _texts(self, raw: Any, when: Condition | None = None) -> Callable[[Seat], Sequence[str]]:
        """The texts at several paths; none if the condition doesn't hold."""
        sources = []
        for path in self._paths(raw):
            mine = path.owner == self.own and path.field and not path.repetition and path.subcomponent < 2
            simple = mine and path.component <= PARTS
            sources.append((path.field if simple else -1, path.component - 1, self._text(path)))
        return texts(sources, when)

    def _within(self, when: Condition | None) -> Key:
        label = str(self.item["within"])
        read = self._texts(self.item["from"], when) if "from" in self.item else None
        some = str(self.item.get("any", "")) == "true"
        position, tag, kind = self._position(), str(self.item.get("tag", "")), self.kind
        start = f"|2:in|{len(tag)}:{tag}|"

        def within(seat: Seat, parent: Resource | None) -> str | None:
            found: Sequence[str] = ()
            if read is not None:
                found = read(seat)
                if not found or not (any(found) if some else all(found)):
                    return None
            if label == "self":
                holder = parent
            else:
                known = seat.scope.nearest(label)
                holder = known[0] if len(known) == 1 else nearest(seat, label)
            if holder is None:
                return None
            name = f"{start}{len(holder.kind)}:{holder.kind}|{len(holder.id)}:{holder.id}{named(found)}"
            return _counted(seat, name, kind) if position else name

        return within


def nearest(seat: Seat, label: str) -> Resource | None:
    """The labelled resource nearest to a seat: the last that begins at or before it, else the first."""
    known = seat.scope.nearest(label)
    if len(known) == 1:
        return known[0]
    found = None
    for resource in known:
        if found is None or resource.position <= seat.position:
            found = resource
    return found


def _counted(seat: Seat, name: str, kind: str) -> str:
    """A key with the how-manieth of equal keys this is."""
    counts = seat.run.counts
    counted = kind + name
    count = counts[counted] = counts.get(counted, 0) + 1
    return f"{name}|{len(str(count))}:{count}"


def _components(piece: Fetched, codec: Codec) -> list[str]:
    _, _, _, text, level, _ = piece
    if level == 0:
        return text.split(codec.component)
    return text.split(codec.subcomponent) if level == 1 else [text]


def _plain_parts(piece: Fetched, codec: Codec) -> list[str]:
    """All leaves of a piece, unescaped, in a form that doesn't depend on the message's separators."""
    found = []
    for part in _components(piece, codec):
        leaves = part.split(codec.subcomponent)
        found.append("\x1f".join([codec.plain(leaf).strip() for leaf in leaves]).rstrip("\x1f"))
    return found


def _authority(parts: Sequence[str], codec: Codec, level: int) -> str:
    """An HD as one text: its universal id, else its namespace."""
    texts = list(parts) if len(parts) > 1 else parts[0].split(codec.component if level == 0 else codec.subcomponent)
    if len(parts) == 1 and level == 0 and codec.subcomponent in parts[0]:
        texts = parts[0].split(codec.subcomponent)
    plain = [codec.plain(text).strip() if text != NULL else "" for text in texts]
    return (plain[1] if len(plain) > 1 else "") or (plain[0] if plain else "")


def _chosen(pieces: Sequence[Fetched], seat: Seat) -> list[Fetched]:
    """CX repetitions in the channel's order of types, then those with their own authority, then the rest."""
    order = {kind: at for at, kind in enumerate(seat.run.settings.identifier_order or _USUAL_ORDER)}
    codec = seat.codec

    def rank(piece: Fetched) -> tuple[int, int]:
        parts = _components(piece, codec)
        kind = first_leaf(parts[4], codec).strip() if len(parts) > 4 else ""
        own = 0 if len(parts) > 3 and parts[3] else 1
        return order.get(kind, len(order)), own

    return sorted(pieces, key=rank)
