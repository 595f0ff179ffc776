"""What a vault costs as it grows, against bare SQLite doing the same in the same run.

    ./confidant bench vault [--sizes 1000 10000 100000] [--vaults 500] [--embeddings] [--json]

A vault is encrypted, indexed and wiped; the baseline is a plain SQLite file with one FTS5 table, in
WAL mode with synchronous=FULL. `recall` is a search for the 20 best turns, against an OR query by
bm25(); `insert` one message, committed; `open` the first read of a closed file; `export` every row;
`forget` five messages, which a vault also takes out of every byte of its file. The messages are
made up from a seed, in words as frequent as those of a language (Zipf). --embeddings adds
`meaning`: the same search with a vector of 384 numbers a turn, against the same OR query.
"""

import argparse
import asyncio
import json
import math
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median

from benchmarks._speech import NOON, Bare, Speech, role, said_at
from storage import Asked, MasterKey, Storage, Vault, open_storage

MODEL = "made up"
ROOM = "!bench"

FILL = """
    INSERT INTO turn (event_id, room_id, room_kind, role, text, said_at)
    SELECT value ->> 0, ?, 'direct', value ->> 1, value ->> 2, value ->> 3 FROM json_each(?)
"""
Operation = Callable[[int], Awaitable[object]]
"""Does a thing once; the number says for the how manieth time."""


async def fill(vault: Vault, texts: Sequence[str], speech: Speech, *, embeddings: bool) -> None:
    """Put messages into a vault at once, which the bot never does: it is quicker."""
    rows = [
        (f"${number}", role(number), text, said_at(number).isoformat(timespec="microseconds"))
        for number, text in enumerate(texts)
    ]
    async with vault._database.transaction() as transaction:
        await transaction.execute(FILL, ROOM, json.dumps(rows))
    if embeddings:
        missing = await vault.vectors.missing(limit=len(texts))
        await vault.vectors.keep(MODEL, missing, [speech.vector() for _ in missing])


async def add(vault: Vault, number: int, text: str) -> None:
    """One message, as the bot keeps it."""
    await vault.turns.add(
        event_id=f"$new{number}",
        room_id=ROOM,
        room_kind="direct",
        role="user",
        text=text,
        said_at=NOON,
    )


async def timed(operation: Operation, times: int, rounds: int) -> list[float]:
    """Milliseconds of each time, in order of size.

    Of several rounds the quickest counts: what else this machine does only ever adds to it.
    """
    await operation(times)  # for warming up
    measured = [math.inf] * times
    for _ in range(rounds):
        for number in range(times):
            began = time.perf_counter()
            await operation(number)
            measured[number] = min(measured[number], 1000 * (time.perf_counter() - began))
    return sorted(measured)


async def compared(
    ours: Operation, bare: Operation, times: int, *, rounds: int = 1
) -> dict[str, float]:
    """Median and 95th percentile of both, and what ours is times the baseline."""
    mine, theirs = await timed(ours, times, rounds), await timed(bare, times, rounds)
    p95, bare_p95 = _p95(mine), _p95(theirs)
    return {
        "p50_ms": round(median(mine), 3),
        "p95_ms": round(p95, 3),
        "bare_p50_ms": round(median(theirs), 3),
        "bare_p95_ms": round(bare_p95, 3),
        "ratio": round(median(mine) / median(theirs), 2),
        "p95_ratio": round(p95 / bare_p95, 2),
    }


def _p95(ordered: Sequence[float]) -> float:
    return ordered[math.ceil(0.95 * len(ordered)) - 1]


async def measure(
    storage: Storage, folder: Path, size: int, *, embeddings: bool
) -> dict[str, dict[str, float]]:
    """Every operation on a vault with so many messages, the destructive one last."""
    speech, user = Speech(size), f"@{size}:bench"
    texts = [speech.sentence() for _ in range(size)]
    questions = [speech.question(texts) for _ in range(101)]
    bare = Bare(folder / f"{size}.db", texts)
    async with storage.vaults.open(user) as vault:
        await fill(vault, texts, speech, embeddings=embeddings)

        async def recall(number: int) -> None:
            await vault.search.turns(questions[number], limit=20)

        async def bare_recall(number: int) -> None:
            await bare.recall(questions[number])

        asked = Asked(MODEL, speech.vector())

        async def meaning(number: int) -> None:
            await vault.search.turns(questions[number], limit=20, vector=asked)

        async def insert(number: int) -> None:
            await add(vault, number, texts[number % size])

        async def bare_insert(number: int) -> None:
            await bare.insert(number, texts[number % size])

        async def export(_: int) -> None:
            await vault.export()

        async def forget(number: int) -> None:
            await vault.turns.delete([f"${5 * number + step}" for step in range(5)])

        found = {"recall": await compared(recall, bare_recall, 100, rounds=3)}
        if embeddings:
            found["meaning"] = await compared(meaning, bare_recall, 100, rounds=3)
        found["insert"] = await compared(insert, bare_insert, 50)
        found["export"] = await compared(export, bare.export, 3)
        found["forget"] = await compared(forget, bare.forget, 3)

    async def reopened(_: int) -> None:
        async with storage.vaults.open(user) as again:
            await again.turns.recent(ROOM, limit=1)

    found["open"] = await compared(reopened, bare.reopen, 20)
    bare.connection.close()
    return found


async def crowded(folder: Path, vaults: int) -> dict[str, float]:
    """Megabytes that vaults in use at the same time take, and as many plain files."""
    speech = Speech(vaults)
    texts = [speech.sentence() for _ in range(20)]
    before = _rss()
    async with (
        open_storage(folder, MasterKey.load("ab" * 32, folder)) as storage,
        AsyncExitStack() as stack,
    ):
        for number in range(vaults):
            vault = await stack.enter_async_context(storage.vaults.open(f"@{number}:bench"))
            await fill(vault, texts, speech, embeddings=False)
            await vault.search.turns(texts[0], limit=20)
        ours = _rss() - before
    before = _rss()
    plain = [Bare(folder / f"bare-{number}.db", texts) for number in range(vaults)]
    for one in plain:
        await one.recall(texts[0])
    bare = _rss() - before
    for one in plain:
        one.connection.close()
    return {"vaults": vaults, "vaults_mb": round(ours, 1), "bare_mb": round(bare, 1)}


def _rss() -> float:
    """What this process holds in memory, in megabytes."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


async def run(sizes: Sequence[int], vaults: int, *, embeddings: bool) -> dict[str, object]:
    """All figures."""
    with tempfile.TemporaryDirectory(prefix="confidant-bench-") as name:
        folder = Path(name)
        crowd = await crowded(folder / "crowd", vaults)
        data = folder / "data"
        found = {}
        async with open_storage(data, MasterKey.load("ab" * 32, data), pool_size=0) as storage:
            for size in sizes:
                found[str(size)] = await measure(storage, folder, size, embeddings=embeddings)
    first, last = found[str(sizes[0])], found[str(sizes[-1])]
    growth = {
        "recall_growth": round(last["recall"]["p50_ms"] / first["recall"]["p50_ms"], 2),
        "recall_p95_growth": round(last["recall"]["p95_ms"] / first["recall"]["p95_ms"], 2),
        "bare_growth": round(last["recall"]["bare_p50_ms"] / first["recall"]["bare_p50_ms"], 2),
        "recall_p95_ratio": last["recall"]["p95_ratio"],
    }
    return {"sizes": list(sizes), **found, **growth, **crowd}


def table(found: dict[str, object]) -> str:
    """One line an operation and size."""
    titles = ("p50_ms", "p95_ms", "bare_p50_ms", "bare_p95_ms", "ratio", "p95_ratio")
    lines = [f"{'messages':>9} {'':<8}" + "".join(f"{title:>13}" for title in titles)]
    for size, operations in found.items():
        if isinstance(operations, dict):
            for name, one in operations.items():
                cells = "".join(f"{one[title]:>13}" for title in titles)
                lines.append(f"{size:>9} {name:<8}{cells}")
    return "\n".join(lines)


def main() -> int:
    options = argparse.ArgumentParser(description="What a vault costs as it grows.")
    options.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    options.add_argument("--vaults", type=int, default=500)
    options.add_argument("--embeddings", action="store_true", help="search by meaning as well")
    options.add_argument("--json", action="store_true", help="one JSON object as the last line")
    chosen = options.parse_args()
    found = asyncio.run(run(chosen.sizes, chosen.vaults, embeddings=chosen.embeddings))
    print(table(found))
    print(
        f"\nrecall at {chosen.sizes[-1]} messages: {found['recall_growth']} times its time at "
        f"{chosen.sizes[0]} (bare OR query: {found['bare_growth']}); its p95 "
        f"{found['recall_p95_ratio']} times the bare query's\n"
        f"{found['vaults']} vaults in use: {found['vaults_mb']} MB ({found['bare_mb']} MB bare)"
    )
    if chosen.json:
        print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
