"""Errors of the pipelines.

PipelineError
├── Unavailable      our side can't keep anything now (disk error, no space): AR, readiness false, never AA
├── InUse            another process serves this data folder
├── FolderError      the data folder isn't one, lacks a part, or has a version this release can't open
│   ├── NewerVersion     written by a newer release
│   └── NotEmpty         restore refuses a folder that holds something
├── LogStopped       the database is behind its last published checkpoint: going on would fork the log
├── BlobMissing      a digest that isn't in the store, or whose bytes don't hash to it
├── BackupError      not a backup of ours, or damaged
├── SettingsError    the configuration can't be used; every fault found stands in the text
├── MapperFailed     the mapper processes can't be kept running
├── CheckFailed      our maps made a resource that isn't valid FHIR R4: a dead letter, to be replayed after a fix
└── NoSuchEntry      a replay or a look at a message or dead letter that isn't there
"""

from __future__ import annotations


class PipelineError(Exception):
    """Base of all errors of this package; texts never hold patient data."""


class Unavailable(PipelineError):
    """Nothing can be kept now; the sender must be told to try again."""


class InUse(PipelineError):
    """Another process serves this data folder."""


class FolderError(PipelineError):
    """The data folder can't be used as it is."""


class NewerVersion(FolderError):
    """A file was written by a newer release."""


class NotEmpty(FolderError):
    """The folder holds something already."""


class LogStopped(PipelineError):
    """Going on would fork the log; it stops instead."""


class BlobMissing(PipelineError):
    """No such blob, or its bytes don't hash to their name."""


class BackupError(PipelineError):
    """Not a backup of ours, or damaged."""


class SettingsError(PipelineError):
    """The configuration can't be used; every fault found stands in the text."""


class MapperFailed(PipelineError):
    """The mapper processes can't be kept running."""


class NoSuchEntry(PipelineError):
    """A replay of, or a look at, a message or dead letter that isn't there."""


class CheckFailed(PipelineError):
    """Our maps made a resource that isn't valid FHIR R4; the sender is not to blame."""

    def __init__(self, type_: str, place: str) -> None:
        super().__init__(f"{type_} is not valid FHIR R4 at {place}")
        self.place = place
