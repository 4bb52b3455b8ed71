"""The DICOM intake process: C-STORE in, blob and journal row durable, then the answer; nothing is parsed here.

A process of its own, so that neither its threads nor the size of images come between an HL7 sender and its answer.
The parent holds the listening socket: should this process end, senders wait in its queue until the next one is up.
"""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from pathlib import Path

from adapters.dicom.network import Association, Door, Refused, ServerLimits, Status, StorageServer, Store
from adapters.dicom.network.association import CALLED_UNKNOWN, CALLING_UNKNOWN
from pipelines.blobs import FileBlobs, Incoming
from pipelines.channels import Channel, within
from pipelines.control import Listener
from pipelines.datafolder import open_folder
from pipelines.envelope import Envelope
from pipelines.errors import Unavailable
from pipelines.journal import SqliteJournal
from pipelines.logs import Log
from pipelines.metrics import Registry, write_snapshot
from pipelines.ports import Kept
from pipelines.settings import Settings

__all__ = ["listener", "run_dicom", "shown"]

_COMMIT_SECONDS = 60.0  # a journal that takes longer has failed
_SNAPSHOT = 1.0


def listener(host: str, port: int) -> socket.socket:
    """A bound and listening socket. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        made.bind((host, port))
        made.listen(128)
    except OSError:
        made.close()
        raise
    return made


def shown(bound: socket.socket) -> str:
    """HOST:PORT of a bound socket."""
    host, port = bound.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def run_dicom(path: Path, settings: Settings, bound: socket.socket, control: Listener) -> None:
    """Take instances in until told to stop."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the parent says when
    log = Log(level=settings.service.log_level)
    folder = open_folder(path)
    blobs = folder.blobs
    swept = blobs.sweep()
    if swept:
        log.warning("dicom.swept", count=swept)
    journal = folder.journal(settings.journal())
    registry = Registry()
    store = _Store(journal, blobs, settings.channels_of("dicom"), registry, log)

    def report(kind: str, peer: str, text: str) -> None:
        log.warning(f"dicom.{kind}", peer=peer, text=text)

    limits = settings.dicom
    server = StorageServer(
        bound,
        Door(store.admit, store.open),
        ServerLimits(limits.max_associations, limits.max_instance_bytes, limits.idle_seconds),
        report,
    )
    shown = time.monotonic() - _SNAPSHOT

    def stopped() -> bool:
        nonlocal shown
        control.wait(0)
        if time.monotonic() - shown >= _SNAPSHOT:
            shown = time.monotonic()
            store.associations.set(server.associations)
            write_snapshot(path, registry.text(), "dicom")
        return control.ended

    try:
        server.serve(stopped)
        bound.close()
        server.drain(settings.service.drain_seconds)
    finally:
        journal.close()


def _takes(channel: Channel, association: Association, peer: str) -> bool:
    return (
        (not channel.called_ae or association.called in channel.called_ae)
        and (not channel.calling_ae or association.calling in channel.calling_ae)
        and (not channel.peers or within(peer, channel.peers))
    )


@dataclass(slots=True)
class _Instance:
    """One instance on its way to the journal: blob first, then the row, then the answer."""

    blob: Incoming
    envelope: Callable[[bytes, int], Envelope]
    journal: SqliteJournal
    count: Callable[[str], None]
    fail: Callable[[str], None]

    def write(self, data: memoryview) -> None:
        self.blob.write(data)

    def keep(self) -> Status:
        try:
            digest = self.blob.keep()
            kept: Kept = self.journal.append(self.envelope(digest, self.blob.size)).result(_COMMIT_SECONDS)
        except (OSError, Unavailable, FutureTimeout) as error:
            self.count("unavailable")
            self.fail(str(error) if isinstance(error, Unavailable) else type(error).__name__)
            return Status.OUT_OF_RESOURCES
        self.count(kept.status)
        return Status.SUCCESS

    def drop(self) -> None:
        self.blob.drop()


class _Store:
    """Channels of the DICOM listener and what they keep."""

    def __init__(
        self, journal: SqliteJournal, blobs: FileBlobs, channels: tuple[Channel, ...], registry: Registry, log: Log
    ) -> None:
        self._journal = journal
        self._blobs = blobs
        self._channels = channels
        self._log = log
        self._lock = threading.Lock()
        self._kept = registry.counter("dicom_kept_total", "DICOM instances by channel and status.")
        self.associations = registry.gauge("dicom_associations", "Open DICOM associations.")

    def _channel(self, association: Association, peer: str) -> Channel | None:
        return next((channel for channel in self._channels if _takes(channel, association, peer)), None)

    def admit(self, association: Association, peer: str) -> Refused | None:
        """Whether a channel takes this peer and titles."""
        if self._channel(association, peer) is not None:
            return None
        known = any(not channel.called_ae or association.called in channel.called_ae for channel in self._channels)
        return CALLING_UNKNOWN if known else CALLED_UNKNOWN

    def open(self, store: Store, association: Association, peer: str) -> _Instance:
        """Where one instance goes. Raises OSError."""
        if self._journal.failure is not None:
            raise OSError(0, self._journal.failure)
        channel = self._channel(association, peer)
        assert channel is not None  # `admit` has asked
        facts = {
            "transfer_syntax": store.context.transfer_syntax,
            "sop_class": store.command.sop_class,
            "calling_ae": association.calling,
            "called_ae": association.called,
        }

        def envelope(digest: bytes, size: int) -> Envelope:
            return Envelope(
                channel.name,
                "dicom",
                b"",
                store.command.sop_instance.encode(),
                time.time_ns() // 1000,
                peer,
                facts,
                digest=digest,
                size=size,
            )

        def count(status: str) -> None:
            with self._lock:
                self._kept.add(1, channel=channel.name, status=status)

        def fail(text: str) -> None:
            self._log.error("dicom.store", peer=peer, text=text)

        return _Instance(self._blobs.incoming(), envelope, self._journal, count, fail)
