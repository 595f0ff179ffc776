"""What a command for operators is, and all that it can reach: numbers, rules and one name."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Protocol

from bot.config import Config
from bot.messages import Effect, Outcome, Reply
from bot.status import Status
from storage import StorageFailure


@dataclass(frozen=True, slots=True)
class Holding:
    """What is kept of one person, in numbers."""

    pseudonym: str
    memories: int
    messages: int
    last_said: date | None


@dataclass(frozen=True, slots=True)
class People:
    """One page of those who have a vault, in the order in which they came, and how many there are.

    None stands for a vault that can't be read.
    """

    page: Sequence[Holding | None]
    total: int


class Access(Protocol):
    """What operators decided while the bot runs."""

    @property
    def allowed(self) -> Sequence[str]:
        """Patterns of Matrix ids that were let in."""
        ...

    @property
    def blocked(self) -> Sequence[str]:
        """Patterns of Matrix ids that were shut out."""
        ...

    @property
    def paused_since(self) -> datetime | None:
        """Since when nobody is to be answered."""
        ...

    async def allow(self, pattern: str) -> None:
        """Let in whom the pattern covers; it is blocked no more."""
        ...

    async def block(self, pattern: str) -> None:
        """Shut out whom the pattern covers; it is allowed no more."""
        ...

    async def lift(self, pattern: str) -> None:
        """The pattern is neither allowed nor blocked any more."""
        ...

    async def pause(self) -> None:
        """Nobody is to be answered from now on."""
        ...

    async def resume(self) -> None:
        """Everybody is answered again."""
        ...


class Compared(Protocol):
    """Hands on what an operator saw to the verification that waits for it."""

    async def __call__(self, number: int, *, same: bool) -> bool:
        """Whether one of that number waited; what comes of it is told when it has ended."""
        ...


async def nothing_waits(number: int, *, same: bool) -> bool:
    """Where nobody verifies anything."""
    return False


@dataclass(frozen=True, slots=True)
class OperatorContext:
    """All that a command for operators can reach: no vault, no message but its own line.

    `people` counts what those from a first one on have, so many of them. `look_up` says who is
    behind a pseudonym, once that stands in the person's own part of the audit log; None where
    nobody is called so. `compared` ends a verification by what an operator saw. `record` writes
    into the audit log; `again` says that a crash cut this very order short before, wherever it was.
    """

    arguments: str
    prefix: str
    config: Config
    access: Access
    commands: Sequence["OperatorCommand"]
    status: Callable[[], Awaitable[Status]]
    people: Callable[[int, int], Awaitable[People]]
    look_up: Callable[[str], Awaitable[str | None]]
    compared: Compared
    record: Callable[[Effect], Awaitable[None]]
    again: bool

    async def change(
        self, effect: Effect, make: Callable[[], Awaitable[None]], *, stands: bool
    ) -> None:
        """Make a change between two entries: that it begins, and how it ended.

        What `stands` already is neither made nor recorded, unless its second entry may be missing.
        """
        if stands and not self.again:
            return
        await self.record(replace(effect, outcome=Outcome.BEGUN))
        try:
            await make()
        except StorageFailure:
            await self.record(replace(effect, outcome=Outcome.FAILED))
            raise
        await self.record(effect)


@dataclass(frozen=True, slots=True)
class OperatorCommand:
    """One command for operators: its name, how it is typed (without the prefix), what it does.

    None of them is answered anywhere but in the audit room. None as an answer: another part of the
    bot says what became of it.
    """

    name: str
    usage: tuple[str, ...]
    summary: str
    run: Callable[[OperatorContext], Awaitable[Reply | None]]
