"""Every message at hand: it reads, nothing of it is lost, and the reference decoder agrees leaf by leaf."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.hl7v2 import Message, Segment, Tree, Unit, group, leaf_text, leaves, read, unescape, units
from tests.adapters.hl7v2 import reference


def messages(folder: Path) -> Iterator[tuple[Path, Unit]]:
    for file in sorted(folder.rglob("*")):
        if file.is_file() and file.name not in ("LICENSE", "pairs.json", "annotation"):
            yield from ((file, unit) for unit in units(file.read_bytes()))


def ours(message: Message) -> dict[reference.Place, str]:
    found: dict[reference.Place, str] = {}
    for position, field, rep, comp, sub in leaves(message):
        segment = message.segments[position]
        text = leaf_text(segment, field, rep, comp, sub, message.delimiters)
        place = (segment.name, segment.number, field, rep, comp, sub)
        found[place] = unescape(text, message.delimiters, message.charset)
    return found


def in_order(tree: Tree) -> list[Segment]:
    found: list[Segment] = []
    waiting: list[object] = [tree]
    while waiting:
        here = waiting.pop()
        if isinstance(here, Segment):
            found.append(here)
        else:
            waiting.extend(getattr(here, "children", ()))
    return sorted(found, key=lambda segment: segment.position)


def check(body: bytes) -> Message:
    message = read(body)
    assert ours(message) == reference.leaves(body)
    tree = group(message)
    assert in_order(tree) == message.segments, "the walk loses or doubles a segment"
    assert all(segment in home.children for segment, home in zip(message.segments, tree.homes, strict=True))
    notes: list[Segment] = [segment for segment in message.segments if segment.name == "NTE"]
    assert sorted(note.position for kept in tree.notes.values() for note in kept) == [n.position for n in notes]
    return message


def test_public_messages(shared_data: Path) -> None:
    """The 1,715 messages of four projects, broken headers included, are read with no error and no loss."""
    count = 0
    for file, unit in messages(shared_data / "hl7v2" / "messages"):
        message = check(unit.body)
        assert message.segments[0].name == "MSH", file
        count += 1
    assert count >= 1700


def test_reportstream_pairs(shared_data: Path) -> None:
    """The small messages of one data type or segment each."""
    read_ = [check(unit.body) for _, unit in messages(shared_data / "hl7v2" / "reportstream")]
    assert len(read_) >= 150


def test_our_samples(samples: Path) -> None:
    """Our own samples, in their declared character sets: read without an error issue."""
    for file, unit in messages(samples / "hl7v2"):
        if unit.kind == "message":
            message = read(unit.body)
            assert not [issue for issue in message.issues if issue.severity == "error"], file
            assert in_order(group(message)) == message.segments


def test_round_trip(shared_data: Path) -> None:
    """Segments and fields put together again are the bytes that came: nothing is dropped, moved or re-encoded."""
    for file, unit in messages(shared_data / "hl7v2" / "messages"):
        message = read(unit.body)
        lines = []
        for segment in message.segments:
            fields = [segment.fields[0], *segment.fields[2:]] if segment.name == "MSH" else segment.fields
            lines.append(message.delimiters.field.join(fields))
        came = [line for line in unit.body.decode(message.charset).replace("\n", "\r").split("\r") if line.strip()]
        assert lines == came, file


@pytest.mark.parametrize("name", ["15-adt-gb18030.hl7", "16-adt-latin1.hl7"])
def test_declared_character_sets(samples: Path, name: str) -> None:
    """A GB18030 and a Latin-1 sample are read as declared."""
    message = read((samples / "hl7v2" / name).read_bytes())
    assert message.charset == {"15": "gb18030", "16": "iso8859-1"}[name[:2]]
    assert message.issues == []
