"""Operators command the bot in the audit room: each on the record, at once, over restarts."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot.commands.operators import OPERATOR_COMMANDS
from bot.evidence import Observation
from bot.messages import Outgoing, Room, Standing
from bot.replies import NOT_ALLOWED, paused
from bot.room_events import Invite
from storage import AuditEntry, StorageFailure, Vault
from storage.audit_log import AuditLog
from tests.spine import ANN, AUDIT_ROOM, BOB, BOT, EVE, Spine, configured, disclosed, spine

OPERATOR, SECOND = "@op:x.org", "@second:x.org"
LIMITS = {"messages_per_minute": "10000"}


CONFIG = configured(access={"operators": f'["{OPERATOR}", "{SECOND}"]'}, limits=LIMITS)
MEMBERS = frozenset({BOT, OPERATOR, SECOND, ANN})


def with_audit_room(bot: Spine) -> Spine:
    """With an audit room in which Ann is as well, who is no operator."""
    bot.homeserver.rooms[AUDIT_ROOM] = Room(AUDIT_ROOM, MEMBERS, encrypted=True)
    bot.homeserver.rooms["!op"] = Room("!op", frozenset({BOT, OPERATOR}), encrypted=True)
    return bot


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Spine]:
    async with spine(tmp_path, CONFIG) as running:
        yield with_audit_room(running)


async def order(bot: Spine, line: str) -> str:
    """What an operator is answered in the audit room."""
    [answer] = await bot.say(line, OPERATOR, AUDIT_ROOM)
    assert answer.room_id == AUDIT_ROOM
    assert not answer.generated
    return answer.text


def in_files(path: Path) -> bytes:
    """All that the bot's common file holds."""
    return b"".join(one.read_bytes() for one in path.glob("shared.db*"))


async def entries(bot: Spine, user_id: str) -> list[AuditEntry]:
    """Somebody's own audit entries, oldest first."""
    async with bot.storage.vaults.open(user_id) as vault:
        found = await disclosed(bot.storage.audit_log, vault)
    return [entry for _, entry in reversed(found)]


async def pseudonym(bot: Spine, user_id: str) -> str:
    async with bot.storage.vaults.open(user_id) as vault:
        return vault.pseudonym


def texts(sent: list[Outgoing]) -> list[str]:
    return [one.text for one in sent]


async def test_help_lists_every_command_as_it_is_typed(bot: Spine) -> None:
    page = await order(bot, "!help")

    for command in OPERATOR_COMMANDS:
        for line in command.usage:
            assert f"`!{line}`" in page


@pytest.mark.parametrize("line", ["!help", "!status", "!users", "!allow", "!block", "!who fox-31"])
async def test_every_command_is_on_the_record_of_its_operator(bot: Spine, line: str) -> None:
    await order(bot, line)

    last = (await entries(bot, OPERATOR))[-1]
    assert (last.action, last.outcome) == ("message.answered", "ok")
    assert last.facts["command"] == line.split(maxsplit=1)[0].removeprefix("!")
    assert await bot.storage.inbox.unfinished() == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("!stats", "did you mean `!status`?"),
        ("!weather", "`!help` lists"),
        ("!memory", "direct chat"),
        ("!status now", "Type `!status`"),
        ("!users x", "Type `!users`"),
        ("!users 0", "Type `!users`"),
        ("!users 7", "no such page"),
        ("!allow jane", "no Matrix id"),
        ("!allow @*:*", "no Matrix id"),
        ("!block @a:x.org @b:x.org", "no Matrix id"),
        ("!block @a:x.org\n# loud", "no Matrix id"),
        (f"!block {OPERATOR}", "is an operator"),
        ("!block @**:x.org", "no Matrix id"),
        ("!lift", "no Matrix id"),
        (f"!lift {EVE}", "nothing to take back"),
        ("!who", "Type `!who PSEUDONYM`"),
        (f"!who {ANN}", "Type `!who PSEUDONYM`"),
        ("!who fox-31", "Nobody is called that"),
        ("!pause please", "Type `!pause`"),
        ("!resume now", "Type `!resume`"),
        ("!resume", "not paused"),
        ("!verified yes", "Type `!verified NUMBER`"),
        ("!mismatch", "Type `!mismatch NUMBER`"),
        ("!verified 123456", "No verification waits for an answer under 123456:"),
        ("!mismatch 012345", "No verification waits for an answer under 012345:"),
    ],
)
async def test_a_wrong_line_is_answered_by_one_sentence_and_changes_nothing(
    bot: Spine, line: str, said: str
) -> None:
    answer = await order(bot, line)

    assert said in answer
    assert "\n" not in answer
    access = bot.storage.access
    assert (access.allowed, access.blocked, access.paused_since) == ((), (), None)


async def test_status_says_what_works_and_what_does_not(bot: Spine) -> None:
    before = await order(bot, "!status")
    bot.seen.observation = Observation("127.0.0.1", connected_at=bot.clock())
    await bot.say("Hello")
    await bot.storage.inbox.accept([("$w", "!ann")], "s", waiting=[("$k", "!ann")])
    bot.clock.forward(minutes=2)
    well = await order(bot, "!status")
    bot.clock.forward(hours=5)
    quiet = await order(bot, "!status")

    assert "model `scripted`, never reached\n" in before
    assert well.startswith("✅ All is well.")
    assert "1 to be answered, 1 without a key" in well
    assert "`127.0.0.1`, model `scripted`, last reached 2 min ago" in well
    assert "**Storage**: 2 vaults," in well, "the operator has one from the first order on"
    assert "SQLCipher 4." in well
    assert quiet.startswith("⚠️ Look here: the homeserver does not answer.")
    assert "**Up** 5 h" in quiet
    assert max(map(len, quiet.splitlines())) < 110, "readable in a phone"


async def test_users_are_counted_under_their_pseudonyms_page_by_page(bot: Spine) -> None:
    await bot.say("!memory add I live in Oslo")
    await bot.say("Good morning")
    bot.clock.forward(days=2)
    for number in range(22):
        async with bot.storage.vaults.open(f"@p{number}:x.org"):
            pass

    first = await order(bot, "!users")
    second = await order(bot, "!users 2")

    name = await pseudonym(bot, ANN)
    assert f"- **{name}**: 1 memory, 2 messages, last active 2026-01-01" in first
    assert first.startswith("👥 24 people, page 1 of 2:"), "the operator has a vault by now"
    assert "`!users 2` shows more" in first
    assert second.startswith("👥 24 people, page 2 of 2:")
    assert second.count("last active never") == 4
    assert ":x.org" not in first + second


async def test_a_vault_that_cannot_be_read_keeps_nobody_from_being_counted(
    bot: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bot.say("Hello")
    counts = Vault.counts
    name = await pseudonym(bot, ANN)

    async def failing(vault: Vault) -> object:
        if vault.pseudonym == name:
            raise StorageFailure("it is damaged")
        return await counts(vault)

    await bot.say("Hello", BOB, "!bob")
    monkeypatch.setattr(Vault, "counts", failing)
    page = await order(bot, "!users")

    assert "a vault that can't be read" in page
    assert await pseudonym(bot, BOB) in page


async def test_who_is_blocked_is_refused_like_a_stranger_at_once_and_let_in_again(
    bot: Spine,
) -> None:
    before = await bot.say("Hello")
    blocked = await order(bot, f"!block `{ANN}`")
    refused = await bot.say("Hello again")
    lifted = await order(bot, f"!allow {ANN}")
    after = await bot.say("And now?")

    assert texts(before) == texts(after) == ["I see."]
    assert "no more" in blocked
    assert texts(refused) == [NOT_ALLOWED]
    assert "may talk with me" in lifted
    assert bot.storage.access.allowed == (), "the configuration lists her, and may stop to"
    done = [(one.target, dict(one.facts)) for one in await entries(bot, OPERATOR)]
    assert (ANN, {"rule": "block"}) in done
    assert (ANN, {"rule": "allow"}) in done


async def test_who_is_allowed_is_answered_and_invites_until_blocked(bot: Spine) -> None:
    stranger = await bot.say("Hello", EVE, "!eve")
    await order(bot, "!allow @*:elsewhere.org")
    guest = await bot.say("Hello", EVE, "!eve")
    await bot.give(Invite("!eve", EVE))
    await order(bot, "!block @*:elsewhere.org")
    await bot.give(Invite("!all", EVE))

    assert texts(stranger) == [NOT_ALLOWED]
    assert texts(guest) == ["I see."]
    assert bot.homeserver.entered == ["!eve"]
    assert bot.homeserver.left == ["!all"]


async def test_a_block_counts_for_more_than_any_listing_and_says_so(bot: Spine) -> None:
    await order(bot, "!block @*:x.org")
    still = await order(bot, f"!allow {ANN}")

    assert "a block of `@*:x.org` shuts them out all the same" in still
    assert texts(await bot.say("Hello")) == [NOT_ALLOWED]
    assert "✅" in await order(bot, f"!allow {SECOND}")
    assert await order(bot, "!help"), "operators are answered all the same"


async def test_the_rules_are_listed(bot: Spine) -> None:
    await order(bot, f"!allow {EVE}")
    await order(bot, f"!block {BOB}")
    listed = await order(bot, "!allow")

    assert listed == await order(bot, "!block")
    assert f"(access.operators)**: `{OPERATOR}`, `{SECOND}`" in listed
    assert "(access.users)**: `@*:x.org`" in listed
    assert f"(!allow)**: `{EVE}`" in listed
    assert f"which counts for more**: `{BOB}`" in listed


async def test_rules_and_a_pause_outlive_a_restart_and_name_nobody_in_the_file(
    tmp_path: Path,
) -> None:
    async with spine(tmp_path, CONFIG) as first:
        with_audit_room(first)
        await order(first, f"!allow {EVE}")
        await order(first, f"!block {BOB}")
        await order(first, "!pause")
    kept = in_files(tmp_path)
    async with spine(tmp_path, CONFIG) as second:
        with_audit_room(second)
        while_paused = await second.say("Hello")
        await order(second, "!resume")
        guest = await second.say("Hello", EVE, "!eve")
        shut_out = await second.say("Hello", BOB, "!bob")

    assert EVE.encode() not in kept
    assert BOB.encode() not in kept
    assert texts(while_paused) == [paused("!")]
    assert texts(guest) == ["I see."]
    assert texts(shut_out) == [NOT_ALLOWED]


async def test_a_look_up_stands_with_the_person_before_it_is_answered(bot: Spine) -> None:
    await bot.say("Hello")
    name = await pseudonym(bot, ANN)
    seen: list[list[str]] = []
    send = bot.homeserver.send

    async def looking(outgoing: Outgoing) -> str:
        seen.append([one.action for one in await entries(bot, ANN)])
        return await send(outgoing)

    bot.homeserver.send = looking  # type: ignore[method-assign]
    answer = await order(bot, f"!who {name}")

    assert answer.startswith(f"🔎 **{name}** is `{ANN}`.")
    assert "in their `!audit`, under your name" in answer
    assert seen[0][-1] == "identity.looked_up"
    last = (await entries(bot, ANN))[-1]
    assert (last.actor, dict(last.facts)) == (OPERATOR, {"by": "an operator"})
    page = await bot.text("!audit")
    assert f"Told `{OPERATOR}`, an operator, who is behind your pseudonym" in page


async def test_what_cannot_be_recorded_with_the_person_is_not_said(
    bot: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bot.say("Hello")
    name = await pseudonym(bot, ANN)
    keep = Vault.keep_audit_details

    async def failing(vault: Vault, details: object) -> None:
        if vault.pseudonym == name:
            raise StorageFailure("the disk is full")
        await keep(vault, details)  # type: ignore[arg-type]

    monkeypatch.setattr(Vault, "keep_audit_details", failing)
    answer = await order(bot, f"!who {name}")

    assert "I don't say who it is" in answer
    assert ANN not in answer


async def test_a_change_that_cannot_be_recorded_is_not_made(
    bot: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def failing(*_: object, **__: object) -> None:
        raise RuntimeError("no record")

    await order(bot, "!help")
    monkeypatch.setattr(AuditLog, "record", failing)
    for line in (f"!block {ANN}", f"!allow {EVE}", "!pause"):
        with pytest.raises(RuntimeError):
            await bot.say(line, OPERATOR, AUDIT_ROOM)

    access = bot.storage.access
    assert (access.allowed, access.blocked, access.paused_since) == ((), (), None)


async def test_nobody_but_operators_is_answered_there_and_who_tries_is_recorded(
    bot: Spine,
) -> None:
    await bot.say("Hello")
    sent = [
        one
        for line in EVERY_LINE
        for who in (ANN, BOT)
        for one in await bot.say(line, who, AUDIT_ROOM)
    ]

    assert sent == []
    assert bot.storage.access.paused_since is None
    denied = [one for one in await entries(bot, ANN) if one.outcome == "denied"]
    assert {one.facts["reason"] for one in denied} == {"no operator"}
    assert len(denied) == len(EVERY_LINE)


EVERY_LINE = (
    *(f"!{line}" for command in OPERATOR_COMMANDS for line in command.usage),
    "!who fox-31",
    f"!block {BOB}",
    f"!allow {EVE}",
    "!verified 123456",
    "!memory",
    "!nothing",
)


async def test_an_operator_in_another_room_commands_nothing(bot: Spine) -> None:
    for line in (f"!block {ANN}", f"!allow {EVE}", "!pause", "!status", "!users", "!who fox-31"):
        for room_id in ("!op", "!all"):
            for said in await bot.say(line, OPERATOR, room_id, mentions_bot=True):
                assert "I don't know" in said.text or said.text == "I see."

    access = bot.storage.access
    assert (access.allowed, access.blocked, access.paused_since) == ((), (), None)


@pytest.mark.parametrize(
    ("standing", "encrypted", "said"),
    [
        (Standing.UNSIGNED, True, "not verified"),
        (Standing.CHANGED, True, "Your identity is not the one"),
        (Standing.OWNED, False, "came unencrypted"),
    ],
)
async def test_an_operator_in_doubt_commands_nothing(
    bot: Spine, standing: Standing, encrypted: bool, said: str
) -> None:
    told = await bot.say("!pause", OPERATOR, AUDIT_ROOM, standing=standing, encrypted=encrypted)
    again = await bot.say("!pause", OPERATOR, AUDIT_ROOM, standing=standing, encrypted=encrypted)

    assert bot.storage.access.paused_since is None
    assert [said in one.text for one in told] == [True]
    assert again == []


async def test_an_operator_commands_nothing_in_an_audit_room_without_encryption(
    tmp_path: Path,
) -> None:
    config = configured(
        access={"operators": f'["{OPERATOR}"]'}, privacy={"encrypted_rooms_only": "false"}
    )
    async with spine(tmp_path, config) as bot:
        bot.homeserver.rooms[AUDIT_ROOM] = Room(AUDIT_ROOM, MEMBERS, encrypted=False)
        told = await bot.say("!status", OPERATOR, AUDIT_ROOM, encrypted=False)

    assert ["not end-to-end encrypted" in one.text for one in told] == [True]


async def test_talk_and_edits_in_the_audit_room_are_nothing_to_the_bot(bot: Spine) -> None:
    assert await bot.say("Shall we pause it?", OPERATOR, AUDIT_ROOM, mentions_bot=True) == []
    await order(bot, "!help")
    assert await bot.edit("$said-1", "!pause", OPERATOR, AUDIT_ROOM) == []
    assert bot.storage.access.paused_since is None
    assert bot.model.requests == []


async def test_more_orders_than_a_minute_takes_wait(tmp_path: Path) -> None:
    config = configured(
        access={"operators": f'["{OPERATOR}"]'}, limits={"messages_per_minute": "2"}
    )
    async with spine(tmp_path, config) as bot:
        with_audit_room(bot)
        sent = [texts(await bot.say("!help", OPERATOR, AUDIT_ROOM)) for _ in range(3)]
        bot.clock.time += timedelta(minutes=2)
        later = await order(bot, "!help")

    assert "more than I may take" in sent[2][0]
    assert "For operators" in later


async def test_the_bots_own_account_commands_nothing_whomever_the_operators_cover(
    tmp_path: Path,
) -> None:
    config = configured(access={"operators": '["@*:x.org"]'})
    async with spine(tmp_path, config) as bot:
        with_audit_room(bot)
        sent = await bot.say("!pause", BOT, AUDIT_ROOM)

        assert bot.storage.access.paused_since is None
    assert sent == []


async def test_a_crash_before_the_end_has_the_same_order_carried_out_and_answered_once(
    bot: Spine,
) -> None:
    first = await bot.say(f"!block {EVE}", OPERATOR, AUDIT_ROOM, event_id="$order")
    again = await bot.say(f"!block {EVE}", OPERATOR, AUDIT_ROOM, event_id="$order")

    assert len(first) == 1
    assert again == [], "the same transaction id is the same answer"
    assert bot.storage.access.blocked == (EVE,)


async def test_what_operators_read_names_commands_as_they_are_typed_here(tmp_path: Path) -> None:
    config = configured(access={"operators": f'["{OPERATOR}"]'}, service={"command_prefix": "?"})
    async with spine(tmp_path, config) as bot:
        with_audit_room(bot)
        await bot.say("Hello")
        lines = (f"who {await pseudonym(bot, ANN)}", "help", "users", "pause", f"allow {EVE}")
        shown = [await order(bot, f"?{line}") for line in lines]

    assert "in their `?audit`, under your name" in shown[0]
    assert not [one for one in shown if "`!" in one]
