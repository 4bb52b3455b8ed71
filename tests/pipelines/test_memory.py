"""What `settle_in` does to a process, seen in a process of its own: it goes on as before, the collector looks less."""

from __future__ import annotations

import subprocess
import sys

_SCRIPT = """
import gc
from pipelines.memory import collecting, settle_in
kept = [{"a": [n]} for n in range(100_000)]
before = gc.get_threshold()
with collecting():
    assert gc.get_threshold()[0] > before[0]
assert gc.get_threshold() == before
size = settle_in()
assert gc.get_threshold()[0] > before[0]
assert gc.get_freeze_count() >= 200_000
assert [each["a"] for each in kept] == [[n] for n in range(100_000)]
again = settle_in()
print(size, again)
"""


def test_a_process_goes_on_as_before() -> None:
    done = subprocess.run([sys.executable, "-c", _SCRIPT], capture_output=True, text=True, check=True)
    sizes = [int(word) for word in done.stdout.split()]
    assert all(size >= 0 and size % (2 << 20) == 0 for size in sizes)
