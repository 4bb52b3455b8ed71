"""Status of a C-STORE response (PS3.4 table B.2-1, PS3.7 annex C)."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["Status"]


class Status(IntEnum):
    """What the sender is told. Only SUCCESS says that the instance is kept."""

    SUCCESS = 0x0000
    INVALID_INSTANCE = 0x0117  # the SOP Instance UID is none
    UNRECOGNISED = 0x0211  # no such operation here
    OUT_OF_RESOURCES = 0xA700  # our failure: send it again
    NO_MATCH = 0xA900  # the data set is not what was announced
    CANNOT_UNDERSTAND = 0xC000
