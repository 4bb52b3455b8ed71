"""Lists of ICD codes: CMS's code files of ICD-10-CM and ICD-9-CM, and the WHO's ClaML (ISO 13120) of ICD-10.

CMS publishes `icd10cm-codes-YYYY.txt` (code, title), `icd10cm-order-YYYY.txt` (number, code, 1 if usable, short and
long title) and, for ICD-9-CM, `CMS32_DESC_LONG_DX.txt` (code, title).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from terminology.errors import SourceError
from terminology.icd.gem import LICENCE
from terminology.packs.builder import Row
from terminology.packs.schema import NOT_SELECTABLE
from terminology.source import Request, built, decoded, lines
from terminology.systems import ICD9CM, ICD10, ICD10CM, written

__all__ = ["build_claml", "build_codes", "concepts"]

_ORDER = re.compile(r"\d{5} ([0-9A-Z]{3,7}) +([01]) (.{60}) (.+)")
_CODES = re.compile(r"([0-9A-Z]{3,7}) +(\S.*)")
_TITLES = {ICD10CM: "ICD-10-CM", ICD9CM: "ICD-9-CM diagnoses"}


def build_codes(request: Request) -> list[Path]:
    """One pack of a CMS file; `request.system` says of which code system."""
    if request.system not in _TITLES:
        raise SourceError("CMS code files are of ICD-9-CM or ICD-10-CM")
    data = request.read()
    with request.builder("codes") as pack:
        pack.add("system", [(1, request.system, _TITLES[request.system])])
        pack.add("concept", concepts(decoded(data), request.system))
        return built(request, pack, data, system=request.system, title=_TITLES[request.system], licence=LICENCE)


def concepts(text: str, system: str) -> Iterator[Row]:
    """Rows of the concept table."""
    for number, line in lines(text):
        order, plain = _ORDER.fullmatch(line), _CODES.fullmatch(line)
        if order is not None:
            flags = 0 if order[2] == "1" else NOT_SELECTABLE
            yield 1, written(system, order[1]), order[4].strip(), flags
        elif plain is not None:
            yield 1, written(system, plain[1]), plain[2].strip(), 0
        else:
            raise SourceError("not a code and its title", number)


def build_claml(request: Request) -> list[Path]:
    """One pack of a ClaML file: categories with their preferred label, chapters and blocks not selectable."""
    from lxml import etree

    system = request.system or ICD10
    data = request.read()
    # no DTD, no entities, no network, lxml's own bounds on depth and size
    parser = etree.XMLParser(resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False)
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise SourceError("not well-formed XML") from error
    if root.tag != "ClaML":
        raise SourceError("not ClaML")
    title = root.find("Title")
    named = "" if title is None else (title.get("version") or "")
    with request.builder("codes") as pack:
        pack.add("system", [(1, system, "ICD-10" if system == ICD10 else "ClaML classification")])
        parents: list[Row] = []
        pack.add("concept", _classes(root, system, parents))
        pack.add("parent", parents)
        licence = "The WHO's (or your publisher's) terms: recorded by who imported it"
        return built(request, pack, data, system=system, title="ClaML", licence=licence, version=named)


def _classes(root: object, system: str, parents: list[Row]) -> Iterator[Row]:
    from lxml import etree

    assert isinstance(root, etree._Element)
    for each in root.iter("Class"):
        code = each.get("code") or ""
        if not code:
            raise SourceError("a class without a code", _line(each.sourceline))
        label = each.find("Rubric[@kind='preferred']/Label")
        if label is None:
            raise SourceError("a class without a preferred label", _line(each.sourceline))
        above = each.find("SuperClass")
        category = each.get("kind") == "category"
        if above is not None and above.get("code"):
            parents.append((1, written(system, code) if category else code, written(system, above.get("code") or "")))
        text = " ".join("".join(str(part) for part in label.itertext()).split())
        yield 1, written(system, code) if category else code, text, 0 if category else NOT_SELECTABLE


def _line(number: object) -> int | None:
    return number if isinstance(number, int) else None
