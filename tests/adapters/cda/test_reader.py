"""Bytes to a document: encodings, repairs, leaves and paths (adapters/cda)."""

from __future__ import annotations

import contextlib
import resource
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.cda import (
    CdaError,
    Document,
    EncodingError,
    LimitError,
    Malformed,
    NotADocument,
    ReadLimits,
    Refused,
    read,
)

V3 = 'xmlns="urn:hl7-org:v3"'


def document(inside: str, root: str = V3) -> str:
    return f"<ClinicalDocument {root}>{inside}</ClinicalDocument>"


def texts(found: Document) -> list[str]:
    return [issue.text for issue in found.issues]


@pytest.mark.parametrize(
    ("declared", "codec", "issues"),
    [
        ("UTF-8", "utf-8", 0),
        ("utf-8", "utf-8-sig", 0),
        ("UTF-16", "utf-16", 0),
        ("GB2312", "gb18030", 0),
        ("GBK", "gb18030", 0),
        ("GB18030", "gb18030", 0),
        ("ISO-8859-1", "utf-8", 0),  # read as declared: every byte is a character there
        ("UTF-8", "gb18030", 2),  # declared wrongly, realm CN: read as gb18030, and said twice
        ("UTF-16", "utf-8", 1),  # a declaration that can't be true
        ("X-MAC", "utf-8", 1),
    ],
)
def test_the_encoding_ladder(declared: str, codec: str, issues: int) -> None:
    text = f'<?xml version="1.0" encoding="{declared}"?>' + document('<realmCode code="CN"/><title>测试 ZZTEST</title>')
    found = read(text.encode(codec))
    title = found.root.child("title")
    assert title is not None
    if declared != "ISO-8859-1":
        assert title.text == "测试 ZZTEST"
    assert len(found.issues) == issues


def test_a_senders_own_encoding() -> None:
    data = document("<title>Müller</title>").encode("cp1252")
    assert read(data).root.kids[0].text == "Müller"
    assert read(document("<title>测试</title>").encode("gb18030"), legacy="gb18030").root.kids[0].text == "测试"
    with pytest.raises(EncodingError):
        read(b"<ClinicalDocument>\x81\x8d</ClinicalDocument>")


def test_utf_7_is_not_decoded() -> None:
    hidden = '<?xml version="1.0" encoding="UTF-7"?>+ADwAIQ-DOCTYPE x+AD4-<ClinicalDocument/>'
    with pytest.raises(Malformed):
        read(hidden.encode("ascii"))


def test_repairs_are_made_and_said() -> None:
    data = '\n <?xml version="1.0"?><!-- <x --><ClinicalDocument><value xsi:type="PQ" value="1"/>\x0b<sdtc:raceCode code="A"/></ClinicalDocument>'
    found = read(data.encode())
    value = found.root.child("value")
    assert value is not None
    assert value.attrs == {"xsi:type": "PQ", "value": "1"}
    assert found.root.child("sdtc:raceCode") is not None
    said = " ".join(texts(found))
    for part in ("white space before", "control characters", "prefix xsi and sdtc", "no namespace"):
        assert part in said


def test_names_go_by_namespace_not_by_prefix() -> None:
    data = '<v:ClinicalDocument xmlns:v="urn:hl7-org:v3" xmlns:s="urn:hl7-org:sdtc"><s:raceCode/><v:code/></v:ClinicalDocument>'
    assert [kid.name for kid in read(data.encode()).root.kids] == ["sdtc:raceCode", "code"]


def test_every_attribute_and_text_is_a_leaf_with_a_path() -> None:
    inner = '<id root="1.2" extension=""/><id root="1.3"/><component><section><text>a <b>c</b> d</text></section></component>'
    found = read(document(inner).encode())
    paths = [found.path(leaf) for leaf in range(found.leaf_count())]
    assert paths == [
        "/ClinicalDocument[1]/id[1]/@root",
        "/ClinicalDocument[1]/id[2]/@root",
        "/ClinicalDocument[1]/component[1]/section[1]/text[1]/text()[1]",
        "/ClinicalDocument[1]/component[1]/section[1]/text[1]/b[1]/text()[1]",
        "/ClinicalDocument[1]/component[1]/section[1]/text[1]/text()[2]",
    ]
    assert [found.value(leaf) for leaf in range(5)] == ["1.2", "1.3", "a ", "c", " d"]


def test_narrative_ids_are_indexed_and_doubles_are_said() -> None:
    found = read(document('<a ID="x"/><b ID="x"/>').encode())
    assert found.ids["x"].name == "a"
    assert "stand more than once" in texts(found)[-1]


HOSTILE = {
    "doctype": "<!DOCTYPE ClinicalDocument>" + document(""),
    "external entity": '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>' + document("&e;"),
    "billion laughs": "<!DOCTYPE l ["
    + '<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9))
    + "]>"
    + document("&j;"),
    "parameter entity": '<!DOCTYPE x [<!ENTITY % p SYSTEM "http://127.0.0.1:9/x"> %p;]>' + document(""),
    "entity in the middle": document("<!ENTITY e 'x'>"),
}


@pytest.mark.parametrize("codec", ["utf-8", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("name", HOSTILE)
def test_declarations_are_refused_before_parsing_in_any_encoding(name: str, codec: str) -> None:
    text = HOSTILE[name]
    prefix = '<?xml version="1.0"?>' if codec.startswith("utf-16-") else ""
    with pytest.raises(Refused):
        read((prefix + text).encode(codec))


@pytest.mark.parametrize("text", ["<!DOC\x01TYPE x>", "<\x0b!DOCTYPE x>", "<!EN\x02TITY e 'x'>"])
def test_no_repair_makes_a_declaration(text: str) -> None:
    with pytest.raises(Refused):
        read((text + document("")).encode())


LIMITS = ReadLimits(size=200_000, depth=20, elements=1000, attribute=1000, text=50_000, attributes=10, ids=50)


@pytest.mark.parametrize(
    ("inside", "what"),
    [
        ("<a>" * 30 + "</a>" * 30, "levels of elements"),
        ("<a/>" * 2000, "elements"),
        (f'<a b="{"x" * 2000}"/>', "characters in an attribute"),
        (f"<a>{'x' * 60_000}</a>", "characters in a run of text"),
        ("<a " + " ".join(f'b{n}="1"' for n in range(20)) + "/>", "attributes of one element"),
        ("".join(f'<a ID="i{n}"/>' for n in range(80)), "narrative IDs"),
        ("x" * 300_000, "bytes"),
    ],
)
def test_limits(inside: str, what: str) -> None:
    with pytest.raises(LimitError) as caught:
        read(document(inside).encode(), LIMITS)
    assert caught.value.what == what


def test_limits_hold_against_depth_and_count() -> None:
    with pytest.raises(LimitError):
        read(document("<a>" * 100_000).encode())
    with pytest.raises(LimitError):
        read(document("<a/>" * 110_000).encode(), ReadLimits(elements=100_000))


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", Malformed),
        (b"MSH|^~\\&|", Malformed),
        (b"<ClinicalDocument>", Malformed),
        (b"<section/>", NotADocument),
        (b"<ClinicalDocument xmlns='urn:other'/>", NotADocument),
        (b"<ClinicalDocument>&x;</ClinicalDocument>", Malformed),
        ("<ClinicalDocument>\ud800</ClinicalDocument>".encode("utf-16-le", "surrogatepass"), CdaError),
    ],
)
def test_what_is_no_document(data: bytes, error: type[CdaError]) -> None:
    with pytest.raises(error):
        read(data)


@given(st.binary(max_size=300))
def test_any_bytes_give_a_document_or_our_error(data: bytes) -> None:
    _value_or_error(data)


PIECES = st.sampled_from(
    [
        "<",
        ">",
        "</",
        "/>",
        "a",
        " b='",
        "'",
        "&amp;",
        "&",
        "xsi:type='PQ'",
        "<!--",
        "-->",
        "<![CDATA[",
        "]]>",
        "\x00",
        "é",
        "<?",
        "?>",
        "xmlns='urn:hl7-org:v3'",
    ]
)


@given(st.lists(PIECES, max_size=30).map("".join), st.sampled_from(["utf-8", "utf-16", "gb18030", "cp1252"]))
def test_any_mangled_document_gives_a_document_or_our_error(inside: str, codec: str) -> None:
    _value_or_error(document(inside).encode(codec, "replace"))


def _value_or_error(data: bytes) -> None:
    try:
        found = read(data)
    except CdaError:
        return
    assert found.root.name == "ClinicalDocument"
    for leaf in range(found.leaf_count()):
        assert found.path(leaf).startswith("/ClinicalDocument[1]")


def test_the_sample_documents_are_read_without_repair(samples: Path) -> None:
    for path in sorted((samples / "cda").glob("ccda_*.xml")):
        assert read(path.read_bytes()).issues == (), path.name


def test_character_references_and_xmls_own_entities() -> None:
    found = read(
        b'<ClinicalDocument a="x &amp; y &lt; &#233; &quot; &apos;">t &amp; &lt;b&gt; &#x4e2d;<![CDATA[<c>]]></ClinicalDocument>'
    )
    assert found.root.attrs == {"a": "x & y < é \" '"}
    assert found.root.text == "t & <b> 中<c>"


BOMBS = {
    "levels": b"<ClinicalDocument>" + b"<a>" * 2_000_000,
    "attributes": b"<ClinicalDocument " + b" ".join(b'a%d="x"' % n for n in range(300_000)) + b"/>",
    "entities": HOSTILE["billion laughs"].encode(),
    "one long attribute": b'<ClinicalDocument a="' + b"x" * 20_000_000 + b'"/>',
    "text without an end": b"<ClinicalDocument><a>" + b"x" * 20_000_000,
    "references": b"<ClinicalDocument><a>" + b"&#120;" * 3_000_000 + b"</a></ClinicalDocument>",
    "comments": b"<!--" + b"-x" * 5_000_000 + b"--><ClinicalDocument>",
    "IDs": b"<ClinicalDocument>" + b"".join(b'<a ID="i%d"/>' % n for n in range(210_000)),
}


@pytest.mark.parametrize("name", BOMBS)
def test_hostile_documents_are_refused_in_bounded_time_and_memory(name: str) -> None:
    """Each is at most some 20 MB: refused or, where it is lawful, read within seconds and a few times its size."""
    before, begun = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    with contextlib.nullcontext() if name == "references" else pytest.raises(CdaError):
        read(BOMBS[name])
    assert time.process_time() - begun < 10
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500 * 1024
