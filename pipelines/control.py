"""How the parent speaks to a child process: a pipe, because a process that is killed can leave nothing in it locked.

(`multiprocessing.Event` can: whoever sets it waits for each sleeper to wake, and a sleeper that was killed never does.)
The parent rings when there is something new, and says when to stop; a pipe that closes means that the parent is gone.
"""

from __future__ import annotations

import os
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection

__all__ = ["Bell", "Listener", "bell"]

_RING, _STOP, _LEAVE = b"r", b"s", b"l"


class Listener:
    """The child's end; goes to the child as an argument of its process."""

    def __init__(self, connection: Connection[bytes, bytes]) -> None:
        self._connection = connection
        self.stopped = False
        self.leaving = False  # end at the next commit: another one goes on, with other settings
        self.orphaned = False

    def wait(self, seconds: float) -> bool:
        """Wait for a ring or a stop, no longer than `seconds`; True if something came. Sees all that is there."""
        heard = False
        try:
            while not self.orphaned and self._connection.poll(0.0 if heard or self.stopped else seconds):
                heard = True
                word = self._connection.recv_bytes()
                self.stopped = word == _STOP or self.stopped
                self.leaving = word == _LEAVE or self.leaving
        except (EOFError, OSError):
            self.orphaned = True
        return heard

    def close(self) -> None:
        """Let go of this copy of the end."""
        self._connection.close()

    @property
    def ended(self) -> bool:
        """True once the parent said stop, or is gone."""
        return self.stopped or self.orphaned


class Bell:
    """The parent's end. Never blocks: a full pipe means that rings are waiting to be heard already."""

    def __init__(self, connection: Connection[bytes, bytes]) -> None:
        self._connection = connection
        os.set_blocking(connection.fileno(), False)

    def ring(self) -> None:
        """There is something new."""
        self._send(_RING)

    def stop(self) -> None:
        """Finish what there is, then end."""
        self._send(_STOP)

    def leave(self) -> None:
        """End at the next commit: another one goes on."""
        self._send(_LEAVE)

    def _send(self, word: bytes) -> None:
        with suppress(BlockingIOError, OSError):  # full, or nobody is there any more
            self._connection.send_bytes(word)

    def close(self) -> None:
        """Hang up: the child ends at once."""
        self._connection.close()


def bell() -> tuple[Bell, Listener]:
    """Both ends of a new pipe. The parent closes its copy of the listener's end once the child has it."""
    theirs, ours = get_context("spawn").Pipe(duplex=False)
    return Bell(ours), Listener(theirs)
