"""A chat message becomes an answer: recall, the model's stream, what it saved, what it used."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from bot import learning, memory_words, replies
from bot.completions import ChatMessage, Completion, Tool
from bot.config import Config
from bot.messages import Action, Effect, Reply, Room, RoomKind, RoomMessage, Standing
from bot.processing import Processing
from bot.prompt import prompt
from bot.recall import Context, RoomWindows, recall
from storage import KeptAnswer, Memory, Vault


class ChatModel(Protocol):
    """A chat model behind a gateway."""

    def stream(
        self,
        messages: Sequence[ChatMessage],
        *,
        model: str | None = None,
        tools: Sequence[Tool] = (),
        person: str = "",
    ) -> AsyncGenerator[str | Completion, None]:
        """Pieces of text as they come, then exactly one Completion, last; raises GatewayError."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """A finished answer: what is sent, who wrote it, and what it rests on."""

    reply: Reply
    text: str  # the model's own words, without our notes under them
    completion: Completion
    context: Context
    gateway_host: str


class Assistant:
    """Answers chat messages; keeps nothing between them but the windows of shared rooms."""

    def __init__(
        self,
        model: ChatModel,
        config: Config,
        processing: Processing,
        *,
        now: Callable[[], datetime],
    ) -> None:
        self._model = model
        self._config = config
        self._processing = processing
        self._now = now
        self.windows = RoomWindows()

    async def answer(
        self, message: RoomMessage, room: Room, vault: Vault | None
    ) -> AsyncGenerator[str | Answer, None]:
        """Pieces of text as the model writes them, then the one finished Answer.

        Without a vault the model sees this message and nothing else: not what was said before,
        not what others say here. It may learn nothing from it.
        """
        remembers = vault is not None and self._processing.memory_allowed
        context = await self._context(message, room, vault)
        request = prompt(
            context,
            message,
            room,
            overheard=self.windows.of(room.room_id) if remembers else (),
            today=self._now(),
            paused=vault is None,
        )
        person = vault.pseudonym if vault else ""
        async with aclosing(self._complete(request, person, self._tools(vault))) as pieces:
            async for piece in pieces:
                if isinstance(piece, Completion):
                    yield await self._finished(piece, message, room, vault, context)
                else:
                    yield piece

    async def _context(self, message: RoomMessage, room: Room, vault: Vault | None) -> Context:
        if vault is None or not self._processing.memory_allowed:
            return Context()
        return await recall(message, room, vault, tokens=self._config.memory.context_tokens)

    async def _complete(
        self, request: list[ChatMessage], person: str, tools: Sequence[Tool]
    ) -> AsyncGenerator[str | Completion, None]:
        """One request; a second only when the model called tools and said nothing to the person."""
        done: Completion | None = None
        async with aclosing(self._stream(request, person, tools)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Completion):
                    done = piece
                else:
                    yield piece
        if done is None:
            return
        if done.tool_calls and not done.text.strip():
            async with aclosing(self._stream(_with_results(request, done), person, ())) as pieces:
                async for piece in pieces:
                    yield _joined(done, piece) if isinstance(piece, Completion) else piece
        else:
            yield done

    def _stream(
        self, request: list[ChatMessage], person: str, tools: Sequence[Tool]
    ) -> AsyncGenerator[str | Completion, None]:
        return self._model.stream(request, tools=tools, person=person)

    def _tools(self, vault: Vault | None) -> tuple[Tool, ...]:
        learns = self._config.memory.mode == "auto" and self._processing.memory_allowed
        return (learning.REMEMBER,) if learns and vault is not None else ()

    async def _finished(
        self,
        completion: Completion,
        message: RoomMessage,
        room: Room,
        vault: Vault | None,
        context: Context,
    ) -> Answer:
        saved: tuple[Memory, ...] = ()
        if vault is not None and self._tools(vault):
            facts = learning.proposed(completion.tool_calls, message)
            saved = await learning.save(facts, message, room, vault)
        text = completion.text.strip() or replies.SILENT_MODEL
        shown = text + (replies.TRUNCATED if completion.truncated else "")
        note = memory_words.remembered(saved, self._config.service.command_prefix)
        reply = Reply(shown + note, generated=True, effects=_effects(context, saved))
        return Answer(reply, text, completion, context, self._processing.gateway_host)

    def forget(self, user_id: str) -> None:
        """Drop what this person said in shared rooms."""
        self.windows.forget(user_id)

    def overhear(self, message: RoomMessage, room: Room) -> None:
        """Let a shared room's message be context for the next answers there; RAM only.

        Never what may be somebody else's words: unencrypted, or of a device that isn't its owner's.
        """
        owned = message.standing is Standing.OWNED
        if room.kind is RoomKind.SHARED and owned and (message.encrypted or not room.encrypted):
            self.windows.add(message)


def _with_results(request: list[ChatMessage], done: Completion) -> list[ChatMessage]:
    """The request once more, the tool calls answered, so that the model talks to the person."""
    asked = ChatMessage("assistant", "", tool_calls=done.tool_calls)
    results = [ChatMessage("tool", "noted", tool_call_id=call.call_id) for call in done.tool_calls]
    return [*request, asked, *results]


def _joined(first: Completion, second: Completion) -> Completion:
    """Two requests as one: the words of the second, the tool calls of the first, both costs."""
    return Completion(
        text=second.text,
        model=second.model,
        tool_calls=first.tool_calls,
        prompt_tokens=_sum(first.prompt_tokens, second.prompt_tokens),
        completion_tokens=_sum(first.completion_tokens, second.completion_tokens),
        truncated=second.truncated,
    )


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None and other is None else (one or 0) + (other or 0)


def _effects(context: Context, saved: Sequence[Memory]) -> tuple[Effect, ...]:
    used = [str(one.memory_id) for one in context.memories]
    effects = [
        Effect(Action.MEMORY_CREATED, target=f"memory {one.memory_id}", facts={"by": "model"})
        for one in saved
    ]
    if used:
        target = f"memories {', '.join(used)}"
        effects.append(Effect(Action.MEMORY_USED, target=target))
    return tuple(effects)


async def hear(message: RoomMessage, room: Room, vault: Vault) -> None:
    """Keep what the person said, whatever becomes of the answer."""
    await vault.turns.add(
        event_id=message.event_id,
        room_id=message.room_id,
        room_kind=room.kind,
        role="user",
        text=message.body,
        said_at=message.sent_at,
        thread_id=message.thread_id,
    )


def kept(answer: Answer, message: RoomMessage, room: Room, now: datetime) -> KeptAnswer:
    """An answer as the vault keeps it."""
    completion, context = answer.completion, answer.context
    return KeptAnswer(
        question=message.event_id,
        room_id=message.room_id,
        room_kind=room.kind,
        thread_id=message.thread_id,
        text=answer.text,
        note=answer.reply.text.removeprefix(answer.text),
        said_at=now,
        model=completion.model,
        gateway_host=answer.gateway_host,
        prompt_tokens=completion.prompt_tokens,
        completion_tokens=completion.completion_tokens,
        memory_ids=[one.memory_id for one in context.memories],
        turn_ids=[one.turn_id for one in (*context.earlier, *context.recent)],
    )


def cost(answer: Answer, processing: Processing) -> dict[str, str | int | bool]:
    """Facts for the audit log: the model as configured, for a server could name it anything."""
    completion, context = answer.completion, answer.context
    return {
        "model": processing.model,
        "gateway": processing.gateway_host,
        "prompt_tokens": completion.prompt_tokens or 0,
        "completion_tokens": completion.completion_tokens or 0,
        "memories": len(context.memories),
        "messages": len(context.earlier) + len(context.recent),
    }
