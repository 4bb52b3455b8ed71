"""The stored tree gives the roots and proofs of the pure one, at every size, and damage to it is found."""

from __future__ import annotations

from collections.abc import Iterator

import apsw
import pytest

from ledger import merkle, tree
from ledger.errors import TreeError
from tests.ledger.test_merkle import hashes, mth, proofs


@pytest.fixture
def connection() -> Iterator[apsw.Connection]:
    opened = apsw.Connection(":memory:")
    for script in tree.MIGRATIONS:
        opened.execute(script)
    yield opened
    opened.close()


def test_nodes_are_numbered_in_the_order_of_completion() -> None:
    count = 0
    for leaf in range(70):
        level = 0
        while True:
            assert tree.position(level, leaf >> level) == count
            count += 1
            if not leaf >> level & 1:
                break
            level += 1
        assert tree.node_count(leaf + 1) == count


def test_roots_and_proofs_at_every_size(connection: apsw.Connection) -> None:
    leaves = hashes(40)
    for start, stop in ((0, 0), (0, 1), (1, 3), (3, 16), (16, 40)):
        assert tree.append(connection, leaves[start:stop]) == tree.Head(stop, mth(leaves[:stop]))
        assert tree.size(connection) == stop
    for size in range(41):
        assert tree.root(connection, size) == mth(leaves[:size])
        expected = [tuple(proofs(leaves, merkle.inclusion_ranges(n, size))) for n in range(size)]
        assert tree.inclusions(connection, range(size), size) == expected
        for old in range(1, size + 1):
            proof = tree.consistency(connection, old, size)
            assert list(proof) == proofs(leaves, merkle.consistency_ranges(old, size))
    assert tree.inclusion(connection, 7, 39) == tuple(proofs(leaves, merkle.inclusion_ranges(7, 39)))


def test_many_proofs_in_one_read(connection: apsw.Connection) -> None:
    leaves = hashes(1500)
    head = tree.append(connection, leaves)
    for index, proof in enumerate(tree.inclusions(connection, range(1500), 1500)):
        merkle.verify_inclusion(leaves[index], index, 1500, proof, head.root)


def test_what_is_not_stored_is_refused(connection: apsw.Connection) -> None:
    tree.append(connection, hashes(5))
    for call in (
        lambda: tree.root(connection, 6),
        lambda: tree.inclusion(connection, 5, 5),
        lambda: tree.inclusion(connection, -1, 5),
        lambda: tree.inclusion(connection, 0, 6),
        lambda: tree.consistency(connection, 0, 5),
        lambda: tree.consistency(connection, 4, 3),
    ):
        with pytest.raises(TreeError):
            call()


def test_never_commits(connection: apsw.Connection) -> None:
    connection.execute("BEGIN")
    tree.append(connection, hashes(5))
    connection.execute("ROLLBACK")
    assert tree.size(connection) == 0


def test_a_sound_tree_is_rederived(connection: apsw.Connection) -> None:
    head = tree.append(connection, hashes(11))
    assert tree.rederive(connection, iter(hashes(11))) == tree.Audit(head, None)


def test_every_damaged_or_missing_node_is_found(connection: apsw.Connection) -> None:
    leaves = hashes(11)
    tree.append(connection, leaves)
    for place in range(tree.node_count(11)):
        for damage in ("UPDATE ledger_node SET hash = zeroblob(32)", "DELETE FROM ledger_node"):
            connection.execute("BEGIN")
            connection.execute(f"{damage} WHERE position = ?", (place,))
            assert tree.rederive(connection, leaves).fault is not None
            connection.execute("ROLLBACK")


def test_a_changed_missing_or_extra_leaf_is_named(connection: apsw.Connection) -> None:
    leaves = hashes(11)
    tree.append(connection, leaves)
    changed = [*leaves[:6], merkle.leaf_hash(b"other"), *leaves[7:]]
    assert tree.rederive(connection, changed).fault == "leaf 6 differs from the stored tree"
    assert tree.rederive(connection, leaves[:-1]).fault == "the stored tree goes on after the last leaf, 10"
    assert tree.rederive(connection, [*leaves, leaves[0]]).fault == "leaf 11 differs from the stored tree"


def test_a_torn_end_is_refused(connection: apsw.Connection) -> None:
    tree.append(connection, hashes(4))
    connection.execute("DELETE FROM ledger_node WHERE position = 6")
    with pytest.raises(TreeError, match="inside a subtree"):
        tree.size(connection)
