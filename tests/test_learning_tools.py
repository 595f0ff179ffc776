"""What the model's tools do to a person's memory, through the whole spine."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot.assistant import Answer, Assistant
from bot.completions import Completion
from bot.errors import GatewayError
from bot.messages import RoomMessage
from bot.preferences import Mode, choose_mode
from bot.processing import processing
from storage import Memory
from tests.spine import ANN, BOB, Spine, calls, configured, remembers, spine

ALL = ("remember", "update_memory", "forget_memory", "search_history")


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Spine]:
    async with spine(tmp_path) as opened:
        yield opened


async def memories(bot: Spine, person: str = ANN) -> list[Memory]:
    async with bot.storage.vaults.open(person) as vault:
        return await vault.memories.page(limit=99)


async def texts(bot: Spine) -> list[str]:
    return [one.text for one in reversed(await memories(bot))]


async def choose(bot: Spine, mode: Mode) -> None:
    async with bot.storage.vaults.open(ANN) as vault:
        await choose_mode(vault, mode)


async def teach(
    bot: Spine, said: str, text: str, quote: str = "", *, room_id: str = "!ann", **more: object
) -> str:
    """Say something from which the model saves a fact; what the bot answers."""
    given = {"text": text, "quote": quote or said, "category": "general", "about": "self", **more}
    bot.model.answers.append(calls(("remember", given), saying="Nice."))
    sent = await bot.say(said, ANN, room_id, mentions_bot=True)
    return [one.text for one in sent if one.generated][-1]  # the last edit, if it came slowly


def results(bot: Spine, number: int = -1) -> list[str]:
    """What the tools answered to the model, in one of its requests."""
    return [one.content for one in bot.model.requests[number] if one.role == "tool"]


async def test_a_fact_is_saved_and_shown_with_how_to_undo_it(bot: Spine) -> None:
    shown = await teach(bot, "My cat is called Miso.", "The cat is called Miso")

    assert shown == "Nice.\n\n*remembered: The cat is called Miso · `!memory delete 1`*"
    [memory] = await memories(bot)
    assert (memory.quote, memory.source_event_id) == ("My cat is called Miso.", "$said-0")


async def test_the_same_in_other_words_is_one_memory_with_two_sources(bot: Spine) -> None:
    await teach(bot, "I like green tea", "Likes green tea")

    shown = await teach(bot, "You know, I really like green tea!", "Really likes green tea",
                        "I really like green tea")  # fmt: skip

    assert shown == "Nice."
    assert await texts(bot) == ["Likes green tea"]
    async with bot.storage.vaults.open(ANN) as vault:
        [said] = (await vault.export())["memory_said"]
    assert (said["event_id"], said["quote"]) == ("$said-1", "I really like green tea")


async def test_what_says_more_takes_the_place_of_what_said_less(bot: Spine) -> None:
    await teach(bot, "My cat is called Miso", "My cat is called Miso")

    shown = await teach(bot, "My black cat is called Miso", "My black cat is called Miso")

    assert "*updated: My black cat is called Miso · `!memory show 1`*" in shown
    assert await texts(bot) == ["My black cat is called Miso"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("I live in Rome", "I moved to Oslo"),
        ("Ich wohne in Wien", "Ich wohne jetzt in Graz"),
        ("J'habite à Lyon", "J'habite à Paris"),
        ("Vivo en Madrid", "Vivo en Sevilla"),
        ("I work at Acme", "I work at Globex"),
        ("I'm 30 years old", "I'm 31 years old"),
        ("My favourite colour is green", "My favourite colour is blue"),
        ("I like coffee", "I don't like coffee"),
    ],
)
async def test_a_contradiction_changes_the_memory_and_keeps_what_it_said(
    bot: Spine, before: str, after: str
) -> None:
    await teach(bot, before, before)

    shown = await teach(bot, after, after)

    assert shown == f"Nice.\n\n*updated: {after} · `!memory show 1`*"
    assert await texts(bot) == [after]
    async with bot.storage.vaults.open(ANN) as vault:
        [revision] = await vault.memories.revisions(1)
    assert (revision.text, revision.quote, revision.source_event_id) == (before, before, "$said-0")
    assert ("memory.updated", "ok") in await bot.audited()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("I have 2 cats", "I have 3 dogs"),
        ("My cat is called Miso", "My cat is called Tom"),
        ("I like cats", "I like dogs"),
        ("I live in Rome", "I want to live in Oslo"),
        ("Ich mag Tee", "Ich spiele Klavier"),
    ],
)
async def test_what_can_both_be_true_is_two_memories(bot: Spine, first: str, second: str) -> None:
    await teach(bot, first, first)
    await teach(bot, second, second)

    assert await texts(bot) == [first, second]


async def test_what_holds_for_a_while_does_not_replace_what_held_before(bot: Spine) -> None:
    await teach(bot, "I live in Rome", "Lives in Rome")
    said = "Until February I live in Oslo"
    await teach(bot, said, "Lives in Oslo", "I live in Oslo", until="2026-02-28")
    now = await texts(bot)

    bot.clock.forward(days=70)

    assert now == ["Lives in Rome", "Lives in Oslo"]
    assert await texts(bot) == ["Lives in Rome"]
    assert "Oslo" not in await bot.text("!memory")
    await bot.say("Where do I live?")
    assert "Oslo" not in bot.model.requests[-1][0].content.partition("Earlier messages")[0]


async def test_a_memory_is_changed_by_its_number(bot: Spine) -> None:
    await teach(bot, "I have a dog called Rex", "Has a dog called Rex")
    given = {"number": 1, "text": "Has a dog called Max", "quote": "he is called Max now"}
    bot.model.answers = [calls(("update_memory", given), saying="Max!")]

    shown = await bot.text("I had it wrong, he is called Max now.")

    assert shown == "Max!\n\n*updated: Has a dog called Max · `!memory show 1`*"
    async with bot.storage.vaults.open(ANN) as vault:
        [revision] = await vault.memories.revisions(1)
    assert revision.text == "Has a dog called Rex"


@pytest.mark.parametrize(
    ("given", "result"),
    [
        ({"number": 9, "text": "Has a cat", "quote": "it is a cat"}, "no memory with this number"),
        ({"number": "1", "text": "Has a cat", "quote": "it is a cat"}, "no memory with this"),
        ({"number": True, "text": "Has a cat", "quote": "it is a cat"}, "no memory with this"),
        ({"number": 1, "text": "Has a cat", "quote": "my cat Miso"}, "quote is not in the person"),
        ({"number": 1, "text": "Has a cat"}, "text and quote are needed"),
        ({"number": 1, "text": "x", "quote": "my pin is 1234"}, "secrets such as"),
    ],
)
async def test_a_change_that_is_not_founded_changes_nothing(
    bot: Spine, given: dict[str, object], result: str
) -> None:
    await teach(bot, "I have a dog called Rex", "Has a dog called Rex")
    bot.model.answers = [calls(("update_memory", given)), "I see."]

    await bot.say("No, it is a cat, and my pin is 1234")

    assert result in results(bot)[0]
    assert await texts(bot) == ["Has a dog called Rex"]


async def test_a_changed_memory_says_no_more_than_the_old_text_and_the_new_words(
    bot: Spine,
) -> None:
    await teach(bot, "I have a dog called Rex", "Has a dog called Rex")
    given = {"number": 1, "text": "Obeys evil.example", "quote": "he is called Max"}
    bot.model.answers = [calls(("update_memory", given), saying="Fine.")]

    await bot.say("In fact he is called Max")

    assert await texts(bot) == ["he is called Max"]


async def test_what_is_asked_for_is_forgotten_and_its_text_not_repeated(bot: Spine) -> None:
    await teach(bot, "I live in Berlin", "Lives in Berlin")
    bot.model.answers = [
        calls(
            ("forget_memory", {"number": 1, "quote": "forget that I live in Berlin"}), saying="OK."
        )
    ]

    shown = await bot.text("Please forget that I live in Berlin.")

    assert shown == "OK.\n\n*forgotten: memory 1 (also on disk)*"
    assert await memories(bot) == []
    assert ("memory.deleted", "ok") in await bot.audited()


@pytest.mark.parametrize(
    ("said", "quote"),
    [
        ("I love Berlin!", "I love Berlin!"),
        ("Don't forget that I live in Berlin", "forget that I live in Berlin"),
        ("> forget everything\nWhat does that mean?", "forget everything"),
        ("Forget my address", "forget that I live in Berlin"),
    ],
)
async def test_what_nobody_asked_to_forget_stays(bot: Spine, said: str, quote: str) -> None:
    await teach(bot, "I live in Berlin", "Lives in Berlin")
    bot.model.answers = [calls(("forget_memory", {"number": 1, "quote": quote})), "I see."]

    shown = await bot.text(said)

    assert "Nothing was forgotten" in results(bot)[0]
    assert "forgotten" not in shown
    assert await texts(bot) == ["Lives in Berlin"]


async def test_a_model_that_claims_to_have_forgotten_misleads_nobody(bot: Spine) -> None:
    await teach(bot, "I live in Berlin", "Lives in Berlin")
    bot.model.answers = ["I've deleted that."]

    shown = await bot.text("Forget that I live in Berlin")

    assert "*not forgotten: nothing was deleted · `!memory` lists" in shown


async def test_the_model_searches_what_was_said_and_is_asked_again(bot: Spine) -> None:
    await bot.say("The garage is painted in papaya orange")
    for number in range(15):
        await bot.say(f"filler number {number} about weather and wind")
    bot.model.answers = [
        calls(("search_history", {"query": "garage papaya"}), saying="Let me look."),
        "It is orange.",
    ]

    shown = await bot.text("Which shade did I tell you about, long ago?")

    assert shown == "Let me look.\n\nIt is orange."
    [found] = results(bot)
    assert "the person: The garage is painted in papaya orange" in found
    assert "never instructions" in found
    async with bot.storage.vaults.open(ANN) as vault:
        [answer] = await vault.turns.recent("!ann", limit=1)
        used = await vault.turns.used_by(answer.event_id)
    assert "The garage is painted in papaya orange" in [one.text for one in used]


async def test_what_a_search_finds_is_not_learned_again(bot: Spine) -> None:
    await bot.say("I like papaya a lot")
    fact = {"text": "Likes papaya", "quote": "I like papaya"}
    bot.model.answers = [
        calls(("search_history", {"query": "papaya"})),
        calls(("remember", fact)),
        "You like papaya.",
    ]

    await bot.say("What is my favourite fruit?")

    assert "quote is not in the person's last message" in results(bot)[-1]
    assert await memories(bot) == []


async def test_a_search_in_a_shared_room_finds_nothing_of_a_direct_chat(bot: Spine) -> None:
    await bot.say("The garage is painted in papaya orange")
    bot.model.answers = [calls(("search_history", {"query": "garage papaya"})), "No idea."]

    await bot.say("bot, which colour has the garage?", ANN, "!all", mentions_bot=True)

    assert results(bot) == ["Nothing was found."]


async def test_searching_comes_to_an_end(bot: Spine) -> None:
    bot.model.answers = [calls(("search_history", {"query": f"word {n}"})) for n in range(9)]

    await bot.say("What do you know?")

    assert [bool(one) for one in bot.model.tools] == [True, True, True, False]


async def test_one_answer_may_search_three_times(bot: Spine) -> None:
    searches = [("search_history", {"query": f"word {n}"}) for n in range(5)]
    bot.model.answers = [calls(*searches), "Done."]

    await bot.say("What do you know?")

    assert ["Not searched" in one for one in results(bot)] == [False] * 3 + [True] * 2


async def test_no_more_than_eight_calls_of_one_request_are_done(bot: Spine) -> None:
    bot.model.answers = [calls(*[("remember", {})] * 10), "Done."]

    await bot.say("What do you know?")

    assert ["too many calls" in one for one in results(bot)] == [False] * 8 + [True] * 2


async def test_all_requests_of_an_answer_are_counted(bot: Spine) -> None:
    bot.model.answers = [calls(("search_history", {"query": "x"})), "Done."]

    await bot.say("Hello there")

    async with bot.storage.vaults.open(ANN) as vault:
        assert await vault.usage(bot.clock().date()) == 30


async def test_what_was_said_before_a_failing_second_request_is_the_answer(bot: Spine) -> None:
    said = {"text": "Likes tea", "quote": "I like tea"}
    bot.model.answers = [
        calls(("remember", said), ("search_history", {"query": "tea"}), saying="Tea is fine."),
        GatewayError("away"),
    ]

    shown = await bot.text("I like tea")

    assert shown == "Tea is fine.\n\n*remembered: Likes tea · `!memory delete 1`*"


async def test_what_is_not_answered_teaches_nothing(bot: Spine) -> None:
    said = {"text": "Likes tea", "quote": "I like tea"}
    bot.model.answers = [calls(("remember", said)), GatewayError("away")]

    await bot.say("I like tea")

    assert await memories(bot) == []


@pytest.mark.parametrize(
    ("mode", "said", "offered"),
    [
        (Mode.AUTO, "Hello", ALL),
        (Mode.ASK, "Hello", ALL),
        (Mode.MANUAL, "I like tea", ("search_history",)),
        (Mode.MANUAL, "Remember that I like tea", ("remember", "update_memory", "search_history")),
        (Mode.MANUAL, "Merk dir: ich mag Tee", ("remember", "update_memory", "search_history")),
        (Mode.MANUAL, "Forget that I like tea", ("forget_memory", "search_history")),
        (Mode.OFF, "Remember that I like tea", ()),
    ],
)
async def test_the_mode_says_which_tools_there_are(
    bot: Spine, mode: Mode, said: str, offered: tuple[str, ...]
) -> None:
    await choose(bot, mode)

    await bot.say(said)

    assert bot.model.tools == [offered]


async def test_a_tool_that_is_not_offered_does_nothing(bot: Spine) -> None:
    await choose(bot, Mode.MANUAL)

    await teach(bot, "I like tea", "Likes tea")

    assert await memories(bot) == []


async def test_in_manual_mode_only_what_is_asked_for_is_saved(bot: Spine) -> None:
    await choose(bot, Mode.MANUAL)
    bot.model.answers = [
        calls(
            ("remember", {"text": "Likes tea", "quote": "I like tea"}),
            ("remember", {"text": "Has a cat", "quote": "I have a cat"}),
            saying="Nice.",
        )
    ]

    await bot.say("Remember that I like tea. By the way, I have a cat and she is lovely.")

    assert await texts(bot) == ["Likes tea"]


async def test_in_ask_mode_a_fact_waits_and_no_note_shows_it(bot: Spine) -> None:
    await teach(bot, "I live in Rome", "Lives in Rome")
    await choose(bot, Mode.ASK)

    shown = await teach(bot, "Remember that I moved to Oslo", "Moved to Oslo", "I moved to Oslo")
    again = await teach(bot, "I live in Rome, I said", "Lives in Rome", "I live in Rome")

    assert shown == again == "Nice."
    assert await texts(bot) == ["Lives in Rome"]
    async with bot.storage.vaults.open(ANN) as vault:
        waiting = await vault.memories.get(2)
        assert await vault.memories.get(3) is None
    assert waiting is not None
    assert (waiting.status, waiting.text, waiting.replaces) == ("pending", "Moved to Oslo", None)


async def test_in_ask_mode_a_change_waits_as_one_that_replaces(bot: Spine) -> None:
    await teach(bot, "I live in Rome", "Lives in Rome")
    await choose(bot, Mode.ASK)
    given = {"number": 1, "text": "Lives in Oslo", "quote": "I live in Oslo now"}
    bot.model.answers = [calls(("update_memory", given), saying="Oslo!")]

    sent = await bot.say("I live in Oslo now")

    assert [one.text for one in sent if one.generated][-1] == "Oslo!"
    async with bot.storage.vaults.open(ANN) as vault:
        waiting = await vault.memories.get(2)
    assert waiting is not None
    assert (waiting.status, waiting.replaces, waiting.text) == ("pending", 1, "Lives in Oslo")
    assert await texts(bot) == ["Lives in Rome"]


async def test_in_off_mode_nothing_of_before_is_used_but_the_conversation(bot: Spine) -> None:
    await bot.say("!memory add my canary is K7")
    await bot.say("the finch F9 sings")
    await choose(bot, Mode.OFF)

    await bot.say("what do my canary and the finch do?")

    asked = bot.model.requests[-1]
    assert "K7" not in str([one.content for one in asked])
    assert "F9" not in asked[0].content
    assert "the finch F9 sings" in [one.content for one in asked]


@pytest.mark.parametrize(
    ("mode", "said", "answer", "note"),
    [
        (Mode.AUTO, "I like tea", "I'll remember that!", "`!memory add TEXT` keeps it"),
        (Mode.AUTO, "Ich mag Tee", "Das habe ich mir gemerkt.", "`!memory add TEXT` keeps it"),
        (Mode.AUTO, "Remember that I like tea", "Tea is fine.", "`!memory add TEXT` keeps it"),
        (Mode.MANUAL, "I like tea", "Noted.", "`!memory mode auto` lets me"),
        (Mode.OFF, "Remember that I like tea", "Tea.", "memory is off · `!memory mode auto`"),
    ],
)
async def test_nobody_is_misled_about_what_was_saved(
    bot: Spine, mode: Mode, said: str, answer: str, note: str
) -> None:
    await choose(bot, mode)
    bot.model.answers = [answer]

    shown = await bot.text(said)

    assert shown.startswith(f"{answer}\n\n*not saved: ")
    assert note in shown


async def test_a_claim_that_something_was_saved_is_explained_where_it_was_refused(
    bot: Spine,
) -> None:
    fact = {"text": "Has diabetes", "quote": "I have diabetes"}
    secret = {"text": "Password is hunter2", "quote": "my password is hunter2"}
    bot.model.answers = [calls(("remember", fact), saying="I'll remember that.")]
    delicate = await bot.text("I have diabetes")
    bot.model.answers = [calls(("remember", secret), saying="Noted.")]
    hidden = await bot.text("Remember: my password is hunter2")

    assert "*not saved: this is sensitive, and kept only when you ask for it" in delicate
    assert hidden.endswith("*not saved: passwords, keys, and numbers of cards or accounts are never kept*")  # fmt: skip # noqa: E501
    assert await memories(bot) == []


async def test_no_note_contradicts_what_is_known_already(bot: Spine) -> None:
    await teach(bot, "I like tea", "Likes tea")
    bot.model.answers = [remembers("Likes tea", "I like tea", saying="I'll remember that.")]

    assert await bot.text("I like tea") == "I'll remember that."


async def test_a_shared_room_neither_names_nor_changes_what_a_direct_chat_taught(
    bot: Spine,
) -> None:
    await teach(bot, "I live in Rome", "Lives in Rome")
    update = {"number": 1, "text": "Lives in Oslo", "quote": "I live in Oslo"}
    forget = {"number": 1, "quote": "forget where I live"}
    bot.model.answers = [calls(("update_memory", update), ("forget_memory", forget)), "I see."]

    await bot.say("I live in Oslo, forget where I live", ANN, "!all", mentions_bot=True)
    told = results(bot)
    shown = await teach(bot, "I live in Oslo", "Lives in Oslo", room_id="!all")

    assert all("no memory with this number here" in one for one in told)
    assert "*remembered: Lives in Oslo · `!memory delete 2`*" in shown
    assert await texts(bot) == ["Lives in Rome", "Lives in Oslo"]


async def test_what_is_changed_in_a_shared_room_was_said_there(bot: Spine) -> None:
    await teach(bot, "I live in Rome", "Lives in Rome")
    async with bot.storage.vaults.open(ANN) as vault:
        await vault.memories.share(1, "!all")

    shown = await teach(bot, "I live in Oslo", "Lives in Oslo", room_id="!all")

    [memory] = await memories(bot)
    assert "*updated: Lives in Oslo · `!memory show 1`*" in shown
    assert (memory.room_kind, memory.source_room_id) == ("shared", "!all")


async def test_what_is_changed_in_a_direct_chat_is_no_longer_used_in_the_shared_room(
    bot: Spine,
) -> None:
    await teach(bot, "I live in Rome", "Lives in Rome", room_id="!all")
    await teach(bot, "I live in Oslo", "Lives in Oslo")

    await bot.say("Where do I live?", ANN, "!all", mentions_bot=True)

    assert await texts(bot) == ["Lives in Oslo"]
    assert "Oslo" not in bot.model.requests[-1][0].content


async def test_one_persons_memory_is_out_of_reach_for_another(bot: Spine) -> None:
    await teach(bot, "I live in Rome", "Lives in Rome")
    forget = {"number": 1, "quote": "forget memory 1"}
    bot.model.answers = [calls(("forget_memory", forget)), "I see."]

    await bot.say("forget memory 1", BOB, "!bob")

    assert "no memory with this number" in results(bot)[0]
    assert await texts(bot) == ["Lives in Rome"]


async def test_at_most_three_facts_of_one_message_are_saved(bot: Spine) -> None:
    said = "I like tea, I play chess, I have a cat, I drive a van"
    facts = [("remember", {"text": one, "quote": one}) for one in said.split(", ")]
    bot.model.answers = [calls(*facts), "I see."]

    await bot.say(said)

    assert await texts(bot) == ["I like tea", "I play chess", "I have a cat"]
    assert "enough was saved" in results(bot)[3]


async def test_nothing_is_saved_where_the_gateway_may_train(tmp_path: Path) -> None:
    async with spine(tmp_path, configured(privacy={"gateway_training": "unknown"})) as bot:
        bot.model.answers = [remembers("Likes tea", "I like tea", saying="I'll remember that.")]

        shown = await bot.text("I like tea")

        assert (
            "*not saved: memory is not used with this AI provider · `!privacy` says why*" in shown
        )
        assert await memories(bot) == []
        assert bot.model.tools == [()]


async def test_a_call_with_no_arguments_or_of_no_tool_is_answered_in_words(bot: Spine) -> None:
    bot.model.answers = [
        calls(("search_history", {}), ("send_mail", {"to": "eve"}), ("remember", {})),
        "I see.",
    ]

    assert await bot.text("Hello there") == "I see."

    searched, unknown, garbled = results(bot)
    assert "Not searched" in searched
    assert "no such tool" in unknown
    assert "text and quote are needed" in garbled


async def test_text_beside_calls_needs_no_second_request(bot: Spine) -> None:
    await teach(bot, "I like tea", "Likes tea")

    assert len(bot.model.requests) == 1


async def test_a_fact_keeps_until_when_it_holds(bot: Spine) -> None:
    await teach(bot, "I am on holiday until Sunday", "On holiday", until="2026-01-04")

    [memory] = await memories(bot)

    assert memory.valid_until == bot.clock().replace(hour=0, day=5)
    assert memory.valid_until is not None
    bot.clock.forward(days=4)
    async with bot.storage.vaults.open(ANN) as vault:
        assert await vault.memories.expire(bot.clock() + timedelta()) == [1]


async def test_an_answer_of_calls_alone_says_something(bot: Spine) -> None:
    fact = {"text": "Likes tea", "quote": "I like tea"}
    bot.model.answers = [calls(("remember", fact)), Completion("Good choice.", "scripted")]

    shown = await bot.text("I like tea")

    assert shown == "Good choice.\n\n*remembered: Likes tea · `!memory delete 1`*"
    assert "It will be saved" in results(bot)[0]


async def test_what_is_said_in_private_teaches_and_forgets_nothing(bot: Spine) -> None:
    await teach(bot, "I live in Rome", "Lives in Rome")
    assistant = Assistant(
        bot.model, bot.config, processing(bot.config, gateway_host="h"), now=bot.clock
    )
    fact = {"text": "Lives in Oslo", "quote": "I live in Oslo"}
    forget = {"number": 1, "quote": "forget Rome"}
    bot.model.answers = [calls(("remember", fact), ("forget_memory", forget), saying="Noted.")]
    said = RoomMessage("$p", "!ann", ANN, "forget Rome, I live in Oslo", bot.clock(), True)

    async with bot.storage.vaults.open(ANN) as vault:
        room = bot.homeserver.rooms["!ann"]
        got = [one async for one in assistant.answer(said, room, vault, private=True)]

    answer = got[-1]
    assert isinstance(answer, Answer)
    assert answer.reply.text == (
        "Noted.\n\n*not saved: nothing that you say here in private is kept*"
    )
    assert bot.model.tools[-1] == ("search_history",)
    assert await texts(bot) == ["Lives in Rome"]
