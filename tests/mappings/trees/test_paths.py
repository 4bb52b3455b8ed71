"""Source paths on nodes, and the acts that a path never steps into."""

from __future__ import annotations

import pytest

from adapters.cda import read
from mappings.trees.paths import compile_path, compile_predicate

DOCUMENT = read(
    b"<ClinicalDocument><author><id root='doc'/></author><code code='A'/><section><author><id root='sec'/></author><code code='B'/>"
    b"<entry typeCode='DRIV'><observation moodCode='EVN'><templateId root='1.2'/><code code='C'/>text<value xsi:type='x:PQ' value='1'/>"
    b"<value xsi:type='CD'/></observation></entry><entry><observation moodCode='EVN' negationInd='true'><code code='N'/></observation></entry>"
    b"<entry><observation moodCode='INT'><code code='I'/></observation></entry><entry><observation><code code='U'/></observation></entry>"
    b"</section></ClinicalDocument>"
)
SECTION = DOCUMENT.root.children("section")[0]
OBSERVATION = SECTION.children("entry")[0].kids[0]


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("code/@code", ["B"]),
        ("/code/@code", ["A"]),
        ("entry/observation/code/@code", ["C"]),
        ("entry/*/code/@code", ["C"]),
        ("entry[1]/observation/code/@code", ["C"]),
        ("entry[2]/observation/code/@code", []),
        ("entry[@typeCode='DRIV']/@typeCode", ["DRIV"]),
        ("entry[not(@typeCode)]/@typeCode", []),
        ("entry/observation[template('1.2')]/code/@code", ["C"]),
        ("entry/observation[template('1.3')]/code/@code", []),
        ("entry/observation/value[@xsi:type='PQ']/@value", ["1"]),
        ("entry/observation[code/@code='C' and (value or nothing)]/text()", ["text"]),
        ("entry/observation[code/@code!='C']/code/@code", []),
        ("code/@code | entry/observation/code/@code", ["B", "C"]),
        ("context::author/id/@root", ["sec"]),
        (".", [""]),
    ],
)
def test_paths(path: str, found: list[str]) -> None:
    places = compile_path(path).fetch(SECTION)
    assert [node.attrs[name] if name else node.text if name == "" else "" for node, name in places] == found


def test_axes_from_inside() -> None:
    assert compile_path("ancestor::section/code/@code").fetch(OBSERVATION)[0][0].attrs["code"] == "B"
    assert compile_path("context::author/id/@root").fetch(OBSERVATION)[0][0].attrs["root"] == "sec"
    assert compile_predicate("code/@code = /section/entry/observation/code/@code")(OBSERVATION)


@pytest.mark.parametrize(
    ("acts", "found"),
    [
        ((), ["C"]),
        (("INT",), ["I"]),
        (("EVN", "INT"), ["C", "I"]),
        (("EVN", "negated"), ["C", "N"]),
        (("*", "negated"), ["C", "N", "I", "U"]),
    ],
)
def test_a_path_steps_only_into_acts_that_its_row_asks_for(acts: tuple[str, ...], found: list[str]) -> None:
    places = compile_path("entry/observation/code/@code", frozenset(acts)).fetch(SECTION)
    assert [node.attrs["code"] for node, _ in places] == found
