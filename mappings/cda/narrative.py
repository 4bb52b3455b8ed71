"""Narrative blocks (CDA R2, 4.3.5) to the XHTML that FHIR allows (narrative.html), and what refers into them.

Everything is built anew from a table of what is allowed; nothing of the source's markup is copied.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from html import escape
from typing import Any

from adapters.cda import Node
from mappings.trees.convert import NodeFunction
from mappings.trees.run import INVALID, MAPPED, Resource

__all__ = ["FUNCTIONS", "plain_text"]

Mark = Callable[..., None]
_XHTML = '<div xmlns="http://www.w3.org/1999/xhtml">'
# CDA element → XHTML element; what is not here is carried as a span
_ELEMENTS = {
    "content": "span",
    "paragraph": "p",
    "list": "ul",
    "item": "li",
    "linkHtml": "a",
    "footnote": "span",
    "footnoteRef": "span",
    "renderMultiMedia": "span",
    **{
        name: name
        for name in [
            "table",
            "thead",
            "tbody",
            "tfoot",
            "tr",
            "th",
            "td",
            "caption",
            "colgroup",
            "col",
            "sub",
            "sup",
            "br",
        ]
    },
}
_VOID = frozenset({"br", "col"})
_STRUCTURE = frozenset(["table", "thead", "tbody", "tfoot", "tr", "colgroup", "ul", "ol"])  # no text directly inside
_STYLES = {"bold": "b", "italics": "i", "underline": "u", "emphasis": "em"}
_NUMBER = re.compile(r"[0-9]{1,4}%?")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]*")
_WORDS = re.compile(r"[A-Za-z0-9_.\- :]+")
_LINK = re.compile(r"(?:https?://|ftp://|mailto:|tel:|#)[^\s<>\"']+", re.IGNORECASE)
# attribute → what it may hold; ID and styleCode become id and class
_ATTRIBUTES = {
    **dict.fromkeys(("colspan", "rowspan", "span", "width", "border", "cellpadding", "cellspacing"), _NUMBER),
    **dict.fromkeys(("align", "valign", "scope", "headers", "abbr", "summary", "frame", "rules"), _WORDS),
}
_LONGEST = 900_000
_BREAKS = frozenset(["tr", "item", "paragraph", "br", "list", "table", "caption"])


def plain_text(node: Node) -> str:
    """The text of an element, white space made single, cells and lines kept apart."""
    parts: list[str] = []
    _gather(node, parts)
    return " ".join("".join(parts).split())


def _gather(node: Node, parts: list[str]) -> None:
    for item in node.content():
        if isinstance(item, str):
            parts.append(item)
            continue
        apart = item.name in _BREAKS or item.name in ("td", "th")
        parts.append(" " if apart else "")
        _gather(item, parts)
        parts.append(" " if apart else "")


def section_text(node: Node, resource: Resource, mark: Mark) -> Any:
    """section/text → Narrative."""
    parts: list[str] = []
    _inside(node, parts, resource, mark, "div")
    div = f"{_XHTML}{''.join(parts).strip()}</div>"
    if not node.whole_text().strip():
        return None
    if len(div) > _LONGEST:
        resource.run.issue("error", "too-long", node, "the narrative is longer than FHIR allows", "Narrative.div")
        return None
    return {"status": "additional", "div": div}


def _inside(node: Node, parts: list[str], resource: Resource, mark: Mark, around: str) -> None:
    place = 0
    kids = node.kids
    for before, text, leaf in node.runs:
        for kid in kids[place:before]:
            _element(kid, parts, resource, mark, around)
        place = before
        if around not in _STRUCTURE or leaf >= 0:
            parts.append(escape(text, quote=False))
        mark(leaf)
    for kid in kids[place:]:
        _element(kid, parts, resource, mark, around)


def _element(node: Node, parts: list[str], resource: Resource, mark: Mark, around: str) -> None:
    name = _ELEMENTS.get(node.name, "span")
    if node.name == "list" and node.attrs.get("listType") == "ordered":
        name = "ol"
        mark(node.attribute_leaf("listType"))
    elif node.name == "caption" and around != "table":
        name = "b"
    elif name in ("col", "colgroup") and around not in ("table", "colgroup"):
        _inside(node, parts, resource, mark, around)
        return
    made = "".join(_attributes(node, name, resource, mark))
    inner = _inner_style(node) if name == "span" else ""
    if name in _VOID:
        parts.append(f"<{name}{made}/>")
        _inside(node, parts, resource, mark, around)  # nothing, unless the sender has put words into a line break
        return
    parts.append(f"<{name}{made}>{f'<{inner}>' if inner else ''}")
    if node.name == "renderMultiMedia":
        parts.append(escape(f"[{node.attrs.get('referencedObject', '')}]"))
        if "referencedObject" in node.attrs:
            mark(node.attribute_leaf("referencedObject"))
    _inside(node, parts, resource, mark, name)
    parts.append(f"{f'</{inner}>' if inner else ''}</{name}>")


def _inner_style(node: Node) -> str:
    for style in node.attrs.get("styleCode", "").split():
        if style.lower() in _STYLES:
            return _STYLES[style.lower()]
    return ""


def _attributes(node: Node, name: str, resource: Resource, mark: Mark) -> list[str]:
    found = []
    for key, value in node.attrs.items():
        leaf = node.attribute_leaf(key)
        if key == "ID" and _NAME.fullmatch(value):
            found.append(f' id="{value}"')
        elif key == "styleCode" and _WORDS.fullmatch(value):
            found.append(f' class="{value}"')
        elif key == "href" and name == "a":
            if not _LINK.fullmatch(value):
                resource.run.issue("error", "value", node, "a link is left out: it is no web, mail or phone address")
                mark(leaf, INVALID)
                continue
            found.append(f' href="{escape(value)}"')
        elif key in _ATTRIBUTES and _ATTRIBUTES[key].fullmatch(value):
            found.append(f' {key}="{value}"')
        else:
            continue
        mark(leaf)
    return found


def original_text(node: Node, resource: Resource, mark: Mark) -> Any:
    """originalText, text: its own words, or those of the narrative that it refers to."""
    own = plain_text(node)
    if own:
        for each in node.walk():
            for _, _, leaf in each.runs:
                mark(leaf)
    reference = node if "value" in node.attrs else node.child("reference")
    if reference is None or "value" not in reference.attrs:
        return own or None
    target = _target(reference, resource)
    if target is None:
        return own or _display(node, reference, mark)
    mark(reference.attribute_leaf("value"))
    return own or plain_text(target) or None


def _target(reference: Node, resource: Resource) -> Node | None:
    run = resource.run
    value = reference.attrs["value"].strip()
    target = run.document.ids.get(value.removeprefix("#"))
    if target is None and not value.startswith(("http:", "https:")):
        run.issue("warning", "not-found", reference, "the reference goes to no ID in the narrative")
    return target


def _display(node: Node, reference: Node, mark: Mark) -> str | None:
    """For a reference that dangles: the name of the code stands in."""
    parent = node.parent
    return parent.attrs.get("displayName") if parent is not None and node.name == "originalText" else None


def entry_text(node: Node, resource: Resource, mark: Mark) -> Any:
    """text of a statement → the resource's own narrative, a row with the head of its table."""
    reference = node.child("reference")
    parts: list[str] = []
    if reference is not None and "value" in reference.attrs:
        target = _target(reference, resource)
        if target is None:
            return None
        mark(reference.attribute_leaf("value"))
        _shown(target, parts, resource)
    else:
        _inside(node, parts, resource, mark, "div")
    text = "".join(parts).strip()
    if not re.sub(r"<[^>]*>", "", text).strip() or len(text) > _LONGEST:
        return None
    return {"status": "additional", "div": f"{_XHTML}{text}</div>"}


def _shown(target: Node, parts: list[str], resource: Resource) -> None:
    def nothing(leaf: int, state: int = MAPPED) -> None:
        """The section has carried it."""

    if target.name in ("tr", "tbody"):
        table = target.parent
        while table is not None and table.name != "table":
            table = table.parent
        head = table.child("thead") if table is not None else None
        parts.append("<table>")
        if head is not None:
            _element(head, parts, resource, nothing, "table")
        row: list[str] = []
        _element(target, row, resource, nothing, "tbody" if target.name == "tr" else "table")
        parts.append("<tbody>" + "".join(row) + "</tbody>" if target.name == "tr" else "".join(row))
        parts.append("</table>")
    elif target.name == "item":
        parts.append("<ul>")
        _element(target, parts, resource, nothing, "ul")
        parts.append("</ul>")
    elif target.name in ("paragraph", "content", "list", "table"):
        _element(target, parts, resource, nothing, "div")
    else:
        parts.append(escape(plain_text(target), quote=False))


def reference_bytes(node: Node, resource: Resource, mark: Mark) -> Any:
    """The words that a text has or refers to, as base64 of UTF-8."""
    text = original_text(node, resource, mark)
    return base64.b64encode(text.encode()).decode() if text else None


def race_text(node: Node, resource: Resource, mark: Mark) -> Any:
    return _names(node, "raceCode")


def ethnicity_text(node: Node, resource: Resource, mark: Mark) -> Any:
    return _names(node, "ethnicGroupCode")


def _names(node: Node, name: str) -> str | None:
    """What all codes of one kind say, HL7's extension elements included, as one text."""
    codes = [
        kid
        for kid in node.kids
        if kid.name.removeprefix("sdtc:") == name and "code" in kid.attrs and kid.attrs.get("codeSystem") == _CDC
    ]
    return ", ".join(code.attrs.get("displayName") or code.attrs["code"] for code in codes) or None


_CDC = "2.16.840.1.113883.6.238"  # US race and ethnicity

FUNCTIONS = {
    "section-text": NodeFunction(section_text, ("Narrative",)),
    "entry-text": NodeFunction(entry_text, ("Narrative",)),
    "original-text": NodeFunction(original_text, ("string",)),
    "reference-bytes": NodeFunction(reference_bytes, ("base64Binary",)),
    "race-text": NodeFunction(race_text, ("string",)),
    "ethnicity-text": NodeFunction(ethnicity_text, ("string",)),
}
