"""The one span that the seal does not cover: put in and cut out, byte for byte."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import Malformed
from ledger.spliced import Cut, cut, members, splice

TIME = "2026-03-01T08:00:00.123Z"
STAMP = f'"lastUpdated":"{TIME}","versionId":"2"'

VALUES: st.SearchStrategy[object] = st.recursive(
    st.text(max_size=8) | st.integers() | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
METAS = st.fixed_dictionaries({"profile": st.lists(st.text(max_size=5), min_size=1)}, optional={"tag": VALUES})
RECORDS = st.builds(
    lambda rest, meta: {**rest, **({"meta": meta} if meta else {}), "resourceType": "Basic"},
    st.dictionaries(st.text(max_size=6).filter(lambda name: name != "meta"), VALUES, max_size=4),
    st.none() | METAS,
)


def encode(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


@given(RECORDS)
def test_what_is_put_in_is_cut_out(record: dict[str, object]) -> None:
    body = encode(record)
    served = splice(body, "2", TIME)
    assert cut(body) is None
    assert cut(served) == Cut(body, "2", TIME)
    meta = record.get("meta", {})
    assert isinstance(meta, dict)
    assert json.loads(served) == {**record, "meta": {**meta, "lastUpdated": TIME, "versionId": "2"}}


@given(RECORDS)
def test_members_are_those_of_the_object(record: dict[str, object]) -> None:
    body = encode(record)
    found = {json.loads(b'"%s"' % one.name): json.loads(body[one.value : one.end]) for one in members(body)}
    assert found == record


@pytest.mark.parametrize(
    ("body", "served"),
    [
        ('{"id":"a","resourceType":"A"}', '{"id":"a","meta":{%s},"resourceType":"A"}'),
        ('{"resourceType":"A"}', '{"meta":{%s},"resourceType":"A"}'),
        ('{"meta":{"tag":[]},"resourceType":"A"}', '{"meta":{%s,"tag":[]},"resourceType":"A"}'),
        ('{"a":{"meta":{"x":1}},"resourceType":"A"}', '{"a":{"meta":{"x":1}},"meta":{%s},"resourceType":"A"}'),
    ],
)
def test_where_the_span_stands(body: str, served: str) -> None:
    assert splice(body.encode(), "2", TIME).decode() == served % STAMP
    assert cut((served % STAMP).encode()) == Cut(body.encode(), "2", TIME)


@pytest.mark.parametrize(
    ("body", "version", "time"),
    [
        ('{"resourceType":"A"}', "", TIME),
        ('{"resourceType":"A"}', 'x"', TIME),
        ('{"resourceType":"A"}', "1", "2026-03-01"),
        ('{"resourceType":"A"}', "1", "2026-03-01T08:00:00"),
        ('{"meta":{},"resourceType":"A"}', "1", TIME),
        ('{"meta":{"versionId":"1"},"resourceType":"A"}', "1", TIME),
        ('{"meta":[],"resourceType":"A"}', "1", TIME),
        ("{}", "1", TIME),
        ("[]", "1", TIME),
    ],
)
def test_what_can_not_be_spliced(body: str, version: str, time: str) -> None:
    with pytest.raises(Malformed):
        splice(body.encode(), version, time)


@given(st.binary(max_size=60) | st.text(alphabet='{}[]":,\\metax', max_size=40).map(str.encode))
def test_any_bytes_can_be_cut(data: bytes) -> None:
    found = cut(data)
    assert found is None or splice(found.body, found.version, found.last_updated) == data
