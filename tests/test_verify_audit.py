"""The standalone verifier: short, run as a program, on exports and proofs that are real or not."""

import ast
import asyncio
import json
import sys

import pytest

from storage.checkpoints import HeadKey
from storage.merkle import root_of
from tests.outsider import VERIFIER, Outsider, changed, head, leaves, proofs
from tests.place import KEY, Output, Place


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

    assert outsider.takes(events) == (
        0,
        "INTACT: 9 entries, of which the first 9 are as 3 signed heads say",
    )
    assert outsider.takes(events[:9], outsider.heads) == (
        0,
        "INTACT: 9 entries, of which the first 6 are as 2 signed heads say",
    )


def test_every_tampering_is_found(place: Place, capsys: Output, outsider: Outsider) -> None:
    place.witnessed(6, every=3)
    events = place.exported(capsys, "--heads")
    entries, heads = events[:6], events[6:]
    swapped = [entries[1], entries[0], *entries[2:]]
    forged = json.loads(json.dumps(heads).replace("\\n6\\n", "\\n5\\n").replace("-6", "-5"))
    denied = [changed(entry, outcome="denied") for entry in entries]
    other = HeadKey(bytes(32)).sign(6, root_of(leaves(entries))).note

    found = [
        outsider.takes(tampered)
        for tampered in (
            [changed(entries[0], outcome="denied", rehash=False), *entries[1:], *heads],
            [*swapped, *heads],
            [*entries[:3], *entries[4:], *heads],
            [*entries[:5], *heads],
            [*denied, *heads],
            [*entries, *forged],
            [*entries, head(other)],
        )
    ]

    assert [code for code, _ in found] == [1] * 7
    assert [said.removeprefix("NOT PROVED: ") for _, said in found] == [
        "entry 1 is not as recorded",
        "entry 1 is not as recorded",
        "entry 4 is not as recorded",
        "a head is of 6 entries, and there are 5",
        "the first 3 entries are not those of a signed head",
        "ValueError('The signature is not authentic')",
        "entry checkpoint-6 is not as recorded",
    ]


@pytest.mark.parametrize("size", [1, 5, 8])
def test_one_persons_proof_and_no_other_entry(place: Place, outsider: Outsider, size: int) -> None:
    for file in asyncio.run(proofs(place, size)):
        good = f"INTACT: entry {file['seq']} of {size}, if this is the key of the log: "
        outsider.proof.write_text(json.dumps(file, ensure_ascii=False), "utf-8")
        code, said = outsider.verify("--proof", outsider.proof)
        told, entry = said.split("\n")
        assert (code, told) == (0, f"{good}'{KEY.verifier_key}'")
        assert json.loads(entry) == file["entry"]
        assert said.isascii()

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
