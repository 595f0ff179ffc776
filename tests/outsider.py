"""Somebody outside, who has the standalone verifier and what the bot gave them."""

import json
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bot.audit_view import proof_file
from storage import AuditEntry, MasterKey, open_storage
from storage.audit_entry import AuditDetail, leaf_hash
from tests.place import KEY, ROOT, SECRET, Place

NOON = datetime(2026, 11, 23, 12, 0, 31, 5, tzinfo=UTC)

VERIFIER = ROOT / "contrib" / "verify_audit.py"


class Outsider:
    """Somebody with the verifier, the key of the log and files that they were given."""

    def __init__(self, folder: Path) -> None:
        self.log, self.heads, self.proof = (folder / one for one in ("log", "heads", "proof"))

    def verify(self, *arguments: str | Path) -> tuple[int, str]:
        """The exit code and what was said. -I: nothing of this checkout can be imported."""
        run = subprocess.run(
            [sys.executable, "-I", VERIFIER, *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=self.log.parent,
        )
        return run.returncode, (run.stdout or run.stderr).strip()

    def takes(self, events: Sequence[dict[str, Any]], *more: Path) -> tuple[int, str]:
        self.log.write_text("".join(f"{json.dumps(event)}\n" for event in events), "utf-8")
        return self.verify(KEY.verifier_key, self.log, *more)


def head(note: str) -> dict[str, Any]:
    origin, size, *_ = note.split("\n")
    return {
        "specversion": "1.0",
        "id": f"checkpoint-{size}",
        "source": origin,
        "type": "org.confidant.audit.checkpoint",
        "datacontenttype": "text/plain",
        "data": note,
    }


def changed(event: dict[str, Any], *, outcome: str, rehash: bool = True) -> dict[str, Any]:
    data = {**event["data"], "outcome": outcome}
    if rehash:
        public = {name: data[name] for name in ("seq", "occurred_at", "action", "outcome")}
        leaf = leaf_hash(**public, commitment=bytes.fromhex(data["commitment"]))
        data["leaf_hash"] = leaf.hex()
    return {**event, "data": data}


def leaves(events: Sequence[dict[str, Any]]) -> list[bytes]:
    return [bytes.fromhex(event["data"]["leaf_hash"]) for event in events]


async def proofs(place: Place, size: int) -> list[dict[str, Any]]:
    """The proofs of some of Alice's entries as files, from a log of so many."""
    key = MasterKey.load(SECRET, place.data)
    async with open_storage(place.data, key) as storage, storage.vaults.open("@alice:hs") as vault:
        for _ in range(size):
            entry = AuditEntry(NOON, "@alice:hs", "message.answered", "ok", "$ü", {"ms": 40})
            await storage.audit_log.append(entry, vault)
        own = dict(await storage.audit_log.disclosed(vault))
        return [await _proof(storage, seq, own[seq]) for seq in sorted({1, (size + 1) // 2, size})]


async def _proof(storage: Any, seq: int, detail: AuditDetail) -> dict[str, Any]:
    proof = await storage.audit_log.proof(seq)
    content: dict[str, Any] = json.loads(proof_file(detail, proof, key=storage.audit_key))
    return content
