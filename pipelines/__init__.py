"""The pipelines room: journey, settle, journal, state, topics, publisher, dead letters, settings.

The door. Values, ports and errors are imported at once; what opens files or needs libraries only when it is asked
for, so that a command pays for what it uses and a mapper process for nothing else.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from pipelines.envelope import Envelope
from pipelines.errors import (
    BackupError,
    BlobMissing,
    FolderError,
    InUse,
    LogStopped,
    NewerVersion,
    NotEmpty,
    PipelineError,
    Unavailable,
)
from pipelines.ports import (
    Batch,
    Blobs,
    Committed,
    Counts,
    Current,
    DeadLetter,
    Entry,
    Hold,
    Journal,
    Kept,
    Merge,
    Message,
    Outcome,
    Record,
    State,
    StoredDeadLetter,
    StoredOutcome,
    TopicInfo,
    Topics,
    Touch,
)

if TYPE_CHECKING:
    from pipelines.backup import BackedUp, Restored, back_up, restore
    from pipelines.datafolder import DataFolder, Identity, init_folder, open_folder
    from pipelines.doctor import Finding, examine, first_fault
    from pipelines.journal import JournalSettings
    from pipelines.topics import EmbeddedTopics

_LATER = {
    "BackedUp": "backup",
    "DataFolder": "datafolder",
    "EmbeddedTopics": "topics",
    "Finding": "doctor",
    "Identity": "datafolder",
    "JournalSettings": "journal",
    "Restored": "backup",
    "back_up": "backup",
    "examine": "doctor",
    "first_fault": "doctor",
    "init_folder": "datafolder",
    "open_folder": "datafolder",
    "restore": "backup",
}

__all__ = [
    "BackedUp",
    "BackupError",
    "Batch",
    "BlobMissing",
    "Blobs",
    "Committed",
    "Counts",
    "Current",
    "DataFolder",
    "DeadLetter",
    "EmbeddedTopics",
    "Entry",
    "Envelope",
    "Finding",
    "FolderError",
    "Hold",
    "Identity",
    "InUse",
    "Journal",
    "JournalSettings",
    "Kept",
    "LogStopped",
    "Merge",
    "Message",
    "NewerVersion",
    "NotEmpty",
    "Outcome",
    "PipelineError",
    "Record",
    "Restored",
    "State",
    "StoredDeadLetter",
    "StoredOutcome",
    "TopicInfo",
    "Topics",
    "Touch",
    "Unavailable",
    "back_up",
    "examine",
    "first_fault",
    "init_folder",
    "open_folder",
    "restore",
]


def __getattr__(name: str) -> object:
    """PEP 562: names of the door that cost an import."""
    if name not in _LATER:
        raise AttributeError(f"module 'pipelines' has no attribute {name!r}")
    return getattr(import_module(f"pipelines.{_LATER[name]}"), name)
