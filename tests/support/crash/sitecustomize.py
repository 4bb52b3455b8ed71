"""Ends the whole process group at a named step of a service under test; no such hook is in the product.

On PYTHONPATH of the service and, through spawn, of its children. TABELLION_TEST_CRASH is `step=folder`: once
`folder/armed` exists, the next passing of the step leaves `folder/hit` and kills the group with SIGKILL.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import os
import signal
import sys
from types import ModuleType
from typing import Any

_STEP, _, _FOLDER = os.environ.get("TABELLION_TEST_CRASH", "").partition("=")


def _crash_if_armed() -> None:
    if os.path.exists(os.path.join(_FOLDER, "armed")):
        descriptor = os.open(os.path.join(_FOLDER, "hit"), os.O_CREAT | os.O_WRONLY)
        os.write(descriptor, _STEP.encode())
        os.close(descriptor)
        os.killpg(os.getpgrp(), signal.SIGKILL)


def _before(owner: Any, name: str) -> None:
    """Crash when `owner.name` is entered."""
    original = getattr(owner, name)

    def entered(*arguments: Any, **keywords: Any) -> Any:
        _crash_if_armed()
        return original(*arguments, **keywords)

    setattr(owner, name, entered)


def _after_journal_commit(module: ModuleType) -> None:
    # the committer's batch is committed, its senders are not told yet
    _before(module.SqliteJournal, "_tell")


def _inside_batch_commit(module: ModuleType) -> None:
    # the leaves go in after the records, in the same open transaction
    _before(module.ledger, "append")


def _between_produce_and_commit(module: ModuleType) -> None:
    class Crashing(module.Producer):  # type: ignore[name-defined,misc]
        def commit_transaction(self, *arguments: Any) -> Any:
            self.flush(10)  # all of the transaction's events are on the broker
            _crash_if_armed()
            return super().commit_transaction(*arguments)

    module.Producer = Crashing  # type: ignore[attr-defined]


def _between_delivery_and_record(module: ModuleType) -> None:
    # an acknowledgement of ours was sent and accepted, the queue does not know it yet
    original = module.OutboundQueue.advance

    def advance(self: Any, taken: Any, results: Any, now: int) -> Any:
        if any(result.code for result in results):
            _crash_if_armed()
        return original(self, taken, results, now)

    module.OutboundQueue.advance = advance


def _between_keep_and_move(module: ModuleType) -> None:
    # all of a file's messages are committed, the file still lies where it was dropped
    _before(module, "move")


_STEPS = {
    "between-keep-and-move": ("gateway.serving.drops", _between_keep_and_move),
    "between-delivery-and-record": ("pipelines.outbound", _between_delivery_and_record),
    "after-commit-before-ack": ("pipelines.journal", _after_journal_commit),
    "inside-batch-commit": ("pipelines.state", _inside_batch_commit),
    "between-produce-and-commit": ("pipelines.kafka", _between_produce_and_commit),
}


class _Hook(importlib.abc.MetaPathFinder):
    """Changes one module right after it was imported."""

    def __init__(self, name: str, change: Any) -> None:
        self._name = name
        self._change = change

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        """Wrap the loader of the module that is meant."""
        if name != self._name:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is None or spec.loader is None:
            return None
        loader, execute, change = spec.loader, spec.loader.exec_module, self._change

        def executed(module: ModuleType) -> None:
            execute(module)
            change(module)

        loader.exec_module = executed  # type: ignore[method-assign]
        return spec


if _STEP:
    sys.meta_path.insert(0, _Hook(*_STEPS[_STEP]))
