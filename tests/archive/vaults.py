"""Vaults with something in every table, made by what the bot does, in any order."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import strategies as st

from bot.archive.writing import Export
from storage import AuditEntry, MasterKey, Storage, Vault, open_storage
from tests.storage.test_answers import answer

ANN = "@ann:x.org"
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ROOMS = ("!direct", "!shared")

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
Step = tuple[str, str, int]
steps: st.SearchStrategy[list[Step]] = st.lists(
    st.tuples(
        st.sampled_from(
            ["add", "learn", "propose", "edit", "again", "share", "pin", "expire", "say", "set"]
        ),
        texts,
        st.integers(0, 5),
    ),
    max_size=12,
)


@asynccontextmanager
async def storage_in(folder: Path) -> AsyncIterator[Storage]:
    async with open_storage(folder, MasterKey(b"k" * 32), now=lambda: NOON) as storage:
        yield storage


async def carried_out(vault: Vault, taken: Sequence[Step]) -> None:
    """Do these things in a vault."""
    for number, (what, text, which) in enumerate(taken):
        await DOES[what](vault, f"${number}", text, which)


async def export_of(storage: Storage, vault: Vault) -> Export:
    """What `!export` would write."""
    for action in ("vault.created", "message.answered"):
        entry = AuditEntry(NOON, ANN, action, "ok", "$1", {"ms": 12, "model": "m"})
        await storage.audit_log.append(entry, vault)
    disclosed = await storage.audit_log.disclosed(vault)
    return Export.of(ANN, await vault.export(), disclosed, NOON)


async def _add(vault: Vault, event_id: str, text: str, which: int) -> None:
    await vault.memories.add(text, origin="person", room_kind="direct")


async def _learn(vault: Vault, event_id: str, text: str, which: int) -> None:
    await vault.memories.add(
        text,
        origin="model",
        room_kind="shared",
        quote=text,
        source_event_id=event_id,
        source_room_id=ROOMS[1],
        valid_until=NOON + timedelta(days=which) if which else None,
    )


async def _propose(vault: Vault, event_id: str, text: str, which: int) -> None:
    memory = await vault.memories.add(
        text,
        origin="model",
        room_kind="direct",
        status="pending",
        quote=text,
        source_event_id=event_id,
        source_room_id=ROOMS[0],
    )
    await vault.turns.add(
        event_id=event_id,
        room_id=ROOMS[0],
        room_kind="direct",
        role="user",
        text=text,
        said_at=NOON,
    )
    await vault.pending.noticed(
        [memory.memory_id], [f"{event_id} notice"], ROOMS[0], source=event_id
    )
    if which > 3:
        await vault.pending.approve(memory.memory_id)


async def _edit(vault: Vault, event_id: str, text: str, which: int) -> None:
    await vault.memories.edit(which, text, changed_by="person")


async def _again(vault: Vault, event_id: str, text: str, which: int) -> None:
    await vault.memories.said_again(which, event_id=event_id, room_id=ROOMS[0], quote=text)


async def _share(vault: Vault, event_id: str, text: str, which: int) -> None:
    if await vault.memories.get(which):
        await vault.memories.share(which, ROOMS[1])


async def _pin(vault: Vault, event_id: str, text: str, which: int) -> None:
    await vault.memories.pin(which, pinned=True)


async def _expire(vault: Vault, event_id: str, text: str, which: int) -> None:
    await vault.memories.expire(NOON + timedelta(days=which))


async def _say(vault: Vault, event_id: str, text: str, which: int) -> None:
    room, thread = ROOMS[which % 2], "$thread" if which > 3 else None
    kind = "shared" if which % 2 else "direct"
    used = [one.memory_id for one in await vault.memories.active(limit=which)]
    earlier = [one.turn_id for one in await vault.turns.recent(room, limit=which)]
    await vault.turns.add(
        event_id=event_id, room_id=room, room_kind=kind, thread_id=thread, role="user",
        text=text, said_at=NOON + timedelta(seconds=which),
    )  # fmt: skip
    await vault.answers.keep(
        answer(
            event_id, text[::-1], room_id=room, room_kind=kind, thread_id=thread,
            memory_ids=used, turn_ids=earlier,
        )
    )  # fmt: skip
    if which != 2:  # a crash came before it was sent
        sent = [f"{event_id} answer {part}" for part in range(1 + which)]
        await vault.answers.sent(event_id, sent)


async def _set(vault: Vault, event_id: str, text: str, which: int) -> None:
    await vault.set_setting(f"setting {which}", text)


DOES: dict[str, Callable[[Vault, str, str, int], Awaitable[None]]] = {
    "add": _add,
    "learn": _learn,
    "propose": _propose,
    "edit": _edit,
    "again": _again,
    "share": _share,
    "pin": _pin,
    "expire": _expire,
    "say": _say,
    "set": _set,
}

EVERYTHING: list[Step] = [
    ("add", "I like tea", 0),
    ("learn", "My cat is called Miso", 0),
    ("edit", "I like green tea", 1),
    ("again", "the cat Miso", 2),
    ("share", "", 1),
    ("pin", "", 2),
    ("say", "What do I like?", 1),
    ("say", "And my <b>cat</b>?", 3),
    ("say", "In a thread", 5),
    ("propose", "I live in Rome", 0),
    ("set", "ask", 0),
]


def folder_in(path: Path) -> Path:
    """A new folder for one more vault."""
    return path / secrets.token_hex(8)
