"""RFC 6962 trees: the published vectors, our own small ones, and every size against a recursive definition."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import merkle
from ledger.errors import ProofRefused

LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]

Vector = dict[str, object]


def hashes(count: int) -> list[bytes]:
    return [merkle.leaf_hash(b"leaf %d" % n) for n in range(count)]


def mth(leaves: list[bytes]) -> bytes:
    """The definition of section 2.1, word by word."""
    if len(leaves) < 2:
        return leaves[0] if leaves else merkle.EMPTY_ROOT
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return merkle.node_hash(mth(leaves[:split]), mth(leaves[split:]))


def proofs(leaves: list[bytes], ranges: list[merkle.Range]) -> list[bytes]:
    return [mth(leaves[first:last]) for first, last in ranges]


@pytest.mark.parametrize("size", range(9))
def test_known_roots(size: int) -> None:
    leaves = [merkle.leaf_hash(bytes.fromhex(leaf)) for leaf in LEAVES[:size]]
    assert merkle.root(leaves).hex() == ROOTS[size]


def test_every_inclusion_up_to_33_leaves() -> None:
    for size in range(1, 34):
        leaves = hashes(size)
        root = mth(leaves)
        assert merkle.root(leaves) == root
        for index in range(size):
            proof = proofs(leaves, merkle.inclusion_ranges(index, size))
            merkle.verify_inclusion(leaves[index], index, size, proof, root)
            for other in range(-1, size + 2):
                if other != index:
                    with pytest.raises(ProofRefused):
                        merkle.verify_inclusion(leaves[index], other, size, proof, root)


def test_every_consistency_up_to_33_leaves() -> None:
    for new in range(1, 34):
        leaves = hashes(new)
        for old in range(1, new + 1):
            proof = proofs(leaves, merkle.consistency_ranges(old, new))
            merkle.verify_consistency(old, new, proof, mth(leaves[:old]), mth(leaves))
            if old < new:
                with pytest.raises(ProofRefused):
                    merkle.verify_consistency(old, new, proof, mth(leaves[: old - 1]), mth(leaves))
                with pytest.raises(ProofRefused):
                    merkle.verify_consistency(old, new, proof, mth(leaves[:old]), mth(leaves[:-1]))


def test_nothing_is_consistent_with_an_empty_tree() -> None:
    for new in (0, 1, 5):
        with pytest.raises(ProofRefused, match="zero"):
            merkle.verify_consistency(0, new, [], merkle.EMPTY_ROOT, mth(hashes(new)))


def test_a_proof_of_the_wrong_length_is_refused_before_any_hash() -> None:
    leaves = hashes(7)
    proof = proofs(leaves, merkle.inclusion_ranges(2, 7))
    for wrong in (proof[:-1], [*proof, proof[0]], [*proof[:-1], b""], [*proof[:-1], proof[-1] + b"\0"]):
        with pytest.raises(ProofRefused, match="has"):
            merkle.verify_inclusion(leaves[2], 2, 7, wrong, mth(leaves))


@given(st.data())
def test_a_changed_bit_is_refused(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 70))
    leaves = hashes(size)
    index = data.draw(st.integers(0, size - 1))
    proof = proofs(leaves, merkle.inclusion_ranges(index, size))
    at = data.draw(st.integers(0, len(proof) - 1))
    bit = data.draw(st.integers(0, 255))
    changed = bytearray(proof[at])
    changed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(ProofRefused):
        merkle.verify_inclusion(
            leaves[index], index, size, [*proof[:at], bytes(changed), *proof[at + 1 :]], mth(leaves)
        )


@given(st.lists(st.integers(0, 9), max_size=8))
def test_a_frontier_grows_in_any_steps(steps: list[int]) -> None:
    leaves = hashes(sum(steps))
    frontier = merkle.Frontier()
    for step in steps:
        frontier, _ = frontier.extended(leaves[frontier.size : frontier.size + step])
    assert frontier.root() == mth(leaves)


def raw(text: object) -> bytes:
    return base64.b64decode(str(text or ""))


def verdict(path: Path) -> bool:
    case: Vector = json.loads(path.read_bytes())
    many = case["proof"] or []
    assert isinstance(many, list)
    proof = [raw(node) for node in many]
    numbers = {name: int(str(case[name])) for name in ("leafIdx", "treeSize", "size1", "size2") if name in case}
    try:
        if "leafIdx" in case:
            leaf, root = raw(case["leafHash"]), raw(case["root"])
            merkle.verify_inclusion(leaf, numbers["leafIdx"], numbers["treeSize"], proof, root)
        else:
            roots = raw(case["root1"]), raw(case["root2"])
            merkle.verify_consistency(numbers["size1"], numbers["size2"], proof, *roots)
    except ProofRefused:
        return False
    return True


def test_published_proofs_get_the_stated_verdict(shared_data: Path) -> None:
    cases = sorted((shared_data / "ledger" / "merkle" / "testdata").rglob("*.json"))
    wrong = [str(path) for path in cases if verdict(path) == json.loads(path.read_bytes())["wantErr"]]
    assert wrong == []
    assert len(cases) == 196


def test_published_roots_and_nodes(shared_data: Path) -> None:
    known = json.loads((shared_data / "ledger" / "merkle" / "rfc6962_roots.json").read_bytes())
    leaves = [merkle.leaf_hash(bytes.fromhex(leaf)) for leaf in known["leaf_inputs_hex"]]
    for size, root in enumerate(known["root_hashes_by_size"]):
        assert merkle.root(leaves[:size]).hex() == root
    for level, nodes in enumerate(known["node_hashes_by_level"]):
        for n, node in enumerate(nodes):
            assert mth(leaves[n << level : (n + 1) << level]).hex() == node
    for case in known["hasher"]:
        if "left_hex" in case:
            made = merkle.node_hash(bytes.fromhex(case["left_hex"]), bytes.fromhex(case["right_hex"]))
        else:
            made = merkle.leaf_hash(bytes.fromhex(case["leaf_hex"])) if "leaf_hex" in case else merkle.EMPTY_ROOT
        assert made.hex() == case["want"], case["desc"]
