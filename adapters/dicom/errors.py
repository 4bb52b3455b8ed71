"""Errors of the DICOM adapter.

DicomError
├── NotDicom        no DICOM data set begins here (the peer's fault)
├── Damaged         it begins, but not even its first elements can be read (the peer's fault)
└── LimitExceeded   larger or deeper than we read (the peer's fault)

What is wrong with one element costs that element: it is no error but a `Fault` of the data set. The texts hold no
values.
"""

from __future__ import annotations

__all__ = ["Damaged", "DicomError", "LimitExceeded", "NotDicom"]


class DicomError(Exception):
    """Base of this adapter's errors."""


class NotDicom(DicomError):
    """The bytes don't begin as a DICOM file or data set."""


class Damaged(DicomError):
    """The bytes begin as DICOM and can't be followed."""


class LimitExceeded(DicomError):
    """More elements, items or levels than we read."""
