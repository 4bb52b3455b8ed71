"""The Merkle tree in SQLite: every complete node, numbered in the order of completion (RFC 6962 section 2.1).

A complete node never changes and no later one goes before it, so the table is append-only and any root or
proof of any size up to the present one is some twenty rows. All functions take an open apsw connection and
never commit: the caller's transaction is the commit point.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ledger.errors import TreeError
from ledger.merkle import (
    HASH_SIZE,
    Frontier,
    Range,
    consistency_ranges,
    fold,
    inclusion_ranges,
)

if TYPE_CHECKING:
    import apsw

MIGRATIONS: tuple[str, ...] = (
    "CREATE TABLE ledger_node (position INTEGER PRIMARY KEY, hash BLOB NOT NULL CHECK (length(hash) = 32)) STRICT;",
)
"""In order; each a script to run once."""


@dataclass(frozen=True, slots=True)
class Head:
    """Size (leaves) and root of a tree."""

    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class Audit:
    """What a re-derivation found: the tree of the leaves given, and the first stored node that contradicts it."""

    head: Head
    fault: str | None


def position(level: int, index: int) -> int:
    """The number of a complete node: `index` counts the nodes of its `level` (0 = leaves)."""
    last = ((index + 1) << level) - 1
    return 2 * last - last.bit_count() + level


def node_count(size: int) -> int:
    """How many complete nodes a tree of `size` leaves has."""
    return 2 * size - size.bit_count()


def size(connection: apsw.Connection) -> int:
    """Leaves in the stored tree; TreeError if nodes are missing at the end."""
    (top,) = connection.execute("SELECT max(position) FROM ledger_node").fetchone() or (None,)
    if top is None:
        return 0
    rest, leaves = int(top) + 1, 0
    for level in range(int(top).bit_length(), -1, -1):
        subtree = (2 << level) - 1
        if rest >= subtree:
            rest -= subtree
            leaves += 1 << level
    if rest or node_count(leaves) != int(top) + 1:
        raise TreeError(f"the stored tree ends inside a subtree, at node {top}")
    return leaves


def append(connection: apsw.Connection, leaf_hashes: Iterable[bytes]) -> Head:
    """Add leaves in this order; the head of the tree after them. About 3 us per leaf at 256 leaves."""
    before = _frontier(connection, size(connection))
    after, made = before.extended(leaf_hashes)
    connection.executemany(
        "INSERT INTO ledger_node (position, hash) VALUES (?, ?)", enumerate(made, node_count(before.size))
    )
    return Head(after.size, after.root())


def root(connection: apsw.Connection, size: int) -> bytes:
    """The root of the first `size` leaves."""
    _check_size(connection, size)
    return _frontier(connection, size).root()


def inclusion(connection: apsw.Connection, index: int, size: int) -> tuple[bytes, ...]:
    """The proof that leaf `index` is in the tree of the first `size` leaves."""
    return inclusions(connection, (index,), size)[0]


def inclusions(connection: apsw.Connection, indexes: Sequence[int], size: int) -> list[tuple[bytes, ...]]:
    """The proofs of several leaves of one tree in one read: neighbours share most of their nodes."""
    _check_size(connection, size)
    if not all(0 <= index < size for index in indexes):
        raise TreeError(f"no such leaf in a tree of {size}")
    return _range_hashes(connection, [inclusion_ranges(index, size) for index in indexes])


def consistency(connection: apsw.Connection, old: int, new: int) -> tuple[bytes, ...]:
    """The proof that the first `old` leaves of the first `new` are unchanged; 0 < old <= new."""
    _check_size(connection, new)
    if not 0 < old <= new:
        raise TreeError(f"no proof from {old} to {new} leaves")
    return _range_hashes(connection, [consistency_ranges(old, new)])[0]


def rederive(connection: apsw.Connection, leaf_hashes: Iterable[bytes]) -> Audit:
    """Build the tree anew from the leaves, in memory of its height, and compare every stored node with it."""
    stored = _stored(connection)
    frontier, fault = Frontier(), None
    for leaf in leaf_hashes:
        index = frontier.size
        frontier, made = frontier.extended((leaf,))
        for level, node in enumerate(made):
            if fault is None and next(stored, None) != (position(level, index >> level), node):
                what = f"leaf {index}" if level == 0 else f"a node over leaf {index}, level {level}"
                fault = f"{what} differs from the stored tree"
    if fault is None and next(stored, None) is not None:
        fault = f"the stored tree goes on after the last leaf, {frontier.size}"
    return Audit(Head(frontier.size, frontier.root()), fault)


def _stored(connection: apsw.Connection) -> Iterator[tuple[int, bytes]]:
    yield from connection.execute("SELECT position, hash FROM ledger_node ORDER BY position")


def _check_size(connection: apsw.Connection, wanted: int) -> None:
    have = size(connection)
    if not 0 <= wanted <= have:
        raise TreeError(f"no tree of {wanted} leaves: {have} are stored")


def _frontier(connection: apsw.Connection, size: int) -> Frontier:
    places = _cover((0, size))
    nodes = _nodes(connection, places)
    return Frontier(size, tuple(nodes[place] for place in places))


def _cover(span: Range) -> list[int]:
    """The positions of the complete nodes over a subtree's leaves, largest first (only the last edge is ragged)."""
    first, last = span
    places = []
    while first < last:
        level = (last - first).bit_length() - 1
        places.append(position(level, first >> level))
        first += 1 << level
    return places


def _range_hashes(connection: apsw.Connection, paths: list[list[Range]]) -> list[tuple[bytes, ...]]:
    covers = {span: _cover(span) for path in paths for span in path}
    nodes = _nodes(connection, sorted({place for places in covers.values() for place in places}))
    hashes = {span: fold([nodes[place] for place in places]) for span, places in covers.items()}
    return [tuple(hashes[span] for span in path) for path in paths]


def _nodes(connection: apsw.Connection, places: Sequence[int]) -> dict[int, bytes]:
    nodes: dict[int, bytes] = {}
    for start in range(0, len(places), 512):
        some = places[start : start + 512]
        marks = ",".join("?" * len(some))
        nodes.update(connection.execute(f"SELECT position, hash FROM ledger_node WHERE position IN ({marks})", some))
    if len(nodes) != len(places) or any(len(node) != HASH_SIZE for node in nodes.values()):
        raise TreeError("a node is missing from the stored tree")
    return nodes
