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
    from pyexpat import ExpatError

    if type(div) is not str or not div.lstrip().startswith("<div"):
        return "a string with an XHTML div is expected"
    if "<!DOCTYPE" in div or "<!ENTITY" in div or "<?" in div:
        return "declarations and processing instructions are not allowed"
    reading = _Reading()
    try:
        reading.parser.Parse(div.encode(), True)
    except (ExpatError, UnicodeEncodeError):
        return "not well-formed XML"
    if reading.reason is None and not reading.says:
        return "the div has no content"
    return reading.reason


class _Reading:
    """One pass over the tags; no tree is made."""

    __slots__ = ("parser", "reason", "says")

    def __init__(self) -> None:
        from pyexpat import ParserCreate

        self.reason: str | None = None
        self.says = False
        self.parser = ParserCreate()
        self.parser.StartElementHandler = self._root
        self.parser.CharacterDataHandler = self._text

    def _text(self, text: str) -> None:
        if not text.isspace():
            self.says = True
            self.parser.CharacterDataHandler = None

    def _root(self, name: str, attributes: dict[str, str]) -> None:
        if name != "div" or attributes.pop("xmlns", "") != _XHTML:
            self.reason = "the div is not in the XHTML namespace"
        self.parser.StartElementHandler = self._element
        self._element(name, attributes)

    def _element(self, name: str, attributes: dict[str, str]) -> None:
        if name not in _ELEMENTS:
            self.reason = self.reason or "an element that is not allowed"
        elif name == "img":
            self.says = True
        if attributes and any(_active(key, text) for key, text in attributes.items()):
            self.reason = self.reason or "an attribute that is not allowed"


def _active(name: str, text: str) -> bool:
    """Event handlers, and links that run or fetch what is not a document."""
    lowered = name.lower()
    if lowered.startswith("on") or (lowered.startswith("xmlns") and text != _XHTML):
        return True
    link = "".join(text.split()).lower()
    if lowered == "style":
        return "expression(" in link or "script:" in link
    return lowered in _LINKS and ":" in link.partition("/")[0] and not link.startswith(_SCHEMES)
