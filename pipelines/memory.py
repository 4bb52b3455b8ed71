"""A process that has loaded its maps, made fit for many messages: collector and pages know that they are for good.

Measured: mapping waits for memory more than for instructions. A message touches thousands of the maps' objects, spread
over tens of megabytes; with pages of 4 KiB half of the time went on finding the pages (TLB misses). Linux gathers them
into pages of 2 MiB when asked; elsewhere, and where it can't, nothing happens.
"""

from __future__ import annotations

import ctypes
import gc
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["collecting", "settle_in"]

_YOUNG = 5000  # containers made before the collector looks: what a few messages make, and give back by themselves
_PAGE = 2 << 20
_ROOM = 4 << 20  # bytes in large pages for what messages make: more than many of them make at once
_BLOCK = 479  # of a bytes object that fills one of the largest blocks that Python shares out itself
_room: list[bytes] = []  # one block in many stays, so that Python keeps the room and gives the rest to what comes
_HUGEPAGE, _COLLAPSE = 14, 25  # madvise(2): gather in time; gather now (Linux 6.1)
_MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) rw.. \S+ \S+ 0 *(\[heap\])?")


def settle_in() -> int:
    """After everything is loaded. Gives how many bytes stand in large pages now, for the curious."""
    gc.collect()
    gc.freeze()  # the maps are for good: the collector need not walk over them again and again
    gc.set_threshold(_YOUNG, *gc.get_threshold()[1:])
    if sys.platform != "linux":
        return 0
    spare = [bytes(_BLOCK) for _ in range(_ROOM // 512)]
    size = _large_pages()
    _room[:] = spare[::1000]
    return size


@contextmanager
def collecting() -> Iterator[None]:
    """The collector as `settle_in` sets it, for a while: for benchmarks that have other contestants in the process."""
    before = gc.get_threshold()
    gc.set_threshold(_YOUNG, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _large_pages() -> int:
    try:
        advise = ctypes.CDLL(None, use_errno=True).madvise
        mappings = Path("/proc/self/maps").read_text()
    except (OSError, AttributeError):
        return 0
    advise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    done = 0
    for line in mappings.splitlines():
        found = _MAPPING.fullmatch(line.rstrip())
        if found is None:
            continue
        start = -(-int(found[1], 16) // _PAGE) * _PAGE
        size = int(found[2], 16) // _PAGE * _PAGE - start
        if size > 0 and advise(start, size, _HUGEPAGE) == 0 and advise(start, size, _COLLAPSE) == 0:
            done += size
    return done
