"""`!privacy` says what is so: the room, the gateway, what is kept, and what one can do."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.evidence import Observation
from bot.messages import Room, Sessions, Standing
from tests.spine import ANN, BOB, BOT, EVE, Spine, configured, remembers, spine

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Spine]:
    async with spine(tmp_path) as running:
        yield running


async def test_the_overview_answers_four_questions_each_with_its_command(bot: Spine) -> None:
    told = await bot.text("!privacy")

    *_, questions = told.split("\n\n")
    lines = questions.splitlines()
    for line, commands in zip(
        lines,
        (
            ["!privacy data"],
            ["!privacy gateway"],
            ["!memory", "!memory edit N TEXT", "!memory delete N", "!why"],
            ["!export", "!forget everything", "!audit"],
        ),
        strict=True,
    ):
        for command in commands:
            assert f"`{command}`" in line


async def test_it_is_short_paragraphs_with_a_heading_each(bot: Spine) -> None:
    for line in ("!privacy", "!privacy room", "!privacy gateway", "!privacy data"):
        told = await bot.text(line)

        for paragraph in told.split("\n\n"):
            assert len(paragraph) < 1000, paragraph
            assert paragraph.startswith(("**", "- ", "`!", "Proved", "My operator")), paragraph
        assert len(told) < 4000


async def test_the_gateway_is_told_as_it_was_seen(bot: Spine) -> None:
    before = await bot.text("!privacy")
    bot.seen.observation = Observation("127.0.0.1", AT)
    near = await bot.text("!privacy")
    bot.seen.observation = Observation("93.184.216.34", AT, strayed=True)
    far = await bot.text("!privacy gateway")

    assert "I have not reached it since I was started. (**unknown**)" in before
    assert "(**proved**, checked 2026-01-01 12:00 UTC)" in near
    assert "93.184.216.34" in far
    assert "**proved**," not in far


async def test_the_sessions_of_each_member_are_counted(bot: Spine) -> None:
    bot.homeserver.rooms["!all"] = Room(
        "!all", frozenset({BOT, ANN, BOB, EVE}), encrypted=True, invited=frozenset({EVE})
    )
    bot.homeserver.devices = {ANN: Sessions(2, 1), EVE: Sessions(0, 1, "has no identity")}

    [page, _] = await bot.say("!privacy room", room_id="!all")
    [short, _] = await bot.say("!privacy", room_id="!all")

    assert page.room_id == "!ann", "names of members are for the asker alone"
    assert "All 4 members (those invited count, of whom 1 have not joined yet)" in page.text
    assert "`@ann:x.org` (you): 2 sessions can read what I say, 1 can't" in page.text
    assert "`@bob:x.org`: 1 session can read what I say" in page.text
    assert "`@eve:elsewhere.org`, invited and not here yet: no session" in page.text
    assert "because this person has no identity" in page.text
    assert BOT not in page.text
    assert "Of their sessions, 3 can read what I say; 2 can't" in short.text


async def test_of_a_large_room_the_first_are_listed(bot: Spine) -> None:
    people = frozenset(f"@p{number}:x.org" for number in range(40))
    bot.homeserver.rooms["!all"] = Room("!all", people | {BOT, ANN}, encrypted=True)

    page, _ = await bot.say("!privacy room", room_id="!all")

    assert page.text.count("session can read") == 25
    assert "and 16 members more" in page.text
    assert "- `@ann:x.org` (you)" in page.text


async def test_where_the_homeserver_does_not_tell_it_says_so(bot: Spine) -> None:
    bot.homeserver.away = True

    told = await bot.text("!privacy room")

    assert "I could not ask about sessions just now" in told
    assert "did not say just now" in told


async def test_the_bots_own_session_is_told_as_the_homeserver_shows_it(bot: Spine) -> None:
    signed = await bot.text("!privacy room")
    bot.homeserver.cross_signed = False
    unsigned = await bot.text("!privacy room")

    assert "`BOTDEVICE` as signed by my identity" in signed
    assert "does not show my session `BOTDEVICE` as signed" in unsigned


async def test_it_works_and_says_so_where_nothing_is_encrypted(tmp_path: Path) -> None:
    config = configured(privacy={"encrypted_rooms_only": "false"})
    async with spine(tmp_path, config) as bot:
        [page] = await bot.say("!privacy room", room_id="!open", encrypted=False)
        [short] = await bot.say("!privacy", room_id="!open", encrypted=False)

    assert "**not encrypted**: its homeservers can read it" in page.text
    assert "every session of everybody reads everything" in page.text
    assert "On the homeservers of this room" in short.text
    assert "which only pass on what is encrypted" not in short.text


async def test_while_memory_is_paused_it_says_why_not(bot: Spine) -> None:
    *_, told = await bot.say("!privacy", standing=Standing.CHANGED)

    assert "your cross-signing identity is not the one that I know you by" in told.text


async def test_what_is_kept_is_told_in_numbers(tmp_path: Path) -> None:
    async with spine(tmp_path, configured(memory={"mode": "ask"})) as bot:
        bot.model.answers = [remembers("Has a cat", "I have a cat")]
        await bot.say("I have a cat")
        await bot.say("!memory add I like tea")
        await bot.say("!memory edit 2 I like coffee")
        await bot.say("!private on", ANN, "!all")
        bot.clock.forward(days=3)
        told, short = await bot.text("!privacy data"), await bot.text("!privacy")

    for line in (
        "- 1 memory\n",
        "- 1 more waiting for your yes",
        "- 1 former text of memories",
        "- 2 stored messages, the oldest of 2026-01-01",
        "- 0 vectors",
        "1 private room among them",
    ):
        assert line in told
    assert "2 memories, of which 1 wait for your yes" in short


async def test_backups_are_told_as_they_were_made_and_are_kept(tmp_path: Path) -> None:
    async with spine(tmp_path, configured(privacy={"backup_retention": "30 days"})) as bot:
        none = await bot.text("!privacy")
        await bot.storage.set_state("backup.last", "2025-12-31T03:00:00+00:00")
        one = await bot.text("!privacy data")

    assert "I have made none that I know of. They are kept: 30 days" in none
    assert "The last one was made 2025-12-31 03:00 UTC." in one


async def test_a_page_that_there_is_not_is_told_with_those_that_there_are(bot: Spine) -> None:
    told = await bot.text("!privacy everything")

    assert "`!privacy room`" in told
    assert "`!privacy data`" in told


async def test_no_word_of_anybody_stands_in_it(bot: Spine) -> None:
    await bot.say("!memory add My cat is called CANARY")
    await bot.say("CANARY is ill")

    for line in ("!privacy", "!privacy room", "!privacy gateway", "!privacy data"):
        assert "CANARY" not in await bot.text(line)
