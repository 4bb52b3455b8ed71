"""HL7 v2: the reader, units of a file, dictionaries and the group walk. The listener and the sender are in `.mllp`."""

from __future__ import annotations

from adapters.hl7v2 import dictionary
from adapters.hl7v2.continuation import Fragment, fragment, joined
from adapters.hl7v2.delimiters import Delimiters
from adapters.hl7v2.errors import HeaderError, Hl7Error, LimitError
from adapters.hl7v2.escape import unescape
from adapters.hl7v2.groups import Group, Tree, group
from adapters.hl7v2.issue import Issue
from adapters.hl7v2.leaves import NULL, leaf_text, leaves, path
from adapters.hl7v2.limits import Limits
from adapters.hl7v2.message import Message, Segment
from adapters.hl7v2.reader import read
from adapters.hl7v2.units import Unit, units
from adapters.hl7v2.writer import Value, WriteError, build, escape, with_field, write

__all__ = [
    "NULL",
    "Delimiters",
    "Fragment",
    "Group",
    "HeaderError",
    "Hl7Error",
    "Issue",
    "LimitError",
    "Limits",
    "Message",
    "Segment",
    "Tree",
    "Unit",
    "Value",
    "WriteError",
    "build",
    "dictionary",
    "escape",
    "fragment",
    "group",
    "joined",
    "leaf_text",
    "leaves",
    "path",
    "read",
    "unescape",
    "units",
    "with_field",
    "write",
]
