"""The tree is that of RFC 9162: by known vectors, and against a naive one for any size."""

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.merkle import Frontier, consistency, consistent, included, inclusion, leaf, node

# The vectors that implementations of Certificate Transparency share, whose tree this is.
INPUTS = (
    *("", "00", "10", "2021", "3031", "40414243", "5051525354555657"),
    "606162636465666768696a6b6c6d6e6f",
)
ROOTS = (
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
LEAF_1 = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
LEAF_4 = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
LEAVES_2_3 = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
LEAVES_4_5 = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"
LEAVES_4_7 = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
LEAVES_6_7 = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
INCLUSION = {
    (0, 1): (),
    (0, 8): (LEAF_1, LEAVES_2_3, LEAVES_4_7),
    (5, 8): (LEAF_4, LEAVES_6_7, ROOTS[4]),
    (2, 3): (ROOTS[2],),
    (1, 5): (ROOTS[1], LEAVES_2_3, LEAF_4),
}
CONSISTENCY = {
    (1, 1): (),
    (1, 8): (LEAF_1, LEAVES_2_3, LEAVES_4_7),
    (6, 8): (LEAVES_4_5, LEAVES_6_7, ROOTS[4]),
    (2, 5): (LEAVES_2_3, LEAF_4),
}
KNOWN = [leaf(bytes.fromhex(one)) for one in INPUTS]
SIZES = st.integers(1, 200)


def numbered(size: int) -> list[bytes]:
    return [leaf(str(number).encode()) for number in range(size)]


def naive(leaves: Sequence[bytes]) -> bytes:
    """The root as section 2.1.1 defines it, word for word."""
    if len(leaves) < 2:
        return leaves[0] if leaves else hashlib.sha256().digest()
    split = 1
    while 2 * split < len(leaves):
        split *= 2
    return node(naive(leaves[:split]), naive(leaves[split:]))


def grown(leaves: Sequence[bytes]) -> bytes:
    frontier = Frontier()
    for one in leaves:
        frontier.push(one)
    assert frontier.size == len(leaves)
    return frontier.root()


def unhex(path: Sequence[str]) -> tuple[bytes, ...]:
    return tuple(map(bytes.fromhex, path))


@pytest.mark.parametrize("size", range(9))
def test_the_roots_are_the_known_ones(size: int) -> None:
    assert grown(KNOWN[:size]).hex() == ROOTS[size]


@pytest.mark.parametrize(("place", "path"), INCLUSION.items())
def test_the_inclusion_proofs_are_the_known_ones(
    place: tuple[int, int], path: tuple[str, ...]
) -> None:
    index, size = place

    assert inclusion(KNOWN[:size], index) == unhex(path)
    assert included(KNOWN[index], index, size, unhex(path)).hex() == ROOTS[size]


@pytest.mark.parametrize(("sizes", "path"), CONSISTENCY.items())
def test_the_consistency_proofs_are_the_known_ones(
    sizes: tuple[int, int], path: tuple[str, ...]
) -> None:
    old, new = sizes
    roots = {"old_root": bytes.fromhex(ROOTS[old]), "new_root": bytes.fromhex(ROOTS[new])}

    assert consistency(KNOWN[:new], old) == unhex(path)
    assert consistent(old, new, **roots, path=unhex(path))


def test_the_example_of_the_rfc_is_proved_by_the_nodes_that_it_names() -> None:
    """RFC 9162, section 2.1.5: a tree of seven, and its letters."""
    a, b, c, d, e, f, j = numbered(7)
    g, h, i = node(a, b), node(c, d), node(e, f)
    k, el = node(g, h), node(i, j)
    leaves = [a, b, c, d, e, f, j]

    assert grown(leaves) == node(k, el)
    assert inclusion(leaves, 0) == (b, h, el)
    assert inclusion(leaves, 3) == (c, g, el)
    assert inclusion(leaves, 4) == (f, j, k)
    assert inclusion(leaves, 6) == (i, k)
    assert consistency(leaves, 3) == (c, d, g, el)
    assert consistency(leaves, 4) == (el,)
    assert consistency(leaves, 6) == (i, j, k)


@given(SIZES)
def test_the_frontier_has_the_root_that_the_definition_gives(size: int) -> None:
    assert grown(numbered(size)) == naive(numbered(size))


@given(SIZES, st.data())
def test_every_leaf_is_proved_and_nothing_else_by_its_proof(size: int, data: st.DataObject) -> None:
    leaves = numbered(size)
    index = data.draw(st.integers(0, size - 1))
    path, root = inclusion(leaves, index), naive(leaves)

    assert included(leaves[index], index, size, path) == root
    assert len(path) <= (size - 1).bit_length()
    assert included(leaf(b"another"), index, size, path) != root
    for place in range(len(path)):
        changed = (*path[:place], leaf(b"another"), *path[place + 1 :])
        assert included(leaves[index], index, size, changed) != root


@given(SIZES, st.data())
def test_a_path_of_another_length_or_place_is_refused(size: int, data: st.DataObject) -> None:
    leaves = numbered(size)
    index = data.draw(st.integers(0, size - 1))
    path = inclusion(leaves, index)

    with pytest.raises(ValueError, match="too long"):
        included(leaves[index], index, size, (*path, leaf(b"")))
    if path:
        with pytest.raises(ValueError, match="too short"):
            included(leaves[index], index, size, path[:-1])
    for outside in (-1, size):
        with pytest.raises(ValueError, match="no leaf"):
            included(leaves[index], outside, size, path)
        with pytest.raises(IndexError):
            inclusion(leaves, outside)


@given(SIZES, st.data())
def test_every_earlier_tree_is_proved_to_have_become_this_one(
    size: int, data: st.DataObject
) -> None:
    leaves = numbered(size)
    old = data.draw(st.integers(1, size))
    path, was, now = consistency(leaves, old), naive(leaves[:old]), naive(leaves)
    other = leaf(b"another")

    assert consistent(old, size, old_root=was, new_root=now, path=path)
    assert not consistent(old, size, old_root=other, new_root=now, path=path)
    assert not consistent(old, size, old_root=was, new_root=other, path=path)
    assert not consistent(old, size, old_root=was, new_root=now, path=(*path, other))
    assert not consistent(size + 1, size, old_root=was, new_root=now, path=path)
    for place in range(len(path)):
        shorter = (*path[:place], *path[place + 1 :])
        changed = (*path[:place], other, *path[place + 1 :])
        assert not consistent(old, size, old_root=was, new_root=now, path=shorter)
        assert not consistent(old, size, old_root=was, new_root=now, path=changed)


@given(SIZES, st.data())
def test_a_rewritten_leaf_has_no_proof_that_the_old_tree_became_the_new(
    size: int, data: st.DataObject
) -> None:
    leaves = numbered(size)
    old = data.draw(st.integers(1, size))
    place = data.draw(st.integers(0, old - 1))
    rewritten = [*leaves[:place], leaf(b"another"), *leaves[place + 1 :]]

    assert not consistent(
        old,
        size,
        old_root=naive(leaves[:old]),
        new_root=naive(rewritten),
        path=consistency(rewritten, old),
    )


def test_there_is_no_proof_of_a_tree_that_was_not() -> None:
    for size in (0, 3):
        with pytest.raises(IndexError):
            consistency(numbered(2), size)
