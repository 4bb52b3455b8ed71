"""HOST:PORT as people write it, and which hosts are loopback."""

from __future__ import annotations

import ipaddress

from gateway.errors import UsageError

__all__ = ["is_loopback", "parse_address"]


def parse_address(text: str) -> tuple[str, int]:
    """(host, port) of `host:port` or `[ipv6]:port`. Raises UsageError."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdigit() or int(port) > 65535:
        raise UsageError(f"{text!r} is no HOST:PORT")
    return host.strip("[]"), int(port)


def is_loopback(host: str) -> bool:
    """True for 127.0.0.0/8, ::1 and localhost."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
