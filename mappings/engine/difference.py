"""What an overlay changes (`tabellion map diff`): rows and keys added, replaced, removed, with file and line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from mappings.engine.effective import EffectiveMap
from mappings.engine.grammar import plain
from mappings.engine.library import row_ids
from mappings.engine.yamlfile import Dict, List, line_of

__all__ = ["difference"]


def difference(base: EffectiveMap, effective: EffectiveMap) -> Iterator[str]:
    """One line per change: `+` added, `~` replaced, `-` removed, then file:line, the row's id and its content."""
    if base.hash == effective.hash:
        return
    yield f"- {base.hash}"
    yield f"+ {effective.hash}"
    before, after = base.library.files, effective.library.files
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if old is new or plain_or_text(old) == plain_or_text(new):
            continue
        if old is None or new is None:
            yield f"{'+' if old is None else '-'} {name}"
        elif isinstance(old, Dict) and isinstance(new, Dict):
            yield from _maps(name, old, new)
        else:
            yield from _lines(name, str(old), str(new))


def plain_or_text(content: Any) -> Any:
    """Content without line numbers."""
    return content if content is None or isinstance(content, str) else plain(content)


def _maps(name: str, old: Dict, new: Dict) -> Iterator[str]:
    for key in sorted((old.keys() | new.keys()) - {"rows"}):
        left, right = old.get(key), new.get(key)
        if plain_or_text(left) != plain_or_text(right):
            mark = "+" if left is None else "-" if right is None else "~"
            line = (new if right is not None else old).lines.get(key, 0)
            yield f"{mark} {name}:{line} {key}: {_shown(right if right is not None else left)}"
    was = _by_id(old.get("rows"), name)
    now = _by_id(new.get("rows"), name)
    for id_ in [*was, *(each for each in now if each not in was)]:
        left, right = was.get(id_), now.get(id_)
        if left is None:
            yield f"+ {name}:{line_of(right)} {id_}: {_shown(right)}"
        elif right is None:
            yield f"- {name}:{line_of(left)} {id_}: {_shown(left)}"
        elif plain(left) != plain(right):
            yield f"~ {name}:{line_of(right)} {id_}: {_shown(right)}"


def _by_id(rows: Any, name: str) -> dict[str, Any]:
    if not isinstance(rows, List):
        return {}
    return dict(zip(row_ids(rows, name), rows, strict=True))


def _shown(value: Any) -> str:
    return json.dumps(plain(value), ensure_ascii=False)


def _lines(name: str, old: str, new: str) -> Iterator[str]:
    """Tables: line by line."""
    left, right = old.splitlines(), new.splitlines()
    for number, line in enumerate(left, 1):
        if line not in right:
            yield f"- {name}:{number} {line}"
    for number, line in enumerate(right, 1):
        if line not in left:
            yield f"+ {name}:{number} {line}"
