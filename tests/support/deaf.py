"""A peer that is gone without a word: a power cut, a pulled cable. No FIN, no RST, no answer to a probe.

A socket filter that lets nothing pass takes every packet away before TCP sees it, so that nothing is acknowledged any
more; whoever looks from the other end can't tell it from a machine without power. Linux, and no privilege needed. The
socket must stay open: closing it says a word.
"""

from __future__ import annotations

import ctypes
import socket
import struct

__all__ = ["deafen"]

_SO_ATTACH_FILTER = 26
_NOTHING = struct.pack("HBBI", 0x06, 0, 0, 0)  # one instruction (struct sock_filter): return 0 bytes of the packet


def deafen(sock: socket.socket) -> None:
    """From now on nothing arrives here."""
    program = ctypes.create_string_buffer(_NOTHING)
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HL", 1, ctypes.addressof(program)))
