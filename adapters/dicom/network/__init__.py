"""DICOM over TCP (PS3.7, PS3.8): a service class provider of Verification and Storage that keeps bytes as received.

The protocol is sans-I/O (`Acceptor`: PDUs in, actions out); `StorageServer` drives it over sockets.
"""

from __future__ import annotations

from adapters.dicom.network.acceptor import Acceptor, Close, Fragment, Ready, Send, Store, Stored
from adapters.dicom.network.association import Association, Refused, storable
from adapters.dicom.network.errors import Abort, NetworkError
from adapters.dicom.network.server import Door, ServerLimits, Sink, StorageServer
from adapters.dicom.network.status import Status

__all__ = [
    "Abort",
    "Acceptor",
    "Association",
    "Close",
    "Door",
    "Fragment",
    "NetworkError",
    "Ready",
    "Refused",
    "Send",
    "ServerLimits",
    "Sink",
    "Status",
    "StorageServer",
    "Store",
    "Stored",
    "storable",
]
