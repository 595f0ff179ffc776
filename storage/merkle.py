"""The Merkle tree of RFC 9162, section 2.1, over leaf hashes that are already there.

Nothing here knows what a leaf says. A tree of n leaves is split at the largest power of two below
n, so that a subtree once complete never changes: the frontier keeps the roots of those alone.
`included`, `consistency` and `consistent` are for whoever checks, and for tests: the bot itself
makes proofs of inclusion and recomputes the whole tree.
"""

import hashlib
from collections.abc import Iterable, Sequence

EMPTY = hashlib.sha256().digest()
"""The root of no leaves."""


def leaf(data: bytes) -> bytes:
    """The hash of an entry's bytes."""
    return hashlib.sha256(b"\x00" + data).digest()


def node(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Frontier:
    """The roots of the complete subtrees of a growing tree, largest first: a few hashes."""

    __slots__ = ("_roots", "size")

    def __init__(self) -> None:
        self.size = 0
        self._roots: list[bytes] = []

    def copy(self) -> "Frontier":
        """One that grows by itself from here on."""
        copy = Frontier()
        copy.size, copy._roots = self.size, [*self._roots]
        return copy

    def push(self, leaf_hash: bytes) -> None:
        """Add the next leaf: one or two hashes on average, as many as the tree is high at most."""
        roots, complete = self._roots, self.size
        while complete & 1:
            leaf_hash = node(roots.pop(), leaf_hash)
            complete >>= 1
        roots.append(leaf_hash)
        self.size += 1

    def root(self) -> bytes:
        """The root of the tree as it is now."""
        if not self._roots:
            return EMPTY
        *others, root = self._roots
        for left in reversed(others):
            root = node(left, root)
        return root


def root_of(leaves: Iterable[bytes]) -> bytes:
    """The root of the tree of these leaf hashes."""
    frontier = Frontier()
    for one in leaves:
        frontier.push(one)
    return frontier.root()


def inclusion(leaves: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """What proves that the leaf at `index`, from 0, is in the tree: RFC 9162, 2.1.3.1."""
    if not 0 <= index < len(leaves):
        raise IndexError(f"there is no leaf {index} among {len(leaves)}")
    if len(leaves) == 1:
        return ()
    left, right = _halves(leaves)
    if index < len(left):
        return (*inclusion(left, index), root_of(right))
    return (*inclusion(right, index - len(left)), root_of(left))


def included(leaf_hash: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """The root that the path leads to from a leaf: RFC 9162, 2.1.3.2.

    ValueError if a path of this length can't belong to that place.
    """
    if not 0 <= index < size:
        raise ValueError(f"there is no leaf {index} among {size}")
    last, root = size - 1, leaf_hash
    for beside in path:
        if not last:
            raise ValueError("the path is too long")
        if index & 1 or index == last:
            root = node(beside, root)
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            root = node(root, beside)
        index, last = index >> 1, last >> 1
    if last:
        raise ValueError("the path is too short")
    return root


def consistency(leaves: Sequence[bytes], size: int) -> tuple[bytes, ...]:
    """What proves that the tree of the first `size` leaves became this one: RFC 9162, 2.1.4.1."""
    if not 0 < size <= len(leaves):
        raise IndexError(f"there was no tree of {size} leaves before one of {len(leaves)}")
    return _consistency(leaves, size, known=True)


def consistent(
    old_size: int, new_size: int, *, old_root: bytes, new_root: bytes, path: Sequence[bytes]
) -> bool:
    """Whether the path proves that the old tree became the new one: RFC 9162, 2.1.4.2."""
    if not 0 < old_size <= new_size:
        return False
    if old_size == new_size:
        return not path and old_root == new_root
    steps = [old_root, *path] if old_size & (old_size - 1) == 0 else list(path)
    old, new = old_size - 1, new_size - 1
    while old & 1:
        old, new = old >> 1, new >> 1
    if not path:
        return False
    older = newer = steps[0]
    for beside in steps[1:]:
        if not new:
            return False
        if old & 1 or old == new:
            older, newer = node(beside, older), node(beside, newer)
            while not old & 1 and old:
                old, new = old >> 1, new >> 1
        else:
            newer = node(newer, beside)
        old, new = old >> 1, new >> 1
    return not new and (older, newer) == (old_root, new_root)


def _consistency(leaves: Sequence[bytes], size: int, *, known: bool) -> tuple[bytes, ...]:
    """`known` says whether whoever checks has the root of the first `size` leaves already."""
    if size == len(leaves):
        return () if known else (root_of(leaves),)
    left, right = _halves(leaves)
    if size <= len(left):
        return (*_consistency(left, size, known=known), root_of(right))
    return (*_consistency(right, size - len(left), known=False), root_of(left))


def _halves(leaves: Sequence[bytes]) -> tuple[Sequence[bytes], Sequence[bytes]]:
    split = 1 << ((len(leaves) - 1).bit_length() - 1)
    return leaves[:split], leaves[split:]
