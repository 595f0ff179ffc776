"""`!memory` beyond the simplest: search, sources, pins, sharing, modes; what is typed wrongly."""

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import pytest

from bot import memory_words
from bot.preferences import Mode, mode
from tests.spine import ANN, BOB, Spine, configured, remembers, spine


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Spine]:
    async with spine(tmp_path, configured(limits={"messages_per_minute": "10000"})) as running:
        yield running


async def in_the_room(bot: Spine, body: str) -> tuple[str, str]:
    """What Ann is told in her direct chat and in the shared room where she typed it."""
    personal, public = await bot.say(body, ANN, "!all")
    assert (personal.room_id, public.room_id) == ("!ann", "!all")
    return personal.text, public.text


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("!memory serch tea", "`!memory` knows nothing called “serch”. Did you mean "
                              "`!memory search`? `!help memory` lists all that it can do."),
        ("!memory 1 2", "`!memory` knows nothing called “1”. `!help memory` lists all that it "
                        "can do."),
        ("!memory search", "The text is missing. Type it like this: `!memory search tea`."),
        ("!memory search zebra", "I remember nothing with “zebra” in it. `!memory` lists "
                                 "everything."),
        ("!memory pin", "The number is missing. Type it like this: `!memory pin 3`."),
        ("!memory unpin 9", "There is no memory 9. `!memory` lists those there are."),
        ("!memory share x", "“x” is not the number of a memory. Type it like this: "
                            "`!memory share 3`."),
        ("!memory unshare 1", "I don't use memory 1 in any shared room, so nothing changed. "
                              "`!memory` lists all."),
        ("!memory mode loud", "“loud” is no memory mode. Type `!memory mode` and one of `auto`, "
                              "`ask`, `manual`, `off`."),
        ("!memory approve 1", "Nothing waits for your approval. `!memory` lists what I remember."),
        ("!memory reject all", "Nothing waits for your approval. `!memory` lists what I remember."),
        ("!memory digest often", "“often” is neither on nor off. Type `!memory digest on` or "
                                 "`!memory digest off`."),
        ("!memory delete 1 x", "“x” is not the number of a memory. Type it like this: "
                               "`!memory delete 3`."),
    ],
)  # fmt: skip
async def test_what_is_typed_wrongly_is_put_right_in_one_sentence(
    bot: Spine, typed: str, answer: str
) -> None:
    await bot.say("!memory add I like tea")

    assert await bot.text(typed) == answer


async def test_search_finds_by_words_and_nobody_elses(bot: Spine) -> None:
    await bot.say("!memory add I like green tea")
    await bot.say("!memory add I play the oboe")
    await bot.say("!memory add I like black tea", BOB, "!bob")

    told = await bot.text("!memory search tea")

    assert "**1** I like green tea" in told
    assert "oboe" not in told
    assert "black" not in told


async def test_show_leads_to_the_words_and_to_the_answers_that_used_it(bot: Spine) -> None:
    bot.model.answers = [remembers("The cat is called Miso", "cat is called Miso")]
    await bot.say("My cat is called Miso", event_id="$miso")
    await bot.say("What is my cat called?")

    shown = await bot.text("!memory show 1")

    assert "your words: “cat is called Miso”" in shown
    assert "from [this message](https://matrix.to/#/!ann/$miso)" in shown
    assert "used last for [an answer](https://matrix.to/#/!ann/$sent-1) (2026-01-01 12:00 UTC)" in (
        shown
    )


async def test_show_names_further_messages_and_what_it_said_before(bot: Spine) -> None:
    await bot.say("!memory add I like tea", event_id="$one")
    again = await bot.text("!memory add i like  TEA")
    await bot.say("!memory edit 1 I like coffee")

    shown = await bot.text("!memory show 1")

    assert again == "That is memory 1 already. `!memory show 1` shows it."
    assert "said again [there](https://matrix.to/#/!ann/$said-0)" in shown
    assert "until 2026-01-01 12:00 UTC, changed by you: “I like tea”" in shown
    assert "from [this message](https://matrix.to/#/!ann/$one)" in shown


async def test_pinned_and_ending_memories_say_so(bot: Spine) -> None:
    await bot.say("!memory add I like tea")
    async with bot.storage.vaults.open(ANN) as vault:
        until = datetime.fromisoformat("2026-06-30T00:00:00+00:00")
        await vault.memories.add("In Rome", origin="person", room_kind="direct", valid_until=until)

    pinned = await bot.text("!memory pin 1")
    listed = await bot.text("!memory")
    unpinned = await bot.text("!memory unpin 1")

    assert "Memory 1 is pinned" in pinned
    assert "I like tea *(added by you just now, direct chat, pinned, used 0 times)*" in listed
    assert (
        "In Rome *(added by you just now, direct chat, used 0 times, until 2026-06-30)*" in listed
    )
    assert "no longer pinned" in unpinned
    assert "pinned" not in (await bot.text("!memory")).replace("`pin N`", "")


async def test_sharing_concerns_the_room_where_it_is_typed(bot: Spine) -> None:
    await bot.say("!memory add I like tea")
    await bot.say("What do I drink?", ANN, "!all", mentions_bot=True)
    before = bot.model.last_prompt

    personal, public = await in_the_room(bot, "!memory share 1")
    again, _ = await in_the_room(bot, "!memory share 1")
    await bot.say("What do I drink?", ANN, "!all", mentions_bot=True)
    listed = await bot.text("!memory")

    assert "I like tea" not in before
    assert "I may now use memory 1 in [that room](https://matrix.to/#/!all)" in personal
    assert "tea" not in public
    assert again == memory_words.shared_already(1, "!")
    assert "I like tea" in bot.model.last_prompt
    assert "direct chat, shared in 1 room, used" in listed
    assert ("memory.shared", "ok") in await bot.audited()


async def test_in_the_direct_chat_share_lists_the_rooms_and_unshare_ends_all(bot: Spine) -> None:
    await bot.say("!memory add I like tea")
    nowhere = await bot.text("!memory share 1")
    await in_the_room(bot, "!memory share 1")

    somewhere = await bot.text("!memory share 1")
    ended = await bot.text("!memory unshare 1")
    await bot.say("What do I drink?", ANN, "!all", mentions_bot=True)

    assert "in our direct chat alone" in nowhere
    assert "`!memory share 1` in that room" in nowhere
    assert "besides our direct chat, in [this room](https://matrix.to/#/!all)" in somewhere
    assert ended == "I no longer use memory 1 in that room. What I said there before stays there."
    assert "I like tea" not in bot.model.last_prompt


async def test_what_was_said_in_a_room_can_be_kept_from_it(bot: Spine) -> None:
    await in_the_room(bot, "!memory add I like tea")
    listed = await bot.text("!memory")

    personal, _ = await in_the_room(bot, "!memory unshare 1")
    nothing, _ = await in_the_room(bot, "!memory unshare 1")
    await bot.say("What do I drink?", ANN, "!all", mentions_bot=True)

    assert "[a shared room](https://matrix.to/#/!all)" in listed
    assert "I no longer use memory 1 in that room" in personal
    assert nothing == memory_words.not_shared(1, "!", here=True)
    assert "I like tea" not in bot.model.last_prompt


async def test_the_mode_is_shown_and_chosen(bot: Spine) -> None:
    before = await bot.text("!memory mode")
    chosen = await bot.text("!memory mode ASK")
    after = await bot.text("!memory mode")

    assert "Your memory mode is **auto**" in before
    assert "- `!memory mode auto` (now): I remember lasting things" in before
    assert all(f"`!memory mode {one}`" in before for one in Mode)
    assert chosen.startswith("Your memory mode is now **ask**: I ask you before I remember")
    assert "- `!memory mode ask` (now)" in after
    assert ("settings.changed", "ok") in await bot.audited()
    async with bot.storage.vaults.open(ANN) as vault:
        assert await mode(vault, bot.config) is Mode.ASK
    async with bot.storage.vaults.open(BOB) as vault:
        assert await mode(vault, bot.config) is Mode.AUTO


async def test_the_audit_log_says_which_setting_and_to_what(bot: Spine) -> None:
    await bot.say("!memory mode manual")
    await bot.say("!memory digest on")

    told = await bot.text("!audit settings")

    assert "Changed a setting: memory mode set to manual" in told
    assert "Changed a setting: digest set to on" in told


async def test_where_the_gateway_may_train_the_mode_page_says_what_that_means(
    tmp_path: Path,
) -> None:
    training = configured(privacy={"gateway_training": "unknown"})
    async with spine(tmp_path, training) as bot:
        assert "not declared free of training" in await bot.text("!memory mode")


async def test_what_waits_can_be_neither_pinned_nor_shared_nor_edited(bot: Spine) -> None:
    async with bot.storage.vaults.open(ANN) as vault:
        await vault.memories.add("tea", origin="model", room_kind="direct", status="pending")

    told = [await bot.text(f"!memory {word}") for word in ("pin 1", "share 1", "edit 1 coffee")]

    assert told == [memory_words.waits(1, "!")] * 3
    assert "it waits for your approval" in await bot.text("!memory show 1")


async def test_deleting_what_waits_rejects_it_and_says_so(bot: Spine) -> None:
    await bot.say("!memory add I play the oboe")
    async with bot.storage.vaults.open(ANN) as vault:
        for text in ("tea", "milk"):
            await vault.memories.add(text, origin="model", room_kind="direct", status="pending")

    one, mixed = await bot.text("!memory delete 2"), await bot.text("!memory delete 1 3 9")

    assert one == "Not kept, and erased from disk: 2."
    assert mixed == (
        "Not kept, and erased from disk: 3.\n\n"
        "Deleted, also from disk: 1. There is no memory 9. What you said to me stays among your "
        "stored messages. To erase it there, too, delete your message in the room."
    )
    assert (await bot.audited()).count(("memory.deleted", "ok")) == 3


async def test_privacy_names_what_was_shared_and_what_ends_by_itself(bot: Spine) -> None:
    personal, _ = await in_the_room(bot, "!privacy")

    assert (
        "What you told me in our direct chat I do not use here, except what you shared here with "
        "`!memory share`."
    ) in personal
    assert "memories until you delete them or their day is over" in personal


async def test_what_is_changed_elsewhere_is_not_told_where_the_former_text_was_shared(
    bot: Spine,
) -> None:
    await bot.say("!memory add I live in Hamburg")
    await bot.say("!memory share 1", ANN, "!all")

    told = await bot.text("!memory edit 1 I live in SECRETSHELTER street")
    await bot.say("where do I live?", ANN, "!all", mentions_bot=True)

    assert "not shared with any room any more" in told
    assert "SECRETSHELTER" not in bot.model.last_prompt
