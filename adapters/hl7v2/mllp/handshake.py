"""The TLS handshake of a listener (IHE ITI TF-2 3.19), from the accepted socket to the connection behind it.

Sockets are accepted here and not by asyncio's server, which says nothing of one before its handshake is done.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable

from adapters.hl7v2.mllp.connection import Connection
from adapters.hl7v2.mllp.door import Peer
from adapters.hl7v2.mllp.shared import Shared

__all__ = ["Handshake", "accept"]

_REST = 0.2  # seconds until the system is asked again


async def accept(listening: socket.socket, shared: Shared, context: Callable[[], ssl.SSLContext]) -> None:
    """Take sockets until cancelled; each handshake goes on beside the others, with the context of its beginning."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            sock, address = await loop.sock_accept(listening)
        except ConnectionAbortedError:  # it ended before we took it
            continue
        except OSError:  # no file descriptors left, or the like
            await asyncio.sleep(_REST)
            continue
        # in a call of its own: what goes wrong with one socket is the loop's to report, and does not end the accepting
        loop.call_soon(_accepted, shared, sock, address, context)


def _accepted(
    shared: Shared, sock: socket.socket, address: tuple[str, int], context: Callable[[], ssl.SSLContext]
) -> None:
    peer = Peer(f"{address[0]}:{address[1]}")
    if shared.admit(peer):
        Handshake(shared, peer, sock, context())
    else:
        sock.close()


class Handshake:
    """A socket whose peer has not proved yet who it is. It has a place from now on."""

    def __init__(self, shared: Shared, peer: Peer, sock: socket.socket, context: ssl.SSLContext) -> None:
        self._shared = shared
        self.peer = peer
        shared.begin(self)
        self._task = asyncio.get_running_loop().create_task(self._run(sock, context))

    def abort(self) -> None:
        """End it now."""
        self._task.cancel()

    async def _run(self, sock: socket.socket, context: ssl.SSLContext) -> None:
        seconds = self._shared.limits.handshake_seconds
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await asyncio.get_running_loop().connect_accepted_socket(
                self._made, sock, ssl=context, ssl_handshake_timeout=seconds
            )
        except ssl.SSLError as error:
            said = getattr(error, "verify_message", "") or error.reason or "no TLS"
            self._shared.note("tls-refused", self.peer, f"the TLS handshake failed: {said}")
        except ConnectionAbortedError:
            self._shared.note("tls-slow", self.peer, f"the TLS handshake was not done after {seconds:g} s")
        except OSError:
            return  # it came and went, as probes of a port do
        finally:
            self._shared.finish(self)

    def _made(self) -> Connection:
        return Connection(self._shared, self)
