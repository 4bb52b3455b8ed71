"""Ids of resources: UUIDv5 (RFC 9562 section 5.5) of a business key under the tenant's namespace.

The name is the resource type and the key's parts, each with its length before it, so that no two keys share a name.
"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

try:
    # CPython's own: OpenSSL's takes longer to set up than these few bytes take to hash, and ids are made by the dozen
    from _sha1 import sha1  # type: ignore[import-not-found,unused-ignore]  # typeshed has it for some
except ImportError:  # built without it
    from hashlib import sha1

__all__ = ["PUBLISHED_NAMESPACE", "id_of", "named", "resource_id"]

PUBLISHED_NAMESPACE = UUID("6f0c3e5a-8a5e-5d0b-9f51-0d6f2e0a7b11")
"""The namespace of `convert` without settings: published, hence no protection against a dictionary of numbers."""


_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


def resource_id(namespace: bytes, resource_type: str, parts: Iterable[str]) -> str:
    """The id of a resource of this type with this key; `namespace` = 16 bytes."""
    return id_of(namespace, resource_type, named(parts))


def named(parts: Iterable[str]) -> str:
    """The parts of a key as one text: each with its length, so that no two keys are the same text."""
    return "".join([f"|{len(part)}:{part}" for part in parts])


def id_of(namespace: bytes, resource_type: str, name: str) -> str:
    """`resource_id` of a key that is one text already (`named`)."""
    # SHA-1 because UUIDv5 says so; secrecy rests on the namespace
    text: str = sha1(namespace + f"{resource_type}{name}".encode(), usedforsecurity=False).hexdigest()
    return f"{text[:8]}-{text[8:12]}-5{text[13:16]}-{_VARIANT[text[16]]}{text[17:20]}-{text[20:32]}"
