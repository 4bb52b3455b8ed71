"""C-STORE: instances per second against dcmtk's `storescp`, both with Nagle's algorithm off, from the same `storescu`.

Ours is the whole service: each instance is fsynced and in the journal before its answer, and the writer maps and
settles meanwhile on the same cores. `storescp` (+B: as received) writes files and syncs nothing.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from adapters.dicom.network import Door, ServerLimits, Status, StorageServer
from benchmarks.result import Row
from gateway.serving.dicom import listener, shown
from pipelines.blobs import FileBlobs, Incoming

__all__ = ["run"]

_SIDE = 512  # pixels: 524 KB of them, as a CT slice has
_ENVIRONMENT = os.environ | {"TCP_NODELAY": "1"}
_NAME = "C-STORE, one association"
_PEER = "dcmtk storescp, TCP_NODELAY"


def run(quick: bool, folder: Path) -> list[Row]:
    """One row; without dcmtk a note."""
    if not shutil.which("storescp") or not shutil.which("storescu"):
        return [Row(_NAME, 0.0, "instances/s", _PEER, 0.0, 0.0, note="not measured: dcmtk is not here")]
    count, rounds = (40, 1) if quick else (200, 3)
    size = 0
    ours: list[float] = []
    bare: list[float] = []
    theirs: list[float] = []
    for turn in range(rounds):
        slices = folder / f"slices{turn}"
        size = _slices(slices, count, turn)
        contestants: list[tuple[Callable[[Path], float], list[float]]]
        contestants = [(_tabellion, ours), (_receiver, bare), (_storescp, theirs)]
        for contestant, speeds in contestants if turn % 2 else contestants[::-1]:
            speeds.append(count / contestant(slices))
        shutil.rmtree(slices)
    peer = median(theirs)
    return [
        Row(name, median(speeds), "instances/s", _PEER, peer, median(speeds) / peer, size=size, note=note)
        for name, speeds, note in (
            ("C-STORE, receiver alone", bare, "written and hashed, not synced; storescp syncs nothing, either"),
            (_NAME, ours, "the service: three syncs before each answer, mapped and settled meanwhile"),
        )
    ]


def _slices(folder: Path, count: int, turn: int) -> int:
    """Made-up CT slices, each its own bytes; the size of one."""
    from adapters.dicom import payload
    from tools.dicom_samples import FOLDER

    template = (FOLDER / "ct-chest" / "series1-1.dcm").read_bytes()
    start, _ = payload(template)
    pixels = template.rindex(b"\xe0\x7f\x10\x00OW")
    folder.mkdir()
    body = b""
    for number in range(count):
        noise = os.urandom(_SIDE) * (_SIDE * 2)
        uid = f"2.25.314159265358979323846264338{turn:03}{number:03}.1.1.1".encode()
        head = template[:pixels].replace(b"2.25.314159265358979323846264338327950.1.1.1", uid)
        body = head + b"\xe0\x7f\x10\x00OW\0\0" + len(noise).to_bytes(4, "little") + noise
        (folder / f"{number:04}.dcm").write_bytes(body)
    return len(body) - start


def _send(port: int, slices: Path) -> float:
    """Seconds that `storescu` takes for all of them."""
    begun = time.perf_counter()
    words = ["storescu", "+sd", "--max-pdu", "131072", "127.0.0.1", str(port), str(slices)]
    subprocess.run(words, env=_ENVIRONMENT, check=True, capture_output=True)
    return time.perf_counter() - begun


def _tabellion(slices: Path) -> float:
    data = slices.parent / f"data-{slices.name}"
    words = [sys.executable, "-m", "gateway.cli", "serve", "--data", str(data)]
    for name in ("--mllp", "--dicom", "--http"):
        words += [name, "127.0.0.1:0"]
    with _process(words) as process:
        assert process.stdout is not None
        port = int(json.loads(process.stdout.readline())["dicom"].rpartition(":")[2])
        _ready(port, process)
        seconds = _send(port, slices)
    shutil.rmtree(data)
    return seconds


def _receiver(slices: Path) -> float:
    out = slices.parent / f"bare-{slices.name}"
    with _process([sys.executable, "-m", "benchmarks.dicom", str(out)]) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        _ready(port, process)
        seconds = _send(port, slices)
    shutil.rmtree(out)
    return seconds


class _Unsynced:
    """An instance written and hashed as the service does it, but for the syncs."""

    def __init__(self, incoming: Incoming) -> None:
        self._incoming = incoming
        self.write = incoming.write
        self.drop = incoming.drop

    def keep(self) -> Status:
        self._incoming.finish()
        return Status.SUCCESS


def receive(out: Path) -> None:
    """The receiver alone, until it is ended; its port on standard output."""
    blobs = FileBlobs(out)
    bound = listener("127.0.0.1", 0)
    print(shown(bound).rpartition(":")[2], flush=True)
    door = Door(lambda association, peer: None, lambda store, association, peer: _Unsynced(blobs.incoming()))
    StorageServer(bound, door, ServerLimits()).serve(lambda: False)


def _storescp(slices: Path) -> float:
    out = slices.parent / f"out-{slices.name}"
    out.mkdir()
    for _ in range(5):  # it wants a number, and another program may be faster to the one that is free now
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        with _process(["storescp", "+xa", "+B", "--max-pdu", "131072", "-od", str(out), str(port)]) as process:
            if _ready(port, process):
                seconds = _send(port, slices)
                shutil.rmtree(out)
                return seconds
    raise RuntimeError("storescp found no port")


@contextmanager
def _process(words: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(words, env=_ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)
        assert process.stdout is not None
        process.stdout.close()


def _ready(port: int, process: subprocess.Popen[bytes]) -> bool:
    """Wait for C-ECHO, so that starting is not measured; False if the receiver has ended instead."""
    until = time.monotonic() + 60
    while subprocess.run(["echoscu", "127.0.0.1", str(port)], capture_output=True, check=False).returncode:
        if process.poll() is not None:
            return False
        if time.monotonic() > until:
            raise RuntimeError("the receiver did not come up")
        time.sleep(0.1)
    return process.poll() is None


if __name__ == "__main__":
    receive(Path(sys.argv[1]))
