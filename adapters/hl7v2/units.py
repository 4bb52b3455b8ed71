"""Units of a file (commands.md, "Unit, v2"; HL7 v2 chapter 2.10.3, batch protocol): its messages and envelope."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from adapters.hl7v2 import wide
from adapters.hl7v2.continuation import joined
from adapters.hl7v2.issue import Issue

_BOM = b"\xef\xbb\xbf"
_START = re.compile(rb"(?:\A|(?<=[\r\n\x0b])|(?<=\xef\xbb\xbf))(?:MSH[^0-9A-Za-z]|(?:FHS|BHS|BTS|FTS)(?![0-9A-Za-z]))")
_MESSAGE = re.compile(rb"(?:\A|(?<=[\r\n\x0b])|(?<=\xef\xbb\xbf))MSH[^0-9A-Za-z]")
_TRAILING = b"\r\n\x0b\x1c"
_BLANK = b"\r\n\x0b\x1c\x00 \t\x1a"


@dataclass(frozen=True, slots=True)
class Unit:
    """One message of a file, or the file's batch envelope, which comes before its messages."""

    kind: str  # message | envelope
    index: int | None  # 0-based among the file's messages, of the first part of a continued one; None: the envelope
    body: bytes  # the bytes that sha256 and ids are made of; of an envelope its header segments
    issues: tuple[Issue, ...]
    type: str  # FHS or BHS for an envelope; '' for a message: the reader knows


def first_unit(body: bytes, issues: list[Issue]) -> bytes:
    """The bytes from the first MSH on, trimmed; what stands before it becomes an issue."""
    if body[:3] == b"MSH":
        return body.rstrip(_TRAILING)
    found = _MESSAGE.search(body)
    if found is None:
        return body
    issues.extend(_before(body[: found.start()]))
    return body[found.start() :].rstrip(_TRAILING)


def units(data: bytes) -> Iterator[Unit]:
    """The units of a file in order: its envelope first if it has one. Never raises; linear in the data."""
    starts = [(found.start(), data[found.start() : found.start() + 3]) for found in _START.finditer(data)]
    if not starts:
        for index, body in enumerate(wide.split(data)):
            yield Unit("message", index, body, (), "")
        return
    ends = [start for start, _ in starts[1:]] + [len(data)]
    issues = _before(data[: starts[0][0]])
    parts = [(kind, data[start:end].rstrip(_TRAILING)) for (start, kind), end in zip(starts, ends, strict=True)]
    batch = _Batch()
    for kind, body in parts:
        batch.take(kind, body)
    issues.extend(batch.end())
    if batch.type:
        heads = b"\r".join(body for kind, body in parts if kind in (b"FHS", b"BHS"))
        yield Unit("envelope", None, heads, tuple(issues), batch.type)
        issues = []
    for index, body in joined(body for kind, body in parts if kind == b"MSH"):
        yield Unit("message", index, body, tuple(issues), "")
        issues = []


def _before(data: bytes) -> list[Issue]:
    if not data.replace(_BOM, b"").strip(_BLANK):
        return []
    return [Issue("error", "structure", None, None, "bytes before the first segment of the file were left out")]


class _Batch:
    """Counts of the batch protocol while the file's segments pass."""

    def __init__(self) -> None:
        self.type = ""
        self._issues: list[Issue] = []
        self._in_file = False
        self._in_batch = False
        self._messages = 0  # since the last batch header or trailer
        self._batches = 0  # since the last file header or trailer

    def take(self, kind: bytes, body: bytes) -> None:
        name = kind.decode("ascii")
        if name == "MSH":
            self._messages += 1
            return
        line, _, rest = body.replace(b"\n", b"\r").partition(b"\r")
        if rest.strip(_BLANK):
            self._fault(name, "bytes between an envelope segment and the next message were left out", "structure")
        _STEPS[name](self, line)

    def end(self) -> list[Issue]:
        if self._in_batch:
            self._fault("BTS", "the batch has no trailer", "incomplete")
        if self._in_file:
            self._fault("FTS", "the file has no trailer", "incomplete")
        return self._issues

    def _file_header(self, line: bytes) -> None:
        if self._in_file:
            self._fault("FHS", "a file header where the file's trailer was due", "structure")
        self.type, self._in_file, self._batches, self._messages = "FHS", True, 0, 0

    def _batch_header(self, line: bytes) -> None:
        if self._in_batch:
            self._fault("BHS", "a batch header where the batch's trailer was due", "structure")
        self.type = self.type or "BHS"
        self._in_batch, self._messages = True, 0
        self._batches += 1

    def _batch_trailer(self, line: bytes) -> None:
        if not self._in_batch:
            self._fault("BTS", "a batch trailer without its header", "structure")
        self._count("BTS", line, (self._messages,))
        self._in_batch, self._messages = False, 0

    def _file_trailer(self, line: bytes) -> None:
        if self._in_batch:
            self._fault("BTS", "the batch has no trailer", "incomplete")
        if not self._in_file:
            self._fault("FTS", "a file trailer without its header", "structure")
        # a file without batch headers is one batch (2.10.3.1)
        self._count("FTS", line, (self._batches,) if self._batches else (0, 1))
        self._in_file = self._in_batch = False
        self._batches = self._messages = 0

    def _count(self, name: str, line: bytes, right: tuple[int, ...]) -> None:
        stated = line[4:].split(line[3:4], 1)[0].strip() if line[3:4] else b""
        if not stated:
            return
        if not stated.isdigit() or len(stated) > 18:
            self._fault(name, "the trailer's count is no number", "value", f"{name}[1]-1[1].1.1")
        elif int(stated) not in right:
            self._fault(name, f"the trailer's count is not the {right[-1]} found", "value", f"{name}[1]-1[1].1.1")

    def _fault(self, name: str, text: str, code: str, path: str | None = None) -> None:
        self._issues.append(Issue("error", code, path, None, f"{name}: {text}"))


_STEPS = {
    "FHS": _Batch._file_header,
    "BHS": _Batch._batch_header,
    "BTS": _Batch._batch_trailer,
    "FTS": _Batch._file_trailer,
}
