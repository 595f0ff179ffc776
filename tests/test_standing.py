"""A ghost's words are nobody's; whoever shows another identity is answered without memory."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from bot import pausing, replies
from bot.errors import GatewayError, HomeserverUnavailableError
from bot.exchange import record
from bot.journal import Journal
from bot.messages import Action, Device, Effect, Outcome, Outgoing, Standing
from bot.room_events import Accepted
from tests.spine import ANN, BOB, EVE, Spine, configured, disclosed, remembers, spine

NEW = Device(ANN, "NEW")
Says = Callable[[Spine, str, str], Awaitable[list[Outgoing]]]


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Spine]:
    async with spine(tmp_path) as running:
        yield running


async def ghost_says(bot: Spine, body: str, room_id: str = "!ann") -> list[Outgoing]:
    return await bot.say(body, ANN, room_id, device_id="GHOST", standing=Standing.UNSIGNED)


async def changed_says(
    bot: Spine, body: str, room_id: str = "!ann", *, mentions_bot: bool = False
) -> list[Outgoing]:
    device, standing = NEW.device_id, Standing.CHANGED
    return await bot.say(
        body, ANN, room_id, device_id=device, standing=standing, mentions_bot=mentions_bot
    )


async def answered(
    bot: Spine, body: str, room_id: str = "!ann", *, mentions_bot: bool = False
) -> str:
    """The one text beside the notice that a changed identity gets."""
    sent = await changed_says(bot, body, room_id, mentions_bot=mentions_bot)
    [text] = [one.text for one in sent if one.text != pausing.CHANGED]
    return text


def request(bot: Spine, number: int = -1) -> str:
    """All that the model was given with one request."""
    return "\n".join(one.content for one in bot.model.requests[number])


async def reasons(bot: Spine) -> list[object]:
    """Why something of Ann's was denied, oldest first."""
    async with bot.storage.vaults.open(ANN) as vault:
        entries = await disclosed(bot.storage.audit_log, vault)
    denied = [one for _, one in reversed(entries) if one.outcome == "denied"]
    return [one.facts["reason"] for one in denied]


@pytest.mark.parametrize("body", ["!memory add The ghost was here", "what is my canary?"])
async def test_a_ghost_is_not_obeyed_and_its_owner_is_told(bot: Spine, body: str) -> None:
    await bot.say("!memory add my canary is K7")

    [told] = await ghost_says(bot, body)

    assert told.text == replies.UNVERIFIED_SESSION
    assert told.also_for is None, "the ghost gets the key of nothing"
    assert bot.model.requests == []
    assert await reasons(bot) == ["unverified session"]
    assert "ghost" not in await bot.text("!memory")


async def test_a_ghosts_owner_is_told_once_a_day(bot: Spine) -> None:
    first, second = await ghost_says(bot, "one"), await ghost_says(bot, "two")
    bot.clock.forward(days=1)
    third = await ghost_says(bot, "three")

    assert (len(first), second, len(third)) == (1, [], 1)


async def test_nobody_gets_a_vault_for_what_a_ghost_says(bot: Spine) -> None:
    await ghost_says(bot, "hello")

    assert not await bot.storage.vaults.exists(ANN)


@pytest.mark.parametrize("says", [ghost_says, changed_says])
async def test_what_may_be_somebody_elses_words_is_not_overheard(bot: Spine, says: Says) -> None:
    await says(bot, "the party is at nine", "!all")

    await bot.say("when is the party?", BOB, "!all", mentions_bot=True)

    assert "nine" not in request(bot)


async def test_a_stranger_is_told_that_first_of_all(bot: Spine) -> None:
    [told] = await bot.say("hello", EVE, "!eve", standing=Standing.UNSIGNED)

    assert told.text == replies.NOT_ALLOWED


async def test_a_changed_identity_is_answered_without_memory(bot: Spine) -> None:
    await bot.say("!memory add my canary is K7")
    await bot.say("I play the oboe")

    notice, answer = await changed_says(bot, "what is my canary, what do I play?")

    assert (notice.text, answer.text) == (pausing.CHANGED, "I see.")
    assert (answer.generated, answer.live) == (True, False)
    assert not [word for word in ("K7", "oboe") if word in request(bot)]
    assert "Memory is paused" in request(bot)
    assert bot.model.tools[-1] == ()


async def test_what_a_changed_identity_says_is_kept_nowhere(bot: Spine) -> None:
    await bot.say("hello")
    bot.model.answers = [remembers("The cat is called Miso", "cat is called Miso")]

    await changed_says(bot, "My cat is called Miso")

    async with bot.storage.vaults.open(ANN) as vault:
        turns = await vault.turns.recent("!ann", limit=9)
        counts = await vault.counts()
    assert [turn.text for turn in turns] == ["hello", "I see."]
    assert counts.memories == 0
    assert await bot.storage.inbox.unfinished() == []


async def test_only_the_device_that_asks_gets_a_key_and_only_of_its_answers(bot: Spine) -> None:
    before = await bot.say("hello")

    sent = [
        *await changed_says(bot, "hello"),
        *await changed_says(bot, "!memory"),
        *await changed_says(bot, "!help"),
    ]
    after = await bot.say("hello")

    assert {one.also_for for one in sent} == {NEW}
    assert {one.also_for for one in (*before, *after)} == {None}


async def test_a_failure_is_told_to_the_device_that_asked(bot: Spine) -> None:
    bot.model.answers = [GatewayError("The model is away.")]

    _, apology = await changed_says(bot, "hello")

    assert (apology.text, apology.also_for) == ("The model is away.", NEW)


@pytest.mark.parametrize(
    "line", ["!memory", "!memory add x", "!export", "!forget everything", "!audit", "!privacy"]
)
async def test_commands_about_personal_data_are_refused(bot: Spine, line: str) -> None:
    await bot.say("!memory add my canary is K7")

    assert await answered(bot, line) == pausing.NOT_NOW
    assert await reasons(bot) == ["identity changed"]


async def test_commands_about_the_bot_work(bot: Spine) -> None:
    assert "I am Confidant" in await answered(bot, "!help")
    assert "abcd efgh ij" in await answered(bot, "!verify")
    assert "did you mean `!verify`" in await answered(bot, "!verfy")
    assert "lists what there is" in await answered(bot, "!help nonsense")


async def test_a_yes_of_a_changed_identity_confirms_nothing(bot: Spine) -> None:
    await bot.say("!memory add my canary is K7")
    await bot.say("!forget everything")

    await changed_says(bot, "yes")

    assert await bot.storage.vaults.exists(ANN)


async def test_others_words_in_a_shared_room_are_not_told_to_a_changed_identity(
    bot: Spine,
) -> None:
    await bot.say("the party is at nine", BOB, "!all")

    text = await answered(bot, "when is the party?", "!all", mentions_bot=True)

    assert text == "I see."
    assert "nine" not in request(bot)


async def test_nobody_gets_a_vault_for_a_changed_identity(bot: Spine) -> None:
    await changed_says(bot, "hello")
    await changed_says(bot, "!help")

    assert not await bot.storage.vaults.exists(ANN)


async def test_the_person_is_told_of_the_change_once_a_day(bot: Spine) -> None:
    days = []
    for _ in range(2):
        sent = [*await changed_says(bot, "one"), *await changed_says(bot, "two")]
        days.append([one.text for one in sent].count(pausing.CHANGED))
        bot.clock.forward(days=1)

    assert days == [1, 1]


async def changes(bot: Spine) -> list[str]:
    """What Ann's audit entries say of her identity and her memory, oldest first."""
    async with bot.storage.vaults.open(ANN) as vault:
        entries = await disclosed(bot.storage.audit_log, vault)
    done = [one for _, one in reversed(entries) if one.outcome != "begun"]
    of_access = [one for one in done if one.action == "access.changed"]
    return [" ".join(map(str, one.facts.values())) for one in of_access]


async def test_a_change_is_recorded_once_across_restarts_and_its_end_too(tmp_path: Path) -> None:
    async with spine(tmp_path) as bot:
        await bot.say("hello")
        await changed_says(bot, "hello")
    async with spine(tmp_path) as bot:
        await changed_says(bot, "hello")
        await bot.give(Accepted("!ann", ANN, 123456))
        await bot.say("hello again")
        await changed_says(bot, "and another one")

        assert await changes(bot) == ["changed", "accepted resumed", "changed"]


async def test_the_end_of_a_change_is_seen_where_a_kill_took_the_word_of_it(tmp_path: Path) -> None:
    async with spine(tmp_path) as bot:
        await bot.say("!memory add my canary is K7")
        await changed_says(bot, "hello")
    async with spine(tmp_path) as bot:
        await bot.say("what is my canary?")
        await bot.say("thank you")

        assert "K7" in request(bot, 0)
        assert await changes(bot) == ["changed", "known resumed"]


async def test_a_second_swap_is_recorded_after_the_old_identity_was_seen_again(bot: Spine) -> None:
    await bot.say("hello")

    for _ in range(2):
        await changed_says(bot, "hello")
        await bot.say("hello")

    assert await changes(bot) == ["changed", "known resumed"] * 2


async def test_the_end_that_a_message_showed_first_is_not_recorded_again(bot: Spine) -> None:
    await bot.say("hello")
    await changed_says(bot, "hello")

    await bot.say("hello")
    [told] = await bot.give(Accepted("!ann", ANN, 123456))

    assert told.text == pausing.RESUMED
    assert await changes(bot) == ["changed", "known resumed", "accepted"]


async def test_an_outage_while_the_person_is_told_records_nothing_twice(bot: Spine) -> None:
    await bot.say("hello")
    bot.homeserver.broken = HomeserverUnavailableError("away")
    with pytest.raises(HomeserverUnavailableError):
        await bot.give(Accepted("!ann", ANN, 123456))
    bot.homeserver.broken = None

    await bot.give(Accepted("!ann", ANN, 123456))

    assert await changes(bot) == ["accepted"]


async def test_rooms_that_are_answered_side_by_side_record_a_change_and_its_end_once(
    bot: Spine,
) -> None:
    await bot.say("hello")

    await asyncio.gather(*(changed_says(bot, "!help", room) for room in ("!ann", "!all")))
    await asyncio.gather(*(bot.say("!help", ANN, room) for room in ("!ann", "!all")))

    assert await changes(bot) == ["changed", "known resumed"]


async def test_an_identity_that_was_accepted_before_a_word_was_said_is_recorded(bot: Spine) -> None:
    await bot.say("hello")

    await bot.give(Accepted("!ann", ANN, 123456))

    assert await changes(bot) == ["accepted"]


@pytest.mark.parametrize("crash", [True, False])
async def test_an_acceptance_that_began_is_told_with_its_end_or_as_cut_short(
    bot: Spine, *, crash: bool
) -> None:
    await bot.say("hello")
    accepted, began = Accepted("!ann", ANN, 123456), {"identity": "accepted"}
    journal = Journal(bot.storage.audit_log, now=bot.clock)
    begins = Effect(Action.ACCESS_CHANGED, Outcome.BEGUN, facts=began)
    await record(accepted, begins, bot.storage, journal)
    if not crash:
        await bot.give(accepted)
    log = await bot.text("!audit access")

    assert log.count("identity") == 1
    assert ("was cut short" in log) is crash


async def test_of_a_change_nothing_names_anybody_and_nothing_outlives_an_erasure(
    tmp_path: Path,
) -> None:
    async with spine(tmp_path) as bot:
        await bot.say("hello")
        await changed_says(bot, "hello")
        noted = kept(tmp_path)
        await bot.say("!forget everything")
        await bot.say("yes")

        assert not await bot.storage.vaults.exists(ANN)
    assert (b"identity changed" in noted, ANN.encode() in noted) == (True, False)
    assert b"identity changed" not in kept(tmp_path)


def kept(folder: Path) -> bytes:
    """Every byte of what is shared between people."""
    return b"".join(path.read_bytes() for path in sorted(folder.glob("shared.db*")))


async def test_after_the_identity_was_accepted_memory_works_and_the_person_is_told(
    bot: Spine,
) -> None:
    await bot.say("!memory add my canary is K7")
    await changed_says(bot, "hello")

    [told] = await bot.give(Accepted("!all", ANN, 123456))
    await bot.say("what is my canary?")

    assert (told.room_id, told.text) == ("!ann", pausing.RESUMED)
    assert (told.audience, told.also_for) == (bot.homeserver.rooms["!ann"].members, None)
    assert "K7" in request(bot)


async def test_what_is_asked_while_memory_is_paused_counts_for_the_day(tmp_path: Path) -> None:
    async with spine(tmp_path, configured(limits={"tokens_per_day": "15"})) as bot:
        await bot.say("hello", standing=Standing.CHANGED)
        *_, refused = await bot.say("hello again", standing=Standing.CHANGED)
        asked = len(bot.model.requests)
        *_, other = await bot.say("hello", BOB, "!bob", standing=Standing.CHANGED)
        bot.clock.forward(days=1)
        *_, tomorrow = await bot.say("hello", standing=Standing.CHANGED)

    assert refused.text == replies.quota_spent(15)
    assert asked == 1
    assert other.generated
    assert tomorrow.generated
