"""An edited message: what is kept is replaced, and the last question answered in its place."""

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from bot import editing_words, replies
from bot.errors import GatewayError, HomeserverError
from bot.messages import Outgoing, Room, Standing
from bot.parts import LEFT_OVER
from bot.room_events import Edit, Unfinished
from bot.splitting import PART_LIMIT
from storage import StorageFailure, TakingBack, Turn
from storage.database import Database
from tests.spine import ANN, BOB, Spine, configured, remembers, spine
from tests.test_crash import CrashError, Trap, arm, ids, shown, traps


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Spine]:
    async with spine(tmp_path) as running:
        yield running


async def kept(bot: Spine, sender: str = ANN, room_id: str = "!ann") -> list[Turn]:
    async with bot.storage.vaults.open(sender) as vault:
        return await vault.turns.recent(room_id, limit=99)


async def texts(bot: Spine, sender: str = ANN, room_id: str = "!ann") -> list[str]:
    return [turn.text for turn in await kept(bot, sender, room_id)]


def request(bot: Spine) -> str:
    return "\n".join(one.content for one in bot.model.requests[-1])


async def test_the_last_question_is_answered_again_where_its_answer_stands(bot: Spine) -> None:
    bot.model.answers = ["Rome, then.", "Bonn, then."]
    [first] = await bot.say("I go to Rome", event_id="$1")

    [sent] = await bot.edit("$1", "I go to Bonn")

    assert (sent.text, sent.replaces, sent.live) == ("Bonn, then.", "$sent-0", False)
    assert first.transaction_id != sent.transaction_id
    question, answer = await kept(bot)
    assert (question.event_id, question.text) == ("$1", "I go to Bonn")
    assert (answer.event_id, answer.text, answer.answers_event_id) == (
        "$sent-0",
        "Bonn, then.",
        "$1",
    )
    assert "Rome" not in request(bot), "neither the old words nor the old answer"
    assert request(bot).count("I go to Bonn") == 1
    assert await bot.audited() == [
        ("vault.created", "ok"),
        ("message.answered", "ok"),
        ("message.answered", "ok"),
    ], "an edit forgets nothing"


async def test_what_the_old_words_alone_taught_goes_and_the_new_ones_teach(bot: Spine) -> None:
    bot.model.answers = [
        remembers("Lives in Rome", "I live in Rome"),
        remembers("Lives in Bonn", "I live in Bonn"),
    ]
    await bot.say("I live in Rome", event_id="$1")

    [sent] = await bot.edit("$1", "I live in Bonn")

    async with bot.storage.vaults.open(ANN) as vault:
        [memory] = await vault.memories.page(limit=9)
    assert (memory.text, memory.source_event_id) == ("Lives in Bonn", "$1")
    assert "remembered: Lives in Bonn" in sent.text
    assert ("memory.deleted", "ok") in await bot.audited()


async def test_what_still_stands_in_the_new_words_stays_remembered(bot: Spine) -> None:
    bot.model.answers = [remembers("The cat is called Miso", "my cat is called Miso")]
    await bot.say("my cat is called Miso", event_id="$1")

    await bot.edit("$1", "Well, My cat  is called MISO!")

    async with bot.storage.vaults.open(ANN) as vault:
        assert [one.text for one in await vault.memories.page(limit=9)] == [
            "The cat is called Miso"
        ]


async def test_words_that_are_only_quoted_now_are_nobodys(bot: Spine) -> None:
    bot.model.answers = [remembers("The cat is called Miso", "my cat is called Miso")]
    await bot.say("my cat is called Miso", event_id="$1")

    await bot.edit("$1", "> my cat is called Miso\nwho said that?")

    async with bot.storage.vaults.open(ANN) as vault:
        assert await vault.memories.page(limit=9) == []


async def test_an_older_message_is_replaced_and_nothing_is_answered(bot: Spine) -> None:
    bot.model.answers = [remembers("Lives in Rome", "I live in Rome")]
    await bot.say("I live in Rome", event_id="$1")
    await bot.say("hello")

    assert await bot.edit("$1", "I live in Bonn") == []

    assert await texts(bot) == ["I live in Bonn", "Nice.", "hello", "I see."]
    assert "Rome" not in await bot.text("!memory")
    assert len(bot.model.requests) == 2
    async with bot.storage.vaults.open(ANN) as vault:
        assert "Rome" not in str((await vault.export())["turn"]), "nor in the note under the answer"


@pytest.mark.parametrize("words", ["!memory add I own a boat", "!forget everything", "!help"])
async def test_an_edit_never_runs_a_command(bot: Spine, words: str) -> None:
    await bot.say("I like boats", event_id="$1")

    [told] = await bot.edit("$1", words)

    assert (told.text, told.generated, told.replaces) == (editing_words.NO_COMMAND, False, None)
    assert await texts(bot) == [words, "I see."]
    assert len(bot.model.requests) == 1
    assert "boat" not in await bot.text("!memory")


async def test_of_an_edit_into_a_command_its_person_is_told_once_an_edit(bot: Spine) -> None:
    await bot.say("memory", event_id="$1")

    told = [
        await bot.edit("$1", "!memory", event_id="$e"),
        await bot.edit("$1", "!memory", event_id="$e", recovered=True),
        await bot.edit("$1", "!memory list"),
        await bot.edit("$1", "!memory list"),
    ]

    assert [[one.text for one in each] for each in told] == [
        [editing_words.NO_COMMAND],
        [],
        [editing_words.NO_COMMAND],
        [],
    ]


async def test_an_edit_into_a_private_question_erases_and_says_how_to_ask_it(bot: Spine) -> None:
    bot.model.answers = [remembers("Has a rash", "I have a rash")]
    await bot.say("I have a rash", event_id="$1")

    [told] = await bot.edit("$1", "!private I have a rash")

    assert told.text == editing_words.erased("!")
    assert "send `!private` and your question as a new message" in told.text
    assert await texts(bot) == []
    assert "rash" not in await bot.text("!memory")
    assert len(bot.model.requests) == 1
    assert ("forget.done", "ok") in await bot.audited()


async def test_an_edited_command_line_does_nothing(bot: Spine) -> None:
    await bot.say("!memory add I like tea", event_id="$1")

    assert await bot.edit("$1", "!memory add I like coffee") == []
    assert await bot.edit("$1", "I like coffee") == []

    assert "I like tea" in await bot.text("!memory")
    assert bot.model.requests == []


async def test_an_edit_confirms_nothing(bot: Spine) -> None:
    await bot.say("hello", event_id="$1")
    await bot.say("!forget everything")

    await bot.edit("$1", "yes")

    assert await bot.storage.vaults.exists(ANN)


async def test_nobody_edits_what_another_person_said(bot: Spine) -> None:
    await bot.say("I like tea", ANN, "!all", mentions_bot=True, event_id="$1")
    await bot.say("hello", BOB, "!bob")

    assert await bot.edit("$1", "I like poison", BOB, "!all") == []

    assert await texts(bot, ANN, "!all") == ["I like tea", "I see."]
    assert len(bot.model.requests) == 2


@pytest.mark.parametrize(
    "unlike",
    [
        {"encrypted": False},
        {"standing": Standing.UNSIGNED},
        {"standing": Standing.CHANGED},
        {"room_id": "!all"},
        {"body": "x" * 20_000},
    ],
    ids=str,
)
async def test_an_edit_that_would_not_be_obeyed_as_a_message_is_ignored(
    bot: Spine, unlike: dict[str, object]
) -> None:
    await bot.say("I like tea", event_id="$1")
    body = str(unlike.pop("body", "I like poison"))

    assert await bot.edit("$1", body, **unlike) == []  # type: ignore[arg-type]  # a table

    assert await texts(bot) == ["I like tea", "I see."]
    assert len(bot.model.requests) == 1


async def test_nobody_gets_a_vault_for_an_edit(bot: Spine) -> None:
    assert await bot.edit("$1", "hello", BOB, "!bob") == []

    assert not await bot.storage.vaults.exists(BOB)


async def test_in_a_shared_room_only_what_was_addressed_is_answered_again(bot: Spine) -> None:
    await bot.say("the party is at nine", BOB, "!all", event_id="$party")
    await bot.say("hello bot", BOB, "!all", mentions_bot=True, event_id="$1")

    assert await bot.edit("$party", "the party is at ten", BOB, "!all") == []
    assert await bot.edit("$party", "the party is at eleven", ANN, "!all") == []
    [sent] = await bot.edit("$1", "hello dear bot", BOB, "!all")

    assert (sent.replaces, sent.reply_to) == ("$sent-0", "$1")
    assert "the party is at ten" in request(bot), "what is overheard is what stands there"
    assert "nine" not in request(bot)


async def test_the_last_question_of_a_thread_is_answered_in_the_thread(bot: Spine) -> None:
    await bot.say("in the thread", event_id="$1")
    async with bot.storage.vaults.open(ANN) as vault:
        [question, _] = await vault.turns.recent("!ann", limit=9)
        await vault.turns.add(
            event_id="$2",
            room_id="!ann",
            room_kind="direct",
            role="user",
            text="deeper",
            said_at=question.said_at,
            thread_id="$1",
        )

    [sent] = await bot.edit("$2", "deeper still")
    [again] = await bot.edit("$1", "above it")

    assert (sent.thread_id, sent.replaces) == ("$1", None), "there was no answer yet"
    assert again.replaces == "$sent-0"


async def test_an_edit_that_changes_nothing_costs_nothing(bot: Spine) -> None:
    await bot.say("hello", event_id="$1")

    assert await bot.edit("$1", "hello") == []

    assert len(bot.model.requests) == 1


async def test_edits_and_messages_together_are_answered_only_so_often(tmp_path: Path) -> None:
    async with spine(tmp_path, configured(limits={"messages_per_minute": "2"})) as bot:
        await bot.say("hello", event_id="$1")

        sent = [await bot.edit("$1", f"hello {number}") for number in range(3)]
        more = await bot.say("and now?")

        [_], [told], [] = sent
        assert (told.text, told.replaces) == (replies.TOO_FAST, None)
        assert more == [], "it was said already"
        assert (await texts(bot)) == ["hello 2", "I see."]
        assert len(bot.model.requests) == 2
        assert (await bot.audited())[-3:] == [("message.denied", "denied")] * 3


async def test_a_failure_is_told_and_the_old_answer_stays(bot: Spine) -> None:
    await bot.say("hello", event_id="$1")
    bot.model.answers = [GatewayError("The model is away.")]

    [told] = await bot.edit("$1", "hello there")

    assert (told.text, told.replaces) == ("The model is away.", None)
    assert await texts(bot) == ["hello there", "I see."]
    assert ("gateway.failed", "failed") in await bot.audited()


def refuse(bot: Spine, patch: pytest.MonkeyPatch) -> None:
    """Let the homeserver take no edits any more."""
    send = bot.homeserver.send

    async def refusing(outgoing: Outgoing) -> str:
        if outgoing.replaces:
            raise HomeserverError("The homeserver refused an edit.")
        return await send(outgoing)

    patch.setattr(bot.homeserver, "send", refusing)


async def test_of_an_answer_that_is_refused_in_place_nothing_is_kept(
    bot: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    bot.model.answers = ["Rome, then.", "canary8d41"]
    await bot.say("I go to Rome", event_id="$1")

    with monkeypatch.context() as patch:
        refuse(bot, patch)
        [told] = await bot.edit("$1", "I go to Bonn")
    await bot.say("so?")

    assert (told.text, told.replaces) == ("The homeserver refused an edit.", None)
    assert (await texts(bot))[:2] == ["I go to Bonn", "Rome, then."]
    assert "canary8d41" not in request(bot)
    async with bot.storage.vaults.open(ANN) as vault:
        exported = await vault.export()
    assert "canary8d41" not in str(exported)
    assert "wipe is due" not in str(exported["setting"])


@pytest.mark.parametrize("words", ["I go to Oslo", None], ids=["edited again", "taken back"])
async def test_an_answer_that_was_kept_for_an_edit_goes_with_its_question(
    bot: Spine, monkeypatch: pytest.MonkeyPatch, words: str | None
) -> None:
    bot.model.answers = ["Rome, then.", "canary8d41", "Oslo, then."]
    await bot.say("I go to Rome", event_id="$1")
    with monkeypatch.context() as patch:
        patch.setattr(bot.homeserver, "send", crash)
        with suppress(CrashError):
            await bot.edit("$1", "I go to Bonn")
    assert "canary8d41" in await texts(bot)

    if words:
        await bot.edit("$1", words)
    else:
        await bot.redact("$1")

    assert await texts(bot) == ([words, "Oslo, then."] if words else [])


async def crash(*arguments: object) -> str:
    raise CrashError


async def test_the_disk_is_wiped_once_for_an_edit_and_not_for_nothing(
    bot: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    wipes, wipe = 0, Database.wipe

    async def counted(database: Database) -> None:
        nonlocal wipes
        wipes += 1
        await wipe(database)

    await bot.say("older", event_id="$0")
    await bot.say("hello", event_id="$1")
    monkeypatch.setattr(Database, "wipe", counted)
    counts = []
    for event_id, words in (("$1", "hey"), ("$1", "hey"), ("$0", "old"), ("$1", "!help")):
        wipes = 0
        await bot.edit(event_id, words)
        counts.append(wipes)
    bot.model.answers = [GatewayError("The model is away.")]
    await bot.edit("$1", "hello?")

    assert [*counts, wipes - counts[-1]] == [1, 0, 1, 1, 1]


async def test_of_a_message_that_is_not_kept_the_homeserver_is_asked_nothing(
    bot: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bot.say("hello")
    await bot.storage.inbox.accept([("$e", "!all"), ("$f", "!all")], "s1")
    asked: list[str] = []

    async def room(room_id: str) -> Room:
        asked.append(room_id)
        raise HomeserverError("The homeserver gave no answer about a room.")

    monkeypatch.setattr(bot.homeserver, "room", room)

    assert await bot.edit("$elsewhere", "hello", ANN, "!all", event_id="$e") == []
    assert await bot.edit("$elsewhere", "hello", BOB, "!all", event_id="$f") == []

    assert asked == []
    assert await bot.storage.inbox.unfinished() == []


async def refused(*arguments: object) -> Room:
    raise HomeserverError("The homeserver gave no answer about a room.")


async def damaged(*arguments: object, **more: object) -> None:
    raise StorageFailure("damaged")


@pytest.mark.parametrize("fails", ["vault", "room"])
async def test_what_storage_or_the_homeserver_fails_at_is_left_to_the_next_start_without_a_word(
    bot: Spine, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    await bot.say("hello", event_id="$1")
    await bot.storage.inbox.accept([("$e", "!ann")], "s1")
    with monkeypatch.context() as patch:
        if fails == "room":
            patch.setattr(bot.homeserver, "room", refused)
        else:
            patch.setattr(TakingBack, "words", damaged)
        assert await bot.edit("$1", "hello there", event_id="$e") == []
    assert await bot.storage.inbox.unfinished() == [("$e", "!ann")]

    await bot.edit("$1", "hello there", event_id="$e", recovered=True)

    assert await bot.storage.inbox.unfinished() == []
    assert (await texts(bot))[0] == "hello there"


async def test_what_is_overheard_is_amended_by_nothing_that_came_unencrypted(bot: Spine) -> None:
    for number in ("one", "two", "three"):
        await bot.say(f"party {number} is at nine", BOB, "!all", event_id=f"${number}")

    await bot.edit("$one", "party one is at ten", BOB, "!all")
    await bot.edit("$two", "party two is at ten", BOB, "!all", encrypted=False)
    await bot.edit("$three", "party three is at ten", ANN, "!all", encrypted=False)
    await bot.say("when?", ANN, "!all", mentions_bot=True)

    assert "party one is at ten" in request(bot)
    assert "party two" not in request(bot)
    assert "party three is at nine" in request(bot)


async def test_tokens_of_the_new_answer_are_counted(bot: Spine) -> None:
    await bot.say("hello", event_id="$1")
    await bot.edit("$1", "hello there")

    async with bot.storage.vaults.open(ANN) as vault:
        assert await vault.usage(bot.clock().date()) == 30


async def test_a_shorter_answer_leaves_a_note_where_the_rest_stood(bot: Spine) -> None:
    long = "word " * (PART_LIMIT // 2)
    bot.model.answers = [long, "short", long]
    await bot.say("tell me", event_id="$1")
    count = len(bot.homeserver.sent)

    shorter = await bot.edit("$1", "tell me in short")
    longer = await bot.edit("$1", "tell me all")

    assert [(one.replaces, one.text) for one in shorter] == [
        ("$sent-0", "short"),
        *((f"$sent-{number}", LEFT_OVER) for number in range(1, count)),
    ]
    assert [one.replaces for one in longer] == [f"$sent-{number}" for number in range(count)]
    async with bot.storage.vaults.open(ANN) as vault:
        assert await vault.answers.parts("$1") == [f"$sent-{number}" for number in range(count)]


async def test_what_waits_as_an_id_is_fetched_with_its_words(bot: Spine) -> None:
    await bot.say("hello", event_id="$1")
    message = (await kept(bot))[0]
    edited = Edit(
        replace(bot.message("hello there", event_id="$e"), recovered=True), message.event_id
    )
    bot.homeserver.kept["$e"] = edited

    [sent] = await bot.give(Unfinished("$e", "!ann", recovered=False))

    assert sent.replaces == "$sent-0"


async def crash_and_recover(bot: Spine, trap: Trap, patch: pytest.MonkeyPatch, words: str) -> None:
    """Edit, crash at the trap, start again."""
    await bot.storage.inbox.accept([("$e", "!ann")], "s1")
    with patch.context() as armed:
        arm(bot, trap, armed)
        with suppress(CrashError):
            await bot.edit("$1", words, event_id="$e")
    if ("$e", "!ann") in await bot.storage.inbox.unfinished():
        await bot.edit("$1", words, event_id="$e", recovered=True)
    assert await bot.storage.inbox.unfinished() == []


@pytest.mark.parametrize("mode", ["auto", "ask"])
@pytest.mark.parametrize("trap", traps(), ids=ids)
async def test_after_a_crash_the_answer_in_place_is_the_one_that_is_kept(
    tmp_path: Path, trap: Trap, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with spine(tmp_path, configured(memory={"mode": mode})) as bot:
        bot.model.answers = [
            "The old one.",
            remembers("The cat is called Miso", "cat is called Miso", saying="The red one."),
            remembers("The cat is called Miso", "cat is called Miso", saying="The blue one."),
        ]
        await bot.say("Which?", event_id="$1")

        await crash_and_recover(bot, trap, monkeypatch, "My cat is called Miso, which?")

        text, *asking = shown(bot)
        question, answer = await kept(bot)
        assert question.text == "My cat is called Miso, which?"
        assert text.startswith(answer.text)
        async with bot.storage.vaults.open(ANN) as vault:
            assert await vault.answers.parts("$1") == ["$sent-0"]
            remembered, proposed = await vault.memories.count(), await vault.pending.all()
            unasked = await vault.pending.of_message("$1")
        if mode == "auto":
            assert "remembered: The cat is called Miso" in text
            assert (remembered, proposed, asking) == (1, [], [])
        else:
            assert (remembered, len(proposed), unasked) == (0, 1, [])
            assert ["The cat is called Miso" in one for one in asking] == [True]
        answered = [one for one in await bot.audited() if one == ("message.answered", "ok")]
        assert len(answered) == 2
        places = {one.replaces for one in bot.homeserver.sent[1:] if one.generated}
        assert places == {"$sent-0"}


async def test_the_traps_do_crash_between_two_edits_of_parts(
    bot: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = "word " * (PART_LIMIT // 2)
    bot.model.answers = [long, "read " * (PART_LIMIT // 2), "blue"]
    await bot.say("Which?", event_id="$1")
    parts = len(bot.homeserver.sent)

    await crash_and_recover(bot, Trap(2, after=True), monkeypatch, "Which one?")

    assert len(shown(bot)) == parts
    assert {text.split()[0] for text in shown(bot)} == {"read"}
