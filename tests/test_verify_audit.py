"""The standalone verifier: short, run as a program, on exports and proofs that are real or not."""

import ast
import asyncio
import json
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from storage import AuditEntry, MasterKey, open_storage
from storage.audit_entry import AuditDetail, leaf_hash
from storage.checkpoints import HeadKey
from storage.merkle import root_of
from tests.place import KEY, ROOT, SECRET, Output, Place

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


@pytest.fixture
def outsider(tmp_path: Path) -> Outsider:
    return Outsider(tmp_path)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_it_can_be_read_in_five_minutes() -> None:
    text = VERIFIER.read_text("utf-8")
    imports = [one for one in ast.walk(ast.parse(text)) if isinstance(one, ast.Import)]
    outside = [one.module for one in ast.walk(ast.parse(text)) if isinstance(one, ast.ImportFrom)]

    assert len(text.splitlines()) <= 60
    assert max(map(len, text.splitlines())) <= 100
    assert {name.name for one in imports for name in one.names} <= sys.stdlib_module_names
    assert outside == ["Crypto.Signature"]


def test_an_intact_log_and_heads_from_elsewhere(
    place: Place, capsys: Output, outsider: Outsider
) -> None:
    notes = place.witnessed(9, every=3)
    outsider.heads.write_text("seen yesterday:\n\n" + "\n".join(notes[:2]), "utf-8")
    events = place.exported(capsys, "--heads")

    assert outsider.takes(events) == (0, "INTACT: 9 entries, as 3 signed heads have them")
    assert outsider.takes(events[:9], outsider.heads) == (
        0,
        "INTACT: 9 entries, as 2 signed heads have them",
    )


def test_every_tampering_is_found(place: Place, capsys: Output, outsider: Outsider) -> None:
    place.witnessed(6, every=3)
    events = place.exported(capsys, "--heads")
    entries, heads = events[:6], events[6:]
    swapped = [entries[1], entries[0], *entries[2:]]
    forged = json.loads(json.dumps(heads).replace("\\n6\\n", "\\n5\\n"))
    changed = [_changed(entry, outcome="denied") for entry in entries]
    other = HeadKey(bytes(32)).sign(6, root_of(_leaves(entries))).note

    found = [
        outsider.takes(tampered)
        for tampered in (
            [_changed(entries[0], outcome="denied", rehash=False), *entries[1:], *heads],
            [*swapped, *heads],
            [*entries[:3], *entries[4:], *heads],
            [*entries[:5], *heads],
            [*changed, *heads],
            [*entries, *forged],
            [*entries, {"data": other}],
        )
    ]

    assert [code for code, _ in found] == [1] * 7
    assert [said.removeprefix("NOT PROVED: ") for _, said in found] == [
        "entry 1 is not as recorded",
        "entry 1 is not as recorded",
        "entry 4 is not as recorded",
        "a head is of 6 entries, and there are 5",
        "the first 3 entries are not those of a signed head",
        "The signature is not authentic",
        "a head is of another log than the key",
    ]


@pytest.mark.parametrize("size", [1, 5, 8])
def test_one_persons_proof_and_no_other_entry(place: Place, outsider: Outsider, size: int) -> None:
    for file in asyncio.run(_proofs(place, size)):
        good = f"INTACT: entry {file['seq']} of {size}, if this is the key of the log: "
        outsider.proof.write_text(json.dumps(file, ensure_ascii=False), "utf-8")
        assert outsider.verify("--proof", outsider.proof) == (0, good + KEY.verifier_key)

    tampered = [
        {**file, "entry": {**file["entry"], "action": "memory.deleted"}},
        {**file, "entry": {**file["entry"], "facts": {"ms": 41}}},
        {**file, "salt": "00" * 32},
        {**file, "seq": file["seq"] + 1},
        {**file, "path": [*file["path"], "00" * 32]},
        {**file, "path": file["path"][1:] if size > 1 else ["00" * 32]},
        {**file, "head": KEY.sign(size, bytes(32)).note},
        {**file, "key": HeadKey(bytes(32)).verifier_key},
    ]
    for one in tampered:
        outsider.proof.write_text(json.dumps(one), "utf-8")
        code, said = outsider.verify("--proof", outsider.proof)
        assert code == 1
        assert said.startswith("NOT PROVED: ")
    assert outsider.verify("--proof", outsider.proof, KEY.verifier_key)[0] == 0


def test_wrong_usage_shows_the_usage(outsider: Outsider) -> None:
    code, said = outsider.verify()

    assert code == 1
    assert "verify_audit.py KEY LOG.jsonl" in said


def _changed(event: dict[str, Any], *, outcome: str, rehash: bool = True) -> dict[str, Any]:
    data = {**event["data"], "outcome": outcome}
    if rehash:
        public = {name: data[name] for name in ("seq", "occurred_at", "action", "outcome")}
        leaf = leaf_hash(**public, commitment=bytes.fromhex(data["commitment"]))
        data["leaf_hash"] = leaf.hex()
    return {**event, "data": data}


def _leaves(events: Sequence[dict[str, Any]]) -> list[bytes]:
    return [bytes.fromhex(event["data"]["leaf_hash"]) for event in events]


async def _proofs(place: Place, size: int) -> list[dict[str, Any]]:
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
    return {
        "entry": detail.fields,
        "salt": detail.salt.hex(),
        "seq": seq,
        "path": [one.hex() for one in proof.path],
        "head": proof.head.note,
        "key": storage.audit_key,
    }
