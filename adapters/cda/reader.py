"""Bytes to a ClinicalDocument (CDA R2, 4.2.1; XML 1.0), within limits and without a document type.

lxml parses; no entity, DTD or network is ever asked for, and the tree is built by our own target, which counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from lxml import etree

from adapters.cda.encoding import decode
from adapters.cda.errors import LimitError, Malformed, NotADocument, Refused
from adapters.cda.repairs import DECLARATION, repaired
from adapters.cda.tree import Document, Node
from adapters.hl7v2 import Issue

__all__ = ["ReadLimits", "read"]

_V3 = "urn:hl7-org:v3"
_SDTC = "urn:hl7-org:sdtc"
_SPECIAL = {
    "{http://www.w3.org/2001/XMLSchema-instance}": "xsi:",
    "{http://www.w3.org/XML/1998/namespace}": "xml:",
}


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """`size` bytes; `depth`, `elements`; `attribute` and `text` in characters, of one attribute and one run of text."""

    size: int = 64 * 1024 * 1024
    depth: int = 64
    elements: int = 1_000_000
    attribute: int = 1_000_000
    text: int = 48 * 1024 * 1024
    attributes: int = 100
    ids: int = 200_000


_LIMITS = ReadLimits()


def read(data: bytes, limits: ReadLimits = _LIMITS, legacy: str | None = None) -> Document:
    """A document. Raises CdaError. `legacy`: the codec of senders that declare none or a wrong one."""
    if len(data) > limits.size:
        raise LimitError("bytes", limits.size)
    text, issues = decode(data, legacy)
    text, repairs = repaired(text)
    issues += repairs
    # refused before anything is parsed, and after all repairs, so that none can make one: no document that we know
    # has a declaration, and every XML attack begins with one
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise Refused("a document type or entity declaration is not read")
    match = DECLARATION.match(text)
    body = text[match.end() :] if match else text
    target = _Target(limits)
    parser = etree.XMLParser(
        target=target,  # type: ignore[arg-type] # lxml asks for no more than this
        # there are none but XML's own five (see above), which False would leave as they are in attributes
        resolve_entities="internal",  # type: ignore[arg-type] # lxml-stubs know only bool
        no_network=True,
        load_dtd=False,
        huge_tree=True,
        encoding="utf-8",
    )
    try:
        # a lone surrogate is no character of XML: '?' would change what is said
        root: Node | None = etree.fromstring(body.encode("utf-8"), parser)  # type: ignore[assignment] # the target's value
    except UnicodeEncodeError as error:
        raise Malformed("the text holds what is no character") from error
    except etree.XMLSyntaxError as error:
        raise Malformed(f"not well-formed XML (line {error.lineno})") from None
    if root is None or root.name != "ClinicalDocument":
        raise NotADocument("the root element is not ClinicalDocument")
    if target.bare:
        text_ = "the document has no namespace: read as urn:hl7-org:v3"
        issues.append(Issue("warning", "structure", None, None, text_))
    if target.twice:
        text_ = f"{target.twice} narrative IDs stand more than once: references to them go to the first"
        issues.append(Issue("warning", "structure", None, None, text_))
    return Document(root, sha256(data).digest(), target.ids, tuple(target.owners), tuple(issues))


class _Target:
    """Builds nodes from the parser's events, within limits."""

    def __init__(self, limits: ReadLimits) -> None:
        self.ids: dict[str, Node] = {}
        self.owners: list[Node] = []
        self.bare = False
        self.twice = 0
        self._limits = limits
        self._names: dict[str, str] = {}
        self._stack: list[Node] = []
        self._root: Node | None = None
        self._text: list[str] = []
        self._count = 0
        self._length = 0
        self._narrative = 0  # depth of the narrative block that we are in; 0 = in none

    def start(self, tag: str, attrib: Mapping[str, str]) -> None:
        stack = self._stack
        if self._text:
            self._flush()
        limits = self._limits
        self._count += 1
        if len(stack) >= limits.depth:
            raise LimitError("levels of elements", limits.depth)
        if self._count > limits.elements:
            raise LimitError("elements", limits.elements)
        name = self._names.get(tag) or self._name(tag)
        owners = self.owners
        attrs: dict[str, str] = {}
        if attrib:
            if len(attrib) > limits.attributes:
                raise LimitError("attributes of one element", limits.attributes)
            for key, value in attrib.items():
                if value:
                    attrs[key if key[0] != "{" else self._attribute(key)] = value
        parent = stack[-1] if stack else None
        node = Node(name, attrs, parent, len(owners))
        for key, value in attrs.items():
            owners.append(node)
            if len(value) > 200 and len(value) > limits.attribute:
                raise LimitError("characters in an attribute", limits.attribute)
            if key == "ID":
                if value in self.ids:
                    self.twice += 1
                elif len(self.ids) >= limits.ids:
                    raise LimitError("narrative IDs", limits.ids)
                else:
                    self.ids[value] = node
        if parent is None:
            self._root = node
        else:
            parent.kids.append(node)
            if name == "text" and parent.name == "section" and not self._narrative:
                self._narrative = len(stack)
        stack.append(node)

    def end(self, tag: str) -> None:
        if self._text:
            self._flush()
        self._stack.pop()
        if self._narrative and len(self._stack) == self._narrative:
            self._narrative = 0

    def data(self, data: str) -> None:
        self._text.append(data)
        self._length += len(data)
        if self._length > self._limits.text:
            raise LimitError("characters in a run of text", self._limits.text)

    def close(self) -> Node | None:
        return self._root

    def _flush(self) -> None:
        text = self._text[0] if len(self._text) == 1 else "".join(self._text)
        self._text.clear()
        self._length = 0
        blank = text.isspace()
        if blank and not self._narrative:
            return
        node = self._stack[-1]
        # white space between the blocks of narrative says nothing, but between its words it does: it is no leaf
        number = -1 if blank else len(self.owners)
        run = (len(node.kids), text, number)
        if node.runs:
            node.runs.append(run)
        else:
            node.runs = [run]
        if not blank:
            self.owners.append(node)

    def _name(self, tag: str) -> str:
        if tag[0] != "{":
            self.bare = True
            name = tag
        else:
            uri, _, local = tag[1:].partition("}")
            name = local if uri == _V3 else f"sdtc:{local}" if uri == _SDTC else tag
        if len(self._names) < 10_000:
            self._names[tag] = name
        return name

    def _attribute(self, key: str) -> str:
        known = self._names.get(f"@{key}")
        if known is None:
            space, _, local = key.partition("}")
            known = f"{_SPECIAL[space + '}']}{local}" if space + "}" in _SPECIAL else key
            if len(self._names) < 10_000:
                self._names[f"@{key}"] = known
        return known
