"""A crash at any await: nothing is done twice, nothing is lost, and the record says it once."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot import memory_words, pausing, replies
from bot.messages import Outgoing, RoomMessage, Standing
from bot.unkept import INTERRUPTED, PAUSED
from storage import AuditLog, KeptAnswer
from storage.answers import Answers
from storage.database import Database
from tests.spine import ANN, Spine, calls, remembers, spine


class CrashError(BaseException):
    """The process ends here: nothing of the bot's may catch it."""


class Trap:
    """Lets a number of steps through, then crashes once, before or after the step is done."""

    def __init__(self, steps: int, *, after: bool) -> None:
        self.steps = steps
        self.after = after

    def __call__(self) -> bool:
        """Whether the crash is now."""
        self.steps -= 1
        return self.steps == -1


def arm(bot: Spine, trap: Trap, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the trap at every send, every record, and where an answer is kept."""
    send, record, keep = bot.homeserver.send, AuditLog.record, Answers.keep

    async def trapped_send(outgoing: Outgoing) -> str:
        now = trap()
        if now and not trap.after:
            raise CrashError
        event_id = await send(outgoing)
        if now:
            raise CrashError
        return event_id

    async def trapped_record(self: AuditLog, *entries: object, **more: object) -> list[int]:
        now = trap()
        if now and not trap.after:
            raise CrashError
        seqs = await record(self, *entries, **more)  # type: ignore[arg-type]
        if now:
            raise CrashError
        return seqs

    async def trapped_keep(self: Answers, answer: KeptAnswer, **more: Any) -> None:
        now = trap()
        if now and not trap.after:
            raise CrashError
        await keep(self, answer, **more)
        if now:
            raise CrashError

    monkeypatch.setattr(Answers, "keep", trapped_keep)
    monkeypatch.setattr(bot.homeserver, "send", trapped_send)
    monkeypatch.setattr(AuditLog, "record", trapped_record)


async def crash_and_recover(
    bot: Spine,
    body: str,
    trap: Trap,
    patch: pytest.MonkeyPatch,
    standing: Standing = Standing.OWNED,
) -> bool:
    """Say something, crash at the trap, start again; whether there was a crash."""
    message = RoomMessage("$m", "!ann", ANN, body, bot.clock(), True, standing=standing)
    await bot.storage.inbox.accept([("$m", "!ann")], "s1")
    with patch.context() as armed:
        arm(bot, trap, armed)
        try:
            await bot.handler.handle(message)
        except CrashError:
            crashed = True
        else:
            crashed = False
    if ("$m", "!ann") in await bot.storage.inbox.unfinished():
        await bot.handler.handle(replace(message, recovered=True))
    assert await bot.storage.inbox.unfinished() == []
    return crashed


def traps() -> list[Trap]:
    return [Trap(steps, after=after) for steps in range(8) for after in (False, True)]


def ids(trap: Trap) -> str:
    return f"{'after' if trap.after else 'before'} step {trap.steps}"


def shown(bot: Spine) -> list[str]:
    """What stands in the room, edits applied."""
    texts: dict[str, str] = {}
    for number, one in enumerate(bot.homeserver.sent):
        texts[one.replaces or f"$sent-{number}"] = one.text
    return list(texts.values())


@pytest.mark.parametrize("trap", traps(), ids=ids)
async def test_an_answer_is_given_once_and_is_the_one_that_is_kept(
    tmp_path: Path, trap: Trap, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with spine(tmp_path) as bot:
        bot.model.answers = [
            remembers("The cat is called Miso", "cat is called Miso", saying="The red one."),
            remembers("The cat is called Miso", "cat is called Miso", saying="The blue one."),
        ]

        await crash_and_recover(bot, "My cat is called Miso", trap, monkeypatch)

        async with bot.storage.vaults.open(ANN) as vault:
            turns = await vault.turns.recent("!ann", limit=9)
            [memory] = await vault.memories.page(limit=9)
            requests = (await vault.export())["usage"][0]["requests"]
        [text] = shown(bot)
        assert [turn.text for turn in turns] == ["My cat is called Miso", text.split("\n\n*")[0]]
        assert "remembered: The cat is called Miso" in text
        assert memory.source_event_id == "$m"
        assert requests == 1
        assert len(bot.homeserver.greetings) == 1
        counted = Counter(await bot.audited())
        assert counted[("message.answered", "ok")] == 1
        assert counted[("memory.created", "ok")] == 1


@pytest.mark.parametrize("trap", traps(), ids=ids)
async def test_what_a_message_changes_is_changed_once(
    tmp_path: Path, trap: Trap, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with spine(tmp_path) as bot:
        bot.model.answers = [remembers("Lives in Rome", "I live in Rome")]
        await bot.say("I live in Rome")
        bot.model.answers = [
            remembers("Lives in Oslo", "I live in Oslo", saying="The red one."),
            remembers("Lives in Oslo", "I live in Oslo", saying="The blue one."),
        ]

        await crash_and_recover(bot, "Now I live in Oslo", trap, monkeypatch)

        async with bot.storage.vaults.open(ANN) as vault:
            [memory] = await vault.memories.page(limit=9)
            revisions = await vault.memories.revisions(memory.memory_id)
        assert (memory.memory_id, memory.text) == (1, "Lives in Oslo")
        assert [one.text for one in revisions] == ["Lives in Rome"]
        assert "updated: Lives in Oslo · undo: `!memory edit 1 Lives in Rome`" in shown(bot)[-1]
        assert Counter(await bot.audited())[("memory.updated", "ok")] == 1


@pytest.mark.parametrize("trap", traps(), ids=ids)
async def test_what_a_message_forgets_is_gone_and_nobody_is_told_that_it_is_not(
    tmp_path: Path, trap: Trap, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with spine(tmp_path) as bot:
        await bot.say("!memory add I live in Rome")
        forget = ("forget_memory", {"number": 1, "quote": "Forget that I live in Rome"})
        bot.model.answers = [calls(forget, saying="Done, deleted."), calls(forget), "Deleted."]

        await crash_and_recover(bot, "Forget that I live in Rome", trap, monkeypatch)

        async with bot.storage.vaults.open(ANN) as vault:
            assert await vault.memories.get(1) is None
        told, counted = shown(bot)[-1], Counter(await bot.audited())
        deleted = counted[("memory.deleted", "ok")]
        assert "not forgotten" not in told
        assert deleted == 1, "recorded after the crash, if not before"
        if "*forgotten: memory 1 (also on disk)" not in told:
            assert (
                "*I was interrupted: it may be gone already · `!memory` lists what is left*" in told
            )


async def test_what_was_forgotten_before_a_crash_is_wiped_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with spine(tmp_path) as bot:
        await bot.say("!memory add I live in Rome")
        forget = ("forget_memory", {"number": 1, "quote": "Forget that I live in Rome"})
        bot.model.answers = [calls(forget, saying="Done."), "Gone."]
        wiped: list[bool] = []

        async def wipe(self: Database) -> None:
            wiped.append(True)
            if len(wiped) == 1:
                raise CrashError

        monkeypatch.setattr(Database, "wipe", wipe)
        crash = Trap(99, after=False)
        await crash_and_recover(bot, "Forget that I live in Rome", crash, monkeypatch)

        assert len(wiped) == 2
        assert "it may be gone already" in shown(bot)[-1]


@pytest.mark.parametrize("trap", traps(), ids=ids)
async def test_a_command_is_done_once_or_its_person_is_told(
    tmp_path: Path, trap: Trap, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with spine(tmp_path) as bot:
        await bot.say("!memory add I like tea")
        before = len(bot.homeserver.sent)

        await crash_and_recover(bot, "!memory edit 1 I like coffee", trap, monkeypatch)

        async with bot.storage.vaults.open(ANN) as vault:
            memory, revisions = await vault.memories.get(1), await vault.memories.revisions(1)
        assert memory is not None
        [text] = [one.text for one in bot.homeserver.sent[before:]]
        interrupted = text == replies.interrupted("memory", "!")
        assert interrupted or text == memory_words.edited(memory, "!", unshared=False)
        changed = memory.text == "I like coffee"
        assert changed or (interrupted and memory.text == "I like tea")
        assert [one.text for one in revisions] == ["I like tea"][: int(changed)]
        assert Counter(await bot.audited())[("memory.updated", "ok")] == int(changed)


@pytest.mark.parametrize("trap", traps(), ids=ids)
async def test_an_erasure_is_never_undone_by_taking_it_up_again(
    tmp_path: Path, trap: Trap, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with spine(tmp_path) as bot:
        await bot.say("!memory add I like tea")
        await bot.say("!forget everything")
        before = len(bot.homeserver.sent)

        await crash_and_recover(bot, "yes", trap, monkeypatch)
        await bot.withdrawing.receipts.resume()

        assert not await bot.storage.vaults.exists(ANN)
        assert bot.model.requests == []
        [text] = [one.text for one in bot.homeserver.sent[before:]]
        assert text.startswith("**Done: everything is forgotten.**")
        assert await bot.storage.forgetting.unfinished() == []


@pytest.mark.parametrize("trap", traps(), ids=ids)
async def test_without_memory_an_answer_is_given_once_or_its_person_is_told(
    tmp_path: Path, trap: Trap, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with spine(tmp_path) as bot:
        bot.model.answers = ["The red one.", "The blue one."]

        await crash_and_recover(bot, "Which?", trap, monkeypatch, Standing.CHANGED)

        [answered] = [text for text in shown(bot) if text != pausing.CHANGED]
        assert answered in ("The red one.", INTERRUPTED[PAUSED])
        assert len(bot.model.requests) <= 1
        assert not await bot.storage.vaults.exists(ANN)


async def test_the_traps_do_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with spine(tmp_path) as bot:
        await bot.say("hello")

        assert await crash_and_recover(bot, "hello", Trap(0, after=False), monkeypatch)
