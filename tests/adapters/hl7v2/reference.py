"""A second decoder of HL7 v2 text, slow and plain, written from chapter 2 alone: the reader's opponent in tests.

It walks character by character and shares nothing with the reader: no regular expressions, no splitting.
"""

from __future__ import annotations

Place = tuple[str, int, int, int, int, int]  # segment name, its number, field, repetition, component, subcomponent


def text_of(body: bytes) -> str:
    """The text of a message in ASCII, UTF-8 or, failing that, Windows-1252: all that the shared messages use."""
    for name in ("ascii", "utf-8", "cp1252"):
        try:
            return body.decode(name)
        except UnicodeDecodeError:
            continue
    return body.decode("latin-1")


def leaves(body: bytes) -> dict[Place, str]:
    """Every non-empty leaf, as plain text."""
    text = text_of(body)
    field_mark, encoding = text[3], ""
    for char in text[4:]:
        if char == field_mark or char in "\r\n":
            break
        encoding += char
    component_mark, repetition_mark, escape_mark, subcomponent_mark = list(encoding + "    ")[:4]
    if escape_mark in (component_mark, repetition_mark, subcomponent_mark, field_mark):
        escape_mark = " "
    found: dict[Place, str] = {}
    numbers: dict[str, int] = {}
    name, number, leaf = "", 0, ""
    place = [0, 1, 1, 1]

    def close() -> None:
        nonlocal name, number, leaf
        if place[0] == 0:
            name = leaf
            if name:
                numbers[name] = number = numbers.get(name, 0) + 1
        elif leaf and not (name == "MSH" and place[0] <= 2):
            at = (name, number, place[0], place[1], place[2], place[3])
            found[at] = plain(leaf, field_mark, encoding, escape_mark)
        leaf = ""

    header_left = 4 + len(encoding)  # MSH-1 and MSH-2 are not split
    for index, char in enumerate(text + "\r"):
        if index < header_left:
            leaf += char
            if index == 2:
                close()
                place[0], leaf = 2, ""
        elif char in "\r\n":
            close()
            place[:] = 0, 1, 1, 1
        elif char == field_mark:
            close()
            place[:] = place[0] + 1, 1, 1, 1
        elif place[0] and char == repetition_mark:
            close()
            place[1:] = place[1] + 1, 1, 1
        elif place[0] and char == component_mark:
            close()
            place[2:] = place[2] + 1, 1
        elif place[0] and char == subcomponent_mark:
            close()
            place[3] += 1
        else:
            leaf += char
    return found


def plain(leaf: str, field_mark: str, encoding: str, escape_mark: str) -> str:
    """A leaf without its escape sequences (chapter 2.7), as the issue asks for them."""
    marks = {"F": field_mark, "S": encoding[:1], "R": encoding[1:2], "E": escape_mark, "T": encoding[3:4], "P": "#"}
    out = ""
    index = 0
    while index < len(leaf):
        end = leaf.find(escape_mark, index + 1) if leaf[index] == escape_mark else -1
        inner = leaf[index + 1 : end] if end > 0 else None
        meaning = None if inner is None else _meaning(inner, marks)
        if meaning is None:
            out += leaf[index]
            index += 1
        else:
            out += meaning
            index = end + 1
    return out


def _meaning(inner: str, marks: dict[str, str]) -> str | None:
    if inner in marks:
        return marks[inner]
    if inner in ("H", "N"):
        return ""
    if inner[:1] in ("X", "x") and len(inner) > 1 and len(inner) % 2:
        try:
            return bytes(int(inner[at : at + 2], 16) for at in range(1, len(inner), 2)).decode("utf-8")
        except ValueError:
            return None
    if inner in (".br", ".ce"):
        return "\n"
    command, count = inner[:3], inner[3:].strip()
    if command in (".fi", ".nf", ".in", ".ti") and (not count or count.lstrip("+-").isdigit()):
        return ""
    if command in (".sp", ".sk") and (not count or count.lstrip("+").isdigit()):
        return ("\n" if command == ".sp" else " ") * (int(count) if count else 1)
    return None
