"""Senders of DICOM: pynetdicom, which sends the very bytes of a file, and a running storage server in the process."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydicom.uid import UID
from pynetdicom import AE, build_context

from adapters.dicom import payload, read, tag_of
from adapters.dicom.network import Association, Door, Refused, ServerLimits, Sink, Status, StorageServer, Store
from gateway.serving.dicom import listener, shown

SOP_CLASS, SOP_INSTANCE = tag_of("SOPClassUID"), tag_of("SOPInstanceUID")


class File:
    """A file as it is sent: its data set as it stands, under its own transfer syntax."""

    def __init__(self, path: Path) -> None:
        data = path.read_bytes()
        start, syntax = payload(data)
        dataset = read(data).dataset
        self.path = path
        self.body = data[start:]
        self.syntax = syntax
        self.sop_class = dataset.text(SOP_CLASS)
        self.sop_instance = dataset.text(SOP_INSTANCE)

    @property
    def sendable(self) -> bool:
        """The standard lets it be sent: it says what it is and how it is encoded."""
        return bool(self.syntax and self.sop_class and self.sop_instance and UID(self.sop_instance).is_valid)


class Sender:
    """One association that sends bytes as they are, for any classes and syntaxes."""

    def __init__(self, address: str, files: list[File], calling: str = "SENDER", called: str = "TABELLION") -> None:
        host, _, port = address.rpartition(":")
        entity = AE(ae_title=calling)
        wanted = dict.fromkeys((file.sop_class, file.syntax) for file in files)
        entity.requested_contexts = [build_context(abstract, syntax) for abstract, syntax in wanted]
        self.association: Any = entity.associate(host, int(port), ae_title=called)
        if self.association.is_established:
            # only one thread may read answers: the association's own loop stands still until `close`
            self.association._reactor_checkpoint.clear()
            while not self.association._is_paused:
                time.sleep(0.005)

    def send(self, file: File) -> int:
        """The status of the response. pynetdicom's own `send_c_store` would write the data set anew."""
        from io import BytesIO

        from pynetdicom.dimse_primitives import C_STORE

        context = next(
            each.context_id
            for each in self.association.accepted_contexts
            if each.abstract_syntax == file.sop_class and each.transfer_syntax[0] == file.syntax
        )
        request = C_STORE()
        request.MessageID = 1
        request.AffectedSOPClassUID = file.sop_class
        request.AffectedSOPInstanceUID = file.sop_instance
        request.Priority = 2
        request.DataSet = BytesIO(file.body)
        self.association.dimse.send_msg(request, context)
        _, answer = self.association.dimse.get_msg(block=True)
        return -1 if answer is None else int(answer.Status)

    def close(self) -> None:
        """Release."""
        if self.association.is_established:
            self.association._reactor_checkpoint.set()
            self.association.release()


class Kept:
    """A sink that remembers."""

    def __init__(self, into: dict[str, bytes], uid: str) -> None:
        self._into, self._uid, self._data = into, uid, bytearray()

    def write(self, data: memoryview) -> None:
        self._data += data

    def keep(self) -> Status:
        self._into[self._uid] = bytes(self._data)
        return Status.SUCCESS

    def drop(self) -> None:
        self._into[f"dropped {self._uid}"] = bytes(self._data)


@contextmanager
def server(
    kept: dict[str, bytes], limits: ServerLimits | None = None, refuse: Refused | None = None
) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """A storage server on a free port: its address, and what it reports."""
    bound = listener("127.0.0.1", 0)
    reports: list[tuple[str, str]] = []

    def open_(store: Store, association: Association, peer: str) -> Sink:
        return Kept(kept, store.command.sop_instance)

    door = Door(lambda association, peer: refuse, open_)
    made = StorageServer(bound, door, limits or ServerLimits(), lambda kind, peer, text: reports.append((kind, text)))
    stop = threading.Event()
    thread = threading.Thread(target=made.serve, args=(stop.is_set,))
    thread.start()
    try:
        yield shown(bound), reports
    finally:
        stop.set()
        thread.join()
        bound.close()
        made.drain(5)
