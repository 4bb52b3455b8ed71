"""A second decoder of HL7 v2 text, slow and plain, written from chapter 2 alone: the reader's opponent in tests.

It walks character by character and shares nothing with the reader: no regular expressions, no splitting.
"""

from __future__ import annotations

Place = tuple[str, int, int, int, int, int]  # segment name, its number, field, repetition, component, subcomponent


# Table 0211 as the standard spells it, with the codecs that have the same characters
TABLE_0211: dict[str, str] = {
    "ASCII": "ascii",
    **{f"8859/{part}": f"iso8859_{part}" for part in (*range(1, 10), 15)},
    "ISO IR6": "ascii",
    "ISO IR13": "shift_jis",
    "ISO IR14": "shift_jis",
    "ISO IR87": "iso2022_jp",
    "ISO IR159": "iso2022_jp_1",
    "GB 18030-2000": "gb18030",
    "KS X 1001": "cp949",  # with the Hangul that Windows adds
    "BIG-5": "big5hkscs",
    "UNICODE UTF-8": "utf-8",
}


def codec_of(body: bytes) -> str:
    """What MSH-18 declares where the bytes are that, else what they are: UTF-8 or, failing that, Windows-1252."""
    header = body.split(b"\r")[0].split(b"\n")[0].split(body[3:4])
    declared = header[17].decode("latin-1") if len(header) > 17 else ""
    names = [TABLE_0211[name] for name in declared.split("~") if name in TABLE_0211]
    if body.isascii() and b"\x1b" not in body:
        return (names or ["utf-8"])[0].replace("ascii", "utf-8")
    first: list[str] = ["utf-8"] if not names or names[0].startswith("iso8859") else []
    for name in [*first, *names, "utf-8", "cp1252"]:
        try:
            body.decode(name)
        except UnicodeDecodeError:
            continue
        return name
    return "latin-1"


def without_add(text: str) -> str:
    """2.10.2: ADD goes on where the segment before it ended; after the header it continues another message."""
    whole = line = ""
    for char in text + "\r":
        if char not in "\r\n":
            line += char
            continue
        if line[:3] == "ADD" and line[3:4] in ("", text[3]) and whole.count("\r") > 1:
            whole = whole[:-1] + line[4:] + "\r"
        elif line:
            whole += line + "\r"
        line = ""
    return whole


def leaves(body: bytes) -> dict[Place, str]:
    """Every non-empty leaf, as plain text."""
    codec = codec_of(body)
    text = without_add(body.decode(codec))
    field_mark, encoding = text[3], ""
    for char in text[4:]:
        if char == field_mark or char in "\r\n":
            break
        encoding += char
    component_mark, repetition_mark, escape_mark, subcomponent_mark = list(encoding + "\0\0\0\0")[
        :4
    ]  # none: what no text holds
    if escape_mark in (component_mark, repetition_mark, subcomponent_mark, field_mark):
        escape_mark = "\0"
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
            found[at] = plain(leaf, field_mark, encoding, escape_mark, codec)
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


def plain(leaf: str, field_mark: str, encoding: str, escape_mark: str, codec: str) -> str:
    """A leaf without its escape sequences (chapter 2.7), as the issue asks for them."""
    used = encoding + "^~\\&#"[len(encoding) :]  # what MSH-2 doesn't say is what it usually says
    marks = {"F": field_mark, "S": used[0], "R": used[1], "E": escape_mark, "T": used[3], "P": used[4]}
    out = ""
    index = 0
    run = b""  # neighbouring \X..\ are one run: a character may be spread over several
    while index < len(leaf):
        end = leaf.find(escape_mark, index + 1) if leaf[index] == escape_mark else -1
        inner = leaf[index + 1 : end] if end > 0 else None
        data = None if inner is None else _bytes(inner)
        if data is not None:
            run += data
            index = end + 1
            continue
        out, run = out + _decoded(run, codec), b""
        meaning = None if inner is None else _meaning(inner, marks)
        if meaning is None:
            out += leaf[index]
            index += 1
        else:
            out += meaning
            index = end + 1
    return out + _decoded(run, codec)


def _decoded(run: bytes, codec: str) -> str:
    """Bytes in the message's character set; one that it lacks is Windows-1252's."""
    text = ""
    at = 0
    while at < len(run):
        for size in (4, 3, 2, 1):
            try:
                char = run[at : at + size].decode(codec)
            except UnicodeDecodeError:
                continue
            if len(char) == 1:
                break
        else:
            size, char = 1, run[at : at + 1].decode("cp1252", "replace")
        text += char
        at += size
    return text


def _bytes(inner: str) -> bytes | None:
    if inner[:1] not in ("X", "x") or len(inner) < 3 or not len(inner) % 2:
        return None
    try:
        return bytes(int(inner[at : at + 2], 16) for at in range(1, len(inner), 2))
    except ValueError:
        return None


def _meaning(inner: str, marks: dict[str, str]) -> str | None:
    if inner in marks:
        return marks[inner]
    if inner in ("H", "N"):
        return ""
    inner = inner.lower()
    if inner in (".br", ".ce"):
        return "\n"
    command, count = inner[:3], inner[3:].strip()
    if command in (".fi", ".nf", ".in", ".ti") and (not count or count.lstrip("+-").isdigit()):
        return ""
    if command in (".sp", ".sk") and (not count or count.lstrip("+").isdigit()):
        return ("\n" if command == ".sp" else " ") * (int(count) if count else 1)
    return None
