"""What goes into a statement and what comes out of it."""

from collections.abc import Iterable, Iterator
from typing import Any, Protocol, Self


class Row(Protocol):
    """One row of a result, by index or by column name."""

    def __getitem__(self, key: int | str, /) -> Any: ...
    def __iter__(self) -> Iterator[Any]: ...
    def keys(self) -> list[str]: ...


class Parameters(tuple[object, ...]):
    """Bound values that don't show: aiosqlite logs each call with its arguments at DEBUG."""

    __slots__ = ()

    def __new__(cls, values: Iterable[object]) -> Self:
        """Lone surrogates, which JSON lets anybody send, can't be stored and become "?"."""
        return super().__new__(
            cls,
            (v.encode("utf-8", "replace").decode() if isinstance(v, str) else v for v in values),
        )

    def __repr__(self) -> str:
        return "(…)"
