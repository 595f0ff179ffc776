"""A message that is obeyed: its command or its answer, carried out, sent and recorded."""

from collections.abc import Callable, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import Protocol

from bot import replies
from bot.access import Chat, Run
from bot.assistant import Answer, Assistant
from bot.command import Command, CommandContext, Line, Question
from bot.command import Run as RunCommand
from bot.commands import nearest
from bot.config import Config
from bot.delivery import Address, Delivery, address
from bot.errors import QuotaError, UsageError
from bot.journal import FORGOTTEN, Journal
from bot.messages import Action, Effect, Outcome, Reply, Room, RoomKind, RoomMessage, Where
from storage import AuditEntry, Destroyed, Storage, Vault

PATIENCE = timedelta(minutes=2)  # how long a question waits for its yes
YES = ("yes", "y", "ja", "oui", "si", "sí")


class DirectRooms(Protocol):
    """Where the answer to something personal goes."""

    async def direct_room(self, user_id: str) -> str:
        """The encrypted direct chat with exactly this person."""
        ...

    async def room(self, room_id: str) -> Room:
        """Members and encryption of a room, asked of the homeserver now."""
        ...


class Exchange:
    """One message and the vault of its sender, until that vault is erased."""

    def __init__(self, message: RoomMessage, room: Room, vault: Vault, begun: datetime) -> None:
        self.message = message
        self.room = room
        self.vault: Vault | None = vault
        self.begun = begun

    @property
    def actor(self) -> str:
        """Who acts; nobody that could be named once their vault is gone."""
        return self.message.sender if self.vault else FORGOTTEN


class Exchanges:
    """Carries out what people ask; keeps the questions that wait for a yes."""

    def __init__(
        self,
        *,
        config: Config,
        rooms: DirectRooms,
        storage: Storage,
        assistant: Assistant,
        commands: Sequence[Command],
        delivery: Delivery,
        journal: Journal,
        now: Callable[[], datetime],
    ) -> None:
        self._config = config
        self._rooms = rooms
        self._storage = storage
        self._assistant = assistant
        self._commands = tuple(commands)
        self._delivery = delivery
        self._journal = journal
        self._now = now
        self._waiting: dict[tuple[str, str], tuple[Command, RunCommand, datetime]] = {}

    async def carry_out(self, exchange: Exchange, wanted: Run | Chat) -> None:
        """Run the command or answer, in the sender's vault; send and record it."""
        if exchange.vault and exchange.vault.is_new:
            await self._record(exchange, Effect(Action.VAULT_CREATED))
        waiting = self._confirmed(exchange.message)
        if waiting is not None:
            command, proceed = waiting
            await self._command(exchange, command, Line(command.name, ""), proceed)
        elif isinstance(wanted, Chat):
            await self._chat(exchange)
        elif wanted.command is None:
            await self._unknown(exchange, wanted.line)
        else:
            await self._command(exchange, wanted.command, wanted.line, wanted.command.run)

    def _confirmed(self, message: RoomMessage) -> tuple[Command, RunCommand] | None:
        """What waited for this yes; anything else that the person says lets it go."""
        waiting = self._waiting.pop((message.sender, message.room_id), None)
        if waiting is None or message.body.strip(" .!").casefold() not in YES:
            return None
        command, proceed, until = waiting
        return (command, proceed) if self._now() <= until else None

    async def _unknown(self, exchange: Exchange, line: Line) -> None:
        prefix = self._config.service.command_prefix
        near = nearest(line.name, self._commands)
        reply = Reply(replies.unknown_command(line.name, near, prefix))
        await self._delivery.send(reply, address(exchange.message, exchange.room))
        await self._answered(exchange, {"command": "unknown"})

    async def _command(
        self, exchange: Exchange, command: Command, line: Line, run: RunCommand
    ) -> None:
        here = address(exchange.message, exchange.room)
        to = await self._destination(exchange, command, here)
        reply = await self._reply(exchange, command, line, run, to)
        await self._record(exchange, *reply.effects)
        await self._delivery.send(reply, to)
        if to.room_id != here.room_id:
            await self._delivery.send(Reply(replies.IN_DIRECT_CHAT), here)
        await self._answered(exchange, {"command": command.name})

    async def _reply(
        self, exchange: Exchange, command: Command, line: Line, run: RunCommand, to: Address
    ) -> Reply:
        try:
            result = await run(self._context(exchange, line))
        except UsageError as error:
            return Reply(str(error))
        if isinstance(result, Question):
            key = (exchange.message.sender, to.room_id)
            self._waiting[key] = (command, result.proceed, self._now() + PATIENCE)
            return Reply(result.text)
        return result

    async def _destination(self, exchange: Exchange, command: Command, here: Address) -> Address:
        """The direct chat for what is personal, the place of the question for the rest."""
        if command.where is Where.HERE or exchange.room.kind is RoomKind.DIRECT:
            return here
        return Address(
            await self._rooms.direct_room(exchange.message.sender), exchange.message.event_id
        )

    def _context(self, exchange: Exchange, line: Line) -> CommandContext:
        vault = exchange.vault
        assert vault is not None, "nothing runs in an erased vault"

        async def entries(limit: int) -> Sequence[tuple[int, AuditEntry]]:
            return await self._storage.audit_log.details(vault, limit=limit)

        async def erase() -> Destroyed:
            exchange.vault = None
            return await self._storage.vaults.destroy(exchange.message.sender)

        return CommandContext(
            arguments=line.arguments,
            message=exchange.message,
            room=exchange.room,
            vault=vault,
            config=self._config,
            entries=entries,
            erase=erase,
            commands=self._commands,
            now=self._now,
        )

    async def _chat(self, exchange: Exchange) -> None:
        message, vault = exchange.message, exchange.vault
        assert vault is not None, "nothing is answered from an erased vault"
        await vault.turns.add(
            event_id=message.event_id,
            room_id=message.room_id,
            room_kind=exchange.room.kind,
            role="user",
            text=message.body,
            said_at=message.sent_at,
            thread_id=message.thread_id,
        )
        await self._check_quota(vault)
        async with aclosing(self._assistant.answer(message, exchange.room, vault)) as answers:
            answer, event_ids = await self._delivery.stream(
                answers, address(message, exchange.room), recovered=message.recovered
            )
        await self._keep(exchange, vault, answer, event_ids[0])
        await self._record(exchange, *answer.reply.effects)
        await self._answered(exchange, _cost(answer))

    async def _check_quota(self, vault: Vault) -> None:
        limit = self._config.limits.tokens_per_day
        if limit and await vault.usage(self._now().date()) >= limit:
            raise QuotaError(replies.quota_spent(limit))

    async def _keep(self, exchange: Exchange, vault: Vault, answer: Answer, event_id: str) -> None:
        """Store the answer, what it used and what it cost."""
        completion, message = answer.completion, exchange.message
        await vault.turns.add(
            event_id=event_id,
            room_id=message.room_id,
            room_kind=exchange.room.kind,
            role="assistant",
            text=answer.text,
            said_at=self._now(),
            thread_id=message.thread_id,
            answers_event_id=message.event_id,
            model=completion.model,
            gateway_host=answer.gateway_host,
            prompt_tokens=completion.prompt_tokens,
            completion_tokens=completion.completion_tokens,
        )
        context = answer.context
        await vault.memories.record_use(event_id, [one.memory_id for one in context.memories])
        await vault.turns.record_use(event_id, [one.turn_id for one in context.earlier])
        await vault.add_usage(
            day=self._now().date(),
            model=completion.model,
            prompt_tokens=completion.prompt_tokens or 0,
            completion_tokens=completion.completion_tokens or 0,
        )

    async def _answered(self, exchange: Exchange, facts: dict[str, str | int]) -> None:
        took = self._now() - exchange.begun
        facts |= {"room": str(exchange.room.kind), "ms": round(took.total_seconds() * 1000)}
        target = exchange.message.event_id if exchange.vault else ""
        await self._record(exchange, Effect(Action.MESSAGE_ANSWERED, Outcome.OK, target, facts))

    async def _record(self, exchange: Exchange, *effects: Effect) -> None:
        await self._journal.record(*effects, actor=exchange.actor, vault=exchange.vault)


def _cost(answer: Answer) -> dict[str, str | int]:
    completion = answer.completion
    return {
        "model": completion.model,
        "gateway": answer.gateway_host,
        "prompt_tokens": completion.prompt_tokens or 0,
        "completion_tokens": completion.completion_tokens or 0,
        "memories": len(answer.context.memories),
        "messages": len(answer.context.earlier) + len(answer.context.recent),
    }
