"""What becomes of a memory when a message is taken back that it rests on, to the last byte."""

import shutil
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from storage import Memory, MemoryHit, Search, Storage, StorageFailure, TakenBack
from storage.answers import Answers
from storage.clock import to_text
from storage.database import Database
from storage.memories import Memories
from storage.pending import Pending
from storage.schema import migrations_of
from storage.taking_back import TakingBack
from storage.turns import Turns
from tests.storage.conftest import holding
from tests.storage.test_answers import answer as kept_answer

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
CANARY = "canary8d41"


class Past:
    """A vault in which messages are said and things learned from them."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.turns = Turns(database)
        self.answers = Answers(database)
        self.memories = Memories(database, lambda: NOON)
        self.taking_back = TakingBack(database, lambda: NOON)

    async def say(self, event_id: str, text: str = "hello", *, at: datetime = NOON) -> None:
        await self.turns.add(
            event_id=event_id,
            room_id="!r",
            room_kind="direct",
            role="user",
            text=text,
            said_at=at,
        )

    async def answer(
        self, event_id: str, to: str, text: str = "hi", note: str = "", *, at: datetime = NOON
    ) -> None:
        await self.answers.keep(kept_answer(to, text, note=note, said_at=at))
        await self.answers.sent(to, [event_id])

    async def learn(self, text: str, event_id: str, *, quote: str = "q", room: str = "!r") -> int:
        memory = await self.memories.add(
            text,
            origin="model",
            room_kind="shared",
            quote=quote,
            source_event_id=event_id,
            source_room_id=room,
        )
        return memory.memory_id

    async def say_again(self, memory_id: int, event_id: str, quote: str, room: str = "!r") -> None:
        await self.run(
            "INSERT INTO memory_said VALUES (?, ?, ?, ?, '2026')", memory_id, event_id, room, quote
        )

    async def change(
        self, memory_id: int, text: str, event_id: str | None, *, by: str = "model"
    ) -> None:
        """Let a memory say something else, with what it said as a revision."""
        await self.run(
            "INSERT INTO memory_revision (memory_id, text, changed_by, changed_at, quote, "
            "source_event_id, source_room_id) SELECT memory_id, text, ?, '2026-01-01', quote, "
            "source_event_id, source_room_id FROM memory WHERE memory_id = ?",
            by,
            memory_id,
        )
        await self.run(
            "UPDATE memory SET text = ?, quote = ?, source_event_id = ? WHERE memory_id = ?",
            *(text, text if event_id else "", event_id, memory_id),  # what is typed has no quote
        )

    async def run(self, sql: str, *parameters: object) -> None:
        async with self.database.transaction() as transaction:
            await transaction.execute(sql, *parameters)

    async def memory(self, memory_id: int) -> Memory:
        memory = await self.memories.get(memory_id)
        assert memory is not None
        return memory

    def holds(self, needle: str = CANARY) -> bool:
        return bool(holding(needle.encode(), self.database.files()))


@pytest.fixture
def past(database: Database) -> Past:
    return Past(database)


async def test_a_message_goes_with_its_answer_its_note_and_what_was_learned_from_it_alone(
    past: Past,
) -> None:
    await past.say("$1", f"I like {CANARY}")
    await past.answer("$a", "$1", f"{CANARY}, really?", f"remembered: likes {CANARY}")
    await past.learn(f"likes {CANARY}", "$1", quote=f"I like {CANARY}")
    await past.say("$2")
    await past.learn("stays", "$2")

    taken = await past.taking_back.messages(["$1"])

    assert taken == TakenBack(messages=2, deleted=(1,))
    assert await past.turns.count() == 1
    assert (await past.memory(2)).text == "stays"
    assert not past.holds()


async def test_what_another_message_says_as_well_rests_on_that_one_from_then_on(past: Past) -> None:
    memory_id = await past.learn("plays the oboe", "$1", quote=f"I play oboe {CANARY}")
    await past.say_again(memory_id, "$2", "my oboe")
    await past.say_again(memory_id, "$3", f"the oboe {CANARY}")

    first, second = [await past.taking_back.messages([one]) for one in ("$3", "$1")]

    memory = await past.memory(memory_id)
    assert first == second == TakenBack(traced=(memory_id,)), "it says it in the other words"
    assert (memory.text, memory.quote, memory.source_event_id) == ("my oboe", "my oboe", "$2")
    assert memory.room_kind == "shared"
    assert not past.holds()

    assert await past.taking_back.messages(["$2"]) == TakenBack(deleted=(memory_id,))


async def test_what_rests_on_another_room_now_is_not_used_in_the_first_any_more(past: Past) -> None:
    memory_id = await past.learn("plays the oboe", "$1")
    await past.say_again(memory_id, "$2", "my oboe", "!elsewhere")

    await past.taking_back.messages(["$1"])

    memory = await past.memory(memory_id)
    assert (memory.source_room_id, memory.room_kind) == ("!elsewhere", "direct")


async def test_a_changed_memory_says_again_what_it_said_before(past: Past) -> None:
    memory_id = await past.learn("lives in Rome", "$1", quote="I live in Rome")
    await past.change(memory_id, f"lives in {CANARY}", "$2")

    taken = await past.taking_back.messages(["$2"])

    memory = await past.memory(memory_id)
    assert taken == TakenBack(updated=(memory_id,))
    assert (memory.text, memory.quote, memory.source_event_id) == (
        "lives in Rome",
        "I live in Rome",
        "$1",
    )
    assert await past.memories.revisions(memory_id) == []
    assert [hit.memory.memory_id for hit in await _found(past, "Rome")] == [memory_id]
    assert not past.holds()


async def test_a_memory_that_says_again_what_it_said_holds_as_long_as_it_did(past: Past) -> None:
    until = NOON + timedelta(days=3)
    memory = await past.memories.add(
        "is in Rome",
        origin="model",
        room_kind="direct",
        source_event_id="$1",
        source_room_id="!r",
        valid_until=until,
    )
    for text, event_id, then in (("lives in Oslo", "$2", None), ("is in Bonn", "$3", NOON)):
        await past.memories.edit(
            memory.memory_id,
            text,
            changed_by="model",
            source_event_id=event_id,
            source_room_id="!r",
            valid_until=then,
        )

    seen = []
    for event_id in ("$3", "$2"):
        await past.taking_back.messages([event_id])
        now = await past.memory(memory.memory_id)
        seen.append((now.text, now.valid_until))

    assert seen == [("lives in Oslo", None), ("is in Rome", until)]


async def test_what_goes_with_its_memory_is_not_counted_beside_it(past: Past) -> None:
    memory_id = await past.learn("lives in Rome", "$1", quote="I live in Rome")
    await past.change(memory_id, "lives in Oslo", "$2")

    taken = await past.taking_back.messages(["$1", "$2"])

    assert (taken.deleted, taken.traces) == ((memory_id,), 0)


async def test_a_former_text_goes_with_its_message_and_the_present_one_stays(past: Past) -> None:
    memory_id = await past.learn(f"lives in {CANARY}", "$1", quote=f"I live in {CANARY}")
    await past.change(memory_id, "lives in Bonn", None, by="person")
    await past.change(memory_id, "lives in Oslo", "$3")

    former = await past.taking_back.messages(["$1"])
    taken = await past.taking_back.messages(["$3"])

    assert (former.traces, taken.traces) == (1, 0)
    assert (former, taken) == (TakenBack(traced=(memory_id,)), TakenBack(updated=(memory_id,)))
    assert (await past.memory(memory_id)).text == "lives in Bonn"
    assert not past.holds()


async def test_words_that_a_former_text_lent_to_later_ones_go_with_it(past: Past) -> None:
    memory_id = await past.learn(f"has a dog {CANARY}", "$1", quote=f"my dog {CANARY}")
    await past.change(memory_id, f"the dog {CANARY} is four", "$2")
    await past.run("UPDATE memory SET quote = 'he is four now'")
    await past.change(memory_id, f"the dog {CANARY} is five", "$3")
    await past.run("UPDATE memory SET quote = 'he is five now'")

    await past.taking_back.messages(["$1"])

    assert (await past.memory(memory_id)).text == "he is five now"
    [revision] = await past.memories.revisions(memory_id)
    assert revision.text == "he is four now"
    assert not past.holds()


async def test_what_a_memory_says_again_is_shared_nowhere(past: Past) -> None:
    memory_id = await past.learn("lives in Rome", "$1")
    await past.memories.edit(memory_id, "lives in Oslo", changed_by="model", source_event_id="$2")
    await past.memories.share(memory_id, "!all")

    await past.taking_back.messages(["$2"])

    memory = await past.memory(memory_id)
    assert (memory.text, memory.shared_in) == ("lives in Rome", ())


async def test_what_is_edited_between_two_was_not_said_among_others(past: Past) -> None:
    await past.say("$1", "hello")
    await past.run("UPDATE turn SET room_kind = 'shared'")

    await past.taking_back.words("$1", "a secret", lambda quote: False, room_kind="direct")

    turn = await past.turns.get("$1")
    assert turn is not None
    assert turn.room_kind == "direct"


async def test_an_edit_takes_back_only_what_its_new_words_no_longer_say(past: Past) -> None:
    await past.say("$1", f"I have a cat and {CANARY}")
    await past.answer("$a", "$1", "Nice.", f"remembered: has {CANARY}")
    cat = await past.learn("has a cat", "$1", quote="I have a cat")
    dog = await past.learn(f"has {CANARY}", "$1", quote=CANARY)

    text = "I have a cat and a fish"
    taken = await past.taking_back.words("$1", text, lambda quote: quote in text)

    turn = await past.turns.get("$1")
    assert turn is not None
    assert turn.text == text
    assert taken == TakenBack(messages=1, deleted=(dog,))
    assert (await past.memory(cat)).text == "has a cat"
    assert await past.turns.count() == 2
    assert not past.holds()


async def test_old_messages_go_and_what_was_learned_from_them_stays(past: Past) -> None:
    old, late = NOON - timedelta(days=31), NOON + timedelta(days=999)
    await past.say("$1", CANARY, at=old)
    await past.answer("$a", "$1", CANARY, CANARY, at=old)
    await past.say("$claims to be late", CANARY, at=late)
    await past.answer("$b", "$claims to be late", CANARY, at=old)
    await past.say("$3", "new")
    learned = await past.learn("stays", "$1")

    swept = await past.taking_back.before(NOON - timedelta(days=30))

    assert swept == 4
    assert [turn.text for turn in await past.turns.recent("!r", limit=9)] == ["new"]
    assert (await past.memory(learned)).source_event_id == "$1"
    assert not past.holds()
    assert await past.taking_back.before(NOON - timedelta(days=30)) == 0


async def test_a_wipe_that_was_cut_short_is_caught_up_on(
    past: Past, monkeypatch: pytest.MonkeyPatch
) -> None:
    wiped: list[str] = []

    async def failing(database: Database) -> None:
        raise StorageFailure("cut short")

    async def counting(database: Database) -> None:
        wiped.append("wiped")

    await past.say("$1")
    with monkeypatch.context() as patch:
        patch.setattr(Database, "wipe", failing)
        with pytest.raises(StorageFailure):
            await past.taking_back.messages(["$1"])

    monkeypatch.setattr(Database, "wipe", counting)
    await past.taking_back.before(NOON)
    await past.taking_back.before(NOON)
    assert not await past.taking_back.messages(["$1"])

    assert wiped == ["wiped"], "once, and not for nothing"


@pytest.mark.parametrize("what", ["a memory", "a proposal", "an expired one", "a message"])
async def test_a_wipe_that_anything_owed_is_caught_up_on(
    past: Past, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wiped: list[str] = []

    async def failing(database: Database) -> None:
        raise StorageFailure("cut short")

    async def counting(database: Database) -> None:
        wiped.append("wiped")

    await past.say("$1")
    memory_id = await past.learn("likes tea", "$2")
    await past.run(
        "UPDATE memory SET status = iif(? = 'a proposal', 'pending', 'active'), valid_until = ?",
        what,
        to_text(NOON),
    )
    deletions: dict[str, Callable[[], Awaitable[object]]] = {
        "a memory": lambda: past.memories.delete([memory_id]),
        "a proposal": lambda: Pending(past.database).reject([memory_id]),
        "an expired one": lambda: past.memories.expire(NOON),
        "a message": lambda: past.turns.delete(["$1"]),
    }
    with monkeypatch.context() as patch:
        patch.setattr(Database, "wipe", failing)
        with pytest.raises(StorageFailure):
            await deletions[what]()

    monkeypatch.setattr(Database, "wipe", counting)
    await past.taking_back.before(None)
    await past.taking_back.before(None)

    assert wiped == ["wiped"]


async def test_an_answer_takes_the_place_of_another_of_which_nothing_stays(past: Past) -> None:
    await past.say("$1", "question")
    await past.answer("$a", "$1", CANARY)
    await past.answers.sent("$1", ["$a", "$b"])
    await past.answers.keep(kept_answer("$1", "new"), edit="$edit")
    assert await past.answers.shown_to("$edit", room_kind="direct") == "new"

    await past.answers.sent_in_place("$1", edit="$edit", event_ids=["$a", "$b", "$c"])

    assert [turn.text for turn in await past.turns.recent("!r", limit=9)] == ["question", "new"]
    assert await past.answers.parts("$1") == ["$a", "$b", "$c"]
    edited, part = await past.turns.get("$edit"), await past.turns.get("$c")
    assert edited is not None
    assert part is not None
    assert (edited.event_id, part.event_id, part.text) == ("$1", "$a", "new")
    assert not past.holds()
    assert await past.taking_back.messages(["$edit"]) == TakenBack(messages=2)


@pytest.mark.parametrize("taken", ["$1", "$edit", "$a"])
async def test_an_answer_kept_for_an_edit_goes_with_the_question_and_with_the_edit(
    past: Past, taken: str
) -> None:
    await past.say("$1", "question")
    await past.answer("$a", "$1", "old")
    await past.answers.keep(kept_answer("$1", CANARY, note="noted"), edit="$edit")
    assert await past.answers.shown_to("$1", room_kind="direct") == "old"
    assert await past.answers.parts("$1") == ["$a"]

    await past.taking_back.messages([taken])

    left = [turn.text for turn in await past.turns.recent("!r", limit=9)]
    assert left == (["question", CANARY] if taken == "$a" else [])


async def test_a_withdrawn_answer_is_gone_and_the_one_that_stands_is_not(past: Past) -> None:
    await past.say("$1", "question")
    await past.answer("$a", "$1", "old")
    await past.answers.keep(kept_answer("$1", CANARY), edit="$edit")

    await past.answers.withdraw("$edit")
    await past.taking_back.catch_up()

    assert [turn.text for turn in await past.turns.recent("!r", limit=9)] == ["question", "old"]
    assert await past.answers.shown_to("$edit", room_kind="direct") is None
    assert not past.holds()


async def test_a_question_whose_answer_never_left_has_no_parts(past: Past) -> None:
    await past.say("$1")
    await past.answers.keep(kept_answer("$1"))

    assert await past.answers.parts("$1") == []


async def test_a_vault_can_be_asked_for_without_making_one(storage: Storage) -> None:
    async with storage.vaults.open_existing("@ann:hs") as vault:
        assert vault is None
    assert not await storage.vaults.exists("@ann:hs")

    async with storage.vaults.open("@ann:hs"), storage.vaults.open_existing("@ann:hs") as vault:
        assert vault is not None


async def test_memories_from_before_know_what_their_first_text_rested_on(tmp_path: Path) -> None:
    steps = tmp_path / "steps"
    steps.mkdir()
    for name in ("0001_vault.sql", "0002_search.sql"):
        shutil.copy(str(migrations_of("vault") / name), steps)
    async with await Database.open(tmp_path / "vault.db", migrations=steps) as old:
        past = Past(old)
        await past.run(
            "INSERT INTO memory (memory_id, text, digest, quote, origin, status, source_event_id, "
            "room_kind, created_at, updated_at) VALUES (1, 'typed', x'00', 'q', 'model', 'active', "
            "'$1', 'direct', '2026-01-01', '2026-01-01')"
        )
        for text in (CANARY, "typed before"):
            await past.run(
                "INSERT INTO memory_revision (memory_id, text, changed_by, changed_at) "
                "VALUES (1, ?, 'person', '2026-01-01')",
                text,
            )

    async with await Database.open(tmp_path / "vault.db", migrations="vault") as database:
        past = Past(database)
        assert await past.taking_back.messages(["$1"]) == TakenBack(traced=(1,))

        assert (await past.memory(1)).text == "typed"
        revisions = await past.memories.revisions(1)
        assert [one.text for one in revisions] == ["typed before"]
        assert not past.holds()


async def _found(past: Past, words: str) -> list[MemoryHit]:
    return await Search(past.database).memories(words, limit=9, room_id=None)
