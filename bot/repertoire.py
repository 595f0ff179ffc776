"""What can be asked of the bot: its commands, and what all of them may know of the bot itself."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from bot import replies
from bot.command import Command, CommandContext, Entries, Identify, Line
from bot.commands import nearest
from bot.config import Config
from bot.messages import Reply, Room, RoomMessage
from bot.processing import Processing
from storage import AuditEntry, Destroyed, Vault


@dataclass(frozen=True, slots=True)
class Repertoire:
    """The commands, where the model runs, who the bot is, and what its operator chose."""

    commands: tuple[Command, ...]
    config: Config
    processing: Processing
    identity: Identify
    now: Callable[[], datetime]

    @property
    def prefix(self) -> str:
        """How a command begins."""
        return self.config.service.command_prefix

    def unknown(self, line: Line) -> Reply:
        """The answer to a command that there is not."""
        near = nearest(line.name, self.commands)
        return Reply(replies.unknown_command(line.name, near, self.prefix))

    def impersonal(self, line: Line, message: RoomMessage, room: Room) -> CommandContext:
        """What a command can reach where nothing personal may be reached."""
        return self.context(
            line, message, room, personal=None, entries=_no_entries, erase=_no_erasure
        )

    def context(
        self,
        line: Line,
        message: RoomMessage,
        room: Room,
        *,
        personal: Vault | None,
        entries: Entries,
        erase: Callable[[], Awaitable[Destroyed]],
    ) -> CommandContext:
        """What a command can reach of the asker's own and of the bot's."""
        return CommandContext(
            arguments=line.arguments,
            message=message,
            room=room,
            personal=personal,
            prefix=self.prefix,
            config=self.config,
            processing=self.processing,
            entries=entries,
            erase=erase,
            identity=self.identity,
            commands=self.commands,
            now=self.now,
        )


async def _no_entries(limit: int) -> Sequence[tuple[int, AuditEntry]]:
    return ()


async def _no_erasure() -> Destroyed:
    raise AssertionError("nothing is erased where nothing personal may be reached")
