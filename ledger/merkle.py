"""Merkle tree hash, inclusion and consistency proofs (RFC 6962 section 2.1; verifying after RFC 9162 section 2.1).

Pure: hashes are 32 bytes, sizes and indexes count leaves from 0. A proof runs from the leaf to the root.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from ledger.errors import ProofRefused

HASH_SIZE = 32
EMPTY_ROOT = sha256(b"").digest()

Range = tuple[int, int]
"""Leaves [first, last) of a subtree whose hash stands in a proof."""


def leaf_hash(leaf: bytes) -> bytes:
    """MTH({d}) = SHA-256(0x00 || d)."""
    return sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right)."""
    return sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Frontier:
    """The complete subtrees that make up a tree of `size` leaves, largest first: all that appending needs."""

    size: int = 0
    peaks: tuple[bytes, ...] = ()

    def root(self) -> bytes:
        """The tree's root hash."""
        return fold(self.peaks) if self.peaks else EMPTY_ROOT

    def extended(self, leaf_hashes: Iterable[bytes]) -> tuple[Frontier, list[bytes]]:
        """The frontier after these leaves, and every complete node they made, in the order of completion."""
        size, peaks, made = self.size, list(self.peaks), []
        for node in leaf_hashes:
            made.append(node)
            carry = size
            while carry & 1:
                node = sha256(b"\x01" + peaks.pop() + node).digest()
                made.append(node)
                carry >>= 1
            peaks.append(node)
            size += 1
        return Frontier(size, tuple(peaks)), made


def fold(peaks: Sequence[bytes]) -> bytes:
    """The hash of neighbouring complete subtrees, largest first, at least one."""
    node = peaks[-1]
    for left in reversed(peaks[:-1]):
        node = node_hash(left, node)
    return node


def root(leaf_hashes: Iterable[bytes]) -> bytes:
    """The root over these leaves, in memory of the tree's height."""
    frontier = Frontier()
    for leaf in leaf_hashes:
        frontier, _ = frontier.extended((leaf,))
    return frontier.root()


def _split(width: int) -> int:
    """The largest power of two below `width` (RFC 6962: k < n <= 2k)."""
    return 1 << ((width - 1).bit_length() - 1)


def inclusion_ranges(index: int, size: int) -> list[Range]:
    """The subtrees beside the path of a leaf, from the leaf to the root (PATH, section 2.1.1)."""
    first, last, beside = 0, size, list[Range]()
    while last - first > 1:
        middle = first + _split(last - first)
        if index < middle:
            beside.append((middle, last))
            last = middle
        else:
            beside.append((first, middle))
            first = middle
    beside.reverse()
    return beside


def consistency_ranges(old: int, new: int) -> list[Range]:
    """The subtrees of a proof that the first `old` of `new` leaves are unchanged (SUBPROOF, section 2.1.2)."""
    first, last, beside = 0, new, list[Range]()
    while last != old:
        middle = first + _split(last - first)
        if old <= middle:
            beside.append((middle, last))
            last = middle
        else:
            beside.append((first, middle))
            first = middle
    if first:  # otherwise the rest is the old tree itself, whose root the verifier has
        beside.append((first, last))
    beside.reverse()
    return beside


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Refuse unless the leaf with this hash is number `index` of the tree of `size` leaves with this root."""
    if not 0 <= index < size:
        raise ProofRefused("the index is outside the tree")
    path = inclusion_ranges(index, size)
    _check_shape(len(path), proof, leaf, root)
    node = leaf
    for (first, _), beside in zip(path, proof, strict=True):
        node = node_hash(beside, node) if first < index else node_hash(node, beside)
    if not hmac.compare_digest(node, root):
        raise ProofRefused("the inclusion proof does not lead to the root")


def verify_consistency(old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> None:
    """Refuse unless the tree of `new` leaves begins with the tree of `old` leaves; `old` = 0 proves nothing."""
    if not 0 < old <= new:
        raise ProofRefused("the old size is zero or above the new one")
    _check_shape(len(consistency_ranges(old, new)), proof)
    hashes = list(proof)
    if old & (old - 1) == 0 or old == new:
        hashes.insert(0, old_root)  # the old tree is itself a node of the new one
    at_old, at_new = old - 1, new - 1
    while at_old & 1:
        at_old, at_new = at_old >> 1, at_new >> 1
    seen_old = seen_new = hashes[0]
    for beside in hashes[1:]:
        if at_old & 1 or at_old == at_new:
            seen_old, seen_new = node_hash(beside, seen_old), node_hash(beside, seen_new)
            while at_old and not at_old & 1:
                at_old, at_new = at_old >> 1, at_new >> 1
        else:
            seen_new = node_hash(seen_new, beside)
        at_old, at_new = at_old >> 1, at_new >> 1
    if not hmac.compare_digest(seen_old, old_root):
        raise ProofRefused("the consistency proof does not lead to the old root")
    if not hmac.compare_digest(seen_new, new_root):
        raise ProofRefused("the consistency proof does not lead to the new root")


def _check_shape(length: int, proof: Sequence[bytes], *ends: bytes) -> None:
    if len(proof) != length:
        raise ProofRefused(f"the proof has {len(proof)} hashes, not {length}")
    if any(len(node) != HASH_SIZE for node in (*proof, *ends)):
        raise ProofRefused("a hash has not 32 bytes")
