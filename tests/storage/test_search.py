"""The search finds what was said and what is remembered, and only what may be found."""

import random
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.database import Database
from storage.memories import Memories
from storage.search import CANDIDATES, FREQUENT, Search
from storage.taking_back import TakingBack
from storage.turns import Turns
from tests.storage.conftest import holding

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)  # a Monday
HOME, CLUB = "!home:hs", "!club:hs"


class Diary:
    """A vault in which things are said a minute apart."""

    def __init__(self, database: Database) -> None:
        self.turns = Turns(database)
        self.memories = Memories(database)
        self.search = Search(database)
        self.taking_back = TakingBack(database)
        self.at = NOON
        self.said = 0

    async def say(
        self, *texts: str, role: str = "user", room: str = HOME, kind: str = "direct"
    ) -> None:
        for text in texts:
            self.said += 1
            self.at += timedelta(minutes=1)
            await self.turns.add(
                event_id=f"${self.said}",
                room_id=room,
                room_kind=kind,
                role=role,
                text=text,
                said_at=self.at,
            )

    async def find(self, question: str, *, room: str | None = None, limit: int = 20) -> list[str]:
        hits = await self.search.turns(question, room_id=room, limit=limit)
        return [hit.turn.text for hit in hits]

    async def recall(self, question: str, *, room: str | None = None) -> list[str]:
        return [hit.memory.text for hit in await self.search.memories(question, room_id=room)]


@pytest.fixture
def diary(database: Database) -> Diary:
    return Diary(database)


async def check_indexes(database: Database) -> None:
    """FTS5 compares each index with the table; it raises where they differ."""
    async with database.transaction() as transaction:
        await transaction.execute(
            "INSERT INTO turn_index (turn_index, rank) VALUES ('integrity-check', 1)"
        )
        await transaction.execute(
            "INSERT INTO memory_index (memory_index, rank) VALUES ('integrity-check', 1)"
        )


async def say_much(database: Database, texts: list[str]) -> None:
    """Turns an hour apart, in one transaction."""
    async with database.transaction() as transaction:
        for number, text in enumerate(texts):
            await transaction.execute(
                "INSERT INTO turn (event_id, room_id, room_kind, role, text, said_at) "
                "VALUES (?, '!many:hs', 'direct', 'user', ?, ?)",
                f"$many{number}",
                text,
                (NOON + timedelta(hours=4 * number)).isoformat(timespec="microseconds"),
            )


@pytest.mark.parametrize(
    ("said", "question"),
    [
        ("I am allergic to peanuts.", "Is there a peanut in it?"),
        ("We went to Lisbon.", "When did I go there?"),
        ("Our flat is in Zürich", "zurich"),
        ("The résumé is ready", "re\u0301sume\u0301"),
        ("My BICYCLE was stolen", "bicycle"),
        ("The code is snake_case", "case"),
        ("今日は天気がいいですね", "天気はどう？"),
        ("猫を飼っています", "猫"),
        ("新しいiPhoneを買った", "iphone"),
        ("我喜欢喝咖啡", "咖啡"),
        ("학교에서 점심을 먹었어", "학교"),
        ("ฉันไปเที่ยวเชียงใหม่", "เชียงใหม่"),
        ("मुझे हिन्दी पसंद है", "हिन्दी"),
        ("Завтра встреча с врачом", "Когда встреча?"),
        ("هذا كتابي الجديد", "كتابي"),
    ],
)
async def test_a_word_is_found_in_its_forms_and_in_every_script(
    diary: Diary, said: str, question: str
) -> None:
    await diary.say("Something else entirely.", said)

    assert (await diary.find(question))[0] == said


async def test_what_shares_no_word_is_not_found(diary: Diary) -> None:
    await diary.say("We went to Lisbon.")

    assert await diary.find("penguins") == []


@pytest.mark.parametrize("question", ["", "   ", "what did you say?", "?!…", "🙂", '"', "\ud800"])
async def test_a_question_without_a_word_of_its_own_finds_nothing(
    diary: Diary, question: str
) -> None:
    await diary.say("We went to Lisbon.")

    assert await diary.find(question) == []


async def test_a_question_and_its_answer_are_found_together(diary: Diary) -> None:
    await diary.say("Which instrument do I play?", role="assistant")
    await diary.say("The cello, since school.")
    await diary.say("How nice!", role="assistant")

    assert "The cello, since school." in await diary.find("What instrument was it?", limit=2)


async def test_what_was_said_after_a_long_silence_does_not_belong_to_it(diary: Diary) -> None:
    await diary.say("Which instrument do I play?")
    diary.at += timedelta(hours=4)
    await diary.say("The weather is fine.")

    assert await diary.find("instrument") == ["Which instrument do I play?"]


async def test_what_was_said_in_another_room_does_not_belong_to_it(diary: Diary) -> None:
    await diary.say("Which instrument do I play?")
    await diary.say("The weather is fine.", room="!other:hs")
    await diary.say("The cello.")
    diary.at += timedelta(hours=4)
    await diary.say("An instrument again.", room="!other:hs")

    assert "The cello." in await diary.find("instrument")
    assert "The weather is fine." not in await diary.find("instrument")


async def test_the_turn_with_more_and_rarer_words_comes_first(diary: Diary) -> None:
    for text in ("A blue car", "A red car", "A red bicycle", "A car", "A red boat"):
        diary.at += timedelta(days=1)
        await diary.say(text)

    assert (await diary.find("red bicycle"))[0] == "A red bicycle"


async def test_of_two_that_fit_alike_the_newer_comes_first(diary: Diary) -> None:
    for text in ("My doctor is Kim", "My doctor is Lee"):
        diary.at += timedelta(days=1)
        await diary.say(text)

    assert await diary.find("doctor") == ["My doctor is Lee", "My doctor is Kim"]


@pytest.mark.parametrize("question", ["Monday", "23 November", "November 2026", "on 23 November?"])
async def test_a_turn_is_found_by_its_day(diary: Diary, question: str) -> None:
    await diary.say("We went to Lisbon.")
    diary.at += timedelta(days=40)
    await diary.say("We stayed at home.")

    assert await diary.find(question) == ["We went to Lisbon."]


@pytest.mark.parametrize(
    ("question", "role"),
    [("What wine did I praise?", "user"), ("What wine did you praise?", "assistant")],
)
async def test_whose_words_are_meant_counts(diary: Diary, question: str, role: str) -> None:
    for speaker in ("user", "assistant", "user", "assistant"):
        diary.at += timedelta(days=1)
        await diary.say("I praise this wine", role=speaker)

    hits = await diary.search.turns(question)

    assert [hit.turn.role == role for hit in hits] == [True, True, False, False]


async def test_a_name_says_whose_words_are_meant_and_is_no_word_to_look_up(diary: Diary) -> None:
    await diary.say("Anna Anna Anna")
    diary.at += timedelta(days=1)
    await diary.say("Wine is fine", role="user")
    diary.at += timedelta(days=1)
    await diary.say("Wine is fine", role="assistant")

    hits = await diary.search.turns("Does Anna's wine taste?", names={"Anna": "user"})

    assert [(hit.turn.text, hit.turn.role) for hit in hits] == [
        ("Wine is fine", "user"),
        ("Wine is fine", "assistant"),
    ]


async def test_a_hit_says_where_it_was_said(diary: Diary) -> None:
    await diary.say("We went to Lisbon.")

    [hit] = await diary.search.turns("Lisbon")

    assert (hit.turn.event_id, hit.turn.room_id, hit.turn.said_at) == ("$1", HOME, diary.at)
    assert hit.score > 0


async def test_turns_that_are_known_already_are_left_out(diary: Diary) -> None:
    await diary.say("We went to Lisbon.", "Lisbon was warm.")
    first = await diary.turns.get("$1")
    assert first is not None

    hits = await diary.search.turns("Lisbon", exclude={first.turn_id})

    assert [hit.turn.text for hit in hits] == ["Lisbon was warm."]


async def test_a_budget_takes_what_fits(diary: Diary) -> None:
    await diary.say("Lisbon " * 100, "Lisbon, warm.", "Lisbon, cold.")

    hits = await diary.search.turns("Lisbon", budget_chars=30)

    assert {hit.turn.text for hit in hits} == {"Lisbon, warm.", "Lisbon, cold."}


@given(st.text(st.sampled_from("a天\"*(){}:^+-,.' \\\0ANDORNOTEAR") | st.characters(), max_size=60))
async def test_no_text_of_a_person_means_anything_to_the_query_language(question: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with await Database.open(Path(folder) / "plain.db", migrations="vault") as database:
            search = Search(database)
            await search.turns(question)
            await search.turns("word", room_id=question)
            await search.memories(question)


async def test_operators_are_words_like_others(diary: Diary) -> None:
    await diary.say("rain", "snow", "near")

    assert set(await diary.find('rain" OR "snow* NEAR(words:x')) == {"rain", "snow", "near"}
    assert await diary.find('words : "sno"') == []


async def test_a_long_question_is_asked_by_its_longest_words(diary: Diary) -> None:
    await diary.say("Our hippopotamus sleeps.")
    page = " ".join(f"w{number}" for number in range(5000))

    assert await diary.find(f"{page} hippopotamus") == ["Our hippopotamus sleeps."]


# What was said in private stays there.


async def test_in_a_shared_room_only_what_was_said_in_it_is_found(diary: Diary) -> None:
    await diary.say("Lisbon in private")
    await diary.say("Lisbon elsewhere", room="!other:hs", kind="shared")
    await diary.say("Lisbon in the club", room=CLUB, kind="shared")

    assert await diary.find("Lisbon", room=CLUB) == ["Lisbon in the club"]
    assert len(await diary.find("Lisbon")) == 3


async def test_what_was_said_in_a_room_before_others_came_is_not_found_for_them(
    diary: Diary,
) -> None:
    await diary.say("My diagnosis is secret", "It is Lisbon fever", room=CLUB)
    await diary.say("Lisbon is nice", "Indeed", "So it is", room=CLUB, kind="shared")

    found = await diary.find("Lisbon", room=CLUB, limit=3)

    assert found == ["Lisbon is nice", "Indeed", "So it is"]


async def test_much_that_is_private_does_not_hide_what_was_said_in_the_room(
    diary: Diary, database: Database
) -> None:
    await diary.say("Lisbon in the club", room=CLUB, kind="shared")
    await say_much(database, ["Lisbon, oh Lisbon"] * (CANDIDATES + 1))

    assert await diary.find("oh, Lisbon", room=CLUB) == ["Lisbon in the club"]


async def test_the_room_is_no_word_that_can_be_asked_for(diary: Diary) -> None:
    await diary.say("private words")
    await diary.say("club words", room=CLUB, kind="shared")

    assert await diary.find("direct shared club:hs room", room=None) == ["club words"]


@pytest.mark.parametrize("room", ['"', '!x:hs" OR "private', "*", "", "\ud800"])
async def test_a_strange_room_id_opens_nothing(diary: Diary, room: str) -> None:
    await diary.say("private words")

    assert await diary.find("private", room=room) == []


async def test_memories_of_a_direct_chat_are_found_in_a_shared_room_only_when_shared(
    diary: Diary, database: Database
) -> None:
    await diary.memories.add("Likes Lisbon", origin="person", room_kind="direct")
    await diary.memories.add(
        "Knows Lisbon", origin="person", room_kind="direct", source_room_id=CLUB
    )
    await diary.memories.add(
        "Wants Lisbon", origin="person", room_kind="shared", source_room_id="!other:hs"
    )
    await diary.memories.add(
        "Plans Lisbon", origin="person", room_kind="shared", source_room_id=CLUB
    )
    shared = await diary.memories.add("Paints Lisbon", origin="person", room_kind="direct")
    async with database.transaction() as transaction:
        await transaction.execute(
            "INSERT INTO memory_share (memory_id, room_id, shared_at) VALUES (?, ?, ?)",
            shared.memory_id,
            CLUB,
            NOON.isoformat(),
        )

    assert set(await diary.recall("Lisbon", room=CLUB)) == {"Plans Lisbon", "Paints Lisbon"}
    assert len(await diary.recall("Lisbon")) == 5


# Memories.


async def test_a_memory_is_found_by_its_text_and_by_its_quote(diary: Diary) -> None:
    await diary.memories.add(
        "Is allergic to nuts", origin="model", room_kind="direct", quote="cashews make me itch"
    )
    await diary.memories.add("猫が好き", origin="model", room_kind="direct")

    assert await diary.recall("Are there cashews in it?") == ["Is allergic to nuts"]
    assert await diary.recall("nut") == ["Is allergic to nuts"]
    assert await diary.recall("猫") == ["猫が好き"]


async def test_only_active_and_valid_memories_are_found(diary: Diary, database: Database) -> None:
    await diary.memories.add("Lives in Rome", origin="person", room_kind="direct")
    old = await diary.memories.add("Lives in Bonn", origin="person", room_kind="direct")
    ended = await diary.memories.add("Lives in Oslo", origin="person", room_kind="direct")
    await diary.memories.add("Lives in Kyiv", origin="model", room_kind="direct", status="pending")
    async with database.transaction() as transaction:
        await transaction.execute(
            "UPDATE memory SET status = 'superseded' WHERE memory_id = ?", old.memory_id
        )
        await transaction.execute(
            "UPDATE memory SET valid_until = ? WHERE memory_id = ?",
            "2020-01-01T00:00:00.000000+00:00",
            ended.memory_id,
        )

    assert await diary.recall("Where do I live?") == ["Lives in Rome"]


async def test_an_edited_memory_is_found_by_its_new_text_only(diary: Diary) -> None:
    memory = await diary.memories.add("Lives in Rome", origin="person", room_kind="direct")

    await diary.memories.edit(memory.memory_id, "Lives in Bonn", changed_by="person")

    assert await diary.recall("Rome") == []
    assert await diary.recall("Bonn") == ["Lives in Bonn"]


async def test_a_deleted_memory_is_not_found(diary: Diary) -> None:
    memory = await diary.memories.add("Lives in Rome", origin="person", room_kind="direct")

    await diary.memories.delete([memory.memory_id])

    assert await diary.recall("Rome") == []


# The index.


async def test_an_edited_message_is_found_by_its_new_text_only(diary: Diary) -> None:
    await diary.say("We went to Lisbon.")

    await diary.taking_back.words("$1", "We went to Madrid.", lambda quote: False)

    assert await diary.find("Lisbon") == []
    assert await diary.find("Madrid") == ["We went to Madrid."]


async def test_a_message_that_is_stored_again_is_found_once(diary: Diary) -> None:
    await diary.say("We went to Lisbon.")
    diary.said = 0
    await diary.say("We went to Lisbon.")

    assert await diary.find("Lisbon") == ["We went to Lisbon."]


async def test_the_index_agrees_with_the_tables_whatever_was_done(
    diary: Diary, database: Database
) -> None:
    rng = random.Random(4)
    pieces = ["Lisbon", "天気がいい", "iPhone版", "café", "", "\0", "ก็", "👍", "학교에서"]

    for _ in range(150):
        text = " ".join(rng.choices(pieces, k=rng.randrange(6)))
        kind = rng.choice(["direct", "shared"])
        await diary.say(text, kind=kind)
        memory = await diary.memories.add(text, origin="person", room_kind=kind, quote=text)
        if rng.random() < 0.3:
            edited = f"${rng.randrange(1, diary.said + 1)}"
            await diary.taking_back.words(edited, text + " again", lambda quote: False)
            await diary.memories.edit(memory.memory_id, text + " again", changed_by="person")
        if rng.random() < 0.2:
            await diary.turns.delete([f"${rng.randrange(1, diary.said + 1)}"])
            await diary.memories.delete([memory.memory_id])

    await check_indexes(database)


async def test_of_a_deleted_turn_and_memory_no_byte_stays_in_the_index(
    diary: Diary, database: Database
) -> None:
    await diary.say(*(f"filler{number} words" for number in range(50)))
    await diary.say("zqxjcanary 秘密計画", room="!zvkroom:hs", kind="shared")
    memory = await diary.memories.add(
        "zqxjcanary", origin="person", room_kind="direct", quote="秘密計画"
    )
    words = [b"zqxjcanari", b"zqxjcanary", *(pair.encode() for pair in ("秘密", "密計", "計画"))]
    room = b"room" + b"!zvkroom:hs".hex().encode()
    assert all(holding(word, database.files()) for word in [*words, room])

    async with database.transaction() as transaction:
        await transaction.execute("DELETE FROM turn WHERE text LIKE 'zqxj%'")
        await transaction.execute("DELETE FROM memory WHERE memory_id = ?", memory.memory_id)
    await database.truncate()

    assert [word for word in [*words, room] if holding(word, database.files())] == []


async def test_without_secure_delete_the_index_would_keep_it(
    diary: Diary, database: Database
) -> None:
    async with database.transaction() as transaction:
        await transaction.execute(
            "INSERT INTO turn_index (turn_index, rank) VALUES ('secure-delete', 0)"
        )
    await diary.say("words", "zqxjcanary")

    async with database.transaction() as transaction:
        await transaction.execute("DELETE FROM turn WHERE text = 'zqxjcanary'")
    await database.truncate()

    assert holding(b"zqxjcanari", database.files())


# Large vaults.


async def test_a_frequent_word_decides_among_what_a_rare_one_selects(
    diary: Diary, database: Database
) -> None:
    many = ["The cat sat."] * (FREQUENT + 100)
    many[3] = "The cat met a walrus."
    many[20] = "The dog met a walrus."
    await say_much(database, many)

    found = await diary.find("cat and walrus")

    assert found == ["The cat met a walrus.", "The dog met a walrus."]


async def test_when_every_word_is_frequent_the_newest_turns_are_found(
    diary: Diary, database: Database
) -> None:
    await say_much(database, [f"The cat sat {number:04}." for number in range(FREQUENT + 100)])

    assert (await diary.find("cat"))[0] == f"The cat sat {FREQUENT + 99:04}."
