"""Narrative to XHTML: what is allowed is carried, what is active never is, and what refers into it finds its words."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.fhir import decode, validate_bundle
from mappings import bundle
from tests.mappings.cda.cda import SETTINGS, document, mapped, observation, only, resources, section


def div(text: str) -> str:
    found: str = only(document(section(text=text)), "Composition")["section"][0]["text"]["div"]
    return found.removeprefix('<div xmlns="http://www.w3.org/1999/xhtml">').removesuffix("</div>")


@pytest.mark.parametrize(
    ("source", "made"),
    [
        ("plain &lt;b&gt; &amp;", "plain &lt;b&gt; &amp;"),
        ("<paragraph>a<br/>b</paragraph>", "<p>a<br/>b</p>"),
        ('<content ID="x" styleCode="Bold">a</content>', '<span id="x" class="Bold"><b>a</b></span>'),
        ('<list listType="ordered"><item>a</item></list>', "<ol><li>a</li></ol>"),
        ("<list><caption>c</caption><item>a</item></list>", "<ul><b>c</b><li>a</li></ul>"),
        ('<table border="1"><colgroup><col width="50%"/></colgroup><thead><tr><th>h</th></tr></thead><tbody><tr><td colspan="2">a</td></tr></tbody></table>',
         '<table border="1"><colgroup><col width="50%"/></colgroup><thead><tr><th>h</th></tr></thead><tbody><tr><td colspan="2">a</td></tr></tbody></table>'),
        ('<linkHtml href="https://example.org/?a=1&amp;b=2">l</linkHtml>', '<a href="https://example.org/?a=1&amp;b=2">l</a>'),
        ('<renderMultiMedia referencedObject="MM1"/>see', "<span>[MM1]</span>see"),
        ("<sub>2</sub><sup>3</sup>", "<sub>2</sub><sup>3</sup>"),
        ("<unheard>kept</unheard>", "<span>kept</span>"),
        ("<script>alert(1)</script>", "<span>alert(1)</span>"),
    ],
)  # fmt: skip
def test_narrative(source: str, made: str) -> None:
    assert div(source) == made


@pytest.mark.parametrize(
    "href", ["javascript:alert(1)", " JavaScript:x", "data:text/html,x", "vbscript:x", "//evil", "http://a b"]
)
def test_active_links_are_left_out_and_said(href: str) -> None:
    outcome = mapped(document(section(text=f'<linkHtml href="{href}">words</linkHtml>')))
    assert "<a>words</a>" in only(outcome, "Composition")["section"][0]["text"]["div"]
    assert [reason for path, reason in outcome.residue if path.endswith("@href")] == ["invalid"]


TAGS = (
    "content",
    "paragraph",
    "list",
    "item",
    "table",
    "tbody",
    "tr",
    "td",
    "linkHtml",
    "script",
    "caption",
    "col",
    "br",
    "a",
    "iframe",
)


@st.composite
def markup(draw: st.DrawFn, depth: int = 0) -> str:
    tag = draw(st.sampled_from(TAGS))
    attribute = draw(
        st.sampled_from(
            [
                "",
                ' onclick="x()"',
                ' href="javascript:x"',
                ' styleCode="&quot;&gt;&lt;b"',
                ' ID="a&quot;b"',
                ' style="x"',
                ' colspan="9"',
            ]
        )
    )
    inside = "".join(draw(st.lists(markup(depth + 1), max_size=2))) if depth < 3 else ""
    return f"<{tag}{attribute}>w{inside}</{tag}>"


@given(markup())
def test_any_markup_gives_lawful_xhtml(text: str) -> None:
    made = decode(bundle(mapped(document(section(text=text))), SETTINGS.base))
    assert [each for each in validate_bundle(made) if each.severity == "error"] == []


CD = '<value xsi:type="CD" code="1" codeSystem="2.16.840.1.113883.6.96" displayName="Name"><originalText>{}</originalText></value>'
CODE = '<code code="c" codeSystem="2.16.840.1.113883.6.1"/><statusCode code="completed"/>'


@pytest.mark.parametrize(
    ("original", "text"),
    [
        ('<reference value="#o"/>', "the words of the sender"),
        ('<reference value="o"/>', "the words of the sender"),  # without #
        ('own <reference value="#o"/>', "own"),
        ("own words", "own words"),
        ('<reference value="#gone"/>', "Name"),
        ('<reference value="#row"/>', "a b"),
    ],
)
def test_original_text(original: str, text: str) -> None:
    narrative = '<content ID="o">the words\n of  the sender</content><table><tbody><tr ID="row"><td>a</td><td>b</td></tr></tbody></table>'
    outcome = mapped(document(section(observation("2", CODE + CD.format(original)), text=narrative, loinc="30954-2")))
    assert only(outcome, "Observation")["valueCodeableConcept"]["text"] == text
    assert any(issue.code == "not-found" for issue in outcome.issues) is ("gone" in original)


def test_a_statement_has_its_row_with_the_head_of_the_table() -> None:
    table = '<table><thead><tr><th>H</th></tr></thead><tbody><tr ID="r1"><td>one</td></tr><tr><td>two</td></tr></tbody></table>'
    made = only(
        document(section(observation("2", f'{CODE}<text><reference value="#r1"/></text>'), text=table)), "Observation"
    )
    assert "<th>H</th>" in made["text"]["div"]
    assert "one" in made["text"]["div"]
    assert "two" not in made["text"]["div"]


def test_nested_and_empty_sections() -> None:
    inner = "<component><section><title>I</title><text>in</text></section></component>"
    found: list[dict[str, Any]] = only(
        document(section().replace("</section>", f"{inner}</section>"), section()), "Composition"
    )["section"]
    assert found[0]["section"][0]["title"] == "I"
    assert "emptyReason" not in found[0]
    assert found[1]["emptyReason"]
    assert found[1]["text"]["status"] == "empty"
    assert resources(document(section(text=" ")), "Composition")[0]["section"][0]["text"]["status"] == "empty"
