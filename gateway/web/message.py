"""A request as handlers see it and the response they give (RFC 9110 sections 6 and 15); plain values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

__all__ = ["JSON", "Request", "Response"]

JSON = "application/json"
_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Request:
    """`headers` by lower-case name; `query` the first value of each name; `parameters` from the route's path."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    headers: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    body: bytes = b""
    peer: str = ""
    parameters: Mapping[str, str] = field(default_factory=lambda: _NOTHING)

    @property
    def media_type(self) -> str:
        """Content-Type without parameters, in lower case; '' without."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


@dataclass(frozen=True, slots=True)
class Response:
    """`headers` beside those that every answer has (Content-Type, Content-Length, Cache-Control, Date)."""

    status: int
    body: bytes = b""
    media_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def json(cls, status: int, value: Any, headers: tuple[tuple[str, str], ...] = ()) -> Response:
        """A JSON answer."""
        return cls(status, json.dumps(value, ensure_ascii=False).encode(), JSON, headers)
