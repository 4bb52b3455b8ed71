"""Narrative.div (narrative.html, txt-1 and txt-2): well-formed XHTML of the basic elements, nothing active."""

from __future__ import annotations

_XHTML = "http://www.w3.org/1999/xhtml"
# HTML 4.0 chapters 7-11 (except section 4 of chapter 9) and 15, plus <a> and <img>, as narrative.html allows.
_BLOCKS = (
    "address blockquote br caption center col colgroup dd div dl dt h1 h2 h3 h4 h5 h6 hr li ol p pre "
    "table tbody td tfoot th thead tr ul"
)
_INLINE = (
    "a abbr acronym area b bdo big cite code del dfn em font i img ins kbd map q s samp small span strike strong "
    "sub sup tt u var"
)
_ELEMENTS = frozenset(_BLOCKS.split() + _INLINE.split())
_LINKS = frozenset({"href", "src", "cite", "longdesc", "usemap"})
_SCHEMES = ("http:", "https:", "ftp:", "mailto:", "tel:", "#", "data:image/", "urn:")


def fault(div: object) -> str | None:
    """Why this is no lawful narrative; None if it is."""
    from xml.etree import ElementTree

    if type(div) is not str or not div.lstrip().startswith("<div"):
        return "a string with an XHTML div is expected"
    if "<!DOCTYPE" in div or "<!ENTITY" in div or "<?" in div:
        return "declarations and processing instructions are not allowed"
    try:
        root = ElementTree.fromstring(div)
    except (ElementTree.ParseError, ValueError):
        return "not well-formed XML"
    if root.tag != f"{{{_XHTML}}}div":
        return "the div is not in the XHTML namespace"
    for node in root.iter():
        tag = node.tag.removeprefix(f"{{{_XHTML}}}") if isinstance(node.tag, str) else ""
        if tag not in _ELEMENTS:
            return "an element that is not allowed"
        if any(_active(name, text) for name, text in node.attrib.items()):
            return "an attribute that is not allowed"
    if not "".join(root.itertext()).strip() and root.find(f".//{{{_XHTML}}}img") is None:
        return "the div has no content"
    return None


def _active(name: str, text: str) -> bool:
    """Event handlers, and links that run or fetch what is not a document."""
    lowered = name.lower()
    if lowered.startswith("on"):
        return True
    link = "".join(text.split()).lower()
    if lowered == "style":
        return "expression(" in link or "script:" in link
    return lowered in _LINKS and ":" in link.partition("/")[0] and not link.startswith(_SCHEMES)
