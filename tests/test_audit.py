"""`!audit` through the real path: one's own entries in plain words, their proofs, the whole log."""

import json
import re
from base64 import b64decode
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from bot import audit_replies
from bot.audit_view import HEAD
from bot.commands.audit import PAGE
from bot.messages import Standing
from bot.pausing import NOT_NOW
from bot.replies import IN_DIRECT_CHAT
from storage import AuditEntry, AuditLog, Vault
from storage.audit_entry import canonical, leaf_hash, salted
from storage.checkpoints import HeadKey
from tests.spine import ANN, BOB, Spine, configured, remembers, spine


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Spine]:
    async with spine(tmp_path, configured(limits={"messages_per_minute": "10000"})) as running:
        yield running


def lines(told: str) -> list[str]:
    return [one for one in told.splitlines() if one.startswith("- ")]


async def head(bot: Spine) -> str:
    """The signed head of the log as it is now."""
    log: Any = bot.storage.audit_log
    return str((await log.head()).note)


async def record(
    bot: Spine, action: str, outcome: str = "ok", *, target: str = "", sender: str = ANN
) -> int:
    """Record something about somebody who has a vault."""
    entry = AuditEntry(bot.clock(), sender, action, outcome, target)
    async with bot.storage.vaults.open(sender) as vault:
        return await bot.storage.audit_log.append(entry, vault)


async def test_own_entries_are_shown_in_plain_words_and_nobody_elses(bot: Spine) -> None:
    await bot.say("!memory add I like tea")
    await bot.say("!memory add I like coffee", BOB, "!bob")

    told = await bot.text("!audit")

    assert [re.sub(r"#\d+", "#", one) for one in lines(told)] == [
        "- **#** · 12:00 · Carried out the command “memory” in a direct chat: 0 ms",
        "- **#** · 12:00 · Kept a memory: memory 1",
        "- **#** · 12:00 · Began to keep things for you, in a vault of your own",
    ]
    assert "**2026-01-01**" in told
    assert "tea" not in told
    assert "coffee" not in told


async def test_an_answer_says_where_with_which_model_and_what_it_took(bot: Spine) -> None:
    bot.model.answers = [remembers("You live in Bremen.", "I live in Bremen"), "Fine."]
    await bot.say("I live in Bremen")
    await bot.say("Where do I live? In Bremen?", mentions_bot=True)

    [answered, used, *_] = lines(await bot.text("!audit"))

    assert "Answered a message of yours in a direct chat: model scripted" in answered
    assert "15 tokens, 1 memory used" in answered
    assert used.endswith("· Used what I remember: memory 1")


async def test_a_page_holds_so_many_entries_and_says_how_to_go_on(bot: Spine) -> None:
    for number in range(2 * PAGE):
        await bot.say(f"!memory add fact {number}")

    first, last = await bot.text("!audit memory"), await bot.text("!audit 2 memory")

    assert len(lines(first)) == len(lines(last)) == PAGE
    assert "page 1 of 2, 40 entries" in first
    assert "`!audit memory 2` shows older ones" in first
    assert "shows older ones" not in last
    assert await bot.text("!audit memory 99") == last


async def test_a_kind_and_a_span_are_looked_for_alone_and_together(bot: Spine) -> None:
    await bot.say("!memory add I like tea")
    bot.clock.forward(days=8)
    await bot.say("!memory add I like coffee")
    await bot.say("!retention 30d")

    by_kind = lines(await bot.text("!audit settings"))
    lately = lines(await bot.text("!audit 7d"))
    both = lines(await bot.text("!audit memory 7d"))

    assert [one.split(" · ")[2] for one in by_kind] == ["Changed a setting: retention 30d"]
    assert all("vault of your own" not in one for one in lately)
    assert [one.split(" · ")[2] for one in both] == ["Kept a memory: memory 2"]


@pytest.mark.parametrize("kind", ["audit", "backup", "bot"])
async def test_kinds_that_are_in_nobodys_log_are_not_offered(bot: Spine, kind: str) -> None:
    told = await bot.text(f"!audit {kind}")

    assert "is nothing that I can look for" in told
    assert f"`{kind}`" not in told
    assert "`memory`" in told


async def test_a_memory_is_kept_after_the_yes_and_noted_before(bot: Spine) -> None:
    await bot.say("!memory mode ask")
    bot.model.answers = [remembers("You live in Bremen.", "I live in Bremen")]
    await bot.say("I live in Bremen")
    before = lines(await bot.text("!audit memory"))
    await bot.say("!memory approve 1")

    after = lines(await bot.text("!audit memory"))

    assert [one.split(" · ")[2] for one in after] == [
        "Kept a memory: memory 1, you approved it",
        "Noted a memory to ask you about: memory 1, from what you said",
    ]
    assert before == after[1:]


async def test_where_nothing_is_found_that_is_said(bot: Spine) -> None:
    assert await bot.text("!audit export 1h") == (
        "There is no audit entry about you of the kind “export” from the last hour. "
        "`!audit` shows all there are."
    )


async def test_an_empty_log_is_said_to_be_empty(
    bot: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(log: AuditLog, vault: Vault) -> list[object]:
        return []

    monkeypatch.setattr(AuditLog, "disclosed", nothing)

    assert await bot.text("!audit") == audit_replies.NO_ENTRIES


async def test_what_was_begun_and_ended_is_one_line(bot: Spine) -> None:
    await bot.say("good morning")
    await record(bot, "export.created", "begun")
    await record(bot, "export.created")

    assert [one.split(" · ")[2] for one in lines(await bot.text("!audit export"))] == [
        "Made an export"
    ]


async def test_what_was_begun_and_never_ended_was_cut_short(bot: Spine) -> None:
    await bot.say("good morning")
    await record(bot, "memory.deleted", "begun", target="memory 1")
    await record(bot, "memory.deleted", target="memory 2")

    [ended, cut] = lines(await bot.text("!audit memory"))

    assert ended.endswith("Deleted a memory: memory 2")
    assert "Began to delete a memory, and was cut short" in cut


async def test_what_is_being_answered_right_now_was_not_cut_short(bot: Spine) -> None:
    await bot.say("good morning")
    await record(bot, "message.answered", "begun", target="$now")

    [sent] = await bot.say("!audit message", event_id="$now")

    assert len(lines(sent.text)) == 1


async def test_a_proof_leads_from_the_entry_to_the_head(bot: Spine) -> None:
    for number in range(4):
        await bot.say(f"!memory add fact {number}")

    sent = await bot.say("!audit proof 4")

    [file] = [one.attachment for one in sent if one.attachment]
    proof = json.loads(file.content)
    commitment = sha256(bytes.fromhex(proof["salt"]) + canonical(proof["entry"])).hexdigest()
    public = await the_public_half(bot, 4)
    assert file.filename == "audit-proof-4.json"
    assert public["commitment"] == bytes.fromhex(commitment)
    assert (proof["seq"], proof["entry"]["actor"]) == (4, ANN)
    assert proof.keys() == {"entry", "salt", "seq", "path", "head", "key"}
    size, root = proof["head"].split("\n")[1:3]
    path = [bytes.fromhex(one) for one in proof["path"]]
    assert _climbed(leaf_hash(**public), 3, int(size), path) == b64decode(root)
    assert "python3 verify_audit.py --proof audit-proof-4.json" in sent[-1].text


async def test_the_proof_of_a_beginning_says_nothing_of_its_end(bot: Spine) -> None:
    seq = await record(bot, "message.answered", "begun", target="$x")
    await record(bot, "message.answered", "ok", target="$x")

    told = await bot.text(f"!audit proof {seq}")

    assert audit_replies.BEGINNING in told
    assert "cut short" not in told


async def the_public_half(bot: Spine, seq: int) -> dict[str, Any]:
    [row] = await bot.storage.audit_log._database.rows(
        "SELECT seq, occurred_at, action, outcome, commitment FROM audit_entry WHERE seq = ?", seq
    )
    return dict(row)


def _climbed(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """The root that a path leads to (RFC 9162, section 2.1.3)."""
    if size == 1:
        return leaf
    *below, beside = path
    half = 1 << (size - 1).bit_length() - 1
    if index < half:
        return sha256(b"\x01" + _climbed(leaf, index, half, below) + beside).digest()
    climbed = _climbed(leaf, index - half, size - half, below)
    return sha256(b"\x01" + beside + climbed).digest()


async def test_another_persons_entry_is_not_told_from_one_that_is_not_there(bot: Spine) -> None:
    await bot.say("good morning")
    await bot.say("good morning", BOB, "!bob")
    last = await record(bot, "export.created", sender=BOB)

    theirs = await bot.say(f"!audit proof {last}")
    nobodys = await bot.text("!audit proof 999")

    assert [one.attachment for one in theirs] == [None]
    assert theirs[0].text == audit_replies.no_such(last, "!")
    assert nobodys == audit_replies.no_such(999, "!")


async def test_verify_checks_everything_and_says_what_it_means(bot: Spine) -> None:
    await bot.say("good morning")
    await bot.say("good morning", BOB, "!bob")
    bot.homeserver.heads = [await head(bot)]
    await bot.say("and good night")

    [sent] = await bot.say("!audit verify")

    async with bot.storage.vaults.open(ANN) as vault:
        own = len(await bot.storage.audit_log.disclosed(vault)) - 1  # that of the answer itself
    size = sent.fields[HEAD].split("\n")[1]
    covered = int(bot.homeserver.heads[0].split("\n")[1])
    assert covered < int(size)
    assert (
        f"Checked: {size} entries; the first {covered} are as 1 signed head had them" in sent.text
    )
    assert "(1 of these from the operators' room)" in sent.text
    assert f"all {own} entries about you are in it" in sent.text
    assert "can't prove" in sent.text
    assert f"Head of my audit log: {size} entries, `" in sent.text


async def test_verify_says_where_the_room_could_not_be_read(bot: Spine) -> None:
    told = await bot.text("!audit verify")

    assert "those in the operators' room I could not read" in told


async def test_a_changed_entry_is_named_with_what_to_do(bot: Spine) -> None:
    await bot.say("good morning")
    await _change(bot, "UPDATE audit_entry SET outcome = 'denied' WHERE seq = 2")

    told = await bot.text("!audit verify")

    assert "entry 2 is not what was recorded" in told
    assert "Ask my operator" in told
    assert "Keep your exports" in told


async def test_a_rewritten_history_is_found_from_the_heads_in_the_room(bot: Spine) -> None:
    await bot.say("good morning")
    bot.homeserver.heads = [await head(bot)]
    await _change(bot, "UPDATE audit_entry SET action = 'export.created' WHERE seq = 1")
    await _sealed_again(bot)

    told = await bot.text("!audit verify")

    assert "rewritten" in told
    assert "Ask my operator" in told


async def test_an_entry_that_says_else_than_the_vault_is_named(bot: Spine) -> None:
    await bot.say("good morning")
    await _change(bot, "UPDATE audit_entry SET action = 'export.created' WHERE seq = 2")
    await _sealed_again(bot)

    told = await bot.text("!audit verify")

    assert "entry 2 is not what your own part says" in told


async def test_without_a_head_from_outside_no_more_is_claimed_than_was_checked(bot: Spine) -> None:
    await bot.say("good morning")
    unread = await bot.text("!audit verify")
    bot.clock.forward(minutes=2)
    bot.homeserver.heads = [HeadKey(b"2" * 32).sign(1, b"r" * 32).note]
    foreign = await bot.text("!audit verify")
    bot.clock.forward(minutes=2)
    bot.homeserver.heads = [await head(bot)]
    read = await bot.text("!audit verify")

    assert "no signed head covers any of them yet" in unread
    assert all("Whether somebody who has my data wrote it anew" in one for one in (unread, foreign))
    assert "1 other there is not signed with my key and left out" in foreign
    assert "So nobody has edited, removed or added an entry among those" in read


async def test_an_own_entry_that_was_taken_out_is_missed_also_while_others_come(bot: Spine) -> None:
    await bot.say("!memory add I like tea")
    async with bot.storage.vaults.open(ANN) as vault:
        await bot.storage.audit_log.append(
            AuditEntry(bot.clock(), "@op:x.org", "identity.looked_up", "ok"), vault
        )
        await _change(bot, "DELETE FROM audit_entry WHERE action = 'identity.looked_up'")
        await vault.keep_audit_details([salted(AuditEntry(bot.clock(), ANN, "room.joined", "ok"))])

    told = await bot.text("!audit verify")

    assert "your entry “identity.looked_up” of 2026-01-01T12:00Z is not in it any more" in told


async def test_a_note_that_a_crash_kept_out_of_the_log_is_no_change_of_it(bot: Spine) -> None:
    await bot.say("good morning")
    async with bot.storage.vaults.open(ANN) as vault:
        answered = salted(AuditEntry(bot.clock(), ANN, "message.answered", "ok"))
        await vault.keep_audit_details([answered])

    assert "1 note in your vault has no entry in the log" in await bot.text("!audit verify")


async def _change(bot: Spine, statement: str) -> None:
    async with bot.storage.audit_log._database.transaction() as transaction:
        await transaction.execute("DROP TRIGGER audit_entry_update")
        await transaction.execute("DROP TRIGGER audit_entry_delete")
        await transaction.execute("DELETE FROM audit_feed")
        await transaction.execute(statement)


async def _sealed_again(bot: Spine) -> None:
    """Make every leaf fit its entry."""
    database = bot.storage.audit_log._database
    rows = await database.rows("SELECT * FROM audit_entry")
    async with database.transaction() as transaction:
        for row in rows:
            public = {name: row[name] for name in row.keys() if name != "leaf_hash"}  # noqa: SIM118
            statement = "UPDATE audit_entry SET leaf_hash = ? WHERE seq = ?"
            await transaction.execute(statement, leaf_hash(**public), row["seq"])


async def test_a_person_gets_a_check_once_a_minute(bot: Spine) -> None:
    first = await bot.text("!audit verify")
    second = await bot.text("!audit verify")
    somebody_else = await bot.text("!audit verify", BOB, "!bob")
    bot.clock.forward(seconds=61)
    later = await bot.text("!audit verify")

    assert "Checked" in first
    assert "once a minute" in second
    assert "Checked" in somebody_else
    assert "Checked" in later


async def test_a_note_without_an_entry_is_counted(bot: Spine) -> None:
    await bot.say("good morning")
    async with bot.storage.vaults.open(ANN) as vault:
        [detail, *_] = await vault.audit_details(limit=1, offset=0)
        await vault.keep_audit_details([type(detail)(detail.entry, b"another salt")])

    told = await bot.text("!audit verify")

    assert "1 note in your vault has no entry in the log" in told


async def test_asked_in_a_shared_room_it_is_answered_in_the_direct_chat(bot: Spine) -> None:
    sent = await bot.say("!audit", room_id="!all", mentions_bot=True)

    assert [(one.room_id, one.text == IN_DIRECT_CHAT) for one in sent] == [
        ("!ann", False),
        ("!all", True),
    ]
    assert lines(sent[0].text)


async def test_while_memory_is_paused_the_log_is_not_shown(bot: Spine) -> None:
    await bot.say("good morning")

    sent = await bot.say("!audit", standing=Standing.CHANGED)

    assert sent[-1].text == NOT_NOW
