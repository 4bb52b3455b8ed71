"""What is written beside an outcome: small JSON for `messages show`.

No values of messages: paths, codes and counts only.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mappings import Mapped

_ISSUES = 100  # of one message; the whole list comes from mapping it again


def message_detail(mapped: Mapped) -> bytes:
    """Counts of leaves and residue, and the issues, of one message."""
    detail: dict[str, Any] = {
        "leaves": dict(zip(("mapped", "kept", "excused", "residue"), mapped.leaves, strict=True)),
        "status": mapped.status,
        "issues": [[each.severity, each.code, each.path, each.text] for each in mapped.issues[:_ISSUES]],
        "more_issues": max(0, len(mapped.issues) - _ISSUES),
    }
    return canonical(detail)


def failure_detail(
    cause: str, place: str, text: str, breaches: Iterable[Sequence[str]], parts: Sequence[int] = ()
) -> bytes:
    """Why a message failed: what its dead letter says, which goes once it is solved, and each breach of its profile."""
    found: dict[str, Any] = {"cause": cause, "place": place, "text": text}
    if parts:
        found["parts"] = list(parts)
    if issues := [list(breach) for breach in breaches]:
        found["issues"] = issues
    return canonical(found)


def flagged(detail: bytes) -> bytes:
    """The same detail, marked: the message's control id came before with other bytes."""
    return b'{"changed":true,' + detail[1:]


def action_detail(tally: Mapping[str, int]) -> bytes:
    """What an action did."""
    return canonical(dict(tally))


def canonical(value: object) -> bytes:
    """Our own small JSON."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
