"""What would go is what goes, whatever a vault holds; and nothing else goes with it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from storage import EVERYWHERE, KeptAnswer, MasterKey, Named, Vault, open_storage

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ROOMS = ("!ann", "!all")
WORDS = ("oboe", "cello", "cat", "dog", "tea", "coffee", "Rome", "Oslo")

pytestmark = pytest.mark.asyncio


class Clock:
    """A time that a vault's making moves on."""

    def __init__(self) -> None:
        self.time = NOON

    def __call__(self) -> datetime:
        return self.time


async def filled(vault: Vault, clock: Clock, chance: Random, *, messages: int = 25) -> None:
    """Messages, answers in parts, memories that rest on several, change, wait and are typed."""
    for number in range(messages):
        clock.time += timedelta(minutes=chance.randint(1, 20))
        room, event_id = chance.choice(ROOMS), f"$q{number}"
        kind = "direct" if room == "!ann" else "shared"
        text = f"I have a {chance.choice(WORDS)} and a {chance.choice(WORDS)}"
        source: dict[str, Any] = {
            "quote": text,
            "source_event_id": event_id,
            "source_room_id": room,
        }
        if chance.random() < 0.75:
            claimed = clock.time - timedelta(hours=chance.choice((0, 0, 0, 30, -1)))
            await vault.turns.add(
                event_id=event_id,
                room_id=room,
                room_kind=kind,
                role="user",
                text=text,
                said_at=claimed,
            )
        known = [one.memory_id for one in await vault.memories.page(limit=50)]
        match chance.randint(0, 5):
            case 0 | 1:
                status = chance.choice(("active", "pending"))
                await vault.memories.add(
                    text, origin="model", room_kind=kind, status=status, **source
                )
            case 2 if known:
                changed = chance.choice(known)
                await vault.memories.edit(changed, text, changed_by="model", **source)
            case 3 if known:
                await vault.memories.said_again(
                    chance.choice(known), event_id=event_id, room_id=room, quote=text
                )
            case 4 if known:
                await vault.memories.edit(chance.choice(known), text, changed_by="person")
            case _:
                pass
        if chance.random() < 0.7:
            await answered(vault, clock, chance, room=room, question=event_id)


async def answered(vault: Vault, clock: Clock, chance: Random, *, room: str, question: str) -> None:
    """An answer to a message; now and then it is not sent yet."""
    await vault.answers.keep(
        KeptAnswer(
            question=question,
            room_id=room,
            room_kind="direct" if room == "!ann" else "shared",
            thread_id=None,
            text=f"About {question}",
            note="",
            said_at=clock.time,
            model="m",
            gateway_host="h",
            prompt_tokens=1,
            completion_tokens=1,
            memory_ids=[1, 2],
        )
    )
    if chance.random() < 0.9:
        parts = [f"$a{question}.{part}" for part in range(chance.randint(1, 3))]
        await vault.answers.sent(question, parts)


async def named(vault: Vault, chance: Random, now: datetime) -> Named:
    """One of all that a person may name."""
    match chance.randint(0, 3):
        case 0:
            known = await vault.memories.page(limit=50)
            return await vault.spans.of_memory(chance.choice(known).memory_id if known else 1)
        case 1:
            return await vault.spans.last(chance.choice(ROOMS))
        case 2:
            return await vault.spans.since(now - timedelta(hours=chance.randint(1, 5)))
        case _:
            return await vault.spans.of_room(chance.choice(ROOMS))


@pytest.mark.parametrize("seed", range(60))
async def test_what_would_go_is_what_goes(tmp_path: Path, seed: int) -> None:
    clock, chance = Clock(), Random(seed)
    key = MasterKey.load("ab" * 32, tmp_path)
    async with (
        open_storage(tmp_path, key, now=clock) as storage,
        storage.vaults.open("@ann:x") as vault,
    ):
        await filled(vault, clock, chance)
        chosen = await named(vault, chance, clock.time)
        before = await vault.export()

        going = await vault.spans.preview(chosen)
        untouched = await vault.export()
        gone = await vault.spans.forget(chosen)
        after = await vault.export()

    assert untouched == before
    assert gone == going
    assert len(before["turn"]) - len(after["turn"]) == going.taken.messages
    left = {row["memory_id"] for row in after["memory"]}
    assert {row["memory_id"] for row in before["memory"]} - left == set(going.taken.deleted)
    roles = [row["role"] for row in before["turn"] if row not in after["turn"]]
    assert (roles.count("user"), roles.count("assistant")) == (going.questions, going.answers)
    again = {event_id for event_id in chosen.event_ids if f"'{event_id}'" in str(after)}
    assert not again, "nothing rests on what was named"


@pytest.mark.parametrize("seed", range(20))
async def test_all_of_the_bots_events_that_held_an_answer_are_named(
    tmp_path: Path, seed: int
) -> None:
    clock, chance = Clock(), Random(seed)
    key = MasterKey.load("ab" * 32, tmp_path)
    async with (
        open_storage(tmp_path, key, now=clock) as storage,
        storage.vaults.open("@ann:x") as vault,
    ):
        await filled(vault, clock, chance)
        before = await vault.export()
        going = await vault.spans.forget(await vault.spans.since(NOON))

    sent = {row["event_id"] for row in before["turn"] if row["event_id"].startswith("$a")}
    parts = {row["event_id"] for row in before["turn_part"]}
    assert {event_id for event_id, _ in going.standing} == sent | parts
    assert not [event_id for event_id, _ in going.standing if event_id.startswith("unsent")]


async def test_since_names_every_room(tmp_path: Path) -> None:
    key = MasterKey.load("ab" * 32, tmp_path)
    async with (
        open_storage(tmp_path, key) as storage,
        storage.vaults.open("@ann:x") as vault,
    ):
        assert (await vault.spans.since(NOON)).everything_in == EVERYWHERE
