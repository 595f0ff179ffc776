"""What the audit log costs at 100,000 entries, and whether any change to it goes unfound.

    ./confidant bench audit [--entries 100000] [--tamperings 1000] [--json]

`append_ms` is the median of one entry appended to a log of that size that concerns nobody's vault:
details with their salt, public half, leaf hash and feed, in one commit. `append_ratio` is that
against the same three rows in a plain SQLite file with the same settings (WAL, synchronous=FULL),
in the same run, taking turns. `append_with_vault_ms` is one that concerns a person, as each message
does: their details go into their encrypted vault first, so it takes two commits in two files, and
about twice as long. Most of both is waiting for the disk.
`verify_100k_s` is how long all entries, their tree and all signed heads take, one head for every
hundred entries, as `confidant audit verify` does it. `found` of `tampered` are random changes by
raw SQL to a log that has a head of all its entries: a bit, a field, a row, an exchange, entries
taken out, cut off, put in or put in elsewhere, half of them with hashes that fit again. Each is
made to a copy of 300 entries of its own, and verified.
"""

import argparse
import asyncio
import json
import random
import secrets
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from benchmarks._tampering import defenceless, tampered
from storage import (
    AuditEntry,
    AuditTampered,
    MasterKey,
    Storage,
    Vault,
    open_storage,
    read_audit_key,
    verify_audit_log,
)

SECRET = "ab" * 32
ENTRY = AuditEntry(
    datetime(2026, 11, 23, 12, tzinfo=UTC),
    "@bench:hs",
    "message.answered",
    "ok",
    "$bench",
    {"ms": 840, "model": "m", "tokens": 1200},
)
HEAD_EVERY = 100
AT_ONCE = 1_000
APPENDS = 500
TAMPERED_ENTRIES = 300

PLAIN = """
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    CREATE TABLE entry (seq INTEGER PRIMARY KEY, at TEXT, action TEXT, outcome TEXT,
                        commitment BLOB UNIQUE, leaf BLOB);
    CREATE TABLE detail (position INTEGER PRIMARY KEY, commitment BLOB UNIQUE, salt BLOB, at TEXT,
                         actor TEXT, action TEXT, target TEXT, outcome TEXT, facts TEXT);
    CREATE TABLE feed (seq INTEGER PRIMARY KEY, at TEXT, pseudonym TEXT, action TEXT, outcome TEXT,
                       facts TEXT);
"""
FACTS = json.dumps(dict(ENTRY.facts))


async def filled(storage: Storage, entries: int) -> None:
    """Entries with a head for every hundred of them; more in a transaction than the bot has."""
    for start in range(0, entries, AT_ONCE):
        wanted = min(AT_ONCE, entries - start)
        for _ in range(0, wanted, HEAD_EVERY):
            await storage.audit_log.record([ENTRY] * min(HEAD_EVERY, wanted))
            await storage.audit_log.head()


def insert_plainly(plain: sqlite3.Connection) -> None:
    """The three rows of an entry, committed, with no thought given to them."""
    at, commitment, leaf = "2026-11-23T12:00Z", secrets.token_bytes(32), secrets.token_bytes(32)
    said = (ENTRY.action, ENTRY.outcome)
    detail = (commitment, leaf, at, ENTRY.actor, ENTRY.action, ENTRY.target, ENTRY.outcome, FACTS)
    plain.execute("BEGIN IMMEDIATE")
    plain.execute("INSERT INTO detail VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?)", detail)
    plain.execute("INSERT INTO entry VALUES (NULL, ?, ?, ?, ?, ?)", (at, *said, commitment, leaf))
    plain.execute("INSERT INTO feed VALUES (NULL, ?, '', ?, ?, ?)", (at, *said, FACTS))
    plain.execute("COMMIT")


async def appended(
    storage: Storage, vault: Vault, plain: sqlite3.Connection
) -> tuple[float, float, float]:
    """The median milliseconds of an entry of a person's, of the bot's, and of plain rows."""
    persons, bots, theirs = list[float](), list[float](), list[float]()
    for _ in range(APPENDS):
        began = time.perf_counter()
        await storage.audit_log.append(ENTRY, vault)
        second = time.perf_counter()
        await storage.audit_log.append(ENTRY)
        third = time.perf_counter()
        insert_plainly(plain)
        persons.append(1000 * (second - began))
        bots.append(1000 * (third - second))
        theirs.append(1000 * (time.perf_counter() - third))
    return median(persons), median(bots), median(theirs)


async def costs(data: Path, entries: int) -> dict[str, float]:
    """What appending and verifying take at that size."""
    plain_file = data.with_name("plain.db")
    with closing(sqlite3.connect(plain_file, isolation_level=None)) as plain:
        plain.executescript(PLAIN)
        plain.execute("BEGIN")
        plain.executemany(
            "INSERT INTO entry VALUES (NULL, ?, ?, ?, ?, ?)",
            (("2026", "a", "ok", secrets.token_bytes(32), b"") for _ in range(entries)),
        )
        plain.execute("COMMIT")
        key = MasterKey.load(SECRET, data)
        opening = open_storage(data, key)
        async with opening as storage, storage.vaults.open(ENTRY.actor) as vault:
            await filled(storage, entries)
            persons, bots, theirs = await appended(storage, vault, plain)
    began = time.perf_counter()
    verify_audit_log(data, read_audit_key(data, SECRET).verifier_key)
    seconds = time.perf_counter() - began
    return {
        "append_ms": round(bots, 3),
        "append_with_vault_ms": round(persons, 3),
        "append_ratio": round(bots / theirs, 2),
        "verify_100k_s": round(seconds * 100_000 / (entries + 2 * APPENDS), 3),
    }


async def tamperings(
    data: Path, times: int, *, seed: int, entries: int = TAMPERED_ENTRIES
) -> tuple[int, Counter[str]]:
    """How many random changes were found, and of what kind those were that were not."""
    async with open_storage(data, MasterKey.load(SECRET, data)) as storage:
        await filled(storage, entries)
    key, file = read_audit_key(data, SECRET).verifier_key, data / "shared.db"
    verify_audit_log(data, key)
    intact, chance, unfound = file.read_bytes(), random.Random(seed), Counter[str]()
    for _ in range(times):
        file.write_bytes(intact)
        with closing(defenceless(file)) as connection:
            what = tampered(connection, chance)
        try:
            verify_audit_log(data, key)
        except AuditTampered:
            continue
        unfound[what] += 1
    return times - unfound.total(), unfound


async def measured(options: argparse.Namespace) -> dict[str, float]:
    """All the figures; what was not found is said as well."""
    with tempfile.TemporaryDirectory() as folder:
        figures = await costs(Path(folder) / "long", options.entries)
        found, unfound = await tamperings(
            Path(folder) / "short", options.tamperings, seed=options.seed
        )
    for what, count in unfound.items():
        print(f"NOT FOUND {count}: {what}", file=sys.stderr)
    return {**figures, "tampered": options.tamperings, "found": found}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print a table or one line of JSON; 1 if a change was not found."""
    parser = argparse.ArgumentParser(prog="confidant bench audit")
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--tamperings", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=6)
    parser.add_argument("--json", action="store_true", help="one line of JSON at the end")
    options = parser.parse_args(arguments)
    figures = asyncio.run(measured(options))
    if options.json:
        print(json.dumps(figures))
    else:
        print("\n".join(f"{name:<22} {value}" for name, value in figures.items()))
        print(
            "An entry of the bot's own is one commit, one of a person's two: in their vault, too."
        )
    return int(figures["found"] < figures["tampered"])


if __name__ == "__main__":
    sys.exit(main())
