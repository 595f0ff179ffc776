"""What an export's page is made of: a vault that was lived in, and documents made by hand."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bot.archive.page import page
from bot.messages import Action, RoomMessage
from tests.browser import Page
from tests.spine import ANN, Spine, configured, disclosed, remembers, spine

Document = dict[str, Any]
Entries = list[dict[str, Any]]

NOW = datetime(2026, 1, 5, tzinfo=UTC)
PLAN = "Start at the **Tile Museum**.\n\n- by *tram*\n- on foot\n\n```\nprint('one < two')\n```"


async def lived(path: Path) -> tuple[Document, Entries]:
    """Ann's export after four days: two rooms, a thread, memories of every kind, the log."""
    config = configured(limits={"messages_per_minute": "10000"})
    async with spine(path, config) as bot:
        bot.model.answers = [
            remembers("You live in Bremen.", "I live in Bremen", saying="A fine town."),
            PLAN,
        ]
        await bot.say("I live in Bremen by the way", event_id="$bremen")
        bot.clock.forward(days=1)
        await bot.say("Plan my day in Bremen, naïvely, at the café", event_id="$plan")
        bot.clock.forward(days=1)
        for typed in (
            "!memory add I like green tea",
            "!memory edit 2 I like black tea",
            "!memory pin 2",
            "!memory mode ask",
        ):
            await bot.say(typed)
        await bot.say("!memory share 2", room_id="!all", mentions_bot=True)
        bot.model.answers = [remembers("You have a dog.", "I have a dog")]
        await bot.say("I have a dog", event_id="$dog")
        bot.clock.forward(days=1)
        await bot.say("what shall we eat?", room_id="!all", mentions_bot=True, event_id="$eat")
        await bot.give(_threaded(bot, "and where?", "$where"))
        return await taken(bot)


async def taken(bot: Spine) -> tuple[Document, Entries]:
    """Ann's document, and the entries of the log that concern her."""
    async with bot.storage.vaults.open(ANN) as vault:
        tables = await vault.export()
        numbered = await disclosed(bot.storage.audit_log, vault)
    rows = tables["audit_detail"]
    assert len(rows) == len(numbered)
    seqs = sorted(seq for seq, _ in numbered)
    entries = [
        {**row, "seq": seq, "facts": json.loads(row["facts"])}
        for seq, row in zip(seqs, rows, strict=True)
    ]
    return document(bot.clock(), tables), entries


def _threaded(bot: Spine, body: str, event_id: str) -> RoomMessage:
    return RoomMessage(
        event_id,
        "!all",
        ANN,
        body,
        bot.clock(),
        True,
        mentions_bot=True,
        thread_id="$eat",
        device_id="PHONE",
    )


def open_with(window: Page, folder: Path, **tables: list[dict[str, object]]) -> None:
    """Show the page of an export with these tables; `entries` are the log's."""
    file = folder / "index.html"
    entries = tables.pop("entries", [])
    file.write_bytes(page(document(NOW, tables), entries))
    window.go(file)


def document(
    created_at: datetime, tables: Mapping[str, Sequence[Mapping[str, Any]]], user_id: str = ANN
) -> Document:
    """An export's document around tables."""
    return {
        "schema": "org.confidant.export/1",
        "created_at": created_at.isoformat(),
        "user_id": user_id,
        "tables": tables,
    }


def turns(number: int, words: Sequence[str]) -> list[dict[str, Any]]:
    """So many messages, an hour between any two; each ends with its own number."""
    start = datetime(2024, 1, 1, 12, tzinfo=UTC)
    return [
        turn(
            one,
            text=f"{' '.join(words[(one * 7 + at) % len(words)] for at in range(40))} n{one}",
            role="user" if one % 2 else "assistant",
            said_at=(start + timedelta(hours=one)).isoformat(timespec="microseconds"),
        )
        for one in range(1, number + 1)
    ]


def turn(number: int, **columns: Any) -> dict[str, Any]:
    return {
        "turn_id": number,
        "event_id": f"$event-{number}",
        "room_id": "!ann",
        "room_kind": "direct",
        "thread_id": None,
        "role": "user",
        "text": "",
        "note": "",
        "said_at": "2026-01-01T12:00:00.000000+00:00",
        "answers_event_id": None,
        "model": None,
        "gateway_host": None,
        "prompt_tokens": None,
        "completion_tokens": None,
        "provider": None,
    } | columns


def entry(seq: int, action: str = Action.MESSAGE_ANSWERED, **columns: Any) -> dict[str, Any]:
    return {
        "seq": seq,
        "occurred_at": "2026-01-01T12:00:00.000000+00:00",
        "actor": ANN,
        "action": action,
        "target": "",
        "outcome": "ok",
        "facts": {},
        "commitment": "ab" * 32,
        "salt": "cd" * 32,
    } | columns


def everywhere(text: str) -> tuple[Document, Entries]:
    """A document with this text in every field that can hold one, ids and names among them."""
    at = "2026-01-01T12:00:00.000000+00:00"
    said = {"text": text, "note": text, "model": text, "gateway_host": text, "provider": text}
    place = {"room_id": text, "thread_id": text}
    memory = {
        "text": text,
        "quote": text,
        "source_event_id": text,
        "source_room_id": text,
        "room_kind": "shared",
        "created_at": at,
        "updated_at": at,
        "superseded_by": None,
        "replaces": None,
        "valid_until": text,
    }
    kinds = {"origin": "model", "status": "active", "pinned": 1}
    tables: dict[str, list[dict[str, Any]]] = {
        "turn": [
            turn(1, **said, **place, event_id=text, prompt_tokens=1, completion_tokens=2),
            turn(2, **said, role="assistant", event_id=text + "2"),
            turn(3, text=text, said_at=text, room_id="__proto__"),
        ],
        "turn_part": [{"event_id": text + "3", "turn_id": 2}],
        "turn_use": [{"answer_event_id": text + "2", "turn_id": 1}],
        "memory": [
            {"memory_id": 1, **memory, **kinds},
            {"memory_id": 2, **memory, "origin": text, "status": text, "pinned": 0},
        ],
        "memory_revision": [
            {
                "memory_id": 1,
                "text": text,
                "quote": text,
                "changed_by": text,
                "changed_at": text,
                "source_event_id": text,
            }
        ],
        "memory_said": [{"memory_id": 1, "event_id": text, "quote": text, "said_at": text}],
        "memory_share": [{"memory_id": 1, "room_id": text, "shared_at": text}],
        "memory_use": [{"answer_event_id": text + "2", "memory_id": 1}],
        "setting": [{"name": text, "value": text}, {"name": f"private {text}", "value": text}],
        "usage": [
            {
                "day": text,
                "model": text,
                "requests": 1,
                "prompt_tokens": 1,
                "completion_tokens": 1,
            }
        ],
    }
    entries = [
        entry(1, facts={text: text, "command": text}),
        entry(2, text, actor=text, target=text, outcome=text, commitment=text, salt=text),
    ]
    return document(datetime(2026, 1, 2, tzinfo=UTC), tables, text) | {
        "created_at": text,
        "audit_head": text,
    }, entries
