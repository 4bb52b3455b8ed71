"""What must be known of a message before it is answered: its MSH, and nothing else (HL7 v2.9 section 2.14.9).

Runs for each message before its acknowledgement, so it slices one segment and decodes only what is compared.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from adapters.hl7v2.charset_names import MULTIBYTE, codecs
from adapters.hl7v2.mllp.errors import HeaderUnusable

__all__ = ["Peek", "peek", "trim"]

_NAMES = 200  # characters of MSH-18 and what may stand before it: more than any names of character sets
_LONG = 8192  # bytes of a header that is looked at so closely before the answer
_TRAILING = b"\r\n\x0b\x1c"
_HEADER = re.compile(rb"(?:\A|(?<=[\r\n\x0b])|(?<=\xef\xbb\xbf))MSH[^0-9A-Za-z\r\n]")


@dataclass(frozen=True, slots=True)
class Peek:
    """The MSH fields that decide the answer, as bytes of the sender, never re-encoded.

    `fields[n]` is MSH-n (n from 1); a field that the sender left out is empty. Text properties are for comparing and
    logging only: undecodable bytes come out as replacement characters.
    """

    separator: bytes
    encoding: bytes
    fields: tuple[bytes, ...]

    def field(self, number: int) -> bytes:
        """The bytes of MSH-`number`, empty if absent."""
        return self.fields[number] if number < len(self.fields) else b""

    def text(self, number: int, component: int = 1) -> str:
        """One component of MSH-`number` as text."""
        parts = self.field(number).split(self.component) if self.component else [self.field(number)]
        return parts[component - 1].decode("utf-8", "replace").strip() if component <= len(parts) else ""

    @property
    def component(self) -> bytes:
        """The component separator, empty if MSH-2 has none."""
        return self.encoding[:1]

    @property
    def control_id(self) -> bytes:
        """MSH-10 byte for byte."""
        fields = self.fields
        return fields[10] if len(fields) > 10 else b""

    @property
    def type(self) -> str:
        """MSH-9 as code^event, for gates and logs."""
        return "^".join(filter(None, (self.text(9), self.text(9, 2))))

    @property
    def enhanced(self) -> bool:
        """True if MSH-15 or MSH-16 is valued: the enhanced acknowledgement mode (section 2.9.3)."""
        fields = self.fields  # looked at for each message: no calls where slices do
        return len(fields) > 15 and bool(fields[15].strip() or (len(fields) > 16 and fields[16].strip()))

    @property
    def complete(self) -> bool:
        """True if MSH-9 and MSH-10 are valued: without them a message can't be answered as what it is."""
        fields = self.fields
        return len(fields) > 10 and bool(fields[9].strip() and fields[10].strip())


def trim(data: bytes) -> bytes:
    """The bytes of the one message in a block: from the M of MSH, less trailing CR LF VT FS.

    The same cut as for files, so that a message has the same SHA-256 whichever way it came.
    Raises HeaderUnusable where there is no MSH line, or more than one.
    """
    if data[:3] != b"MSH" or data[3:4].isalnum() or data[3:4] in (b"", b"\r", b"\n"):
        found = _HEADER.search(data)
        if found is None:
            raise HeaderUnusable("no segment begins with MSH and a field separator")
        data = data[found.start() :]
    # rfind: it steps by its first letter, which is rare, and find by its last; half a message's time at 3 KB
    if data.rfind(b"MSH", 3) > 0 and _HEADER.search(data, 3):
        raise HeaderUnusable("more than one MSH segment: one block carries one message")
    return data.rstrip(_TRAILING)


def peek(body: bytes) -> Peek:
    """Slice MSH of a trimmed message. Raises HeaderUnusable if MSH-1 or MSH-2 can't be used."""
    end = body.find(b"\r")
    header = body if end < 0 else body[:end]
    if b"\n" in header:
        header = header[: header.find(b"\n")]
    separator = header[3:4]
    fields = _split(header, separator) if separator else []
    encoding = fields[1] if len(fields) > 1 else b""
    if not encoding or separator in encoding:
        raise HeaderUnusable("MSH-2 has no usable encoding characters")
    # fields[0] is "MSH": put MSH-1 in its place, so that indexes are field numbers
    return Peek(separator, encoding, (b"MSH", separator, *fields[1:]))


def _split(header: bytes, separator: bytes) -> list[bytes]:
    if header.isascii():
        return header.split(separator)
    fields = header.split(separator)
    if len(header) > _LONG or _is_utf8(header):
        return fields  # whatever is declared: no byte of a character of UTF-8 looks like a separator
    # second bytes may look like a separator, so MSH-18 may stand further back than it should
    declared = "~".join(field.decode("latin-1") for field in fields[17:24])
    found = dict.fromkeys(codecs(declared[:_NAMES].replace(header[5:6].decode("latin-1"), "~")))
    for codec in found:
        if codec in MULTIBYTE:
            try:
                parts = header.decode(codec).split(separator.decode(codec))
                return [part.encode(codec) for part in parts]
            except UnicodeError:
                continue  # declared, but not so: the plain split is the best left
    return fields


def _is_utf8(header: bytes) -> bool:
    try:
        header.decode()
    except UnicodeDecodeError:
        return False
    return True
