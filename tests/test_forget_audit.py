"""After `!forget everything` the audit log fits together, and who knows everything links nothing.

The attacker has the data directory, the master key and every detail of every entry about Ann, to
the microsecond: all that a commitment is over, but for its salt.
"""

import hashlib
import hmac
import itertools
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from bot.audit_feed import AuditFeed
from bot.audit_heads import AuditHeads
from bot.journal import Journal
from storage import AuditDetail, AuditEntry, MasterKey
from storage.audit_entry import SALT_BYTES, detail_from
from tests.audit_feeding import ROOM, RememberingOutlet
from tests.random_lives import Life
from tests.spine import ANN, BOB, Spine, spine
from tests.test_forget_forensics import forget_everything

STEPS = 25
PLANTED = "planted"


@pytest.mark.parametrize("seed", [2, 5])
async def test_after_the_whole_job_the_log_verifies_and_knowing_everything_links_nothing(
    seed: int, tmp_path: Path
) -> None:
    async with spine(tmp_path) as bot:
        life, posting = Life(bot, Random(seed)), Posting(bot)
        await life.go(STEPS)
        name = await pseudonym(bot)
        assert leads(tmp_path, [name]) != [], "what waits to be posted is under it"
        await posting.all()
        anns, bobs = await details(bot, ANN), await details(bot, BOB)
        known, salts = [one.entry for one in anns], [one.salt for one in anns]
        heads = posting.notes()
        the_attack_works(tmp_path, anns)

        await forget_everything(life)
        await posting.all()

        verified = await bot.storage.audit_log.verify(heads)
        known += [replace(one.entry, actor=ANN) for one in outside_vaults(tmp_path)]
        assert linked(tmp_path, known, guesses(tmp_path)) == set()
        assert len(await details(bot, BOB)) == len(bobs)
    assert (len(heads) > 0, verified.entries > len(anns) + len(bobs)) == (True, True)
    assert linked(tmp_path, known, guesses(tmp_path)) == set()
    assert linked(tmp_path, known[:: len(known) // 3], windows(tmp_path)) == set()
    assert {one.entry.actor for one in outside_vaults(tmp_path)} == {"somebody", "system"}
    assert leads(tmp_path, [name, *map(bytes.hex, salts)]) == []
    assert leads(tmp_path, [one.entry.target for one in anns if one.entry.target[:1] == "$"]) == []


def the_attack_works(data: Path, anns: Sequence[AuditDetail]) -> None:
    """With the vault's salts it names every entry, and finds one by one what lies about."""
    known, all_of_them = [one.entry for one in anns], {one.commitment for one in anns}
    assert len(anns) > STEPS
    assert linked(data, known, [one.salt for one in anns]) == all_of_them
    assert linked(data, known, guesses(data)) == set(), "and without them none"
    of_the_bot = outside_vaults(data)
    found = linked(data, [one.entry for one in of_the_bot], guesses(data))
    assert found == {one.commitment for one in of_the_bot} != set()
    (data / PLANTED).write_bytes(b"a salt, " + anns[7].salt + b", in a file")
    assert linked(data, known[7:8], windows(data)) == {anns[7].commitment}
    assert leads(data, [anns[7].salt.hex()]) == [PLANTED]
    (data / PLANTED).unlink()


def linked(data: Path, known: Sequence[AuditEntry], salts: Iterable[bytes]) -> set[bytes]:
    """The public entries that are one of those known, with one of these salts."""
    public = {row[0] for row in rows(data, "SELECT commitment FROM audit_entry")}
    tried = (AuditDetail(entry, salt).commitment for salt in salts for entry in known)
    return public.intersection(tried)


def guesses(data: Path, person: str = ANN, secret: str = "ab" * 32) -> set[bytes]:
    """What stands in any column of the shared file, and what a salt could be made of."""
    key, names = MasterKey.load(secret, data), [person.encode(), b"salt"]
    keys = [b"", bytes(32), *(key.derive(one) for one in ("audit", "audit head", "salt", person))]
    values = {*keys, *names, *columns(data)}
    made = (hashlib.sha256(one).digest() for one in values)
    sealed = (hmac.digest(one, name, "sha256") for one in keys for name in names)
    return {*values, *made, *sealed}


def columns(data: Path) -> Iterator[bytes]:
    """Every value of every table, as bytes; what is written in hexadecimal also as it is meant."""
    for [table] in rows(data, "SELECT name FROM sqlite_master WHERE type = 'table'"):
        for value in itertools.chain.from_iterable(rows(data, f"SELECT * FROM {table}")):
            yield value if isinstance(value, bytes) else str(value).encode()
            if isinstance(value, str) and len(value) == 2 * SALT_BYTES:
                yield bytes.fromhex(value)


def windows(data: Path) -> Iterator[bytes]:
    """Whatever of a salt's length stands anywhere in any file but the vaults of others."""
    for file in data.rglob("*"):
        if file.is_file() and file.parent.name != "vaults":
            content = file.read_bytes()
            yield from {content[at : at + SALT_BYTES] for at in range(len(content))}


def leads(data: Path, words: Sequence[str]) -> list[str]:
    """The files that hold one of these, as text or, of hexadecimal, as bytes."""
    forms = [one.encode() for one in words]
    forms += [bytes.fromhex(one) for one in words if len(one) == 2 * SALT_BYTES]
    contents = {one.name: one.read_bytes() for one in data.rglob("*") if one.is_file()}
    return [name for name in contents if any(form in contents[name] for form in forms)]


def outside_vaults(data: Path) -> list[AuditDetail]:
    """The private halves of entries that concern nobody's vault."""
    return [detail_from(dict(row)) for row in rows(data, "SELECT * FROM audit_detail")]


def rows(data: Path, query: str) -> list[sqlite3.Row]:
    with closing(sqlite3.connect(data / "shared.db")) as shared:
        shared.row_factory = sqlite3.Row
        return shared.execute(query).fetchall()


class Posting:
    """What posts in the audit room."""

    def __init__(self, bot: Spine) -> None:
        self._room = RememberingOutlet()
        journal = Journal(bot.storage.audit_log, now=bot.clock)
        heads = AuditHeads(bot.storage, journal, self._room, ROOM, now=bot.clock)
        self._feed = AuditFeed(bot.storage, self._room, heads, ROOM)

    async def all(self) -> None:
        """Post until nothing is left to be posted."""
        while await self._feed.post():
            pass

    def notes(self) -> list[str]:
        """The heads in the room."""
        posted = [one.fields["org.confidant.audit"] for one in self._room.events.values()]
        return [one["head"] for one in posted if "head" in one]


async def details(bot: Spine, person: str) -> list[AuditDetail]:
    """The private halves of somebody's entries, salts included, oldest first."""
    async with bot.storage.vaults.open(person) as vault:
        return [detail for _, detail in await bot.storage.audit_log.disclosed(vault)]


async def pseudonym(bot: Spine) -> str:
    async with bot.storage.vaults.open(ANN) as vault:
        return vault.pseudonym
