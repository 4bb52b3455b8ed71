"""Which channel a message goes to, or why none takes it: asked once per kind of header, remembered for the others.

A sender's headers differ in time, control id, sequence number and continuation pointer only. What is remembered was
asked without these, so that a rule that looked at them could not be remembered wrongly: it would see them empty.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import replace

from adapters.hl7v2.mllp import Fault, Outcome, Peek, Peer, Route
from pipelines.channels import Channel, decide

__all__ = ["Door"]

_STOPPED = Fault("207", "Application internal error", None, "The channel is stopped. Send it again later.")
_VARYING = (7, 10, 13, 14)
_HEADERS_MAX, _HEADER_MAX = 1024, 1024  # headers remembered, bytes of one


class Door:
    """The gate of one listener."""

    def __init__(self, channels: tuple[Channel, ...], stopped: Container[str] = ()) -> None:
        self._channels = channels
        self._stopped = stopped
        self._known: dict[object, Route] = {}

    def change(self, channels: tuple[Channel, ...]) -> None:
        """Other channels, or another one stopped, from now on."""
        self._channels = channels
        self._known.clear()

    def check(self, header: Peek, peer: Peer) -> Route:
        """The channel, and whether it accepts."""
        fields = header.fields
        usual = (peer.host, peer.names, header.separator, fields[2:7], fields[8:10], fields[11:13], fields[15:])
        found = self._known.get(usual)
        if found is None:
            found = decide(self._channels, replace(header, fields=_without(fields)), peer.address, peer.names)
            if found.channel in self._stopped:
                found = Route(found.channel, _STOPPED, Outcome.FAILED)
            if sum(map(len, fields)) <= _HEADER_MAX:
                if len(self._known) >= _HEADERS_MAX:
                    self._known.clear()
                self._known[usual] = found
        return found


def _without(fields: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """MSH without the fields that differ from message to message."""
    return tuple(b"" if number in _VARYING else field for number, field in enumerate(fields))
