"""What `confidant audit` does and says: what is proved of the log, and taken out of it."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bot.audit_room import STATE
from bot.config import Config
from bot.errors import StorageError
from bot.explaining import explained
from bot.matrix.client import open_client
from bot.replies import count
from storage import (
    InUse,
    MasterKey,
    PublicEntry,
    Storage,
    Verified,
    notes_in,
    open_storage,
    read_audit_heads,
    read_audit_key,
    read_audit_log,
    signed_with,
    verify_audit_log,
)


def verified(config: Config, *, heads: Path | None, room: bool) -> str:
    """Check the audit log, also against heads in a file or in the audit room.

    StorageError says what was done to it, or that no signed head vouches for it; HomeserverError
    why the room can't be read.
    """
    with explained():
        key = read_audit_key(config.storage.path, _secret(config)).verifier_key
        notes = _copied(heads) if heads is not None else []
        shown = set(asyncio.run(_shown(config))) if room else set()
        ours = signed_with(key, shown)
        if room and not ours:
            raise StorageError(
                "The audit room shows no signed head of this log that can be read, so it proves "
                "nothing."
            )
        found = verify_audit_log(config.storage.path, key, [*notes, *ours])
    return _intact(found) + _left_out(len(shown) - len(ours))


def exported(config: Config, *, heads: bool) -> Iterator[str]:
    """The public entries, then perhaps the signed heads: each a CloudEvent, as a line of JSON."""
    path = config.storage.path
    with explained():
        origin = read_audit_key(path, _secret(config)).origin
        # Before the entries: while the bot runs, later ones are of more entries than those here.
        signed = read_audit_heads(path) if heads else []
        for entry in read_audit_log(path):
            yield json.dumps(_of_entry(entry, origin))
        for head in signed:  # without a time: nothing vouches for when it was signed
            name = f"checkpoint-{head.size}"
            yield json.dumps(_event(name, origin, "audit.checkpoint", head.note))


def audit_key(config: Config) -> str:
    """The public key that heads are checked with, as C2SP's signed notes write it."""
    with explained():
        return read_audit_key(config.storage.path, _secret(config)).verifier_key


def _of_entry(entry: PublicEntry, origin: str) -> Mapping[str, Any]:
    time = entry.occurred_at.replace("Z", ":00Z")  # RFC 3339 wants seconds
    return {**_event(str(entry.seq), origin, entry.action, asdict(entry)), "time": time}


def _event(name: str, origin: str, action: str, data: object) -> Mapping[str, Any]:
    return {
        "specversion": "1.0",
        "id": name,
        "source": origin,
        "type": f"org.confidant.{action}",
        "datacontenttype": "text/plain" if isinstance(data, str) else "application/json",
        "data": data,
    }


def _intact(found: Verified) -> str:
    if not found.heads or found.covered == 0 < found.entries:
        raise StorageError(
            "Nothing is proved: the audit log agrees with itself, "
            f"{count(found.entries, 'entry', 'entries')}, but no signed head vouches for any. If "
            "the bot was not started since it signs heads, that is why: start it, and it signs the "
            "first. Otherwise somebody took its heads away: compare with `--room` or `--heads`."
        )
    said = f"The audit log is intact: {count(found.entries, 'entry', 'entries')}"
    some = f"the first {found.covered} of them " if found.covered < found.entries else ""
    said += f", {some}as {count(found.heads, 'signed head', 'signed heads')} had it"
    if found.outside:
        said += f", {found.outside} of these from outside"
    return f"{said}."


def _left_out(heads: int) -> str:
    if not heads:
        return ""
    return (
        f" {count(heads, 'head', 'heads')} in the audit room that this log's key did not sign "
        f"{'was' if heads == 1 else 'were'} left out."
    )


def _copied(file: Path) -> list[str]:
    try:
        notes = notes_in(file.read_text("utf-8"))
    except ValueError:
        raise StorageError(f"{file} is no text; of an export's ZIP give `export.json`.") from None
    except OSError as error:
        raise StorageError(f"{file} can't be read ({type(error).__name__}).") from None
    if not notes:
        raise StorageError(
            f"{file} holds no signed head: copy heads whole, as the audit room and exports show "
            "them, with the line that begins with a dash."
        )
    return notes


async def _shown(config: Config) -> list[str]:
    """The heads that the audit room shows, read as the bot, which has the keys to them."""
    try:
        return await _read_as_the_bot(config)
    except InUse:
        raise StorageError(
            "The bot is running, and nobody else can read the audit room as the bot meanwhile: "
            "type `!audit verify` in a direct chat with it, or stop it first."
        ) from None


async def _read_as_the_bot(config: Config) -> list[str]:
    path = config.storage.path
    master_key = MasterKey.load(_secret(config), path)
    async with open_storage(path, master_key) as storage:
        room = config.audit.room or await _own(storage)
        async with open_client(
            config.homeserver,
            data=path,
            master_key=master_key,
            rooms=storage.rooms,
            readings=storage.readings,
            share_keys_with=config.privacy.share_keys_with,
            device_name="Confidant",
        ) as client:
            room_id = await client.sender.join(room) if config.audit.room else room
            notes: list[str] = await client.sender.posted_heads(room_id)
            return notes


async def _own(storage: Storage) -> str:
    """The room that the bot made at its first start."""
    room_id = await storage.state(STATE)
    if room_id is None:
        raise StorageError("There is no audit room yet: the bot makes it when it first runs.")
    return room_id


def _secret(config: Config) -> str:
    return config.storage.master_key.get_secret_value()
