"""Restoring a backup without bringing back whoever was forgotten since it was made.

The living data that is replaced knows them by the tombstones of their vaults. Where it is lost, or
did not go on from this backup, nobody can know of them, and they come back. So does what people
deleted piece by piece. Whoever restores has to be told, and to tell.
"""

import os
from collections.abc import Callable, Collection, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from storage.access_rules import SET as SET_RULE
from storage.audit_check import RESTORED
from storage.audit_entry import AuditEntry, Fact
from storage.audit_feed import SYSTEM
from storage.backup import Manifest, check_seal, copy, read_manifest
from storage.clock import from_text, utc_now
from storage.database import Database
from storage.errors import MasterKeyError, StorageFailure
from storage.inbox import SYNC_TOKEN
from storage.keyring import BLANK, SLOT_BYTES, Keyring
from storage.opening import locked, opened
from storage.replacing import discard_draft, is_inhabited, new_draft, replace_by_draft, told
from storage.sealing import MasterKey
from storage.tenants import Tenants
from storage.withdrawals import withdraw

# What the living data knows must not be unlearned, and its log, which people have seen, goes on.
KNOWLEDGE = ("encrypted_room", "identity", "reading", "handled", "retired_pseudonym")
# What is still to be done for whoever was forgotten, and withdrawals.
JOBS = ("forgetting", "forgetting_room", "withdrawal_search")
# Of these, what data that went on from the backup has no longer was forgotten, lifted or is done.
SINCE = ("state", "identity", "withdrawal", "access_rule", *JOBS)
NAMES = "SELECT pseudonym FROM tenant"  # which the audit room has seen
LOG = ("audit_entry", "audit_detail", "audit_feed", "audit_head")


@dataclass(frozen=True, slots=True)
class Restored:
    """What came back, and how many vaults were destroyed again.

    `all_forgotten_known` says whether the replaced data had gone on from this backup, and so knew
    everybody who was forgotten since.
    """

    made_at: datetime
    vaults: int
    destroyed_again: int
    all_forgotten_known: bool


async def restore(
    path: Path,
    secret: str,
    source: Path,
    *,
    replace: bool = False,
    now: Callable[[], datetime] = utc_now,
) -> Restored:
    """Put a backup in the place of the data directory's content, all of it or nothing.

    `replace` allows that there is data. The sync token is not restored, and what was unanswered
    is given up: the bot is a new device, which can't read what was sent before, and whose repeated
    answers the homeserver would not recognise. Event ids stay, so nothing is taken up twice.
    """
    manifest, seal = read_manifest(source)
    with locked(path), told("The backup can't be restored"):
        if is_inhabited(path) and not replace:
            raise StorageFailure(
                f"{path} holds data, and nothing was changed: --replace puts the backup in its "
                "place."
            )
        master_key = _master_key(path, secret, source)
        check_seal(manifest, seal, master_key)
        draft = new_draft(path)
        try:
            _check_hashes(manifest, copy(manifest.files, source, draft))
            destroyed_again, known = await _adapt(draft, path, master_key, manifest, now)
            _give_to_owner(path, draft)
        except BaseException:
            discard_draft(path)
            raise
        replace_by_draft(path)
    vaults = manifest.vaults - destroyed_again
    return Restored(from_text(manifest.made_at), vaults, destroyed_again, known)


def _master_key(path: Path, secret: str, source: Path) -> MasterKey:
    if secret.strip():
        return MasterKey.load(secret, source)  # beside the salt of a passphrase
    if not (path / "master.key").exists():
        raise MasterKeyError(
            f"{path / 'master.key'} is missing, and a backup never holds it: put it there, or set "
            "storage.master_key."
        )
    return MasterKey.load(secret, path)


def _check_hashes(manifest: Manifest, hashes: dict[str, str]) -> None:
    for name, expected in manifest.files.items():
        if hashes[name] != expected:
            raise StorageFailure(f"The backup is damaged: {name} is not what was backed up.")


async def _adapt(
    draft: Path,
    path: Path,
    master_key: MasterKey,
    manifest: Manifest,
    now: Callable[[], datetime],
) -> tuple[int, bool]:
    """Make the restored data fit to go on from now; what Restored says of the forgotten."""
    destroyed_again, known, handled = 0, False, list[str]()
    async with await Database.open(draft / "shared.db", migrations="shared") as restored:
        async with restored.transaction() as transaction:
            # Told since, under pseudonyms of people who may have left.
            await transaction.execute("DELETE FROM audit_feed")
        if (path / "shared.db").exists():
            tenants = Tenants(restored, master_key, now)
            known, handled = await _learn(restored, tenants, path)
            destroyed_again = await _erase(tenants, draft / "keyring", master_key)
        async with restored.transaction() as transaction:
            await transaction.execute("DELETE FROM state WHERE name = ?", SYNC_TOKEN)
    async with opened(draft, master_key, now=now) as storage:  # finishes the destructions
        # Heads that were signed since the backup may fit no more: whoever compares has to find why.
        facts: dict[str, Fact] = {"made_at": manifest.made_at, "destroyed_again": destroyed_again}
        await storage.audit_log.append(AuditEntry(now(), SYSTEM, RESTORED, "ok", facts=facts))
        await storage.inbox.never_again(handled)
        for event_id, _ in await storage.inbox.unfinished():
            lost = AuditEntry(now(), SYSTEM, "message.answered", "interrupted")
            await storage.audit_log.append(lost)
            await storage.inbox.finish(event_id)
        await storage.inbox.drop_handled()
    return destroyed_again, known


async def _learn(restored: Database, tenants: Tenants, path: Path) -> tuple[bool, list[str]]:
    """Take over what the living data knows.

    Returns whether it had gone on from this backup, and the ids of the events that it handled.
    """
    try:
        async with await Database.open(path / "shared.db", migrations="shared") as living:
            await tenants.bury(await _forgotten(living, _slots(path / "keyring")))
            await tenants.retire([row["pseudonym"] for row in await living.rows(NAMES)])
            await tenants.take_over(await living.rows("SELECT * FROM forgotten"))
            goes_on = await _goes_on(living, restored)
            for table in SINCE if goes_on else ():
                await _empty(table, restored)
            for table in (*KNOWLEDGE, *JOBS):
                await _copy_rows(table, living, restored)
            await _copy_withdrawals(living, restored)
            await _copy_rules(living, restored)
            if goes_on:
                await _copy_rows("state", living, restored)
            for table in LOG if goes_on else ():
                newest = await restored.value(f"SELECT max(rowid) FROM {table}")  # noqa: S608
                await _copy_rows(table, living, restored, after=newest or 0)
            handled = await living.rows("SELECT event_id FROM inbox")
            return goes_on, [row["event_id"] for row in handled]
    except StorageFailure as failure:
        raise StorageFailure(
            f"{failure} So nobody can know who was forgotten since the backup: move what is in "
            f"{path} away, except master.key, and restore into the empty folder."
        ) from None


async def _forgotten(living: Database, slots: Sequence[bytes]) -> Collection[str]:
    """The vaults that were destroyed, or whose destruction was cut short once it was planned."""
    tombstones = await living.rows("SELECT vault_id FROM tombstone")
    tenants = await living.rows("SELECT vault_id, slot FROM tenant")
    erased = [row for row in tenants if slots[row["slot"] : row["slot"] + 1] == [BLANK]]
    planned = await living.rows("SELECT vault_id FROM forgetting WHERE vault_id <> ''")
    return [row["vault_id"] for row in (*tombstones, *erased, *planned)]


def _slots(keyring: Path) -> Sequence[bytes]:
    content = keyring.read_bytes() if keyring.exists() else b""
    return [content[at : at + SLOT_BYTES] for at in range(0, len(content), SLOT_BYTES)]


async def _goes_on(living: Database, restored: Database) -> bool:
    """Whether the living log holds the last entry of the backup's, whose leaf nobody can guess."""
    last = await restored.row("SELECT seq, leaf_hash FROM audit_entry ORDER BY seq DESC LIMIT 1")
    if last is None:
        return False
    leaf = await living.value("SELECT leaf_hash FROM audit_entry WHERE seq = ?", last["seq"])
    return bool(leaf == last["leaf_hash"])


async def _empty(table: str, restored: Database) -> None:
    async with restored.transaction() as transaction:
        await transaction.execute(f"DELETE FROM {table}")  # noqa: S608


async def _copy_withdrawals(living: Database, restored: Database) -> None:
    """Behind those that are there: the numbers of both would be the same."""
    rows = await living.rows("SELECT event_id, room_id, job FROM withdrawal ORDER BY position")
    async with restored.transaction() as transaction:
        for row in rows:
            await withdraw(transaction, [(row["event_id"], row["room_id"])], job=row["job"])


async def _copy_rules(living: Database, restored: Database) -> None:
    """Whom operators let in or shut out: the later word counts."""
    rows = await living.rows("SELECT pattern_hash, pattern, verdict, set_at FROM access_rule")
    async with restored.transaction() as transaction:
        await transaction.many(
            f"{SET_RULE} WHERE excluded.set_at > set_at", [[*row] for row in rows]
        )


async def _copy_rows(table: str, living: Database, restored: Database, *, after: int = 0) -> None:
    if after:
        found = await living.rows(f"SELECT * FROM {table} WHERE rowid > ?", after)  # noqa: S608
    else:  # some have no rowid
        found = await living.rows(f"SELECT * FROM {table}")  # noqa: S608
    async with restored.transaction() as transaction:
        for row in found:
            values = [row[name] for name in row.keys()]  # noqa: SIM118
            marks = ", ".join("?" * len(values))
            await transaction.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", *values)  # noqa: S608


async def _erase(tenants: Tenants, path: Path, master_key: MasterKey) -> int:
    """Erase the keys of the vaults that have a tombstone; the next opening does the rest."""
    buried = await tenants.buried()
    dead = [tenant for tenant in await tenants.all() if tenant.vault_id in buried]
    with closing(Keyring.open(path, master_key)) as keyring:
        for tenant in dead:
            keyring.erase(tenant.slot)
    return len(dead)


def _give_to_owner(path: Path, draft: Path) -> None:
    """What root restores has to belong to the user whom the bot runs as."""
    owner = path.stat()
    for made in (path / "lock", draft, *draft.rglob("*")) if os.geteuid() == 0 else ():
        os.chown(made, owner.st_uid, owner.st_gid)
