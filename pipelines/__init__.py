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
    CheckFailed,
    FolderError,
    InUse,
    LogStopped,
    MapperFailed,
    NewerVersion,
    NoSuchEntry,
    NotEmpty,
    PipelineError,
    SettingsError,
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
    from pipelines.channels import Channel
    from pipelines.configuration import json_schema
    from pipelines.datafolder import DataFolder, Identity, init_folder, open_folder
    from pipelines.deadletters import letters
    from pipelines.doctor import Finding, examine, first_fault
    from pipelines.journal import JournalSettings
    from pipelines.logs import Log
    from pipelines.messages import find, show, status
    from pipelines.metrics import Registry
    from pipelines.service import run_writer
    from pipelines.settings import Settings
    from pipelines.topics import EmbeddedTopics
    from pipelines.writer import Writer, settle_all

_LATER = {
    "BackedUp": "backup",
    "Channel": "channels",
    "DataFolder": "datafolder",
    "EmbeddedTopics": "topics",
    "Finding": "doctor",
    "Identity": "datafolder",
    "JournalSettings": "journal",
    "Log": "logs",
    "Registry": "metrics",
    "Restored": "backup",
    "Settings": "settings",
    "Writer": "writer",
    "back_up": "backup",
    "examine": "doctor",
    "find": "messages",
    "first_fault": "doctor",
    "init_folder": "datafolder",
    "json_schema": "configuration",
    "letters": "deadletters",
    "open_folder": "datafolder",
    "restore": "backup",
    "run_writer": "service",
    "settle_all": "writer",
    "show": "messages",
    "status": "messages",
}

__all__ = [
    "BackedUp",
    "BackupError",
    "Batch",
    "BlobMissing",
    "Blobs",
    "Channel",
    "CheckFailed",
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
    "Log",
    "LogStopped",
    "MapperFailed",
    "Merge",
    "Message",
    "NewerVersion",
    "NoSuchEntry",
    "NotEmpty",
    "Outcome",
    "PipelineError",
    "Record",
    "Registry",
    "Restored",
    "Settings",
    "SettingsError",
    "State",
    "StoredDeadLetter",
    "StoredOutcome",
    "TopicInfo",
    "Topics",
    "Touch",
    "Unavailable",
    "Writer",
    "back_up",
    "examine",
    "find",
    "first_fault",
    "init_folder",
    "json_schema",
    "letters",
    "open_folder",
    "restore",
    "run_writer",
    "settle_all",
    "show",
    "status",
]


def __getattr__(name: str) -> object:
    """PEP 562: names of the door that cost an import."""
    if name not in _LATER:
        raise AttributeError(f"module 'pipelines' has no attribute {name!r}")
    return getattr(import_module(f"pipelines.{_LATER[name]}"), name)
