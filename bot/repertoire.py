"""What can be asked of the bot: its commands, and what all of them may know of the bot itself."""

from asyncio import Lock
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from bot import replies
from bot.audit_view import AuditView
from bot.command import (
    Command,
    CommandContext,
    Evidence,
    FetchFile,
    Identify,
    LetGo,
    Line,
    OwnDetails,
    Say,
    UploadLimit,
)
from bot.commands import nearest
from bot.config import Config
from bot.messages import Attachment, Reply, Room, RoomMessage
from bot.processing import Processing
from storage import Fields, Going, Named, Vault


@dataclass(frozen=True, slots=True)
class Repertoire:
    """The commands, where the model runs, who and where the bot is, what its operator chose."""

    commands: tuple[Command, ...]
    config: Config
    processing: Processing
    evidence: Evidence
    identity: Identify
    upload_limit: UploadLimit
    now: Callable[[], datetime]
    turn: Lock = field(default_factory=Lock)

    @property
    def prefix(self) -> str:
        """How a command begins."""
        return self.config.service.command_prefix

    def unknown(self, line: Line) -> Reply:
        """The answer to a command that there is not."""
        near = nearest(line.name, self.commands)
        return Reply(replies.unknown_command(line.name, near, self.prefix))

    def impersonal(
        self, line: Line, message: RoomMessage, room: Room, *, say: Say
    ) -> CommandContext:
        """What a command can reach where nothing personal may be reached."""
        return self.context(
            line,
            message,
            room,
            personal=None,
            own_log=None,
            erase=_no_erasure,
            let_go=_nothing_to_let_go,
            say=say,
            attachment=_no_file,
            own_details=_no_details,
        )

    def context(
        self,
        line: Line,
        message: RoomMessage,
        room: Room,
        *,
        personal: Vault | None,
        own_log: AuditView | None,
        erase: Callable[[], Awaitable[Reply]],
        let_go: LetGo,
        say: Say,
        attachment: FetchFile,
        own_details: OwnDetails,
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
            evidence=self.evidence,
            own_log=own_log,
            erase=erase,
            let_go=let_go,
            identity=self.identity,
            upload_limit=self.upload_limit,
            say=say,
            attachment=attachment,
            own_details=own_details,
            turn=self.turn,
            commands=self.commands,
            now=self.now,
        )


async def _no_erasure() -> Reply:
    raise AssertionError("nothing is erased where nothing personal may be reached")


async def _nothing_to_let_go(named: Named, going: Going) -> None:
    raise AssertionError("nothing is forgotten where nothing personal may be reached")


async def _no_file(event_id: str, limit: int) -> Attachment:
    raise AssertionError("no file is taken where nothing personal may be reached")


async def _no_details(details: Sequence[Fields]) -> Sequence[Fields]:
    return ()
