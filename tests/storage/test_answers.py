"""An answer is kept whole before it is sent, and stays the same one after a crash."""

from datetime import UTC, datetime

import pytest

from storage import KeptAnswer, Storage, Vault, VaultGone
from storage.answers import Answers
from storage.database import Database
from storage.memories import Memories
from storage.turns import Turns

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def answer(question: str = "$q", text: str = "Miso.", **more: object) -> KeptAnswer:
    values = {
        "question": question,
        "room_id": "!r",
        "room_kind": "direct",
        "thread_id": None,
        "text": text,
        "note": "",
        "said_at": NOON,
        "model": "m",
        "gateway_host": "h",
        "prompt_tokens": 10,
        "completion_tokens": 5,
    }
    return KeptAnswer(**{**values, **more})  # type: ignore[arg-type]  # a table of plain values


async def use(
    database: Database,
    answer_event_id: str,
    *,
    memories: tuple[int, ...] = (),
    turns: tuple[int, ...] = (),
) -> None:
    """An answer with this event id that used these."""
    answers = Answers(database)
    kept = answer(f"question of {answer_event_id}", memory_ids=memories, turn_ids=turns)
    await answers.keep(kept)
    await answers.sent(kept.question, [answer_event_id])


@pytest.fixture
def answers(database: Database) -> Answers:
    return Answers(database)


async def test_an_answer_is_known_from_its_question_with_the_note_under_it(
    answers: Answers, database: Database
) -> None:
    await answers.keep(answer(note=" (noted)"))

    assert await answers.shown_to("$q", room_kind="direct") == "Miso. (noted)"
    assert await answers.shown_to("$other", room_kind="direct") is None

    assert await answers.shown_to("$q", room_kind="shared") is None

    await answers.sent("$q", ["$a"])

    turn = await Turns(database).get("$a")
    assert turn is not None
    assert (turn.text, turn.role, turn.answers_event_id) == ("Miso.", "assistant", "$q")
    assert await answers.shown_to("$q", room_kind="direct") == "Miso. (noted)"


async def test_what_it_used_hangs_on_the_event_that_it_became_once_each(
    answers: Answers, database: Database
) -> None:
    memories, turns = Memories(database), Turns(database)
    for text in ("one", "two"):
        await memories.add(text, origin="person", room_kind="direct")
    await turns.add(
        event_id="$1", room_id="!r", room_kind="direct", role="user", text="hey", said_at=NOON
    )

    await answers.keep(answer(memory_ids=[1, 2, 77], turn_ids=[1, 99]))
    await answers.sent("$q", ["$a"])

    used = await memories.used_by("$a")
    assert [(memory.memory_id, memory.uses) for memory in used] == [(1, 1), (2, 1)]
    assert [turn.text for turn in await turns.used_by("$a")] == ["hey"]
    assert await memories.used_by("$other") == []


async def test_every_part_of_a_long_answer_leads_to_its_turn(
    answers: Answers, database: Database
) -> None:
    turns = Turns(database)
    await answers.keep(answer())

    await answers.sent("$q", ["$a", "$c", "$b"])
    await answers.sent("$q", ["$a", "$c", "$b"])

    found = [await turns.get(event_id) for event_id in ("$a", "$b", "$c")]
    assert [one.event_id for one in found if one] == ["$a"] * 3
    assert await answers.parts("$q") == ["$a", "$c", "$b"]
    assert await turns.about("$b") == ["$a"]
    assert await turns.delete(["$b"]) == 1
    assert await turns.get("$c") is None


async def test_what_was_erased_meanwhile_is_said_and_nothing_is_noted(
    answers: Answers, database: Database
) -> None:
    turns = Turns(database)
    await answers.keep(answer())
    await answers.sent("$q", ["$a"])
    await answers.keep(answer(text="Miso?"), edit="$e")
    await answers.withdraw("$e")

    with pytest.raises(VaultGone):
        await answers.keep(answer(), asked=True)
    with pytest.raises(VaultGone):
        await answers.sent("$other", ["$b", "$c"])
    with pytest.raises(VaultGone):
        await answers.sent_in_place("$q", edit="$e", event_ids=["$a", "$b"])

    assert [turn.text for turn in await turns.recent("!r", limit=9)] == ["Miso."]
    assert await answers.parts("$q") == ["$a"]


async def test_usage_adds_up_by_day(storage: Storage) -> None:
    async with storage.vaults.open("@a:hs") as vault:
        for number, model in enumerate(("m1", "m1", "m2")):
            await vault.answers.keep(answer(f"$q{number}", model=model))

        assert await vault.usage(NOON.date()) == 45
        assert await _requests(vault) == [2, 1]


async def _requests(vault: Vault) -> list[int]:
    return [row["requests"] for row in (await vault.export())["usage"]]
