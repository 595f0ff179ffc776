"""A chat message becomes an answer: recall, the model's stream, what it saved, what it used."""

import re
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime

from bot import learning_words, noting, preferences, replies
from bot.completions import ChatMessage, Completion, Tool, ToolCall
from bot.config import Config
from bot.conversing import ChatModel, converse, costing
from bot.embedding import Embedding
from bot.extraction import extract, may_teach
from bot.messages import Action, Effect, Facts, Reply, Room, RoomKind, RoomMessage, Standing
from bot.noting import Without
from bot.preferences import Mode
from bot.processing import Processing
from bot.prompt import prompt
from bot.recall import Context, RoomWindows, recall
from bot.saving import Became, Learned, Place
from bot.toolbox import SEARCH, Toolbox
from storage import KeptAnswer, Turn, Vault


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
        embedding: Embedding | None = None,
    ) -> None:
        self._model = model
        self._embedding = embedding or Embedding()
        self._config = config
        self._processing = processing
        self._now = now
        self.windows = RoomWindows()

    async def answer(
        self,
        message: RoomMessage,
        room: Room,
        vault: Vault | None,
        *,
        private: bool = False,
        recent: Sequence[Turn] = (),
        person: str = "",
    ) -> AsyncGenerator[str | Answer, None]:
        """Pieces of text as the model writes them, then the one finished Answer.

        Without a vault the model sees this message and nothing else: not what was said before,
        not what others say here. It may learn nothing from it. Nor from what is `private`: of
        that, `recent` is what was said just before, and is kept nowhere. The gateway may tell the
        asker from others by an id made of the vault's pseudonym, else of `person`.
        """
        remembers = vault is not None and self._processing.memory_allowed
        mode = await preferences.mode(vault, self._config) if vault and remembers else Mode.OFF
        context = await self._context(message, room, vault, mode, recent)
        box = self._toolbox(message, room, vault, mode, context)
        tools = box.tools() if box and self._model.takes_tools() else ()
        request = prompt(
            context,
            message,
            room,
            overheard=self.windows.of(room.room_id) if remembers else (),
            today=self._now(),
            tools={one.name for one in tools},
            paused=vault is None and not private,
            private=vault is None and private,
        )
        person = vault.pseudonym if vault else person
        without = _without(vault, private=private)
        pieces = self._pieces(request, person, tools, box)
        async with aclosing(pieces):
            async for piece in pieces:
                if isinstance(piece, Completion):
                    done = await self._done(piece, box, person)
                    yield self._finished(*done, message, context, box or without)
                else:
                    yield piece

    async def _context(
        self,
        message: RoomMessage,
        room: Room,
        vault: Vault | None,
        mode: Mode,
        recent: Sequence[Turn],
    ) -> Context:
        if not self._processing.memory_allowed:
            return Context()
        if vault is None:
            return Context(recent=tuple(recent))
        return await recall(
            message,
            room,
            vault,
            tokens=self._config.memory.context_tokens,
            mode=mode,
            embedding=self._embedding,
        )

    def _toolbox(
        self,
        message: RoomMessage,
        room: Room,
        vault: Vault | None,
        mode: Mode,
        context: Context,
    ) -> Toolbox | None:
        if vault is None or not self._processing.memory_allowed:
            return None
        return Toolbox(
            Place(message, room, vault),
            mode,
            budget_tokens=self._config.memory.context_tokens,
            now=self._now,
            embedding=self._embedding,
            shown={one.turn_id for one in (*context.earlier, *context.recent)},
        )

    def _pieces(
        self,
        request: list[ChatMessage],
        person: str,
        tools: Sequence[Tool],
        box: Toolbox | None,
    ) -> AsyncGenerator[str | Completion, None]:
        use = box.use if box else _no_tools
        searching = frozenset({SEARCH.name})
        return converse(
            self._model, request, person=person, tools=tools, searching=searching, use=use
        )

    async def _done(
        self, completion: Completion, box: Toolbox | None, person: str
    ) -> tuple[Completion, Learned]:
        """The answer with all that it cost, once what is to be saved and forgotten is."""
        if box is None:
            return completion, Learned()
        completion = await self._extracted(completion, box, person)
        return completion, await box.settle()

    def _finished(
        self,
        completion: Completion,
        learned: Learned,
        message: RoomMessage,
        context: Context,
        memory: Toolbox | Without,
    ) -> Answer:
        text = completion.text.strip() or replies.SILENT_MODEL
        prefix = self._config.service.command_prefix
        if isinstance(memory, Toolbox):
            context = replace(context, earlier=(*context.earlier, *memory.found))
            note = noting.note(text, memory, learned, prefix)
        else:
            note = noting.note_without(text, message.body, memory, prefix)
        shown = text + (replies.TRUNCATED if completion.truncated else "")
        reply = Reply(shown + note, generated=True, effects=_effects(context, learned))
        return Answer(reply, text, completion, context, self._processing.gateway_host)

    async def _extracted(self, answer: Completion, box: Toolbox, person: str) -> Completion:
        """Where the model takes no tools, what it finds by a request of its own."""
        if self._model.takes_tools() or not box.saves() or not may_teach(box.said):
            return answer
        facts, cost = await extract(self._model, box.said, person=person, today=self._now())
        for fact in facts:
            box.remember(fact)
        return costing(answer, cost) if cost else answer

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


async def _no_tools(_: ToolCall) -> str:
    return learning_words.NO_SUCH_TOOL


def _without(vault: Vault | None, *, private: bool) -> Without:
    """Why there is no memory, where there is none."""
    if vault is not None:
        return Without.GATEWAY
    return Without.PRIVATE if private else Without.PAUSED


def _effects(context: Context, learned: Learned) -> tuple[Effect, ...]:
    by: Facts = {"by": "model"}
    asks: Facts = {**by, "pending": True}
    done = [
        *((Action.MEMORY_CREATED, one.memory_id, by) for one in learned.of(Became.SAVED)),
        *((Action.MEMORY_CREATED, one.memory_id, asks) for one in learned.of(Became.PENDING)),
        *((Action.MEMORY_UPDATED, one.memory_id, by) for one in learned.of(Became.UPDATED)),
        *((Action.MEMORY_DELETED, number, by) for number in learned.forgotten),
    ]
    effects = [
        Effect(action, target=f"memory {number}", facts=facts) for action, number, facts in done
    ]
    used = [str(one.memory_id) for one in context.memories]
    if used:
        target = f"memories {', '.join(used)}"
        effects.append(Effect(Action.MEMORY_USED, target=target))
    return tuple(effects)


async def hear(message: RoomMessage, room: Room, vault: Vault, now: datetime) -> None:
    """Keep what the person said, whatever becomes of the answer.

    What their homeserver says to be of the future would never grow old.
    """
    await vault.turns.add(
        event_id=message.event_id,
        room_id=message.room_id,
        room_kind=room.kind,
        role="user",
        text=message.body,
        said_at=min(message.sent_at, now),
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
        provider=completion.provider,
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


def cost_and_names(answer: Answer, processing: Processing) -> dict[str, str | int | bool]:
    """The same with what the gateway calls the model and who ran it: for a person's own vault."""
    completion = answer.completion
    names = {
        "answered_by": re.sub(r"[^A-Za-z0-9._:/-]", "", completion.model)[:80],
        "provider": completion.provider,
    }
    return {**cost(answer, processing), **{key: name for key, name in names.items() if name}}
